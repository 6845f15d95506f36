//! Answers to the last field: what clients rarely ask, told as Apache Kafka tells it.
//!
//! Owns: errors, special values and versions of single APIs, asked over a bare connection.
//! Leaves to others: whole clients (`clients`), bytes that are no request (`hostile`).
//! Invariant: the tests of what Kafka has pass against Apache Kafka too (`LOGMILL_PEER=kafka`).
use std::io::Write as _;

use logmill::base::Bytes;
use logmill::model::{ErrorCode, Offset, ProducerEpoch, ProducerId};
use logmill::record::{BatchBuilder, BatchSpec};
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::{
    CreatableTopicResult, CreateTopicsResponse,
};
use logmill::wire::generated::describe_cluster_request::DescribeClusterRequest;
use logmill::wire::generated::describe_cluster_response::DescribeClusterResponse;
use logmill::wire::generated::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use logmill::wire::generated::describe_configs_response::DescribeConfigsResponse;
use logmill::wire::generated::describe_groups_request::DescribeGroupsRequest;
use logmill::wire::generated::describe_groups_response::{DescribeGroupsResponse, DescribedGroup};
use logmill::wire::generated::describe_topic_partitions_request::{
    Cursor, DescribeTopicPartitionsRequest, TopicRequest,
};
use logmill::wire::generated::describe_topic_partitions_response::DescribeTopicPartitionsResponse;
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::FetchResponse;
use logmill::wire::generated::find_coordinator_request::FindCoordinatorRequest;
use logmill::wire::generated::find_coordinator_response::FindCoordinatorResponse;
use logmill::wire::generated::heartbeat_request::HeartbeatRequest;
use logmill::wire::generated::heartbeat_response::HeartbeatResponse;
use logmill::wire::generated::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use logmill::wire::generated::list_offsets_response::ListOffsetsResponse;
use logmill::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use logmill::wire::generated::metadata_response::MetadataResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::ProduceResponse;

use crate::client::{Kafka, TYPE_TOPIC, batch};
use crate::harness::broker::Broker;
use crate::harness::wait::{SOON, Wait};
use crate::plugins_live::Stage;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_TOPIC: i16 = 17;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_REQUEST: i16 = 42;
/// Later than the clock of any record here.
const FAR_MS: i64 = 9_000_000_000_000;

/// A broker and a topic `seen` of three partitions, the first with two records.
fn stage() -> (Broker, Kafka) {
    let broker = Broker::under_test(&[]);
    let mut kafka = Kafka::connect(broker.port, "answers");
    kafka.create_topic("seen", 3, &[]);
    kafka.put_when_led("seen", 0, batch(&[(None, "a"), (None, "b")]));
    (broker, kafka)
}

fn create(kafka: &mut Kafka, topic: CreatableTopic, validate_only: bool) -> CreatableTopicResult {
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only };
    let mut answer: CreateTopicsResponse = kafka.ask(&request, 7);
    answer.topics.remove(0)
}

#[test]
fn more_replicas_in_sync_than_there_are_replicas_are_not_demanded() {
    let (mut broker, mut kafka) = stage();
    let two = [("min.insync.replicas", Some("2"))];
    assert_eq!(kafka.alter(TYPE_TOPIC, "seen", &two), (0, None));
    let told = kafka.put("seen", 0, batch(&[(None, "c")]));
    assert_eq!((told.error_code, told.base_offset), (0, 2), "{told:?}");
    broker.stop();
}

