//! Coordinator: the groups and offsets of one partition of `__consumer_offsets`.
//!
//! Owns: loading, ends of writes, the clock's ticks.
//! Leaves to others: requests (`join`, `sync`, `leave`, `commit`, `fetch`, `delete`, `describe`).
//! Invariant: every offset belongs to a group that is here; what is durable equals its replay.
//! Start reading at: [`Coordinator::replay`], then [`Coordinator::on_written`].
use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::{After, Core, GroupConfig, Swapped, write_error};
use super::offsets::{Change, Offsets};
use super::rebalance::{JOIN_VERSION_SKIP, answer_parked, members_for_leader, reply_join};
use super::records::{ReplayError, Replayed};
use super::state::{Group, Member, Protocol, State};
use super::timers::Cause;
use super::{Client, Event, Response, Turn, WriteId, detach, records, refuse};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::group_metadata_value::GroupMetadataValue;
use crate::wire::generated::join_group_response::JoinGroupResponse;

/// Whose assignor is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A version was activated or rolled back: all groups bound to the plugin.
    Plugin(Arc<str>),
    /// The binding of one group.
    Group(Arc<str>),
}

/// Groups and committed offsets of one partition; see the module.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) core: Core,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) offsets: Offsets,
    loading: bool,
}

impl Coordinator {
    /// Empty and loading: feed it the partition's records, then say [`Coordinator::on_loaded`].
    pub fn new(config: GroupConfig) -> Self {
        let (groups, offsets) = (BTreeMap::new(), Offsets::default());
        Self { core: Core::new(config), groups, offsets, loading: true }
    }

    /// While true, requests are answered with COORDINATOR_LOAD_IN_PROGRESS, heartbeats with none.
    pub fn is_loading(&self) -> bool {
        self.loading
    }

    /// Takes in one record of the partition, in the order of their offsets.
    ///
    /// Errors: a record that cannot be understood changes nothing; say so and go on.
    pub fn replay(&mut self, key: &Bytes, value: Option<&Bytes>) -> Result<(), ReplayError> {
        assert!(self.loading, "a live coordinator makes its own records");
        match records::read(key, value)? {
            Replayed::Offset { group, topic, partition, value } => {
                let (group, topic) = (Arc::from(group), Arc::from(topic));
                self.apply(Change { group, topic, partition, value });
            }
            Replayed::Group { group, value: Some(value) } => {
                let id: Arc<str> = Arc::from(group);
                let incarnation = self.core.incarnation();
                let group = read_group(id.clone(), incarnation, *value)?;
                self.groups.insert(id, group);
            }
            Replayed::Group { group, value: None } => {
                self.groups.remove(group.as_str());
                self.keep_if_offsets(&Arc::from(group));
            }
            Replayed::Other => (),
        }
        Ok(())
    }

    /// All records are in: from now on requests are served and sessions run.
    pub fn on_loaded(&mut self, turn: &mut Turn<'_>) {
        assert!(self.loading);
        self.loading = false;
        let at = turn.now.ms + self.core.config.cleanup_interval_ms;
        self.core.timers.set(Cause::Cleanup, at);
        for group in self.groups.values_mut() {
            for id in group.members.keys() {
                self.core.restart_session(group, turn, id);
            }
            if self.core.config.members_max < group.members.len() {
                let reason = "more members than are allowed".to_owned();
                self.core.prepare_rebalance(group, turn, reason);
            }
        }
    }

    /// The partition is led elsewhere or failed: every request that waits learns `error`, and
    /// all is forgotten. Ends of writes and runs that still come are ignored.
    pub fn unload(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        for group in std::mem::take(&mut self.groups).into_values() {
            for member in group.members.values() {
                answer_parked(turn, member, &member.id, error);
            }
        }
        for write in std::mem::take(&mut self.core.writes) {
            match write.after {
                After::Commit { token, response }
                | After::Deleted { reply: Some((token, response)), .. } => {
                    turn.reply(token, with_error(*response, error));
                }
                _ => (),
            }
            for (token, _, request) in write.fetches {
                turn.reply(
                    token,
                    Response::OffsetFetch(refuse::offset_fetch(&request.group_id, error)),
                );
            }
        }
        self.offsets.clear();
        self.core.timers.clear();
        self.loading = true;
    }

    /// When [`Coordinator::tick`] is due next, in monotonic milliseconds. Any input may change it.
    pub fn deadline(&self) -> Option<u64> {
        self.core.timers.next()
    }

