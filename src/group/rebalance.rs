//! Rebalance: the rounds of a group, from the first joiner to assignments that are out.
//!
//! Owns: when the join phase starts and ends, who is dropped, who is told what at each step.
//! Leaves to others: checking requests (`join`, `sync`, `leave`), plugin assignors (`plan`).
//! Invariant: a parked request is answered once: by the end of its phase, or when its member goes.
//! Start reading at: [`Core::prepare_rebalance`], then [`Core::complete_join`].
use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::{After, Core};
use super::state::{Group, InitialDelay, Member, Parked, State};
use super::timers::Cause;
use super::{Event, Response, Turn, records, refuse};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use crate::wire::generated::sync_group_response::SyncGroupResponse;

/// Since this version a leader can be told that it need not assign (KIP-814).
pub(super) const JOIN_VERSION_SKIP: i16 = 9;
/// Since this version the protocol's name can be null (KIP-559).
const JOIN_VERSION_NULL: i16 = 7;

impl Core {
    /// Starts a round if the group's state allows it, else ends the join phase if all are here.
    pub fn rebalance_or_complete(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        reason: String,
    ) {
        if group.state == State::PreparingRebalance {
            self.maybe_complete_join(group, turn);
        } else {
            self.prepare_rebalance(group, turn, reason);
        }
    }

    /// Sends all members back to JoinGroup. The first round of an empty group waits for more.
    pub fn prepare_rebalance(&mut self, group: &mut Group, turn: &mut Turn<'_>, reason: String) {
        if group.state == State::CompletingRebalance {
            self.reset_assignments(group, turn, ErrorCode::RebalanceInProgress);
        }
        self.drop_plan(group);
        group.pending_syncs.clear();
        self.timers.cancel(&Cause::Sync(group.id.clone()));
        let initial = group.state == State::Empty;
        group.transition(State::PreparingRebalance, turn.now.wall_ms);
        turn.event(&group.id, Event::Rebalancing { generation: group.generation, reason });
        if initial {
            let delay_ms = self.config.initial_rebalance_delay_ms;
            let remaining_ms = group.rebalance_timeout_ms().saturating_sub(delay_ms);
            group.initial = Some(InitialDelay { delay_ms, remaining_ms });
            group.member_added = false;
            self.timers.set(Cause::Join(group.id.clone()), turn.now.ms + delay_ms);
        } else if group.has_all_joined() {
            self.complete_join(group, turn);
        } else {
            let at = turn.now.ms + group.rebalance_timeout_ms();
            self.timers.set(Cause::Join(group.id.clone()), at);
        }
    }

    /// Ends the join phase early when nobody is missing; never during an initial delay.
    pub fn maybe_complete_join(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        let initial = group.previous == State::Empty;
        if group.state == State::PreparingRebalance && !initial && group.has_all_joined() {
            self.complete_join(group, turn);
        }
    }

    /// The join timer: an initial delay may be extended, any other join phase ends.
    pub fn join_phase_ended(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        if let Some(InitialDelay { delay_ms, remaining_ms }) = group.initial
            && group.member_added
            && 0 < remaining_ms
        {
            group.member_added = false;
            let next_ms = self.config.initial_rebalance_delay_ms.min(remaining_ms);
            let remaining_ms = remaining_ms.saturating_sub(delay_ms);
            group.initial = Some(InitialDelay { delay_ms: next_ms, remaining_ms });
            self.timers.set(Cause::Join(group.id.clone()), turn.now.ms + next_ms);
            return;
        }
        self.complete_join(group, turn);
    }

    /// Drops dynamic members that did not rejoin, then starts the next generation with the rest.
    pub fn complete_join(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        assert!(group.state == State::PreparingRebalance);
        self.timers.cancel(&Cause::Join(group.id.clone()));
        group.initial = None;
        let absent = |member: &&Member| member.join.is_none() && member.instance_id.is_none();
        let gone: Vec<Arc<str>> =
            group.members.values().filter(absent).map(|member| member.id.clone()).collect();
        for id in gone {
            self.drop_member(group, turn, &id, "it did not rejoin in time");
        }
        if group.members.is_empty() {
            self.become_empty(group, turn);
        } else if group.elect_joined_leader() {
            self.start_generation(group, turn);
        } else {
            // Only static members are left and none rejoined: their sessions decide.
            let at = turn.now.ms + group.rebalance_timeout_ms().max(1);
            self.timers.set(Cause::Join(group.id.clone()), at);
        }
    }

    fn become_empty(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        group.generation = group.generation.wrapping_add(1).max(0);
        group.protocol = None;
        group.subscribed = group.compute_subscribed();
        group.target = None;
        group.provenance = None;
        group.transition(State::Empty, turn.now.wall_ms);
        turn.event(&group.id, Event::Empty { generation: group.generation });
        let record = records::group(group, &BTreeMap::new());
        self.append(turn, vec![record], Vec::new(), After::Nothing);
    }

    fn start_generation(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        group.generation = group.generation.wrapping_add(1).max(0);
        group.protocol = group.select_protocol();
        assert!(group.protocol.is_some(), "every member was checked to share a protocol");
        group.subscribed = group.compute_subscribed();
        group.transition(State::CompletingRebalance, turn.now.wall_ms);
        group.pending_syncs = group.members.keys().cloned().collect();
        let generation = group.generation;
        let leader = group.leader.clone().expect("elected");
        turn.event(&group.id, Event::Joined { generation, members: group.members.len(), leader });
        // Before the answers: they tell the leader whether it has to assign.
        self.start_plan(group, turn);
        let ids: Vec<Arc<str>> = group.members.keys().cloned().collect();
        for id in ids {
            if let Some(parked) = group.take_join(&id) {
                let response = current_generation(group, &id, parked.version);
                reply_join(turn, parked, response);
            }
            let member = group.members.get_mut(&id).expect("nobody leaves in this loop");
            member.is_new = false;
            self.restart_session(group, turn, &id);
        }
        let at = turn.now.ms + group.rebalance_timeout_ms();
        self.timers.set(Cause::Sync(group.id.clone()), at);
    }

