//! JoinGroup (key 11): enters a group and waits for its next generation.
//!
//! Leaves to others: every decision (`group`), finding the coordinator (`api::route`).
//! Source: KIP-62, KIP-345, KIP-394.
use crate::api::route::{self, Coordinator};
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::group::Response;
use crate::model::ErrorCode;
use crate::wire::generated::join_group_request::JoinGroupRequest;
use crate::wire::generated::join_group_response::JoinGroupResponse;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: JoinGroupRequest = request.body()?;
    let coordinator = match route::coordinator(&request.core, &body.group_id) {
        Ok(Coordinator::Here(coordinator)) => coordinator,
        Ok(Coordinator::There(shard)) => return route::to(shard, request).await,
        Err(error) => return request.respond(&failed(&body, error)),
    };
    let client = crate::api::route::group_client(&request);
    if !request.park() {
        return request.respond(&failed(&body, ErrorCode::CoordinatorNotAvailable));
    }
    let version = request.version;
    let told = coordinator
        .ask(|group, turn, token| group.handle_join_group(turn, &body, version, &client, token));
    let response = match told.await {
        Some(Response::JoinGroup(response)) => response,
        _ => failed(&body, ErrorCode::NotCoordinator),
    };
    request.respond(&response)
}

fn failed(body: &JoinGroupRequest, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        generation_id: -1,
        member_id: body.member_id.clone(),
        ..Default::default()
    }
}
