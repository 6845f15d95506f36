//! All metric families of the broker, and handles that hot paths keep.
//!
//! Owns: family names and labels (API: a dashboard written today must work tomorrow).
//! Leaves to others: counting at the right moment; HTTP (`admin`).
//! Invariant: a handle is resolved once and then costs relaxed atomics only; names start with
//! `logmill_` and end in their unit or in `_total`.
//! Start reading at: [`Metrics::new`], then [`Metrics::api`].
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::ErrorCode;
use crate::observe::api_name::{API_KEYS_MAX, api_name};
use crate::observe::seconds::SecondsHistogram;

type SecondsFamily<S> = Family<S, SecondsHistogram, fn() -> SecondsHistogram>;

/// A label value, escaped as the exposition format wants it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Label(Arc<str>);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        use std::fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '\\' => encoder.write_str("\\\\")?,
                '"' => encoder.write_str("\\\"")?,
                '\n' => encoder.write_str("\\n")?,
                c => encoder.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    api: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiErrorLabels {
    api: &'static str,
    error: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabels {
    plugin: Label,
    version: Label,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginFailureLabels {
    plugin: Label,
    version: Label,
    kind: &'static str,
    failure: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabels {
    topic: Label,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardLabels {
    shard: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    account: &'static str,
}

/// What is counted per API key.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    pub requests_total: Counter,
    /// From the last byte of the request to the last byte of the response handed to the socket.
    pub request_seconds: SecondsHistogram,
}

/// Bytes and records that producers brought; accepted ones only.
#[derive(Clone, Debug, Default)]
pub struct ProduceMetrics {
    pub bytes_total: Counter,
    pub records_total: Counter,
}

/// Bytes and records that consumers took.
#[derive(Clone, Debug, Default)]
pub struct FetchMetrics {
    pub bytes_total: Counter,
    pub records_total: Counter,
}

/// What logs do with the disk, over all shards.
#[derive(Clone, Debug, Default)]
pub struct LogMetrics {
    pub appended_batches_total: Counter,
    pub appended_bytes_total: Counter,
    /// Batches that were in the log already.
    pub duplicates_total: Counter,
    /// Writes to partitions' files, and their bytes.
    pub writes_total: Counter,
    pub written_bytes_total: Counter,
    /// Syncs of a partition's files that succeeded.
    pub syncs_total: Counter,
    pub sync_failures_total: Counter,
    pub fsync_seconds: SecondsHistogram,
    pub rolls_total: Counter,
    pub file_reads_total: Counter,
    pub tail_reads_total: Counter,
    /// Bytes that reads found in memory, read through the page cache, and around it.
    pub tail_read_bytes_total: Counter,
    pub cached_read_bytes_total: Counter,
    pub uncached_read_bytes_total: Counter,
    /// Chunks of files for readers far behind the end.
    pub readahead: MemoryMetrics,
    /// Logs that went offline.
    pub offline_total: Counter,
    /// Log directories that cannot be used at this moment.
    pub dirs_offline: Gauge,
    /// Durable writes of journals, and their bytes.
    pub journal_writes_total: Counter,
    pub journal_bytes_total: Counter,
    /// Times that a write waited for a checkpoint to make room.
    pub journal_full_total: Counter,
    pub checkpoints_total: Counter,
    pub checkpoint_seconds: SecondsHistogram,
    /// Bytes that logs accepted and that their files do not have.
    pub unwritten_bytes: Gauge,
    /// Bytes that files in the making will have and do not have yet.
    pub promised_bytes: Gauge,
    /// The same of each file system; not in `/metrics`.
    pub promised_on: PerFileSystem,
    /// Appends refused because the disk is nearly full.
    pub space_refusals_total: Counter,
    /// Logs whose files wait for room on the disk.
    pub stalled_partitions: Gauge,
    segments_removed_total: Family<ReasonLabels, Counter>,
    /// Times that a log start offset rose.
    pub start_moves_total: Counter,
}

/// A gauge of each file system, which all shards share.
#[derive(Clone, Debug, Default)]
pub struct PerFileSystem(Arc<Mutex<BTreeMap<u64, Gauge>>>);

impl PerFileSystem {
    pub fn of(&self, file_system: u64) -> Gauge {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(file_system).or_default().clone()
    }
}

/// Why retention removed a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemovalReason {
    /// It lies below the log start offset.
    LogStart,
    /// `retention.bytes`.
    Size,
    /// `retention.ms`.
    Time,
}

impl RemovalReason {
    fn label(self) -> &'static str {
        match self {
            Self::LogStart => "log_start",
            Self::Size => "size",
            Self::Time => "time",
        }
    }
}

impl LogMetrics {
    pub fn count_removed(&self, reason: RemovalReason, segments: u64) {
        let labels = ReasonLabels { reason: reason.label() };
        self.segments_removed_total.get_or_create(&labels).inc_by(segments);
    }
}

/// What is counted per plugin version.
#[derive(Clone, Debug)]
pub struct PluginMetrics {
    pub calls_total: Counter,
    pub records_total: Counter,
    /// Guest run time of one call.
    pub call_seconds: SecondsHistogram,
    /// Times that the failure policy answered in the plugin's place.
    pub fallbacks_total: Counter,
    /// Breakers that are open now, over all shards and bindings.
    pub open_breakers: Gauge,
    /// Instances that live now, over all shards and workers.
    pub instances: Gauge,
}

/// Records that a partitioner looked at for one topic.
#[derive(Clone, Debug)]
pub struct TopicVerdicts {
    pub checked_total: Counter,
    pub disagreed_total: Counter,
}

/// How a compaction pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactionOutcome {
    Done,
    /// Nothing to do, or a dry run.
    Nothing,
    /// The policy failed or wanted to drop too much: everything was kept.
    KeptAll,
    Failed,
}

