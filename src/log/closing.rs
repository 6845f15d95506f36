//! Endings: of a segment (roll), of the process (close), of the partition (delete).
//!
//! Owns: which files a closed segment has and in which order they become durable.
//! Leaves to others: when (`append` rolls by size, the shard closes and deletes).
//! Invariant: a snapshot at offset x is written only after every byte below x and the name of its
//! file are durable; recovery relies on that.
//! Start reading at: [`Log::finish_segment`], [`LogHost::close`].
use std::rc::Rc;
use std::task::Waker;

use crate::env::IoError;
use crate::log::index::{OffsetIndex, TimeIndex};
use crate::log::journal::SIDE_BY_SIDE;
use crate::log::names::{INDEX, LOG, SNAPSHOT, TIME_INDEX, file_path};
use crate::log::owner::move_away;
use crate::log::producers::ProducersView;
use crate::log::segment::Active;
use crate::log::writer::Unfinished;
use crate::log::{DiskError, Life, Log, LogDir, LogHost, Mode, snapshot};
use crate::model::Offset;

/// Producer snapshots kept; recovery starts from the second newest.
const SNAPSHOTS_KEPT: usize = 3;

impl LogHost {
    /// Ends logs of this shard in order; gives those that could not be, and why.
    ///
    /// Two syncs of the file system for all of them: a snapshot must not be durable before the
    /// records that it speaks of.
    pub async fn close(&self, logs: Vec<Rc<Log>>) -> Vec<(Rc<Log>, DiskError)> {
        logs.iter().for_each(|log| log.begin_close());
        let mut failed = Vec::new();
        let mut open = Vec::new();
        for some in logs.chunks(SIDE_BY_SIDE) {
            some.iter().for_each(|log| log.write_behind());
            for log in some {
                match log.written_out().await {
                    Ok(()) if log.is_complete() => {}
                    Ok(()) => open.push(log.clone()),
                    Err(error) => failed.push((log.clone(), error)),
                }
            }
        }
        for home in self.dirs() {
            let (mut mine, others) = open.into_iter().partition(|log| Rc::ptr_eq(&log.home, &home));
            open = others;
            if let Err(error) = home.close(&mut mine, &mut failed).await {
                failed.extend(mine.into_iter().map(|log| (log, error.clone())));
            }
        }
        failed
    }
}

impl LogDir {
    /// Says durably that the journal holds nothing that files lack: for a directory whose logs are
    /// all closed on this shard.
    pub async fn retire_journal(&self) -> Result<(), DiskError> {
        match self.failure() {
            Some(error) => Err(error),
            None => self.journal.retire().await,
        }
    }

    async fn close(
        &self,
        logs: &mut Vec<Rc<Log>>,
        failed: &mut Vec<(Rc<Log>, DiskError)>,
    ) -> Result<(), DiskError> {
        if logs.is_empty() {
            return Ok(());
        }
        let marks: Vec<Offset> = logs.iter().map(|log| log.written_end()).collect();
        self.sync().await?;
        for (log, end) in logs.iter().zip(marks) {
            log.end_checkpoint(end);
        }
        let mut written = Vec::new();
        for log in std::mem::take(logs) {
            match log.write_ending().await {
                Ok(()) => written.push(log),
                Err(error) => failed.push((log, error)),
            }
        }
        *logs = written;
        self.sync().await?;
        for log in std::mem::take(logs) {
            if let Err(error) = log.end_close().await {
                failed.push((log, error));
            }
        }
        Ok(())
    }
}

impl Log {
    /// Makes a closed segment's data durable.
    pub(super) async fn sync_closed(&self, old: &Unfinished) -> Result<(), DiskError> {
        let path = file_path(&self.dir, old.segment.base, LOG);
        match &old.file {
            Some(file) => self.files.sync(file, &path).await,
            None => self.sync_path(&path).await,
        }
    }

    /// Writes the indexes of a closed segment whose data is durable, and the snapshot behind it.
    pub(super) async fn finish_segment(&self, old: &Unfinished) -> Result<(), DiskError> {
        let base = old.segment.base;
        self.unhindered(base).await;
        self.release_rest(&file_path(&self.dir, base, LOG), old.segment.bytes).await?;
        self.write_indexes(&old.segment).await?;
        self.files.sync_dir(&self.dir).await?;
        self.write_snapshot(old.end, &old.snapshot).await?;
        let closed = self.state.borrow().closed.get(&base).cloned();
        if let Some(closed) = closed {
            closed.pinned.borrow_mut().take();
        }
        Ok(())
    }

