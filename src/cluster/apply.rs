//! Applying a command: from one image to the next, with nothing else as input.
//!
//! Owns: what each command does, and which commands cannot be done.
//! Leaves to others: refusing requests in Kafka's words before they become commands (`plan`).
//! Invariant: the same image and entry give the same result on every node and in every replay.
//! Start reading at: [`Image::apply`].
use std::sync::Arc;

use super::command::{
    BrokerSeed, Command, Entry, PartitionSeed, PluginSeed, TopicMoves, TopicSeed,
};
use super::derive;
use super::directories::begin_epoch;
use super::image::{
    Binding, BrokerImage, Image, PartitionImage, PluginImage, PluginVersion, Target, TopicImage,
};
use crate::config::Overrides;
use crate::model::{ErrorCode, NodeId, TopicId};

/// Why a command changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("entry {found} cannot follow entry {after}")]
    Gap { after: u64, found: u64 },
    #[error("the cluster already has the id {0}")]
    AlreadyFormed(TopicId),
    #[error("Topic '{0}' already exists.")]
    TopicExists(String),
    #[error("topic id {0} is in use")]
    TopicIdExists(TopicId),
    #[error("Topic '{name}' collides with existing topic: {existing}")]
    TopicCollides { name: String, existing: String },
    #[error("there is no topic with the id {0}")]
    UnknownTopic(TopicId),
    #[error("there is no partition {partition} of the topic {topic}")]
    UnknownPartition { topic: String, partition: i32 },
    #[error("producer ids up to {next} are already given away")]
    ProducerIdsTaken { next: i64 },
    #[error("plugin {name} is a {known}, not a {found}; choose another name")]
    PluginKind { name: String, known: &'static str, found: &'static str },
    #[error("plugin {name}@{version} is already installed; choose another version")]
    PluginVersionExists { name: String, version: String },
    #[error("plugin {name}@{version} is not installed")]
    UnknownPlugin { name: String, version: String },
    #[error("plugin {name} was switched meanwhile (generation {known}); try again")]
    PluginGeneration { name: String, known: u64 },
    #[error("plugin {name}@{version} is {state}")]
    PluginInUse { name: String, version: String, state: String },
}

impl From<&ApplyError> for ErrorCode {
    fn from(error: &ApplyError) -> Self {
        match error {
            ApplyError::TopicExists(_) => Self::TopicAlreadyExists,
            ApplyError::TopicCollides { .. } => Self::InvalidTopicException,
            ApplyError::UnknownTopic(_) => Self::UnknownTopicId,
            ApplyError::UnknownPartition { .. } => Self::UnknownTopicOrPartition,
            ApplyError::Gap { .. }
            | ApplyError::AlreadyFormed(_)
            | ApplyError::TopicIdExists(_)
            | ApplyError::ProducerIdsTaken { .. } => Self::UnknownServerError,
            ApplyError::PluginKind { .. }
            | ApplyError::PluginVersionExists { .. }
            | ApplyError::UnknownPlugin { .. }
            | ApplyError::PluginGeneration { .. }
            | ApplyError::PluginInUse { .. } => Self::InvalidRequest,
        }
    }
}

impl Image {
    /// The image after `entry`.
    ///
    /// Errors: the command cannot be done here; then [`Image::skip`] gives the image after it.
    pub fn apply(&self, entry: &Entry) -> Result<Self, ApplyError> {
        let mut next = self.skip(entry)?;
        next.perform(entry)?;
        Ok(next)
    }

    /// The image after an entry that changes nothing: it only moves the version.
    ///
    /// Errors: the entry is not the next one.
    pub fn skip(&self, entry: &Entry) -> Result<Self, ApplyError> {
        if entry.index != self.index + 1 || entry.term < self.term {
            return Err(ApplyError::Gap { after: self.index, found: entry.index });
        }
        Ok(Self { index: entry.index, term: entry.term, ..self.clone() })
    }

