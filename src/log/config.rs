//! The settings that one partition's log uses, with Kafka's names.
//!
//! Owns: a plain value. Leaves to others: parsing, defaults of the broker, what changed (`config`).
use crate::env::Env;
use crate::record::TimestampType;

/// Settings of one log; a change applies to the next append.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: the active file is closed before it would grow beyond.
    pub segment_bytes_max: u64,
    /// `preallocate`: a new segment's room is reserved at once.
    pub preallocate: bool,
    /// `segment.ms`: age in record time at which the active file is closed.
    pub segment_ms_max: i64,
    /// `segment.jitter.ms`: a random part of it is taken from the age, for each segment anew.
    pub segment_jitter_ms_max: i64,
    /// `cleanup.policy` has `delete`: the two limits of retention count.
    pub deletes: bool,
    /// `retention.ms`; negative: none.
    pub retention_ms: i64,
    /// `retention.bytes`; negative: none.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: how long removed files keep their last name.
    pub file_delete_delay_ms: u64,
    /// `segment.index.bytes`: an index of that size closes the file too.
    pub index_bytes_max: u64,
    /// `index.interval.bytes`: bytes of log between two index entries.
    pub index_interval_bytes: u64,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `flush.on.acks.all`: acks=all answers only when the bytes survive a power cut.
    pub flush_on_acks_all: bool,
    /// `flush.messages`: after so many records that are not yet stable the log is synced, and the
    /// last of them is answered after it.
    pub flush_messages: i64,
    /// `flush.ms`: age at which a record is synced, whatever acks it asked for.
    pub flush_ms: i64,
    /// `producer.id.expiration.ms`: silence after which a producer is forgotten.
    pub producer_expiration_ms: i64,
    /// Producers remembered per partition; beyond it the longest silent ones are forgotten.
    pub producers_max: usize,
    /// `delete.retention.ms`: how long a tombstone stays after the first pass that saw it.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: records younger than this are not compacted.
    pub min_compaction_lag_ms: i64,
    /// Bytes that one batch may have when it is decompressed here.
    pub decompressed_bytes_max: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes_max: 1 << 30,
            preallocate: false,
            segment_ms_max: 7 * 24 * 60 * 60 * 1_000,
            segment_jitter_ms_max: 0,
            deletes: true,
            retention_ms: 7 * 24 * 60 * 60 * 1_000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            index_bytes_max: 10 << 20,
            index_interval_bytes: 4_096,
            timestamp_type: TimestampType::CreateTime,
            flush_on_acks_all: true,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            producer_expiration_ms: 24 * 60 * 60 * 1_000,
            producers_max: 100_000,
            delete_retention_ms: 24 * 60 * 60 * 1_000,
            min_compaction_lag_ms: 0,
            decompressed_bytes_max: 256 << 20,
        }
    }
}

impl LogConfig {
    /// What one segment's age is shortened by; other segments get other values.
    pub(super) fn jitter_ms(&self, env: &Env) -> i64 {
        let below = self.segment_jitter_ms_max.min(self.segment_ms_max);
        match u64::try_from(below) {
            Ok(below @ 1..) => i64::try_from(env.random() % below).expect("below an i64"),
            _ => 0,
        }
    }
}
