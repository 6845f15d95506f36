//! The log start offset: what lies below it is gone for readers, whatever the files still hold.
//!
//! Owns: moving it by DeleteRecords, what `log-start-offset-checkpoint` must say of a log.
//! Leaves to others: removing files (`removal`), writing the checkpoint (the shard).
//! Invariant: it only ever rises and is never above the high watermark; before it is written down
//! everything below it is stable, so no log is shorter than its start after a crash.
//! Start reading at: [`Log::delete_records`].
//! Source: KIP-107; Kafka `UnifiedLog#maybeIncrementLogStartOffset`.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::log::checkpoint::CheckpointLine;
use crate::log::{DiskError, Life, Log, LogHost, LogPlace, add};
use crate::model::{ErrorCode, Offset, PartitionIndex};

/// Why records were not deleted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    #[error("offset {target} is not in 0..={high_watermark}")]
    OutOfRange { target: Offset, high_watermark: Offset },
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<&DeleteRecordsError> for ErrorCode {
    fn from(error: &DeleteRecordsError) -> Self {
        match error {
            DeleteRecordsError::OutOfRange { .. } => Self::OffsetOutOfRange,
            DeleteRecordsError::Closed => Self::NotLeaderOrFollower,
            DeleteRecordsError::Disk(error) => error.into(),
        }
    }
}

/// What a directory's checkpoint said at the start, by directory, topic and partition; each line
/// is taken when its log is opened.
#[derive(Clone, Default)]
pub(super) struct ListedStarts(Rc<RefCell<BTreeMap<(String, String, PartitionIndex), Offset>>>);

impl ListedStarts {
    pub fn take(&self, place: &LogPlace) -> Option<Offset> {
        let key = (place.dir.clone(), place.topic.clone(), place.partition);
        self.0.borrow_mut().remove(&key)
    }

    /// Gives a line back: the log was not opened.
    pub fn put(&self, place: &LogPlace, start: Offset) {
        let key = (place.dir.clone(), place.topic.clone(), place.partition);
        self.0.borrow_mut().insert(key, start);
    }
}

impl LogHost {
    /// Where logs in `dir` that are opened later start at least: a line is one of Kafka's
    /// `log-start-offset-checkpoint`.
    pub fn list_starts(&self, dir: &str, lines: Vec<CheckpointLine>) {
        let mut listed = self.listed_starts.0.borrow_mut();
        for line in lines {
            listed.insert((dir.to_owned(), line.topic, line.partition), line.offset);
        }
    }
}

impl Log {
    /// Moves the log start to `target`, or to the high watermark when there is none; tells where
    /// it is then.
    ///
    /// Readers see it at once. It survives a crash when [`Log::start_line`] is written down.
    pub async fn delete_records(
        &self,
        target: Option<Offset>,
    ) -> Result<Offset, DeleteRecordsError> {
        let (target, is_stable) = {
            let state = self.state.borrow();
            match &state.life {
                Life::Open => {}
                Life::Closed => return Err(DeleteRecordsError::Closed),
                Life::Offline(error) => return Err(error.clone().into()),
            }
            let high_watermark = state.progress.high_watermark;
            let target = target.unwrap_or(high_watermark);
            if target < Offset(0) || high_watermark < target {
                return Err(DeleteRecordsError::OutOfRange { target, high_watermark });
            }
            (target, target <= state.progress.stable_end)
        };
        if !is_stable {
            self.flush().await?;
        }
        self.raise_start(target);
        Ok(self.state.borrow().progress.log_start)
    }

    /// The log start, where no name of a file says it: Kafka lists only these.
    pub fn start_line(&self) -> Option<Offset> {
        let state = self.state.borrow();
        let first = state.closed.keys().next().copied().unwrap_or(state.active.base);
        Some(state.progress.log_start).filter(|start| first < *start)
    }

    /// Readers from now on find nothing below `start`; says whether they did before.
    pub(super) fn raise_start(&self, start: Offset) -> bool {
        let mut state = self.state.borrow_mut();
        if !state.progress.raise_start(start) {
            return false;
        }
        let changed = state.epochs.truncate_below(start);
        state.on_disk.epochs_changed |= changed;
        drop(state);
        self.tail.drop_below(start);
        add(&self.host.counters.start_moves_total, 1);
        true
    }
}
