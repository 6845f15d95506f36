//! DescribeCluster (key 60): the cluster's id and its nodes.
//!
//! Source: KIP-700, KIP-919 (endpoint types), KIP-1073 (fenced brokers).
use crate::api::{Close, Request, operations};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::describe_cluster_request::DescribeClusterRequest;
use crate::wire::generated::describe_cluster_response::{
    DescribeClusterBroker, DescribeClusterResponse,
};

const ENDPOINT_BROKERS: i8 = 1;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DescribeClusterRequest = request.body()?;
    let identity = &request.core.identity;
    let mut response = DescribeClusterResponse {
        endpoint_type: ENDPOINT_BROKERS,
        cluster_id: identity.cluster_id.to_string(),
        controller_id: identity.node_id.0,
        cluster_authorized_operations: operations::if_asked(
            body.include_cluster_authorized_operations,
            operations::OF_THE_CLUSTER,
        ),
        ..Default::default()
    };
    if body.endpoint_type == ENDPOINT_BROKERS {
        let (host, port) = request.core.endpoint();
        response.brokers.push(DescribeClusterBroker {
            broker_id: identity.node_id.0,
            host,
            port,
            rack: request.core.config.rack.clone(),
            is_fenced: false,
        });
    } else {
        response.error_code = ErrorCode::MismatchedEndpointType.code();
        response.error_message = Some("this listener is a broker's, not a controller's".to_owned());
        response.endpoint_type = body.endpoint_type;
        response.controller_id = -1;
    }
    request.respond(&response)
}
