//! The image: everything the cluster knows, at one index of the metadata log.
//!
//! Owns: the form of the metadata in memory, and looking things up in it.
//! Leaves to others: how a command changes it (`apply`), what a request may change (`plan`).
//! Invariant: an image never changes; `bindings`, `shard_load` and `dir_load` follow from the rest.
//! Start reading at: [`Image`].
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::{BrokerEndpoint, LogDirSeed, PluginKind};
use super::ordered::Ordered;
use crate::config::{BrokerValues, Overrides, PluginRef};
use crate::model::{
    DirectoryId, LeaderEpoch, NodeId, PartitionIndex, ProducerId, ShardId, TopicId,
};

/// All metadata at one index. Cloning it copies a few references.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) cluster_id: TopicId,
    pub(super) features: Arc<BTreeMap<String, i16>>,
    pub(super) brokers: Arc<BTreeMap<NodeId, Arc<BrokerImage>>>,
    pub(super) topics: Ordered<Arc<str>, Arc<TopicImage>>,
    pub(super) names: Ordered<TopicId, Arc<str>>,
    /// Names that hold a '.' or '_', under their form with '_' only.
    pub(super) collisions: Ordered<Arc<str>, Arc<str>>,
    pub(super) groups: Ordered<Arc<str>, Arc<Overrides>>,
    pub(super) cluster_configs: Arc<Overrides>,
    pub(super) node_configs: Arc<BTreeMap<NodeId, Arc<Overrides>>>,
    pub(super) next_producer_id: i64,
    pub(super) shards: u16,
    pub(super) shard_load: Arc<Vec<u32>>,
    pub(super) dir_load: Arc<BTreeMap<DirectoryId, u32>>,
    pub(super) plugins: Arc<BTreeMap<Arc<str>, Arc<PluginImage>>>,
    pub(super) bindings: Ordered<Arc<str>, Arc<BTreeSet<Binding>>>,
}

/// A broker that has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerImage {
    pub node: NodeId,
    /// Index of its registration: grows with every start.
    pub epoch: i64,
    pub incarnation: TopicId,
    pub directory: DirectoryId,
    /// The log directories that are online; none: registered before there could be several.
    #[serde(default)]
    pub log_dirs: Vec<LogDirSeed>,
    pub rack: Option<String>,
    pub endpoints: Vec<BrokerEndpoint>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopicImage {
    pub id: TopicId,
    pub name: Arc<str>,
    /// Its own settings; what holds is [`crate::config::TopicSettings::effective`].
    pub configs: Arc<Overrides>,
    pub partitions: Arc<Vec<PartitionImage>>,
    pub created_ms: i64,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionImage {
    pub replicas: Arc<[NodeId]>,
    pub isr: Arc<[NodeId]>,
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    /// Grows with every change of leader or in-sync replicas.
    pub partition_epoch: i32,
    /// The shard of the leading node that owns it.
    pub shard: ShardId,
    /// The log directory on each of `replicas`; empty: not known.
    #[serde(default)]
    pub directories: Arc<[DirectoryId]>,
}

/// What lies between two images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicChanges {
    /// New ones, and those with another setting, partition or epoch; as they are now.
    pub changed: Vec<Arc<TopicImage>>,
    /// Deleted ones, also when another of that name took their place; as they were.
    pub gone: Vec<Arc<TopicImage>>,
}

/// A plugin: its versions, and which of them decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginImage {
    pub name: Arc<str>,
    pub kind: PluginKind,
    /// In order of arrival.
    pub versions: Vec<Arc<PluginVersion>>,
    pub active: Option<String>,
    /// The version that was active before: where a rollback leads.
    pub previous: Option<String>,
    /// Number of activations; the active version has the last one.
    pub generation: u64,
    pub paused: bool,
}

/// A version of a plugin; never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginVersion {
    pub version: String,
    pub digest: String,
    pub wit: String,
    pub bytes: u64,
    pub who: String,
    pub at_ms: i64,
}

/// What a plugin is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Topic(Arc<str>),
    Group(Arc<str>),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// A binding, as the settings of its target say it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    pub target: Target,
    pub kind: PluginKind,
    pub plugin: PluginRef,
}

