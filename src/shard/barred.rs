//! Logs that a start must leave alone: a journal holds batches that their files did not take.
//!
//! Owns: telling all shards. Leaves to others: which logs (`log::replay`), the refusal (`log`).
//! Invariant: every shard knows before it opens any log.
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::log::DiskError;
use crate::model::{PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};

/// Partitions, and why they are offline.
#[derive(Clone)]
struct BarLogs(BTreeMap<(TopicId, PartitionIndex), DiskError>);

impl Ask for BarLogs {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.logs.bar(self.0);
        Box::pin(std::future::ready(()))
    }
}

impl Core {
    /// Keeps these logs from being opened, on all shards.
    pub async fn bar_logs(
        self: &Rc<Self>,
        failed: &BTreeMap<(TopicId, PartitionIndex), DiskError>,
    ) {
        if !failed.is_empty() {
            // A shard that does not answer has stopped, and opens nothing.
            let _ = self.ask_all(&BarLogs(failed.clone())).await;
        }
    }
}
