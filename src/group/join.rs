//! Join: JoinGroup, of dynamic and static members, new and known.
//!
//! Owns: who is let in, under which id, and whether a join starts a round.
//! Leaves to others: the round itself (`rebalance`).
//! Start reading at: [`Coordinator::handle_join_group`].
//! Source: KIP-394 (ids are given out first), KIP-345 (static members), KIP-814.
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::core::{After, Core, Swapped};
use super::rebalance::{answer_parked, current_generation, reply_join};
use super::state::{Group, Member, Parked, Protocol, State, metadata_bytes};
use super::timers::Cause;
use super::{Client, Token, Turn, detach, records, refuse};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::join_group_request::JoinGroupRequest;

/// Since this version a new dynamic member first gets its id and joins with it (KIP-394).
const JOIN_VERSION_KNOWN_ID: i16 = 4;
/// Before this version the session timeout is also the rebalance timeout (KIP-62).
const JOIN_VERSION_REBALANCE_TIMEOUT: i16 = 1;
/// Strategies that one member may offer.
const PROTOCOLS_MAX: usize = 100;

/// A checked JoinGroup.
struct Joining<'a> {
    request: &'a JoinGroupRequest,
    protocols: Vec<Protocol>,
    client: &'a Client,
    parked: Parked,
}

impl Coordinator {
    /// Answers at once, or parks the request until the group's next generation starts.
    pub fn handle_join_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: &JoinGroupRequest,
        version: i16,
        client: &Client,
        token: Token,
    ) {
        let parked = Parked { token, version };
        let mut request = std::borrow::Cow::Borrowed(request);
        if version < JOIN_VERSION_REBALANCE_TIMEOUT {
            request.to_mut().rebalance_timeout_ms = request.session_timeout_ms;
        }
        let protocols = match self.check_join(&request) {
            Ok(protocols) => protocols,
            Err(error) => {
                return reply_join(turn, parked, refuse::join_group(&request.member_id, error));
            }
        };
        let joining = Joining { request: &request, protocols, client, parked };
        if let Some(group) = self.groups.get_mut(request.group_id.as_str()) {
            self.core.join(group, turn, joining);
            return;
        }
        if !request.member_id.is_empty() {
            let error = refuse::join_group(&request.member_id, ErrorCode::UnknownMemberId);
            return reply_join(turn, parked, error);
        }
        if self.core.config.groups_max <= self.groups.len() {
            return reply_join(
                turn,
                parked,
                refuse::join_group("", ErrorCode::GroupMaxSizeReached),
            );
        }
        let id: Arc<str> = Arc::from(request.group_id.as_str());
        let incarnation = self.core.incarnation();
        let mut group = Group::new(id.clone(), incarnation, turn.now.wall_ms);
        let record = records::group(&group, &Default::default());
        let after = After::Created { group: id.clone(), incarnation };
        self.core.append(turn, vec![record], Vec::new(), after);
        self.core.join(&mut group, turn, joining);
        self.groups.insert(id, group);
    }

    fn check_join(&self, request: &JoinGroupRequest) -> Result<Vec<Protocol>, ErrorCode> {
        let config = &self.core.config;
        let timeouts = config.session_timeout_ms_min..=config.session_timeout_ms_max;
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        if !timeouts.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        if self.is_loading() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        if PROTOCOLS_MAX < request.protocols.len() {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let offered = request.protocols.iter();
        let bytes: usize = offered.map(|offer| offer.name.len() + offer.metadata.len()).sum();
        if config.member_bytes_max < bytes {
            return Err(ErrorCode::InvalidRequest);
        }
        let mut protocols: Vec<Protocol> = Vec::with_capacity(request.protocols.len());
        for offer in &request.protocols {
            if protocols.iter().all(|known| known.name != offer.name) {
                let metadata = detach(&offer.metadata);
                protocols.push(Protocol { name: offer.name.clone(), metadata });
            }
        }
        Ok(protocols)
    }
}

