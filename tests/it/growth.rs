//! Adding partitions to a topic, and what lies in the data directories.
//!
//! Owns: CreatePartitions and DescribeLogDirs, over a bare connection and with Kafka's own tools.
//! Leaves to others: creating and deleting topics (`operators`, `answers`).
//! Invariant: the tests of what Kafka has pass against Apache Kafka too (`LOGMILL_PEER=kafka`).

use logmill::wire::generated::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use logmill::wire::generated::create_partitions_response::CreatePartitionsResponse;
use logmill::wire::generated::describe_log_dirs_request::{
    DescribableLogDirTopic, DescribeLogDirsRequest,
};
use logmill::wire::generated::describe_log_dirs_response::{
    DescribeLogDirsResponse, DescribeLogDirsResult,
};

use crate::client::{Kafka, batch};
use crate::harness::broker::{Broker, Peer};
use crate::harness::client::{Client, Job, write_records};
use crate::harness::{Tier, java, skipped_below, tail};

const UNKNOWN_TOPIC: i16 = 3;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_ASSIGNMENT: i16 = 39;
const INVALID_REQUEST: i16 = 42;
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";

fn topic(name: &str, count: i32, replicas: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let one = |ids: &&[i32]| CreatePartitionsAssignment { broker_ids: ids.to_vec() };
    let assignments = replicas.map(|all| all.iter().map(one).collect());
    CreatePartitionsTopic { name: name.into(), count, assignments }
}

/// Name, error and text of each answer, in the order of names.
fn grow(
    kafka: &mut Kafka,
    version: i16,
    topics: Vec<CreatePartitionsTopic>,
    validate_only: bool,
) -> Vec<(String, i16, Option<String>)> {
    let request = CreatePartitionsRequest { topics, timeout_ms: 10_000, validate_only };
    let answer: CreatePartitionsResponse = kafka.ask(&request, version);
    let mut told: Vec<_> = (answer.results.into_iter())
        .map(|result| (result.name, result.error_code, result.error_message))
        .collect();
    told.sort();
    told
}

/// Appends a record, once the partition has its leader: Kafka answers before that.
fn put(kafka: &mut Kafka, peer: Peer, topic: &str, partition: i32) {
    let record = batch(&[(None, "a")]);
    let told = match peer {
        Peer::Logmill => kafka.put(topic, partition, record),
        Peer::Kafka => kafka.put_when_led(topic, partition, record),
    };
    assert_eq!(told.error_code, 0, "{topic}-{partition}: {told:?}");
}

#[test]
fn new_partitions_take_records_at_once_on_every_connection() {
    let mut broker = Broker::under_test(&[("shards", "2")]);
    let mut kafka = Kafka::connect(broker.port, "grower");
    let mut others: Vec<_> = (0..3).map(|_| Kafka::connect(broker.port, "other")).collect();
    kafka.create_topic("seen", 1, &[]);
    for (version, count) in [(0, 2), (1, 4), (2, 5), (3, 8)] {
        let told = grow(&mut kafka, version, vec![topic("seen", count, None)], false);
        assert_eq!(told, [("seen".to_owned(), 0, None)]);
        for other in &mut others {
            (0..count).for_each(|partition| put(other, broker.peer, "seen", partition));
        }
    }
    broker.restart();
    let mut kafka = Kafka::connect(broker.port, "grower");
    put(&mut kafka, broker.peer, "seen", 7);
    assert_eq!(kafka.ends("seen", 8), [12, 12, 9, 9, 6, 3, 3, 4]);
    broker.stop();
}

