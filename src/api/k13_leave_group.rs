//! LeaveGroup (key 13): takes members out of a group.
//!
//! Leaves to others: every decision (`group`), finding the coordinator (`api::route`).
//! Source: KIP-345.
use crate::api::route::{self, Coordinator};
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::group::Response;
use crate::model::ErrorCode;
use crate::wire::generated::leave_group_request::LeaveGroupRequest;
use crate::wire::generated::leave_group_response::LeaveGroupResponse;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: LeaveGroupRequest = request.body()?;
    let coordinator = match route::coordinator(&request.core, &body.group_id) {
        Ok(Coordinator::Here(coordinator)) => coordinator,
        Ok(Coordinator::There(shard)) => return route::to(shard, request).await,
        Err(error) => return request.respond(&failed(&body, error)),
    };
    let version = request.version;
    let told =
        coordinator.ask(|group, turn, token| group.handle_leave_group(turn, &body, version, token));
    let response = match told.await {
        Some(Response::LeaveGroup(response)) => response,
        _ => failed(&body, ErrorCode::NotCoordinator),
    };
    request.respond(&response)
}

fn failed(_: &LeaveGroupRequest, error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.code(), ..Default::default() }
}
