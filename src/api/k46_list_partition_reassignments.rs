//! ListPartitionReassignments (key 46): none, since one node has nowhere to move a replica.
//!
//! Source: KIP-455.
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::wire::generated::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use crate::wire::generated::list_partition_reassignments_response as list;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let _: ListPartitionReassignmentsRequest = request.body()?;
    request.respond(&list::ListPartitionReassignmentsResponse::default())
}
