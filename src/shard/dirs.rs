//! A log directory that fails does so for every shard.
//!
//! Owns: telling the other shards. Leaves to others: what a failed directory does to logs (`log`).
//! Invariant: after a failed sync on one shard no shard acknowledges anything in that directory for
//! longer than a letter takes.
use std::rc::Rc;
use std::sync::Arc;

use crate::log::DiskError;
use crate::model::ShardId;
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};

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
        });
    }
}
