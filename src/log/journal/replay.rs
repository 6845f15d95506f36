//! What a start does with the journals that it finds, before any log is opened.
//!
//! Owns: the two walks (what is there, then writing it to the partitions' files), doing it again
//! for partitions whose files had no room, emptying the journal.
//! Leaves to others: which batches count (`plan`), which blocks (`walk`), what is wrong with a
//! partition's files after that (`recovery`), when there is room (the node).
//! Invariant: running it again, also after a power cut anywhere within, gives the same files; a
//! journal is emptied only after all that it held lies durably in files, and else kept; memory
//! goes with the partitions in it, not with its bytes.
//! Start reading at: [`replay`], then [`Replayed::again`] and [`Replayed::empty`].
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{Env, IoError, OpenHow};
use crate::log::LogHost;
use crate::log::disk::{DiskError, Files};
use crate::log::journal::format::{EntryHead, Slot};
use crate::log::journal::kept::{self, is_kept};
use crate::log::journal::make::{UNFINISHED, write_slots};
use crate::log::journal::plan::Plan;
use crate::log::journal::walk::Walk;
use crate::log::journal::{Key, shard_of_name};
use crate::log::names::{LOG, LogPlace, file_path};
use crate::model::{Offset, PartitionIndex, ShardId, TopicId};

/// Bytes of blocks that wait to be written; then all are. Few in unit tests, which meet it then.
const WAITING_BYTES_MAX: usize = if cfg!(test) { 16 << 10 } else { 32 << 20 };

/// Why a journal cannot be replayed. The log directory stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(
        "the disk is full, and the journals in {dir} hold batches that are not in their files yet; \
         make room and try again, nothing is lost ({source})"
    )]
    Full { dir: String, source: DiskError },
    #[error("{path} has format {version}, this broker knows {known}: a newer one wrote it")]
    Newer { path: String, version: u16, known: u16 },
    #[error(
        "{path} has format {version}, this broker knows {known}: an older one wrote it; start that \
         one, stop it in order, which leaves nothing in it, and remove the file"
    )]
    Older { path: String, version: u16, known: u16 },
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
    #[error(
        "{path} does not read the same twice: its disk is failing; nothing is taken out of it, so \
         copy it elsewhere before anything else"
    )]
    Changed { path: String },
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
    /// Partitions whose files have no room for their batches: not to be opened before
    /// [`Replayed::again`] has written them.
    pub waiting: BTreeMap<(TopicId, PartitionIndex), DiskError>,
    /// Per partition, the first offset that the journals hold.
    pub first: BTreeMap<(TopicId, PartitionIndex), Offset>,
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
/// [`Replayed::failed`], or in [`Replayed::waiting`] when the disk is full.
pub async fn replay(
    host: &LogHost,
    dir: &str,
    place_of: impl Fn(TopicId, PartitionIndex) -> Option<LogPlace>,
) -> Result<Replayed, JournalError> {
    let files = host.files();
    let (plans, homes) = (BTreeMap::new(), BTreeMap::new());
    let mut replay = Replay { host, files: &files, dir, plans, homes };
    let mut replayed = Replayed { dir: dir.to_owned(), ..Replayed::default() };
    replay.look(&mut replayed).await?;
    replay.prepare(&mut replayed, place_of).await?;
    replay.write(&mut replayed).await?;
    // A partition that was moved since lies in another directory, perhaps on another disk.
    for home in replay.homes.keys() {
        host.dir(home).sync().await?;
    }
    Ok(replayed)
}

/// Whether a journal in `dir` holds anything: then no stop in order was the last thing there.
pub async fn journals_hold_batches(env: &Env, dir: &str) -> Result<bool, JournalError> {
    let files = Files::unwatched(env);
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
    plans: BTreeMap<Key, (Plan, Option<Home>)>,
    /// The log directories of the partitions that take batches, and the room in each.
    homes: BTreeMap<String, Rc<Cell<u64>>>,
}

/// Where a partition lies.
#[derive(Clone)]
struct Home {
    dir: Rc<str>,
    /// Bytes that its log directory has room for beside what the metadata needs.
    spare_bytes: Rc<Cell<u64>>,
}