#[test]
fn a_create_that_only_validates_says_what_would_be() {
    let (mut broker, mut kafka) = stage();
    let retention =
        CreatableTopicConfig { name: "retention.ms".into(), value: Some("4711".into()) };
    let topic = CreatableTopic {
        name: "tried".into(),
        num_partitions: -1,
        replication_factor: -1,
        configs: vec![retention],
        ..Default::default()
    };
    for validate_only in [true, false] {
        let told = create(&mut kafka, topic.clone(), validate_only);
        assert_eq!((told.error_code, told.topic_config_error_code), (0, 0), "{told:?}");
        assert!(!told.topic_id.is_zero(), "an id, also when nothing is made");
        // The broker's default of both tests' brokers.
        assert_eq!((told.num_partitions, told.replication_factor), (3, 1));
        let configs = told.configs.expect("the settings");
        let value = |name: &str| {
            let config = configs.iter().find(|config| config.name == name).expect("a setting");
            (config.value.clone(), config.config_source)
        };
        let (topic, default) = (1, 5);
        assert_eq!(value("retention.ms"), (Some("4711".into()), topic));
        assert_eq!(value("cleanup.policy"), (Some("delete".into()), default));
    }
    let told = create(&mut kafka, topic, true);
    assert_eq!((told.error_code, told.num_partitions), (36, -1), "{told:?}");
    broker.stop();
}

