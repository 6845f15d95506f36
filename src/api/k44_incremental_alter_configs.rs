//! IncrementalAlterConfigs (key 44): changes single settings of topics, groups and brokers.
//!
//! Leaves to others: what a change means and whether it fits (`cluster`, `config`), trying a plugin
//! that it binds (`shard::trial`).
//! Source: KIP-339; ConfigurationControlManager#incrementalAlterConfigs.
use std::collections::BTreeSet;

use crate::api::k19_create_topics::refusal;
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::cluster::{Change, ConfigTarget, Refusal};
use crate::model::ErrorCode;
use crate::shard::trial::try_bindings;
use crate::wire::generated::incremental_alter_configs_request::{
    AlterConfigsResource, IncrementalAlterConfigsRequest,
};
use crate::wire::generated::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: IncrementalAlterConfigsRequest = request.body()?;
    let mut seen = BTreeSet::new();
    let key =
        |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let twice: BTreeSet<_> =
        body.resources.iter().map(key).filter(|key| !seen.insert(key.clone())).collect();
    let mut responses = Vec::with_capacity(body.resources.len());
    for resource in &body.resources {
        let result = if twice.contains(&key(resource)) {
            let text = "Each resource must appear at most once.";
            Err(Refusal::new(ErrorCode::InvalidRequest, text))
        } else {
            alter(&request, resource, body.validate_only).await
        };
        let refused = result.err();
        responses.push(AlterConfigsResourceResponse {
            error_code: refused.as_ref().map_or(ErrorCode::None, |refusal| refusal.code).code(),
            error_message: refused.map(|refusal| refusal.message).filter(|text| !text.is_empty()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        });
    }
    request.respond(&IncrementalAlterConfigsResponse { responses, ..Default::default() })
}

async fn alter(
    request: &Request,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let controller = request.core.controller();
    let controller = controller
        .ok_or_else(|| Refusal::new(ErrorCode::NotController, "the broker is starting"))?;
    let target = ConfigTarget::from_code(resource.resource_type, &resource.resource_name);
    let target = target.ok_or_else(|| {
        let text = format!("Unknown resource type {}", resource.resource_type);
        Refusal::new(ErrorCode::InvalidRequest, text)
    })?;
    let changes: Vec<Change> = (resource.configs.iter())
        .map(|change| (change.name.clone(), change.config_operation, change.value.clone()))
        .collect();
    let planned = controller.planned(|planner| planner.alter_configs(target, &changes))?;
    if let Some(command) = planned {
        try_bindings(&request.core, &command).await?;
    }
    if validate_only {
        return Ok(());
    }
    let altered = controller.commit(|planner| planner.alter_configs(target, &changes));
    altered.await.map(drop).map_err(refusal)
}