#[test]
fn a_topic_grows_by_kafkas_rules_only() {
    let mut broker = Broker::under_test(&[]);
    let mut kafka = Kafka::connect(broker.port, "grower");
    kafka.create_topic("seen", 2, &[]);
    let few = "The topic seen currently has 2 partition(s); 1 would not be an increase.";
    let none = "The topic seen currently has 2 partition(s); 0 would not be an increase.";
    let less = "The topic seen currently has 2 partition(s); -1 would not be an increase.";
    let miscounted =
        "Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified.";
    let foreign =
        "The manual partition assignment includes broker 9, but no such broker is registered.";
    let empty = "The manual partition assignment includes an empty replica list.";
    let twice = "The manual partition assignment includes the broker 1 more than once.";
    for (asked, error, text) in [
        (topic("seen", 2, None), INVALID_PARTITIONS, "Topic already has 2 partition(s)."),
        (topic("seen", 1, None), INVALID_PARTITIONS, few),
        (topic("seen", 0, None), INVALID_PARTITIONS, none),
        (topic("seen", -1, None), INVALID_PARTITIONS, less),
        (topic("seen", 3, Some(&[&[1], &[1]])), INVALID_ASSIGNMENT, miscounted),
        (topic("seen", 3, Some(&[&[9]])), INVALID_ASSIGNMENT, foreign),
        (topic("seen", 3, Some(&[&[]])), INVALID_ASSIGNMENT, empty),
        (topic("seen", 3, Some(&[&[1, 1]])), INVALID_ASSIGNMENT, twice),
    ] {
        for validate_only in [true, false] {
            let told = grow(&mut kafka, 3, vec![asked.clone()], validate_only);
            assert_eq!(told, [("seen".to_owned(), error, Some(text.to_owned()))]);
        }
    }
    let unknown = grow(&mut kafka, 3, vec![topic("nowhere", 3, None)], false);
    assert_eq!((unknown[0].1, unknown.len()), (UNKNOWN_TOPIC, 1), "{unknown:?}");

    // Named twice: refused, answered once, and the others are served.
    let all = vec![topic("seen", 3, None), topic("nowhere", 1, None), topic("seen", 4, None)];
    let told = grow(&mut kafka, 3, all, false);
    let errors: Vec<_> = told.iter().map(|(name, error, _)| (name.as_str(), *error)).collect();
    assert_eq!(errors, [("nowhere", UNKNOWN_TOPIC), ("seen", INVALID_REQUEST)]);

    let fine = |validate_only, kafka: &mut Kafka| {
        let asked = topic("seen", 4, Some(&[&[1], &[1]]));
        grow(kafka, 3, vec![asked], validate_only)
    };
    for validate_only in [true, true, false] {
        assert_eq!(fine(validate_only, &mut kafka), [("seen".to_owned(), 0, None)]);
    }
    assert_eq!(fine(true, &mut kafka)[0].1, INVALID_PARTITIONS, "it has them now");
    put(&mut kafka, broker.peer, "seen", 3);
    broker.stop();
}

/// Groups live in the partition that their name hashes to: more partitions would lose them.
#[test]
fn the_topic_of_offsets_does_not_grow() {
    let broker = Broker::logmill(&[]);
    let mut kafka = Kafka::connect(broker.port, "grower");
    kafka.create_topic("__consumer_offsets", 2, &[]);
    let told = grow(&mut kafka, 3, vec![topic("__consumer_offsets", 3, None)], false);
    assert_eq!((told[0].1, told.len()), (INVALID_PARTITIONS, 1), "{told:?}");
    assert_eq!(kafka.end("__consumer_offsets", 1), 0);
}

