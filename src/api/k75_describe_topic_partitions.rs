//! DescribeTopicPartitions (key 75): topics in the order of their names, in pages of partitions.
//!
//! Owns: the page: how many partitions fit, and the cursor of the next.
//! Source: KIP-966; DescribeTopicPartitionsRequestHandler.
use std::collections::BTreeSet;

use crate::api::leading::Leading;
use crate::api::{Close, Request, operations};
use crate::base::Bytes;
use crate::cluster::{Image, TopicImage, topic_name_fault};
use crate::model::ErrorCode;
use crate::wire::generated::describe_topic_partitions_request::{
    Cursor as RequestCursor, DescribeTopicPartitionsRequest, TopicRequest,
};
use crate::wire::generated::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};

/// Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: i32 = 2_000;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DescribeTopicPartitionsRequest = request.body()?;
    let image = request.core.image();
    let (first_topic, first_partition) = match &body.cursor {
        Some(cursor) if !is_sound(cursor, &body) => return request.respond(&refused(&body)),
        Some(cursor) => (cursor.topic_name.as_str(), cursor.partition_index),
        None => ("", 0),
    };
    let names: BTreeSet<&str> = if body.topics.is_empty() {
        image.topics().map(|topic| &*topic.name).collect()
    } else {
        body.topics.iter().map(|topic| topic.name.as_str()).collect()
    };
    let mut left = body.response_partition_limit.clamp(1, PARTITIONS_MAX) as usize;
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.range(first_topic..) {
        let from = if *name == first_topic { first_partition as usize } else { 0 };
        let cursor_at = |partition_index: usize| {
            let (topic_name, partition_index) = (name.to_string(), partition_index as i32);
            Some(Cursor { topic_name, partition_index })
        };
        if left == 0 {
            response.next_cursor = cursor_at(0);
            break;
        }
        let Some(topic) = image.topic(name) else {
            // A cursor may name a topic that is gone since; only what was asked for is an error.
            response.topics.push(unknown(name));
            continue;
        };
        let end = topic.partitions.len().min(from.saturating_add(left));
        response.topics.push(page(&image, topic, from.min(end), end));
        left -= end - from.min(end);
        if end < topic.partitions.len() {
            response.next_cursor = cursor_at(end);
            break;
        }
    }
    request.respond(&response)
}

/// A cursor points at a partition of a topic that is asked for.
fn is_sound(cursor: &RequestCursor, body: &DescribeTopicPartitionsRequest) -> bool {
    let is_asked = |topic: &TopicRequest| topic.name == cursor.topic_name;
    0 <= cursor.partition_index && (body.topics.is_empty() || body.topics.iter().any(is_asked))
}

/// The answer to a request that makes no sense: the error on each topic asked for, as in Kafka.
fn refused(body: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = body.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone()),
        ..Default::default()
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..Default::default() }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = match topic_name_fault(name).is_none() {
        true => ErrorCode::UnknownTopicOrPartition,
        false => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name.to_owned()),
        topic_authorized_operations: operations::OF_TOPICS,
        ..Default::default()
    }
}

fn page(
    image: &Image,
    topic: &TopicImage,
    from: usize,
    end: usize,
) -> DescribeTopicPartitionsResponseTopic {
    let partitions = topic.partitions[from..end].iter().enumerate();
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions
            .map(|(at, partition)| {
                let leading = Leading::of(image, partition);
                DescribeTopicPartitionsResponsePartition {
                    error_code: leading.error.code(),
                    partition_index: (from + at) as i32,
                    leader_id: leading.leader,
                    leader_epoch: partition.leader_epoch.0,
                    replica_nodes: partition.replicas.iter().map(|node| node.0).collect(),
                    isr_nodes: leading.isr,
                    eligible_leader_replicas: Some(Vec::new()),
                    last_known_elr: Some(leading.last_known),
                    offline_replicas: leading.offline,
                }
            })
            .collect(),
        topic_authorized_operations: operations::OF_TOPICS,
    }
}
