//! A full disk, as one log meets it: its files do not follow, and go on where they were.
//!
//! Owns: what could not be written, who is told, trying again.
//! Leaves to others: when (`room`), writing (`writer`), refusing before it comes to that (`room`).
//! Invariant: a write that a full disk refused is done again at the same place before anything
//! that follows it; meanwhile nothing is appended, and nobody waits for what needs the files.
//! Start reading at: [`Log::stall`], then [`Log::go_on`].
use std::task::Waker;

use crate::log::writer::Step;
use crate::log::{DiskError, Life, Log, Mode, State};
use crate::model::Offset;

/// Work that waits for room.
pub struct Stall {
    pub error: DiskError,
    /// What the writer could not do; `None`: the index files of a closed segment wait.
    step: Option<Step>,
    /// It is being tried again.
    goes_on: bool,
}

/// What the writer may do next.
pub enum Next {
    /// What comes out of the queue.
    Queue,
    /// What it could not do before.
    Again(Step),
    Nothing,
}

impl State {
    /// Why appends are refused for now: the disk is full.
    pub(super) fn full_disk(&self) -> Option<&DiskError> {
        self.stall.as_ref().map(|stall| &stall.error)
    }

    pub(super) fn next_after_stall(&mut self) -> Next {
        match &mut self.stall {
            Some(stall) if stall.goes_on => stall.step.take().map_or(Next::Queue, Next::Again),
            Some(stall) if stall.step.is_some() => Next::Nothing,
            Some(_) | None => Next::Queue,
        }
    }

    /// Whether something waits that goes before the queue.
    pub(super) fn has_step_again(&self) -> bool {
        self.stall.as_ref().is_some_and(|stall| stall.goes_on && stall.step.is_some())
    }

    /// Whether index files of closed segments are worth a try.
    pub(super) fn may_finish(&self) -> bool {
        self.stall.as_ref().is_none_or(|stall| stall.goes_on)
    }

    /// Whether everything below `end` can become stable while the files do not follow, by a
    /// journal that is not `blocked`.
    pub(super) fn needs_no_room(&self, end: Offset, blocked: bool) -> bool {
        let progress = &self.progress;
        let (from, pushed) = (progress.journal_from(), self.behind.fence.pushed());
        end <= progress.written_end
            || (!blocked && from <= progress.written_end && from < end && end <= pushed)
    }
}

impl Log {
    /// Notes that bytes wait for their file; a log that is stalled takes none.
    pub(super) fn note_queued(&self, state: &mut State, bytes: usize) {
        state.queue_bytes += bytes;
        self.host.queued.set(self.host.queued.get() + bytes);
        self.home.queued.set(self.home.queued.get() + bytes);
        self.host.counters.unwritten_bytes.inc_by(bytes as i64);
    }

    /// Notes that bytes wait no longer. While a log is stalled they count in its directory alone,
    /// so that those of others are not refused for it.
    pub(super) fn note_written(&self, state: &mut State, bytes: usize) {
        state.queue_bytes -= bytes;
        if state.stall.is_none() {
            self.host.queued.set(self.host.queued.get() - bytes);
        }
        self.home.queued.set(self.home.queued.get() - bytes);
        self.host.counters.unwritten_bytes.dec_by(bytes as i64);
    }

    /// Puts off what a full disk did not take, and tells those who wait for it.
    pub(super) fn stall(&self, step: Option<Step>, error: DiskError) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        if matches!(state.life, Life::Offline(_)) {
            return;
        }
        let is_new = state.stall.is_none();
        if is_new {
            self.host.queued.set(self.host.queued.get() - state.queue_bytes);
        }
        let waiting = state.stall.take().and_then(|stall| stall.step);
        let step = step.or(waiting);
        state.stall = Some(Box::new(Stall { error: error.clone(), step, goes_on: false }));
        // Each looks whether it needs the files, and waits again if not.
        state.safe_waiters.take_all(&mut wakers);
        state.stable_waiters.take_all(&mut wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if is_new {
            self.home.room.stalled(self.this.clone(), &error);
        }
        self.quiet.notify_all();
    }

    /// Goes by its files alone, since the journal waits for room; if they do, too, that is told to
    /// those who wait.
    pub(super) fn leave_journal(&self) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        if matches!(state.life, Life::Offline(_)) {
            return;
        }
        state.behind.mode = Mode::File;
        state.want_stable = state.want_stable.max(state.progress.log_end);
        self.start_sync_if_due(&mut state);
        if state.stall.is_some() {
            state.safe_waiters.take_all(&mut wakers);
            state.stable_waiters.take_all(&mut wakers);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.write_behind();
    }

    /// Tries again what a full disk did not take; false: it still does not.
    pub(super) async fn go_on(&self) -> bool {
        {
            let mut state = self.state.borrow_mut();
            let Some(stall) = &mut state.stall else { return true };
            stall.goes_on = true;
            self.start_sync_if_due(&mut state);
        }
        self.write_behind();
        loop {
            let changed = self.quiet.changed();
            match &self.state.borrow().stall {
                None => return true,
                Some(stall) if !stall.goes_on => return false,
                Some(_) => {}
            }
            changed.await;
        }
    }

    /// Notes that the disk took something; whoever waits for room waits no longer.
    pub(super) fn end_stall(&self) {
        let mut state = self.state.borrow_mut();
        if state.stall.as_ref().is_some_and(|stall| stall.goes_on && stall.step.is_none()) {
            state.stall = None;
            self.host.queued.set(self.host.queued.get() + state.queue_bytes);
            drop(state);
            self.quiet.notify_all();
        }
    }

    /// Waits until a full disk has room for this log again, or the log ends.
    pub(super) async fn unstalled(&self) {
        loop {
            let changed = self.quiet.changed();
            if self.state.borrow().stall.is_none() {
                return;
            }
            changed.await;
        }
    }

    /// Renames a file as soon as the disk has room for the name; false: it is not there.
    ///
    /// Errors: the disk's; that it is full only when the log ends before it has room.
    pub(super) async fn rename_in_time(&self, from: &str, to: &str) -> Result<bool, DiskError> {
        loop {
            let renamed = self.files.rename_if_there(from, to).await;
            let is_open = matches!(self.state.borrow().life, Life::Open);
            match renamed {
                Err(error) if error.is_full() && is_open => self.home.room.next_look().await,
                other => return other,
            }
        }
    }
}
