//! Commands: every change of the cluster's metadata, as it stands in the metadata log.
//!
//! Owns: their form, in memory and as JSON. A change of a field's meaning needs a new format
//! version (`format`); a new command or an optional field does too, because older versions must
//! not pass over what they do not know.
//! Leaves to others: whether a command makes sense (`plan`), what it does (`apply`).
//! Invariant: a command carries all that it needs (ids, times, choices): applying it is pure.
use serde::{Deserialize, Serialize};

use crate::config::Overrides;
use crate::model::{DirectoryId, LeaderEpoch, NodeId, PartitionIndex, ShardId, TopicId};

/// One command with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub index: u64,
    pub term: u64,
    /// Wall clock of the node that proposed it.
    pub at_ms: i64,
    pub command: Command,
}

/// A change of the metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// The first of all.
    FormCluster {
        cluster_id: TopicId,
    },
    /// A broker's start: where it listens, and which run of it this is.
    RegisterBroker(BrokerSeed),
    SetFeature {
        name: String,
        level: i16,
    },
    CreateTopic(TopicSeed),
    DeleteTopic {
        id: TopicId,
    },
    /// Adds partitions behind those that are there.
    CreatePartitions {
        id: TopicId,
        partitions: Vec<PartitionSeed>,
    },
    /// The topic's own settings, whole.
    SetTopicConfigs {
        id: TopicId,
        configs: Overrides,
    },
    /// The group's own settings, whole; none forgets the group.
    SetGroupConfigs {
        group: String,
        configs: Overrides,
    },
    /// Settings changed at run time, whole; without a node those of all brokers.
    SetBrokerConfigs {
        node: Option<NodeId>,
        configs: Overrides,
    },
    /// Producer ids `first..first + count` may be handed out from now on, by one node.
    AllocateProducerIds {
        node: NodeId,
        first: i64,
        count: u32,
    },
    /// A node came back without a clean stop: clients must look for truncation (KIP-320).
    BumpLeaderEpochs {
        node: NodeId,
    },
    /// The node's partitions are spread over that many shards; `moves` change their shard.
    SetPlacement {
        shards: u16,
        moves: Vec<TopicMoves>,
    },
    /// These log directories of a node failed: what lies there has no leader until they are back.
    FailLogDirs {
        node: NodeId,
        directories: Vec<DirectoryId>,
    },
    /// Partitions lie in other log directories of the node than was known.
    AssignDirectories {
        node: NodeId,
        moves: Vec<DirectoryMove>,
    },
    RegisterPluginVersion(PluginSeed),
    /// `generation` is one more than the plugin's last, else somebody was faster.
    ActivatePlugin {
        name: String,
        version: String,
        generation: u64,
    },
    /// Nothing is active any more.
    DeactivatePlugin {
        name: String,
    },
    PausePlugin {
        name: String,
        paused: bool,
    },
    RemovePluginVersion {
        name: String,
        version: String,
    },
}

/// A broker at its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSeed {
    pub node: NodeId,
    /// Random, new at every start.
    pub incarnation: TopicId,
    /// The log directory with the metadata log.
    pub directory: DirectoryId,
    /// Those of `log.dirs` that can be used, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_dirs: Vec<LogDirSeed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    pub endpoints: Vec<BrokerEndpoint>,
}

/// A log directory that a broker can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDirSeed {
    pub id: DirectoryId,
    /// As `log.dirs` names it.
    pub name: String,
}

/// Where clients reach a broker, per listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerEndpoint {
    pub listener: String,
    pub host: String,
    pub port: u16,
}

/// A new topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSeed {
    pub name: String,
    pub id: TopicId,
    pub partitions: Vec<PartitionSeed>,
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub configs: Overrides,
}

/// A new partition; all its replicas are in sync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionSeed {
    pub replicas: Vec<NodeId>,
    pub leader: NodeId,
    pub shard: ShardId,
    /// Not 0 for a partition that another broker led before.
    #[serde(default, skip_serializing_if = "is_first")]
    pub leader_epoch: LeaderEpoch,
    /// The log directory on each of `replicas`; empty: not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<DirectoryId>,
}

impl PartitionSeed {
    /// A partition that nobody led before; its first replica will.
    pub fn new(replicas: Vec<NodeId>, shard: ShardId) -> Self {
        let (leader, leader_epoch) = (replicas[0], LeaderEpoch(0));
        Self { replicas, leader, shard, leader_epoch, directories: Vec::new() }
    }
}

fn is_first(epoch: &LeaderEpoch) -> bool {
    *epoch == LeaderEpoch(0)
}

/// Partitions of one topic that go to other shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicMoves {
    pub id: TopicId,
    pub shards: Vec<(PartitionIndex, ShardId)>,
}

/// Partitions of one topic that lie in one log directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryMove {
    pub id: TopicId,
    pub directory: DirectoryId,
    pub partitions: Vec<PartitionIndex>,
}

/// What a plugin does. Names are those of the admin port and of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    Partitioner,
    Assignor,
    CompactionPolicy,
}

impl PluginKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Partitioner => "partitioner",
            Self::Assignor => "assignor",
            Self::CompactionPolicy => "compaction-policy",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Partitioner, Self::Assignor, Self::CompactionPolicy];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// A plugin version; its component lies in the data directory, found by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSeed {
    pub name: String,
    pub version: String,
    pub kind: PluginKind,
    /// SHA-256 of the component, 64 lower case hexadecimal digits.
    pub digest: String,
    /// Version of the interface that it was built for.
    pub wit: String,
    /// Size of the component.
    pub bytes: u64,
    /// Who installed it.
    pub who: String,
}
