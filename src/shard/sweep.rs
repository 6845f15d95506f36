//! Tidying the log directories: what a deleted topic left is removed, strangers are named.
//!
//! Owns: directories that belong to no partition. Leaves to others: files inside of one (`log`).
//! Invariant: nothing is removed but what a deletion has renamed, or of what it was told in this
//! life of the process; a directory whose topic is not known may be somebody's only copy, so it
//! stays and is named in the log.
//! Source: LogManager#loadLogs, LogManager#addLogToBeDeleted.
use std::rc::Rc;

use crate::cluster::Image;
use crate::log::{LogPlace, Remains, evict, is_delete_name};
use crate::model::{DirectoryId, NodeId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::census::{Census, parse_folder, partition_of};

/// Strangers that are named one by one.
const STRANGERS_MAX: usize = 20;

/// The folder of a deleted partition that a full disk did not let go; told to shard 0.
pub(super) struct LeftBehind {
    pub place: LogPlace,
    pub delay_ms: u64,
}

impl Ask for LeftBehind {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let held = core.clone();
        core.env.spawn(async move { held.remove_in_time(self).await });
        Box::pin(std::future::ready(()))
    }
}

impl Core {
    /// Removes a folder when the disk has room for its new name, unless its name is somebody
    /// else's by then: who gets it moves the folder away.
    async fn remove_in_time(&self, LeftBehind { place, delay_ms }: LeftBehind) {
        let Some(controller) = self.controller() else { return };
        let home = self.logs.dir(&place.dir);
        loop {
            let before = home.room.free_bytes().await;
            home.room.roomier(before).await;
            // No topic is created while this looks and renames.
            let _still = controller.still().await;
            if self.image().topic(&place.topic).is_some() || home.failure().is_some() {
                return;
            }
            match evict(&self.logs, &place, delay_ms, |owner| owner != place.topic_id).await {
                Err(error) if error.is_full() => {}
                Err(error) => return tracing::error!(%error, "a deleted topic's folder stays"),
                Ok(()) => return,
            }
        }
    }

    /// Looks at what lies in the log directories; what it removes it removes in the background.
    pub fn sweep(&self, census: &Census, image: &Image) {
        for (dir, id) in self.online_dirs() {
            let path = dir.path.clone();
            let (deleted, others): (Vec<_>, Vec<_>) =
                census.folders(&path).cloned().partition(|name| is_delete_name(name));
            let at = (self.identity.node_id, id);
            let strangers: Vec<_> =
                others.iter().filter(|name| is_stranger(name, image, at)).collect();
            for name in strangers.iter().take(STRANGERS_MAX) {
                tracing::warn!(
                    "{path}/{name} belongs to no topic of this broker and is left alone"
                );
            }
            if STRANGERS_MAX < strangers.len() {
                tracing::warn!("{path}: {} directories belong to no topic", strangers.len());
            }
            let deleted = deleted.into_iter().map(|name| format!("{path}/{name}"));
            self.logs.remove_soon(deleted.map(Remains::Directory).collect());
        }
    }
}

/// Whether this is a partition's directory, but of no partition that the image knows here.
fn is_stranger(name: &str, image: &Image, (node, id): (NodeId, DirectoryId)) -> bool {
    let Some((topic, _)) = parse_folder(name) else { return false };
    let known = partition_of(name, image).is_some_and(|(topic, index)| {
        topic.partition(index).is_some_and(|one| one.directory_on(node) == id)
    });
    !known && !topic.starts_with("__cluster_metadata")
}