#[test]
fn kafkas_tools_grow_a_topic_and_clients_find_its_partitions() {
    if skipped_below(Tier::Test, "kafka-topics --alter, kafka-log-dirs") {
        return;
    }
    let broker = Broker::under_test(&[("shards", "2")]);
    let bootstrap = broker.bootstrap();
    let tool = |class: &str, words: &str| {
        let mut args: Vec<&str> = words.split_whitespace().collect();
        args.extend(["--bootstrap-server", &bootstrap]);
        let done = java::tools().run_any(class, &args, None);
        format!("{}\n{}", done.out, done.err)
    };
    tool(java::TOPICS, "--create --topic till --partitions 1");
    tool(java::TOPICS, "--alter --topic till --partitions 3");
    let said = tool(java::TOPICS, "--describe --topic till");
    assert!(said.contains("PartitionCount: 3"), "{}", tail(&said, 20));
    let said = tool(java::TOPICS, "--alter --topic till --partitions 2");
    assert!(said.contains("InvalidPartitionsException"), "{}", tail(&said, 20));

    let records: Vec<String> = (0..60).map(|number| format!("k{number}:{number}")).collect();
    let file = write_records(broker.folder(), &records);
    let job = Job { topic: "till".into(), acks: "all", codec: "none" };
    Client::JavaConsole.produce(&bootstrap, &file, &[job]);
    let seen = Client::JavaConsole.consume(&bootstrap, &["till"], 60);
    assert_eq!(seen.len(), 60);
    let mut kafka = Kafka::connect(broker.port, "grower");
    assert!(kafka.ends("till", 3).iter().all(|end| 0 < *end), "keys go to all partitions");

    let said = tool(LOG_DIRS, "--describe --topic-list till");
    let json = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let dir = &json["brokers"][0]["logDirs"][0];
    assert_eq!(dir["error"], serde_json::Value::Null, "{json}");
    let mut names: Vec<&str> = (dir["partitions"].as_array().expect("partitions").iter())
        .filter_map(|row| row["partition"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["till-0", "till-1", "till-2"]);
}

fn describe(
    kafka: &mut Kafka,
    version: i16,
    topics: Option<&[(&str, &[i32])]>,
) -> DescribeLogDirsResult {
    let one = |(name, partitions): &(&str, &[i32])| DescribableLogDirTopic {
        topic: (*name).into(),
        partitions: partitions.to_vec(),
    };
    let topics = topics.map(|topics| topics.iter().map(one).collect());
    let mut answer: DescribeLogDirsResponse =
        kafka.ask(&DescribeLogDirsRequest { topics }, version);
    assert_eq!((answer.error_code, answer.results.len()), (0, 1), "{answer:?}");
    answer.results.remove(0)
}

/// Topic, partition and size of each log, in order.
fn logs(result: &DescribeLogDirsResult) -> Vec<(String, i32, i64)> {
    let rows = result.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|row| {
            assert_eq!((row.offset_lag, row.is_future_key), (0, false));
            (topic.name.clone(), row.partition_index, row.partition_size)
        })
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn log_directories_are_told_with_their_logs_and_their_room() {
    // Without a journal a batch lies in its file before it is answered.
    let mut broker = Broker::under_test(&[("shards", "2"), ("journal.bytes", "0")]);
    let mut kafka = Kafka::connect(broker.port, "looker");
    for name in ["one", "two"] {
        kafka.create_topic(name, 2, &[]);
        put(&mut kafka, broker.peer, name, 0);
        put(&mut kafka, broker.peer, name, 1);
    }
    put(&mut kafka, broker.peer, "two", 1);
    let size = |name: &str| {
        let file = broker.data().join(name).join("00000000000000000000.log");
        std::fs::metadata(file).expect("a segment").len() as i64
    };
    let row = |topic: &str, partition| {
        (topic.to_owned(), partition, size(&format!("{topic}-{partition}")))
    };
    let everything = [row("one", 0), row("one", 1), row("two", 0), row("two", 1)];
    assert!(everything[2].2 < everything[3].2, "two-1 has a batch more");
    let data = broker.data().canonicalize().expect("our folder").display().to_string();
    for version in 1..=4 {
        let told = describe(&mut kafka, version, None);
        assert_eq!((told.error_code, told.log_dir.as_str()), (0, data.as_str()));
        assert_eq!(logs(&told), everything);
        let room = (told.total_bytes, told.usable_bytes);
        match version {
            4 => assert!(0 < room.1 && room.1 <= room.0, "{room:?}"),
            _ => assert_eq!(room, (-1, -1)),
        }
        let some: &[(&str, &[i32])] = &[("two", &[1, 7]), ("nowhere", &[0]), ("one", &[])];
        let told = describe(&mut kafka, version, Some(some));
        assert_eq!(logs(&told), everything[3..]);
        assert_eq!(told.topics.len(), 1, "a topic without a partition is left out");
        assert_eq!(logs(&describe(&mut kafka, version, Some(&[]))), []);
    }
    if broker.peer == Peer::Logmill {
        assert!(!describe(&mut kafka, 5, None).is_cordoned);
    }
    broker.stop();
}