impl CompactionOutcome {
    fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Nothing => "nothing",
            Self::KeptAll => "kept_all",
            Self::Failed => "failed",
        }
    }
}

/// What compaction passes did.
#[derive(Clone, Debug)]
pub struct CompactionMetrics {
    passes_total: Family<OutcomeLabels, Counter>,
    pub seconds: SecondsHistogram,
    pub read_bytes_total: Counter,
    pub written_bytes_total: Counter,
    /// Tombstones among them.
    pub dropped_records_total: Counter,
    pub dropped_tombstones_total: Counter,
    /// Ranges of key hashes that passes went over: more than passes when not all keys fit at once.
    pub rounds_total: Counter,
    /// Most memory for keys and marks of the last pass.
    pub memory_bytes: Gauge,
    /// When the last pass ended, in seconds since 1970.
    pub last_pass_seconds: Gauge,
    dirty_ratio: Family<ShardLabels, Gauge<f64, AtomicU64>>,
    set_back: Family<ShardLabels, Gauge>,
}

impl CompactionMetrics {
    /// Notes what a shard saw of its compacted partitions: the highest dirty ratio of those that
    /// may be compacted, and how many are left alone because their last pass failed.
    pub fn note_look(&self, shard: u16, dirtiest: f64, set_back: i64) {
        self.dirty_ratio.get_or_create(&ShardLabels { shard }).set(dirtiest);
        self.set_back.get_or_create(&ShardLabels { shard }).set(set_back);
    }

    pub fn count_pass(&self, outcome: CompactionOutcome) {
        self.passes_total.get_or_create(&OutcomeLabels { outcome: outcome.label() }).inc();
    }
}

/// One account of the memory ledger, summed over the shards.
#[derive(Clone, Debug, Default)]
pub struct MemoryMetrics {
    pub used_bytes: Gauge,
    pub bound_bytes: Gauge,
    /// Times that the account was at its bound.
    pub refusals_total: Counter,
}

/// Connections of Kafka clients.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    pub open_connections: Gauge,
    pub accepted_total: Counter,
    pub moved_total: Counter,
    /// Closed by the broker: bytes that are no request, or a bound was reached.
    pub refused_total: Counter,
}