/// Batches that follow each other in one file, on their way there.
struct Piece {
    path: String,
    spare_bytes: Rc<Cell<u64>>,
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
        for (key, (plan, home)) in &mut self.plans {
            let Some(place) = place_of(key.0, key.1) else {
                replayed.forgotten += plan.batches;
                continue;
            };
            match plan.prepare(self.host, &place).await {
                Ok(()) => {
                    let spare_bytes = self.homes.entry(place.dir.clone()).or_default().clone();
                    *home = Some(Home { dir: place.path().into(), spare_bytes });
                    replayed.stable.insert(*key, plan.stable_end());
                    replayed.first.extend(plan.first().map(|first| (*key, first)));
                    replayed.forgotten += plan.forgotten();
                }
                Err(error) => replayed.fail(*key, error),
            }
        }
        Ok(())
    }

    /// The second walk: writing what counts.
    async fn write(&mut self, replayed: &mut Replayed) -> Result<(), JournalError> {
        let mut waiting: BTreeMap<Key, Piece> = BTreeMap::new();
        let mut waiting_bytes = 0;
        self.look_for_room().await;
        for at in 0..replayed.journals.len() {
            let FoundJournal { name, holds, .. } = &replayed.journals[at];
            let (path, holds) = (format!("{}/{name}", self.dir), holds.clone());
            let Some(mut walk) = Walk::open(self.files, &path).await? else { continue };
            while let Some(block) = walk.next().await? {
                waiting_bytes += block.bytes();
                for (head, batch) in block.entries() {
                    let key = (head.topic_id, head.partition);
                    let plan = self.plans.get_mut(&key).filter(|_| holds.contains(&key));
                    let Some((plan, Some(home))) = plan else { continue };
                    let Some(takes) = plan.takes(&head) else {
                        return Err(JournalError::Changed { path: path.clone() });
                    };
                    if !takes || replayed.is_out(key) {
                        continue;
                    }
                    replayed.batches += 1;
                    replayed.bytes += batch.len() as u64;
                    if let Some(full) = add(&mut waiting, home, &head, batch) {
                        self.put(replayed, key, full).await;
                    }
                }
                if WAITING_BYTES_MAX < waiting_bytes {
                    self.put_all(replayed, &mut waiting).await;
                    waiting_bytes = 0;
                }
            }
        }
        self.put_all(replayed, &mut waiting).await;
        let mut written = self.plans.values().filter(|(_, home)| home.is_some());
        match written.all(|(plan, _)| plan.is_done()) {
            true => Ok(()),
            false => Err(JournalError::Changed { path: self.dir.to_owned() }),
        }
    }

    async fn put_all(&self, replayed: &mut Replayed, waiting: &mut BTreeMap<Key, Piece>) {
        self.look_for_room().await;
        while let Some((key, piece)) = waiting.pop_first() {
            self.put(replayed, key, piece).await;
        }
    }

    async fn look_for_room(&self) {
        for (dir, spare_bytes) in &self.homes {
            spare_bytes.set(self.host.dir(dir).room.spare_bytes().await);
        }
    }

    /// Writes a piece, unless one before it was not written.
    async fn put(&self, replayed: &mut Replayed, key: Key, piece: Piece) {
        if replayed.is_out(key) {
            return;
        }
        let written = async {
            let file = self.files.open(&piece.path, OpenHow::Create).await?;
            let before = self.files.bytes(&file, &piece.path).await?;
            // What is there already, as after a start that ended early, needs no room.
            let grows = piece.end.saturating_sub(before);
            let left = piece.spare_bytes.get().checked_sub(grows).filter(|_| 0 < grows);
            if 0 < grows && left.is_none() {
                return Err(DiskError::new("write", &piece.path, IoError::NoSpace));
            }
            piece.spare_bytes.set(left.unwrap_or(piece.spare_bytes.get()));
            let written = self.files.write(&file, &piece.path, piece.position, piece.slices).await;
            if written.as_ref().is_err_and(DiskError::is_full) {
                // A part of it is of no use to anybody, its room is.
                self.files.truncate(&file, &piece.path, before).await?;
            }
            written
        };
        if let Err(error) = written.await {
            replayed.fail(key, error);
        }
    }
}

