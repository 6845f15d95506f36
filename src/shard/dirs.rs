//! The log directories of a node: which there are, which can be used, and how one fails.
//!
//! Owns: telling all shards and the cluster's metadata of a failure, when the node must end.
//! Leaves to others: what a failed directory does to logs (`log`), what lies where (`census`).
//! Invariant: after a failed sync on one shard no shard acknowledges anything in that directory for
//! longer than a letter takes.
//! Start reading at: [`Core::share_dir_failures`].
//! Source: KIP-112, KIP-858; Kafka `ReplicaManager#handleLogDirFailure`.
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{LogDirSeed, Refusal};
use crate::env::local::Notify;
use crate::log::DiskError;
use crate::model::{DirectoryId, ShardId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::controller::Controller;

/// Between two tries to tell the metadata of a failed directory, at first and at most.
const TELL_AGAIN_MS: u64 = 100;
const TELL_AGAIN_MS_MAX: u64 = 10_000;

/// One of `log.dirs`, as the process found it when it began.
#[derive(Clone, Debug)]
pub struct LogDirectory {
    /// As `log.dirs` names it.
    pub name: String,
    pub path: Arc<str>,
    /// The process before this one closed its logs here.
    pub ended_cleanly: bool,
    /// Its id, or why it cannot be used.
    pub id: Result<DirectoryId, String>,
}

/// Why a node that has lost what it cannot do without must end.
#[derive(Default)]
pub struct StorageGone {
    sentence: RefCell<Option<String>>,
    notice: Notify,
    /// Somebody will tell the metadata of failed directories once more.
    tells: Cell<bool>,
}

/// Takes all logs of a directory offline, on the shard that is told.
#[derive(Clone)]
struct FailDir {
    path: Arc<str>,
    error: DiskError,
}

impl Ask for FailDir {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.logs.dir(&self.path).fail(&self.error);
        Box::pin(std::future::ready(()))
    }
}

impl Core {
    /// Log directories that work, as this shard knows it.
    pub fn online_dirs(&self) -> impl Iterator<Item = (&LogDirectory, DirectoryId)> {
        let usable =
            self.identity.log_dirs.iter().filter_map(|dir| Some((dir, *dir.id.as_ref().ok()?)));
        usable.filter(|(dir, _)| self.logs.dir(&dir.path).failure().is_none())
    }

    /// Why a log directory does not work; `None` when it does.
    pub fn dir_fault(&self, dir: &LogDirectory) -> Option<String> {
        match &dir.id {
            Err(why) => Some(why.clone()),
            Ok(_) => self.logs.dir(&dir.path).failure().map(|error| error.to_string()),
        }
    }

    /// The path of a log directory that this process has; it may have failed since.
    pub fn dir_path(&self, id: DirectoryId) -> Option<&Arc<str>> {
        let found = self.identity.log_dirs.iter().find(|dir| dir.id.as_ref() == Ok(&id));
        found.map(|dir| &dir.path)
    }

    /// What a registration says of the log directories.
    pub fn online_dir_seeds(&self) -> Vec<LogDirSeed> {
        let seed = |(dir, id): (&LogDirectory, _)| LogDirSeed { id, name: dir.name.clone() };
        self.online_dirs().map(seed).collect()
    }

    /// From now on a directory that fails here fails on all shards.
    pub fn share_dir_failures(self: &Rc<Self>) {
        let core = Rc::downgrade(self);
        self.logs.on_dir_failure(move |path, error| {
            let Some(core) = core.upgrade() else { return };
            let failed = FailDir { path: path.into(), error: error.clone() };
            for shard in (0..core.shards).map(ShardId).filter(|shard| *shard != core.shard) {
                let asked = core.ask(shard, failed.clone());
                // A shard that has stopped has no logs any more.
                core.env.spawn(async move {
                    let _ = asked.told().await;
                });
            }
            if core.shard == ShardId(0) {
                let held = core.clone();
                core.env.spawn(async move { held.report_failed_dirs().await });
            }
        });
    }

    /// Puts into the metadata which log directories have failed: what lies there has no leader any
    /// more. What the metadata does not take now it is told again until it does. Without the one of
    /// the metadata log, or without any, the node must end. On shard 0.
    pub async fn report_failed_dirs(self: &Rc<Self>) {
        let offline = self.identity.log_dirs.iter().filter(|dir| self.dir_fault(dir).is_some());
        self.metrics.log.dirs_offline.set(offline.count() as i64);
        if let Some(sentence) = self.lost_storage() {
            return self.lose_storage(sentence);
        }
        // Before there is a controller the start goes on and looks again.
        let Some(controller) = self.controller() else { return };
        if !self.tell_failed_dirs(&controller).await && !self.storage_gone.tells.replace(true) {
            let core = self.clone();
            self.env.spawn(async move {
                let mut pause_ms = TELL_AGAIN_MS;
                while core.lost_storage().is_none() {
                    core.env.sleep_ms(pause_ms).await;
                    // Who fails beside this try may not hear of it, and begins another one.
                    core.storage_gone.tells.set(false);
                    let told = core.tell_failed_dirs(&controller).await;
                    if told || core.storage_gone.tells.replace(true) {
                        return;
                    }
                    pause_ms = (2 * pause_ms).min(TELL_AGAIN_MS_MAX);
                }
            });
        }
    }

    /// False: the metadata could not be written.
    async fn tell_failed_dirs(&self, controller: &Rc<Controller>) -> bool {
        let is_failed = |dir: &&LogDirectory| self.dir_fault(dir).is_some();
        let failed = self.identity.log_dirs.iter().filter(is_failed);
        let failed: Vec<DirectoryId> = failed.filter_map(|dir| dir.id.clone().ok()).collect();
        let told = controller.commit(|plan| Ok::<_, Refusal>(plan.fail_log_dirs(&failed)));
        let told = told.await;
        if let Err(error) = &told {
            tracing::error!(%error, "the metadata does not know of a failed log directory");
        }
        told.is_ok()
    }

    /// Notes why the node must end; the first reason counts. On shard 0.
    pub fn lose_storage(&self, sentence: String) {
        self.storage_gone.sentence.borrow_mut().get_or_insert(sentence);
        self.storage_gone.notice.notify_all();
    }

    /// Why the node cannot go on; `None` while it can.
    pub fn lost_storage(&self) -> Option<String> {
        let dirs = &self.identity.log_dirs;
        let faults: Vec<_> = dirs.iter().map(|dir| (dir, self.dir_fault(dir))).collect();
        let home = faults.iter().find(|(dir, _)| dir.path == self.identity.data_dir);
        if let Some((dir, Some(why))) = home {
            return Some(format!("The log directory of the metadata, {}, failed: {why}", dir.path));
        }
        let last = faults.iter().find_map(|(_, why)| why.clone())?;
        let all = faults.iter().all(|(_, why)| why.is_some());
        all.then(|| format!("All log directories have failed, one of them so: {last}"))
    }

    /// Waits until the node has lost what it cannot do without; says what that is. On shard 0.
    pub async fn storage_gone(&self) -> String {
        loop {
            let changed = self.storage_gone.notice.changed();
            if let Some(sentence) = self.storage_gone.sentence.borrow().clone() {
                return sentence;
            }
            changed.await;
        }
    }
}
