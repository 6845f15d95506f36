//! What a pass does with each batch for a policy: on workers, like all `steps`.
//!
//! Owns: the set of keys that a policy decides, cutting a batch to what it is shown, asking it and
//! checking its answers.
//! Leaves to others: the order of rounds, what they do about a full memory (`by_policy`).
//! Invariant: a record outside of what is shown stays, unseen. After a failure, or when its memory
//! is full, a policy is asked nothing more.
//! Start reading at: [`Shown`], then [`Collect`], [`Look`], [`Name`].
use std::sync::Arc;

use crate::base::Bytes;
use crate::log::compact::keys::{HashRange, KeyHash, NewestPerKey};
use crate::log::compact::marks::Marks;
use crate::log::compact::policy::{CompactionPolicy, PassBatch, PolicyError};
use crate::log::compact::steps::{Step, bits, has_data, has_expired, is_expired, sample, unpack};
use crate::log::compact::transactions::Transactions;
use crate::model::Offset;
use crate::record::{Header, Records};

/// Run time of a policy after which others get its worker.
const TURN_NS: u64 = 100_000_000;

/// Which records a policy is shown.
pub struct Shown {
    pub range: HashRange,
    /// Keys that it decides; `None`: all of the range.
    pub keys: Option<NewestPerKey>,
}

impl Shown {
    pub const EVERYTHING: Self = Self { range: HashRange::ALL, keys: None };

    fn is_everything(&self) -> bool {
        self.keys.is_none() && self.range == HashRange::ALL
    }

    fn has(&self, hash: KeyHash) -> bool {
        self.range.covers(hash) && self.keys.as_ref().is_none_or(|keys| keys.knows(hash))
    }

    /// Cuts a batch to what is shown of it; says which of its records each row is.
    fn cut(&self, mut records: Records, now_ms: i64) -> (PassBatch, Vec<u32>) {
        let mut from: Vec<u32> = (0..records.rows.len() as u32).collect();
        if !self.is_everything() {
            let key = |row: &u32| KeyHash::of(records.key(&records.rows[*row as usize]));
            from.retain(|row| self.has(key(row)));
            let rows = from.iter().map(|row| records.rows[*row as usize]).collect();
            records.rows = rows;
        }
        let header = records.header;
        let expired = records.rows.iter().map(|row| is_expired(&header, row, now_ms));
        let expired_tombstones = expired.collect();
        (PassBatch { records: Arc::new(records), expired_tombstones }, from)
    }
}

/// Finds the keys that occur in the dirty part, or of which a tombstone is past its horizon.
pub struct Collect {
    pub keys: NewestPerKey,
    pub transactions: Arc<Transactions>,
    pub first_dirty: Offset,
    pub now_ms: i64,
    pub bytes_max: usize,
}

impl Step for Collect {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        let is_dirty = self.first_dirty < header.next_offset();
        if !has_data(header)
            || !(is_dirty || has_expired(header, self.now_ms))
            || self.transactions.is_aborted(header)
        {
            return Ok(());
        }
        let Some(records) = unpack(bytes, self.bytes_max) else { return Ok(()) };
        for row in &records.rows {
            if is_dirty || is_expired(header, row, self.now_ms) {
                self.keys.observe(KeyHash::of(records.key(row)), row.offset);
            }
        }
        Ok(())
    }
}

/// A policy at work, and what a round shows to it.
pub struct Watched {
    pub policy: Box<dyn CompactionPolicy>,
    pub shown: Shown,
    pub transactions: Arc<Transactions>,
    pub now_ms: i64,
    pub bytes_max: usize,
    /// Run time at its last rest.
    pub rested_ns: u64,
}

impl Watched {
    fn rests(&mut self) -> bool {
        let spent_ns = self.policy.spent_ns();
        let is_due = self.rested_ns.saturating_add(TURN_NS) < spent_ns;
        if is_due {
            self.rested_ns = spent_ns;
        }
        is_due
    }
}

