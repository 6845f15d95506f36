//! Timers: what is due when, at most one entry per cause.
//!
//! Owns: the order of expiries; ties go by cause, so that two runs expire alike.
//! Leaves to others: what an expiry means (`coordinator`).
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why the coordinator wants to wake up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// Look for expired offsets and groups.
    Cleanup,
    /// The join phase ends.
    Join(Arc<str>),
    /// Members that have not synced are removed.
    Sync(Arc<str>),
    /// An assignor has not answered, or is to be asked again.
    Plan(Arc<str>),
    /// Session of a member ends: group, member.
    Session(Arc<str>, Arc<str>),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(u64, Cause)>,
    at: BTreeMap<Cause, u64>,
}

impl Timers {
    /// Sets the cause's only expiry, in monotonic milliseconds.
    pub fn set(&mut self, cause: Cause, at_ms: u64) {
        if let Some(before) = self.at.insert(cause.clone(), at_ms) {
            self.due.remove(&(before, cause.clone()));
        }
        self.due.insert((at_ms, cause));
        assert!(self.due.len() == self.at.len());
    }

    pub fn cancel(&mut self, cause: &Cause) {
        if let Some(at) = self.at.remove(cause) {
            self.due.remove(&(at, cause.clone()));
        }
    }

    pub fn next(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the earliest cause due at `now_ms`.
    pub fn pop(&mut self, now_ms: u64) -> Option<Cause> {
        if now_ms < self.next()? {
            return None;
        }
        let (_, cause) = self.due.pop_first()?;
        self.at.remove(&cause);
        Some(cause)
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
