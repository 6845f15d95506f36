//! Syncs that no acks asked for: `flush.messages` and `flush.ms`.
//!
//! Owns: when records that are not yet stable are synced all the same, and the one task of a shard
//! that waits for the next such moment.
//! Leaves to others: syncing (`writer`).
//! Invariant: the sync of a record has begun `flush.ms` after its append at the latest; a log
//! without such records, or without that setting, costs no wake-up.
//! Start reading at: [`Log::flush_in_time`]. Source: LogManager#flushDirtyLogs, UnifiedLog#append.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::env::local::Notify;
use crate::env::{Env, Instant};
use crate::log::progress::Need;
use crate::log::{Acks, Log, Mode, State};
use crate::model::Offset;

/// A moment, and a number that no other entry has.
pub type FlushAt = (Instant, u64);

/// The logs of a shard that have a moment to sync at, soonest first.
#[derive(Default)]
pub struct FlushTimes {
    due: RefCell<BTreeMap<FlushAt, Weak<Log>>>,
    next: Cell<u64>,
    runs: Cell<bool>,
    changed: Notify,
}

impl FlushTimes {
    fn add(self: &Rc<Self>, env: &Env, at: Instant, log: Weak<Log>) -> FlushAt {
        let key = (at, self.next.replace(self.next.get() + 1));
        self.due.borrow_mut().insert(key, log);
        if !self.runs.replace(true) {
            let (times, env) = (self.clone(), env.clone());
            env.clone().spawn(async move { times.run(&env).await });
        } else {
            self.changed.notify_all();
        }
        key
    }

    fn remove(&self, at: FlushAt) {
        self.due.borrow_mut().remove(&at);
        self.changed.notify_all();
    }

    /// Waits for one moment after the other; ends when there is none.
    async fn run(&self, env: &Env) {
        loop {
            let changed = self.changed.changed();
            let first = self.due.borrow().first_key_value().map(|(at, _)| at.0);
            let Some(first) = first else { break };
            if env.until(first, changed).await.is_none() {
                self.flush_due(env.now());
            }
        }
        self.runs.set(false);
    }

    fn flush_due(&self, now: Instant) {
        loop {
            let mut due = self.due.borrow_mut();
            let Some(first) = due.first_entry().filter(|first| first.key().0 <= now) else {
                return;
            };
            let log = first.remove();
            drop(due);
            if let Some(log) = log.upgrade() {
                log.flush_now();
            }
        }
    }

    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        !self.runs.get() && self.due.borrow().is_empty()
    }
}

impl Log {
    /// What must be true of a batch that will end at `end` before it is answered and read.
    ///
    /// The one that reaches `flush.messages` is answered after the sync, as by Kafka.
    pub(super) fn need_of_append(state: &State, acks: Acks, end: Offset) -> Need {
        let asked = state.progress.stable_end.max(state.want_stable);
        if state.config.flush_messages <= end.0 - asked.0 {
            return Need::Stable;
        }
        Self::need_of(&state.config, acks)
    }

    /// Sees to it that what nobody asked to sync is synced within `flush.ms`.
    pub(super) fn flush_in_time(&self, state: &mut State) {
        let asked = state.progress.stable_end.max(state.want_stable);
        let after_ms = u64::try_from(state.config.flush_ms).unwrap_or(0);
        if state.progress.log_end <= asked || state.config.flush_ms == i64::MAX {
            return;
        }
        let at = self.host.env.now().plus_ms(after_ms);
        match state.flush_at {
            Some((known, _)) if known <= at => return,
            Some(later) => self.host.flushes.remove(later),
            None => {}
        }
        let added = self.host.flushes.add(&self.host.env, at, self.this.clone());
        state.flush_at = Some(added);
    }

    fn flush_now(&self) {
        let mut state = self.state.borrow_mut();
        state.flush_at = None;
        // In journal mode all of it is on its way already.
        if state.behind.mode == Mode::File {
            state.want_stable = state.want_stable.max(state.progress.log_end);
            self.start_sync_if_due(&mut state);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(at) = self.state.get_mut().flush_at.take() {
            self.host.flushes.remove(at);
        }
    }
}
