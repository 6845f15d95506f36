//! The settings of automatic compaction, as one pass and its scheduler use them.
//!
//! Owns: a typed view, and what one of `log.cleaner.threads` gets of what they share.
//! Leaves to others: when a log is worth a pass (`min.cleanable.dirty.ratio` and the like, which
//! are a topic's).
//! Source: Kafka `CleanerConfig`.
use super::table::broker as keys;
use super::values::BrokerValues;

/// What `log.cleaner.*` says at this moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerSettings {
    /// `log.cleaner.enable`; holds from the start on.
    pub enabled: bool,
    /// `log.cleaner.threads`: passes at once, over all shards.
    pub threads: u32,
    /// `log.cleaner.backoff.ms`, at least 1: 0 would be a shard that never rests.
    pub backoff_ms: u64,
    /// `log.cleaner.dedupe.buffer.size`, the share of one pass.
    pub dedupe_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`, the share of one pass.
    pub io_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`, the share of one pass.
    pub io_bytes_per_second: f64,
}

impl CleanerSettings {
    pub fn new(values: &BrokerValues) -> Self {
        let unsigned = |key| u64::try_from(values.value(key).number()).unwrap_or(0);
        let threads = u32::try_from(unsigned(&keys::CLEANER_THREADS)).unwrap_or(u32::MAX);
        let passes = u64::from(threads.max(1));
        Self {
            enabled: values.value(&keys::CLEANER_ENABLE).flag(),
            threads,
            backoff_ms: unsigned(&keys::CLEANER_BACKOFF_MS).max(1),
            dedupe_bytes: unsigned(&keys::CLEANER_DEDUPE_BYTES) / passes,
            load_factor: values.value(&keys::CLEANER_LOAD_FACTOR).real(),
            io_bytes: unsigned(&keys::CLEANER_IO_BYTES) / passes,
            io_bytes_per_second: values.value(&keys::CLEANER_IO_RATE).real() / passes as f64,
        }
    }
}
