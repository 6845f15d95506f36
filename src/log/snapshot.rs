//! Producer state in Kafka's `.snapshot` format.
//!
//! Owns: the bytes. A producer has as many entries as its window holds batches, oldest first:
//! Kafka's own reader lets the last entry win, and ours gets the whole window back.
//! Leaves to others: when, and making it durable (`closing`, `settle`).
//! Invariant: a damaged file gives `None`, never a wrong state; a large one is written in pieces,
//! so that other tasks of the shard run in between.
//! Start reading at: [`write`].
//! Source: Kafka `ProducerStateManager`, `ProducerSnapshot.json`.
use std::collections::VecDeque;

use crate::base::{Bytes, crc32c, crc32c_append};
use crate::env::{File, OpenHow};
use crate::log::DiskError;
use crate::log::disk::Files;
use crate::log::producers::{ProducerEntry, Producers, ProducersView, Seen, WINDOW_BATCHES_MAX};
use crate::model::{Offset, ProducerEpoch, ProducerId};
use crate::record::sequence_plus;

const VERSION: i16 = 1;
const HEAD_BYTES: usize = 6;
/// The head and the number of rows.
const ROWS_FROM: usize = HEAD_BYTES + 4;
const ENTRY_BYTES: usize = 46;
/// Chunks of producers that become bytes at once: two hundred KiB at most.
const PIECE_CHUNKS: usize = 16;

/// Makes a file hold this snapshot; nothing is durable, and after a crash it may be damaged.
pub async fn write(files: &Files, path: &str, view: &ProducersView) -> Result<File, DiskError> {
    let file = files.open(path, OpenHow::Create).await?;
    let mut pieces = Pieces::of(view);
    let mut at = ROWS_FROM as u64;
    let mut last = pieces.piece().unwrap_or_default();
    while let Some(piece) = pieces.piece() {
        let (before, from) = (std::mem::replace(&mut last, piece), at);
        at += before.len() as u64;
        files.write(&file, path, from, vec![Bytes::from(before)]).await?;
    }
    let (from, rest) = (at, Bytes::from(last));
    let end = from + rest.len() as u64;
    let head = pieces.head();
    if from == ROWS_FROM as u64 {
        files.write(&file, path, 0, vec![head, rest]).await?;
    } else {
        files.write(&file, path, from, vec![rest]).await?;
        files.write(&file, path, 0, vec![head]).await?;
    }
    files.truncate(&file, path, end).await?;
    Ok(file)
}

/// The rows of a snapshot, bit by bit, and then its head.
pub struct Pieces<'a> {
    chunks: Box<dyn Iterator<Item = &'a [(ProducerId, ProducerEntry)]> + 'a>,
    rows: usize,
    /// Of the number of rows and those rows that were given.
    crc: u32,
}

impl<'a> Pieces<'a> {
    pub fn of(view: &'a ProducersView) -> Self {
        let crc = crc32c(&(view.rows as i32).to_be_bytes());
        Self { chunks: Box::new(view.entries.chunks()), rows: view.rows, crc }
    }

    /// The next rows; `None` after the last.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for chunk in self.chunks.by_ref().take(PIECE_CHUNKS) {
            for (id, entry) in chunk {
                if entry.window.is_empty() {
                    push_row(&mut out, *id, entry, None);
                }
                entry.window.iter().for_each(|seen| push_row(&mut out, *id, entry, Some(seen)));
            }
        }
        self.crc = crc32c_append(self.crc, &out);
        (!out.is_empty()).then_some(out)
    }

    /// What stands before the rows, when all were given.
    pub fn head(&self) -> Bytes {
        let mut out = Vec::with_capacity(ROWS_FROM);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.crc.to_be_bytes());
        out.extend_from_slice(&(self.rows as i32).to_be_bytes());
        Bytes::from(out)
    }
}

fn push_row(out: &mut Vec<u8>, id: ProducerId, entry: &ProducerEntry, seen: Option<&Seen>) {
    let (last_sequence, last_offset, delta, timestamp) = seen
        .map_or((-1, -1, 0, entry.last_timestamp), |seen| {
            (seen.last_sequence, seen.last_offset.0, seen.offset_delta, seen.timestamp)
        });
    out.extend_from_slice(&id.0.to_be_bytes());
    out.extend_from_slice(&entry.epoch.0.to_be_bytes());
    out.extend_from_slice(&last_sequence.to_be_bytes());
    out.extend_from_slice(&last_offset.to_be_bytes());
    out.extend_from_slice(&delta.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
    out.extend_from_slice(&entry.txn_first.map_or(-1, |first| first.0).to_be_bytes());
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

pub fn decode(bytes: &[u8], now_ms: i64) -> Option<Producers> {
    if i16::from_be_bytes(field(bytes, 0)?) != VERSION {
        return None;
    }
    let rest = bytes.get(HEAD_BYTES..)?;
    if u32::from_be_bytes(field(bytes, 2)?) != crc32c(rest) {
        return None;
    }
    let count = usize::try_from(i32::from_be_bytes(field(rest, 0)?)).ok()?;
    let rows = rest.get(4..)?;
    if rows.len() != count.checked_mul(ENTRY_BYTES)? {
        return None;
    }
    let mut producers = Producers::default();
    for row in rows.chunks_exact(ENTRY_BYTES) {
        let id = ProducerId(i64::from_be_bytes(field(row, 0)?));
        let epoch = ProducerEpoch(i16::from_be_bytes(field(row, 8)?));
        let last_sequence = i32::from_be_bytes(field(row, 10)?);
        let last_offset = Offset(i64::from_be_bytes(field(row, 14)?));
        let offset_delta = i32::from_be_bytes(field(row, 22)?);
        let timestamp = i64::from_be_bytes(field(row, 26)?);
        let coordinator_epoch = i32::from_be_bytes(field(row, 34)?);
        let txn_first = i64::from_be_bytes(field(row, 38)?);
        let make = || ProducerEntry {
            epoch,
            window: VecDeque::new(),
            coordinator_epoch,
            txn_first: None,
            last_timestamp: timestamp,
            touched_ms: now_ms,
        };
        producers.change(id, make, |entry| {
            if entry.epoch != epoch {
                entry.epoch = epoch;
                entry.window.clear();
            }
            entry.coordinator_epoch = coordinator_epoch;
            entry.txn_first = (0 <= txn_first).then_some(Offset(txn_first));
            entry.last_timestamp = timestamp;
            if 0 <= last_sequence && 0 <= last_offset.0 && 0 <= offset_delta {
                if entry.window.len() == WINDOW_BATCHES_MAX {
                    entry.window.pop_front();
                }
                let first_sequence = sequence_minus(last_sequence, offset_delta);
                entry.window.push_back(Seen {
                    first_sequence,
                    last_sequence,
                    last_offset,
                    offset_delta,
                    timestamp,
                });
            }
        });
    }
    Some(producers)
}

/// The inverse of [`sequence_plus`]: goes back over the wrap from 0 to the largest number.
fn sequence_minus(sequence: i32, count: i32) -> i32 {
    let first = i64::from(sequence) - i64::from(count);
    let first = if first < 0 { first + i64::from(i32::MAX) + 1 } else { first };
    debug_assert_eq!(sequence_plus(first as i32, count), sequence);
    first as i32
}
