//! What holds for a topic, in types that hot paths use without looking at text.
//!
//! Owns: [`TopicSettings`], and the checks of a topic's settings among each other.
//! Leaves to others: whether a bound plugin exists (`cluster`).
//! Source: error texts as `LogConfig` of Apache Kafka gives them.
use super::key::{ConfigError, Scope};
use super::plugin_settings::{PluginRef, PluginSettings, parse_plugin_ref, parse_plugin_settings};
use super::table::{self, topic as keys};
use super::values::{BrokerValues, Overrides};

/// What happens to old segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanup {
    pub compact: bool,
    pub delete: bool,
}

/// Whose time a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// Codec in which batches are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// The one that they came in.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Levels for batches that the broker compresses itself; -1 for gzip is its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevels {
    pub gzip: i32,
    pub lz4: i32,
    pub zstd: i32,
}

/// What a partitioner's answer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionerMode {
    /// Differences are counted.
    Advise,
    /// Batches with records that belong elsewhere are refused.
    Verify,
}

/// The partitioner of a topic. Its failure policy is always `closed` in this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionerBinding {
    pub plugin: PluginRef,
    pub mode: PartitionerMode,
    pub settings: PluginSettings,
}

/// The compaction policy of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct CompactionBinding {
    pub plugin: PluginRef,
    pub settings: PluginSettings,
    /// Largest share of the records that one pass may drop without approval.
    pub drop_ratio_max: f64,
}

/// Everything that holds for one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSettings {
    pub cleanup: Cleanup,
    pub segment_bytes: u32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: u32,
    pub index_interval_bytes: u32,
    /// -1: for ever.
    pub retention_ms: i64,
    /// -1: no limit.
    pub retention_bytes: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    /// Whether acks=all is answered only at the stable end.
    pub flush_on_acks_all: bool,
    pub message_bytes_max: u32,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub min_insync_replicas: u32,
    pub unclean_election: bool,
    pub compression: Compression,
    pub compression_levels: CompressionLevels,
    pub preallocate: bool,
    pub min_cleanable_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub delete_retention_ms: i64,
    pub partitioner: Option<PartitionerBinding>,
    pub compaction: Option<CompactionBinding>,
}

impl TopicSettings {
    /// What holds under `overrides` on a broker with these values.
    ///
    /// Stored text that no longer fits counts as not set, so this cannot fail; use [`check_topic`]
    /// for text from a client.
    pub fn effective(broker: &BrokerValues, overrides: &Overrides) -> Self {
        let value = |key| broker.effective(key, overrides);
        let number = |key| value(key).number();
        let unsigned = |key| u32::try_from(number(key)).expect("the key's range has no negatives");
        let small = |key| i32::try_from(number(key)).expect("the key's type is int");
        let policies = value(&keys::CLEANUP_POLICY).elements();
        let has = |policy: &str| policies.iter().any(|p| p == policy);
        let segment_bytes = match value(&keys::INTERNAL_SEGMENT_BYTES) {
            super::Value::Number(bytes) => u32::try_from(bytes).expect("at least 1, type int"),
            _ => unsigned(&keys::SEGMENT_BYTES),
        };
        Self {
            cleanup: Cleanup { compact: has("compact"), delete: has("delete") },
            segment_bytes,
            segment_ms: number(&keys::SEGMENT_MS),
            segment_jitter_ms: number(&keys::SEGMENT_JITTER_MS),
            segment_index_bytes: unsigned(&keys::SEGMENT_INDEX_BYTES),
            index_interval_bytes: unsigned(&keys::INDEX_INTERVAL_BYTES),
            retention_ms: number(&keys::RETENTION_MS),
            retention_bytes: number(&keys::RETENTION_BYTES),
            file_delete_delay_ms: number(&keys::FILE_DELETE_DELAY_MS),
            flush_messages: number(&keys::FLUSH_MESSAGES),
            flush_ms: number(&keys::FLUSH_MS),
            flush_on_acks_all: value(&keys::FLUSH_ON_ACKS_ALL).flag(),
            message_bytes_max: unsigned(&keys::MAX_MESSAGE_BYTES),
            timestamp_type: timestamp_type(&value(&keys::TIMESTAMP_TYPE).words()),
            timestamp_before_max_ms: number(&keys::TIMESTAMP_BEFORE_MAX_MS),
            timestamp_after_max_ms: number(&keys::TIMESTAMP_AFTER_MAX_MS),
            min_insync_replicas: unsigned(&keys::MIN_INSYNC_REPLICAS),
            unclean_election: value(&keys::UNCLEAN_ELECTION).flag(),
            compression: compression(&value(&keys::COMPRESSION_TYPE).words()),
            compression_levels: CompressionLevels {
                gzip: small(&keys::COMPRESSION_GZIP_LEVEL),
                lz4: small(&keys::COMPRESSION_LZ4_LEVEL),
                zstd: small(&keys::COMPRESSION_ZSTD_LEVEL),
            },
            preallocate: value(&keys::PREALLOCATE).flag(),
            min_cleanable_ratio: value(&keys::MIN_CLEANABLE_RATIO).real(),
            min_compaction_lag_ms: number(&keys::MIN_COMPACTION_LAG_MS),
            max_compaction_lag_ms: number(&keys::MAX_COMPACTION_LAG_MS),
            delete_retention_ms: number(&keys::DELETE_RETENTION_MS),
            partitioner: partitioner(broker, overrides),
            compaction: compaction(broker, overrides),
        }
    }

