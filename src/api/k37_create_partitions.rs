//! CreatePartitions (key 37): adds partitions behind those that a topic has.
//!
//! Leaves to others: every check (`cluster`), making it so on all shards (`shard::controller`).
//! Invariant: answered after the new partitions are open on their shards, so a Produce right after
//! it works.
//! Source: ControllerApis#createPartitions; KIP-195.
use std::collections::BTreeSet;

use crate::api::k19_create_topics::refusal;
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::cluster::Refusal;
use crate::model::{ErrorCode, NodeId};
use crate::wire::generated::create_partitions_request::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::wire::generated::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: CreatePartitionsRequest = request.body()?;
    let mut seen = BTreeSet::new();
    let names = body.topics.iter().map(|topic| topic.name.as_str());
    let twice: BTreeSet<&str> = names.filter(|name| !seen.insert(*name)).collect();
    let told = |name: &str, result: Result<(), Refusal>| {
        let refused = result.err();
        CreatePartitionsTopicResult {
            name: name.to_owned(),
            error_code: refused.as_ref().map_or(ErrorCode::None, |refusal| refusal.code).code(),
            error_message: refused.map(|refusal| refusal.message).filter(|text| !text.is_empty()),
        }
    };
    // A topic that is named twice is answered once, as in Kafka.
    let duplicate = || Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."));
    let mut results: Vec<_> = twice.iter().map(|name| told(name, duplicate())).collect();
    for topic in body.topics.iter().filter(|topic| !twice.contains(topic.name.as_str())) {
        let grown = grow(&request, topic, body.validate_only).await;
        results.push(told(&topic.name, grown));
    }
    request.respond(&CreatePartitionsResponse { results, ..Default::default() })
}

async fn grow(
    request: &Request,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    let controller = request.core.controller();
    let controller = controller
        .ok_or_else(|| Refusal::new(ErrorCode::NotController, "the broker is starting"))?;
    let nodes = |ids: &Vec<i32>| ids.iter().map(|id| NodeId(*id)).collect();
    let assignments: Option<Vec<Vec<NodeId>>> = (asked.assignments.as_ref())
        .map(|all| all.iter().map(|replicas| nodes(&replicas.broker_ids)).collect());
    let assignments = assignments.as_deref();
    if validate_only {
        let plan = controller
            .planned(|planner| planner.create_partitions(&asked.name, asked.count, assignments));
        return plan.map(drop);
    }
    let grown = controller.commit(|planner| {
        planner.create_partitions(&asked.name, asked.count, assignments).map(Some)
    });
    grown.await.map_err(refusal)?;
    tracing::info!(topic = asked.name, partitions = asked.count, "partitions added");
    Ok(())
}