    /// The sync timer: whoever has joined and not synced is dropped.
    pub fn sync_phase_ended(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        if !matches!(group.state, State::CompletingRebalance | State::Stable)
            || group.pending_syncs.is_empty()
        {
            return;
        }
        let late: Vec<Arc<str>> = group.pending_syncs.iter().cloned().collect();
        for id in &late {
            self.drop_member(group, turn, id, "it did not sync in time");
        }
        self.prepare_rebalance(group, turn, format!("{} members did not sync", late.len()));
    }

    /// The session timer. Members with a parked request are alive, unless they are new: those do
    /// not know their id yet and must ask again.
    pub fn session_ended(&mut self, group: &mut Group, turn: &mut Turn<'_>, id: &str) {
        if group.pending_joins.remove(id) {
            if group.state == State::PreparingRebalance && group.has_all_joined() {
                self.complete_join(group, turn);
            }
            return;
        }
        let Some(member) = group.members.get(id) else { return };
        if !member.is_new && (member.join.is_some() || member.sync.is_some()) {
            return;
        }
        self.drop_member(group, turn, id, "its session ended");
        match group.state {
            State::Stable | State::CompletingRebalance => {
                self.prepare_rebalance(group, turn, format!("session of {id} ended"));
            }
            State::PreparingRebalance if group.has_all_joined() => self.complete_join(group, turn),
            _ => (),
        }
    }

    /// Takes a member out and answers what it waits for; the caller decides on a rebalance.
    pub fn drop_member(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        id: &str,
        reason: &'static str,
    ) {
        self.timers.cancel(&Cause::Session(group.id.clone(), Arc::from(id)));
        let Some(member) = group.remove(id) else { return };
        answer_parked(turn, &member, "", ErrorCode::UnknownMemberId);
        turn.event(&group.id, Event::MemberGone { member: member.id, reason });
    }

    pub fn restart_session(&mut self, group: &Group, turn: &Turn<'_>, id: &str) {
        let Some(member) = group.members.get(id) else { return };
        let timeout_ms = u64::try_from(member.session_timeout_ms).unwrap_or(0);
        let cause = Cause::Session(group.id.clone(), member.id.clone());
        self.timers.set(cause, turn.now.ms + timeout_ms);
    }

    /// Nobody gets an assignment in this generation; whoever waits for one learns `error`.
    pub fn reset_assignments(&mut self, group: &mut Group, turn: &mut Turn<'_>, error: ErrorCode) {
        assert!(group.state == State::CompletingRebalance);
        for member in group.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.release_syncs(group, turn, error);
    }

    /// Answers parked SyncGroups. Their members' sessions start anew: while they waited, the end
    /// of a session was passed over and nothing would end it any more.
    pub fn release_syncs(&mut self, group: &mut Group, turn: &mut Turn<'_>, error: ErrorCode) {
        let ids: Vec<Arc<str>> = group.members.keys().cloned().collect();
        for id in ids {
            let member = group.members.get_mut(&id).expect("nobody leaves in this loop");
            let Some(parked) = member.sync.take() else { continue };
            let response = match error {
                ErrorCode::None => assigned(group, &id),
                error => refuse::sync_group(error),
            };
            turn.reply(parked.token, Response::SyncGroup(response));
            self.restart_session(group, turn, &id);
        }
    }
}

/// Tells a member that has gone, or was replaced, what became of its parked requests.
pub(super) fn answer_parked(turn: &mut Turn<'_>, member: &Member, id: &str, error: ErrorCode) {
    if let Some(parked) = member.join {
        reply_join(turn, parked, refuse::join_group(id, error));
    }
    if let Some(parked) = member.sync {
        turn.reply(parked.token, Response::SyncGroup(refuse::sync_group(error)));
    }
}

pub(super) fn reply_join(turn: &mut Turn<'_>, parked: Parked, mut response: JoinGroupResponse) {
    if parked.version < JOIN_VERSION_NULL {
        response.protocol_name.get_or_insert_default();
    }
    turn.reply(parked.token, Response::JoinGroup(response));
}

/// The generation as that member learns it; the leader also sees all members. Where a plugin
/// assigns, a leader that understands it is told not to.
pub(super) fn current_generation(group: &Group, id: &str, version: i16) -> JoinGroupResponse {
    let leads = group.is_leader(id);
    JoinGroupResponse {
        generation_id: group.generation,
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol.clone(),
        leader: group.leader.as_deref().unwrap_or_default().to_owned(),
        skip_assignment: leads && group.plan.is_some() && JOIN_VERSION_SKIP <= version,
        member_id: id.to_owned(),
        members: if leads { members_for_leader(group) } else { Vec::new() },
        ..Default::default()
    }
}

pub(super) fn members_for_leader(group: &Group) -> Vec<JoinGroupResponseMember> {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let members = group.members.values().map(|member| JoinGroupResponseMember {
        member_id: member.id.to_string(),
        group_instance_id: member.instance_id.as_deref().map(str::to_owned),
        metadata: member.metadata(protocol),
    });
    members.collect()
}

/// The member's own part of the current assignment.
pub(super) fn assigned(group: &Group, id: &str) -> SyncGroupResponse {
    SyncGroupResponse {
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol.clone(),
        assignment: group.members.get(id).map(|m| m.assignment.clone()).unwrap_or_default(),
        ..Default::default()
    }
}