    fn perform(&mut self, entry: &Entry) -> Result<(), ApplyError> {
        match &entry.command {
            Command::FormCluster { cluster_id } => self.form(*cluster_id),
            Command::RegisterBroker(seed) => {
                self.register(seed);
                Ok(())
            }
            Command::SetFeature { name, level } => {
                Arc::make_mut(&mut self.features).insert(name.clone(), *level);
                Ok(())
            }
            Command::CreateTopic(seed) => self.create_topic(seed, entry.at_ms),
            Command::DeleteTopic { id } => self.delete_topic(*id),
            Command::CreatePartitions { id, partitions } => self.add_partitions(*id, partitions),
            Command::SetTopicConfigs { id, configs } => self.set_topic_configs(*id, configs),
            Command::SetGroupConfigs { group, configs } => {
                self.set_group_configs(group, configs);
                Ok(())
            }
            Command::SetBrokerConfigs { node, configs } => {
                self.set_broker_configs(*node, configs);
                Ok(())
            }
            Command::AllocateProducerIds { first, count, .. } => self.allocate(*first, *count),
            Command::BumpLeaderEpochs { node } => {
                self.bump_epochs(*node);
                Ok(())
            }
            Command::SetPlacement { shards, moves } => self.place(*shards, moves),
            Command::FailLogDirs { node, directories } => {
                self.fail_log_dirs(*node, directories);
                Ok(())
            }
            Command::AssignDirectories { node, moves } => self.assign_directories(*node, moves),
            Command::RegisterPluginVersion(seed) => self.register_plugin(seed, entry.at_ms),
            Command::ActivatePlugin { name, version, generation } => {
                self.activate(name, version, *generation)
            }
            Command::DeactivatePlugin { name } => self.change_plugin(name, |plugin| {
                plugin.active = None;
                plugin.previous = None;
            }),
            Command::PausePlugin { name, paused } => {
                self.change_plugin(name, |plugin| plugin.paused = *paused)
            }
            Command::RemovePluginVersion { name, version } => self.remove_plugin(name, version),
        }
    }

    fn form(&mut self, cluster_id: TopicId) -> Result<(), ApplyError> {
        if let Some(id) = self.cluster_id() {
            return Err(ApplyError::AlreadyFormed(id));
        }
        self.cluster_id = cluster_id;
        Ok(())
    }

    fn register(&mut self, seed: &BrokerSeed) {
        let broker = BrokerImage {
            node: seed.node,
            epoch: i64::try_from(self.index).unwrap_or(i64::MAX),
            incarnation: seed.incarnation,
            directory: seed.directory,
            log_dirs: seed.log_dirs.clone(),
            rack: seed.rack.clone(),
            endpoints: seed.endpoints.clone(),
        };
        self.put_broker(broker);
    }

    fn create_topic(&mut self, seed: &TopicSeed, at_ms: i64) -> Result<(), ApplyError> {
        if self.topic(&seed.name).is_some() {
            return Err(ApplyError::TopicExists(seed.name.clone()));
        }
        if self.names.get(&seed.id).is_some() {
            return Err(ApplyError::TopicIdExists(seed.id));
        }
        if let Some(existing) = self.collision(&seed.name) {
            let (name, existing) = (seed.name.clone(), existing.to_string());
            return Err(ApplyError::TopicCollides { name, existing });
        }
        let name: Arc<str> = seed.name.as_str().into();
        let topic = TopicImage {
            id: seed.id,
            name: name.clone(),
            configs: Arc::new(seed.configs.clone()),
            partitions: Arc::new(grown(&[], &seed.partitions)),
            created_ms: at_ms,
        };
        self.put_topic(topic);
        Ok(())
    }

    fn delete_topic(&mut self, id: TopicId) -> Result<(), ApplyError> {
        let topic = self.topic_by_id(id).ok_or(ApplyError::UnknownTopic(id))?.clone();
        self.drop_topic(&topic);
        Ok(())
    }

    fn add_partitions(&mut self, id: TopicId, seeds: &[PartitionSeed]) -> Result<(), ApplyError> {
        self.change_topic(id, |topic| {
            topic.partitions = Arc::new(grown(&topic.partitions, seeds));
            Ok(())
        })
    }

    fn set_topic_configs(&mut self, id: TopicId, configs: &Overrides) -> Result<(), ApplyError> {
        self.change_topic(id, |topic| {
            topic.configs = Arc::new(configs.clone());
            Ok(())
        })
    }

    pub(super) fn change_topic(
        &mut self,
        id: TopicId,
        change: impl FnOnce(&mut TopicImage) -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let before = self.topic_by_id(id).ok_or(ApplyError::UnknownTopic(id))?.clone();
        let mut after = TopicImage::clone(&before);
        change(&mut after)?;
        self.drop_topic(&before);
        self.put_topic(after);
        Ok(())
    }

    /// Puts a topic, and all that follows from it.
    pub(super) fn put_topic(&mut self, topic: TopicImage) {
        let topic = Arc::new(topic);
        if let Some(form) = derive::collision_form(&topic.name) {
            self.collisions.insert(form.into(), topic.name.clone());
        }
        for partition in topic.partitions.iter() {
            derive::count(&mut self.shard_load, partition.shard, 1);
        }
        derive::count_dirs(&mut self.dir_load, &topic.partitions, 1);
        for (kind, plugin) in derive::topic_plugins(&topic.configs) {
            let target = Target::Topic(topic.name.clone());
            derive::bind(&mut self.bindings, Binding { target, kind, plugin });
        }
        self.names.insert(topic.id, topic.name.clone());
        self.topics.insert(topic.name.clone(), topic);
    }