impl Core {
    fn join(&mut self, group: &mut Group, turn: &mut Turn<'_>, joining: Joining<'_>) {
        let id = joining.request.member_id.as_str();
        let room = self.has_room(group, id, &joining.protocols);
        if !room {
            self.drop_member(group, turn, id, "the group is full");
            let error = refuse::join_group("", ErrorCode::GroupMaxSizeReached);
            return reply_join(turn, joining.parked, error);
        }
        if !group.supports(&joining.request.protocol_type, &joining.protocols) {
            let error = refuse::join_group(id, ErrorCode::InconsistentGroupProtocol);
            return reply_join(turn, joining.parked, error);
        }
        if id.is_empty() {
            self.join_new(group, turn, joining);
        } else {
            self.join_known(group, turn, joining);
        }
    }

    /// In a round, those who rejoined count: the last ones to come find the group full.
    fn has_room(&self, group: &Group, id: &str, protocols: &[Protocol]) -> bool {
        let known = group.members.get(id);
        let before = known.map_or(0, |member| metadata_bytes(&member.protocols));
        let grown = metadata_bytes(protocols).saturating_sub(before);
        let seats = match group.state {
            State::Empty => true,
            State::PreparingRebalance => {
                known.is_some_and(|member| member.join.is_some())
                    || group.joins_parked < self.config.members_max
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || group.members.len() < self.config.members_max
            }
        };
        // Only growth can be refused: whoever is in may always come back as it was.
        seats && (grown == 0 || group.bytes() + grown <= self.config.group_bytes_max)
    }

    fn join_new(&mut self, group: &mut Group, turn: &mut Turn<'_>, joining: Joining<'_>) {
        let instance_id = joining.request.group_instance_id.as_deref();
        let stem = instance_id.unwrap_or(&joining.client.id);
        let new_id: Arc<str> = Arc::from(format!("{stem}-{}", uuid(turn.random)));
        if let Some(instance_id) = instance_id {
            if let Some(old_id) = group.static_members.get(instance_id).cloned() {
                self.replace_static(group, turn, joining, &old_id, new_id);
            } else {
                self.add_member(group, turn, joining, new_id);
            }
            return;
        }
        if joining.parked.version < JOIN_VERSION_KNOWN_ID {
            return self.add_member(group, turn, joining, new_id);
        }
        let error = if group.pending_joins.len() < self.config.pending_joins_max {
            let timeout_ms = u64::try_from(joining.request.session_timeout_ms).unwrap_or(0);
            let cause = Cause::Session(group.id.clone(), new_id.clone());
            self.timers.set(cause, turn.now.ms + timeout_ms);
            group.pending_joins.insert(new_id.clone());
            refuse::join_group(&new_id, ErrorCode::MemberIdRequired)
        } else {
            refuse::join_group("", ErrorCode::GroupMaxSizeReached)
        };
        reply_join(turn, joining.parked, error);
    }

    fn join_known(&mut self, group: &mut Group, turn: &mut Turn<'_>, joining: Joining<'_>) {
        let request = joining.request;
        let id = request.member_id.as_str();
        if group.pending_joins.contains(id) {
            if request.group_instance_id.is_some() {
                // Ids are given out to dynamic members only: this one was made up.
                let error = refuse::join_group(id, ErrorCode::UnknownMemberId);
                return reply_join(turn, joining.parked, error);
            }
            return self.add_member(group, turn, joining, Arc::from(id));
        }
        if let Err(error) = group.validate(id, request.group_instance_id.as_deref()) {
            return reply_join(turn, joining.parked, refuse::join_group(id, error));
        }
        let unchanged = group.members[id].protocols == joining.protocols;
        let reason = match group.state {
            State::PreparingRebalance => format!("member {id} rejoins"),
            State::Stable if group.is_leader(id) => format!("leader {id} rejoins"),
            State::CompletingRebalance | State::Stable if !unchanged => {
                format!("metadata of member {id} changed")
            }
            State::CompletingRebalance | State::Stable => {
                // It may have missed the first answer: it gets the same one again.
                let response = current_generation(group, id, joining.parked.version);
                return reply_join(turn, joining.parked, response);
            }
            State::Empty => {
                let error = refuse::join_group(id, ErrorCode::UnknownMemberId);
                return reply_join(turn, joining.parked, error);
            }
        };
        let parked = joining.parked;
        let id: Arc<str> = Arc::from(id);
        update_member(group, &id, joining);
        park(group, turn, &id, parked);
        self.rebalance_or_complete(group, turn, with_client_reason(reason, request));
    }

