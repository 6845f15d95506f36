//! Offsets: what groups have committed, durable only.
//!
//! Owns: the committed offsets of all groups of a coordinator, and which of them have expired.
//! Leaves to others: requests (`commit`, `fetch`, `delete`), the groups' states (`state`).
//! Invariant: an offset is here exactly when its newest durable record is no tombstone.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{Group, State};
use crate::model::TopicId;

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub offset: i64,
    /// -1: unknown.
    pub leader_epoch: i32,
    pub metadata: Arc<str>,
    /// Wall clock.
    pub commit_ms: i64,
    /// Wall clock; only for clients that still ask for a retention of their own.
    pub expire_ms: Option<i64>,
    pub topic_id: TopicId,
}

/// What a durable record does to the offsets.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub group: Arc<str>,
    pub topic: Arc<str>,
    pub partition: i32,
    pub value: Option<Committed>,
}

pub(super) type TopicOffsets = BTreeMap<i32, Committed>;
pub(super) type GroupOffsets = BTreeMap<Arc<str>, TopicOffsets>;

#[derive(Debug, Default)]
pub(super) struct Offsets {
    groups: BTreeMap<Arc<str>, GroupOffsets>,
}

impl Offsets {
    pub fn apply(&mut self, change: Change) {
        let Change { group, topic, partition, value } = change;
        if let Some(value) = value {
            let topics = self.groups.entry(group).or_default();
            topics.entry(topic).or_default().insert(partition, value);
            return;
        }
        let Some(topics) = self.groups.get_mut(&group) else { return };
        if let Some(partitions) = topics.get_mut(&topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(&topic);
            }
        }
        if topics.is_empty() {
            self.groups.remove(&group);
        }
    }

    pub fn group(&self, group: &str) -> Option<&GroupOffsets> {
        self.groups.get(group)
    }

    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.groups.get(group)?.get(topic)?.get(&partition)
    }

    pub fn groups(&self) -> &BTreeMap<Arc<str>, GroupOffsets> {
        &self.groups
    }

    pub fn clear(&mut self) {
        self.groups.clear();
    }

    /// Tombstones for what has expired, and whether nothing of the group is left after them.
    ///
    /// An empty group keeps its offsets for `retention_ms` after its last member left, a stable
    /// group of consumers those of topics that it no longer reads, a group without members of its
    /// own each offset after its commit. Source: KIP-211.
    pub fn expired(&self, group: &Group, wall_ms: i64, retention_ms: i64) -> (Vec<Change>, bool) {
        let Some(topics) = self.groups.get(&group.id) else { return (Vec::new(), true) };
        let since = match (group.is_simple(), group.state) {
            (true, _) => None,
            (false, State::Empty) => group.state_since_ms,
            (false, State::Stable) if group.is_consumer() && group.subscribed.is_some() => None,
            _ => return (Vec::new(), false),
        };
        let mut gone = Vec::new();
        let mut all = true;
        for (topic, partitions) in topics {
            if group.is_subscribed(topic) {
                all = false;
                continue;
            }
            for (partition, committed) in partitions {
                let expired = match committed.expire_ms {
                    Some(expire_ms) => expire_ms <= wall_ms,
                    None => {
                        let since = since.unwrap_or(committed.commit_ms);
                        retention_ms <= wall_ms.saturating_sub(since)
                    }
                };
                all &= expired;
                if expired {
                    let (group, topic) = (group.id.clone(), topic.clone());
                    gone.push(Change { group, topic, partition: *partition, value: None });
                }
            }
        }
        (gone, all)
    }
}
