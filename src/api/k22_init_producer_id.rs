//! InitProducerId (key 22): an id for an idempotent producer.
//!
//! Owns: the refusal of transactional ids, which this version does not serve.
//! Leaves to others: blocks of ids that are durable before use (`shard::producer_ids`).
//! Source: KIP-98, KIP-360; TransactionCoordinator#handleInitProducerId.
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::init_producer_id_request::InitProducerIdRequest;
use crate::wire::generated::init_producer_id_response::InitProducerIdResponse;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: InitProducerIdRequest = request.body()?;
    let mut response =
        InitProducerIdResponse { producer_id: -1, producer_epoch: -1, ..Default::default() };
    // Clients take this code as final. A code that they retry would hang them instead.
    let error = match body.transactional_id.as_deref() {
        Some("") => Some(ErrorCode::InvalidRequest),
        Some(_) => Some(ErrorCode::TransactionalIdAuthorizationFailed),
        None => None,
    };
    if let Some(error) = error {
        response.error_code = error.code();
        return request.respond(&response);
    }
    match request.core.next_producer_id().await {
        Ok(producer_id) => {
            response.producer_id = producer_id.0;
            response.producer_epoch = 0;
        }
        Err(error) => response.error_code = error.code(),
    }
    request.respond(&response)
}
