//! ListGroups (key 16): all groups of this node, of every shard.
//!
//! Leaves to others: the groups (`group`), asking the shards (`shard::group_asks`).
//! Source: KIP-518 (states), KIP-848 (types).
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::shard::group_asks::ListGroups;
use crate::wire::generated::list_groups_request::ListGroupsRequest;
use crate::wire::generated::list_groups_response::ListGroupsResponse;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: ListGroupsRequest = request.body()?;
    let told = request.core.ask_all(&ListGroups { filter: body }).await;
    let mut response = ListGroupsResponse::default();
    for listed in told.map_err(|_| Close::Shard)? {
        match listed {
            Ok(groups) => response.groups.extend(groups),
            // Kafka answers with what it has and this error while a coordinator loads.
            Err(error) => response.error_code = ErrorCode::code(error),
        }
    }
    response.groups.sort_by(|one, other| one.group_id.cmp(&other.group_id));
    request.respond(&response)
}
