//! DescribeConfigs (key 32): settings of topics, the broker and groups, and where they come from.
//!
//! Owns: which resources exist, the shape of the response.
//! Leaves to others: values, sources and synonyms (`config`).
//! Source: ConfigHelper; KIP-226 (synonyms), KIP-569 (types and docs), KIP-1043 (groups).
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::cluster::topic_name_fault;
use crate::config::{
    Described, Overrides, describe_broker, describe_cluster_default, describe_group, describe_topic,
};
use crate::model::ErrorCode;
use crate::wire::generated::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::wire::generated::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
    DescribeConfigsSynonym,
};

pub const TYPE_TOPIC: i8 = 2;
pub const TYPE_BROKER: i8 = 4;
pub const TYPE_GROUP: i8 = 32;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DescribeConfigsRequest = request.body()?;
    let results = body.resources.iter().map(|resource| {
        let mut result = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..Default::default()
        };
        match describe(&request, resource) {
            Ok(described) => {
                let wanted = |entry: &Described| match &resource.configuration_keys {
                    Some(keys) if !keys.is_empty() => keys.iter().any(|key| key == entry.name),
                    _ => true,
                };
                let entries = described.into_iter().filter(wanted);
                result.configs = entries.map(|entry| shown(entry, &body)).collect();
            }
            Err((error, text)) => {
                result.error_code = error.code();
                result.error_message = Some(text);
            }
        }
        result
    });
    let response = DescribeConfigsResponse { results: results.collect(), ..Default::default() };
    request.respond(&response)
}

fn describe(
    request: &Request,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Described>, (ErrorCode, String)> {
    let (core, name) = (&request.core, resource.resource_name.as_str());
    let image = core.image();
    let values = image.broker_values(&core.config.values, core.identity.node_id);
    match resource.resource_type {
        TYPE_TOPIC => match (image.topic(name), topic_name_fault(name)) {
            (Some(topic), _) => Ok(describe_topic(&values, &topic.configs)),
            (None, None) => Err((ErrorCode::UnknownTopicOrPartition, String::new())),
            (None, Some(fault)) => Err((ErrorCode::InvalidTopicException, fault)),
        },
        TYPE_BROKER if name.is_empty() => Ok(describe_cluster_default(&values)),
        TYPE_BROKER if name == core.identity.node_id.to_string() => Ok(describe_broker(&values)),
        TYPE_BROKER if name.parse::<i32>().is_err() => Err((
            ErrorCode::InvalidRequest,
            format!("Broker id must be an integer, but it is: {name}"),
        )),
        TYPE_BROKER => {
            let id = core.identity.node_id;
            let text =
                format!("Unexpected broker id, expected {id} or empty string, but received {name}");
            Err((ErrorCode::InvalidRequest, text))
        }
        TYPE_GROUP if name.is_empty() => {
            Err((ErrorCode::InvalidRequest, "Group name must not be empty".to_owned()))
        }
        TYPE_GROUP => {
            let none = Overrides::default();
            let own = image.group_configs(name);
            Ok(describe_group(&values, own.map_or(&none, |own| own)))
        }
        other => Err((ErrorCode::InvalidRequest, format!("Unsupported resource type: {other}"))),
    }
}

fn shown(entry: Described, body: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.into_iter().map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.to_owned(),
        value: synonym.value,
        source: synonym.source.code(),
    });
    DescribeConfigsResourceResult {
        name: entry.name.to_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.is_sensitive,
        synonyms: if body.include_synonyms { synonyms.collect() } else { Vec::new() },
        config_type: entry.kind,
        documentation: body.include_documentation.then(|| entry.documentation.to_owned()),
    }
}
