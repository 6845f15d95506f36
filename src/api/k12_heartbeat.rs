//! Heartbeat (key 12): says that a member lives.
//!
//! Leaves to others: every decision (`group`), finding the coordinator (`api::route`).
//! Source: KIP-62.
use crate::api::route::{self, Coordinator};
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::group::Response;
use crate::model::ErrorCode;
use crate::wire::generated::heartbeat_request::HeartbeatRequest;
use crate::wire::generated::heartbeat_response::HeartbeatResponse;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: HeartbeatRequest = request.body()?;
    let coordinator = match route::coordinator(&request.core, &body.group_id) {
        Ok(Coordinator::Here(coordinator)) => coordinator,
        Ok(Coordinator::There(shard)) => return route::to(shard, request).await,
        Err(error) => return request.respond(&failed(&body, error)),
    };
    let told = coordinator.ask(|group, turn, token| group.handle_heartbeat(turn, &body, token));
    let response = match told.await {
        Some(Response::Heartbeat(response)) => response,
        _ => failed(&body, ErrorCode::NotCoordinator),
    };
    request.respond(&response)
}

fn failed(_: &HeartbeatRequest, error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { error_code: error.code(), ..Default::default() }
}