    fn drop_topic(&mut self, topic: &TopicImage) {
        if let Some(form) = derive::collision_form(&topic.name) {
            self.collisions.remove(form.as_str());
        }
        for partition in topic.partitions.iter() {
            derive::count(&mut self.shard_load, partition.shard, -1);
        }
        derive::count_dirs(&mut self.dir_load, &topic.partitions, -1);
        for (kind, plugin) in derive::topic_plugins(&topic.configs) {
            let target = Target::Topic(topic.name.clone());
            derive::unbind(&mut self.bindings, &Binding { target, kind, plugin });
        }
        self.names.remove(&topic.id);
        self.topics.remove(topic.name.as_ref());
    }

    pub(super) fn set_group_configs(&mut self, group: &str, configs: &Overrides) {
        let group: Arc<str> = group.into();
        if let Some(before) = self.groups.remove(group.as_ref()) {
            for (kind, plugin) in derive::group_plugins(&before) {
                let target = Target::Group(group.clone());
                derive::unbind(&mut self.bindings, &Binding { target, kind, plugin });
            }
        }
        for (kind, plugin) in derive::group_plugins(configs) {
            let target = Target::Group(group.clone());
            derive::bind(&mut self.bindings, Binding { target, kind, plugin });
        }
        if !configs.is_empty() {
            self.groups.insert(group, Arc::new(configs.clone()));
        }
    }

    fn set_broker_configs(&mut self, node: Option<NodeId>, configs: &Overrides) {
        match node {
            None => self.cluster_configs = Arc::new(configs.clone()),
            Some(node) => {
                let all = Arc::make_mut(&mut self.node_configs);
                all.remove(&node);
                if !configs.is_empty() {
                    all.insert(node, Arc::new(configs.clone()));
                }
            }
        }
    }

    fn allocate(&mut self, first: i64, count: u32) -> Result<(), ApplyError> {
        let end = first.checked_add(i64::from(count));
        match end.filter(|_| self.next_producer_id <= first) {
            None => Err(ApplyError::ProducerIdsTaken { next: self.next_producer_id }),
            Some(end) => {
                self.next_producer_id = end;
                Ok(())
            }
        }
    }

    fn bump_epochs(&mut self, node: NodeId) {
        self.begin_epochs(|partition| partition.leader == node);
    }

    /// A new leader epoch for each partition that `begins` says.
    pub(super) fn begin_epochs(&mut self, begins: impl Fn(&PartitionImage) -> bool) {
        let concerns = |topic: &&Arc<TopicImage>| topic.partitions.iter().any(&begins);
        let topics: Vec<Arc<TopicImage>> = self.topics.values().filter(concerns).cloned().collect();
        for topic in topics {
            let mut topic = TopicImage::clone(&topic);
            let mut partitions = Vec::clone(&topic.partitions);
            for partition in partitions.iter_mut().filter(|one| begins(one)) {
                begin_epoch(partition);
            }
            topic.partitions = Arc::new(partitions);
            self.topics.insert(topic.name.clone(), Arc::new(topic));
        }
    }

    fn place(&mut self, shards: u16, moves: &[TopicMoves]) -> Result<(), ApplyError> {
        for moved in moves {
            self.change_topic(moved.id, |topic| {
                let mut partitions = Vec::clone(&topic.partitions);
                for (index, shard) in &moved.shards {
                    let at = usize::try_from(*index).unwrap_or(usize::MAX);
                    let partition = partitions.get_mut(at).ok_or_else(|| {
                        let (topic, partition) = (topic.name.to_string(), *index);
                        ApplyError::UnknownPartition { topic, partition }
                    })?;
                    partition.shard = *shard;
                }
                topic.partitions = Arc::new(partitions);
                Ok(())
            })?;
        }
        self.shards = shards;
        Ok(())
    }

