//! CreateTopics (key 19), and topics that come into being when somebody asks for them.
//!
//! Leaves to others: every check (`cluster`), making it so on all shards (`shard::controller`).
//! Invariant: answered after every shard has the topic, so a Produce right after it works.
//! Source: ControllerApis#createTopics, AutoTopicCreationManager; KIP-464, KIP-525.
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::cluster::{
    Command, Image, NewTopic, PARTITIONS_PER_REQUEST_MAX, Refusal, TopicImage, TopicSeed, new_id,
};
use crate::config::{Overrides, describe_topic};
use crate::model::{ErrorCode, NodeId, ShardId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::controller::{CommitError, Controller};
use crate::wire::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use crate::wire::generated::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};

/// From here the answer says what was created.
const DETAILS_VERSION: i16 = 5;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: CreateTopicsRequest = request.body()?;
    let mut topics = Vec::with_capacity(body.topics.len());
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = body
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .filter(|name| !seen.insert(*name))
        .collect();
    let too_many = PARTITIONS_PER_REQUEST_MAX < partitions_of(&body);
    for topic in &body.topics {
        if too_many {
            let text = "Excessively large number of partitions per request.";
            topics.push(refused(topic, Refusal::new(ErrorCode::PolicyViolation, text)));
            continue;
        }
        if twice.contains(topic.name.as_str()) {
            let text = "Duplicate topic name.";
            topics.push(refused(topic, Refusal::new(ErrorCode::InvalidRequest, text)));
            continue;
        }
        topics.push(create(&request, topic, body.validate_only).await);
    }
    request.respond(&CreateTopicsResponse { topics, ..Default::default() })
}

/// Partitions that a request asks for; a topic with the broker's default counts as one.
fn partitions_of(body: &CreateTopicsRequest) -> usize {
    let of =
        |topic: &CreatableTopic| topic.assignments.len().max(topic.num_partitions.max(1) as usize);
    body.topics.iter().map(of).fold(0, usize::saturating_add)
}

async fn create(
    request: &Request,
    asked: &CreatableTopic,
    validate_only: bool,
) -> CreatableTopicResult {
    let core = &request.core;
    let Some(controller) = core.controller() else {
        return refused(asked, Refusal::new(ErrorCode::NotController, "the broker is starting"));
    };
    let new = new_topic(asked);
    let id = new_id(core.env.random(), core.env.random());
    if validate_only {
        return match controller.try_topic(&new, id).await {
            Ok(seed) => would_be(request, &core.image(), &seed),
            Err(refusal) => refused(asked, refusal),
        };
    }
    match controller.create_topic(&new, id).await {
        Ok(image) => match image.topic_by_id(id) {
            Some(topic) => created(request, &image, topic),
            None => refused(asked, Refusal::new(ErrorCode::UnknownServerError, "")),
        },
        Err(error) => refused(asked, refusal(error)),
    }
}

/// What a client is told when a command was not carried out.
pub fn refusal(error: CommitError<Refusal>) -> Refusal {
    match error {
        CommitError::Refused(refusal) => refusal,
        CommitError::Storage(text) => Refusal::new(ErrorCode::KafkaStorageError, text),
    }
}

fn new_topic(asked: &CreatableTopic) -> NewTopic {
    let assignments = asked.assignments.iter().map(|assignment| {
        let nodes = assignment.broker_ids.iter().map(|node| NodeId(*node)).collect();
        (assignment.partition_index, nodes)
    });
    let configs = asked.configs.iter().map(|config| (config.name.clone(), config.value.clone()));
    NewTopic {
        name: asked.name.clone(),
        partitions: asked.num_partitions,
        replication_factor: asked.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}

fn refused(asked: &CreatableTopic, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: asked.name.clone(),
        error_code: refusal.code.code(),
        error_message: Some(refusal.message).filter(|text| !text.is_empty()),
        num_partitions: -1,
        replication_factor: -1,
        configs: Some(Vec::new()),
        ..Default::default()
    }
}

fn created(request: &Request, image: &Image, topic: &TopicImage) -> CreatableTopicResult {
    let replicas = topic.partitions.first().map_or(0, |first| first.replicas.len());
    let mut result = details(request, image, topic.partitions.len(), replicas, &topic.configs);
    (result.name, result.topic_id) = (topic.name.to_string(), topic.id);
    result
}

/// The answer to `validate_only`: what would be created. Its id is a fresh one, as in Kafka.
fn would_be(request: &Request, image: &Image, seed: &TopicSeed) -> CreatableTopicResult {
    let replicas = seed.partitions.first().map_or(0, |first| first.replicas.len());
    let mut result = details(request, image, seed.partitions.len(), replicas, &seed.configs);
    (result.name, result.topic_id) = (seed.name.clone(), seed.id);
    result
}

fn details(
    request: &Request,
    image: &Image,
    partitions: usize,
    replicas: usize,
    configs: &Overrides,
) -> CreatableTopicResult {
    let core = &request.core;
    let mut result = CreatableTopicResult {
        num_partitions: partitions as i32,
        replication_factor: replicas as i16,
        ..Default::default()
    };
    if DETAILS_VERSION <= request.version {
        let values = image.broker_values(&core.config.values, core.identity.node_id);
        let configs = describe_topic(&values, configs).into_iter();
        let shown = configs.map(|entry| CreatableTopicConfigs {
            name: entry.name.to_owned(),
            value: entry.value,
            read_only: entry.read_only,
            config_source: entry.source.code(),
            is_sensitive: entry.is_sensitive,
        });
        result.configs = Some(shown.collect());
    }
    result
}

/// Creates topics with the broker's defaults (internal ones with theirs); what fails is logged,
/// and the client asks again.
pub async fn create_missing(core: &Rc<Core>, names: Vec<String>) {
    if core.ask(ShardId(0), CreateMissing(names)).told().await.is_err() {
        tracing::warn!("shard 0 is gone, no topic was created");
    }
}

struct CreateMissing(Vec<String>);

impl Ask for CreateMissing {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let (core, controller) = (core.clone(), core.controller());
        Box::pin(async move {
            let Some(controller) = controller else { return };
            for name in self.0 {
                create_by_name(&core, &controller, &name).await;
            }
        })
    }
}

async fn create_by_name(core: &Core, controller: &Rc<Controller>, name: &str) {
    let id = new_id(core.env.random(), core.env.random());
    let created = controller.commit(|planner| {
        let new = planner.internal_topic(name);
        let new = new.unwrap_or_else(|| NewTopic::with_defaults(name));
        planner.create_topic(&new, id).map(Command::CreateTopic).map(Some)
    });
    match created.await {
        Ok(_) => tracing::info!(topic = name, "created because a client asked for it"),
        Err(CommitError::Refused(refusal)) if refusal.code == ErrorCode::TopicAlreadyExists => {}
        Err(error) => tracing::warn!(topic = name, %error, "not created"),
    }
}
