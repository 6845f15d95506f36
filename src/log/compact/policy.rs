//! What a compaction policy must answer; Kafka's own rule is built in and needs none.
//!
//! Owns: the interface. Leaves to others: plugins behind it (`plugin`, bound by the shard), which
//! records are shown (`by_policy`, `show`).
//! Invariant: whatever a policy answers, the host's own rules hold (see [`crate::log`] compaction).
//! Start reading at: [`PolicySource`], then [`CompactionPolicy`].
use std::sync::Arc;

use crate::model::Offset;
use crate::record::Records;

/// What the first part of a round shows to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It is skipped.
    Nothing,
    /// Records of batches that end behind the first dirty offset.
    Dirty,
    /// All records, clean and dirty, of keys that occur in the dirty part, or of which a tombstone
    /// is past its delete horizon; the second part shows these alone, too.
    All,
}

/// A policy gave no usable answer; everything is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    pub message: String,
}

/// A batch, or what a round shows of it, as a policy sees it.
#[derive(Clone, Debug)]
pub struct PassBatch {
    pub records: Arc<Records>,
    /// Per row: a tombstone past its delete horizon. It goes only if the policy drops it too.
    pub expired_tombstones: Vec<bool>,
}

/// Makes the instances of one pass: a new one for each range of key hashes.
pub trait PolicySource: Send + Sync {
    /// Blocks: called on workers only. After an error the pass is over.
    fn open(&self) -> Result<Box<dyn CompactionPolicy>, PolicyError>;
}

/// Decides over the records of one round: first it looks, then it names what may go.
///
/// Each call blocks: they are made on workers only, and so is the end of an instance.
pub trait CompactionPolicy: Send {
    fn scope(&self) -> Scope;

    /// Looks at one batch; false: its memory is full. It is asked nothing more then, and another
    /// instance is shown fewer keys.
    fn observe(&mut self, batch: &PassBatch) -> Result<bool, PolicyError>;

    /// Between the two parts; `end`: the pass shows nothing from there on.
    fn finish(&mut self, end: Offset) -> Result<(), PolicyError>;

    /// Rows of one batch that may go.
    fn drops(&mut self, batch: &PassBatch) -> Result<Vec<u32>, PolicyError>;

    /// Run time of its calls so far.
    fn spent_ns(&self) -> u64;
}
