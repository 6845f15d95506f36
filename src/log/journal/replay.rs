//! What a start does with the journals that it finds, before any log is opened.
//!
//! Owns: the two walks (what is there, then writing it to the partitions' files), writing again
//! for partitions whose files had no room, emptying the journal.
//! Leaves to others: which batches count (`plan`), which blocks (`walk`), what is wrong with a
//! partition's files after that (`recovery`), when a try is worth it (the node).
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
use crate::log::graveyard::Remains;
use crate::log::journal::format::{EntryHead, Point, Slot};
use crate::log::journal::kept::{self, is_kept};
use crate::log::journal::make::{UNFINISHED, write_slots};
use crate::log::journal::plan::Plan;
use crate::log::journal::walk::Walk;
use crate::log::journal::{Key, shard_of_name};
use crate::log::names::{LOG, LogPlace, file_path};
use crate::model::{Offset, PartitionIndex, ShardId, TopicId};

/// Bytes of blocks that wait to be written; then all are. Few in unit tests, which meet it then.
const WAITING_BYTES_MAX: usize = if cfg!(test) { 16 << 10 } else { 32 << 20 };

/// Partitions that are made ready in one step.
const PREPARED_AT_ONCE: usize = 64;

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
    /// What [`Replayed::again`] needs of those that wait.
    put_off: BTreeMap<Key, PutOff>,
    dir: String,
    pub journals: Vec<FoundJournal>,
    /// Journals that were never finished and that a full disk does not let go.
    unfinished: Vec<(ShardId, Remains)>,
}

/// A journal that still holds what was replayed.
#[derive(Debug)]
pub struct FoundJournal {
    name: String,
    /// `None`: it was never finished, so nothing was ever in it.
    slot: Option<Slot>,
    /// The partitions with batches in it, and where; a kept one may list others, too.
    holds: BTreeMap<Key, Option<Span>>,
}

/// The part of a journal in which a partition's batches lie.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: Point,
    /// Number of the last block.
    last: u64,
}

impl Span {
    fn with(self, other: Self) -> Self {
        let first = if other.first.sequence < self.first.sequence { other } else { self }.first;
        Self { first, last: self.last.max(other.last) }
    }
}

/// A partition whose files have no room for what the journals hold.
#[derive(Debug)]
struct PutOff {
    plan: Plan,
    log_dir: Rc<str>,
    /// Room that a write lacked; 0 where the disk itself said that there is none.
    lacks_bytes: u64,
}

/// How the process ended that wrote the journals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LastStop {
    /// It says that it emptied them: what they seem to hold nevertheless is looked at as always,
    /// but where nothing is, nothing is searched for what damage may hide.
    InOrder,
    Unknown,
}

/// Brings the files of all partitions up to what the journals of `dir` hold, durably.
///
/// `place_of` knows the partitions that exist. The journals stay as they are until
/// [`Replayed::empty`]. Errors: what concerns all partitions; that of one is told in
/// [`Replayed::failed`], or in [`Replayed::waiting`] when the disk is full.
pub async fn replay(
    host: &LogHost,
    dir: &str,
    last: LastStop,
    place_of: impl Fn(TopicId, PartitionIndex) -> Option<LogPlace>,
) -> Result<Replayed, JournalError> {
    let files = host.files();
    let mut replayed = Replayed { dir: dir.to_owned(), ..Replayed::default() };
    let mut replay = Replay::new(host, &files, dir);
    replay.look(&mut replayed, last).await?;
    let place_of = &place_of;
    replay.run(&mut replayed, &async || place_of).await?;
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
    homes: BTreeMap<Rc<str>, Rc<Cell<u64>>>,
    /// Partitions that take nothing more, and the room that a write lacked, if it was that.
    out: BTreeMap<Key, u64>,
}

/// Where a partition lies.
#[derive(Clone)]
struct Home {
    log_dir: Rc<str>,
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

impl<'a> Replay<'a> {
    fn new(host: &'a LogHost, files: &'a Files, dir: &'a str) -> Self {
        let (plans, homes, out) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { host, files, dir, plans, homes, out }
    }