/// Error code and offset of each partition in the answer.
fn offsets(kafka: &mut Kafka, version: i16, asked: &[(i32, i64)]) -> Vec<(i32, i16, i64)> {
    let partition = |(partition_index, timestamp): &(i32, i64)| ListOffsetsPartition {
        partition_index: *partition_index,
        current_leader_epoch: -1,
        timestamp: *timestamp,
    };
    let partitions = asked.iter().map(partition).collect();
    let topics = vec![ListOffsetsTopic { name: "seen".into(), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    let answer: ListOffsetsResponse = kafka.ask(&request, version);
    let rows = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let mut told: Vec<_> = rows.map(|r| (r.partition_index, r.error_code, r.offset)).collect();
    told.sort();
    told
}

#[test]
fn special_timestamps_are_known_from_their_version_on() {
    let (mut broker, mut kafka) = stage();
    let (latest, earliest, largest, local, tiered) = (-1, -2, -3, -4, -5);
    for (timestamp, since, offset) in
        [(latest, 1, 2), (earliest, 1, 0), (largest, 7, 0), (local, 8, 0), (tiered, 9, -1)]
    {
        for version in [1, 6, 7, 8, 9, 10] {
            let told = offsets(&mut kafka, version, &[(0, timestamp), (7, timestamp)]);
            let want = match since <= version {
                true => [(0, 0, offset), (7, UNKNOWN_TOPIC_OR_PARTITION, -1)],
                false => [0, 7].map(|partition| (partition, UNSUPPORTED_VERSION, -1)),
            };
            let plain = told.iter().map(|(partition, error, offset)| {
                // The largest timestamp may be that of either record.
                let either = timestamp == largest && *offset == 1;
                (*partition, *error, if either { 0 } else { *offset })
            });
            assert_eq!(plain.collect::<Vec<_>>(), want, "{timestamp} in version {version}");
        }
    }
    for timestamp in [-6, -7, i64::MIN] {
        let told = offsets(&mut kafka, 10, &[(0, timestamp)]);
        assert_eq!(told, [(0, UNSUPPORTED_VERSION, -1)], "{timestamp}");
    }
    broker.stop();
}

#[test]
fn a_partition_that_is_asked_about_twice_is_refused_and_the_others_are_answered() {
    let (mut broker, mut kafka) = stage();
    let told = offsets(&mut kafka, 6, &[(0, -1), (1, -1), (0, -2), (0, -1)]);
    assert_eq!(told, [(0, INVALID_REQUEST, -1), (1, 0, 0)]);
    broker.stop();
}

#[test]
fn settings_of_what_is_not_there_are_an_error_with_kafkas_text() {
    let (mut broker, mut kafka) = stage();
    let resource = |resource_type, name: &str| DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
    };
    let (topic, broker_type) = (TYPE_TOPIC, 4);
    let resources = vec![
        resource(topic, "unseen"),
        resource(topic, "a b"),
        resource(broker_type, "x"),
        resource(broker_type, "77"),
    ];
    let request = DescribeConfigsRequest { resources, ..Default::default() };
    let answer: DescribeConfigsResponse = kafka.ask(&request, 4);
    let told: Vec<_> =
        answer.results.iter().map(|r| (r.error_code, r.error_message.as_deref())).collect();
    let illegal = "Topic name is invalid: 'a b' contains one or more characters other than ASCII \
                   alphanumerics, '.', '_' and '-'";
    let want = [
        (UNKNOWN_TOPIC_OR_PARTITION, Some("")),
        (INVALID_TOPIC, Some(illegal)),
        (INVALID_REQUEST, Some("Broker id must be an integer, but it is: x")),
        (
            INVALID_REQUEST,
            Some("Unexpected broker id, expected 1 or empty string, but received 77"),
        ),
    ];
    assert_eq!(told, want);
    assert!(answer.results.iter().all(|result| result.configs.is_empty()));
    broker.stop();
}

#[test]
fn a_cursor_that_points_nowhere_is_refused() {
    let (mut broker, mut kafka) = stage();
    let mut ask = |topics: &[&str], cursor: (&str, i32)| -> Vec<(String, i16, usize)> {
        let topics = topics.iter().map(|name| TopicRequest { name: (*name).into() }).collect();
        let cursor = Some(Cursor { topic_name: cursor.0.into(), partition_index: cursor.1 });
        let request =
            DescribeTopicPartitionsRequest { topics, cursor, response_partition_limit: 10 };
        let answer: DescribeTopicPartitionsResponse = kafka.ask(&request, 0);
        let rows = answer.topics.into_iter();
        rows.map(|t| (t.name.unwrap_or_default(), t.error_code, t.partitions.len())).collect()
    };
    let row = |name: &str, error, partitions| (name.to_owned(), error, partitions);
    assert_eq!(ask(&["seen"], ("seen", 1)), [row("seen", 0, 2)]);
    assert_eq!(ask(&["seen"], ("seen", -1)), [row("seen", INVALID_REQUEST, 0)]);
    assert_eq!(ask(&["seen"], ("other", 0)), [row("seen", INVALID_REQUEST, 0)]);
    assert_eq!(ask(&[], ("seen", -1)), []);
    broker.stop();
}

/// DescribeGroups of a group that is not there, asked until its coordinator answers.
fn describe_nobody(kafka: &mut Kafka, version: i16, operations: bool) -> DescribedGroup {
    let find =
        FindCoordinatorRequest { coordinator_keys: vec!["nobody".into()], ..Default::default() };
    let request = DescribeGroupsRequest {
        groups: vec!["nobody".into()],
        include_authorized_operations: operations,
    };
    let wait = Wait::for_at_most(SOON);
    loop {
        let _: FindCoordinatorResponse = kafka.ask(&find, 4);
        let mut answer: DescribeGroupsResponse = kafka.ask(&request, version);
        let told = answer.groups.remove(0);
        // Loading, not available, not the coordinator: the offsets' topic is being made.
        if ![14, 15, 16].contains(&told.error_code) {
            return told;
        }
        wait.again(|| format!("{told:?}"));
    }
}

#[test]
fn operations_are_told_to_those_who_ask() {
    let (mut broker, mut kafka) = stage();
    for asked in [true, false] {
        let named =
            |name: &str| MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let mut request = MetadataRequest {
            topics: Some(vec![named("seen"), named("unseen")]),
            allow_auto_topic_creation: false,
            include_topic_authorized_operations: asked,
            ..Default::default()
        };
        let answer: MetadataResponse = kafka.ask(&request, 12);
        let mut told: Vec<_> = answer
            .topics
            .iter()
            .map(|topic| (topic.error_code, topic.topic_authorized_operations))
            .collect();
        told.sort();
        let operations = if asked { 3576 } else { i32::MIN };
        assert_eq!(told, [(0, operations), (UNKNOWN_TOPIC_OR_PARTITION, operations)]);

        let cluster = if asked { 8096 } else { i32::MIN };
        request.include_cluster_authorized_operations = asked;
        let answer: MetadataResponse = kafka.ask(&request, 8);
        assert_eq!(answer.cluster_authorized_operations, cluster);
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: asked,
            ..Default::default()
        };
        let answer: DescribeClusterResponse = kafka.ask(&request, 1);
        assert_eq!(answer.cluster_authorized_operations, cluster);

        for (version, want) in [(5, if asked { 3400 } else { i32::MIN }), (6, i32::MIN)] {
            let told = describe_nobody(&mut kafka, version, asked);
            assert_eq!(told.authorized_operations, want, "{told:?}");
        }
    }
    let topics = vec![TopicRequest { name: "seen".into() }];
    let request = DescribeTopicPartitionsRequest {
        topics,
        response_partition_limit: 10,
        ..Default::default()
    };
    let answer: DescribeTopicPartitionsResponse = kafka.ask(&request, 0);
    assert_eq!(answer.topics[0].topic_authorized_operations, 3576);
    broker.stop();
}