#[derive(Default)]
struct PluginFamilies {
    calls: Family<PluginLabels, Counter>,
    records: Family<PluginLabels, Counter>,
    failures: Family<PluginFailureLabels, Counter>,
    fallbacks: Family<PluginLabels, Counter>,
    open_breakers: Family<PluginLabels, Gauge>,
    instances: Family<PluginLabels, Gauge>,
}

#[derive(Default)]
struct MemoryFamilies {
    used: Family<AccountLabels, Gauge>,
    bound: Family<AccountLabels, Gauge>,
    refusals: Family<AccountLabels, Counter>,
}

/// Every metric of this process; shared by all shards, workers and the admin port.
pub struct Metrics {
    registry: Registry,
    apis: Box<[OnceLock<ApiMetrics>]>,
    api_unknown: OnceLock<ApiMetrics>,
    requests: Family<ApiLabels, Counter>,
    request_errors: Family<ApiErrorLabels, Counter>,
    request_seconds: SecondsFamily<ApiLabels>,
    pub connections: ConnectionMetrics,
    pub produce: ProduceMetrics,
    pub fetch: FetchMetrics,
    pub log: LogMetrics,
    pub compaction: CompactionMetrics,
    pub group_rebalances_total: Counter,
    /// Processor time of turns of a shard, one in thirteen.
    pub turn_cpu_seconds: SecondsHistogram,
    /// Of all that took longer than half a millisecond by the clock.
    pub long_turn_cpu_seconds: SecondsHistogram,
    plugins: PluginFamilies,
    plugin_call_seconds: SecondsFamily<PluginLabels>,
    partitioner_checked: Family<TopicLabels, Counter>,
    partitioner_disagreed: Family<TopicLabels, Counter>,
    memory: MemoryFamilies,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// A fresh set of families, all at zero; one per process (or per test).
    pub fn new() -> Arc<Self> {
        let mut metrics = Self {
            registry: Registry::with_prefix("logmill"),
            apis: (0..API_KEYS_MAX).map(|_| OnceLock::new()).collect(),
            api_unknown: OnceLock::new(),
            requests: Family::default(),
            request_errors: Family::default(),
            request_seconds: Family::new_with_constructor(SecondsHistogram::requests),
            connections: ConnectionMetrics::default(),
            produce: ProduceMetrics::default(),
            fetch: FetchMetrics::default(),
            log: LogMetrics::default(),
            compaction: CompactionMetrics {
                passes_total: Family::default(),
                seconds: SecondsHistogram::requests(),
                read_bytes_total: Counter::default(),
                written_bytes_total: Counter::default(),
                dropped_records_total: Counter::default(),
                dropped_tombstones_total: Counter::default(),
                rounds_total: Counter::default(),
                memory_bytes: Gauge::default(),
                last_pass_seconds: Gauge::default(),
                dirty_ratio: Family::default(),
                set_back: Family::default(),
            },
            group_rebalances_total: Counter::default(),
            turn_cpu_seconds: SecondsHistogram::turns(),
            long_turn_cpu_seconds: SecondsHistogram::turns(),
            plugins: PluginFamilies::default(),
            plugin_call_seconds: Family::new_with_constructor(SecondsHistogram::calls),
            partitioner_checked: Family::default(),
            partitioner_disagreed: Family::default(),
            memory: MemoryFamilies::default(),
        };
        metrics.log.readahead = metrics.memory("readahead");
        metrics.register_requests();
        metrics.register_log();
        metrics.register_plugins();
        metrics.register_memory();
        Arc::new(metrics)
    }