    /// The plugins that this topic is bound to.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginRef> {
        let partitioner = self.partitioner.iter().map(|binding| &binding.plugin);
        partitioner.chain(self.compaction.iter().map(|binding| &binding.plugin))
    }
}

/// Checks a topic's own settings and says what then holds.
///
/// Errors: INVALID_CONFIG is the answer; the sentence is Kafka's where Kafka has one.
pub fn check_topic(
    broker: &BrokerValues,
    overrides: &Overrides,
) -> Result<TopicSettings, ConfigError> {
    for name in overrides.keys() {
        if table::find(Scope::Topic, name).is_none() {
            return Err(ConfigError(format!("Unknown topic config name: {name}")));
        }
    }
    for (name, value) in overrides {
        table::find(Scope::Topic, name).expect("checked above").parse(value)?;
    }
    let settings = TopicSettings::effective(broker, overrides);
    let (least, most) = (settings.min_compaction_lag_ms, settings.max_compaction_lag_ms);
    if most < least {
        return Err(ConfigError(format!(
            "conflict topic config setting {} ({least}) > {} ({most})",
            keys::MIN_COMPACTION_LAG_MS.name,
            keys::MAX_COMPACTION_LAG_MS.name
        )));
    }
    if let Some(binding) = &settings.compaction
        && !settings.cleanup.compact
    {
        return Err(ConfigError::invalid(
            keys::COMPACTION_POLICY_PLUGIN.name,
            &binding.plugin.to_string(),
            "the topic is not compacted; set cleanup.policy=compact with it, or remove the plugin",
        ));
    }
    Ok(settings)
}

fn timestamp_type(word: &str) -> TimestampType {
    match word {
        "LogAppendTime" => TimestampType::LogAppendTime,
        _ => TimestampType::CreateTime,
    }
}

fn compression(word: &str) -> Compression {
    match word {
        "uncompressed" => Compression::Uncompressed,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::Producer,
    }
}

fn partitioner(broker: &BrokerValues, overrides: &Overrides) -> Option<PartitionerBinding> {
    let value = |key| broker.effective(key, overrides).words();
    let plugin = parse_plugin_ref(&value(&keys::PARTITIONER_PLUGIN)).ok()?;
    let mode = match value(&keys::PARTITIONER_MODE).as_str() {
        "advise" => PartitionerMode::Advise,
        _ => PartitionerMode::Verify,
    };
    let settings = parse_plugin_settings(&value(&keys::PARTITIONER_SETTINGS)).unwrap_or_default();
    Some(PartitionerBinding { plugin, mode, settings })
}

fn compaction(broker: &BrokerValues, overrides: &Overrides) -> Option<CompactionBinding> {
    let value = |key| broker.effective(key, overrides);
    let plugin = parse_plugin_ref(&value(&keys::COMPACTION_POLICY_PLUGIN).words()).ok()?;
    let settings = value(&keys::COMPACTION_POLICY_SETTINGS).words();
    Some(CompactionBinding {
        plugin,
        settings: parse_plugin_settings(&settings).unwrap_or_default(),
        drop_ratio_max: value(&keys::COMPACTION_POLICY_DROP_RATIO).real(),
    })
}