/// A transaction that nobody ends, as another broker may have left it in the files.
#[test]
fn the_latest_offset_for_committed_readers_is_before_an_open_transaction() {
    let mut broker = Broker::logmill(&[]);
    let mut kafka = Kafka::connect(broker.port, "answers");
    kafka.create_topic("seen", 1, &[]);
    let told = kafka.put("seen", 0, batch(&[(None, "a"), (None, "b")]));
    assert_eq!(told.error_code, 0, "{told:?}");
    broker.kill();
    let spec = BatchSpec {
        producer: Some((ProducerId(5), ProducerEpoch(0), 0)),
        base_offset: Offset(2),
        transactional: true,
        ..BatchSpec::default()
    };
    let mut builder = BatchBuilder::new(&spec);
    builder.push(Offset(2), FAR_MS, None, Some(b"open"), []).expect("a record");
    let log = broker.data().join("seen-0/00000000000000000000.log");
    let mut log = std::fs::File::options().append(true).open(log).expect("the segment");
    log.write_all(&builder.finish().expect("a batch")).expect("our folder");
    broker.start();
    let mut kafka = Kafka::connect(broker.port, "answers");
    for (isolation_level, timestamp, want) in
        [(0, -1, 3), (1, -1, 2), (0, FAR_MS, 2), (1, FAR_MS, -1)]
    {
        let asked =
            ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp };
        let topics = vec![ListOffsetsTopic { name: "seen".into(), partitions: vec![asked] }];
        let request =
            ListOffsetsRequest { replica_id: -1, isolation_level, topics, ..Default::default() };
        let answer: ListOffsetsResponse = kafka.ask(&request, 6);
        let told = &answer.topics[0].partitions[0];
        assert_eq!((told.error_code, told.offset), (0, want), "{isolation_level} {timestamp}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_the_brokers_fault() {
    let broker = Broker::logmill(&[]);
    let mut kafka = Kafka::connect(broker.port, "answers");
    // The refusal holds the name, and together they are longer than a text of the protocol.
    let long = "x".repeat(i16::MAX as usize);
    let topic = CreatableTopic { name: long, num_partitions: 1, ..Default::default() };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    kafka.try_ask::<_, CreateTopicsResponse>(&request, 7).expect_err("no answer");
    let log = broker.log();
    let told = log.lines().any(|line| {
        line.contains("ERROR") && line.contains("CreateTopics") && line.contains("no answer")
    });
    assert!(told, "{log}");
    let blamed = log.lines().any(|line| line.contains("request cannot be read"));
    assert!(!blamed, "the client sent nothing wrong: {log}");
}

#[test]
fn errors_of_every_api_are_counted_with_those_of_their_parts() {
    let stage = Stage::start(2, &[]);
    let mut kafka = stage.kafka("answers");
    kafka.create_topic("seen", 1, &[]);
    let errors = |api: &str, error: &str| stage.errors(api, error);
    assert_eq!(offsets(&mut kafka, 10, &[(1, -1), (2, -1), (0, -1), (0, -1)]).len(), 3);
    assert_eq!(errors("ListOffsets", "UNKNOWN_TOPIC_OR_PARTITION"), 2.0);
    assert_eq!(errors("ListOffsets", "INVALID_REQUEST"), 1.0);
    // This one is answered by the first shard, whichever has the connection.
    assert_ne!(kafka.try_create_topic("seen", 1, &[]).0, 0);
    assert_eq!(errors("CreateTopics", "TOPIC_ALREADY_EXISTS"), 1.0);
    let heartbeat = HeartbeatRequest { group_id: "nobody".into(), ..Default::default() };
    let answer: HeartbeatResponse = kafka.ask(&heartbeat, 4);
    let error = ErrorCode::from_code(answer.error_code).expect("one of Kafka's");
    assert_eq!(errors("Heartbeat", error.kafka_name()), 1.0, "{error}");
}

/// A Produce of one batch for this partition of `name`; from version 13 it names no topic that is.
fn produce_of(name: &str, index: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index, records: Some(records.into()) }];
    let topic = TopicProduceData { name: name.into(), partition_data, ..Default::default() };
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

