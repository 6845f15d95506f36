//! Producer state in Kafka's `.snapshot` format.
//!
//! Owns: the bytes. A producer has as many entries as its window holds batches, oldest first:
//! Kafka's own reader lets the last entry win, and ours gets the whole window back.
//! Invariant: a damaged file gives `None`, never a wrong state.
//! Source: Kafka `ProducerStateManager`, `ProducerSnapshot.json`.
use std::collections::VecDeque;

use crate::base::crc32c;
use crate::log::producers::{ProducerEntry, Producers, Seen, WINDOW_BATCHES_MAX};
use crate::model::{Offset, ProducerEpoch, ProducerId};
use crate::record::sequence_plus;

const VERSION: i16 = 1;
const HEAD_BYTES: usize = 6;
const ENTRY_BYTES: usize = 46;

pub fn encode(producers: &Producers) -> Vec<u8> {
    let mut rows = Vec::new();
    for (id, entry) in &producers.entries {
        if entry.window.is_empty() {
            rows.push((*id, entry, None));
        }
        rows.extend(entry.window.iter().map(|seen| (*id, entry, Some(*seen))));
    }
    let mut out = Vec::with_capacity(HEAD_BYTES + 4 + rows.len() * ENTRY_BYTES);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(rows.len() as i32).to_be_bytes());
    for (id, entry, seen) in rows {
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
    let crc = crc32c(&out[HEAD_BYTES..]);
    out[2..HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
    out
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
        let entry = producers.entries.entry(id).or_insert_with(|| ProducerEntry {
            epoch,
            window: VecDeque::new(),
            coordinator_epoch,
            txn_first: None,
            last_timestamp: timestamp,
            touched_ms: now_ms,
        });
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
