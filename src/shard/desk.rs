//! The desk: what the outside (HTTP, command line) may ask of shard 0, and what it answers.
//!
//! Owns: the questions and answers as plain values, in the very form in which they leave as JSON.
//! Leaves to others: performing them (shard 0), carrying them (`env`), HTTP (`admin`).
//! Invariant: everything here is `Send` and needs no lock; a refused request changed nothing.
//! Start reading at: [`DeskRequest`], then [`DeskReply`].
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Bytes;

/// Largest component that the desk takes.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

/// What a caller gets back.
pub type DeskAnswer = Result<DeskReply, DeskError>;

/// One question or order to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskRequest {
    Health,
    ConfigShow,
    TopicList,
    TopicCreate(TopicSpec),
    TopicDescribe { topic: String },
    TopicCompact { topic: String, options: CompactOptions },
    PluginInstall(PluginInstall),
    PluginList,
    PluginShow { name: String },
    PluginPs,
    PluginActivate { name: String, version: String },
    PluginRollback { name: String },
    PluginDeactivate { name: String },
    PluginRemove { name: String, version: String },
    PluginPause { name: String },
    PluginResume { name: String },
    BindingList,
    Bind(BindingSpec),
    Unbind { plugin: String, target: BindingTarget },
    GroupList,
    GroupDescribe { group: String },
}

/// The answer to the request of the same name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DeskReply {
    Health(HealthReply),
    Config(Vec<ConfigEntry>),
    Topics(Vec<TopicSummary>),
    /// Create and describe.
    Topic(TopicDetail),
    Compacted(CompactReport),
    Installed(PluginVersion),
    Plugins(Vec<PluginSummary>),
    Plugin(PluginDetail),
    PluginPs(Vec<PluginPsRow>),
    /// Activate and rollback.
    Activated(ActivateReply),
    /// Deactivate, pause, resume, remove, unbind: done, with a sentence that says what is true now.
    Done(DoneReply),
    Bindings(Vec<Binding>),
    Bound(Binding),
    Groups(Vec<GroupSummary>),
    Group(GroupDetail),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct DeskError {
    #[serde(rename = "error")]
    pub code: DeskCode,
    /// One sentence that says what to do.
    pub message: String,
}

impl DeskError {
    pub fn new(code: DeskCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(DeskCode::NotFound, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(DeskCode::Conflict, message)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(DeskCode::BadRequest, message)
    }

    pub fn not_ready(message: impl Into<String>) -> Self {
        Self::new(DeskCode::NotReady, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(DeskCode::Internal, message)
    }
}

/// Kinds of refusal; each is one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskCode {
    /// The thing named does not exist.
    NotFound,
    /// It exists, but its state forbids this (bound, active, already there).
    Conflict,
    /// The request itself is wrong: a component that is none, bad settings, an unknown name.
    BadRequest,
    /// Try again: the broker starts or stops, or a shard is not prepared.
    NotReady,
    /// The broker broke a promise of its own.
    Internal,
    /// The HTTP layer refused it: no token, or a wrong one.
    Unauthorized,
    /// The HTTP layer refused it: a foreign origin or host.
    Forbidden,
    /// The HTTP layer refused it: the body is over its cap.
    TooLarge,
}

/// How a compaction is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactOptions {
    /// Says what would go and drops nothing.
    pub dry_run: bool,
    /// Allows a pass that drops more than `max.drop.ratio`.
    pub approve: bool,
}

/// A component on its way in.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginInstall {
    pub name: String,
    pub version: String,
    pub bytes: Bytes,
    /// Who sent it, for the audit trail; at most 64 characters.
    pub who: String,
}

impl std::fmt::Debug for PluginInstall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, version, bytes) = (&self.name, &self.version, self.bytes.len());
        write!(f, "PluginInstall {name}@{version} ({bytes} bytes, by {:?})", self.who)
    }
}