    async fn write_indexes(&self, segment: &Active) -> Result<(), DiskError> {
        let base = segment.base;
        let path = file_path(&self.dir, base, INDEX);
        let entries = &segment.index.entries;
        let file = self.files.rewrite_rows(&path, entries, OffsetIndex::encode_into).await?;
        self.files.sync(&file, &path).await?;
        let path = file_path(&self.dir, base, TIME_INDEX);
        let entries = &segment.time_index.entries;
        let file = self.files.rewrite_rows(&path, entries, TimeIndex::encode_into).await?;
        self.files.sync(&file, &path).await
    }

    /// Writes a snapshot and drops the oldest; its name is durable with the next directory sync.
    pub(super) async fn write_snapshot(
        &self,
        end: Offset,
        producers: &ProducersView,
    ) -> Result<(), DiskError> {
        let path = file_path(&self.dir, end, SNAPSHOT);
        let file = snapshot::write(&self.files, &path, producers).await?;
        self.files.sync(&file, &path).await?;
        self.state.borrow_mut().on_disk.note_snapshot(end);
        self.drop_old_snapshots().await
    }

    async fn drop_old_snapshots(&self) -> Result<(), DiskError> {
        let mut gone = Vec::new();
        {
            let snapshots = &mut self.state.borrow_mut().on_disk.snapshots;
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
            }
            state.active.base
        };
        self.write_behind();
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
            if let Some(error) = self.state.borrow().full_disk() {
                return Err(error.clone());
            }
            self.start_sync_if_due(&mut self.state.borrow_mut());
            self.quiet.changed().await;
        }
    }

    fn is_quiet(&self) -> bool {
        let state = self.state.borrow();
        !state.writer_runs && !state.sync_runs && !state.compaction_runs && state.settling.is_none()
    }

    /// Ends in order: everything durable, indexes and producer snapshot complete.
    ///
    /// After it the log takes no appends; a next start may be [`crate::log::Start::Clean`]. To
    /// close many at once: [`LogHost::close`](crate::log::LogHost::close).
    pub async fn close(&self) -> Result<(), DiskError> {
        match self.host.close(vec![self.rc()]).await.pop() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// Refuses appends from now on.
    fn begin_close(&self) {
        let mut watching = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            if matches!(state.life, Life::Open) {
                state.life = Life::Closed;
            }
            state.behind.mode = Mode::File;
            state.watchers.take_all(&mut watching);
        }
        watching.into_iter().for_each(Waker::wake);
    }

    /// Waits until the files have everything and nobody works on them.
    async fn written_out(&self) -> Result<(), DiskError> {
        self.settled(|log| {
            let state = log.state.borrow();
            let all = state.progress.written_end == state.progress.log_end
                && state.queue.is_empty()
                && state.on_disk.is_finished();
            drop(state);
            all && log.is_quiet()
        })
        .await
    }

    fn is_complete(&self) -> bool {
        let state = self.state.borrow();
        state.on_disk.complete_at == state.progress.log_end
    }

    /// Writes what a clean start reads instead of the log; not durable yet.
    async fn write_ending(&self) -> Result<(), DiskError> {
        let (end, segment, producers) = {
            let mut state = self.state.borrow_mut();
            state.active.seal();
            (state.progress.log_end, state.active.parts(), state.producers.view())
        };
        let files = &self.files;
        let path = file_path(&self.dir, segment.base, INDEX);
        files.rewrite_rows(&path, &segment.index.entries, OffsetIndex::encode_into).await?;
        let path = file_path(&self.dir, segment.base, TIME_INDEX);
        files.rewrite_rows(&path, &segment.time_index.entries, TimeIndex::encode_into).await?;
        snapshot::write(files, &file_path(&self.dir, end, SNAPSHOT), &producers).await?;
        self.release_rest(&file_path(&self.dir, segment.base, LOG), segment.bytes).await?;
        let mut state = self.state.borrow_mut();
        state.on_disk.active = None;
        state.on_disk.note_snapshot(end);
        Ok(())
    }

    /// All that [`Log::write_ending`] wrote is durable.
    async fn end_close(&self) -> Result<(), DiskError> {
        {
            let mut state = self.state.borrow_mut();
            debug_assert_eq!(state.progress.synced_end, state.progress.log_end);
            state.on_disk.complete_at = state.progress.log_end;
        }
        self.drop_old_snapshots().await
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
            std::mem::take(&mut state.producers).discard(&self.host.env);
        }
        if self.files.exists(&self.dir).await? {
            let delay_ms = self.config().file_delete_delay_ms;
            move_away(&self.host, &self.place, delay_ms).await?;
        }
        Ok(())
    }
}
