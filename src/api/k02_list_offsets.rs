//! ListOffsets (key 2): first, last, and by timestamp.
//!
//! Owns: partitions that are named twice, the shape of the answer.
//! Leaves to others: the special timestamps (`shard::offsets`), the search (`log`).
//! Source: ReplicaManager#fetchOffset, Partition#fetchOffsetForTimestamp; KIP-79, KIP-734, KIP-405,
//! KIP-1005, KIP-1023.
use std::collections::BTreeSet;

use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::shard::fetch::Isolation;
use crate::shard::offsets::{OffsetFor, OffsetTold, Offsets, is_known_timestamp};
use crate::wire::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use crate::wire::generated::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

/// From here the answer names the leader epoch of the offset (KIP-207).
const LEADER_EPOCH_VERSION: i16 = 4;
/// `isolation_level` of a consumer that reads committed transactions only.
const READ_COMMITTED: i8 = 1;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: ListOffsetsRequest = request.body()?;
    let isolation = match body.isolation_level {
        READ_COMMITTED => Isolation::Committed,
        _ => Isolation::Uncommitted,
    };
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for (topic, partition) in named(&body) {
        let name = (topic, partition.partition_index);
        if !seen.insert(name) {
            twice.insert(name);
        }
    }
    let mut topics: Vec<ListOffsetsTopicResponse> = Vec::with_capacity(body.topics.len());
    for (topic, partition) in named(&body) {
        let name = (topic, partition.partition_index);
        // One answer for each partition, also for one that is asked about twice.
        if !seen.remove(&name) {
            continue;
        }
        let told = match twice.contains(&name) {
            true => OffsetTold::failed(ErrorCode::InvalidRequest),
            false => told(&request, topic, partition, isolation).await?,
        };
        let row = row(request.version, partition.partition_index, &told);
        match topics.last_mut().filter(|last| last.name == topic) {
            Some(last) => last.partitions.push(row),
            None => topics
                .push(ListOffsetsTopicResponse { name: topic.to_owned(), partitions: vec![row] }),
        }
    }
    request.respond(&ListOffsetsResponse { topics, ..Default::default() })
}

/// Every partition of a request, with its topic.
fn named(body: &ListOffsetsRequest) -> impl Iterator<Item = (&str, &ListOffsetsPartition)> {
    body.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| (topic.name.as_str(), p)))
}

fn row(version: i16, partition_index: i32, told: &OffsetTold) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: told.error.code(),
        timestamp: told.timestamp,
        offset: told.offset,
        leader_epoch: if LEADER_EPOCH_VERSION <= version { told.leader_epoch } else { -1 },
    }
}

async fn told(
    request: &Request,
    topic: &str,
    partition: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<OffsetTold, Close> {
    let (index, timestamp) = (partition.partition_index, partition.timestamp);
    if !is_known_timestamp(timestamp, request.version) {
        return Ok(OffsetTold::failed(ErrorCode::UnsupportedVersion));
    }
    let image = request.core.image();
    let placed = image.topic(topic).and_then(|t| Some((t.id, t.partition(index)?.shard)));
    let Some((topic_id, shard)) = placed else {
        return Ok(OffsetTold::failed(ErrorCode::UnknownTopicOrPartition));
    };
    let current_leader_epoch = partition.current_leader_epoch;
    let ask = OffsetFor { topic_id, partition: index, current_leader_epoch, timestamp, isolation };
    let asked = request.core.ask(shard, Offsets(vec![ask]));
    let mut told = asked.told().await.map_err(|_| Close::Shard)?;
    Ok(told.pop().expect("one answer per question"))
}
