//! Endings: of a segment (roll), of the process (close), of the partition (delete).
//!
//! Owns: which files a closed segment has and in which order they become durable.
//! Leaves to others: when (`append` rolls by size, the shard closes and deletes).
//! Invariant: a snapshot at offset x is written only after every byte below x and the name of its
//! file are durable; recovery relies on that.
//! Start reading at: [`Log::finish_segment`], [`Log::close`].
use std::task::Waker;

use crate::env::{IoError, OpenHow};
use crate::log::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, file_path};
use crate::log::owner::move_away;
use crate::log::segment::Active;
use crate::log::writer::Unfinished;
use crate::log::{DiskError, Life, Log};
use crate::model::Offset;

/// Producer snapshots kept; recovery starts from the second newest.
const SNAPSHOTS_KEPT: usize = 3;

impl Log {
    /// Makes a closed segment's data durable, then writes its indexes and the snapshot behind it.
    pub(super) async fn finish_segment(&self, old: Unfinished) -> Result<(), DiskError> {
        let base = old.segment.base;
        self.unhindered(base).await;
        let path = file_path(&self.dir, base, LOG);
        let file = match old.file {
            Some(file) => file,
            None => self.files.open(&path, OpenHow::ReadWrite).await?,
        };
        self.files.sync(&file, &path).await?;
        self.write_indexes(&old.segment).await?;
        self.files.sync_dir(&self.dir).await?;
        self.write_snapshot(old.end, old.snapshot).await?;
        let closed = self.state.borrow().closed.get(&base).cloned();
        if let Some(closed) = closed {
            closed.pinned.borrow_mut().take();
        }
        Ok(())
    }

    async fn write_indexes(&self, segment: &Active) -> Result<(), DiskError> {
        let base = segment.base;
        let index = file_path(&self.dir, base, INDEX);
        self.files.write_whole(&index, segment.index.encode()).await?;
        let time_index = file_path(&self.dir, base, TIME_INDEX);
        self.files.write_whole(&time_index, segment.time_index.encode()).await?;
        Ok(())
    }

    /// Writes a snapshot and drops the oldest; its name is durable with the next directory sync.
    pub(super) async fn write_snapshot(
        &self,
        end: Offset,
        content: Vec<u8>,
    ) -> Result<(), DiskError> {
        let path = file_path(&self.dir, end, SNAPSHOT);
        self.files.write_whole(&path, content).await?;
        let mut gone = Vec::new();
        {
            let snapshots = &mut self.state.borrow_mut().on_disk.snapshots;
            snapshots.retain(|offset| *offset != end);
            snapshots.push(end);
            snapshots.sort_unstable();
            let surplus = snapshots.len().saturating_sub(SNAPSHOTS_KEPT);
            gone.extend(snapshots.drain(..surplus));
        }
        for offset in gone {
            self.files.remove(&file_path(&self.dir, offset, SNAPSHOT)).await?;
        }
        Ok(())
    }

    /// Closes the active segment, if it holds anything, and waits until its files are complete.
    ///
    /// Returns the base of the segment that is active then.
    pub async fn roll(&self) -> Result<Offset, DiskError> {
        let base = {
            let mut state = self.state.borrow_mut();
            if matches!(state.life, Life::Open) && state.active.base < state.progress.log_end {
                self.queue_roll(&mut state, self.host.env.wall_ms());
                if !std::mem::replace(&mut state.writer_runs, true) {
                    self.spawn_writer();
                }
            }
            state.active.base
        };
        self.settled(|log| base <= log.state.borrow().on_disk.finished_end).await?;
        Ok(base)
    }

    pub(super) async fn settled(&self, done: impl Fn(&Self) -> bool) -> Result<(), DiskError> {
        loop {
            if let Some(error) = self.offline() {
                return Err(error);
            }
            if done(self) {
                return Ok(());
            }
            self.start_sync_if_due(&mut self.state.borrow_mut());
            self.quiet.changed().await;
        }
    }

    fn is_quiet(&self) -> bool {
        let state = self.state.borrow();
        !state.writer_runs && !state.sync_runs && !state.compaction_runs && state.settling.is_none()
    }

    /// Ends in order: everything stable, indexes and producer snapshot complete.
    ///
    /// After it the log takes no appends; a next start may be [`crate::log::Start::Clean`].
    pub async fn close(&self) -> Result<(), DiskError> {
        let mut watching = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            if matches!(state.life, Life::Open) {
                state.life = Life::Closed;
            }
            state.want_stable = state.progress.log_end;
            state.watchers.take_all(&mut watching);
        }
        watching.into_iter().for_each(Waker::wake);
        self.settled(|log| {
            let state = log.state.borrow();
            let all = state.progress.stable_end == state.progress.log_end;
            drop(state);
            all && log.is_quiet()
        })
        .await?;
        let (end, complete_at) = {
            let state = self.state.borrow();
            (state.progress.log_end, state.on_disk.complete_at)
        };
        if complete_at == end {
            return Ok(());
        }
        let (segment, snapshot) = {
            let mut state = self.state.borrow_mut();
            state.active.seal();
            (state.active.parts(), crate::log::snapshot::encode(&state.producers))
        };
        self.write_indexes(&segment).await?;
        self.write_snapshot(end, snapshot).await?;
        self.files.sync_dir(&self.dir).await?;
        let mut state = self.state.borrow_mut();
        state.on_disk.complete_at = end;
        state.on_disk.active = None;
        Ok(())
    }

    /// Deletes the partition: renames its directory, durably, and removes it after
    /// `file.delete.delay.ms`.
    ///
    /// Appends that wait for an answer get an error.
    pub async fn delete(&self) -> Result<(), DiskError> {
        self.fail(DiskError::new("use deleted log", &self.dir, IoError::Stopped));
        while !self.is_quiet() {
            self.quiet.changed().await;
        }
        self.tail.clear();
        {
            let mut state = self.state.borrow_mut();
            state.on_disk.active = None;
            state.warm.clear();
            for closed in state.closed.values() {
                closed.warm.borrow_mut().take();
            }
        }
        if self.files.exists(&self.dir).await? {
            let delay_ms = self.config().file_delete_delay_ms;
            move_away(&self.host, &self.place, delay_ms).await?;
        }
        Ok(())
    }
}
