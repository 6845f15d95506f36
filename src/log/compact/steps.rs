//! What a pass does with each batch: plain functions over bytes, run on workers.
//!
//! Owns: looking through (transactions, counts, spans), noting the newest of each key, marking
//! what goes by Kafka's rule, building what stays.
//! Leaves to others: reading, writing and the order of the steps (`walk`, `rewrite`); policies
//! (`show`).
//! Invariant: nothing here waits, and memory is one batch and what comes of one chunk.
//! Start reading at: [`Survey`], then [`Observe`], [`Mark`], [`Rebuild`].
//! Source: Kafka `Cleaner#shouldRetainRecord`, `MemoryRecords#filterTo`.
use std::ops::Range;
use std::sync::Arc;

use crate::base::Bytes;
use crate::log::compact::keys::{KeyHash, NewestPerKey};
use crate::log::compact::marks::Marks;
use crate::log::compact::transactions::{MarkFate, Transactions};
use crate::log::compact::walk::Track;
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

    /// Nothing more need be shown: the walk ends behind this batch.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether others should have the worker before the next batch.
    fn rests(&mut self) -> bool {
        false
    }
}

/// The records of a batch whose checksum holds; `None`: it cannot be unpacked, or not within so
/// much memory. That is no damage: a topic takes such batches as long as nobody looks into them,
/// and may be compacted later. They stay as they are.
pub fn unpack(bytes: &Bytes, max: usize) -> Option<Records> {
    Records::decode(bytes, max).ok()
}

/// The mark in a control batch; `None` for one that was emptied.
pub fn mark_in(header: &Header, bytes: &Bytes) -> Result<Option<ControlRecord>, String> {
    if header.record_count <= 0 {
        return Ok(None);
    }
    let records = Records::decode(bytes, MARK_BYTES_MAX).map_err(|error| error.to_string())?;
    Ok(ControlRecord::of(&records))
}

/// Records of a batch.
pub fn count(header: &Header) -> usize {
    header.record_count.max(0) as usize
}

/// Bits of a batch: one for each record, or one for all when nobody could hold so many.
fn bits_of(header: &Header, bytes_max: usize) -> usize {
    let records = count(header);
    if Records::rows_bytes(records) <= bytes_max { records } else { 1 }
}

/// The bits of the next batch of a span, whose first is `*next`; moves that behind it.
///
/// Errors: it has more records than the span had when it was looked through.
pub fn bits(
    marks: &Marks,
    next: &mut usize,
    header: &Header,
    bytes_max: usize,
) -> Result<Range<usize>, String> {
    let (first, all) = (*next, marks.tally.records);
    *next += bits_of(header, bytes_max);
    match *next as u64 <= all {
        true => Ok(first..*next),
        false => Err(format!("its part of the segment had {all} records a moment ago")),
    }
}

/// Whether a batch has records that are no marks of transactions.
pub fn has_data(header: &Header) -> bool {
    !header.is_control() && 0 < header.record_count
}

/// A tombstone that no reader waits for any more (KIP-534).
pub fn is_expired(header: &Header, row: &Row, now_ms: i64) -> bool {
    row.value.is_null() && has_expired(header, now_ms)
}

/// Whether the delete horizon of a batch is over.
pub fn has_expired(header: &Header, now_ms: i64) -> bool {
    header.delete_horizon_ms().is_some_and(|horizon| horizon <= now_ms)
}

/// First step: what there is, span by span.
pub struct Survey {
    pub now_ms: i64,
    pub bytes_max: usize,
    pub span_records_max: u64,
    pub transactions: Transactions,
    /// Spans that ended since somebody took them.
    pub spans: Vec<(Track, Marks)>,
    /// Batches without records since somebody took them, but for one at a segment's end.
    pub empty: Vec<Header>,
    pub last_empty: Option<Header>,
    /// The span that is looked through; it ends where its marks do.
    pub span: Track,
    pub marks: Marks,
    /// Where its next batch may begin.
    pub next: Offset,
}

impl Survey {
    pub fn end_segment(&mut self) {
        self.end_span();
        // A segment's end stays.
        self.last_empty = None;
    }

