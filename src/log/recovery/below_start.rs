//! What lies below the log start: leftovers of a removal, or records that were deleted.
//!
//! Owns: dropping them at a start. Leaves to others: removing them while the log is open
//! (`removal`).
//! Invariant: nothing at or above the log start goes; no offset below it is given out again.
//! Start reading at: [`Recovery::drop_below_start`].
//! Source: Kafka `LogLoader#load`, `ProducerStateManager#removeStraySnapshots`.
use crate::log::LogError;
use crate::log::names::{SEGMENT_FILES, SNAPSHOT, file_path};
use crate::log::recovery::Recovery;
use crate::log::segment::Active;
use crate::model::Offset;

impl Recovery<'_> {
    /// Removes the segments that end at or below the log start; the others' bases.
    pub(super) async fn drop_below_start(
        &self,
        mut bases: Vec<Offset>,
    ) -> Result<Vec<Offset>, LogError> {
        let below = bases.windows(2).take_while(|pair| pair[1] <= self.log_start).count();
        let kept = bases.split_off(below);
        self.remove_segments(&bases).await?;
        Ok(kept)
    }

    /// A log that ends below its start begins anew there: the records between were deleted before
    /// a crash took them, and readers know offsets up to the start.
    pub(super) async fn reach_start(
        &mut self,
        bases: Vec<Offset>,
    ) -> Result<Vec<Offset>, LogError> {
        if self.log_start <= self.loaded.end {
            return Ok(bases);
        }
        tracing::warn!(
            partition = %self.dir,
            log_end = self.loaded.end.0,
            log_start = self.log_start.0,
            "the log ends below its start and begins anew there"
        );
        self.remove_segments(&bases).await?;
        self.loaded.closed.clear();
        self.end_with(Active::new(self.log_start, self.now_ms), self.log_start);
        Ok(Vec::new())
    }

    /// Oldest first, so that a crash leaves no hole.
    async fn remove_segments(&self, bases: &[Offset]) -> Result<(), LogError> {
        for base in bases {
            for suffix in SEGMENT_FILES {
                self.files.remove(&file_path(self.dir, *base, suffix)).await?;
            }
        }
        if !bases.is_empty() {
            self.files.sync_dir(self.dir).await?;
        }
        Ok(())
    }

    /// Producers' state is replayed from a snapshot on, over every batch behind it; one below the
    /// first segment would miss those that went with older segments.
    pub(super) async fn drop_snapshots_below_start(&mut self) -> Result<(), LogError> {
        let first = self.loaded.closed.keys().next().copied();
        let first = first.unwrap_or(self.loaded.active.base);
        // Without any other the newest still knows more than nothing.
        let newest = self.snapshots.keys().next_back().copied().unwrap_or(first);
        let kept = self.snapshots.split_off(&first.min(newest));
        let below = std::mem::replace(&mut self.snapshots, kept);
        let unread = std::mem::take(&mut self.loaded.snapshots);
        let (stale, others) = unread.into_iter().partition(|offset| *offset < first.min(newest));
        self.loaded.snapshots = others;
        let stale: Vec<Offset> = stale;
        for offset in below.into_keys().chain(stale) {
            self.files.remove(&file_path(self.dir, offset, SNAPSHOT)).await?;
        }
        Ok(())
    }
}
