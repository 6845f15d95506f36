//! The two indexes of a segment: offset to file position, and timestamp to offset.
//!
//! Owns: the entries, their file formats, what makes a file trustworthy.
//! Leaves to others: when an entry is due (`segment`), files (`closing`).
//! Invariant: entries ascend strictly; an index names only whole batches of its segment.
//! Source: Kafka `OffsetIndex`, `TimeIndex`.

pub const OFFSET_ENTRY_BYTES: usize = 8;
pub const TIME_ENTRY_BYTES: usize = 12;

/// Last offset of a batch, relative to the segment's base, and where that batch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    pub relative: u32,
    pub position: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetIndex {
    pub entries: Vec<OffsetEntry>,
}

impl OffsetIndex {
    pub fn push(&mut self, relative: u32, position: u32) {
        let last = self.entries.last();
        assert!(last.is_none_or(|last| last.relative < relative && last.position < position));
        self.entries.push(OffsetEntry { relative, position });
    }

    /// Position from which a batch that holds `relative` can be found by walking forward.
    pub fn floor(&self, relative: u32) -> u32 {
        let behind = self.entries.partition_point(|entry| entry.relative <= relative);
        behind.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * OFFSET_ENTRY_BYTES);
        Self::encode_into(&self.entries, &mut out);
        out
    }

    /// Adds a part of the file, for those that do it bit by bit.
    pub fn encode_into(entries: &[OffsetEntry], out: &mut Vec<u8>) {
        for entry in entries {
            out.extend_from_slice(&entry.relative.to_be_bytes());
            out.extend_from_slice(&entry.position.to_be_bytes());
        }
    }

    /// `None` when the file cannot belong to a log of that many bytes.
    pub fn decode(bytes: &[u8], log_bytes: u64) -> Option<Self> {
        if !bytes.len().is_multiple_of(OFFSET_ENTRY_BYTES) {
            return None;
        }
        let mut entries = Vec::with_capacity(bytes.len() / OFFSET_ENTRY_BYTES);
        let mut last: Option<OffsetEntry> = None;
        for chunk in bytes.chunks_exact(OFFSET_ENTRY_BYTES) {
            let entry = OffsetEntry {
                relative: u32::from_be_bytes(chunk[..4].try_into().ok()?),
                position: u32::from_be_bytes(chunk[4..].try_into().ok()?),
            };
            let ascends = last.is_none_or(|last| {
                last.relative < entry.relative && last.position < entry.position
            });
            let inside = u64::from(entry.position) < log_bytes;
            if !ascends || !inside || entry.relative > i32::MAX as u32 {
                return None;
            }
            last = Some(entry);
            entries.push(entry);
        }
        Some(Self { entries })
    }

    /// The entries for offsets below `below` of a file whose end may be torn or not yet used.
    pub fn decode_below(bytes: &[u8], below: u32, log_bytes: u64) -> Self {
        let mut entries: Vec<OffsetEntry> = Vec::new();
        for chunk in bytes.chunks_exact(OFFSET_ENTRY_BYTES) {
            let (relative, position) = chunk.split_at(4);
            let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
            let entry = OffsetEntry { relative: number(relative), position: number(position) };
            let ascends = entries.last().is_none_or(|last| {
                last.relative < entry.relative && last.position < entry.position
            });
            let inside = u64::from(entry.position) < log_bytes;
            if !ascends || !inside || below <= entry.relative {
                break;
            }
            entries.push(entry);
        }
        Self { entries }
    }
}

/// Largest timestamp so far, and the last offset of the batch that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    pub timestamp: i64,
    pub relative: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeIndex {
    pub entries: Vec<TimeEntry>,
}

impl TimeIndex {
    /// Adds an entry when its timestamp is larger than all before.
    pub fn push_if_later(&mut self, timestamp: i64, relative: u32) {
        if self.latest() < timestamp {
            self.entries.push(TimeEntry { timestamp, relative });
        }
    }

    /// The largest timestamp that it knows; -1: none.
    pub fn latest(&self) -> i64 {
        self.entries.last().map_or(-1, |last| last.timestamp)
    }

    /// Relative offset from which a first record at or after `timestamp` can be searched.
    pub fn floor(&self, timestamp: i64) -> u32 {
        let behind = self.entries.partition_point(|entry| entry.timestamp <= timestamp);
        behind.checked_sub(1).map_or(0, |at| self.entries[at].relative)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * TIME_ENTRY_BYTES);
        Self::encode_into(&self.entries, &mut out);
        out
    }

    /// Adds a part of the file, for those that do it bit by bit.
    pub fn encode_into(entries: &[TimeEntry], out: &mut Vec<u8>) {
        for entry in entries {
            out.extend_from_slice(&entry.timestamp.to_be_bytes());
            out.extend_from_slice(&entry.relative.to_be_bytes());
        }
    }

    /// `None` when the file is damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(TIME_ENTRY_BYTES) {
            return None;
        }
        let mut entries: Vec<TimeEntry> = Vec::with_capacity(bytes.len() / TIME_ENTRY_BYTES);
        for chunk in bytes.chunks_exact(TIME_ENTRY_BYTES) {
            let entry = TimeEntry {
                timestamp: i64::from_be_bytes(chunk[..8].try_into().ok()?),
                relative: u32::from_be_bytes(chunk[8..].try_into().ok()?),
            };
            // Offsets may stand still or go up, never down: the largest timestamp moves forward.
            let ascends = entries.last().is_none_or(|last| {
                last.timestamp < entry.timestamp && last.relative <= entry.relative
            });
            if !ascends || entry.timestamp < 0 {
                return None;
            }
            entries.push(entry);
        }
        Some(Self { entries })
    }

    /// The entries for offsets below `below` of a file whose end may be torn or not yet used.
    pub fn decode_below(bytes: &[u8], below: u32) -> Self {
        let mut entries: Vec<TimeEntry> = Vec::new();
        for chunk in bytes.chunks_exact(TIME_ENTRY_BYTES) {
            let (timestamp, relative) = chunk.split_at(8);
            let entry = TimeEntry {
                timestamp: i64::from_be_bytes(timestamp.try_into().expect("eight bytes")),
                relative: u32::from_be_bytes(relative.try_into().expect("four bytes")),
            };
            // Two timestamps of one batch cannot both be its largest: strictly ascending.
            let ascends = entries.last().is_none_or(|last| {
                last.timestamp < entry.timestamp && last.relative < entry.relative
            });
            if !ascends || entry.timestamp < 0 || below <= entry.relative {
                break;
            }
            entries.push(entry);
        }
        Self { entries }
    }
}
