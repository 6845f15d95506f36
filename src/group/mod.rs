//! Groups: the classic group protocol, committed offsets, and assignments made by plugins.
//!
//! Owns: what one partition of `__consumer_offsets` coordinates, and its record formats.
//! Leaves to others: appending and reading records, sockets, running a plugin (`shard`, `plugin`).
//! Invariant: what is in memory and durable equals what [`Coordinator::replay`] makes of the
//! partition's records; an answer that promises a write leaves only after that write.
//! Start reading at: [`Coordinator`], then `join`, `rebalance`, `sync`.
//!
//! How a shard drives a coordinator, one for each partition of `__consumer_offsets` that it leads:
//! 1. [`Coordinator::new`]; [`Coordinator::replay`] for each record below the high watermark, in
//!    order; [`Coordinator::on_loaded`]. Requests that come meanwhile are put off with
//!    COORDINATOR_LOAD_IN_PROGRESS. A group's partition is [`partition_for`]; where that is led
//!    elsewhere, [`refuse`] has the answers for NOT_COORDINATOR.
//! 2. A request gets a fresh [`Token`] and goes to its `handle_*`. Then, after this and every other
//!    input: perform the [`Effect`]s in order, and set one timer to [`Coordinator::deadline`], at
//!    which [`Coordinator::tick`] is called.
//! 3. [`Effect::Append`]: all records in one batch with acks=all, timestamps of now, in the order
//!    of the effects; when it is stable or has failed, [`Coordinator::on_written`].
//! 4. [`Effect::Assign`]: run the plugin on a worker, then [`Coordinator::on_assigned`]. An
//!    activation, rollback or changed binding is told with [`Coordinator::on_assignor_changed`].
//! 5. A token is answered once, perhaps minutes later; its connection waits or is gone.
//! 6. When the partition's leader moves or its log fails: [`Coordinator::unload`].
//!
//! Source: KIP-62, KIP-211, KIP-345, KIP-394, KIP-429, KIP-447, KIP-559, KIP-814; Kafka 4.3.1.
use std::sync::Arc;

use crate::base::Bytes;
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::delete_groups_response::DeletableGroupResult;
use crate::wire::generated::heartbeat_response::HeartbeatResponse;
use crate::wire::generated::join_group_response::JoinGroupResponse;
use crate::wire::generated::leave_group_response::LeaveGroupResponse;
use crate::wire::generated::offset_commit_response::OffsetCommitResponse;
use crate::wire::generated::offset_delete_response::OffsetDeleteResponse;
use crate::wire::generated::offset_fetch_response::OffsetFetchResponseGroup;
use crate::wire::generated::sync_group_response::SyncGroupResponse;

mod assign;
mod commit;
mod coordinator;
mod core;
mod delete;
mod describe;
mod fetch;
mod join;
mod leave;
mod offsets;
mod plan;
mod rebalance;
mod records;
pub mod refuse;
mod state;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod uniform;

pub use assign::{AssignFault, AssignInput, AssignMember, NOBODY, Provenance, Subscriptions};
pub use coordinator::{Changed, Coordinator};
pub use core::GroupConfig;
pub use describe::{GroupView, MemberView, OffsetView};
pub use fetch::{fetch_groups, fetch_response};
pub use plan::Answer;
pub use records::{Record, ReplayError};
pub use uniform::uniform;

/// A request of the caller; comes back in [`Effect::Reply`], once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// One append to the coordinator's partition; comes back in [`Coordinator::on_written`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// One run of an assignor; comes back in [`Coordinator::on_assigned`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// Both clocks: timeouts use the monotonic one, records and retention the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds of the monotonic clock.
    pub ms: u64,
    /// Milliseconds since the epoch; may jump.
    pub wall_ms: i64,
}

/// Who sends a request: `client_id` of its header, and its address as Kafka prints it
/// (`/127.0.0.1`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    pub id: Arc<str>,
    pub host: Arc<str>,
}

