//! DeleteTopics (key 20): by name or by id.
//!
//! Source: ControllerApis#deleteTopics; KIP-516 for ids.
use std::collections::BTreeSet;

use crate::api::k19_create_topics::refusal;
use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::cluster::{Refusal, TopicRef};
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::wire::generated::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};

/// From here topics come as states, with a name or an id.
const STATE_VERSION: i16 = 6;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DeleteTopicsRequest = request.body()?;
    let wanted: Vec<DeleteTopicState> = match request.version {
        STATE_VERSION.. => body.topics,
        _ => {
            let names = body.topic_names.into_iter();
            names
                .map(|name| DeleteTopicState { name: Some(name), topic_id: TopicId::ZERO })
                .collect()
        }
    };
    let mut seen = BTreeSet::new();
    let key = |topic: &DeleteTopicState| (topic.name.clone(), topic.topic_id);
    let twice: BTreeSet<_> =
        wanted.iter().map(key).filter(|key| !seen.insert(key.clone())).collect();
    let mut responses = Vec::with_capacity(wanted.len());
    for topic in wanted {
        let mut result = DeletableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            ..Default::default()
        };
        let deleted = if twice.contains(&key(&topic)) {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic."))
        } else {
            delete(&request, &topic).await
        };
        match deleted {
            Ok((name, id)) => (result.name, result.topic_id) = (Some(name), id),
            Err(refusal) => {
                result.error_code = refusal.code.code();
                let text = Some(refusal.message).filter(|text| !text.is_empty());
                result.error_message = text.filter(|_| 5 <= request.version);
            }
        }
        responses.push(result);
    }
    request.respond(&DeleteTopicsResponse { responses, ..Default::default() })
}

async fn delete(request: &Request, topic: &DeleteTopicState) -> Result<(String, TopicId), Refusal> {
    let controller = request.core.controller();
    let controller = controller
        .ok_or_else(|| Refusal::new(ErrorCode::NotController, "the broker is starting"))?;
    let wanted = match &topic.name {
        Some(name) if topic.topic_id.is_zero() => TopicRef::Name(name),
        Some(_) => {
            let text = "You may not specify both topic name and topic id.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        None if topic.topic_id.is_zero() => {
            let text = "Neither topic name nor id were specified.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        None => TopicRef::Id(topic.topic_id),
    };
    let image = request.core.image();
    let found = match wanted {
        TopicRef::Name(name) => image.topic(name),
        TopicRef::Id(id) => image.topic_by_id(id),
    };
    let found = found.map(|topic| (topic.name.to_string(), topic.id));
    let command = controller.commit(|planner| planner.delete_topic(wanted).map(Some));
    command.await.map_err(refusal)?;
    found.ok_or_else(|| Refusal::new(ErrorCode::UnknownServerError, "it was created just now"))
}
