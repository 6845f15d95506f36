//! Sync: SyncGroup and Heartbeat.
//!
//! Owns: who may sync, the leader's assignment on its way into the log, liveness.
//! Leaves to others: assignments made by plugins (`plan`), the round (`rebalance`).
//! Start reading at: [`Coordinator::handle_sync_group`].
use std::collections::BTreeMap;
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::core::{After, Core, Synced};
use super::rebalance::assigned;
use super::state::{Group, Parked, State};
use super::timers::Cause;
use super::{Event, Response, Token, Turn, detach, records, refuse};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::heartbeat_request::HeartbeatRequest;
use crate::wire::generated::sync_group_request::SyncGroupRequest;

impl Coordinator {
    /// Answers at once, or parks the request until the generation's assignment is durable.
    pub fn handle_sync_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: &SyncGroupRequest,
        version: i16,
        token: Token,
    ) {
        let result = self.check_sync(request).and_then(|()| {
            let group = self.groups.get_mut(request.group_id.as_str());
            let group = group.ok_or(ErrorCode::UnknownMemberId)?;
            self.core.sync(group, turn, request, Parked { token, version })
        });
        if let Err(error) = result {
            turn.reply(token, Response::SyncGroup(refuse::sync_group(error)));
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        if self.is_loading() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        Ok(())
    }

    /// Always answers at once.
    pub fn handle_heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        request: &HeartbeatRequest,
        token: Token,
    ) {
        let error = self.beat(turn, request).err().unwrap_or_default();
        turn.reply(token, Response::Heartbeat(refuse::heartbeat(error)));
    }

    fn beat(&mut self, turn: &Turn<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        if self.is_loading() {
            // Nothing is known yet, least of all that the member is gone.
            return Ok(());
        }
        let group = self.groups.get(request.group_id.as_str());
        let group = group.ok_or(ErrorCode::UnknownMemberId)?;
        group.validate(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match group.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => {
                self.core.restart_session(group, turn, &request.member_id);
                Err(ErrorCode::RebalanceInProgress)
            }
            State::CompletingRebalance | State::Stable => {
                self.core.restart_session(group, turn, &request.member_id);
                Ok(())
            }
        }
    }

    /// The assignments of a generation are durable, or could not be written.
    pub(super) fn after_synced(
        &mut self,
        turn: &mut Turn<'_>,
        synced: Synced,
        result: Result<(), ErrorCode>,
    ) {
        let Some(group) = self.groups.get_mut(&synced.group) else { return };
        // Somebody may have joined or left since: then this generation is over.
        if group.incarnation != synced.incarnation
            || group.state != State::CompletingRebalance
            || group.generation != synced.generation
        {
            return;
        }
        if let Err(error) = result {
            self.core.reset_assignments(group, turn, error);
            let reason = format!("assignments could not be stored: {}", error.kafka_name());
            return self.core.prepare_rebalance(group, turn, reason);
        }
        let mut assignments = synced.assignments;
        for member in group.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        self.core.drop_plan(group);
        group.target = synced.target;
        group.provenance = synced.provenance;
        group.transition(State::Stable, turn.now.wall_ms);
        turn.event(&group.id, Event::Stable { generation: group.generation });
        self.core.release_syncs(group, turn, ErrorCode::None);
        self.core.plan_again_later(group, turn);
    }
}

impl Core {
    fn sync(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        request: &SyncGroupRequest,
        parked: Parked,
    ) -> Result<(), ErrorCode> {
        let id = request.member_id.as_str();
        if group.state == State::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        group.validate(id, request.group_instance_id.as_deref())?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if differs(&request.protocol_type, &group.protocol_type)
            || differs(&request.protocol_name, &group.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match group.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance => {
                self.has_synced(group, id);
                let member = group.members.get_mut(id).expect("validated");
                if let Some(before) = member.sync.replace(parked) {
                    let response = refuse::sync_group(ErrorCode::RebalanceInProgress);
                    turn.reply(before.token, Response::SyncGroup(response));
                }
                // Where a plugin assigns, what the leader uploads does not count.
                if group.is_leader(id) && group.plan.is_none() {
                    self.store_leaders(group, turn, request)?;
                }
                Ok(())
            }
            State::Stable => {
                self.has_synced(group, id);
                turn.reply(parked.token, Response::SyncGroup(assigned(group, id)));
                Ok(())
            }
        }
    }

    fn has_synced(&mut self, group: &mut Group, id: &str) {
        group.pending_syncs.remove(id);
        if group.pending_syncs.is_empty() {
            self.timers.cancel(&Cause::Sync(group.id.clone()));
        }
    }

    /// Writes what the leader assigned; whoever it left out gets nothing.
    fn store_leaders(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        request: &SyncGroupRequest,
    ) -> Result<(), ErrorCode> {
        let bytes: usize = request.assignments.iter().map(|given| given.assignment.len()).sum();
        if self.config.group_bytes_max < bytes {
            let leader = group.members.get_mut(request.member_id.as_str()).expect("validated");
            leader.sync = None;
            return Err(ErrorCode::InvalidRequest);
        }
        let mut assignments: BTreeMap<Arc<str>, Bytes> = BTreeMap::new();
        for given in &request.assignments {
            if let Some((id, _)) = group.members.get_key_value(given.member_id.as_str()) {
                assignments.insert(id.clone(), detach(&given.assignment));
            }
        }
        self.store_assignments(group, turn, assignments, None, None);
        Ok(())
    }

    pub fn store_assignments(
        &mut self,
        group: &Group,
        turn: &mut Turn<'_>,
        assignments: BTreeMap<Arc<str>, Bytes>,
        target: Option<super::assign::Target>,
        provenance: Option<super::Provenance>,
    ) {
        assert!(group.state == State::CompletingRebalance);
        let record = records::group(group, &assignments);
        let after = After::Synced(Box::new(Synced {
            group: group.id.clone(),
            incarnation: group.incarnation,
            generation: group.generation,
            assignments,
            target,
            provenance,
        }));
        self.append(turn, vec![record], Vec::new(), after);
    }
}

/// Only two known values can differ: old clients do not say what they chose.
fn differs(said: &Option<String>, known: &Option<String>) -> bool {
    matches!((said, known), (Some(said), Some(known)) if said != known)
}
