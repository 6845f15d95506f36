//! ListOffsets (key 2): first, last, and by timestamp.
//!
//! Owns: the special timestamps and which answer belongs to them.
//! Leaves to others: the search (`log`).
//! Source: Partition#fetchOffsetForTimestamp; KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023.
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::{ErrorCode, ShardId};
use crate::shard::offsets::{OffsetFor, OffsetTold, Offsets};
use crate::wire::generated::list_offsets_request::ListOffsetsRequest;
use crate::wire::generated::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

/// From here the answer names the leader epoch of the offset (KIP-207).
const LEADER_EPOCH_VERSION: i16 = 4;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: ListOffsetsRequest = request.body()?;
    let image = request.core.image();
    let mut topics = Vec::with_capacity(body.topics.len());
    for topic in &body.topics {
        let found = image.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let placed = found.and_then(|topic| Some((topic.id, topic.partition(index)?.shard)));
            let told = match placed {
                None => OffsetTold::failed(ErrorCode::UnknownTopicOrPartition),
                Some((topic_id, shard)) => {
                    let ask = OffsetFor {
                        topic_id,
                        partition: index,
                        current_leader_epoch: partition.current_leader_epoch,
                        timestamp: partition.timestamp,
                    };
                    told(&request, shard, ask).await?
                }
            };
            let leader_epoch =
                if LEADER_EPOCH_VERSION <= request.version { told.leader_epoch } else { -1 };
            partitions.push(ListOffsetsPartitionResponse {
                partition_index: index,
                error_code: told.error.code(),
                timestamp: told.timestamp,
                offset: told.offset,
                leader_epoch,
            });
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    request.respond(&ListOffsetsResponse { topics, ..Default::default() })
}

async fn told(request: &Request, shard: ShardId, ask: OffsetFor) -> Result<OffsetTold, Close> {
    let asked = request.core.ask(shard, Offsets(vec![ask]));
    let mut told = asked.told().await.map_err(|_| Close::Shard)?;
    Ok(told.pop().expect("one answer per question"))
}