    fn register_requests(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let r = &mut self.registry;
        r.register("build", "Version of this broker", build);
        r.register("requests", "Kafka requests answered", self.requests.clone());
        let help = "Errors in answers to Kafka requests and in their parts, by Kafka's name";
        r.register("request_errors", help, self.request_errors.clone());
        let help = "Seconds from the last byte of a request to its response";
        r.register("request_seconds", help, self.request_seconds.clone());
        let c = &self.connections;
        r.register("open_connections", "Kafka connections open now", c.open_connections.clone());
        r.register("connections_accepted", "Kafka connections accepted", c.accepted_total.clone());
        let help = "Kafka connections moved to the shard of their data";
        r.register("connections_moved", help, c.moved_total.clone());
        let help = "Kafka connections closed by the broker for what they sent or for a bound";
        r.register("connections_refused", help, c.refused_total.clone());
        let p = &self.produce;
        r.register("produce_bytes", "Bytes of accepted record batches", p.bytes_total.clone());
        r.register("produce_records", "Records accepted", p.records_total.clone());
        let f = &self.fetch;
        r.register("fetch_bytes", "Bytes of record batches given out", f.bytes_total.clone());
        r.register("fetch_records", "Records given out", f.records_total.clone());
        let help = "Group generations begun";
        r.register("group_rebalances", help, self.group_rebalances_total.clone());
        let help = "Processor seconds of one turn of a shard: nothing else of it runs meanwhile";
        r.register("turn_cpu_seconds", help, self.turn_cpu_seconds.clone());
        let help = "Processor seconds, at most, of each turn of a shard that was a long one";
        r.register("long_turn_cpu_seconds", help, self.long_turn_cpu_seconds.clone());
    }

    fn register_log(&mut self) {
        let (r, l, c) = (&mut self.registry, &self.log, &self.compaction);
        let counters = [
            ("log_appends", "Batches appended to logs", &l.appended_batches_total),
            ("log_append_bytes", "Bytes appended to logs", &l.appended_bytes_total),
            ("log_duplicates", "Batches that a log had already", &l.duplicates_total),
            ("log_writes", "Writes to partitions' files", &l.writes_total),
            ("log_written_bytes", "Bytes written to partitions' files", &l.written_bytes_total),
            ("syncs", "Syncs of a partition's files", &l.syncs_total),
            ("sync_failures", "Logs that a failed sync took offline", &l.sync_failures_total),
            ("segments_rolled", "Segments begun by rolling", &l.rolls_total),
            ("log_file_reads", "Reads of logs from files", &l.file_reads_total),
            ("log_tail_reads", "Reads of logs from memory", &l.tail_reads_total),
            ("log_tail_read_bytes", "Bytes read from memory", &l.tail_read_bytes_total),
            ("log_cached_read_bytes", "Bytes read by the cache", &l.cached_read_bytes_total),
            ("log_uncached_read_bytes", "Bytes read around it", &l.uncached_read_bytes_total),
            ("logs_offline", "Logs that went offline", &l.offline_total),
            ("journal_writes", "Durable writes of journals", &l.journal_writes_total),
            ("journal_bytes", "Bytes written to journals", &l.journal_bytes_total),
            ("journal_full", "Writes that waited for a checkpoint", &l.journal_full_total),
            ("checkpoints", "Checkpoints of journals", &l.checkpoints_total),
            ("space_refusals", "Appends refused by a nearly full disk", &l.space_refusals_total),
        ];
        for (name, help, counter) in counters {
            r.register(name, help, counter.clone());
        }
        let help = "Bytes accepted that the partitions' files do not have yet";
        r.register("log_unwritten_bytes", help, l.unwritten_bytes.clone());
        let help = "Bytes that journals in the making do not have on the disk yet";
        r.register("log_promised_bytes", help, l.promised_bytes.clone());
        let help = "Partitions whose files wait for room on a full disk";
        r.register("stalled_partitions", help, l.stalled_partitions.clone());
        r.register("offline_log_dirs", "Log directories out of use", l.dirs_offline.clone());
        let help = "Seconds of one sync of a partition's files";
        r.register("fsync_seconds", help, l.fsync_seconds.clone());
        let help = "Seconds of one checkpoint of a journal";
        r.register("checkpoint_seconds", help, l.checkpoint_seconds.clone());
        let help = "Segments removed by retention, by why they went";
        r.register("segments_removed", help, l.segments_removed_total.clone());
        r.register("log_start_moves", "Log start offsets that rose", l.start_moves_total.clone());
        let help = "Compaction passes, by how they ended";
        r.register("compaction_passes", help, c.passes_total.clone());
        r.register("compaction_seconds", "Seconds of one compaction pass", c.seconds.clone());
        let help = "Bytes that compaction read";
        r.register("compaction_read_bytes", help, c.read_bytes_total.clone());
        let help = "Records that compaction dropped";
        r.register("compaction_dropped_records", help, c.dropped_records_total.clone());
        let help = "Tombstones that compaction dropped";
        r.register("compaction_dropped_tombstones", help, c.dropped_tombstones_total.clone());
        let help = "Bytes that compaction wrote";
        r.register("compaction_written_bytes", help, c.written_bytes_total.clone());
        let help = "Ranges of key hashes that compaction went over, as many keys as fit at once";
        r.register("compaction_rounds", help, c.rounds_total.clone());
        let help = "Bytes that the keys and marks of the last compaction pass took at most";
        r.register("compaction_memory_bytes", help, c.memory_bytes.clone());
        let help = "Seconds since 1970 at the end of the last compaction pass";
        r.register("compaction_last_pass_timestamp_seconds", help, c.last_pass_seconds.clone());
        let help = "Highest share of dirty bytes among a shard's compacted partitions";
        r.register("compaction_dirty_ratio", help, c.dirty_ratio.clone());
        let help = "Partitions whose last compaction pass failed";
        r.register("compaction_failed_partitions", help, c.set_back.clone());
    }

