//! Removing the oldest segments of a log, in two steps: another name now, unlinked later.
//!
//! Owns: the order of names, what is forgotten when, who may change segments at one moment.
//! Leaves to others: which segments go (`retention`), the second step (`graveyard`), leftovers of
//! a crash (`recovery::below_start`).
//! Invariant: readers lose the segments first, then the names go, oldest first, durably, then the
//! memory of them; a crash at any point leaves a log without a hole.
//! Start reading at: [`Log::remove_segments`].
//! Source: Kafka `UnifiedLog#deleteSegments`, `LocalLog#removeAndDeleteSegments`.
use std::rc::Rc;

use crate::log::graveyard::Remains;
use crate::log::names::{DELETED, SEGMENT_FILES, SNAPSHOT, file_path};
use crate::log::segment::Closed;
use crate::log::{DiskError, Life, Log};
use crate::model::Offset;

/// The right to replace or remove segments; a compaction has it, or a removal.
pub(super) struct Hold<'a>(&'a Log);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().compaction_runs = false;
        self.0.quiet.notify_all();
    }
}

impl Log {
    /// `None` while somebody else has it, or when the log takes nothing more.
    pub(super) fn hold_segments(&self) -> Option<Hold<'_>> {
        let mut state = self.state.borrow_mut();
        if !matches!(state.life, Life::Open) || state.compaction_runs {
            return None;
        }
        state.compaction_runs = true;
        Some(Hold(self))
    }

    /// Removes the closed segments that end at or below `end`, where one of them ends: every
    /// removal of segments goes through here.
    ///
    /// Errors: the log is offline then, as after any failed write, unless the disk is full.
    pub(super) async fn remove_segments(
        &self,
        _hold: &Hold<'_>,
        end: Offset,
    ) -> Result<(), DiskError> {
        self.released(end).await?;
        self.raise_start(end);
        let (gone, snapshots) = self.going(end);
        let delay_ms = self.config().file_delete_delay_ms;
        let (remains, renamed) = self.rename_all(&gone, &snapshots).await;
        self.host.graveyard.bury(&self.host.env, delay_ms, remains);
        if let Err(error) = renamed {
            // Readers have lost them all the same; after a full disk the next look goes on.
            if !error.is_full() {
                self.fail(error.clone());
            }
            return Err(error);
        }
        let mut state = self.state.borrow_mut();
        let kept = state.closed.split_off(&end);
        state.closed = kept;
        state.warm.retain(|warm| end <= warm.base);
        state.on_disk.snapshots.retain(|offset| !snapshots.contains(offset));
        drop(state);
        for closed in gone {
            closed.warm.borrow_mut().take();
        }
        Ok(())
    }

    /// Whoever still needs the files below `end`, or would bring their batches back after a crash,
    /// is done with them when this ends. A journal writes its checkpoint here.
    async fn released(&self, end: Offset) -> Result<(), DiskError> {
        self.settled(|log| end <= log.state.borrow().on_disk.finished_end).await?;
        self.fenced(end).await
    }

    /// How far segments can go now of those below `end`: what waits for room keeps no older ones.
    ///
    /// Errors: also a full disk that lets none go.
    pub(super) async fn releasable(&self, end: Offset) -> Result<Offset, DiskError> {
        match self.released(end).await {
            Ok(()) => Ok(end),
            Err(error) if error.is_full() => {
                let below = self.released_end().filter(|below| *below < end).ok_or(error)?;
                self.released(below).await?;
                Ok(below)
            }
            Err(error) => Err(error),
        }
    }

    /// Where the last closed segment ends that nobody needs any more; `None`: they need all.
    fn released_end(&self) -> Option<Offset> {
        let state = self.state.borrow();
        let fence = &state.behind.fence;
        let is_free = |end: &Offset| *end <= state.on_disk.finished_end && !fence.holds_below(*end);
        state.closed.values().map(|closed| closed.end).take_while(is_free).last()
    }

    /// The segments that end at or below `end`, and the snapshots of producers below; the newest
    /// of these stays in any case.
    fn going(&self, end: Offset) -> (Vec<Rc<Closed>>, Vec<Offset>) {
        let state = self.state.borrow();
        let gone: Vec<_> = state.closed.range(..end).map(|(_, closed)| closed.clone()).collect();
        assert!(gone.iter().all(|closed| closed.end <= end), "{end} is inside of a segment");
        let newest = state.on_disk.snapshots.iter().max().copied().unwrap_or(end);
        let below = |offset: &&Offset| **offset < end.min(newest);
        (gone, state.on_disk.snapshots.iter().filter(below).copied().collect())
    }

    /// Gives their last names to files; tells which have one, durably, also when it broke off.
    async fn rename_all(
        &self,
        gone: &[Rc<Closed>],
        snapshots: &[Offset],
    ) -> (Vec<Remains>, Result<(), DiskError>) {
        let mut remains = Vec::with_capacity(gone.len() * SEGMENT_FILES.len() + snapshots.len());
        let renamed = self.rename_each(gone, snapshots, &mut remains).await;
        match self.files.sync_dir(&self.dir).await {
            Ok(()) => (remains, renamed),
            Err(error) => (Vec::new(), Err(error)),
        }
    }

    /// Snapshots first: one below the first segment would miss producers of the segments between.
    async fn rename_each(
        &self,
        gone: &[Rc<Closed>],
        snapshots: &[Offset],
        remains: &mut Vec<Remains>,
    ) -> Result<(), DiskError> {
        let snapshots = snapshots.iter().map(|offset| (*offset, SNAPSHOT));
        let files = |closed: &Rc<Closed>| SEGMENT_FILES.map(|suffix| (closed.base, suffix));
        for (base, suffix) in snapshots.chain(gone.iter().flat_map(files)) {
            let path = file_path(&self.dir, base, suffix);
            let last_name = format!("{path}{DELETED}");
            if self.files.rename_if_there(&path, &last_name).await? {
                remains.push(Remains::File(last_name));
            }
        }
        Ok(())
    }
}