/// Adds a batch to its partition's piece; gives the one before when it does not follow that.
fn add(
    waiting: &mut BTreeMap<Key, Piece>,
    home: &Home,
    head: &EntryHead,
    batch: Bytes,
) -> Option<Piece> {
    let key = (head.topic_id, head.partition);
    let path = file_path(&home.dir, head.segment, LOG);
    let position = u64::from(head.position);
    let end = position + batch.len() as u64;
    if let Some(piece) = waiting.get_mut(&key).filter(|p| p.end == position && p.path == path) {
        piece.end = end;
        piece.slices.push(batch);
        return None;
    }
    let (spare_bytes, slices) = (home.spare_bytes.clone(), vec![batch]);
    waiting.insert(key, Piece { path, spare_bytes, position, end, slices })
}

impl Replayed {
    /// Gives one partition up, or puts it off on a full disk.
    fn fail(&mut self, key: Key, error: DiskError) {
        self.stable.remove(&key);
        if error.is_full() {
            self.waiting.insert(key, error);
            return;
        }
        tracing::error!(%error, "a partition's file does not take what the journal holds");
        self.failed.entry(key).or_insert(error);
    }

    /// Whether a partition takes nothing more of what the journals hold.
    fn is_out(&self, key: Key) -> bool {
        self.failed.contains_key(&key) || self.waiting.contains_key(&key)
    }

    /// Writes what waits for room, and nothing of any other partition: logs of these may be open.
    ///
    /// Errors: as for [`replay`].
    pub async fn again(
        &mut self,
        host: &LogHost,
        place_of: impl Fn(TopicId, PartitionIndex) -> Option<LogPlace>,
    ) -> Result<(), JournalError> {
        let is_waiting = |key| self.waiting.contains_key(&key);
        let place_of = |topic, index| place_of(topic, index).filter(|_| is_waiting((topic, index)));
        let more = replay(host, &self.dir, place_of).await?;
        self.waiting = more.waiting;
        self.failed.extend(more.failed);
        self.stable.extend(more.stable);
        self.first.extend(more.first);
        self.batches += more.batches;
        self.bytes += more.bytes;
        Ok(())
    }

    /// Makes the next start find nothing but what failed, and removes journals of shards from
    /// `shards` on. Nothing may wait for room.
    ///
    /// Errors: the disk's; after a full one it can be done again.
    pub async fn empty(&mut self, files: &Files, shards: u16) -> Result<(), DiskError> {
        assert!(self.waiting.is_empty(), "journals hold what no file has");
        while let Some(FoundJournal { name, slot, holds }) = self.journals.last() {
            let path = format!("{}/{name}", self.dir);
            let waiting: BTreeSet<Key> =
                holds.iter().copied().filter(|key| self.failed.contains_key(key)).collect();
            match (shard_of_name(name), slot) {
                _ if !waiting.is_empty() => {
                    kept::keep(files, &self.dir, name, &waiting).await?;
                }
                (None, _) => kept::remove(files, &path).await?,
                (Some(shard), _) if ShardId(shards) <= shard => {
                    // Emptied first: a power cut may bring its name back.
                    if let Some(slot) = slot {
                        empty(files, &path, *slot).await?;
                    }
                    files.remove(&path).await?;
                }
                (Some(_), Some(slot)) => empty(files, &path, *slot).await?,
                (Some(_), None) => {}
            }
            self.journals.pop();
        }
        Ok(())
    }
}

/// Writes a slot of another salt: no block of the old one is believed again.
async fn empty(files: &Files, path: &str, old: Slot) -> Result<(), DiskError> {
    let file = files.open(path, OpenHow::Direct).await?;
    let salt = files.env.random() | 1;
    let slot = Slot::begin(old.journal, old.generation + 1, salt, old.file_bytes);
    write_slots(files, &file, path, slot).await.map(drop)
}
