//! One log directory as one shard sees it: its journal, and whether the disk can be trusted.
//!
//! Owns: taking all its logs offline when a sync fails.
//! Leaves to others: the other shards' logs there (the shard tells them), files (`Log`).
//! Invariant: after a failed sync nothing of the directory is acknowledged any more: what the
//! kernel could not write it has forgotten, and the next sync would say yes.
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::env::{Env, OpenHow};
use crate::log::cold::ReadLane;
use crate::log::disk::Files;
use crate::log::journal::Journal;
use crate::log::room::Room;
use crate::log::{DiskError, Log};

pub struct LogDir {
    env: Env,
    pub path: Arc<str>,
    pub journal: Rc<Journal>,
    pub room: Rc<Room>,
    pub cold_reads: ReadLane,
    /// Bytes that its logs on this shard accepted and did not yet write.
    pub queued: Cell<usize>,
    logs: RefCell<Vec<Weak<Log>>>,
    failed: RefCell<Option<DiskError>>,
    /// Journals of an earlier process wait for room: see [`LogDir::hold`].
    held: RefCell<Option<DiskError>>,
    tell: OnFailure,
}

/// Called once with the directory and the cause when it goes offline.
pub type OnFailure = Rc<RefCell<Option<Rc<dyn Fn(&str, &DiskError)>>>>;

impl LogDir {
    pub fn new(
        env: &Env,
        path: &str,
        journal: Rc<Journal>,
        room: Rc<Room>,
        tell: OnFailure,
    ) -> Rc<Self> {
        let dir = Rc::new(Self {
            env: env.clone(),
            path: path.into(),
            journal,
            room,
            cold_reads: ReadLane::default(),
            queued: Cell::default(),
            logs: RefCell::default(),
            failed: RefCell::default(),
            held: RefCell::default(),
            tell,
        });
        let weak = Rc::downgrade(&dir);
        dir.journal.on_failure(move |error| {
            if let Some(dir) = weak.upgrade() {
                dir.fail(error);
            }
        });
        dir
    }

    /// Makes the whole file system of the directory durable.
    ///
    /// Errors: the directory has failed then.
    pub async fn sync(&self) -> Result<(), DiskError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let files = Files::unwatched(&self.env);
        let synced = async {
            let dir = files.open(&self.path, OpenHow::Read).await?;
            files.sync_file_system(&dir, &self.path).await
        };
        synced.await.inspect_err(|error| self.fail(error))
    }

    /// Takes no appends, and removes nothing that journals hold, until [`LogDir::release`]: the
    /// disk is full, and a start that came now would replay these journals once more.
    pub fn hold(&self, error: &DiskError) {
        *self.held.borrow_mut() = Some(error.clone());
        self.journal.hold(error.clone());
    }

    /// Why appends are refused here for now.
    pub fn held(&self) -> Option<DiskError> {
        self.held.borrow().clone()
    }

    /// The journals are empty: logs may change again.
    pub fn release(&self) {
        *self.held.borrow_mut() = None;
        for log in self.logs.borrow().iter().filter_map(Weak::upgrade) {
            log.state.borrow_mut().behind.fence.cleared_all();
        }
        self.journal.release();
        self.room.nudge();
    }

    /// Why nothing of this directory is served any more.
    pub fn failure(&self) -> Option<DiskError> {
        self.failed.borrow().clone()
    }

    pub fn add(&self, log: &Rc<Log>) {
        let mut logs = self.logs.borrow_mut();
        if logs.len() == logs.capacity() {
            logs.retain(|log| 0 < log.strong_count());
        }
        logs.push(Rc::downgrade(log));
        drop(logs);
        // It may have failed while this log was opened.
        if let Some(error) = self.failure() {
            log.fail(error);
        }
    }

    /// Takes every log of this shard here offline.
    pub fn fail(&self, error: &DiskError) {
        if self.failed.borrow().is_some() {
            return;
        }
        *self.failed.borrow_mut() = Some(error.clone());
        tracing::error!(dir = %self.path, %error, "the log directory is offline");
        let logs = std::mem::take(&mut *self.logs.borrow_mut());
        for log in logs.iter().filter_map(Weak::upgrade) {
            log.fail(error.clone());
        }
        let tell = self.tell.borrow().clone();
        if let Some(tell) = tell {
            tell(&self.path, error);
        }
    }
}
