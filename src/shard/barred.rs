//! Logs that a start must leave alone, or as they are: journals hold batches of them.
//!
//! Owns: telling all shards, before they open any log, and when it is over.
//! Leaves to others: which logs (`log::replay`), when it is over (the node), the refusal (`log`).
//! Invariant: every shard knows before it opens any log; while journals of a directory wait for
//! room nothing changes there that a second replay of them could not stand.
//! Start reading at: [`Core::bar_logs`], [`Core::hold_dir`].
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::log::{DiskError, InJournals};
use crate::model::{PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};

type Key = (TopicId, PartitionIndex);

/// Partitions, and why they are offline.
#[derive(Clone)]
struct BarLogs(BTreeMap<Key, DiskError>);

impl Ask for BarLogs {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.logs.bar(self.0);
        Box::pin(std::future::ready(()))
    }
}

/// A log directory whose journals cannot be emptied: the disk is full.
#[derive(Clone)]
struct HoldDir {
    path: Arc<str>,
    error: DiskError,
    in_journals: BTreeMap<Key, InJournals>,
}

impl Ask for HoldDir {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.logs.dir(&self.path).hold(&self.error);
        core.logs.note_in_journals(self.in_journals);
        Box::pin(std::future::ready(()))
    }
}

/// Its journals are empty.
#[derive(Clone)]
struct ReleaseDir {
    path: Arc<str>,
    /// These can be opened now.
    barred: Arc<[Key]>,
    /// And those were.
    in_journals: Arc<[Key]>,
}

impl Ask for ReleaseDir {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.logs.unbar(&self.barred);
        core.logs.forget_in_journals(&self.in_journals);
        core.logs.dir(&self.path).release();
        Box::pin(std::future::ready(()))
    }
}

// A shard that does not answer has stopped, and opens nothing.
impl Core {
    /// Keeps these logs from being opened, on all shards.
    pub async fn bar_logs(self: &Rc<Self>, failed: &BTreeMap<Key, DiskError>) {
        if !failed.is_empty() {
            let _ = self.ask_all(&BarLogs(failed.clone())).await;
        }
    }

    /// Lets nothing be appended in a log directory, on all shards, and nothing be removed that its
    /// journals hold.
    pub async fn hold_dir(
        self: &Rc<Self>,
        path: &Arc<str>,
        error: &DiskError,
        in_journals: BTreeMap<Key, InJournals>,
    ) {
        let hold = HoldDir { path: path.clone(), error: error.clone(), in_journals };
        let _ = self.ask_all(&hold).await;
    }

    /// Ends that, and lets logs be opened that waited for it.
    pub async fn release_dir(
        self: &Rc<Self>,
        path: &Arc<str>,
        barred: Vec<Key>,
        in_journals: Vec<Key>,
    ) {
        let (barred, in_journals) = (barred.into(), in_journals.into());
        let _ = self.ask_all(&ReleaseDir { path: path.clone(), barred, in_journals }).await;
    }
}