    fn add_member(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        joining: Joining<'_>,
        id: Arc<str>,
    ) {
        let request = joining.request;
        if group.state == State::PreparingRebalance && group.previous == State::Empty {
            group.member_added = true;
        }
        let member = Member {
            id: id.clone(),
            instance_id: request.group_instance_id.as_deref().map(Arc::from),
            client: joining.client.clone(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: joining.protocols,
            assignment: Bytes::new(),
            join: Some(joining.parked),
            sync: None,
            is_new: true,
        };
        group.add(member, &request.protocol_type);
        // It cannot beat yet. If its client gave up waiting and asks again, it would leave one
        // dead member behind per try: those end here.
        let at = turn.now.ms + self.config.new_member_join_timeout_ms;
        self.timers.set(Cause::Session(group.id.clone(), id.clone()), at);
        let reason = with_client_reason(format!("new member {id}"), request);
        self.rebalance_or_complete(group, turn, reason);
    }

    /// A static member came back without its id: it takes the place of its former self. While the
    /// group is stable and the protocol stays, that needs no round.
    fn replace_static(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        joining: Joining<'_>,
        old_id: &str,
        new_id: Arc<str>,
    ) {
        let parked = joining.parked;
        let request = joining.request;
        let leader_before = group.leader.clone();
        let old = group.rename(old_id, new_id.clone());
        answer_parked(turn, &old, old_id, ErrorCode::FencedInstanceId);
        self.timers.cancel(&Cause::Session(group.id.clone(), old.id.clone()));
        update_member(group, &new_id, joining);
        park(group, turn, &new_id, parked);
        self.restart_session(group, turn, &new_id);
        match group.state {
            State::Stable if group.select_protocol() == group.protocol => {
                let members = group.members.values();
                let assignments = members.map(|m| (m.id.clone(), m.assignment.clone())).collect();
                let record = records::group(group, &assignments);
                let after = After::Swapped(Box::new(Swapped {
                    group: group.id.clone(),
                    incarnation: group.incarnation,
                    old: Member { join: None, sync: None, ..old },
                    new_id,
                    leader_before,
                }));
                self.append(turn, vec![record], Vec::new(), after);
            }
            // The leader may already assign to the old id: it must see the new one.
            State::Stable | State::CompletingRebalance => {
                let reason = format!("static member returned as {new_id}");
                self.prepare_rebalance(group, turn, with_client_reason(reason, request));
            }
            State::PreparingRebalance => self.maybe_complete_join(group, turn),
            State::Empty => unreachable!("an empty group has no static members"),
        }
    }
}

fn update_member(group: &mut Group, id: &str, joining: Joining<'_>) {
    group.set_protocols(id, joining.protocols);
    let member = group.members.get_mut(id).expect("set_protocols has looked");
    member.rebalance_timeout_ms = joining.request.rebalance_timeout_ms;
    member.session_timeout_ms = joining.request.session_timeout_ms;
}

/// Parks a JoinGroup. One that waited before came over a connection that its client has given up.
fn park(group: &mut Group, turn: &mut Turn<'_>, id: &str, parked: Parked) {
    if let Some(before) = group.park_join(id, parked) {
        reply_join(turn, before, refuse::join_group(id, ErrorCode::RebalanceInProgress));
    }
}

fn with_client_reason(reason: String, request: &JoinGroupRequest) -> String {
    match request.reason.as_deref().filter(|said| !said.is_empty()) {
        // Clients choose this text: no more than a line of it.
        Some(said) => format!("{reason} ({:.255})", said.escape_debug().to_string()),
        None => reason,
    }
}

/// Version 4 of RFC 9562, as Java prints it.
fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
