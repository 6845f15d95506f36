//! Which records of a pass go: a bit for each, within a bound of memory.
//!
//! Owns: spans (parts of segments whose marks are worked on at once), where their bits are: in
//! memory as long as they fit, else in a file beside the segments that ends with the pass.
//! Leaves to others: which records are marked (`steps`, `show`), what becomes of them (`rewrite`).
//! Invariant: memory is the share that was given, and one span, or one batch that has more
//! records; bits that come back from the disk are those that were written, or the pass ends.
//! Start reading at: [`MarkStore`].
use std::rc::Rc;

use crate::base::{Bytes, crc32c};
use crate::env::{File, OpenHow};
use crate::log::compact::CompactError;
use crate::log::compact::walk::Track;
use crate::log::disk::{DiskError, Files};
use crate::log::names::MARKS;
use crate::log::room::Room;
use crate::record::{Header, Records};

/// Largest span, in bytes of bits.
const SPAN_BYTES_MAX: usize = 128 << 10;

/// What is known of a span beside its bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub records: u64,
    /// Those of `records` that are no marks of transactions.
    pub data_records: u64,
    /// Records that go, aborted ones and marks of transactions included.
    pub dropped: u64,
    /// Those of `dropped` that are no marks of transactions.
    pub dropped_data: u64,
    pub dropped_tombstones: u64,
    /// Something in the span changes.
    pub changes: bool,
    /// It has a batch whose delete horizon is over.
    pub has_expired: bool,
}

/// The marks of one span: a bit for each record, in order.
#[derive(Debug, Default)]
pub struct Marks {
    bits: Vec<u8>,
    pub tally: Tally,
}

impl Marks {
    /// Adds the bits of the span's next batch, none of them marked; says the first one's number.
    pub fn push(&mut self, header: &Header, bits: usize) -> usize {
        let count = bits as u64;
        let first = self.tally.records;
        self.tally.records += count;
        self.tally.data_records += if header.is_control() { 0 } else { count };
        self.bits.resize(self.tally.records.div_ceil(8) as usize, 0);
        first as usize
    }

    fn mark(&mut self, bit: usize) -> bool {
        let (byte, mask) = (bit / 8, 1 << (bit % 8));
        let is_new = self.bits[byte] & mask == 0;
        self.bits[byte] |= mask;
        self.tally.changes = true;
        is_new
    }

    /// Marks a record of data; false when it was marked already.
    pub fn set(&mut self, bit: usize, is_tombstone: bool) -> bool {
        let is_new = self.mark(bit);
        self.tally.dropped += u64::from(is_new);
        self.tally.dropped_data += u64::from(is_new);
        self.tally.dropped_tombstones += u64::from(is_new && is_tombstone);
        is_new
    }

    /// Marks the records of an aborted transaction.
    pub fn set_all(&mut self, bits: std::ops::Range<usize>) {
        for bit in bits {
            self.set(bit, false);
        }
    }

    /// Marks a mark of a transaction, which goes or gets its delete horizon.
    pub fn set_control(&mut self, bit: usize, goes: bool) {
        self.mark(bit);
        self.tally.dropped += u64::from(goes);
    }

    pub fn is_set(&self, bit: usize) -> bool {
        self.bits[bit / 8] & 1 << (bit % 8) != 0
    }

    /// Whether a batch, whose first record has this bit, keeps a tombstone without a horizon.
    pub fn needs_horizon(&self, records: &Records, first: usize) -> bool {
        let mut rows = records.rows.iter().enumerate();
        records.header.delete_horizon_ms().is_none()
            && rows.any(|(index, row)| row.value.is_null() && !self.is_set(first + index))
    }
}

/// A part of a segment, and its marks.
pub struct Span {
    pub track: Track,
    pub tally: Tally,
    bits: Bits,
}

enum Bits {
    Here(Vec<u8>),
    /// In the file, from this byte on.
    Away {
        at: u64,
        bytes: usize,
        crc: u32,
    },
}

