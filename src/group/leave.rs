//! Leave: LeaveGroup, by members themselves or by an administrator.
//!
//! Owns: who may leave whom, the answer in old and new versions.
//! Leaves to others: the round that follows (`rebalance`).
//! Start reading at: [`Coordinator::handle_leave_group`].
//! Source: KIP-345 (batches, static names).
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::core::Core;
use super::state::{Group, State};
use super::timers::Cause;
use super::{Response, Token, Turn};
use crate::model::ErrorCode;
use crate::wire::generated::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::wire::generated::leave_group_response::{LeaveGroupResponse, MemberResponse};

/// Since this version one request names several members.
const LEAVE_VERSION_BATCH: i16 = 3;

impl Coordinator {
    /// Always answers at once: whether the emptied group is durable changes nothing for those
    /// who left.
    pub fn handle_leave_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: &LeaveGroupRequest,
        version: i16,
        token: Token,
    ) {
        let single =
            [MemberIdentity { member_id: request.member_id.clone(), ..Default::default() }];
        let leaving =
            if version < LEAVE_VERSION_BATCH { &single[..] } else { &request.members[..] };
        let mut response = LeaveGroupResponse::default();
        if request.group_id.is_empty() {
            response.error_code = ErrorCode::InvalidGroupId.code();
        } else if self.is_loading() {
            response.error_code = ErrorCode::CoordinatorLoadInProgress.code();
        } else if let Some(group) = self.groups.get_mut(request.group_id.as_str()) {
            response.members = self.core.leave(group, turn, leaving);
        } else {
            let unknown = |identity| answer(identity, Err(ErrorCode::UnknownMemberId));
            response.members = leaving.iter().map(unknown).collect();
        }
        if version < LEAVE_VERSION_BATCH
            && let Some(only) = response.members.pop()
        {
            response.error_code = only.error_code;
        }
        turn.reply(token, Response::LeaveGroup(response));
    }
}

impl Core {
    fn leave(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        leaving: &[MemberIdentity],
    ) -> Vec<MemberResponse> {
        let mut responses = Vec::with_capacity(leaving.len());
        let mut left = 0;
        for identity in leaving {
            let result = self.leave_one(group, turn, identity);
            left += usize::from(result.is_ok());
            responses.push(answer(identity, result));
        }
        if 0 < left {
            match group.state {
                State::Stable | State::CompletingRebalance => {
                    self.prepare_rebalance(group, turn, format!("{left} members left"));
                }
                State::PreparingRebalance => self.maybe_complete_join(group, turn),
                State::Empty => (),
            }
        }
        responses
    }

    fn leave_one(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        identity: &MemberIdentity,
    ) -> Result<(), ErrorCode> {
        let instance_id = identity.group_instance_id.as_deref();
        let id: Arc<str> = if identity.member_id.is_empty() {
            // An administrator knows only the static name.
            let found = instance_id.and_then(|name| group.static_members.get(name));
            found.cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else if group.pending_joins.remove(identity.member_id.as_str()) {
            let cause = Cause::Session(group.id.clone(), Arc::from(identity.member_id.as_str()));
            self.timers.cancel(&cause);
            return Ok(());
        } else {
            group.validate(&identity.member_id, instance_id)?;
            Arc::from(identity.member_id.as_str())
        };
        self.drop_member(group, turn, &id, "it left");
        Ok(())
    }
}

fn answer(identity: &MemberIdentity, result: Result<(), ErrorCode>) -> MemberResponse {
    MemberResponse {
        member_id: identity.member_id.clone(),
        group_instance_id: identity.group_instance_id.clone(),
        error_code: result.err().unwrap_or_default().code(),
    }
}