    /// The first walk: what is there. Kept journals first: they are older.
    async fn look(&mut self, replayed: &mut Replayed, last: LastStop) -> Result<(), JournalError> {
        let mut names = self.files.names(self.dir).await?;
        names.sort_by_key(|name| (!is_kept(name), name.clone()));
        for name in names {
            let path = format!("{}/{name}", self.dir);
            if let Some(shard) = name.strip_suffix(UNFINISHED).and_then(shard_of_name) {
                match self.files.remove(&path).await {
                    Err(error) if error.is_full() => {
                        tracing::warn!(%error, "it stays for now: the disk is full");
                        replayed.unfinished.push((shard, Remains::File(path)));
                        continue;
                    }
                    removed => removed?,
                }
            }
            let only = match is_kept(&name) {
                true => Some(kept::listed(self.files, &path).await?),
                false => None,
            };
            if only.is_none() && shard_of_name(&name).is_none() {
                continue;
            }
            let listed = only.iter().flatten().map(|key| (*key, None));
            let mut holds: BTreeMap<Key, Option<Span>> = listed.collect();
            let mut slot = None;
            if let Some(mut walk) = Walk::open(self.files, &path).await? {
                slot = Some(walk.slot);
                let mut searched = last == LastStop::Unknown;
                loop {
                    let span = Span { first: walk.point, last: walk.point.sequence };
                    let Some(block) = walk.next().await? else { break };
                    searched = true;
                    for (head, _) in block.entries() {
                        let key = (head.topic_id, head.partition);
                        if only.as_ref().is_none_or(|only| only.contains(&key)) {
                            self.plans.entry(key).or_default().0.note(&head);
                            let known = holds.entry(key).or_default();
                            *known = Some(known.map_or(span, |known| known.with(span)));
                        }
                    }
                }
                if searched {
                    walk.check_end().await?;
                }
            }
            replayed.journals.push(FoundJournal { name, slot, holds });
        }
        Ok(())
    }

    /// Writes what counts, durably; `settle` lets partitions be deleted between two steps.
    async fn run<P: Fn(TopicId, PartitionIndex) -> Option<LogPlace>>(
        &mut self,
        replayed: &mut Replayed,
        settle: &impl AsyncFn() -> P,
    ) -> Result<(), JournalError> {
        self.prepare(replayed, settle).await;
        let written = self.write(replayed, settle).await;
        for (key, lacks_bytes) in &self.out {
            if replayed.waiting.contains_key(key)
                && let Some((plan, Some(home))) = self.plans.remove(key)
            {
                let put_off = PutOff { plan, log_dir: home.log_dir, lacks_bytes: *lacks_bytes };
                replayed.put_off.insert(*key, put_off);
            }
        }
        written?;
        // A partition that was moved since lies in another directory, perhaps on another disk.
        for home in self.homes.keys() {
            self.host.dir(home).sync().await?;
        }
        Ok(())
    }

    async fn prepare<P: Fn(TopicId, PartitionIndex) -> Option<LogPlace>>(
        &mut self,
        replayed: &mut Replayed,
        settle: &impl AsyncFn() -> P,
    ) {
        let keys: Vec<Key> = self.plans.keys().copied().collect();
        for keys in keys.chunks(PREPARED_AT_ONCE) {
            let place_of = settle().await;
            for key in keys {
                let (plan, home) = self.plans.get_mut(key).expect("just seen");
                let Some(place) = place_of(key.0, key.1) else {
                    replayed.forget(*key, plan.batches);
                    continue;
                };
                let log_dir: Rc<str> = place.dir.as_str().into();
                let spare_bytes = self.homes.entry(log_dir.clone()).or_default().clone();
                *home = Some(Home { log_dir, dir: place.path().into(), spare_bytes });
                match plan.prepare(self.host, &place).await {
                    Ok(()) => {
                        replayed.stable.insert(*key, plan.stable_end());
                        replayed.first.extend(plan.first().map(|first| (*key, first)));
                        replayed.forgotten += plan.forgotten();
                    }
                    Err(error) => self.fail(replayed, *key, error, 0),
                }
            }
        }
    }

