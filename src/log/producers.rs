//! What is known of the idempotent producers of one partition (KIP-98).
//!
//! Owns: the window of five batches per producer, sequence and epoch rules, expiry.
//! Leaves to others: the snapshot's bytes (`snapshot`), who may write (`api`).
//! Invariant: the state equals what replaying the log's batches gives; what an append or a reader
//! asks costs the same with a hundred thousand producers as with one.
//! Start reading at: [`Producers::check`].
//! Source: Kafka `ProducerAppendInfo`, `ProducerStateEntry`.
use std::collections::{BTreeSet, VecDeque};

use crate::env::Env;
use crate::log::chunks::Chunks;
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

/// What is known of the producers of a log.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    entries: Chunks<ProducerId, ProducerEntry>,
    /// Of a snapshot: a row per batch, or one for a producer without any.
    rows: usize,
    /// By the first offset of the transaction that is open.
    open: BTreeSet<(Offset, ProducerId)>,
    /// All others by their last touch: the longest silent first.
    silent: BTreeSet<(i64, ProducerId)>,
}

impl PartialEq for Producers {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Producers {}

/// What of an entry is kept in order, or counted, over all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Signs {
    rows: usize,
    txn_first: Option<Offset>,
    touched_ms: i64,
}

impl Signs {
    fn of(entry: &ProducerEntry) -> Self {
        let ProducerEntry { txn_first, touched_ms, .. } = *entry;
        Self { rows: entry.window.len().max(1), txn_first, touched_ms }
    }
}

/// The producers as they were at one moment, to be written down; made at once, however many.
#[derive(Clone, Debug)]
pub struct ProducersView {
    pub entries: Chunks<ProducerId, ProducerEntry>,
    pub rows: usize,
}

impl ProducersView {
    /// Drops it, on a worker when that takes its time.
    pub fn discard(self, env: &Env) {
        if DISCARDED_MIN <= self.entries.len() {
            env.discard(self);
        }
    }
}

/// Entries that are not freed on the shard.
const DISCARDED_MIN: usize = 1_000;

/// Producers forgotten at once: each append adds one at most, so these stay ahead.
const EXPIRED_AT_ONCE_MAX: usize = 16;

impl Producers {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&id)
    }

    /// What a snapshot of this moment says, whatever is appended while it is written.
    pub fn view(&self) -> ProducersView {
        ProducersView { entries: self.entries.clone(), rows: self.rows }
    }

    /// Drops all of it, on a worker when that takes its time.
    pub fn discard(self, env: &Env) {
        if DISCARDED_MIN <= self.entries.len() {
            env.discard(self);
        }
    }

    /// Changes an entry, which is made first if it is not there. All changes come through here.
    pub fn change(
        &mut self,
        id: ProducerId,
        make: impl FnOnce() -> ProducerEntry,
        change: impl FnOnce(&mut ProducerEntry),
    ) {
        let mut is_new = false;
        let entry = self.entries.change(id, || {
            is_new = true;
            make()
        });
        let before = (!is_new).then(|| Signs::of(entry));
        change(entry);
        let after = Signs::of(entry);
        if before != Some(after) {
            if let Some(before) = before {
                self.discount(id, before);
            }
            self.count(id, after);
        }
    }

    fn count(&mut self, id: ProducerId, signs: Signs) {
        self.rows += signs.rows;
        match signs.txn_first {
            Some(first) => self.open.insert((first, id)),
            None => self.silent.insert((signs.touched_ms, id)),
        };
    }

    fn discount(&mut self, id: ProducerId, signs: Signs) {
        self.rows -= signs.rows;
        match signs.txn_first {
            Some(first) => self.open.remove(&(first, id)),
            None => self.silent.remove(&(signs.touched_ms, id)),
        };
    }

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
        let make = || ProducerEntry {
            epoch: header.producer_epoch,
            window: VecDeque::with_capacity(1),
            coordinator_epoch: -1,
            txn_first: None,
            last_timestamp: -1,
            touched_ms: now_ms,
        };
        self.change(header.producer_id, make, |entry| entry.note(header, now_ms));
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
            && header.has_producer()
        {
            let noted = || unreachable!("just noted");
            self.change(header.producer_id, noted, |entry| {
                entry.coordinator_epoch = mark.coordinator_epoch;
                entry.txn_first = None;
            });
        }
    }

    /// Forgets producers that were silent for `silence_ms`, and the longest silent beyond `max`:
    /// some of them, the next call others. Who has an open transaction stays.
    pub fn expire(&mut self, now_ms: i64, silence_ms: i64, max: usize) {
        for _ in 0..EXPIRED_AT_ONCE_MAX {
            let Some(&(touched_ms, id)) = self.silent.first() else { return };
            let is_silent = silence_ms <= now_ms.saturating_sub(touched_ms);
            if !is_silent && self.entries.len() <= max {
                return;
            }
            if let Some(entry) = self.entries.remove(&id) {
                self.discount(id, Signs::of(&entry));
            }
        }
    }

    /// First offset of the oldest open transaction.
    pub fn first_unstable(&self) -> Option<Offset> {
        self.open.first().map(|(first, _)| *first)
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
        self.entries.last_key().copied()
    }
}

impl ProducerEntry {
    fn note(&mut self, header: &Header, now_ms: i64) {
        if self.epoch != header.producer_epoch {
            self.epoch = header.producer_epoch;
            self.window.clear();
        }
        self.touched_ms = now_ms;
        self.last_timestamp = header.max_timestamp;
        if header.is_control() {
            return;
        }
        if self.window.len() == WINDOW_BATCHES_MAX {
            self.window.pop_front();
        }
        self.window.push_back(Seen {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        if header.is_transactional() && self.txn_first.is_none() {
            self.txn_first = Some(header.base_offset);
        }
    }
}
