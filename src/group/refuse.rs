//! Refuse: answers that say one error to a whole request.
//!
//! Owns: where each response carries its error. For callers that have no coordinator to ask, and
//! for the coordinator itself.
use crate::model::ErrorCode;
use crate::wire::generated::delete_groups_response::DeletableGroupResult;
use crate::wire::generated::describe_groups_response::DescribedGroup;
use crate::wire::generated::heartbeat_response::HeartbeatResponse;
use crate::wire::generated::join_group_response::JoinGroupResponse;
use crate::wire::generated::leave_group_response::LeaveGroupResponse;
use crate::wire::generated::offset_commit_request::OffsetCommitRequest;
use crate::wire::generated::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::generated::offset_delete_response::OffsetDeleteResponse;
use crate::wire::generated::offset_fetch_response::OffsetFetchResponseGroup;
use crate::wire::generated::sync_group_response::SyncGroupResponse;

pub fn join_group(member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        member_id: member_id.to_owned(),
        ..Default::default()
    }
}

pub fn sync_group(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..Default::default() }
}

pub fn heartbeat(error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { error_code: error.code(), ..Default::default() }
}

pub fn leave_group(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.code(), ..Default::default() }
}

/// The error stands at every partition: there is no other place for it.
pub fn offset_commit(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: error.code(),
        });
        OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        }
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

/// One group; [`super::fetch_response`] makes the whole answer.
pub fn offset_fetch(group: &str, error: ErrorCode) -> OffsetFetchResponseGroup {
    let group_id = group.to_owned();
    OffsetFetchResponseGroup { group_id, error_code: error.code(), ..Default::default() }
}

pub fn describe_group(group: &str, error: ErrorCode) -> DescribedGroup {
    let group_id = group.to_owned();
    DescribedGroup { group_id, error_code: error.code(), ..Default::default() }
}

pub fn delete_group(group: &str, error: ErrorCode) -> DeletableGroupResult {
    let group_id = group.to_owned();
    DeletableGroupResult { group_id, error_code: error.code(), error_message: None }
}

pub fn offset_delete(error: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse { error_code: error.code(), ..Default::default() }
}