    /// Does what has become due.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        while let Some(cause) = self.core.timers.pop(turn.now.ms) {
            match cause {
                Cause::Cleanup => {
                    let at = turn.now.ms + self.core.config.cleanup_interval_ms.max(1);
                    self.core.timers.set(Cause::Cleanup, at);
                    self.clean_up(turn);
                }
                Cause::Join(id) => {
                    if let Some(group) = self.groups.get_mut(&id) {
                        self.core.join_phase_ended(group, turn);
                    }
                }
                Cause::Sync(id) => {
                    if let Some(group) = self.groups.get_mut(&id) {
                        self.core.sync_phase_ended(group, turn);
                    }
                }
                Cause::Plan(id) => {
                    if let Some(group) = self.groups.get_mut(&id) {
                        self.core.plan_timer(group, turn);
                    }
                }
                Cause::Session(id, member) => {
                    if let Some(group) = self.groups.get_mut(&id) {
                        self.core.session_ended(group, turn, &member);
                    }
                }
            }
        }
    }

    /// The end of an append. `Err` means that its records are not in the log and never will be;
    /// where that cannot be known, [`Coordinator::unload`] and load again.
    ///
    /// Writes end in the order of their ids; an end from before an unload is ignored.
    pub fn on_written(
        &mut self,
        turn: &mut Turn<'_>,
        write_id: WriteId,
        result: Result<(), ErrorCode>,
    ) {
        match self.core.writes.front() {
            Some(first) if write_id == first.id => (),
            Some(first) => {
                assert!(write_id < first.id, "{write_id:?} ended before {:?}", first.id);
                return;
            }
            None => return,
        }
        let write = self.core.writes.pop_front().expect("it is the first");
        let result = result.map_err(write_error);
        if result.is_ok() {
            for change in write.changes {
                self.apply(change);
            }
        }
        self.follow(turn, write.after, result);
        for (token, version, request) in write.fetches {
            match result {
                Ok(()) => self.answer_fetch(turn, token, version, &request),
                Err(error) => {
                    let response = refuse::offset_fetch(&request.group_id, error);
                    turn.reply(token, Response::OffsetFetch(response));
                }
            }
        }
    }

    fn follow(&mut self, turn: &mut Turn<'_>, after: After, result: Result<(), ErrorCode>) {
        match after {
            After::Nothing => (),
            After::Commit { token, response } => {
                let response = match result {
                    Ok(()) => *response,
                    Err(error) => with_error(*response, error),
                };
                turn.reply(token, response);
            }
            After::Created { group, incarnation } => {
                if let Err(error) = result {
                    self.discard(turn, &group, incarnation, error);
                }
            }
            After::Synced(synced) => self.after_synced(turn, *synced, result),
            After::Swapped(swapped) => self.after_swapped(turn, *swapped, result),
            After::Deleted { groups, reply } => {
                for group in groups {
                    let id = group.id.clone();
                    if result.is_ok() {
                        turn.event(&id, Event::Deleted);
                    } else {
                        // Its records are still there; unless a new group has taken its name.
                        self.groups.entry(id.clone()).or_insert(group);
                    }
                    self.keep_if_offsets(&id);
                }
                if let Some((token, response)) = reply {
                    let response = match result {
                        Ok(()) => *response,
                        Err(error) => with_error(*response, error),
                    };
                    turn.reply(token, response);
                }
            }
        }
    }

    /// A group whose first record could not be written never was.
    fn discard(&mut self, turn: &mut Turn<'_>, id: &Arc<str>, incarnation: u64, error: ErrorCode) {
        let is_it = |group: &Group| group.incarnation == incarnation && group.generation == 0;
        if !self.groups.get(id).is_some_and(is_it) {
            return;
        }
        let group = self.take_group(id).expect("it was there a moment ago");
        for member in group.members.values() {
            answer_parked(turn, member, "", error);
        }
        turn.event(id, Event::WriteFailed { error });
        self.keep_if_offsets(id);
    }

    fn after_swapped(
        &mut self,
        turn: &mut Turn<'_>,
        swapped: Swapped,
        result: Result<(), ErrorCode>,
    ) {
        let Some(group) = self.groups.get_mut(&swapped.group) else { return };
        let new_id = swapped.new_id;
        if group.incarnation != swapped.incarnation || !group.members.contains_key(&new_id) {
            return;
        }
        let parked = group.take_join(&new_id);
        let leader_before = swapped.leader_before.as_deref().unwrap_or_default().to_owned();
        if let Err(error) = result {
            // The log still knows the member by its old id.
            if let Some(parked) = parked {
                let response =
                    JoinGroupResponse { leader: leader_before, ..refuse::join_group("", error) };
                reply_join(turn, parked, response);
            }
            let cause = Cause::Session(group.id.clone(), new_id.clone());
            self.core.timers.cancel(&cause);
            let old = swapped.old;
            group.rename(&new_id, old.id.clone());
            group.set_protocols(&old.id, old.protocols);
            let member = group.members.get_mut(&old.id).expect("it has just got this name");
            member.rebalance_timeout_ms = old.rebalance_timeout_ms;
            member.session_timeout_ms = old.session_timeout_ms;
            self.core.restart_session(group, turn, &old.id);
            return;
        }
        let Some(parked) = parked else { return };
        let leads = group.is_leader(&new_id);
        let skips = JOIN_VERSION_SKIP <= parked.version;
        let response = JoinGroupResponse {
            generation_id: group.generation,
            protocol_type: group.protocol_type.clone(),
            protocol_name: group.protocol.clone(),
            // Old clients would assign if they heard that they lead; nobody waits for that.
            leader: if skips {
                group.leader.as_deref().unwrap_or_default().to_owned()
            } else {
                leader_before
            },
            skip_assignment: leads && skips,
            member_id: new_id.to_string(),
            members: if leads && skips { members_for_leader(group) } else { Vec::new() },
            ..Default::default()
        };
        reply_join(turn, parked, response);
        self.core.restart_session(group, turn, &new_id);
    }

    /// Makes a durable change visible.
    fn apply(&mut self, change: Change) {
        let group = change.group.clone();
        self.offsets.apply(change);
        self.keep_if_offsets(&group);
    }

    /// Whoever has offsets is a group; one that is nothing else goes with its last offset.
    fn keep_if_offsets(&mut self, id: &Arc<str>) {
        match (self.groups.get(id), self.offsets.group(id)) {
            (None, Some(_)) => {
                let incarnation = self.core.incarnation();
                let mut group = Group::new(id.clone(), incarnation, 0);
                group.state_since_ms = None;
                self.groups.insert(id.clone(), group);
            }
            (Some(group), None) if group.is_nothing_but_offsets() => {
                self.groups.remove(id);
            }
            _ => (),
        }
    }

    /// Takes a group out of memory, and its timers.
    pub(super) fn take_group(&mut self, id: &str) -> Option<Group> {
        let group = self.groups.remove(id)?;
        let timers = &mut self.core.timers;
        for member in group.members.keys().chain(&group.pending_joins) {
            timers.cancel(&Cause::Session(group.id.clone(), member.clone()));
        }
        for cause in [Cause::Join, Cause::Sync, Cause::Plan] {
            timers.cancel(&cause(group.id.clone()));
        }
        Some(group)
    }
}

