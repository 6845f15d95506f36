//! Commit: OffsetCommit.
//!
//! Owns: who may commit what; records of committed offsets on their way into the log.
//! Leaves to others: what is durable (`offsets`).
//! Start reading at: [`Coordinator::handle_offset_commit`].
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::core::After;
use super::offsets::{Change, Committed};
use super::state::{Group, State};
use super::{Response, Token, Turn, View, records};
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::generated::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

/// Since this version topics go by id.
const COMMIT_VERSION_TOPIC_ID: i16 = 10;
/// Since this version an unknown group has an error of its own.
const COMMIT_VERSION_GROUP_NOT_FOUND: i16 = 9;

/// A topic of the request that exists.
struct Known {
    name: Arc<str>,
    id: TopicId,
    partitions: u32,
}

impl Coordinator {
    /// Answers when the offsets are durable, or at once when none is accepted.
    pub fn handle_offset_commit(
        &mut self,
        turn: &mut Turn<'_>,
        request: &OffsetCommitRequest,
        version: i16,
        token: Token,
    ) {
        let allowed = self.check_commit(turn, request, version);
        let group: Arc<str> = Arc::from(request.group_id.as_str());
        let mut changes = Vec::new();
        let mut response = OffsetCommitResponse::default();
        for topic in &request.topics {
            let known = resolve(turn.view, topic, version);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let accepted = match (&known, &allowed) {
                    (Err(error), _) | (Ok(_), Err(error)) => Err(*error),
                    (Ok(known), Ok(())) => self.accept(turn, request, known, partition),
                };
                let error = match accepted {
                    Ok((topic, value)) => {
                        let partition = partition.partition_index;
                        let value = Some(value);
                        changes.push(Change { group: group.clone(), topic, partition, value });
                        ErrorCode::None
                    }
                    Err(error) => error,
                };
                partitions.push(OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                });
            }
            let (name, topic_id) = (topic.name.clone(), topic.topic_id);
            response.topics.push(OffsetCommitResponseTopic { name, topic_id, partitions });
        }
        let response = Response::OffsetCommit(response);
        if changes.is_empty() {
            return turn.reply(token, response);
        }
        let record = |change: &Change| {
            records::offset(&change.group, &change.topic, change.partition, change.value.as_ref())
        };
        let records = changes.iter().map(record).collect();
        let after = After::Commit { token, response: Box::new(response) };
        self.core.append(turn, records, changes, after);
    }

    fn accept(
        &self,
        turn: &Turn<'_>,
        request: &OffsetCommitRequest,
        known: &Known,
        partition: &OffsetCommitRequestPartition,
    ) -> Result<(Arc<str>, Committed), ErrorCode> {
        if !u32::try_from(partition.partition_index).is_ok_and(|at| at < known.partitions) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
        // Kafka counts in Java's characters; bytes are never fewer.
        let max = self.core.config.offset_metadata_max;
        if max < metadata.len() && max < metadata.encode_utf16().count() {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        let retention_ms = Some(request.retention_time_ms).filter(|retention| *retention != -1);
        let wall_ms = turn.now.wall_ms;
        let value = Committed {
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: Arc::from(metadata),
            commit_ms: wall_ms,
            expire_ms: retention_ms.map(|retention| wall_ms.saturating_add(retention)),
            topic_id: known.id,
        };
        Ok((known.name.clone(), value))
    }

    fn check_commit(
        &mut self,
        turn: &Turn<'_>,
        request: &OffsetCommitRequest,
        version: i16,
    ) -> Result<(), ErrorCode> {
        if self.is_loading() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        let Some(group) = self.groups.get(request.group_id.as_str()) else {
            // Offsets may be kept without ever joining.
            return match request.generation_id_or_member_epoch {
                ..0 if self.core.config.groups_max <= self.groups.len() => {
                    Err(ErrorCode::PolicyViolation)
                }
                ..0 => Ok(()),
                _ if version < COMMIT_VERSION_GROUP_NOT_FOUND => Err(ErrorCode::IllegalGeneration),
                _ => Err(ErrorCode::GroupIdNotFound),
            };
        };
        check_member(group, request)?;
        if matches!(group.state, State::Stable | State::PreparingRebalance) {
            self.core.restart_session(group, turn, &request.member_id);
        }
        Ok(())
    }
}

fn check_member(group: &Group, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    let generation = request.generation_id_or_member_epoch;
    let instance_id = request.group_instance_id.as_deref();
    if generation < 0 && group.state == State::Empty {
        return Ok(());
    }
    if generation < 0 && request.member_id.is_empty() && instance_id.is_none() {
        // Somebody who is not in the group, while others are.
        return Err(ErrorCode::UnknownMemberId);
    }
    group.validate(&request.member_id, instance_id)?;
    if generation != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    if group.state == State::CompletingRebalance {
        // The member has joined this generation, but not yet learnt what it owns.
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

fn resolve(
    view: &dyn View,
    topic: &OffsetCommitRequestTopic,
    version: i16,
) -> Result<Known, ErrorCode> {
    let name = if version < COMMIT_VERSION_TOPIC_ID {
        Arc::from(topic.name.as_str())
    } else {
        view.topic_name(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)?
    };
    let info = view.topic(&name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(Known { name, id: info.id, partitions: info.partitions })
}