    /// The second walk: writing what counts.
    async fn write<P: Fn(TopicId, PartitionIndex) -> Option<LogPlace>>(
        &mut self,
        replayed: &mut Replayed,
        settle: &impl AsyncFn() -> P,
    ) -> Result<(), JournalError> {
        let mut waiting: BTreeMap<Key, Vec<Piece>> = BTreeMap::new();
        let mut waiting_bytes = 0;
        for at in 0..replayed.journals.len() {
            let FoundJournal { name, holds, .. } = &replayed.journals[at];
            let is_wanted = |key: &Key| matches!(self.plans.get(key), Some((_, Some(_))));
            let spans = holds.iter().filter_map(|(key, span)| span.filter(|_| is_wanted(key)));
            let Some(span) = spans.reduce(Span::with) else { continue };
            let holds: BTreeSet<Key> = holds.keys().copied().collect();
            let path = format!("{}/{name}", self.dir);
            let Some(mut walk) = Walk::open(self.files, &path).await? else { continue };
            walk.point = span.first;
            while walk.point.sequence <= span.last
                && let Some(block) = walk.next().await?
            {
                waiting_bytes += block.bytes();
                for (head, batch) in block.entries() {
                    let key = (head.topic_id, head.partition);
                    let plan = self.plans.get_mut(&key).filter(|_| holds.contains(&key));
                    let Some((plan, Some(home))) = plan else { continue };
                    let Some(takes) = plan.takes(&head) else {
                        return Err(JournalError::Changed { path: path.clone() });
                    };
                    if !takes || self.out.contains_key(&key) {
                        continue;
                    }
                    replayed.batches += 1;
                    replayed.bytes += batch.len() as u64;
                    add(waiting.entry(key).or_default(), home, &head, batch);
                }
                if WAITING_BYTES_MAX < waiting_bytes {
                    self.put_all(replayed, &mut waiting, settle).await;
                    waiting_bytes = 0;
                }
            }
        }
        self.put_all(replayed, &mut waiting, settle).await;
        let mut written = self.plans.values().filter(|(_, home)| home.is_some());
        match written.all(|(plan, _)| plan.is_over()) {
            true => Ok(()),
            false => Err(JournalError::Changed { path: self.dir.to_owned() }),
        }
    }

    async fn put_all<P: Fn(TopicId, PartitionIndex) -> Option<LogPlace>>(
        &mut self,
        replayed: &mut Replayed,
        waiting: &mut BTreeMap<Key, Vec<Piece>>,
        settle: &impl AsyncFn() -> P,
    ) {
        if waiting.is_empty() {
            return;
        }
        for (dir, spare_bytes) in &self.homes {
            spare_bytes.set(self.host.dir(dir).room.spare_bytes().await);
        }
        let place_of = settle().await;
        while let Some((key, pieces)) = waiting.pop_first() {
            if place_of(key.0, key.1).is_none() {
                self.plans.remove(&key);
                replayed.forget(key, 0);
                continue;
            }
            for piece in pieces {
                self.put(replayed, key, piece).await;
            }
        }
    }

    /// Writes a piece, unless one before it was not written.
    async fn put(&mut self, replayed: &mut Replayed, key: Key, piece: Piece) {
        if self.out.contains_key(&key) {
            return;
        }
        let lacks_bytes = Cell::new(0);
        let written = async {
            let file = self.files.open(&piece.path, OpenHow::Create).await?;
            let before = self.files.bytes(&file, &piece.path).await?;
            // What is there already, as after a start that ended early, needs no room.
            let grows = piece.end.saturating_sub(before);
            let spare_bytes = piece.spare_bytes.get();
            if 0 < grows && spare_bytes < grows {
                lacks_bytes.set(grows);
                return Err(DiskError::new("write", &piece.path, IoError::NoSpace));
            }
            piece.spare_bytes.set(spare_bytes - grows);
            let written = self.files.write(&file, &piece.path, piece.position, piece.slices).await;
            if written.as_ref().is_err_and(DiskError::is_full) {
                // A part of it is of no use to anybody, its room is.
                self.files.truncate(&file, &piece.path, before).await?;
            }
            written
        };
        if let Err(error) = written.await {
            self.fail(replayed, key, error, lacks_bytes.get());
        }
    }

