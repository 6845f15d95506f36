//! What is known of the idempotent producers of one partition (KIP-98).
//!
//! Owns: the window of five batches per producer, sequence and epoch rules, expiry.
//! Leaves to others: the snapshot's bytes (`snapshot`), who may write (`api`).
//! Invariant: the state equals what replaying the log's batches gives.
//! Start reading at: [`Producers::check`].
//! Source: Kafka `ProducerAppendInfo`, `ProducerStateEntry`.
use std::collections::{BTreeMap, VecDeque};

use crate::model::{ErrorCode, Offset, ProducerEpoch, ProducerId};
use crate::record::{ControlRecord, Header};

/// Batches remembered per producer: as many as a client may have in flight.
pub const WINDOW_BATCHES_MAX: usize = 5;

/// One batch that a producer wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl Seen {
    pub fn base_offset(&self) -> Offset {
        Offset(self.last_offset.0 - i64::from(self.offset_delta))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    pub epoch: ProducerEpoch,
    /// Oldest first.
    pub window: VecDeque<Seen>,
    pub coordinator_epoch: i32,
    /// First offset of the transaction that is open; only in logs that others wrote.
    pub txn_first: Option<Offset>,
    pub last_timestamp: i64,
    /// At the last append, or when the log was opened: expiry counts from here, by the clock that
    /// never jumps.
    pub touched_ms: i64,
}

/// What to do with a batch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Append,
    /// It is in the log already.
    Duplicate(Seen),
}

/// Why a producer's batch cannot follow its earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    #[error("producer {producer} has epoch {epoch}, a newer one has {current}")]
    StaleEpoch { producer: ProducerId, epoch: ProducerEpoch, current: ProducerEpoch },
    #[error("producer {producer} sent sequence {sequence}, expected {expected}")]
    OutOfOrder { producer: ProducerId, sequence: i32, expected: i32 },
}

impl From<&SequenceError> for ErrorCode {
    fn from(error: &SequenceError) -> Self {
        match error {
            SequenceError::StaleEpoch { .. } => Self::InvalidProducerEpoch,
            SequenceError::OutOfOrder { .. } => Self::OutOfOrderSequenceNumber,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    pub entries: BTreeMap<ProducerId, ProducerEntry>,
}

impl Producers {
    /// Holds a batch against the producer's window. Changes nothing.
    pub fn check(&self, header: &Header) -> Result<Verdict, SequenceError> {
        let Some(entry) = self.entries.get(&header.producer_id) else {
            return Ok(Verdict::Append);
        };
        let producer = header.producer_id;
        let (epoch, current) = (header.producer_epoch, entry.epoch);
        let (first, last) = (header.base_sequence, header.last_sequence());
        if epoch == current {
            let same = |seen: &&Seen| (seen.first_sequence, seen.last_sequence) == (first, last);
            if let Some(seen) = entry.window.iter().find(same) {
                return Ok(Verdict::Duplicate(*seen));
            }
        }
        if epoch < current {
            return Err(SequenceError::StaleEpoch { producer, epoch, current });
        }
        let expected = match entry.window.back() {
            Some(newest) if epoch == current => {
                crate::record::sequence_plus(newest.last_sequence, 1)
            }
            _ => 0,
        };
        if first != expected {
            return Err(SequenceError::OutOfOrder { producer, sequence: first, expected });
        }
        Ok(Verdict::Append)
    }

    /// Notes a batch that was given its place in the log.
    pub fn note(&mut self, header: &Header, now_ms: i64) {
        if !header.has_producer() {
            return;
        }
        let entry = self.entries.entry(header.producer_id).or_insert_with(|| ProducerEntry {
            epoch: header.producer_epoch,
            window: VecDeque::with_capacity(1),
            coordinator_epoch: -1,
            txn_first: None,
            last_timestamp: -1,
            touched_ms: now_ms,
        });
        if entry.epoch != header.producer_epoch {
            entry.epoch = header.producer_epoch;
            entry.window.clear();
        }
        entry.touched_ms = now_ms;
        entry.last_timestamp = header.max_timestamp;
        if header.is_control() {
            return;
        }
        if entry.window.len() == WINDOW_BATCHES_MAX {
            entry.window.pop_front();
        }
        entry.window.push_back(Seen {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        if header.is_transactional() && entry.txn_first.is_none() {
            entry.txn_first = Some(header.base_offset);
        }
    }

    /// Notes a batch found in the log; `mark` is the record of a control batch.
    pub fn replay(&mut self, header: &Header, mark: Option<ControlRecord>, now_ms: i64) {
        let known = self.entries.get(&header.producer_id).and_then(|entry| entry.window.back());
        // A snapshot may lie in the middle of what is replayed.
        if known.is_some_and(|seen| header.last_offset() <= seen.last_offset) {
            return;
        }
        self.note(header, now_ms);
        if let Some(mark) = mark
            && let Some(entry) = self.entries.get_mut(&header.producer_id)
        {
            entry.coordinator_epoch = mark.coordinator_epoch;
            entry.txn_first = None;
        }
    }

    /// Forgets producers that were silent for `silence_ms`, and the longest silent beyond `max`.
    pub fn expire(&mut self, now_ms: i64, silence_ms: i64, max: usize) {
        self.entries.retain(|_, entry| {
            entry.txn_first.is_some() || now_ms.saturating_sub(entry.touched_ms) < silence_ms
        });
        if self.entries.len() <= max {
            return;
        }
        // A sixteenth at once, so that the sort is paid rarely.
        let mut touched: Vec<i64> = self.entries.values().map(|entry| entry.touched_ms).collect();
        touched.sort_unstable();
        let surplus = self.entries.len() - max + max / 16;
        let limit = touched[surplus.min(touched.len()) - 1];
        let mut left = surplus;
        self.entries.retain(|_, entry| {
            let goes = 0 < left && entry.touched_ms <= limit && entry.txn_first.is_none();
            left -= usize::from(goes);
            !goes
        });
    }

    /// First offset of the oldest open transaction.
    pub fn first_unstable(&self) -> Option<Offset> {
        self.entries.values().filter_map(|entry| entry.txn_first).min()
    }

    /// Whether nothing before it can add to this state: no transaction is open, and every window
    /// is as full as it was. One batch that is not the producer's first may be all that Kafka kept
    /// of five.
    pub fn is_whole(&self) -> bool {
        self.entries.values().all(|entry| {
            let window = &entry.window;
            entry.txn_first.is_none() && (window.len() != 1 || window[0].first_sequence == 0)
        })
    }

    /// Largest producer id seen, so that ids given out later start above.
    pub fn largest_id(&self) -> Option<ProducerId> {
        self.entries.keys().next_back().copied()
    }
}
