//! What a start does with the journals that it finds, before any log is opened.
//!
//! Owns: the two walks (what is there, then writing it to the partitions' files), emptying the
//! journal. Leaves to others: which batches count (`plan`), which blocks (`walk`), what is wrong
//! with a partition's files after that (`recovery`).
//! Invariant: running it again, also after a power cut anywhere within, gives the same files; a
//! journal is emptied only after all that it held lies durably in files, and else kept; memory
//! goes with the partitions in it, not with its bytes.
//! Start reading at: [`replay`], then [`Replayed::empty`].
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{Env, OpenHow};
use crate::log::LogHost;
use crate::log::disk::{DiskError, Files};
use crate::log::journal::format::{EntryHead, Slot};
use crate::log::journal::kept::{self, is_kept};
use crate::log::journal::make::{UNFINISHED, write_slot};
use crate::log::journal::plan::Plan;
use crate::log::journal::walk::Walk;
use crate::log::journal::{Key, shard_of_name};
use crate::log::names::{LOG, LogPlace, file_path};
use crate::model::{Offset, PartitionIndex, ShardId, TopicId};

/// Bytes of blocks that wait to be written; then all are.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Why a journal cannot be replayed. The log directory stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(
        "the disk is full, and the journals in {dir} hold batches that are not in their files yet; \
         make room and start again, nothing is lost ({source})"
    )]
    Full { dir: String, source: DiskError },
    #[error("{path} has format {version}, this broker knows {known}: a newer one wrote it")]
    Newer { path: String, version: u16, known: u16 },
    #[error(
        "{path} is damaged at byte {position}: block {sequence} cannot be read, but block {later} \
         can, so what both hold was acknowledged; restore the file from a copy, or remove it and \
         lose what only it holds"
    )]
    Damaged { path: String, position: u64, sequence: u64, later: u64 },
    #[error(
        "{path} has {bytes} of {want} bytes: restore it from a copy, or remove it and lose what \
         only it holds"
    )]
    Short { path: String, bytes: u64, want: u64 },
    #[error("{path} is damaged: neither of its two slots can be read")]
    NoSlot { path: String },
    #[error("{path}, which says whose batches {journal} is kept for, is missing or damaged")]
    List { path: String, journal: String },
}

/// What replaying all journals of a directory came to.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Per partition, the end below which everything was stable.
    pub stable: BTreeMap<(TopicId, PartitionIndex), Offset>,
    /// Partitions whose files did not take their batches: they must not be opened.
    pub failed: BTreeMap<(TopicId, PartitionIndex), DiskError>,
    pub batches: u64,
    pub bytes: u64,
    /// Batches of partitions that are there no more, or whose predecessors are not.
    pub forgotten: u64,
    dir: String,
    pub journals: Vec<FoundJournal>,
}

/// A journal that still holds what was replayed.
#[derive(Debug)]
pub struct FoundJournal {
    name: String,
    /// `None`: it was never finished, so nothing was ever in it.
    slot: Option<Slot>,
    /// The partitions with batches in it.
    holds: BTreeSet<Key>,
}

/// Brings the files of all partitions up to what the journals of `dir` hold, durably.
///
/// `place_of` knows the partitions that exist. The journals stay as they are until
/// [`Replayed::empty`]. Errors: what concerns all partitions; that of one is told in
/// [`Replayed::failed`].
pub async fn replay(
    host: &LogHost,
    dir: &str,
    place_of: impl Fn(TopicId, PartitionIndex) -> Option<LogPlace>,
) -> Result<Replayed, JournalError> {
    let files = Files(host.env.clone());
    let (plans, homes) = (BTreeMap::new(), BTreeSet::new());
    let mut replay = Replay { host, files: &files, dir, plans, homes };
    let mut replayed = Replayed { dir: dir.to_owned(), ..Replayed::default() };
    replay.look(&mut replayed).await?;
    replay.prepare(&mut replayed, place_of).await?;
    replay.write(&mut replayed).await?;
    // A partition that was moved since lies in another directory, perhaps on another disk.
    for home in &replay.homes {
        host.dir(home).sync().await?;
    }
    Ok(replayed)
}