    fn register_plugins(&mut self) {
        let (r, p) = (&mut self.registry, &self.plugins);
        r.register("plugin_calls", "Calls of a plugin's exports", p.calls.clone());
        r.register("plugin_records", "Records shown to a plugin", p.records.clone());
        r.register("plugin_failures", "Failed plugin calls, by kind", p.failures.clone());
        let help = "Times that the failure policy answered in the plugin's place";
        r.register("plugin_fallbacks", help, p.fallbacks.clone());
        let help = "Breakers open now, over all shards and bindings";
        r.register("plugin_open_breakers", help, p.open_breakers.clone());
        r.register("plugin_instances", "Plugin instances alive now", p.instances.clone());
        let help = "Seconds that one plugin call ran in the guest";
        r.register("plugin_call_seconds", help, self.plugin_call_seconds.clone());
        let help = "Records whose partition a plugin checked";
        r.register("partitioner_checked_records", help, self.partitioner_checked.clone());
        let help = "Records that a plugin wanted in another partition than the client chose";
        r.register("partitioner_disagreed_records", help, self.partitioner_disagreed.clone());
    }

    fn register_memory(&mut self) {
        let (r, m) = (&mut self.registry, &self.memory);
        let help = "Bytes held by an account of the memory ledger";
        r.register("memory_used_bytes", help, m.used.clone());
        let help = "Bytes that an account of the memory ledger may hold";
        r.register("memory_bound_bytes", help, m.bound.clone());
        let help = "Times that an account of the memory ledger was at its bound";
        r.register("memory_refusals", help, m.refusals.clone());
    }

    /// The counters of one API key; a number that Kafka does not have counts as `Unknown`.
    pub fn api(&self, key: i16) -> &ApiMetrics {
        let slot = usize::try_from(key).ok().and_then(|key| self.apis.get(key));
        slot.unwrap_or(&self.api_unknown).get_or_init(|| {
            let labels = ApiLabels { api: api_name(key) };
            ApiMetrics {
                requests_total: self.requests.get_or_create_owned(&labels),
                request_seconds: self.request_seconds.get_or_create_owned(&labels),
            }
        })
    }

    /// Counts one answer: the request itself, its duration, and its error if `error` is one.
    pub fn count_request(&self, key: i16, error: ErrorCode, nanos: u64) {
        let api = self.api(key);
        api.requests_total.inc();
        api.request_seconds.observe_ns(nanos);
        self.count_errors(key, error, 1);
    }

    /// Counts an error that is so many times in an answer (its own, partitions'); `None` counts
    /// nothing.
    pub fn count_errors(&self, key: i16, error: ErrorCode, times: u64) {
        if error.is_error() {
            let labels = ApiErrorLabels { api: api_name(key), error: error.kafka_name() };
            self.request_errors.get_or_create(&labels).inc_by(times);
        }
    }