#[test]
fn every_error_of_produce_is_counted_once() {
    let stage = Stage::start(2, &[]);
    let mut kafka = stage.kafka("answers");
    kafka.create_topic("seen", 1, &[]);
    let good = batch(&[(None, "a")]);
    let mut torn = good.to_vec();
    *torn.last_mut().expect("a batch") ^= 1;
    let of = |name, index, acks| produce_of(name, index, acks, good.clone());
    let transactional = ProduceRequest { transactional_id: Some("t".into()), ..of("seen", 0, -1) };
    kafka.create_topic("__consumer_offsets", 1, &[]);
    for (request, version, error) in [
        (of("seen", 7, -1), 9, ErrorCode::UnknownTopicOrPartition),
        (of("seen", 0, -1), 13, ErrorCode::UnknownTopicId),
        (of("seen", 0, 5), 9, ErrorCode::InvalidRequiredAcks),
        (of("__consumer_offsets", 0, -1), 9, ErrorCode::InvalidTopicException),
        (transactional, 9, ErrorCode::InvalidTxnState),
        (produce_of("seen", 0, -1, torn.clone().into()), 9, ErrorCode::CorruptMessage),
    ] {
        let told: ProduceResponse = kafka.ask(&request, version);
        assert_eq!(told.responses[0].partition_responses[0].error_code, error.code(), "{error}");
        assert_eq!(stage.errors("Produce", error.kafka_name()), 1.0, "{error}");
    }
    // No answer is wanted: the connection ends instead, and by then it is counted.
    let unasked = produce_of("seen", 0, 0, torn.into());
    kafka.try_ask::<_, ProduceResponse>(&unasked, 9).expect_err("no answer");
    assert_eq!(stage.errors("Produce", ErrorCode::CorruptMessage.kafka_name()), 2.0);
}

#[test]
fn every_error_of_fetch_is_counted_once() {
    let stage = Stage::start(2, &[]);
    let mut kafka = stage.kafka("answers");
    kafka.create_topic("seen", 1, &[]);
    let of = |partition, fetch_offset| {
        let partition = FetchPartition {
            partition,
            fetch_offset,
            current_leader_epoch: -1,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topics = vec![FetchTopic {
            topic: "seen".into(),
            partitions: vec![partition],
            ..Default::default()
        }];
        FetchRequest { max_wait_ms: 10_000, min_bytes: 1, topics, ..Default::default() }
    };
    for (request, version, error) in [
        (of(7, 0), 12, ErrorCode::UnknownTopicOrPartition),
        (of(0, 0), 13, ErrorCode::UnknownTopicId),
        (of(0, 99), 12, ErrorCode::OffsetOutOfRange),
    ] {
        let told: FetchResponse = kafka.ask(&request, version);
        assert_eq!(told.responses[0].partitions[0].error_code, error.code(), "{error}");
        assert_eq!(stage.errors("Fetch", error.kafka_name()), 1.0, "{error}");
    }
    let error = ErrorCode::FetchSessionIdNotFound;
    let request = FetchRequest { session_id: 77, session_epoch: 1, ..of(0, 0) };
    let told: FetchResponse = kafka.ask(&request, 12);
    assert_eq!(told.error_code, error.code());
    assert_eq!(stage.errors("Fetch", error.kafka_name()), 1.0);
}
