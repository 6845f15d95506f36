//! Delete: groups and offsets that go, asked for or out of time.
//!
//! Owns: DeleteGroups, OffsetDelete, the regular cleanup, what a deleted topic leaves behind.
//! Leaves to others: which offsets are out of time (`offsets`).
//! Invariant: a tombstone never follows a value that was written after the decision to delete.
//! Source: KIP-211, KIP-229, KIP-496.
use std::collections::BTreeSet;
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::core::After;
use super::offsets::Change;
use super::state::{Group, State};
use super::{Event, Record, Response, Token, Turn, records};
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::delete_groups_response::DeletableGroupResult;
use crate::wire::generated::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic,
};
use crate::wire::generated::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

/// Tombstones of one write of the cleanup; the rest follows with the next one.
const CLEANUP_RECORDS_MAX: usize = 10_000;

impl Coordinator {
    /// Deletes those groups of this coordinator that have no members, with their offsets.
    pub fn handle_delete_groups(&mut self, turn: &mut Turn<'_>, ids: &[String], token: Token) {
        let mut results = Vec::with_capacity(ids.len());
        let (mut changes, mut groups, mut tombstones) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let result = self.take_deletable(id);
            let error = match result {
                Ok(group) => {
                    changes.extend(self.forget_offsets(&group.id));
                    tombstones.push(records::group_tombstone(id));
                    groups.push(group);
                    ErrorCode::None
                }
                Err(error) => error,
            };
            results.push(DeletableGroupResult {
                group_id: id.clone(),
                error_code: error.code(),
                error_message: None,
            });
        }
        let response = Response::DeleteGroups(results);
        if groups.is_empty() {
            return turn.reply(token, response);
        }
        let mut records: Vec<Record> = changes.iter().map(tombstone).collect();
        records.append(&mut tombstones);
        let after = After::Deleted { groups, reply: Some((token, Box::new(response))) };
        self.core.append(turn, records, changes, after);
    }

    fn take_deletable(&mut self, id: &str) -> Result<Group, ErrorCode> {
        if self.is_loading() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        let group = self.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        if group.state != State::Empty {
            return Err(ErrorCode::NonEmptyGroup);
        }
        Ok(self.take_group(id).expect("it was there a moment ago"))
    }

    /// Tombstones for all offsets of a group, also those still on their way into the log.
    fn forget_offsets(&self, group: &Arc<str>) -> Vec<Change> {
        let mut known: BTreeSet<(Arc<str>, i32)> = BTreeSet::new();
        for (topic, partitions) in self.offsets.group(group).into_iter().flatten() {
            known.extend(partitions.keys().map(|partition| (topic.clone(), *partition)));
        }
        let in_flight = self.core.writes.iter().flat_map(|write| &write.changes);
        for change in in_flight.filter(|change| change.group == *group && change.value.is_some()) {
            known.insert((change.topic.clone(), change.partition));
        }
        let gone = known.into_iter().map(|(topic, partition)| Change {
            group: group.clone(),
            topic,
            partition,
            value: None,
        });
        gone.collect()
    }

    /// Deletes offsets of topics that no member reads.
    pub fn handle_offset_delete(
        &mut self,
        turn: &mut Turn<'_>,
        request: &OffsetDeleteRequest,
        token: Token,
    ) {
        let mut response = OffsetDeleteResponse::default();
        if let Err(error) = self.check_offset_delete(&request.group_id) {
            response.error_code = error.code();
            return turn.reply(token, Response::OffsetDelete(response));
        }
        let group: Arc<str> = Arc::from(request.group_id.as_str());
        let known = self.forget_offsets(&group);
        let mut changes = Vec::new();
        for topic in &request.topics {
            let subscribed = self.groups[&group].is_subscribed(&topic.name);
            let error =
                if subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            response.topics.push(answer_delete(topic, error));
            if !subscribed {
                let asked = |change: &&Change| {
                    change.topic.as_ref() == topic.name
                        && topic.partitions.iter().any(|p| p.partition_index == change.partition)
                };
                changes.extend(known.iter().filter(asked).cloned());
            }
        }
        let response = Response::OffsetDelete(response);
        if changes.is_empty() {
            return turn.reply(token, response);
        }
        let records = changes.iter().map(tombstone).collect();
        let after = After::Commit { token, response: Box::new(response) };
        self.core.append(turn, records, changes, after);
    }

    fn check_offset_delete(&self, id: &str) -> Result<(), ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        if self.is_loading() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        let group = self.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
        if group.state != State::Empty && !group.is_consumer() {
            // What others read cannot be known: their subscriptions are opaque.
            return Err(ErrorCode::NonEmptyGroup);
        }
        Ok(())
    }

    /// Drops the offsets of topics that exist no more; a successor has another id.
    pub fn on_topics_deleted(&mut self, turn: &mut Turn<'_>, topics: &[(Arc<str>, TopicId)]) {
        let mut changes = Vec::new();
        for (group, offsets) in self.offsets.groups() {
            for (topic, id) in topics {
                for (partition, committed) in offsets.get(topic).into_iter().flatten() {
                    if committed.topic_id.is_zero() || committed.topic_id == *id {
                        let (group, topic) = (group.clone(), topic.clone());
                        let partition = *partition;
                        changes.push(Change { group, topic, partition, value: None });
                    }
                }
            }
        }
        let busy = self.in_flight();
        changes.retain(|change| !busy.contains(&change.group));
        for part in changes.chunks(CLEANUP_RECORDS_MAX) {
            let records = part.iter().map(tombstone).collect();
            self.core.append(turn, records, part.to_vec(), After::Nothing);
        }
    }

    /// Tombstones for what is out of time, and for groups of which nothing is left.
    pub(super) fn clean_up(&mut self, turn: &mut Turn<'_>) {
        let (mut changes, mut groups, mut records) = (Vec::new(), Vec::new(), Vec::new());
        // A commit on its way would be followed by the tombstone of what it replaces.
        let busy = self.in_flight();
        let idle = self.groups.keys().filter(|id| !busy.contains(*id));
        let ids: Vec<Arc<str>> = idle.cloned().collect();
        for id in ids {
            if CLEANUP_RECORDS_MAX <= records.len() {
                break;
            }
            let group = &self.groups[&id];
            let retention_ms = self.core.config.offsets_retention_ms;
            let (gone, all) = self.offsets.expired(group, turn.now.wall_ms, retention_ms);
            if !gone.is_empty() {
                turn.event(&id, Event::Expired { offsets: gone.len() });
            }
            records.extend(gone.iter().map(tombstone));
            changes.extend(gone);
            if all && group.state == State::Empty && group.pending_joins.is_empty() {
                records.push(records::group_tombstone(&id));
                groups.extend(self.take_group(&id));
            }
        }
        if !records.is_empty() {
            self.core.append(turn, records, changes, After::Deleted { groups, reply: None });
        }
    }

    /// Groups that a write is about to change.
    fn in_flight(&self) -> BTreeSet<Arc<str>> {
        let mut found = BTreeSet::new();
        for write in &self.core.writes {
            write.groups(&mut found);
        }
        found
    }
}

fn tombstone(change: &Change) -> Record {
    assert!(change.value.is_none());
    records::offset(&change.group, &change.topic, change.partition, None)
}

fn answer_delete(topic: &OffsetDeleteRequestTopic, error: ErrorCode) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| OffsetDeleteResponsePartition {
        partition_index: partition.partition_index,
        error_code: error.code(),
    });
    OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
}
