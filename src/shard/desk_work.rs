//! The desk at work: what the outside asked of shard 0 is carried out here.
//!
//! Owns: gathering answers from all shards, turning refusals into sentences.
//! Leaves to others: the questions' form (`desk`), every rule (`cluster`, `plugin`, `log`).
//! Start reading at: the `Ask` implementation of [`DeskRequest`].
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::cluster::{Image, NewTopic, Refusal, new_id};
use crate::config::{broker_keys, describe_broker};
use crate::model::{ErrorCode, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::controller::CommitError;
use crate::shard::desk::{
    ClientDisagreement, ConfigEntry, DeskAnswer, DeskError, DeskReply, DeskRequest, HealthReply,
    PartitionDetail, TopicDetail, TopicSpec, TopicSummary,
};
use crate::shard::partitioners::LookAtVerdicts;
use crate::shard::{desk_compact, desk_groups, desk_plugins, desk_ps};

impl Ask for DeskRequest {
    type Told = DeskAnswer;

    fn start(self, core: &Rc<Core>) -> Work<DeskAnswer> {
        let core = core.clone();
        Box::pin(async move { perform(&core, self).await })
    }
}

async fn perform(core: &Rc<Core>, request: DeskRequest) -> DeskAnswer {
    match request {
        DeskRequest::Health => health(core).await,
        DeskRequest::ConfigShow => Ok(DeskReply::Config(config(core))),
        DeskRequest::TopicList => topics(core).await,
        DeskRequest::TopicCreate(spec) => create_topic(core, spec).await,
        DeskRequest::TopicDescribe { topic } => topic_detail(core, &topic).await,
        DeskRequest::TopicCompact { topic, options } => {
            desk_compact::compact(core, &topic, options).await
        }
        DeskRequest::PluginInstall(order) => desk_plugins::install(core, order).await,
        DeskRequest::PluginList => desk_plugins::list(core),
        DeskRequest::PluginShow { name } => desk_plugins::show(core, &name).await,
        DeskRequest::PluginPs => desk_ps::ps(core).await,
        DeskRequest::PluginActivate { name, version } => {
            desk_plugins::activate(core, &name, &version).await
        }
        DeskRequest::PluginRollback { name } => desk_plugins::rollback(core, &name).await,
        DeskRequest::PluginDeactivate { name } => desk_plugins::deactivate(core, &name).await,
        DeskRequest::PluginRemove { name, version } => {
            desk_plugins::remove(core, &name, &version).await
        }
        DeskRequest::PluginPause { name } => desk_plugins::pause(core, &name, true).await,
        DeskRequest::PluginResume { name } => desk_plugins::pause(core, &name, false).await,
        DeskRequest::BindingList => desk_plugins::bindings(core).await,
        DeskRequest::Bind(spec) => desk_plugins::bind(core, spec).await,
        DeskRequest::Unbind { plugin, target } => {
            desk_plugins::unbind(core, &plugin, &target).await
        }
        DeskRequest::GroupList => desk_groups::list(core).await,
        DeskRequest::GroupDescribe { group } => desk_groups::describe(core, &group).await,
    }
}

/// What a person is told when a command was refused.
pub fn refused(error: CommitError<Refusal>) -> DeskError {
    match error {
        CommitError::Storage(text) => DeskError::internal(format!("{text}.")),
        CommitError::Refused(refusal) => match refusal.code {
            ErrorCode::UnknownTopicOrPartition | ErrorCode::ResourceNotFound => {
                DeskError::not_found(refusal.message)
            }
            ErrorCode::PolicyViolation
            | ErrorCode::DuplicateResource
            | ErrorCode::TopicAlreadyExists => DeskError::conflict(refusal.message),
            _ => DeskError::bad_request(refusal.message),
        },
    }
}

/// Another shard stopped while the desk asked it.
pub fn stopping() -> DeskError {
    DeskError::not_ready("The broker is stopping; try again when it is up.")
}

/// The partitions of one shard, of one topic or of all.
#[derive(Clone)]
pub struct LookAtPartitions {
    pub topic: Option<TopicId>,
}

impl Ask for LookAtPartitions {
    type Told = Vec<(TopicId, PartitionDetail)>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let wanted = |id: TopicId| self.topic.is_none_or(|topic| topic == id);
        let all = core.partitions();
        let details = all.iter().filter(|partition| wanted(partition.topic_id)).map(|partition| {
            let mut detail = PartitionDetail {
                partition: partition.index(),
                shard: core.shard.0,
                leader: core.identity.node_id.0,
                leader_epoch: partition.leader_epoch.get().0,
                cleaned_end: partition.cleaned_end.get().0,
                ..Default::default()
            };
            if let Some(failure) = partition.setback.failure() {
                detail.not_compacted = failure.to_string();
            }
            match partition.log() {
                Err(_) => detail.offline = partition.offline_reason().unwrap_or_default(),
                Ok(log) => {
                    let ends = log.ends();
                    detail.log_start = ends.log_start.0;
                    detail.high_watermark = ends.high_watermark.0;
                    detail.stable_end = ends.stable_end.0;
                    detail.safe_end = ends.safe_end.0;
                    detail.log_end = ends.log_end.0;
                    detail.segments = log.segment_count() as u32;
                    detail.bytes = log.bytes();
                    detail.offline = log.offline().map_or(String::new(), |error| error.to_string());
                }
            }
            (partition.topic_id, detail)
        });
        Box::pin(std::future::ready(details.collect()))
    }
}

async fn look(
    core: &Rc<Core>,
    topic: Option<TopicId>,
) -> Result<Vec<(TopicId, PartitionDetail)>, DeskError> {
    let told = core.ask_all(&LookAtPartitions { topic }).await.map_err(|_| stopping())?;
    let mut all: Vec<_> = told.into_iter().flatten().collect();
    all.sort_by_key(|(id, detail)| (*id, detail.partition));
    Ok(all)
}

