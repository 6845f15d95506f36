//! Removing the oldest segments of a log, in two steps: another name now, unlinked later.
//!
//! Owns: the order of names, what is forgotten when, who may change segments at one moment.
//! Leaves to others: which segments go (`retention`), the second step (`graveyard`), leftovers of
//! a crash (`recovery::below_start`).
//! Invariant: readers lose the segments first, then the names go, oldest first, durably, then the
//! memory of them; a crash at any point leaves a log without a hole.
//! Start reading at: [`Log::remove_segments`].
//! Source: Kafka `UnifiedLog#deleteSegments`, `LocalLog#removeAndDeleteSegments`.
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::log::graveyard::Remains;
use crate::log::names::{DELETED, LOG, SEGMENT_FILES, SNAPSHOT, file_path};
use crate::log::segment::Closed;
use crate::log::{DiskError, Life, Log};
use crate::model::Offset;

/// A file of a log by its base offset and ending.
type Name = (Offset, &'static str);

/// What to do about a disk that has no room for another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    GiveUp,
    Wait,
}

/// How far giving last names came.
#[derive(Default)]
struct Renamed {
    remains: Vec<Remains>,
    /// Files that have their names still, because the disk had no room for others.
    left: Vec<Name>,
}

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
        let litter = std::mem::take(&mut self.state.borrow_mut().on_disk.litter);
        let files = |closed: &Rc<Closed>| SEGMENT_FILES.map(|suffix| (closed.base, suffix));
        // Snapshots before: one below the first segment would miss producers of those between.
        let mut names: Vec<Name> = litter;
        names.extend(snapshots.iter().map(|offset| (*offset, SNAPSHOT)));
        names.extend(gone.iter().flat_map(files));
        let (Renamed { remains, left }, renamed) = self.rename_all(names).await;
        let delay_ms = self.config().file_delete_delay_ms;
        self.host.graveyard.bury(&self.host.env, delay_ms, remains);
        match renamed {
            // Readers have lost them all the same; after a full disk the next look goes on.
            Err(error) if !error.is_full() => {
                self.fail(error.clone());
                return Err(error);
            }
            _ => self.forget(&gone, &snapshots, left),
        }
        renamed
    }

    /// Forgets what has its last name; what is `left` of a segment without its first file is litter
    /// for the next removal.
    fn forget(&self, gone: &[Rc<Closed>], snapshots: &[Offset], mut left: Vec<Name>) {
        let logs = left.iter().filter(|(_, suffix)| *suffix == LOG);
        let stay: BTreeSet<Offset> = logs.map(|(base, _)| *base).collect();
        let mut state = self.state.borrow_mut();
        for closed in gone.iter().filter(|closed| !stay.contains(&closed.base)) {
            state.closed.remove(&closed.base);
            state.warm.retain(|warm| warm.base != closed.base);
            closed.warm.borrow_mut().take();
        }
        let has_name = |offset: &Offset| left.contains(&(*offset, SNAPSHOT));
        let is_gone = |offset: &Offset| snapshots.contains(offset) && !has_name(offset);
        state.on_disk.snapshots.retain(|offset| !is_gone(offset));
        left.retain(|(base, suffix)| *suffix != SNAPSHOT && !stay.contains(base));
        state.on_disk.litter = left;
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

    /// Gives files their last names, in this order; tells which have one, durably, also when it
    /// broke off.
    async fn rename_all(&self, names: Vec<Name>) -> (Renamed, Result<(), DiskError>) {
        let mut renamed = Renamed::default();
        let mut result = Ok(());
        let mut names = names.into_iter();
        for name in names.by_ref() {
            match self.give_last_name(name, WhenFull::GiveUp).await {
                Ok(remains) => renamed.remains.extend(remains),
                Err(error) => {
                    result = Err(error);
                    renamed.left.push(name);
                    break;
                }
            }
        }
        renamed.left.extend(names);
        match self.files.sync_dir(&self.dir).await {
            Ok(()) => (renamed, result),
            Err(error) => (Renamed::default(), Err(error)),
        }
    }

    /// Renames a file for the last time; gives what is to be removed then, if it is there.
    pub(super) async fn give_last_name(
        &self,
        (base, suffix): Name,
        when_full: WhenFull,
    ) -> Result<Option<Remains>, DiskError> {
        let path = file_path(&self.dir, base, suffix);
        let last_name = format!("{path}{DELETED}");
        let is_there = match when_full {
            WhenFull::GiveUp => self.files.rename_if_there(&path, &last_name).await?,
            WhenFull::Wait => self.rename_in_time(&path, &last_name).await?,
        };
        Ok(is_there.then_some(Remains::File(last_name)))
    }
}
