//! OffsetForLeaderEpoch (key 23): where an epoch ended, so that a client notices a truncation.
//!
//! Leaves to others: the epoch cache (`log`). Source: KIP-101, KIP-320.
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::shard::offsets::{EpochFor, Epochs};
use crate::wire::generated::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use crate::wire::generated::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: OffsetForLeaderEpochRequest = request.body()?;
    let image = request.core.image();
    let mut topics = Vec::with_capacity(body.topics.len());
    for topic in &body.topics {
        let found = image.topic(&topic.topic);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition;
            let placed = found.and_then(|topic| Some((topic.id, topic.partition(index)?.shard)));
            let told = match placed {
                None => Err(ErrorCode::UnknownTopicOrPartition),
                Some((topic_id, shard)) => {
                    let ask = Epochs(vec![EpochFor {
                        topic_id,
                        partition: index,
                        current_leader_epoch: partition.current_leader_epoch,
                        leader_epoch: partition.leader_epoch,
                    }]);
                    let asked = request.core.ask(shard, ask);
                    let mut told = asked.told().await.map_err(|_| Close::Shard)?;
                    told.pop().expect("one answer per question")
                }
            };
            let mut result = EpochEndOffset { partition: index, ..Default::default() };
            match told {
                Ok((epoch, end)) => {
                    (result.leader_epoch, result.end_offset) = (epoch.0, end);
                }
                Err(error) => {
                    (result.leader_epoch, result.end_offset) = (-1, -1);
                    result.error_code = error.code();
                }
            }
            partitions.push(result);
        }
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions });
    }
    request.respond(&OffsetForLeaderEpochResponse { topics, ..Default::default() })
}