/// Whether a journal in `dir` holds anything: then no stop in order was the last thing there.
pub async fn journals_hold_batches(env: &Env, dir: &str) -> Result<bool, JournalError> {
    let files = Files(env.clone());
    for name in files.names(dir).await? {
        if is_kept(&name) {
            return Ok(true);
        }
        let path = format!("{dir}/{name}");
        if shard_of_name(&name).is_some()
            && let Some(mut walk) = Walk::open(&files, &path).await?
            && walk.next().await?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Replay<'a> {
    host: &'a LogHost,
    files: &'a Files,
    dir: &'a str,
    plans: BTreeMap<Key, (Plan, Option<Rc<str>>)>,
    /// The log directories of the partitions that take batches.
    homes: BTreeSet<String>,
}

/// Batches that follow each other in one file, on their way there.
struct Piece {
    path: String,
    position: u64,
    end: u64,
    slices: Vec<Bytes>,
}

impl Replay<'_> {
    /// The first walk: what is there. Kept journals first: they are older.
    async fn look(&mut self, replayed: &mut Replayed) -> Result<(), JournalError> {
        let mut names = self.files.names(self.dir).await?;
        names.sort_by_key(|name| (!is_kept(name), name.clone()));
        for name in names {
            let path = format!("{}/{name}", self.dir);
            if name.strip_suffix(UNFINISHED).and_then(shard_of_name).is_some() {
                self.files.remove(&path).await?;
            }
            let only = match is_kept(&name) {
                true => Some(kept::listed(self.files, &path).await?),
                false => None,
            };
            if only.is_none() && shard_of_name(&name).is_none() {
                continue;
            }
            let mut holds = only.clone().unwrap_or_default();
            let mut slot = None;
            if let Some(mut walk) = Walk::open(self.files, &path).await? {
                slot = Some(walk.slot);
                while let Some(block) = walk.next().await? {
                    for (head, _) in block.entries() {
                        let key = (head.topic_id, head.partition);
                        if only.as_ref().is_none_or(|only| only.contains(&key)) {
                            self.plans.entry(key).or_default().0.note(&head);
                            holds.insert(key);
                        }
                    }
                }
                walk.check_end().await?;
            }
            replayed.journals.push(FoundJournal { name, slot, holds });
        }
        Ok(())
    }

    async fn prepare(
        &mut self,
        replayed: &mut Replayed,
        place_of: impl Fn(TopicId, PartitionIndex) -> Option<LogPlace>,
    ) -> Result<(), JournalError> {
        for (key, (plan, dir)) in &mut self.plans {
            let Some(place) = place_of(key.0, key.1) else {
                replayed.forgotten += plan.batches;
                continue;
            };
            match plan.prepare(self.host, &place).await {
                Ok(()) => {
                    *dir = Some(place.path().into());
                    self.homes.insert(place.dir.clone());
                    replayed.stable.insert(*key, plan.stable_end());
                    replayed.forgotten += plan.forgotten();
                }
                Err(error) => replayed.fail(self.dir, *key, error)?,
            }
        }
        Ok(())
    }

    /// The second walk: writing what counts.
    async fn write(&mut self, replayed: &mut Replayed) -> Result<(), JournalError> {
        let mut waiting: BTreeMap<Key, Piece> = BTreeMap::new();
        let mut waiting_bytes = 0;
        for at in 0..replayed.journals.len() {
            let FoundJournal { name, holds, .. } = &replayed.journals[at];
            let (path, holds) = (format!("{}/{name}", self.dir), holds.clone());
            let Some(mut walk) = Walk::open(self.files, &path).await? else { continue };
            while let Some(block) = walk.next().await? {
                waiting_bytes += block.bytes();
                for (head, batch) in block.entries() {
                    let key = (head.topic_id, head.partition);
                    let plan = self.plans.get_mut(&key).filter(|_| holds.contains(&key));
                    let Some((plan, Some(dir))) = plan else { continue };
                    if !plan.takes() || replayed.failed.contains_key(&key) {
                        continue;
                    }
                    replayed.batches += 1;
                    replayed.bytes += batch.len() as u64;
                    if let Some(full) = add(&mut waiting, dir, &head, batch) {
                        self.put(replayed, key, full).await?;
                    }
                }
                if WAITING_BYTES_MAX < waiting_bytes {
                    self.put_all(replayed, &mut waiting).await?;
                    waiting_bytes = 0;
                }
            }
        }
        self.put_all(replayed, &mut waiting).await
    }

    async fn put_all(
        &self,
        replayed: &mut Replayed,
        waiting: &mut BTreeMap<Key, Piece>,
    ) -> Result<(), JournalError> {
        while let Some((key, piece)) = waiting.pop_first() {
            self.put(replayed, key, piece).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        replayed: &mut Replayed,
        key: Key,
        piece: Piece,
    ) -> Result<(), JournalError> {
        let written = async {
            let file = self.files.open(&piece.path, OpenHow::Create).await?;
            self.files.write(&file, &piece.path, piece.position, piece.slices).await
        };
        match written.await {
            Ok(()) => Ok(()),
            Err(error) => replayed.fail(self.dir, key, error),
        }
    }
}

/// Adds a batch to its partition's piece; gives the one before when it does not follow that.
fn add(
    waiting: &mut BTreeMap<Key, Piece>,
    dir: &str,
    head: &EntryHead,
    batch: Bytes,
) -> Option<Piece> {
    let key = (head.topic_id, head.partition);
    let path = file_path(dir, head.segment, LOG);
    let position = u64::from(head.position);
    let end = position + batch.len() as u64;
    if let Some(piece) = waiting.get_mut(&key).filter(|p| p.end == position && p.path == path) {
        piece.end = end;
        piece.slices.push(batch);
        return None;
    }
    waiting.insert(key, Piece { path, position, end, slices: vec![batch] })
}

impl Replayed {
    /// Gives one partition up, unless what failed concerns all.
    fn fail(&mut self, dir: &str, key: Key, error: DiskError) -> Result<(), JournalError> {
        if error.is_full() {
            return Err(JournalError::Full { dir: dir.to_owned(), source: error });
        }
        tracing::error!(%error, "a partition's file does not take what the journal holds");
        self.stable.remove(&key);
        self.failed.entry(key).or_insert(error);
        Ok(())
    }

    /// Makes the next start find nothing but what failed, and removes journals of shards from
    /// `shards` on.
    pub async fn empty(self, env: &Env, shards: u16) -> Result<(), DiskError> {
        let files = Files(env.clone());
        for FoundJournal { name, slot, holds } in self.journals {
            let path = format!("{}/{name}", self.dir);
            let waiting: BTreeSet<Key> =
                holds.into_iter().filter(|key| self.failed.contains_key(key)).collect();
            if !waiting.is_empty() {
                kept::keep(&files, &self.dir, &name, &waiting).await?;
                continue;
            }
            let Some(shard) = shard_of_name(&name) else {
                kept::remove(&files, &path).await?;
                continue;
            };
            if let Some(slot) = slot {
                empty(&files, &path, slot).await?;
            }
            if ShardId(shards) <= shard {
                files.remove(&path).await?;
            }
        }
        Ok(())
    }
}

/// Writes a slot of another salt: no block of the old one is believed again.
async fn empty(files: &Files, path: &str, old: Slot) -> Result<(), DiskError> {
    let file = files.open(path, OpenHow::Direct).await?;
    let salt = files.0.random() | 1;
    // Both, so that no damage to one brings the old blocks back.
    for generation in [old.generation + 1, old.generation + 2] {
        write_slot(files, &file, path, Slot::begin(generation, salt, old.file_bytes)).await?;
    }
    Ok(())
}