async fn health(core: &Rc<Core>) -> DeskAnswer {
    let image = core.image();
    let partitions = look(core, None).await?;
    let offline = partitions.iter().filter(|(_, detail)| !detail.offline.is_empty()).count();
    let identity = &core.identity;
    let started = if core.controller().is_some() { "ok" } else { "starting" };
    Ok(DeskReply::Health(HealthReply {
        status: started.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: identity.cluster_id.to_string(),
        node_id: identity.node_id.0,
        pid: identity.pid,
        shards: core.shards,
        topics: image.topic_count() as u32,
        partitions: image.partition_count() as u32,
        offline_partitions: offline as u32,
        uptime_ms: core.env.now().0.saturating_sub(core.started.0) / 1_000_000,
    }))
}

/// The settings with the values in force, which for `shards=0` is their number.
fn config(core: &Core) -> Vec<ConfigEntry> {
    let values = core.image().broker_values(&core.config.values, core.identity.node_id);
    let entries = describe_broker(&values).into_iter();
    let entry = |entry: crate::config::Described| ConfigEntry {
        name: entry.name.to_owned(),
        value: match entry.name == broker_keys::SHARDS.name {
            true => core.shards.to_string(),
            false => entry.value.unwrap_or_default(),
        },
        source: match entry.source {
            crate::config::Source::Default => "default",
            crate::config::Source::StaticBroker if values.is_argument(entry.name) => "argument",
            crate::config::Source::StaticBroker => "file",
            _ => "dynamic",
        }
        .to_owned(),
    };
    entries.map(entry).collect()
}

async fn topics(core: &Rc<Core>) -> DeskAnswer {
    let image = core.image();
    let partitions = look(core, None).await?;
    let summary = |topic: &std::sync::Arc<crate::cluster::TopicImage>| TopicSummary {
        name: topic.name.to_string(),
        id: topic.id.to_string(),
        partitions: topic.partitions.len() as u32,
        internal: topic.is_internal(),
        bytes: (partitions.iter().filter(|(id, _)| *id == topic.id))
            .map(|(_, detail)| detail.bytes)
            .sum(),
        plugins: bound_to(&image, &topic.name),
    };
    Ok(DeskReply::Topics(image.topics().map(summary).collect()))
}

/// Names of the plugins that a topic's settings name.
fn bound_to(image: &Image, topic: &str) -> Vec<String> {
    let is_it = |target: &crate::cluster::Target| match target {
        crate::cluster::Target::Topic(name) => **name == *topic,
        crate::cluster::Target::Group(_) => false,
    };
    let bindings = image.bindings().filter(|binding| is_it(&binding.target));
    bindings.map(|binding| binding.plugin.name.clone()).collect()
}

/// Creates a topic by the same rules as a Kafka client does.
async fn create_topic(core: &Rc<Core>, spec: TopicSpec) -> DeskAnswer {
    let TopicSpec { name, partitions, replication_factor, settings } = spec;
    let new = NewTopic {
        name,
        partitions: partitions.unwrap_or(-1),
        replication_factor: replication_factor.unwrap_or(-1),
        assignments: Vec::new(),
        configs: settings.into_iter().map(|(name, value)| (name, Some(value))).collect(),
    };
    let id = new_id(core.env.random(), core.env.random());
    let controller = core.controller();
    let controller =
        controller.ok_or_else(|| DeskError::not_ready("The broker is starting; try again."))?;
    controller.create_topic(&new, id).await.map_err(refused)?;
    tracing::info!(topic = new.name, %id, "topic created");
    topic_detail(core, &new.name).await
}

async fn topic_detail(core: &Rc<Core>, name: &str) -> DeskAnswer {
    let image = core.image();
    let topic = image.topic(name).ok_or_else(|| unknown_topic(name))?;
    let partitions = look(core, Some(topic.id)).await?;
    Ok(DeskReply::Topic(TopicDetail {
        name: topic.name.to_string(),
        id: topic.id.to_string(),
        internal: topic.is_internal(),
        settings: topic.configs.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        partitions: partitions.into_iter().map(|(_, detail)| detail).collect(),
        bindings: desk_plugins::bindings_of_topic(core, name).await?,
        clients: clients(core, topic.id).await?,
    }))
}

/// How the clients of a topic choose, worst first.
async fn clients(core: &Rc<Core>, id: TopicId) -> Result<Vec<ClientDisagreement>, DeskError> {
    let told = core.ask_all(&LookAtVerdicts(id)).await.map_err(|_| stopping())?;
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for one in told.into_iter().flatten() {
        let sum = sums.entry(one.client_id).or_default();
        *sum = (sum.0 + one.records, sum.1 + one.disagreed);
    }
    let rows = sums.into_iter().map(|(client_id, (records, disagreed))| ClientDisagreement {
        client_id,
        records,
        disagreed,
    });
    let mut rows: Vec<ClientDisagreement> = rows.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.disagreed));
    Ok(rows)
}

/// Where each partition ends for readers, by topic and index.
pub async fn high_watermarks(core: &Rc<Core>) -> Result<BTreeMap<(String, i32), i64>, DeskError> {
    let image = core.image();
    let all = look(core, None).await?.into_iter();
    let named = all.filter_map(|(id, detail)| {
        let topic = image.topic_by_id(id)?;
        Some(((topic.name.to_string(), detail.partition), detail.high_watermark))
    });
    Ok(named.collect())
}

/// What a person is told about a topic that is not there.
pub fn unknown_topic(name: &str) -> DeskError {
    DeskError::not_found(format!("There is no topic {name:?}; `logmill topic ls` lists them."))
}