    /// The counters of one plugin version; keep the handle, a look-up takes a lock.
    ///
    /// `kind` is `partitioner`, `assignor` or `compaction-policy`.
    pub fn plugin(&self, name: &str, version: &str, kind: &'static str) -> PluginMetrics {
        let labels = plugin_labels(name, version, kind);
        let p = &self.plugins;
        PluginMetrics {
            calls_total: p.calls.get_or_create_owned(&labels),
            records_total: p.records.get_or_create_owned(&labels),
            call_seconds: self.plugin_call_seconds.get_or_create_owned(&labels),
            fallbacks_total: p.fallbacks.get_or_create_owned(&labels),
            open_breakers: p.open_breakers.get_or_create_owned(&labels),
            instances: p.instances.get_or_create_owned(&labels),
        }
    }

    /// Counts one failed call; `failure` is the host's own word for it (`trap`, `budget`, …).
    pub fn count_plugin_failure(
        &self,
        name: &str,
        version: &str,
        kind: &'static str,
        failure: &'static str,
    ) {
        let PluginLabels { plugin, version, kind } = plugin_labels(name, version, kind);
        let labels = PluginFailureLabels { plugin, version, kind, failure };
        self.plugins.failures.get_or_create(&labels).inc();
    }

    /// Failed calls so far of that kind of failure.
    pub fn plugin_failures(
        &self,
        name: &str,
        version: &str,
        kind: &'static str,
        failure: &'static str,
    ) -> u64 {
        let PluginLabels { plugin, version, kind } = plugin_labels(name, version, kind);
        let labels = PluginFailureLabels { plugin, version, kind, failure };
        self.plugins.failures.get(&labels).map_or(0, |counter| counter.get())
    }

    /// Forgets a removed plugin version, so that labels stay bounded. Failure counts go at the next
    /// start only: their label set is small and a person may still ask why it was removed.
    pub fn forget_plugin(&self, name: &str, version: &str, kind: &'static str) {
        let labels = plugin_labels(name, version, kind);
        self.plugins.calls.remove(&labels);
        self.plugins.records.remove(&labels);
        self.plugins.fallbacks.remove(&labels);
        self.plugins.open_breakers.remove(&labels);
        self.plugins.instances.remove(&labels);
        self.plugin_call_seconds.remove(&labels);
    }

    /// The partitioner's counters of one topic with a partitioner bound; keep the handle.
    pub fn topic_verdicts(&self, topic: &str) -> TopicVerdicts {
        let labels = TopicLabels { topic: Label(topic.into()) };
        TopicVerdicts {
            checked_total: self.partitioner_checked.get_or_create_owned(&labels),
            disagreed_total: self.partitioner_disagreed.get_or_create_owned(&labels),
        }
    }

    /// Forgets a topic that was deleted, so that labels stay bounded.
    pub fn forget_topic(&self, topic: &str) {
        let labels = TopicLabels { topic: Label(topic.into()) };
        self.partitioner_checked.remove(&labels);
        self.partitioner_disagreed.remove(&labels);
    }

    /// One account of the memory ledger; shards add and subtract, so that the sum is the process's.
    pub fn memory(&self, account: &'static str) -> MemoryMetrics {
        let labels = AccountLabels { account };
        MemoryMetrics {
            used_bytes: self.memory.used.get_or_create_owned(&labels),
            bound_bytes: self.memory.bound.get_or_create_owned(&labels),
            refusals_total: self.memory.refusals.get_or_create_owned(&labels),
        }
    }

    /// Everything as OpenMetrics text, which Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a String cannot fail");
        text
    }
}

fn plugin_labels(name: &str, version: &str, kind: &'static str) -> PluginLabels {
    PluginLabels { plugin: Label(name.into()), version: Label(version.into()), kind }
}

const _: fn() = || {
    fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Metrics>();
    // A counter's atomic must be 64 bits wide: byte counts pass 4 GiB within seconds.
    let _: &Counter<u64, AtomicU64> = &Counter::<u64, AtomicU64>::default();
};