impl Image {
    /// The image before the first command.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Index of the last command in it.
    pub fn version(&self) -> u64 {
        self.index
    }

    pub fn term(&self) -> u64 {
        self.term
    }

    /// `None` before the cluster was formed.
    pub fn cluster_id(&self) -> Option<TopicId> {
        Some(self.cluster_id).filter(|id| !id.is_zero())
    }

    /// Level of a feature; 0 when nothing was set.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    pub fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.features.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// Brokers by node id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    pub fn broker(&self, node: NodeId) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&node)
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.names.get(&id)?.as_ref())
    }

    /// All topics in the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    /// Topics in the order of their names, beginning with the first that is not below `name`.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.iter_from(name).map(|(_, topic)| topic)
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    pub fn partition_count(&self) -> u64 {
        self.topics.values().map(|topic| topic.partitions.len() as u64).sum()
    }

    /// Topics that are new, other, or gone since `before`; costs what changed, not what is there.
    pub fn topic_changes(&self, before: &Self) -> TopicChanges {
        let mut changes = TopicChanges::default();
        Ordered::differences(&before.topics, &self.topics, |old, new| {
            let same = |new: &Arc<TopicImage>| old.is_some_and(|old| Arc::ptr_eq(old, new));
            let replaced = |old: &Arc<TopicImage>| new.is_none_or(|new| new.id != old.id);
            changes.changed.extend(new.filter(|new| !same(new)).cloned());
            changes.gone.extend(old.filter(|old| replaced(old)).cloned());
        });
        changes
    }

    /// The shard that owns a partition, on the node that leads it.
    pub fn placement(&self, id: TopicId, partition: PartitionIndex) -> Option<ShardId> {
        Some(self.topic_by_id(id)?.partition(partition)?.shard)
    }

    /// Shards that partitions are spread over; 0 before the first placement.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// A group's own settings.
    pub fn group_configs(&self, group: &str) -> Option<&Arc<Overrides>> {
        self.groups.get(group)
    }

    /// Groups that have settings of their own, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Overrides>)> {
        self.groups.iter()
    }

    /// `fixed` (file and command line) with what was changed at run time.
    pub fn broker_values(&self, fixed: &BrokerValues, node: NodeId) -> BrokerValues {
        let own = self.node_configs.get(&node).cloned().unwrap_or_default();
        fixed.with_dynamic(self.cluster_configs.clone(), own)
    }

    /// Settings changed at run time for one broker, or for all.
    pub fn broker_configs(&self, node: Option<NodeId>) -> Arc<Overrides> {
        match node {
            None => self.cluster_configs.clone(),
            Some(node) => self.node_configs.get(&node).cloned().unwrap_or_default(),
        }
    }

    /// The first producer id that was never allocated.
    pub fn next_producer_id(&self) -> ProducerId {
        ProducerId(self.next_producer_id)
    }

    /// Plugins by name.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<PluginImage>> {
        self.plugins.values()
    }

    pub fn plugin(&self, name: &str) -> Option<&Arc<PluginImage>> {
        self.plugins.get(name)
    }

    /// What a plugin is bound to, topics first, by name.
    pub fn bindings_of(&self, plugin: &str) -> impl Iterator<Item = &Binding> {
        self.bindings.get(plugin).into_iter().flat_map(|bindings| bindings.iter())
    }

    /// All bindings, by plugin.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values().flat_map(|bindings| bindings.iter())
    }

    /// The version that a binding means now: its pin, else the active one.
    pub fn version_for(&self, plugin: &PluginRef) -> Option<&Arc<PluginVersion>> {
        let image = self.plugin(&plugin.name)?;
        image.version(plugin.pinned.as_deref().or(image.active.as_deref())?)
    }
}

impl TopicImage {
    /// The partition of that number; any number may come from a client.
    pub fn partition(&self, index: PartitionIndex) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Kafka's own topics, which clients may not write.
    pub fn is_internal(&self) -> bool {
        is_internal_name(&self.name)
    }
}

impl PluginImage {
    pub fn version(&self, version: &str) -> Option<&Arc<PluginVersion>> {
        self.versions.iter().find(|known| known.version == version)
    }
}

/// Topics that the broker itself keeps; Metadata marks them.
pub fn is_internal_name(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}
