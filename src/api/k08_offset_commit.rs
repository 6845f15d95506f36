//! OffsetCommit (key 8): commits offsets of a group.
//!
//! Leaves to others: every decision (`group`), finding the coordinator (`api::route`).
//! Source: KIP-211, KIP-447, KIP-848.
use crate::api::route::{self, Coordinator};
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::group::Response;
use crate::model::ErrorCode;
use crate::wire::generated::offset_commit_request::OffsetCommitRequest;
use crate::wire::generated::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: OffsetCommitRequest = request.body()?;
    let coordinator = match route::coordinator(&request.core, &body.group_id) {
        Ok(Coordinator::Here(coordinator)) => coordinator,
        Ok(Coordinator::There(shard)) => return route::to(shard, request).await,
        Err(error) => return request.respond(&failed(&body, error)),
    };
    let version = request.version;
    let told = coordinator
        .ask(|group, turn, token| group.handle_offset_commit(turn, &body, version, token));
    let response = match told.await {
        Some(Response::OffsetCommit(response)) => response,
        _ => failed(&body, ErrorCode::NotCoordinator),
    };
    request.respond(&response)
}

/// The same error for every partition of the request.
fn failed(body: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = body.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: (topic.partitions.iter())
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}