    fn end_span(&mut self) {
        if self.span.from < self.span.to {
            self.spans.push((self.span.clone(), std::mem::take(&mut self.marks)));
            (self.span.from, self.span.base) = (self.span.to, self.next);
        }
    }
}

impl Step for Survey {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        let bits = bits_of(header, self.bytes_max);
        if self.span_records_max < self.marks.tally.records + bits as u64 {
            self.end_span();
        }
        self.empty.extend(self.last_empty.take());
        if bits == 0 {
            self.last_empty = Some(*header);
        }
        self.span.to += bytes.len() as u64;
        self.next = header.next_offset();
        let bit = self.marks.push(header, bits);
        self.marks.tally.has_expired |= has_expired(header, self.now_ms);
        if header.is_control() {
            let Some(mark) = mark_in(header, bytes)? else { return Ok(()) };
            if let Some(fate) = self.transactions.note_mark(header, mark.kind, self.now_ms) {
                self.marks.set_control(bit, fate == MarkFate::Drop);
            }
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
        if !has_data(header)
            || header.next_offset() <= self.first_dirty
            || self.transactions.is_aborted(header)
        {
            return Ok(());
        }
        let Some(records) = unpack(bytes, self.bytes_max) else { return Ok(()) };
        for row in &records.rows {
            if let Some(key) = records.key(row) {
                self.keys.observe(KeyHash::of(Some(key)), row.offset);
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
    /// Of the span that is looked through: its marks, and the bit of the next record.
    pub marks: Marks,
    pub bit: usize,
    pub samples: Vec<String>,
    /// Batches so far that could not be unpacked. A tombstone behind one stays: its key may be in
    /// there.
    pub unseen: u64,
}

impl Step for Mark {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        let bits = bits(&self.marks, &mut self.bit, header, self.bytes_max)?;
        if !has_data(header) {
            return Ok(());
        }
        if self.transactions.is_aborted(header) {
            self.marks.set_all(bits);
            return Ok(());
        }
        let first = bits.start;
        let Some(records) = unpack(bytes, self.bytes_max) else {
            self.unseen += 1;
            return Ok(());
        };
        for (index, row) in records.rows.iter().enumerate() {
            let key = records.key(row);
            let goes = (self.unseen == 0 && is_expired(header, row, self.now_ms))
                || key.is_none()
                || self.keys.is_newer_known(KeyHash::of(key), row.offset);
            if goes && self.marks.set(first + index, row.value.is_null()) {
                sample(&mut self.samples, key);
            }
        }
        self.marks.tally.changes |= self.marks.needs_horizon(&records, first);
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
    pub now_ms: i64,
    pub delete_retention_ms: i64,
    pub bytes_max: usize,
    /// Of the span that is rewritten: its marks, and the bit of the next record.
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

    fn control(&self, header: &Header, bytes: &Bytes, bit: usize) -> Result<Kept, String> {
        if !self.marks.is_set(bit) {
            return Ok(Kept::Batch(*header, bytes.clone()));
        }
        if header.delete_horizon_ms().is_some() {
            return Ok(Kept::Nothing(*header));
        }
        let records = Records::decode(bytes, MARK_BYTES_MAX).map_err(|error| error.to_string())?;
        build(&records, records.rows.iter(), Some(self.horizon_ms()))
    }

    fn data(&mut self, header: &Header, bytes: &Bytes, bits: Range<usize>) -> Result<Kept, String> {
        let (first, all) = (bits.start, bits.len());
        let goes = bits.filter(|bit| self.marks.is_set(*bit)).count();
        if goes == all {
            return Ok(Kept::Nothing(*header));
        }
        let Some(records) = unpack(bytes, self.bytes_max) else {
            return Ok(Kept::Batch(*header, bytes.clone()));
        };
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
        let kept = if count(header) == 0 {
            Kept::Nothing(*header)
        } else if !self.marks.tally.changes {
            Kept::Batch(*header, bytes.clone())
        } else {
            let bits = bits(&self.marks, &mut self.bit, header, self.bytes_max)?;
            match header.is_control() {
                true => self.control(header, bytes, bits.start)?,
                false => self.data(header, bytes, bits)?,
            }
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
