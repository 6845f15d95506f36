//! Tidying the log directories at start: what a deleted topic left is removed, strangers are named.
//!
//! Owns: directories that belong to no partition. Leaves to others: files inside of one (`log`).
//! Invariant: nothing is removed but what a deletion had already renamed; a directory whose topic
//! is not known may be somebody's only copy, so it stays and is named in the log.
//! Source: LogManager#loadLogs, LogManager#addLogToBeDeleted.
use crate::cluster::Image;
use crate::log::is_delete_name;
use crate::model::{DirectoryId, NodeId};
use crate::shard::Core;
use crate::shard::census::{Census, parse_folder, partition_of};

/// Strangers that are named one by one.
const STRANGERS_MAX: usize = 20;

impl Core {
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
            let env = self.env.clone();
            self.env.spawn(async move {
                for name in deleted {
                    match env.remove_dir_all(&format!("{path}/{name}")).await {
                        Ok(()) => tracing::info!("{path}/{name} of a deleted topic removed"),
                        Err(error) => tracing::warn!(%error, "{path}/{name} cannot be removed"),
                    }
                }
            });
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