/// Why the first part of a round ended early.
pub enum Early {
    /// The policy's memory is full; `one_key`: of records of a single key.
    Full {
        at: Offset,
        one_key: bool,
    },
    Failed(PolicyError),
}

/// First part of a round: the policy looks.
pub struct Look {
    pub watched: Watched,
    /// Batches that end there or before are not shown.
    pub from: Offset,
    /// Of the records that were shown.
    pub first_key: Option<KeyHash>,
    pub several_keys: bool,
    pub early: Option<Early>,
}

impl Look {
    pub fn new(watched: Watched, from: Offset) -> Self {
        Self { watched, from, first_key: None, several_keys: false, early: None }
    }

    fn note_keys(&mut self, records: &Records) {
        for row in &records.rows {
            if self.several_keys {
                return;
            }
            let key = KeyHash::of(records.key(row));
            self.several_keys = *self.first_key.get_or_insert(key) != key;
        }
    }
}

impl Step for Look {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        if !has_data(header)
            || header.next_offset() <= self.from
            || self.watched.transactions.is_aborted(header)
        {
            return Ok(());
        }
        let Some(records) = unpack(bytes, self.watched.bytes_max) else { return Ok(()) };
        let (batch, rows) = self.watched.shown.cut(records, self.watched.now_ms);
        if rows.is_empty() {
            return Ok(());
        }
        self.note_keys(&batch.records);
        self.early = match self.watched.policy.observe(&batch) {
            Ok(true) => None,
            Ok(false) => Some(Early::Full { at: header.base_offset, one_key: !self.several_keys }),
            Err(error) => Some(Early::Failed(error)),
        };
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.early.is_some()
    }

    fn rests(&mut self) -> bool {
        self.watched.rests()
    }
}

/// Second part of a round: the policy names what may go.
pub struct Name {
    pub watched: Watched,
    /// Of the span that is looked through: its marks, and the bit of the next record.
    pub marks: Marks,
    pub bit: usize,
    pub samples: Vec<String>,
    /// As in [`Mark`](crate::log::compact::steps::Mark).
    pub unseen: u64,
    pub failed: Option<PolicyError>,
}

impl Name {
    /// Marks what the policy lets go of a batch, within the host's own rules.
    fn ask(&mut self, batch: &PassBatch, rows: &[u32], first: usize) -> Result<(), PolicyError> {
        for row in self.watched.policy.drops(batch)? {
            let at = row as usize;
            let Some(from) = rows.get(at) else {
                let message = format!("row {row} of {}", rows.len());
                return Err(PolicyError { message });
            };
            // A tombstone goes when its time is over and the policy agrees, not before: a
            // reader that lags would never learn of the deletion.
            let row = &batch.records.rows[at];
            let is_tombstone = row.value.is_null();
            let is_over = self.unseen == 0 && batch.expired_tombstones[at];
            if (!is_tombstone || is_over) && self.marks.set(first + *from as usize, is_tombstone) {
                sample(&mut self.samples, batch.records.key(row));
            }
        }
        Ok(())
    }
}

impl Step for Name {
    fn batch(&mut self, header: &Header, bytes: &Bytes) -> Result<(), String> {
        let bits = bits(&self.marks, &mut self.bit, header, self.watched.bytes_max)?;
        if !has_data(header) {
            return Ok(());
        }
        // Batches of aborted transactions are nobody's business.
        if self.watched.transactions.is_aborted(header) {
            self.marks.set_all(bits);
            return Ok(());
        }
        let first = bits.start;
        let Some(records) = unpack(bytes, self.watched.bytes_max) else {
            self.unseen += 1;
            return Ok(());
        };
        self.marks.tally.changes |= self.marks.needs_horizon(&records, first);
        let (batch, rows) = self.watched.shown.cut(records, self.watched.now_ms);
        if !rows.is_empty() {
            self.failed = self.ask(&batch, &rows, first).err();
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.failed.is_some()
    }

    fn rests(&mut self) -> bool {
        self.watched.rests()
    }
}
