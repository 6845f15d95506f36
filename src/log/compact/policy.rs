//! What a compaction policy must answer; Kafka's own rule is built in and needs none.
//!
//! Owns: the interface. Leaves to others: plugins behind it (`plugin`, bound by the shard).
//! Invariant: whatever a policy answers, the host's own rules hold (see [`crate::log`] compaction).
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::model::Offset;
use crate::record::Records;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What the first part of a pass shows to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It is skipped.
    Nothing,
    /// Batches that end behind the first dirty offset.
    Dirty,
    /// All batches of the pass.
    All,
}

/// A policy gave no usable answer; everything is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    pub message: String,
}

/// One batch as a policy sees it. `Send`, so that it can go to a worker.
#[derive(Clone, Debug)]
pub struct PassBatch {
    pub records: Arc<Records>,
    /// Per row: a tombstone past its delete horizon. It goes only if the policy drops it too.
    pub expired_tombstones: Vec<bool>,
}

/// Decides over the records of one pass: first it looks, then it names what may go.
pub trait CompactionPolicy {
    fn scope(&self) -> Scope;

    /// Looks at one batch; false: its memory is full, the pass ends before this batch.
    fn observe(&mut self, batch: Arc<PassBatch>) -> BoxFuture<'_, Result<bool, PolicyError>>;

    /// Between the two parts; `end`: first offset that was not shown and that stays.
    fn finish(&mut self, end: Offset) -> BoxFuture<'_, Result<(), PolicyError>>;

    /// Rows of one batch that may go.
    fn drops(&mut self, batch: Arc<PassBatch>) -> BoxFuture<'_, Result<Vec<u32>, PolicyError>>;
}
