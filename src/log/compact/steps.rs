//! What a pass does with each batch: plain functions over bytes, run on workers.
//!
//! Owns: looking through (transactions, counts), noting the newest of each key, marking what goes,
//! building what stays.
//! Leaves to others: reading, writing and the order of the steps (`walk`, `rewrite`).
//! Invariant: nothing here waits, and memory is one batch and what comes of one chunk.
//! Start reading at: [`Survey`], then [`Observe`], [`Mark`], [`Rebuild`].
//! Source: Kafka `Cleaner#shouldRetainRecord`, `MemoryRecords#filterTo`.
use std::sync::Arc;

use crate::base::Bytes;
use crate::log::compact::keys::NewestPerKey;
use crate::log::compact::transactions::{MarkFate, Transactions};
use crate::model::Offset;
use crate::record::{BatchBuilder, ControlRecord, Header, Records, Row};

/// A mark is some twenty bytes; nobody compresses it well.
const MARK_BYTES_MAX: usize = 64 << 10;
/// Keys shown in a report, and characters of each.
const SAMPLE_KEYS_MAX: usize = 10;
const SAMPLE_CHARS_MAX: usize = 64;

/// A step's work with one batch.
///
/// Errors: a sentence about the batch.
pub trait Step: Send + 'static {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String>;
}

fn decode(bytes: &Bytes, max: usize) -> Result<Records, String> {
    Records::decode(bytes, max).map_err(|error| error.to_string())
}

/// The mark in a control batch; `None` for one that was emptied.
pub fn mark_in(header: &Header, bytes: &Bytes) -> Result<Option<ControlRecord>, String> {
    if header.record_count <= 0 {
        return Ok(None);
    }
    Ok(ControlRecord::of(&decode(bytes, MARK_BYTES_MAX)?))
}

/// Records of a batch of data.
pub fn data_count(header: &Header) -> usize {
    if header.is_control() { 0 } else { header.record_count.max(0) as usize }
}

/// A tombstone that no reader waits for any more (KIP-534).
pub fn is_expired(header: &Header, row: &Row, now_ms: i64) -> bool {
    row.value.is_null() && header.delete_horizon_ms().is_some_and(|horizon| horizon <= now_ms)
}

/// Which records of one segment go: a bit for each record of data, in order.
#[derive(Debug, Default)]
pub struct Marks {
    bits: Vec<u64>,
    /// Records that go, aborted ones included.
    pub dropped: u64,
    pub dropped_tombstones: u64,
    /// Something in the segment changes.
    pub changes: bool,
}

impl Marks {
    /// For a segment with so many records of data.
    pub fn new(records: u64) -> Self {
        Self { bits: vec![0; records.div_ceil(64) as usize], ..Self::default() }
    }

    /// Marks a record; false when it was marked already.
    pub fn set(&mut self, bit: usize, is_tombstone: bool) -> bool {
        let (word, mask) = (bit / 64, 1 << (bit % 64));
        if self.bits[word] & mask != 0 {
            return false;
        }
        self.bits[word] |= mask;
        self.changes = true;
        self.dropped += 1;
        self.dropped_tombstones += u64::from(is_tombstone);
        true
    }

    /// Marks the records of an aborted transaction.
    pub fn set_all(&mut self, bits: std::ops::Range<usize>) {
        for bit in bits {
            self.set(bit, false);
        }
    }

    pub fn is_set(&self, bit: usize) -> bool {
        self.bits[bit / 64] & 1 << (bit % 64) != 0
    }

    /// Whether a batch, whose first record has this bit, keeps a tombstone without a horizon.
    pub fn needs_horizon(&self, records: &Records, first: usize) -> bool {
        let mut rows = records.rows.iter().enumerate();
        records.header.delete_horizon_ms().is_none()
            && rows.any(|(index, row)| row.value.is_null() && !self.is_set(first + index))
    }
}

/// First step: what there is.
#[derive(Default)]
pub struct Survey {
    pub now_ms: i64,
    pub transactions: Transactions,
    /// Of the segment that is looked through.
    pub records: u64,
    pub data_records: u64,
    pub marks_change: bool,
    pub marks_dropped: u64,
}

impl Step for Survey {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        self.records += header.record_count.max(0) as u64;
        self.data_records += data_count(header) as u64;
        if header.is_control() {
            let Some(mark) = mark_in(header, bytes)? else { return Ok(()) };
            let fate = self.transactions.note_mark(header, mark.kind, self.now_ms);
            self.marks_change |= fate.is_some();
            self.marks_dropped += u64::from(fate == Some(MarkFate::Drop));
        } else if header.is_transactional() {
            self.transactions.note_data(header);
        }
        Ok(())
    }
}

/// Second step: the newest record of each key of the dirty part.
pub struct Observe {
    pub keys: NewestPerKey,
    pub transactions: Arc<Transactions>,
    pub first_dirty: Offset,
    pub bytes_max: usize,
}

impl Step for Observe {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        if data_count(header) == 0
            || header.next_offset() <= self.first_dirty
            || self.transactions.is_aborted(header)
        {
            return Ok(());
        }
        let records = decode(bytes, self.bytes_max)?;
        for row in &records.rows {
            if let Some(key) = records.key(row) {
                self.keys.observe(key, row.offset);
            }
        }
        Ok(())
    }
}

