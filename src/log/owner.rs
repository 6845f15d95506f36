//! Whose a partition's directory is, and how one gets out of the way of another topic's.
//!
//! Owns: reading `partition.metadata`, the rename that begins a removal.
//! Leaves to others: writing `partition.metadata` (`writer`, `recovery`), which topics there are
//! (the shard).
//! Invariant: a directory is renamed, durably, before anything in it is removed, so that no crash
//! leaves a part of one.
//! Start reading at: [`evict`].
use crate::log::LogHost;
use crate::log::checkpoint::decode_metadata;
use crate::log::disk::{DiskError, Files};
use crate::log::graveyard::Remains;
use crate::log::names::{LogPlace, METADATA};
use crate::model::TopicId;

/// The topic that a partition's directory says it belongs to; `None`: nothing there says so.
pub async fn owner_of(files: &Files, dir: &str) -> Result<Option<TopicId>, DiskError> {
    let content = files.read_whole(&format!("{dir}/{METADATA}")).await?;
    let text = content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(text.and_then(decode_metadata))
}

/// As [`owner_of`], where `expected` should be: an id that differs from it in a few bits is the
/// same id, damaged, and says nothing. Two topics' ids differ in half of theirs.
pub async fn owner_beside(
    files: &Files,
    dir: &str,
    expected: TopicId,
) -> Result<Option<TopicId>, DiskError> {
    let is_damaged = |found: &TopicId| {
        let bits = found.0.iter().zip(expected.0).map(|(one, other)| (one ^ other).count_ones());
        (1..=DAMAGED_BITS_MAX).contains(&bits.sum())
    };
    Ok(owner_of(files, dir).await?.filter(|found| !is_damaged(found)))
}

/// A character of the text stands for six bits; two of them may be damaged.
const DAMAGED_BITS_MAX: u32 = 12;

/// Renames the directory of a partition that no log has open, and removes it after `delay_ms`; no
/// directory is fine.
///
/// `is_kept` is asked about its owner: true leaves it alone. A directory without a known owner
/// goes: its name says whose it is.
pub async fn evict(
    host: &LogHost,
    place: &LogPlace,
    delay_ms: u64,
    is_kept: impl Fn(TopicId) -> bool,
) -> Result<(), DiskError> {
    let (files, dir) = (host.files(), place.path());
    if !files.exists(&dir).await? {
        return Ok(());
    }
    if owner_of(&files, &dir).await?.is_some_and(is_kept) {
        return Ok(());
    }
    move_away(host, place, delay_ms).await
}

/// Renames the directory to `<topic>-<p>.<unique>-delete`, durably; that is removed after
/// `delay_ms`, or by the next start.
pub async fn move_away(host: &LogHost, place: &LogPlace, delay_ms: u64) -> Result<(), DiskError> {
    let (env, files) = (&host.env, host.files());
    let (high, low) = (env.random(), env.random());
    let gone = place.delete_path(u128::from(high) << 64 | u128::from(low));
    files.rename(&place.path(), &gone).await?;
    files.sync_dir(&place.dir).await?;
    host.graveyard.bury(env, delay_ms, vec![Remains::Directory(gone)]);
    Ok(())
}
