//! Core: what all groups of a coordinator share: limits, timers, writes in flight.
//!
//! Owns: ids, the queue of writes and what follows each of them.
//! Leaves to others: the groups themselves (`state`), so that both can be borrowed at once.
//! Invariant: writes end in the order in which they were emitted.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::assign::{Provenance, Target};
use super::offsets::Change;
use super::records::Record;
use super::state::{Group, Member};
use super::timers::Timers;
use super::{Effect, Response, RunId, Token, Turn, WriteId};
use crate::base::Bytes;
use crate::config::{BrokerConfig, Value, broker_keys};
use crate::model::ErrorCode;
use crate::wire::generated::offset_fetch_request::OffsetFetchRequestGroup;

/// Limits and delays; Kafka's names in the comments.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: u64,
    /// `group.max.size`
    pub members_max: usize,
    /// `offset.metadata.max.bytes`
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub cleanup_interval_ms: u64,
    /// A new member that waits longer for its first generation is dropped and must ask again.
    pub new_member_join_timeout_ms: u64,
    /// How long an assignor may take before its failure policy applies.
    pub assign_timeout_ms: u64,
    /// First pause before a failed assignor of policy `closed` is asked again; doubles.
    pub assign_retry_ms: u64,
    /// How long SyncGroup requests wait for such an assignor before members must rejoin.
    pub assign_wait_ms_max: u64,
    /// Metadata of one member, all its protocols.
    pub member_bytes_max: usize,
    /// Metadata and assignments of one group.
    pub group_bytes_max: usize,
    /// Groups of one coordinator.
    pub groups_max: usize,
    /// Members of one group that were given an id and have not joined with it.
    pub pending_joins_max: usize,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            members_max: i32::MAX as usize,
            offset_metadata_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            cleanup_interval_ms: 600_000,
            new_member_join_timeout_ms: 5 * 60 * 1_000,
            assign_timeout_ms: 10_000,
            assign_retry_ms: 1_000,
            assign_wait_ms_max: 20_000,
            member_bytes_max: 1 << 20,
            group_bytes_max: 64 << 20,
            groups_max: 200_000,
            pending_joins_max: 10_000,
        }
    }
}

impl GroupConfig {
    pub fn new(broker: &BrokerConfig) -> Self {
        let number = |key| match broker.values.value(key) {
            Value::Number(number) => number,
            other => unreachable!("{other:?} is no number"),
        };
        let retention_minutes = number(&broker_keys::OFFSETS_RETENTION_MINUTES);
        Self {
            session_timeout_ms_min: broker.group_session_min_ms,
            session_timeout_ms_max: broker.group_session_max_ms,
            initial_rebalance_delay_ms: u64::try_from(broker.group_initial_delay_ms).unwrap_or(0),
            members_max: broker.group_members_max as usize,
            offset_metadata_max: broker.offset_metadata_bytes_max as usize,
            offsets_retention_ms: retention_minutes.saturating_mul(60_000),
            cleanup_interval_ms: u64::try_from(number(&broker_keys::OFFSETS_RETENTION_CHECK_MS))
                .unwrap_or(u64::MAX),
            ..Self::default()
        }
    }
}

/// What waits for a write.
#[derive(Debug)]
pub(super) enum After {
    Nothing,
    /// Answer: as prepared when it is durable, else as prepared with the error in it.
    Commit {
        token: Token,
        response: Box<Response>,
    },
    /// The first record of a new group; without it the group never was.
    Created {
        group: Arc<str>,
        incarnation: u64,
    },
    /// Assignments of a generation: now its members may have them.
    Synced(Box<Synced>),
    /// A static member of a stable group came back under a new id.
    Swapped(Box<Swapped>),
    /// Groups that are gone from memory; they come back if their tombstones were not written.
    Deleted {
        groups: Vec<Group>,
        reply: Option<(Token, Box<Response>)>,
    },
}

#[derive(Debug)]
pub(super) struct Synced {
    pub group: Arc<str>,
    pub incarnation: u64,
    pub generation: i32,
    pub assignments: BTreeMap<Arc<str>, Bytes>,
    pub target: Option<Target>,
    pub provenance: Option<Provenance>,
}

#[derive(Debug)]
pub(super) struct Swapped {
    pub group: Arc<str>,
    pub incarnation: u64,
    pub old: Member,
    pub new_id: Arc<str>,
    pub leader_before: Option<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Write {
    pub id: WriteId,
    /// Offsets that become visible when the write is durable.
    pub changes: Vec<Change>,
    pub after: After,
    /// Fetches that asked for stable offsets while this write was the last one.
    pub fetches: Vec<(Token, i16, OffsetFetchRequestGroup)>,
}

impl Write {
    /// Adds the groups that it changes, or whose offsets it changes.
    pub fn groups(&self, found: &mut BTreeSet<Arc<str>>) {
        found.extend(self.changes.iter().map(|change| change.group.clone()));
        match &self.after {
            After::Created { group, .. } => _ = found.insert(group.clone()),
            After::Synced(synced) => _ = found.insert(synced.group.clone()),
            After::Swapped(swapped) => _ = found.insert(swapped.group.clone()),
            After::Deleted { groups, .. } => {
                found.extend(groups.iter().map(|group| group.id.clone()));
            }
            After::Nothing | After::Commit { .. } => (),
        }
    }
}

#[derive(Debug)]
pub(super) struct Core {
    pub config: GroupConfig,
    pub timers: Timers,
    pub writes: VecDeque<Write>,
    writes_next: u64,
    runs_next: u64,
    incarnations_next: u64,
}

impl Core {
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            timers: Timers::default(),
            writes: VecDeque::new(),
            writes_next: 0,
            runs_next: 0,
            incarnations_next: 0,
        }
    }

    /// Asks for an append of `records`; `after` follows when it is durable or has failed.
    pub fn append(
        &mut self,
        turn: &mut Turn<'_>,
        records: Vec<Record>,
        changes: Vec<Change>,
        after: After,
    ) {
        assert!(!records.is_empty());
        let id = WriteId(self.writes_next);
        self.writes_next += 1;
        self.writes.push_back(Write { id, changes, after, fetches: Vec::new() });
        turn.out.push(Effect::Append { write_id: id, records });
    }

    pub fn run_id(&mut self) -> RunId {
        self.runs_next += 1;
        RunId(self.runs_next)
    }

    /// Tells two groups of one name apart, one of them deleted.
    pub fn incarnation(&mut self) -> u64 {
        self.incarnations_next += 1;
        self.incarnations_next
    }
}

/// What a client is told when an append failed with `error`.
pub(super) fn write_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidFetchSize => ErrorCode::UnknownServerError,
        other => other,
    }
}
