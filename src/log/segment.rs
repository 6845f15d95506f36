//! Segments: one file of batches with its two indexes; the last one is appended to.
//!
//! Owns: when an index entry is due, when a segment is full, what is known of a closed one.
//! Leaves to others: writing files (`writer`, `closing`), finding batches (`read`).
//! Invariant: batches tile the file; `base <= first batch`, `last offset < next segment's base`.
//! Start reading at: [`Active::note`], [`Active::is_full_for`].
//! Source: Kafka `LogSegment`, `RollParams`.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use crate::env::File;
use crate::log::LogConfig;
use crate::log::index::{OFFSET_ENTRY_BYTES, OffsetIndex, TIME_ENTRY_BYTES, TimeIndex};
use crate::model::Offset;
use crate::record::Header;

/// Largest timestamp of a segment and the last offset of the batch that has it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxTimestamp {
    pub timestamp: i64,
    pub offset: Offset,
}

/// Whether a batch's largest timestamp is one that a search by time can find: a batch without
/// records has no record that could have it.
pub fn has_time(header: &Header) -> bool {
    0 < header.record_count && 0 <= header.max_timestamp
}

/// The segment that grows, or one that is being scanned.
#[derive(Debug)]
pub struct Active {
    pub base: Offset,
    /// Bytes that have an offset, written or not.
    pub bytes: u64,
    pub index: Rc<OffsetIndex>,
    pub time_index: Rc<TimeIndex>,
    pub max_timestamp: Option<MaxTimestamp>,
    pub first_timestamp: Option<i64>,
    pub created_ms: i64,
    /// Its age is over so much sooner than that of others.
    pub jitter_ms: i64,
    bytes_since_entry: u64,
}

impl Active {
    pub fn new(base: Offset, created_ms: i64) -> Self {
        Self {
            base,
            bytes: 0,
            index: Rc::default(),
            time_index: Rc::default(),
            max_timestamp: None,
            first_timestamp: None,
            created_ms,
            jitter_ms: 0,
            bytes_since_entry: 0,
        }
    }

    fn relative(&self, offset: Offset) -> u32 {
        u32::try_from(offset.0 - self.base.0).expect("a segment spans 2^31 offsets at most")
    }

    /// Notes a batch of `bytes` at the end of the file.
    pub fn note(&mut self, header: &Header, bytes: u64, config: &LogConfig) {
        let last = header.last_offset();
        let timestamp = header.max_timestamp;
        if 0 < header.record_count {
            self.first_timestamp.get_or_insert(timestamp);
        }
        if has_time(header) && self.max_timestamp.is_none_or(|max| max.timestamp < timestamp) {
            self.max_timestamp = Some(MaxTimestamp { timestamp, offset: last });
        }
        if config.index_interval_bytes < self.bytes_since_entry {
            let relative = self.relative(last);
            // The last entry of a file that others wrote may name the last of several batches.
            if self.index.entries.last().is_none_or(|entry| entry.relative < relative) {
                Rc::make_mut(&mut self.index).push(relative, self.bytes as u32);
                self.push_time();
                self.bytes_since_entry = 0;
            }
        }
        self.bytes_since_entry += bytes;
        self.bytes += bytes;
    }

    fn push_time(&mut self) {
        if let Some(max) = self.max_timestamp {
            let relative = self.relative(max.offset);
            Rc::make_mut(&mut self.time_index).push_if_later(max.timestamp, relative);
        }
    }

    /// A segment of which `index` and `time_index` describe the first `bytes`; the rest follows
    /// by [`Active::note`].
    pub fn resume(
        base: Offset,
        created_ms: i64,
        index: OffsetIndex,
        time_index: TimeIndex,
        first_timestamp: Option<i64>,
    ) -> Self {
        let bytes = index.entries.last().map_or(0, |entry| u64::from(entry.position));
        let max_timestamp = time_index.entries.last().map(|last| MaxTimestamp {
            timestamp: last.timestamp,
            offset: Offset(base.0 + i64::from(last.relative)),
        });
        Self {
            bytes,
            index: Rc::new(index),
            time_index: Rc::new(time_index),
            max_timestamp,
            first_timestamp,
            ..Self::new(base, created_ms)
        }
    }

    /// A copy for the files' writer.
    pub fn parts(&self) -> Self {
        Self {
            base: self.base,
            bytes: self.bytes,
            index: self.index.clone(),
            time_index: self.time_index.clone(),
            max_timestamp: self.max_timestamp,
            first_timestamp: self.first_timestamp,
            created_ms: self.created_ms,
            jitter_ms: self.jitter_ms,
            bytes_since_entry: self.bytes_since_entry,
        }
    }

