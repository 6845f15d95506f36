//! ApiVersions (key 18): what this broker speaks.
//!
//! Owns: the answer to a version that we do not know (error 35 in the layout of version 0), the
//! check of the client's software name, and of the node that the client thinks it talks to.
//! Source: KIP-35, KIP-511, KIP-584, KIP-1242; ApiVersionsResponse#unsupported.
use crate::api::versions::{ADVERTISED, is_advertised};
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::api_versions_request::ApiVersionsRequest;
use crate::wire::generated::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};

pub const KEY: i16 = 18;
/// From here a client says what it is.
const SOFTWARE_VERSION: i16 = 3;
/// From here a client says which node it expects.
const NODE_VERSION: i16 = 5;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    if !is_advertised(KEY, request.version) {
        let own = ADVERTISED.iter().filter(|api| api.key == KEY);
        let body = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            api_keys: own.map(|api| listed(api.key, api.low, api.high)).collect(),
            ..Default::default()
        };
        return request.respond_as(&body, 0, 0);
    }
    let body: ApiVersionsRequest = request.body()?;
    let error = check(&request, &body);
    request.respond(&response(&request, error))
}

fn check(request: &Request, body: &ApiVersionsRequest) -> ErrorCode {
    let named = is_software_name(&body.client_software_name)
        && is_software_name(&body.client_software_version);
    if SOFTWARE_VERSION <= request.version && !named {
        return ErrorCode::InvalidRequest;
    }
    let identity = &request.core.identity;
    let other_cluster =
        body.cluster_id.as_ref().is_some_and(|cluster| *cluster != identity.cluster_id.to_string());
    let other_node = 0 <= body.node_id && body.node_id != identity.node_id.0;
    if NODE_VERSION <= request.version && (other_cluster || other_node) {
        return ErrorCode::RebootstrapRequired;
    }
    ErrorCode::None
}

fn response(request: &Request, error: ErrorCode) -> ApiVersionsResponse {
    if error.is_error() {
        return ApiVersionsResponse { error_code: error.code(), ..Default::default() };
    }
    // librdkafka before 2.8 takes a lowest Produce version above 0 for a broker without Produce.
    let low = |key, low| if key == 0 { 0 } else { low };
    let image = request.core.image();
    ApiVersionsResponse {
        api_keys: (ADVERTISED.iter())
            .map(|api| listed(api.key, low(api.key, api.low), api.high))
            .collect(),
        supported_features: (image.features())
            .map(|(name, level)| SupportedFeatureKey {
                name: name.to_owned(),
                min_version: level,
                max_version: level,
            })
            .collect(),
        finalized_features_epoch: image.version() as i64,
        finalized_features: (image.features().filter(|(_, level)| 0 < *level))
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.to_owned(),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..Default::default()
    }
}

fn listed(api_key: i16, min_version: i16, max_version: i16) -> ApiVersion {
    ApiVersion { api_key, min_version, max_version }
}

/// Letters, digits, dots and hyphens; first and last are a letter or digit.
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
}