/// Is the broker able to serve?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReply {
    /// `ok`, or what it is doing instead (`starting`, `stopping`).
    pub status: String,
    pub version: String,
    pub cluster_id: String,
    pub node_id: i32,
    pub pid: u32,
    pub shards: u16,
    pub topics: u32,
    pub partitions: u32,
    pub offline_partitions: u32,
    pub uptime_ms: u64,
}

/// One setting of the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEntry {
    pub name: String,
    pub value: String,
    /// `default`, `file`, `argument` (`--set`) or `dynamic` (changed at run time).
    pub source: String,
}

/// One line of `logmill topic ls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSummary {
    pub name: String,
    pub id: String,
    pub partitions: u32,
    pub internal: bool,
    /// Bytes of all its logs.
    pub bytes: u64,
    /// Plugins bound to it, by name.
    pub plugins: Vec<String>,
}

/// A topic as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    pub name: String,
    /// The broker's `num.partitions` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// The broker's `default.replication.factor` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
    /// Settings of the topic, in Kafka's names.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// A topic with its partitions, its own settings and what its plugins saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicDetail {
    pub name: String,
    pub id: String,
    pub internal: bool,
    /// Settings that differ from the broker's.
    pub settings: BTreeMap<String, String>,
    pub partitions: Vec<PartitionDetail>,
    pub bindings: Vec<Binding>,
    /// How often each client's choice of partition differs from the plugin's, worst first.
    pub clients: Vec<ClientDisagreement>,
}

/// One partition and its ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDetail {
    pub partition: i32,
    pub shard: u16,
    pub leader: i32,
    pub leader_epoch: i32,
    pub log_start: i64,
    pub high_watermark: i64,
    pub stable_end: i64,
    pub safe_end: i64,
    pub log_end: i64,
    pub segments: u32,
    pub bytes: u64,
    /// Where compaction has come to; 0 in a topic that is not compacted.
    pub cleaned_end: i64,
    /// Why it serves nothing; empty while it is online.
    pub offline: String,
    /// Why its last compaction pass failed; empty when it did not.
    pub not_compacted: String,
}

/// What a partitioner said about one client's records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDisagreement {
    pub client_id: String,
    pub records: u64,
    pub disagreed: u64,
}

/// What one compaction did, or would do, over all partitions of a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompactReport {
    pub topic: String,
    pub dry_run: bool,
    /// The plugin that decided, as `name@version`; empty for Kafka's own rule.
    pub policy: String,
    pub partitions: Vec<CompactPartition>,
    pub records_before: u64,
    pub records_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub elapsed_ms: u64,
}

/// One partition's part of the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompactPartition {
    pub partition: i32,
    pub records_before: u64,
    pub records_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub segments_before: u32,
    pub segments_after: u32,
    /// Why this partition was left as it is; empty when the pass ran.
    pub skipped: String,
    /// A few of the keys that go, as text.
    pub sample_keys: Vec<String>,
}

/// What a plugin version is; immutable once registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginVersion {
    pub name: String,
    pub version: String,
    /// `partitioner`, `assignor` or `compaction-policy`.
    pub kind: String,
    /// SHA-256 of the component in hex.
    pub digest: String,
    pub bytes: u64,
    /// Version of the interface that it was built for.
    pub wit: String,
    /// What it can see, from its imports: `keys`, `values`, `headers`, …
    pub reads: Vec<String>,
    /// Native code lies ready; else the first use compiles it.
    pub compiled: bool,
    /// How long the compiler took; told by the install only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiled_ms: Option<u64>,
    /// `ok`, or a remark of the dry run; told by the install only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<String>,
    pub who: String,
    /// Unix time in milliseconds.
    pub when_ms: i64,
    /// `registered`, `ready`, `active`, `previous`, `unready: <reason>` …
    pub state: String,
}

/// One line of `logmill plugin ls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSummary {
    pub name: String,
    pub kind: String,
    pub active: Option<String>,
    pub previous: Option<String>,
    /// All registered versions, in order of arrival.
    pub versions: Vec<String>,
    pub generation: u64,
    pub paused: bool,
    pub bindings: u32,
}