/// What the coordinator may ask about the rest of the cluster.
pub trait View {
    fn topic(&self, name: &str) -> Option<TopicInfo>;
    fn topic_name(&self, id: TopicId) -> Option<Arc<str>>;
    /// The assignor bound to that group, if any.
    fn assignor(&self, group: &str) -> Option<Binding>;
}

#[derive(Clone, Copy, Debug)]
pub struct TopicInfo {
    pub id: TopicId,
    pub partitions: u32,
}

/// The plugin that computes a group's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub plugin: Arc<str>,
    /// Generation of the active version: another number, another rule.
    pub generation: u64,
    pub policy: FailurePolicy,
}

/// What follows when the assignor is not live, fails, or answers out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The built-in `uniform` assigns instead.
    #[default]
    Open,
    /// The last valid assignment stays as far as its members are here; the plugin is asked again.
    Closed,
}

/// What one input finds and where its effects go.
pub struct Turn<'a> {
    pub now: Now,
    pub view: &'a dyn View,
    /// Fresh for every turn: member ids and assignor seeds are made of it.
    pub random: u128,
    pub out: &'a mut Vec<Effect>,
}

/// What the caller must do after an input, in this order.
#[derive(Debug)]
pub enum Effect {
    Reply {
        token: Token,
        response: Response,
    },
    /// One batch, acks=all, to this coordinator's partition; answered by
    /// [`Coordinator::on_written`] in the order of the ids.
    Append {
        write_id: WriteId,
        records: Vec<Record>,
    },
    /// Run the bound assignor; answered by [`Coordinator::on_assigned`].
    Assign {
        group: Arc<str>,
        run_id: RunId,
        input: Arc<AssignInput>,
    },
    Event {
        group: Arc<str>,
        event: Event,
    },
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    /// One group of an OffsetFetch; [`fetch_response`] makes the whole answer.
    OffsetFetch(OffsetFetchResponseGroup),
    DeleteGroups(Vec<DeletableGroupResult>),
    OffsetDelete(OffsetDeleteResponse),
}

/// A state change that a person may want to read about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Event {
    #[error("prepares a rebalance after generation {generation}: {reason}")]
    Rebalancing { generation: i32, reason: String },
    #[error("generation {generation} has {members} members, leader {leader}")]
    Joined { generation: i32, members: usize, leader: Arc<str> },
    #[error("generation {generation} is stable")]
    Stable { generation: i32 },
    #[error("generation {generation} is empty")]
    Empty { generation: i32 },
    #[error("member {member} left: {reason}")]
    MemberGone { member: Arc<str>, reason: &'static str },
    #[error("assignor {plugin} assigned {slots} partitions of generation {generation}")]
    Assigned { plugin: Arc<str>, generation: i32, slots: usize },
    #[error("assignor {plugin} failed, {instead}: {reason}")]
    AssignorFailed { plugin: Arc<str>, reason: String, instead: &'static str },
    #[error("subscription of member {member} cannot be read; it gets no partitions")]
    SubscriptionUnreadable { member: Arc<str> },
    #[error("{offsets} offsets expired")]
    Expired { offsets: usize },
    #[error("deleted")]
    Deleted,
    #[error("a write failed with {}", .error.kafka_name())]
    WriteFailed { error: ErrorCode },
}

impl Turn<'_> {
    fn reply(&mut self, token: Token, response: Response) {
        self.out.push(Effect::Reply { token, response });
    }

    fn event(&mut self, group: &Arc<str>, event: Event) {
        self.out.push(Effect::Event { group: group.clone(), event });
    }
}

/// The partition of `__consumer_offsets` that coordinates `group`: Java's `String.hashCode`, its
/// sign dropped, modulo `partitions`, which must be positive.
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    assert!(0 < partitions);
    let hash = group
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's `Utils.abs`: the smallest number becomes 0.
    hash.checked_abs().unwrap_or(0) % partitions
}

/// A copy that does not keep the request's whole frame in memory.
fn detach(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
