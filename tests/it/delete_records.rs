//! DeleteRecords: what goes, what stays, what is refused, and that nothing comes back.
//!
//! Owns: the answers, what readers see afterwards, restarts.
//! Leaves to others: segments' files (`retention`), crashes under load (`retention_crash`).
//! Invariant: the tests of what Kafka has pass against Apache Kafka too (`LOGMILL_PEER=kafka`).
//! Start reading at: [`delete`].

use logmill::wire::generated::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use logmill::wire::generated::delete_records_response::DeleteRecordsResponse;

use crate::client::{Kafka, batch};
use crate::harness::broker::{Broker, Peer};
use crate::harness::{Tier, java, skipped_below};
use crate::members;

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_TOPIC: i16 = 17;
const POLICY_VIOLATION: i16 = 44;
const HIGH_WATERMARK: i64 = -1;

/// Error code and low watermark of each partition, in the order of their numbers.
pub fn delete_some(
    kafka: &mut Kafka,
    version: i16,
    topic: &str,
    below: &[(i32, i64)],
) -> Vec<(i16, i64)> {
    let partition = |(index, offset): &(i32, i64)| DeleteRecordsPartition {
        partition_index: *index,
        offset: *offset,
    };
    let partitions = below.iter().map(partition).collect();
    let topics = vec![DeleteRecordsTopic { name: topic.into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 10_000 };
    let mut answer: DeleteRecordsResponse = kafka.ask(&request, version);
    let mut told = answer.topics.remove(0).partitions;
    told.sort_by_key(|told| told.partition_index);
    told.iter().map(|told| (told.error_code, told.low_watermark)).collect()
}

/// Error code and low watermark of partition 0.
pub fn delete(kafka: &mut Kafka, topic: &str, below: i64) -> (i16, i64) {
    delete_some(kafka, 2, topic, &[(0, below)])[0]
}

/// Makes a topic and writes `records` batches of one record to its first partition.
fn filled(kafka: &mut Kafka, topic: &str, records: i64, configs: &[(&str, &str)]) {
    kafka.create_topic(topic, 2, configs);
    for number in 0..records {
        let value = format!("value {number}");
        let told = kafka.put_when_led(topic, 0, batch(&[(Some("key"), &value)]));
        assert_eq!(told.base_offset, number, "{told:?}");
    }
}

#[test]
fn records_below_an_offset_go_and_the_rest_stays() {
    let broker = Broker::under_test(&[("shards", "2")]);
    let mut kafka = Kafka::connect(broker.port, "deletes");
    filled(&mut kafka, "seen", 10, &[]);
    assert_eq!(delete(&mut kafka, "seen", 4), (0, 4));
    assert_eq!(delete(&mut kafka, "seen", 2), (0, 4), "it never goes back");
    assert_eq!(kafka.start("seen", 0), 4);
    let told = kafka.read("seen", 0);
    let offsets: Vec<i64> = told.iter().map(|stored| stored.offset).collect();
    assert_eq!(offsets, [4, 5, 6, 7, 8, 9]);
    assert_eq!(kafka.try_fetch("seen", 0, 3).0, OFFSET_OUT_OF_RANGE);
    assert_eq!(kafka.offset("seen", 0, 1_000), 4, "the first record after 1970");
    for (wrong, version) in [(11, 2), (-2, 0), (i64::MAX, 1)] {
        let told = delete_some(&mut kafka, version, "seen", &[(0, wrong)]);
        assert_eq!(told, [(OFFSET_OUT_OF_RANGE, -1)], "{wrong}");
    }
    let told = delete_some(&mut kafka, 1, "seen", &[(1, HIGH_WATERMARK), (0, HIGH_WATERMARK)]);
    assert_eq!(told, [(0, 10), (0, 0)]);
    assert_eq!((kafka.start("seen", 0), kafka.end("seen", 0)), (10, 10));
    let told = kafka.put("seen", 0, batch(&[(None, "more")]));
    assert_eq!((told.base_offset, told.log_start_offset), (10, 10));
    assert_eq!(kafka.read("seen", 0)[0].value, "more");
}

#[test]
fn deleting_is_refused_where_it_makes_no_sense() {
    let broker = Broker::under_test(&[]);
    let mut kafka = Kafka::connect(broker.port, "deletes");
    filled(&mut kafka, "plain", 3, &[]);
    filled(&mut kafka, "compacted", 3, &[("cleanup.policy", "compact")]);
    filled(&mut kafka, "both", 3, &[("cleanup.policy", "compact,delete")]);
    filled(&mut kafka, "neither", 3, &[("cleanup.policy", "")]);
    assert_eq!(delete(&mut kafka, "compacted", 1), (POLICY_VIOLATION, -1));
    assert_eq!(delete(&mut kafka, "both", 1), (0, 1));
    assert_eq!(delete(&mut kafka, "neither", 1), (0, 1));
    assert_eq!(delete(&mut kafka, "nowhere", 1), (UNKNOWN_TOPIC_OR_PARTITION, -1));
    let told = delete_some(&mut kafka, 2, "plain", &[(0, 1), (7, 1)]);
    assert_eq!(told, [(0, 1), (UNKNOWN_TOPIC_OR_PARTITION, -1)]);
    members::find(&mut kafka, "group");
    assert_eq!(delete(&mut kafka, "__consumer_offsets", 0), (INVALID_TOPIC, -1));
}

#[test]
fn what_was_deleted_stays_deleted_and_a_namesake_keeps_its_records() {
    if Peer::under_test() == Peer::Kafka {
        return;
    }
    let mut broker = Broker::under_test(&[("shards", "2")]);
    let mut kafka = Kafka::connect(broker.port, "deletes");
    for topic in ["kept", "again"] {
        filled(&mut kafka, topic, 10, &[]);
        assert_eq!(delete(&mut kafka, topic, 6), (0, 6));
    }
    broker.kill();
    broker.start();
    let mut kafka = Kafka::connect(broker.port, "deletes");
    assert_eq!((kafka.start("kept", 0), kafka.end("kept", 0)), (6, 10));
    kafka.delete_topic("again");
    filled(&mut kafka, "again", 8, &[]);
    broker.kill();
    broker.start();
    let mut kafka = Kafka::connect(broker.port, "deletes");
    assert_eq!((kafka.start("again", 0), kafka.end("again", 0)), (0, 8));
    assert_eq!(kafka.read("again", 0).len(), 8);
    broker.restart();
    let mut kafka = Kafka::connect(broker.port, "deletes");
    assert_eq!((kafka.start("kept", 0), kafka.end("kept", 0)), (6, 10));
    let listed = std::fs::read_to_string(broker.data().join("log-start-offset-checkpoint"));
    assert_eq!(listed.expect("Kafka's file"), "0\n1\nkept 0 6\n");
}

#[test]
fn kafka_delete_records_works() {
    if skipped_below(Tier::Test, "kafka-delete-records") {
        return;
    }
    let broker = Broker::under_test(&[]);
    let mut kafka = Kafka::connect(broker.port, "deletes");
    filled(&mut kafka, "tool", 5, &[]);
    let file = broker.folder().join("offsets.json");
    let json = r#"{"version":1,"partitions":[{"topic":"tool","partition":0,"offset":3}]}"#;
    std::fs::write(&file, json).expect("a writable folder");
    let (bootstrap, file) = (broker.bootstrap(), file.display().to_string());
    let args = ["--bootstrap-server", &bootstrap, "--offset-json-file", &file];
    let done = java::tools().run_any(java::DELETE_RECORDS, &args, None);
    let said = format!("{}\n{}", done.out, done.err);
    assert!(said.contains("low_watermark: 3"), "{said}");
    assert_eq!(kafka.start("tool", 0), 3);
}