/// Everything about one plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginDetail {
    pub summary: PluginSummary,
    pub versions: Vec<PluginVersion>,
    pub bindings: Vec<Binding>,
}

/// One line of `logmill plugin ps`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginPsRow {
    pub name: String,
    pub active: Option<String>,
    pub previous: Option<String>,
    /// `topic flights`, `2 groups, 1 pin`.
    pub bindings: String,
    /// `live`, `paused`, `breaker: probe in 4 s (trap: unreachable, 3 in 10 s)`.
    pub state: String,
    pub calls_total: u64,
    /// Over the last seconds; `None` when it was not called.
    pub calls_per_second: Option<f64>,
    pub p99_ns: Option<u64>,
    /// Share of all shards' time, in percent.
    pub cpu_percent: Option<f64>,
    pub failed_total: u64,
    pub fallbacks_total: u64,
}

/// What activate and rollback did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateReply {
    pub name: String,
    /// The version that is live now.
    pub version: String,
    pub generation: u64,
    pub shards_ready: u16,
    pub shards: u16,
    pub elapsed_ms: u64,
    /// The version that was live before.
    pub before: Option<String>,
}

/// A sentence for an order whose success has no figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneReply {
    pub message: String,
}

/// What a plugin is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingTarget {
    Topic(String),
    Group(String),
}

impl std::fmt::Display for BindingTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// What a partitioner may do with records that lie wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindingMode {
    /// Counts, and changes nothing.
    Advise,
    /// Refuses them.
    Verify,
}

/// What happens when the plugin cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindingPolicy {
    Closed,
    Open,
}

impl BindingMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Advise => "advise",
            Self::Verify => "verify",
        }
    }
}

impl BindingPolicy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}

/// A binding as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingSpec {
    pub plugin: String,
    /// Holds the target at this version whatever is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    pub target: BindingTarget,
    /// Partitioners only; `verify` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BindingMode>,
    /// The kind's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<BindingPolicy>,
    /// Handed to the plugin as they are.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// How the state of a binding ends while the code that will decide is loaded.
pub const BEING_LOADED: &str = "is being loaded";

/// A binding as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub spec: BindingSpec,
    pub kind: String,
    /// The version that decides now; `None` while nothing is active.
    pub version: Option<String>,
    /// `live`, `paused`, `unready: <reason>`, `breaker: …`.
    pub state: String,
}

/// One line of `logmill group ls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSummary {
    pub group: String,
    /// Kafka's word: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`.
    pub state: String,
    /// Kafka's word for the protocol of its members: `Classic`.
    pub group_type: String,
    pub protocol_type: String,
    pub members: u32,
    pub generation: i32,
    /// The plugin bound as its assignor, if any.
    pub assignor: Option<String>,
}

/// A group with its members, assignment and progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDetail {
    pub summary: GroupSummary,
    /// Who computed the assignment in force: `weighted@2`, or the client's own protocol name.
    pub assigned_by: String,
    /// Digest of the plugin that did; empty when none did.
    pub assigned_by_digest: String,
    pub members: Vec<GroupMember>,
    pub offsets: Vec<GroupOffset>,
}

/// One member and what it owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    pub member_id: String,
    pub client_id: String,
    pub client_host: String,
    pub group_instance_id: Option<String>,
    pub assignment: Vec<AssignedPartitions>,
}

/// Partitions of one topic, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedPartitions {
    pub topic: String,
    pub partitions: Vec<i32>,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOffset {
    pub topic: String,
    pub partition: i32,
    pub committed: i64,
    /// Where the partition ends for readers; `None` when it is not known here.
    pub high_watermark: Option<i64>,
}

const _: fn() = || {
    fn travels_between_threads<T: Send + 'static>() {}
    travels_between_threads::<DeskRequest>();
    travels_between_threads::<DeskAnswer>();
};