/// Third step: which records go.
pub struct Mark {
    pub keys: NewestPerKey,
    pub transactions: Arc<Transactions>,
    pub now_ms: i64,
    pub bytes_max: usize,
    /// Of the segment that is looked through: its marks, and the bit of the next record.
    pub marks: Marks,
    pub bit: usize,
    pub samples: Vec<String>,
}

impl Step for Mark {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        let first = self.bit;
        self.bit += data_count(header);
        if data_count(header) == 0 {
            return Ok(());
        }
        if self.transactions.is_aborted(header) {
            self.marks.set_all(first..self.bit);
            return Ok(());
        }
        let records = decode(bytes, self.bytes_max)?;
        for (index, row) in records.rows.iter().enumerate() {
            let goes = is_expired(header, row, self.now_ms)
                || match records.key(row) {
                    None => true,
                    Some(key) => self.keys.is_newer_known(key, row.offset),
                };
            if goes && self.marks.set(first + index, row.value.is_null()) {
                sample(&mut self.samples, records.key(row));
            }
        }
        self.marks.changes |= self.marks.needs_horizon(&records, first);
        Ok(())
    }
}

/// Takes one of the keys that go into a report.
pub fn sample(samples: &mut Vec<String>, key: Option<&[u8]>) {
    let Some(key) = key.filter(|_| samples.len() < SAMPLE_KEYS_MAX) else { return };
    let text: String = String::from_utf8_lossy(key).chars().take(SAMPLE_CHARS_MAX).collect();
    if !samples.contains(&text) {
        samples.push(text);
    }
}

/// What becomes of one batch.
pub enum Kept {
    /// These bytes: as they were, or built again.
    Batch(Header, Bytes),
    /// Nothing, unless something hangs on the batch itself.
    Nothing(Header),
}

/// Last step: the batches as they will be.
pub struct Rebuild {
    pub transactions: Arc<Transactions>,
    pub now_ms: i64,
    pub delete_retention_ms: i64,
    pub bytes_max: usize,
    /// Batches that end behind it stay as they are.
    pub end: Offset,
    /// Of the segment that is rewritten: its marks, and the bit of the next record.
    pub marks: Marks,
    pub bit: usize,
    /// What came of the batches since somebody took it.
    pub kept: Vec<Kept>,
    pub kept_tombstones: u64,
}

impl Rebuild {
    fn horizon_ms(&self) -> i64 {
        self.now_ms.saturating_add(self.delete_retention_ms)
    }

    fn control(&self, header: &Header, bytes: &Bytes) -> Result<Kept, String> {
        if header.record_count <= 0 {
            return Ok(Kept::Nothing(*header));
        }
        match self.transactions.fate(header) {
            None => Ok(Kept::Batch(*header, bytes.clone())),
            Some(MarkFate::Drop) => Ok(Kept::Nothing(*header)),
            Some(MarkFate::Stamp) => {
                let records = decode(bytes, MARK_BYTES_MAX)?;
                build(&records, records.rows.iter(), Some(self.horizon_ms()))
            }
        }
    }

    fn data(&mut self, header: &Header, bytes: &Bytes) -> Result<Kept, String> {
        let first = self.bit;
        let count = data_count(header);
        self.bit += count;
        if count == 0 {
            return Ok(Kept::Nothing(*header));
        }
        if !self.marks.changes || self.end < header.next_offset() {
            return Ok(Kept::Batch(*header, bytes.clone()));
        }
        let goes = (first..self.bit).filter(|bit| self.marks.is_set(*bit)).count();
        if goes == count {
            return Ok(Kept::Nothing(*header));
        }
        let records = decode(bytes, self.bytes_max)?;
        let rows = records.rows.iter().enumerate();
        let stays = rows.filter(|(index, _)| !self.marks.is_set(first + index)).map(|(_, row)| row);
        let tombstones = stays.clone().filter(|row| row.value.is_null()).count() as u64;
        let needs_horizon = self.marks.needs_horizon(&records, first);
        let kept = if goes == 0 && !needs_horizon {
            Kept::Batch(*header, bytes.clone())
        } else {
            build(&records, stays, needs_horizon.then(|| self.horizon_ms()))?
        };
        self.kept_tombstones += tombstones;
        Ok(kept)
    }
}

impl Step for Rebuild {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        let kept = match header.is_control() {
            true => self.control(header, bytes)?,
            false => self.data(header, bytes)?,
        };
        self.kept.push(kept);
        Ok(())
    }
}

fn build<'a>(
    records: &Records,
    rows: impl Iterator<Item = &'a Row>,
    horizon_ms: Option<i64>,
) -> Result<Kept, String> {
    let mut builder = BatchBuilder::like(&records.header, horizon_ms);
    for row in rows {
        builder.push_row(records, row).map_err(|error| error.to_string())?;
    }
    let bytes = builder.finish().map_err(|error| error.to_string())?;
    let header = Header::decode(&bytes).expect("a builder's batch has a header");
    Ok(Kept::Batch(header, bytes))
}
