//! Gathers the batches of one read out of a segment's file, piece by piece.
//!
//! Owns: batch boundaries by headers alone, the byte limit, slices of pieces without a copy.
//! Leaves to others: where a piece comes from (`cold`), which segment (`read`).
//! Invariant: pieces continue each other, so no byte is read twice; what goes out is whole batches.
//! Start reading at: [`Gather::run`].
use crate::base::{Bytes, pins_much};
use crate::log::Log;
use crate::log::cold::Piece;
use crate::log::read::{FirstBatch, ReadError, View};
use crate::model::Offset;
use crate::record::{HEADER_BYTES, Header, batch_head};

/// Smallest read from a file: smaller ones cost the same.
const READ_BYTES_MIN: usize = 16 << 10;

/// What a read wants of a log.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub from: Offset,
    pub bytes_max: usize,
    pub first: FirstBatch,
    /// Nothing at or behind it.
    pub upper: Offset,
}

/// Whole batches that lie behind one another in a file.
pub struct Gathered {
    pub slices: Vec<Bytes>,
    /// The offset that follows, and the byte at which it begins.
    pub next: Offset,
    pub position: u64,
    /// The byte limit or the end of the segment cut it short: there is more below `upper`.
    pub more: bool,
}

pub struct Gather<'a> {
    log: &'a Log,
    view: &'a View,
    wanted: Wanted,
    /// With the position of each in the file.
    pieces: Vec<(u64, Piece)>,
}

/// A part of what was read; a small one does not keep all of it in memory.
fn part(piece: &Piece, range: std::ops::Range<usize>) -> Bytes {
    if !piece.shared && pins_much(range.len(), piece.bytes.len()) {
        return Bytes::copy_from_slice(&piece.bytes[range]);
    }
    piece.bytes.slice(range)
}

fn end_of(piece: &(u64, Piece)) -> u64 {
    piece.0 + piece.1.bytes.len() as u64
}

impl<'a> Gather<'a> {
    pub fn new(log: &'a Log, view: &'a View, wanted: Wanted) -> Self {
        Self { log, view, wanted, pieces: Vec::new() }
    }

    /// The batches wanted; `None` when the segment has nothing at or behind `from`.
    pub async fn run(mut self) -> Result<Option<Gathered>, ReadError> {
        let Wanted { from, bytes_max, first, upper } = self.wanted;
        let mut at = self.view.position;
        let (mut begin, mut next) = (None, from);
        let mut more = None;
        while at < self.view.bytes {
            let taken = begin.map_or(0, |begin| (at - begin) as usize);
            let left = bytes_max.saturating_sub(taken);
            if begin.is_some() && left < HEADER_BYTES {
                more = Some(true);
                break;
            }
            let (header, total) = self.head(at, left).await?;
            if header.last_offset() < from {
                at += total;
                continue;
            }
            if upper <= header.last_offset() {
                more = Some(false);
                break;
            }
            if (left as u64) < total && (begin.is_some() || first == FirstBatch::IfItFits) {
                more = Some(true);
                break;
            }
            self.cover(at, at + total, at, left).await?;
            begin.get_or_insert(at);
            at += total;
            next = header.next_offset();
            if upper <= next {
                break;
            }
        }
        if begin.is_none() && more.is_none() {
            return Ok(None);
        }
        let slices = begin.map_or_else(Vec::new, |begin| self.slices(begin, at));
        let more = more.unwrap_or(next < upper);
        Ok(Some(Gathered { slices, next, position: at, more }))
    }

    /// Header and size of the batch that begins at `at`.
    async fn head(&mut self, at: u64, want: usize) -> Result<(Header, u64), ReadError> {
        let end = at + HEADER_BYTES as u64;
        self.cover(at, end, at, want).await?;
        let mut head = [0; HEADER_BYTES];
        let mut filled = 0;
        for (from, Piece { bytes: piece, .. }) in &self.pieces {
            let here = at + filled as u64;
            let skip = (here.saturating_sub(*from) as usize).min(piece.len());
            let part = (piece.len() - skip).min(HEADER_BYTES - filled);
            head[filled..filled + part].copy_from_slice(&piece[skip..skip + part]);
            filled += part;
        }
        let corrupt = |why| self.corrupt(at, why);
        let (header, total) = batch_head(&head).map_err(corrupt)?.expect("a whole header");
        let total = total as u64;
        if self.view.bytes - at < total {
            return Err(self.corrupt(at, "the file ends inside a batch"));
        }
        Ok((header, total))
    }

    /// End of what is read without a gap from `at` on.
    fn covered_end(&self, at: u64) -> u64 {
        self.pieces.last().map_or(at, |last| end_of(last).max(at))
    }

    /// Reads until the pieces hold `at..end`, in a batch that begins at `batch`.
    async fn cover(&mut self, at: u64, end: u64, batch: u64, want: usize) -> Result<(), ReadError> {
        if self.view.bytes < end {
            return Err(self.corrupt(batch, "the file ends inside a batch"));
        }
        // What was skipped needs no reading.
        if self.pieces.last().is_some_and(|last| end_of(last) < at) {
            self.pieces.clear();
        }
        let mut covered = self.covered_end(at);
        while covered < end {
            // The limit counts from the batch's start; what is here of it is here.
            let rest = (batch + want as u64).saturating_sub(covered) as usize;
            let want = rest.max((end - covered) as usize).max(READ_BYTES_MIN);
            let piece = self.log.piece(self.view, covered, want).await?;
            if piece.bytes.is_empty() {
                return Err(self.corrupt(batch, "the file ends inside a batch"));
            }
            let from = covered;
            covered += piece.bytes.len() as u64;
            self.pieces.push((from, piece));
        }
        Ok(())
    }

    /// The bytes of the file from `begin` to `end`, all of which are here.
    fn slices(&self, begin: u64, end: u64) -> Vec<Bytes> {
        let mut slices = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let (low, high) = (begin.max(piece.0), end.min(end_of(piece)));
            if low < high {
                let range = (low - piece.0) as usize..(high - piece.0) as usize;
                slices.push(part(&piece.1, range));
            }
        }
        slices
    }

    fn corrupt(&self, position: u64, why: &'static str) -> ReadError {
        ReadError::Corrupt { path: self.view.path.clone(), position, why }
    }
}
