//! A simulated node's client in a few words: one topic of one partition, a batch, its answer.
//!
//! Owns: what tests of one simulated node say again and again.
//! Leaves to others: the node and the client (`logmill::sim`), what is right (the tests).
//! Start reading at: [`produce`].
use std::cell::RefCell;
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::env::Env;
use logmill::model::Offset;
use logmill::record::{BatchBuilder, BatchSpec, Codec};
use logmill::sim::{ADDRESS, ClientError, KafkaClient, SimBroker};
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::delete_topics_request::DeleteTopicsRequest;
use logmill::wire::generated::delete_topics_response::DeleteTopicsResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::{PartitionProduceResponse, ProduceResponse};
use logmill::wire::{Message, Records};

pub const TOPIC: &str = "flights";

/// Simulated time after which a test takes what it waits for to hang.
pub const HANGS_MS: u64 = 60_000;

/// Starts a node, and returns when it serves.
#[track_caller]
pub fn serve(broker: &mut SimBroker, shards: u16) {
    broker.start(shards);
    broker.served(HANGS_MS).expect("it serves");
}

/// Runs a future of that shard or client to its end while the node lives.
pub fn run<T: 'static>(
    broker: &mut SimBroker,
    env: &Env,
    work: impl Future<Output = T> + 'static,
) -> T {
    let place = Rc::new(RefCell::new(None));
    let told = place.clone();
    env.spawn(async move { drop(told.replace(Some(work.await))) });
    assert!(broker.run_until(HANGS_MS, || place.borrow().is_some()), "it hangs");
    place.take().expect("just seen")
}

/// A request on a connection of its own, and its answer.
pub fn ask<Q: Message + 'static, A: Message + 'static>(
    broker: &mut SimBroker,
    request: Q,
    version: i16,
) -> A {
    let env = broker.clients();
    let held = env.clone();
    run(broker, &env, async move { connect(&held).await.ask(&request, version).await.unwrap() })
}

pub async fn connect(env: &Env) -> KafkaClient {
    KafkaClient::connect(env, ADDRESS, "it").await.unwrap()
}

pub async fn create(env: &Env, configs: &[(&str, &str)]) {
    create_topic(env, TOPIC, 1, configs).await;
}

/// Makes a topic of so many partitions.
pub async fn create_topic(env: &Env, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let code = try_create_topic(env, name, partitions, configs).await;
    assert_eq!(code, 0, "{name} was not created");
}

/// The code that making a topic is answered with.
pub async fn try_create_topic(
    env: &Env,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> i16 {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    });
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() };
    let told: CreateTopicsResponse = connect(env).await.ask(&request, 5).await.unwrap();
    told.topics[0].error_code
}

pub async fn delete_topic(env: &Env, name: &str) {
    let topic_names = vec![name.to_owned()];
    let request = DeleteTopicsRequest { topic_names, timeout_ms: 5_000, ..Default::default() };
    let told: DeleteTopicsResponse = connect(env).await.ask(&request, 5).await.unwrap();
    assert_eq!(told.responses[0].error_code, 0, "{name} was not deleted");
}

/// One batch of these keys and values.
pub fn batch(codec: Codec, records: &[(Option<&str>, &[u8])]) -> Bytes {
    let mut builder = BatchBuilder::new(&BatchSpec { codec, ..BatchSpec::default() });
    for (at, (key, value)) in records.iter().enumerate() {
        let key = key.map(str::as_bytes);
        builder.push(Offset(at as i64), 1, key, Some(value), []).unwrap();
    }
    builder.finish().unwrap()
}

pub fn produce_request(records: Bytes) -> ProduceRequest {
    produce_request_to(0, records)
}

/// A batch for that partition, with acks=all.
pub fn produce_request_to(index: i32, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData { index, records: Some(Records(vec![records])) };
    let topic = TopicProduceData {
        name: TOPIC.to_owned(),
        partition_data: vec![partition],
        ..Default::default()
    };
    ProduceRequest { acks: -1, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() }
}

pub async fn produce(client: &mut KafkaClient, records: Bytes) -> PartitionProduceResponse {
    let told: Result<ProduceResponse, ClientError> = client.ask(&produce_request(records), 9).await;
    told.unwrap().responses.remove(0).partition_responses.remove(0)
}
