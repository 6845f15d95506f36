//! SyncGroup (key 14): brings a generation its assignment.
//!
//! Leaves to others: every decision (`group`), finding the coordinator (`api::route`).
//! Source: KIP-62, KIP-559.
use crate::api::route::{self, Coordinator};
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::group::Response;
use crate::model::ErrorCode;
use crate::wire::generated::sync_group_request::SyncGroupRequest;
use crate::wire::generated::sync_group_response::SyncGroupResponse;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: SyncGroupRequest = request.body()?;
    let coordinator = match route::coordinator(&request.core, &body.group_id) {
        Ok(Coordinator::Here(coordinator)) => coordinator,
        Ok(Coordinator::There(shard)) => return route::to(shard, request).await,
        Err(error) => return request.respond(&failed(&body, error)),
    };
    if !request.park() {
        return request.respond(&failed(&body, ErrorCode::CoordinatorNotAvailable));
    }
    let version = request.version;
    let told =
        coordinator.ask(|group, turn, token| group.handle_sync_group(turn, &body, version, token));
    let response = match told.await {
        Some(Response::SyncGroup(response)) => response,
        _ => failed(&body, ErrorCode::NotCoordinator),
    };
    request.respond(&response)
}

fn failed(_: &SyncGroupRequest, error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..Default::default() }
}