    /// Gives one partition up, or puts it off on a full disk.
    fn fail(&mut self, replayed: &mut Replayed, key: Key, error: DiskError, lacks_bytes: u64) {
        self.out.insert(key, lacks_bytes);
        replayed.stable.remove(&key);
        if error.is_full() {
            replayed.waiting.insert(key, error);
            return;
        }
        tracing::error!(%error, "a partition's file does not take what the journal holds");
        replayed.waiting.remove(&key);
        replayed.failed.entry(key).or_insert(error);
    }
}

/// Adds a batch to the pieces of its partition: to the last one when it follows that.
fn add(pieces: &mut Vec<Piece>, home: &Home, head: &EntryHead, batch: Bytes) {
    let path = file_path(&home.dir, head.segment, LOG);
    let position = u64::from(head.position);
    let end = position + batch.len() as u64;
    if let Some(piece) = pieces.last_mut().filter(|p| p.end == position && p.path == path) {
        piece.end = end;
        piece.slices.push(batch);
        return;
    }
    let (spare_bytes, slices) = (home.spare_bytes.clone(), vec![batch]);
    pieces.push(Piece { path, spare_bytes, position, end, slices });
}

impl Replayed {
    /// Notes that a partition is there no more.
    fn forget(&mut self, key: Key, batches: u64) {
        self.forgotten += batches;
        self.stable.remove(&key);
        self.waiting.remove(&key);
    }

    /// Writes what waits for room and may have it now, and nothing of any other partition: logs of
    /// these may be open.
    ///
    /// `settle` says which partitions there are, for as long as the caller keeps what it gives:
    /// the files of a few, or a bounded number of bytes. Errors: as for [`replay`].
    pub async fn again<P: Fn(TopicId, PartitionIndex) -> Option<LogPlace>>(
        &mut self,
        host: &LogHost,
        settle: impl AsyncFn() -> P,
    ) -> Result<(), JournalError> {
        let due = self.due(host).await;
        if due.is_empty() {
            return Ok(());
        }
        let (files, dir) = (host.files(), self.dir.clone());
        let mut replay = Replay::new(host, &files, &dir);
        for key in &due {
            let mut plan = self.put_off.remove(key).expect("just seen").plan;
            plan.begin_again();
            replay.plans.insert(*key, (plan, None));
        }
        // Whoever is not written stays in `waiting`: a journal with it is not emptied.
        replay.run(self, &settle).await?;
        for key in due.iter().filter(|key| !replay.out.contains_key(key)) {
            self.waiting.remove(key);
        }
        Ok(())
    }

    /// Those that wait and whose cause may be gone.
    async fn due(&self, host: &LogHost) -> Vec<Key> {
        let mut spare = BTreeMap::<&str, u64>::new();
        for put_off in self.put_off.values() {
            let dir = &*put_off.log_dir;
            if !spare.contains_key(dir) {
                spare.insert(dir, host.dir(dir).room.spare_bytes().await);
            }
        }
        let mut due = Vec::new();
        for (key, PutOff { log_dir, lacks_bytes, .. }) in &self.put_off {
            let spare_bytes = spare.get_mut(&**log_dir).expect("just asked");
            if *lacks_bytes <= *spare_bytes {
                *spare_bytes -= lacks_bytes;
                due.push(*key);
            }
        }
        due
    }

    /// Unfinished journals that the disk had no room to remove, of shards from `shards` on: of the
    /// others the next journal begins with what is there.
    pub fn take_litter(&mut self, shards: u16) -> Vec<Remains> {
        let litter = std::mem::take(&mut self.unfinished).into_iter();
        let litter = litter.filter(|(shard, _)| ShardId(shards) <= *shard);
        litter.map(|(_, remains)| remains).collect()
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
                holds.keys().copied().filter(|key| self.failed.contains_key(key)).collect();
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
