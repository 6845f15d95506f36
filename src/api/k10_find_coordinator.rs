//! FindCoordinator (key 10): which node coordinates a group.
//!
//! Owns: creating `__consumer_offsets` when it is first asked for, refusing transactional ids.
//! Source: KIP-699; KafkaApis#handleFindCoordinatorRequest.
use crate::api::{Close, Request, k19_create_topics};
use crate::base::Bytes;
use crate::group::partition_for;
use crate::model::ErrorCode;
use crate::shard::groups::OFFSETS_TOPIC;
use crate::wire::generated::find_coordinator_request::FindCoordinatorRequest;
use crate::wire::generated::find_coordinator_response::{Coordinator, FindCoordinatorResponse};

const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;
/// From here several keys may be asked for.
const BATCH_VERSION: i16 = 4;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: FindCoordinatorRequest = request.body()?;
    let keys = match request.version {
        ..BATCH_VERSION => vec![body.key.clone()],
        _ => body.coordinator_keys.clone(),
    };
    let known = request.core.image().topic(OFFSETS_TOPIC).is_some();
    if body.key_type == KEY_TYPE_GROUP && !known {
        k19_create_topics::create_missing(&request.core, vec![OFFSETS_TOPIC.to_owned()]).await;
    }
    let find = |key| find(&request, body.key_type, key);
    let mut coordinators: Vec<Coordinator> = keys.into_iter().map(find).collect();
    let mut response = FindCoordinatorResponse::default();
    if BATCH_VERSION <= request.version {
        response.coordinators = coordinators;
    } else if let Some(only) = coordinators.pop() {
        response.error_code = only.error_code;
        response.error_message = only.error_message;
        (response.node_id, response.host, response.port) = (only.node_id, only.host, only.port);
    }
    request.respond(&response)
}

fn find(request: &Request, key_type: i8, key: String) -> Coordinator {
    let image = request.core.image();
    let offsets = image.topic(OFFSETS_TOPIC);
    let leads = offsets.and_then(|topic| {
        let partition = topic.partition(partition_for(&key, topic.partitions.len() as i32))?;
        image.leader_of(partition)
    });
    // Clients take the first and third as final; a code that they retry would hang them.
    let refusal = match key_type {
        KEY_TYPE_TRANSACTION => Some((
            ErrorCode::TransactionalIdAuthorizationFailed,
            "transactions are not supported yet: unset transactional.id",
        )),
        KEY_TYPE_GROUP if leads.is_some() => None,
        KEY_TYPE_GROUP if offsets.is_some() => {
            Some((ErrorCode::CoordinatorNotAvailable, "its log directory is offline"))
        }
        KEY_TYPE_GROUP => Some((ErrorCode::CoordinatorNotAvailable, "being created")),
        _ => Some((ErrorCode::InvalidRequest, "unknown coordinator type")),
    };
    let (host, port) = request.core.endpoint();
    match refusal {
        Some((error, text)) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: error.code(),
            error_message: Some(text.to_owned()),
            ..Default::default()
        },
        None => Coordinator {
            key,
            node_id: request.core.identity.node_id.0,
            host,
            port,
            ..Default::default()
        },
    }
}
