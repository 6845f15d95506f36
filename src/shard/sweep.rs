//! Tidying a data directory at start: what a deleted topic left is removed, strangers are named.
//!
//! Owns: directories that belong to no partition. Leaves to others: files inside of one (`log`).
//! Invariant: nothing is removed but what a deletion had already renamed; a directory whose topic
//! is not known may be somebody's only copy, so it stays and is named in the log.
//! Source: LogManager#loadLogs, LogManager#addLogToBeDeleted.
use std::rc::Rc;

use crate::cluster::Image;
use crate::log::is_delete_name;
use crate::shard::Core;

/// Strangers that are named one by one.
const STRANGERS_MAX: usize = 20;

impl Core {
    /// Looks through the data directory; what it removes it removes in the background.
    pub async fn sweep(self: &Rc<Self>, image: &Image) {
        let dir = self.identity.data_dir.clone();
        let entries = match self.env.list_dir(&dir).await {
            Ok(entries) => entries,
            Err(error) => return tracing::warn!(%dir, %error, "cannot look for left directories"),
        };
        let folders = entries.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name);
        let (deleted, others): (Vec<_>, Vec<_>) = folders.partition(|name| is_delete_name(name));
        let strangers: Vec<_> = others.iter().filter(|name| is_stranger(name, image)).collect();
        for name in strangers.iter().take(STRANGERS_MAX) {
            tracing::warn!("{dir}/{name} belongs to no topic of this broker and is left alone");
        }
        if STRANGERS_MAX < strangers.len() {
            tracing::warn!("{dir}: {} directories belong to no topic", strangers.len());
        }
        let env = self.env.clone();
        env.clone().spawn(async move {
            for name in deleted {
                match env.remove_dir_all(&format!("{dir}/{name}")).await {
                    Ok(()) => tracing::info!("{dir}/{name} of a deleted topic removed"),
                    Err(error) => tracing::warn!(%error, "{dir}/{name} cannot be removed"),
                }
            }
        });
    }
}

/// Whether this is a partition's directory, but of no partition in the image.
fn is_stranger(name: &str, image: &Image) -> bool {
    let Some((topic, index)) = name.rsplit_once('-') else { return false };
    let Ok(index) = index.parse::<i32>() else { return false };
    let known = image.topic(topic).is_some_and(|topic| topic.partition(index).is_some());
    !known && !topic.starts_with("__cluster_metadata")
}
