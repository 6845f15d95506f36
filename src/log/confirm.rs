//! The last step of opening: what recovery found and wrote becomes durable.
//!
//! Owns: one sync of the file system for all logs of a directory, then their snapshots.
//! Leaves to others: what recovery writes (`recovery`).
//! Invariant: a log whose content may still be taken by a power cut is not used, and no snapshot
//! speaks of it.
//! Start reading at: [`LogHost::confirm`].
use std::rc::Rc;

use crate::log::names::{SNAPSHOT, file_path};
use crate::log::{DiskError, Log, LogDir, LogHost, snapshot};
use crate::model::Offset;

impl LogHost {
    /// Makes durable what logs that were just loaded hold; from then on they may be used.
    ///
    /// Logs of a directory whose sync fails are offline.
    pub async fn confirm(&self, logs: &[Rc<Log>]) {
        for home in self.dirs() {
            let mine = logs.iter().filter(|log| Rc::ptr_eq(&log.home, &home));
            home.confirm(mine.collect()).await;
        }
    }
}

impl LogDir {
    async fn confirm(&self, logs: Vec<&Rc<Log>>) {
        if !logs.iter().any(|log| log.state.borrow().on_disk.unconfirmed.sync) {
            return;
        }
        // A failure takes all of them offline.
        if self.sync().await.is_err() {
            return;
        }
        for log in logs {
            match log.end_recovery().await {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    tracing::warn!(partition = %log.dir, %error, "the next start reads more");
                    log.state.borrow_mut().on_disk.complete_at = Offset(-1);
                }
                Err(error) => log.fail(error),
            }
        }
    }
}

impl Log {
    async fn end_recovery(&self) -> Result<(), DiskError> {
        let (end, producers) = {
            let mut state = self.state.borrow_mut();
            let unconfirmed = std::mem::take(&mut state.on_disk.unconfirmed);
            if !unconfirmed.snapshot {
                return Ok(());
            }
            (state.progress.log_end, state.producers.view())
        };
        // Should a crash take or tear it, the next start does again what this one did.
        let path = file_path(&self.dir, end, SNAPSHOT);
        snapshot::write(&self.files, &path, &producers).await?;
        producers.discard(&self.host.env);
        self.state.borrow_mut().on_disk.note_snapshot(end);
        Ok(())
    }
}