    fn register_plugin(&mut self, seed: &PluginSeed, at_ms: i64) -> Result<(), ApplyError> {
        let (name, version) = (seed.name.clone(), seed.version.clone());
        let mut plugin = match self.plugin(&seed.name) {
            None => PluginImage {
                name: seed.name.as_str().into(),
                kind: seed.kind,
                versions: Vec::new(),
                active: None,
                previous: None,
                generation: 0,
                paused: false,
            },
            Some(known) if known.kind != seed.kind => {
                let (known, found) = (known.kind.name(), seed.kind.name());
                return Err(ApplyError::PluginKind { name, known, found });
            }
            Some(known) if known.version(&version).is_some() => {
                return Err(ApplyError::PluginVersionExists { name, version });
            }
            Some(known) => PluginImage::clone(known),
        };
        plugin.versions.push(Arc::new(PluginVersion {
            version,
            digest: seed.digest.clone(),
            wit: seed.wit.clone(),
            bytes: seed.bytes,
            who: seed.who.clone(),
            at_ms,
        }));
        Arc::make_mut(&mut self.plugins).insert(plugin.name.clone(), Arc::new(plugin));
        Ok(())
    }

    fn activate(&mut self, name: &str, version: &str, generation: u64) -> Result<(), ApplyError> {
        let unknown = || unknown_plugin(name, version);
        let plugin = self.plugin(name).ok_or_else(unknown)?;
        plugin.version(version).ok_or_else(unknown)?;
        let known = plugin.generation;
        if generation != known + 1 {
            return Err(ApplyError::PluginGeneration { name: name.to_owned(), known });
        }
        self.change_plugin(name, |plugin| {
            let before = plugin.active.replace(version.to_owned());
            // Activating what is active already (to make its instances anew) keeps the way back.
            if before.as_deref() != Some(version) {
                plugin.previous = before;
            }
            plugin.generation = generation;
        })
    }

    fn remove_plugin(&mut self, name: &str, version: &str) -> Result<(), ApplyError> {
        let unknown = || unknown_plugin(name, version);
        let plugin = self.plugin(name).ok_or_else(unknown)?;
        plugin.version(version).ok_or_else(unknown)?;
        if let Some(state) = self.plugin_use(plugin, version) {
            let (name, version) = (name.to_owned(), version.to_owned());
            return Err(ApplyError::PluginInUse { name, version, state });
        }
        if plugin.versions.len() == 1 {
            Arc::make_mut(&mut self.plugins).remove(name);
            return Ok(());
        }
        self.change_plugin(name, |plugin| plugin.versions.retain(|known| known.version != version))
    }

    fn change_plugin(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut PluginImage),
    ) -> Result<(), ApplyError> {
        let known = self.plugin(name).ok_or_else(|| unknown_plugin(name, "any"))?;
        let mut plugin = PluginImage::clone(known);
        change(&mut plugin);
        Arc::make_mut(&mut self.plugins).insert(plugin.name.clone(), Arc::new(plugin));
        Ok(())
    }

    /// Why a version cannot be removed: what uses it.
    pub(super) fn plugin_use(&self, plugin: &PluginImage, version: &str) -> Option<String> {
        let pinned = |binding: &&Binding| binding.plugin.pinned.as_deref() == Some(version);
        if let Some(binding) = self.bindings_of(&plugin.name).find(pinned) {
            return Some(format!("bound to {}", binding.target));
        }
        if plugin.active.as_deref() == Some(version) {
            return Some("active".to_owned());
        }
        (plugin.previous.as_deref() == Some(version))
            .then(|| "the previous version, where a rollback leads".to_owned())
    }

    /// An existing topic whose name differs from `name` only in '.' and '_'.
    pub(super) fn collision(&self, name: &str) -> Option<&Arc<str>> {
        self.collisions.get(derive::collision_form(name)?.as_str())
    }
}

fn unknown_plugin(name: &str, version: &str) -> ApplyError {
    ApplyError::UnknownPlugin { name: name.to_owned(), version: version.to_owned() }
}

/// Partitions with new ones behind them; equal lists are shared.
fn grown(before: &[PartitionImage], seeds: &[PartitionSeed]) -> Vec<PartitionImage> {
    let mut all: Vec<PartitionImage> = before.to_vec();
    all.reserve(seeds.len());
    for seed in seeds {
        let last = all.last().filter(|last| *last.replicas == *seed.replicas);
        let replicas = last.map_or_else(|| seed.replicas.as_slice().into(), |p| p.replicas.clone());
        // Log directories take turns.
        let near = all.iter().rev().take(LOG_DIRS_IN_TURN);
        let near = near.map(|one| &one.directories).find(|one| ***one == *seed.directories);
        let directories = near.cloned().unwrap_or_else(|| seed.directories.as_slice().into());
        all.push(PartitionImage {
            isr: Arc::clone(&replicas),
            replicas,
            leader: seed.leader,
            leader_epoch: seed.leader_epoch,
            partition_epoch: 0,
            shard: seed.shard,
            directories,
        });
    }
    all
}

/// Partitions among which an equal list of directories is looked for.
const LOG_DIRS_IN_TURN: usize = 16;
