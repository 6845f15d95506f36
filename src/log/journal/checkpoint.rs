//! Checkpoints: what the journal alone has goes to the partitions' files, durably; then it may be
//! written over.
//!
//! Owns: the order of a checkpoint. Leaves to others: writing a partition's files (`Log`).
//! Invariant: the tail moves only after one sync of the whole file system that began after every
//! file had its bytes; the new tail is durable before any block lies over an old one.
//! Start reading at: [`Journal::checkpoint_once`].
use std::rc::{Rc, Weak};

use crate::env::File;
use crate::log::journal::format::{Point, Slot};
use crate::log::journal::make::write_slots;
use crate::log::journal::{CHECKPOINT_MS, Journal, Key, Phase, write_side_by_side};
use crate::log::{DiskError, Log, add};
use crate::model::Offset;

impl Journal {
    /// Starts a checkpoint in the background, unless one runs.
    pub(super) fn start_checkpoint(self: &Rc<Self>) {
        if !std::mem::replace(&mut self.state.borrow_mut().checkpoints, true) {
            let journal = self.clone();
            self.env.spawn(async move { journal.run_checkpoint().await });
        }
    }

    async fn run_checkpoint(self: Rc<Self>) {
        if let Err(error) = self.checkpoint_once().await {
            self.fail(error);
        }
        let more = {
            let mut state = self.state.borrow_mut();
            state.checkpoints = false;
            state.held = None;
            !state.live.is_empty()
        };
        if more {
            self.start_timer();
        }
        self.changed.notify_all();
    }

    /// One timer while there is something to checkpoint; none while there is not.
    pub(super) fn start_timer(self: &Rc<Self>) {
        if std::mem::replace(&mut self.state.borrow_mut().timed, true) {
            return;
        }
        let journal = self.clone();
        self.env.spawn(async move {
            journal.env.sleep_ms(CHECKPOINT_MS).await;
            journal.state.borrow_mut().timed = false;
            journal.start_checkpoint();
        });
    }

    /// Moves the tail behind everything that was given to the journal before this call: after it
    /// recovery writes none of that again.
    ///
    /// Errors: the journal has failed, and its log directory with it; or the disk is full, so that
    /// nobody knows when the checkpoint ends.
    pub async fn checkpoint(self: &Rc<Self>) -> Result<(), DiskError> {
        let pushed = self.state.borrow().pushed;
        let mut begun = false;
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            let changed = self.changed.changed();
            let (durable, runs) = {
                let state = self.state.borrow();
                if let Some(error) = state.held.as_ref().or(state.stuck.as_ref()) {
                    return Err(error.clone());
                }
                (pushed <= state.written, state.checkpoints)
            };
            if durable && !runs {
                if begun || self.state.borrow().live.is_empty() {
                    return Ok(());
                }
                self.start_checkpoint();
                begun = true;
                continue;
            }
            changed.await;
        }
    }

    /// Moves the tail behind everything, without a sync: the caller knows that all of it lies
    /// durably in files.
    ///
    /// Errors: also a full disk that holds the journal up.
    pub async fn retire(&self) -> Result<(), DiskError> {
        loop {
            let changed = self.changed.changed();
            let quiet = {
                let state = self.state.borrow();
                if let Some(error) = state.held.as_ref().or(state.stuck.as_ref()) {
                    return Err(error.clone());
                }
                !state.writes && !state.checkpoints
            };
            if quiet {
                break;
            }
            changed.await;
        }
        let (file, slot) = {
            let mut state = self.state.borrow_mut();
            state.live.clear();
            let Phase::Ready(file) = &state.phase else { return Ok(()) };
            let slot = state.slot;
            (file.clone(), Slot { generation: slot.generation + 1, tail: state.ring.head, ..slot })
        };
        if slot.tail == self.state.borrow().slot.tail {
            return Ok(());
        }
        let slot = write_slots(&self.files, &file, &self.path, slot).await?;
        self.state.borrow_mut().slot = slot;
        Ok(())
    }

    /// Brings the files of all logs up to their ends, whenever the disk has room for that.
    async fn write_all(&self, logs: &[(Rc<Log>, Offset)]) -> Result<(), DiskError> {
        loop {
            let written = write_side_by_side(logs.iter().map(|(log, end)| (log, *end))).await;
            let is_offline = logs.iter().any(|(log, _)| log.offline().is_some());
            match written {
                Err(error) if error.is_full() && !is_offline => self.hold(error),
                other => return other.inspect(|()| self.state.borrow_mut().held = None),
            }
            for (log, _) in logs {
                log.unstalled().await;
            }
        }
    }

    /// Notes, for those who would wait for a checkpoint, what it waits for.
    pub(in crate::log) fn hold(&self, error: DiskError) {
        self.state.borrow_mut().held = Some(error);
        self.changed.notify_all();
    }

    /// Nobody need wait for room any more.
    pub(in crate::log) fn release(&self) {
        self.state.borrow_mut().held = None;
        self.changed.notify_all();
    }

    /// Writes the slot with the new tail, whenever the disk has room for that.
    async fn move_tail(&self, file: &File, tail: Point) -> Result<(), DiskError> {
        let slot = self.state.borrow().slot;
        let slot = Slot { generation: slot.generation + 1, tail, ..slot };
        let slot = loop {
            match write_slots(&self.files, file, &self.path, slot).await {
                Err(error) if error.is_full() => self.hold(error),
                Err(error) => return Err(error),
                Ok(slot) => break slot,
            }
            self.room.next_look().await;
        };
        self.state.borrow_mut().slot = slot;
        Ok(())
    }

    async fn checkpoint_once(&self) -> Result<(), DiskError> {
        let (file, point, live) = {
            let mut state = self.state.borrow_mut();
            let Phase::Ready(file) = &state.phase else { return Ok(()) };
            let file = file.clone();
            (file, state.ring.head, std::mem::take(&mut state.live))
        };
        if live.is_empty() {
            return Ok(());
        }
        let started = self.env.now();
        let logs: Vec<(Key, Weak<Log>, Offset)> =
            live.into_iter().map(|(key, live)| (key, live.log, live.end)).collect();
        // A partition that was deleted meanwhile needs nothing any more.
        let upgraded = logs.into_iter().filter_map(|(_, log, end)| Some((log.upgrade()?, end)));
        let logs: Vec<(Rc<Log>, Offset)> = upgraded.collect();
        self.write_all(&logs).await?;
        let marks: Vec<Offset> = logs.iter().map(|(log, _)| log.written_end()).collect();
        self.files.sync_file_system(&file, &self.path).await?;
        for ((log, _), end) in logs.iter().zip(marks) {
            log.end_checkpoint(end);
        }
        self.move_tail(&file, point).await?;
        for (log, end) in &logs {
            log.state.borrow_mut().behind.fence.cleared(*end);
        }
        let took_ns = self.env.now().0 - started.0;
        self.state.borrow_mut().pace.ended(took_ns);
        add(&self.counters.checkpoints_total, 1);
        self.counters.checkpoint_seconds.observe_ns(took_ns);
        Ok(())
    }
}