/// A group as the log has it: stable if it has members.
fn read_group(
    id: Arc<str>,
    incarnation: u64,
    value: GroupMetadataValue,
) -> Result<Group, ReplayError> {
    let inconsistent = |what| ReplayError::Inconsistent { group: id.to_string(), what };
    let mut group = Group::new(id.clone(), incarnation, 0);
    let since = value.current_state_timestamp;
    group.state_since_ms = (since != -1).then_some(since);
    group.generation = value.generation;
    if !value.members.is_empty() && (value.protocol.is_none() || value.protocol_type.is_empty()) {
        return Err(inconsistent("members without a protocol"));
    }
    let name = value.protocol.clone().unwrap_or_default();
    for stored in value.members {
        let instance_id: Option<Arc<str>> = stored.group_instance_id.map(Arc::from);
        if group.members.contains_key(stored.member_id.as_str())
            || instance_id.as_ref().is_some_and(|name| group.static_members.contains_key(name))
        {
            return Err(inconsistent("a member twice"));
        }
        let session_timeout_ms = stored.session_timeout;
        let rebalance_timeout_ms = match stored.rebalance_timeout {
            -1 => session_timeout_ms,
            given => given,
        };
        let metadata = detach(&stored.subscription);
        let member = Member {
            id: Arc::from(stored.member_id),
            instance_id,
            client: Client { id: stored.client_id.into(), host: stored.client_host.into() },
            rebalance_timeout_ms,
            session_timeout_ms,
            protocols: vec![Protocol { name: name.clone(), metadata }],
            assignment: detach(&stored.assignment),
            join: None,
            sync: None,
            is_new: false,
        };
        group.add(member, &value.protocol_type);
    }
    group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
    group.protocol = value.protocol;
    let leader: Option<Arc<str>> = value.leader.map(Arc::from);
    group.leader = leader.filter(|leader| group.members.contains_key(leader)).or(group.leader);
    if !group.members.is_empty() {
        group.state = State::Stable;
    }
    group.subscribed = group.compute_subscribed();
    Ok(group)
}

/// The prepared answer of a write that failed.
fn with_error(mut response: Response, error: ErrorCode) -> Response {
    match &mut response {
        Response::OffsetCommit(commit) => {
            let partitions = commit.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|partition| partition.error_code == 0) {
                partition.error_code = error.code();
            }
        }
        Response::DeleteGroups(results) => {
            for result in results.iter_mut().filter(|result| result.error_code == 0) {
                result.error_code = error.code();
            }
        }
        Response::OffsetDelete(delete) => {
            delete.error_code = error.code();
            delete.topics.clear();
        }
        _ => unreachable!("no other answer waits for a write"),
    }
    response
}
