//! What a partition's directory says of itself, before anybody opens its log.
//!
//! Owns: reading its topic id and last leader epoch; walking the batches of any file.
//! Leaves to others: opening logs (`recovery`), what to do with what was found (the shard, tools).
use crate::env::{Env, OpenHow};
use crate::log::disk::Files;
use crate::log::names::EPOCHS;
use crate::log::owner::owner_of;
use crate::log::scan::{Check, Scanner};
use crate::log::{DiskError, EpochCache};
use crate::model::{LeaderEpoch, Offset, TopicId};

/// A directory that says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundPartition {
    pub topic_id: TopicId,
    /// The last one that wrote; `None` when nothing says so.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Looks at a directory; `None`: it is not a partition's, or does not say whose it is.
pub async fn look_into(env: &Env, dir: &str) -> Result<Option<FoundPartition>, DiskError> {
    let files = Files::unwatched(env);
    let Some(topic_id) = owner_of(&files, dir).await? else { return Ok(None) };
    let content = files.read_whole(&format!("{dir}/{EPOCHS}")).await?;
    let text = content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let epochs = text.and_then(EpochCache::decode).unwrap_or_default();
    let leader_epoch = epochs.latest().map(|latest| latest.epoch);
    Ok(Some(FoundPartition { topic_id, leader_epoch }))
}

/// Walks all batches of a file of them, with checksums; none may lie below `floor`.
pub async fn walk(env: &Env, path: &str, floor: Offset) -> Result<Scanner, DiskError> {
    let files = Files::unwatched(env);
    let file = files.open(path, OpenHow::Read).await?;
    let bytes = files.bytes(&file, path).await?;
    Ok(Scanner::new(&files, file, path, 0..bytes, floor, Check::Crc))
}
