//! DeleteRecords (key 21): partitions begin at a later offset.
//!
//! Owns: internal topics are refused, the shape of the answer.
//! Leaves to others: policies, offsets, durability (`shard::delete_records`).
//! Source: KafkaApis#handleDeleteRecordsRequest, ReplicaManager#deleteRecords; KIP-107.
use std::collections::BTreeMap;

use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::{ErrorCode, PartitionIndex, ShardId};
use crate::shard::delete_records::{DeleteBelow, DeleteRecords};
use crate::wire::generated::delete_records_request::DeleteRecordsRequest;
use crate::wire::generated::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

/// Of a partition whose records stay.
const NO_LOW_WATERMARK: i64 = -1;

type Name = (String, PartitionIndex);

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DeleteRecordsRequest = request.body()?;
    // Of a partition that is named twice the last one counts.
    let mut wanted: BTreeMap<Name, i64> = BTreeMap::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            wanted.insert((topic.name.clone(), partition.partition_index), partition.offset);
        }
    }
    let mut told: BTreeMap<Name, Result<i64, ErrorCode>> = BTreeMap::new();
    let mut by_shard: BTreeMap<ShardId, Vec<(Name, DeleteBelow)>> = BTreeMap::new();
    for (name, offset) in wanted {
        match place(&request, &name, offset) {
            Ok((shard, ask)) => by_shard.entry(shard).or_default().push((name, ask)),
            Err(error) => drop(told.insert(name, Err(error))),
        }
    }
    let mut asked = Vec::with_capacity(by_shard.len());
    for (shard, rows) in by_shard {
        let (names, asks): (Vec<Name>, Vec<DeleteBelow>) = rows.into_iter().unzip();
        asked.push((names, request.core.ask(shard, DeleteRecords(asks))));
    }
    for (names, answer) in asked {
        let answers = answer.told().await.map_err(|_| Close::Shard)?;
        told.extend(names.into_iter().zip(answers));
    }
    request.respond(&response(told))
}

fn place(request: &Request, name: &Name, offset: i64) -> Result<(ShardId, DeleteBelow), ErrorCode> {
    let (topic, partition) = (&name.0, name.1);
    let image = request.core.image();
    let topic = image.topic(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let placed = topic.partition(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic.is_internal() {
        return Err(ErrorCode::InvalidTopicException);
    }
    Ok((placed.shard, DeleteBelow { topic_id: topic.id, partition, offset }))
}

fn response(told: BTreeMap<Name, Result<i64, ErrorCode>>) -> DeleteRecordsResponse {
    let mut topics: Vec<DeleteRecordsTopicResult> = Vec::new();
    for ((name, partition_index), told) in told {
        let row = DeleteRecordsPartitionResult {
            partition_index,
            low_watermark: told.unwrap_or(NO_LOW_WATERMARK),
            error_code: told.err().unwrap_or(ErrorCode::None).code(),
        };
        match topics.last_mut().filter(|last| last.name == name) {
            Some(last) => last.partitions.push(row),
            None => topics.push(DeleteRecordsTopicResult { name, partitions: vec![row] }),
        }
    }
    DeleteRecordsResponse { topics, ..Default::default() }
}