    /// The last time entry; after it the time index is complete.
    pub fn seal(&mut self) {
        self.push_time();
    }

    /// Whether a new segment must begin with this batch.
    pub fn is_full_for(
        &self,
        header: &Header,
        bytes: u64,
        config: &LogConfig,
        now_ms: i64,
    ) -> bool {
        if self.bytes == 0 {
            return false;
        }
        // The time of the records; of those without one, our clock.
        let age_ms = match self.first_timestamp {
            Some(first) if 0 <= first => header.max_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.created_ms),
        };
        let index_bytes = (self.index.entries.len() + 1) * OFFSET_ENTRY_BYTES;
        // The last entry is that of the segment's end.
        let time_bytes = (self.time_index.entries.len() + 2) * TIME_ENTRY_BYTES;
        config.segment_bytes_max < self.bytes + bytes
            || config.segment_ms_max.saturating_sub(self.jitter_ms) < age_ms
            || config.index_bytes_max < index_bytes as u64
            || config.index_bytes_max < time_bytes as u64
            || i64::from(i32::MAX) < header.last_offset().0 - self.base.0
            || POSITION_MAX < self.bytes + bytes
    }
}

/// Index positions are signed 32-bit numbers.
const POSITION_MAX: u64 = i32::MAX as u64;

/// A segment that no longer grows.
pub struct Closed {
    pub base: Offset,
    /// Base of the next segment.
    pub end: Offset,
    pub bytes: u64,
    pub max_timestamp: Option<MaxTimestamp>,
    /// Timestamp of its first batch; `None` until somebody needs it and reads it.
    pub first_timestamp: Cell<Option<i64>>,
    /// Last change of the file, once retention asked for it.
    pub changed_ms: Cell<Option<i64>>,
    /// Opened and loaded when somebody reads; dropped when colder than its neighbours.
    pub warm: RefCell<Option<Warm>>,
    /// The indexes, until they are on disk.
    pub pinned: RefCell<Option<(Rc<OffsetIndex>, Rc<TimeIndex>)>>,
}

impl Closed {
    /// A segment whose indexes are on disk.
    pub fn new(base: Offset, end: Offset, bytes: u64, max_timestamp: Option<MaxTimestamp>) -> Self {
        let (changed_ms, warm, pinned) = (Cell::default(), RefCell::default(), RefCell::default());
        let first_timestamp = Cell::new(None);
        Self { base, end, bytes, max_timestamp, first_timestamp, changed_ms, warm, pinned }
    }

    /// A segment that was just closed.
    pub fn pinned(active: &Active, end: Offset) -> Self {
        let closed = Self::new(active.base, end, active.bytes, active.max_timestamp);
        closed.first_timestamp.set(active.first_timestamp);
        *closed.pinned.borrow_mut() = Some((active.index.clone(), active.time_index.clone()));
        closed
    }
}

/// Closed segments by their base, and how many bytes they are together.
#[derive(Default)]
pub struct ClosedSegments {
    by_base: BTreeMap<Offset, Rc<Closed>>,
    bytes: u64,
}

impl ClosedSegments {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn insert(&mut self, base: Offset, closed: Rc<Closed>) {
        self.bytes += closed.bytes;
        if let Some(before) = self.by_base.insert(base, closed) {
            self.bytes -= before.bytes;
        }
    }

    pub fn remove(&mut self, base: &Offset) {
        if let Some(gone) = self.by_base.remove(base) {
            self.bytes -= gone.bytes;
        }
    }
}

impl From<BTreeMap<Offset, Rc<Closed>>> for ClosedSegments {
    fn from(by_base: BTreeMap<Offset, Rc<Closed>>) -> Self {
        let bytes = by_base.values().map(|closed| closed.bytes).sum();
        Self { by_base, bytes }
    }
}

impl Deref for ClosedSegments {
    type Target = BTreeMap<Offset, Rc<Closed>>;

    fn deref(&self) -> &Self::Target {
        &self.by_base
    }
}

/// What reading a closed segment needs.
#[derive(Clone)]
pub struct Warm {
    pub file: File,
    pub index: Rc<OffsetIndex>,
}

impl std::fmt::Debug for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Closed({}..{}, {} bytes)", self.base, self.end, self.bytes)
    }
}