/// Where the bits of a pass are while nobody works on them.
pub struct MarkStore {
    files: Files,
    room: Rc<Room>,
    path: String,
    here_bytes: usize,
    here_bytes_max: usize,
    span_bytes_max: usize,
    away: Option<File>,
    away_bytes: u64,
}

impl MarkStore {
    /// For a pass over the segments in `dir`; `bytes`: its share of memory.
    pub fn new(files: &Files, room: &Rc<Room>, dir: &str, bytes: usize) -> Self {
        let span_bytes_max = (bytes / 4).clamp(1, SPAN_BYTES_MAX);
        Self {
            files: files.clone(),
            room: room.clone(),
            path: format!("{dir}/{MARKS}"),
            here_bytes: 0,
            here_bytes_max: bytes.saturating_sub(span_bytes_max),
            span_bytes_max,
            away: None,
            away_bytes: 0,
        }
    }

    /// Records of one span at most, unless one batch has more.
    pub fn span_records_max(&self) -> u64 {
        self.span_bytes_max as u64 * 8
    }

    /// Memory that marks take, the span in work included.
    pub fn bytes(&self) -> usize {
        self.here_bytes + if self.away.is_some() { self.span_bytes_max } else { 0 }
    }

    /// Takes the marks of a new span.
    pub async fn keep(&mut self, track: Track, marks: Marks) -> Result<Span, CompactError> {
        let Marks { mut bits, tally } = marks;
        bits.shrink_to_fit();
        if self.here_bytes + bits.len() <= self.here_bytes_max {
            self.here_bytes += bits.len();
            return Ok(Span { track, tally, bits: Bits::Here(bits) });
        }
        let (at, bytes, crc) = (self.away_bytes, bits.len(), crc32c(&bits));
        let promised = self.room.promise(bytes as u64).await;
        let no_room = |free_bytes| CompactError::NoRoom { bytes: bytes as u64, free_bytes };
        let _room = promised.map_err(no_room)?;
        self.write(at, bits).await?;
        self.away_bytes += bytes as u64;
        Ok(Span { track, tally, bits: Bits::Away { at, bytes, crc } })
    }

    /// Hands the marks of a span to somebody who works on them.
    pub async fn lend(&self, span: &mut Span) -> Result<Marks, CompactError> {
        let tally = span.tally;
        let bits = match &mut span.bits {
            Bits::Here(bits) => std::mem::take(bits),
            Bits::Away { at, bytes, crc } => {
                let file = self.away.as_ref().expect("something was written");
                let read = self.files.read(file, &self.path, *at, *bytes).await?;
                if read.len() != *bytes || crc32c(&read) != *crc {
                    return Err(CompactError::Marks { path: self.path.clone(), position: *at });
                }
                read.to_vec()
            }
        };
        Ok(Marks { bits, tally })
    }

    /// Takes them back.
    pub async fn give_back(&mut self, span: &mut Span, marks: Marks) -> Result<(), CompactError> {
        span.tally = marks.tally;
        let now = crc32c(&marks.bits);
        match &mut span.bits {
            Bits::Here(bits) => *bits = marks.bits,
            Bits::Away { crc, .. } if *crc == now => {}
            Bits::Away { at, crc, .. } => {
                *crc = now;
                let at = *at;
                self.write(at, marks.bits).await?;
            }
        }
        Ok(())
    }

    /// Removes the file, if there is one.
    pub async fn end(self) {
        if self.away.is_some() {
            // Should that fail, the next start does it.
            let _ = self.files.remove(&self.path).await;
        }
    }

    async fn write(&mut self, at: u64, bits: Vec<u8>) -> Result<(), DiskError> {
        if self.away.is_none() {
            let file = self.files.open(&self.path, OpenHow::Create).await?;
            self.files.truncate(&file, &self.path, 0).await?;
            self.away = Some(file);
        }
        let file = self.away.as_ref().expect("just made");
        self.files.write(file, &self.path, at, vec![Bytes::from(bits)]).await
    }
}
