//! Metadata (key 3): the broker, the topics, and creation of a topic that somebody asks for.
//!
//! Owns: which topics are listed, the answers for unknown ones, when a topic is auto-created.
//! Leaves to others: the image (`cluster`), creation itself (`api::controller`).
//! Source: KafkaApis#handleTopicMetadataRequest, AutoTopicCreationManager; KIP-516.
use crate::api::leading::Leading;
use crate::api::{Close, Request, k19_create_topics, operations};
use crate::base::Bytes;
use crate::cluster::{Image, TopicImage, topic_name_fault};
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::wire::generated::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

/// From here a topic may be asked for by id, without a name.
const NULL_NAME_VERSION: i16 = 12;
/// Before it there was no field for it and auto-creation was meant.
const AUTO_CREATE_VERSION: i16 = 4;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: MetadataRequest = request.body()?;
    let allowed = body.allow_auto_topic_creation || request.version < AUTO_CREATE_VERSION;
    let named = wanted(&body, request.version);
    if let Some(named) = named
        && allowed
        && request.core.config.auto_create_topics
    {
        let image = request.core.image();
        let missing = |topic: &&MetadataRequestTopic| {
            topic.name.as_ref().is_some_and(|name| image.topic(name).is_none())
        };
        let names = named.iter().filter(missing).filter_map(|topic| topic.name.clone());
        let names: Vec<String> = names.filter(|name| topic_name_fault(name).is_none()).collect();
        if !names.is_empty() {
            k19_create_topics::create_missing(&request.core, names).await;
        }
    }
    let image = request.core.image();
    let mut topics: Vec<_> = match wanted(&body, request.version) {
        None => image.topics().map(|topic| found(&image, topic)).collect(),
        Some(named) => named.iter().map(|topic| look_up(&image, topic, request.version)).collect(),
    };
    let asked = body.include_topic_authorized_operations;
    for topic in topics.iter_mut().filter(|topic| topic.name.is_some()) {
        topic.topic_authorized_operations = operations::if_asked(asked, operations::OF_TOPICS);
    }
    let identity = &request.core.identity;
    let (host, port) = request.core.endpoint();

    let response = MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: identity.node_id.0,
            host,
            port,
            rack: request.core.config.rack.clone(),
        }],
        cluster_id: Some(identity.cluster_id.to_string()),
        controller_id: identity.node_id.0,
        topics,
        cluster_authorized_operations: operations::if_asked(
            body.include_cluster_authorized_operations,
            operations::OF_THE_CLUSTER,
        ),
        ..Default::default()
    };
    request.respond(&response)
}

/// `None`: all topics. An empty list meant all in version 0.
fn wanted(body: &MetadataRequest, version: i16) -> Option<&[MetadataRequestTopic]> {
    body.topics.as_deref().filter(|topics| 0 < version || !topics.is_empty())
}

fn look_up(image: &Image, wanted: &MetadataRequestTopic, version: i16) -> MetadataResponseTopic {
    let unknown = |error: ErrorCode| MetadataResponseTopic {
        error_code: error.code(),
        name: wanted.name.clone(),
        topic_id: wanted.topic_id,
        ..Default::default()
    };
    match &wanted.name {
        Some(name) => match image.topic(name) {
            Some(topic) => found(image, topic),
            None if topic_name_fault(name).is_none() => unknown(ErrorCode::UnknownTopicOrPartition),
            None => unknown(ErrorCode::InvalidTopicException),
        },
        None if version < NULL_NAME_VERSION => MetadataResponseTopic {
            name: Some(String::new()),
            ..unknown(ErrorCode::InvalidRequest)
        },
        None if wanted.topic_id == TopicId::ZERO => unknown(ErrorCode::UnknownTopicId),
        None => match image.topic_by_id(wanted.topic_id) {
            Some(topic) => found(image, topic),
            None => unknown(ErrorCode::UnknownTopicId),
        },
    }
}

fn found(image: &Image, topic: &TopicImage) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().enumerate();
    MetadataResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions
            .map(|(index, partition)| {
                let leading = Leading::of(image, partition);
                MetadataResponsePartition {
                    error_code: leading.error.code(),
                    partition_index: index as i32,
                    leader_id: leading.leader,
                    leader_epoch: partition.leader_epoch.0,
                    replica_nodes: partition.replicas.iter().map(|node| node.0).collect(),
                    isr_nodes: leading.isr,
                    offline_replicas: leading.offline,
                }
            })
            .collect(),
        ..Default::default()
    }
}
