//! What of a log can be compacted, and how much of that is dirty.
//!
//! Owns: the first offset that no pass may touch, the bytes on both sides of the clean boundary,
//! the age of the oldest dirty segment.
//! Leaves to others: whether that is worth a pass (the shard), the pass itself (`compact`).
//! Invariant: a range ends where a segment ends; what lies behind its end counts as neither clean
//! nor dirty. Nothing here waits but the reading of first timestamps, once per segment and life.
//! Start reading at: [`Log::cleanable`].
//! Source: Kafka `LogCleanerManager#cleanableOffsets`, `LogToClean`.
use crate::env::OpenHow;
use crate::log::compact::PassRange;
use crate::log::names::{LOG, file_path};
use crate::log::{DiskError, Log};
use crate::model::Offset;
use crate::record::{HEADER_BYTES, Header};

/// What a pass over one log would be worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanable {
    pub range: PassRange,
    /// Bytes of the segments below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of dirty segments that a pass may touch.
    pub dirty_bytes: u64,
    /// Timestamp of the oldest batch that begins a dirty segment, as far as they are known.
    pub oldest_dirty_ms: Option<i64>,
}

impl Cleanable {
    /// Share of dirty bytes in all that a pass would read; 0 for an empty log.
    pub fn ratio(&self) -> f64 {
        match self.clean_bytes + self.dirty_bytes {
            0 => 0.0,
            all => self.dirty_bytes as f64 / all as f64,
        }
    }

    /// Whether a dirty segment begins with a record older than `lag_ms`.
    pub fn is_overdue(&self, lag_ms: i64, now_ms: i64) -> bool {
        let limit = now_ms.saturating_sub(lag_ms);
        0 < self.dirty_bytes && self.oldest_dirty_ms.is_some_and(|oldest| oldest < limit)
    }
}

impl Log {
    /// What a pass may cover now: closed segments below the last stable offset, the dirty ones of
    /// them older than `min.compaction.lag.ms`.
    ///
    /// `first_dirty`: where the last pass ended. Outside of the log it counts as the log's start.
    pub fn compaction_range(&self, first_dirty: Offset, now_ms: i64) -> PassRange {
        self.cleanable(first_dirty, now_ms).range
    }

    /// The range of [`Log::compaction_range`], and how dirty it is.
    pub fn cleanable(&self, first_dirty: Offset, now_ms: i64) -> Cleanable {
        let ends = self.ends();
        let stable = ends.last_stable_offset.min(ends.high_watermark);
        let inside = ends.log_start <= first_dirty && first_dirty <= ends.log_end;
        let first_dirty = if inside { first_dirty } else { ends.log_start };
        let state = self.state.borrow();
        let lag = state.config.min_compaction_lag_ms;
        let young = now_ms.saturating_sub(lag);
        let mut end = ends.log_start;
        let (mut clean_bytes, mut dirty_bytes, mut oldest_dirty_ms) = (0, 0, None);
        let mut closed = state.closed.values();
        for segment in closed.by_ref() {
            let is_dirty = first_dirty < segment.end;
            let is_young = segment.max_timestamp.is_some_and(|max| young < max.timestamp);
            if stable < segment.end || (0 < lag && is_young && is_dirty) {
                break;
            }
            end = segment.end;
            if is_dirty {
                dirty_bytes += segment.bytes;
                let first = segment.first_timestamp.get().filter(|first| 0 < *first);
                oldest_dirty_ms = first.into_iter().chain(oldest_dirty_ms).min();
            } else {
                clean_bytes += segment.bytes;
            }
        }
        let range =
            PassRange { first_offset: ends.log_start, first_dirty: first_dirty.min(end), end };
        Cleanable { range, clean_bytes, dirty_bytes, oldest_dirty_ms }
    }

    /// Whether records of the segment that grows have waited longer than `lag_ms` for compaction,
    /// by their time and by that of the segment: it must be closed for that.
    pub fn has_overdue_active(&self, lag_ms: i64, now_ms: i64) -> bool {
        let state = self.state.borrow();
        let active = &state.active;
        let since_ms = active.first_timestamp.unwrap_or(0).max(active.created_ms);
        0 < active.bytes && since_ms < now_ms.saturating_sub(lag_ms)
    }

    /// Whether a closed segment lies behind the clean boundary. Costs one look.
    pub fn has_closed_behind(&self, first_dirty: Offset) -> bool {
        let state = self.state.borrow();
        let last = state.closed.last_key_value();
        last.is_some_and(|(_, last)| {
            first_dirty < last.end || first_dirty < state.progress.log_start
        })
    }

    /// Reads the first timestamps of dirty segments that this life of the log has not seen.
    pub async fn learn_first_timestamps(&self, first_dirty: Offset) -> Result<(), DiskError> {
        let unknown: Vec<_> = {
            let state = self.state.borrow();
            let dirty = state.closed.values().filter(|segment| first_dirty < segment.end);
            dirty.filter(|segment| segment.first_timestamp.get().is_none()).cloned().collect()
        };
        for segment in unknown {
            let path = file_path(&self.dir, segment.base, LOG);
            let file = self.files.open(&path, OpenHow::Read).await?;
            let head = self.files.read(&file, &path, 0, HEADER_BYTES).await?;
            let first = Header::decode(&head).map_or(-1, |header| header.max_timestamp);
            segment.first_timestamp.set(Some(first));
        }
        Ok(())
    }
}
