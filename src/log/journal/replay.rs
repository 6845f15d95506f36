//! What a start does with the journals that it finds, before any log is opened.
//!
//! Owns: walking the blocks, writing what they hold to the partitions' files, emptying the journal.
//! Leaves to others: what is wrong with a partition's files after that (`recovery`).
//! Invariant: running it again, also after a power cut anywhere within, gives the same files; a
//! journal is emptied only after all that it held lies durably in files.
//! Start reading at: [`replay`], then [`Replayed::empty`].
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::base::Bytes;
use crate::env::{Env, File, OpenHow};
use crate::log::LogHost;
use crate::log::checkpoint::encode_metadata;
use crate::log::disk::{DiskError, Files};
use crate::log::journal::format::{
    BLOCK_HEAD_BYTES, BlockHead, ENTRY_HEAD_BYTES, EntryHead, FRONT_BYTES, Point, SLOT_BYTES, Slot,
    SlotFound, UNIT_BYTES,
};
use crate::log::journal::make::{UNFINISHED, newest_slot, write_slot};
use crate::log::journal::{Key, shard_of_name};
use crate::log::names::{INDEX, LOG, LogPlace, METADATA, SNAPSHOT, TIME_INDEX, file_path, parse};
use crate::log::owner::{move_away, owner_of};
use crate::model::{Offset, PartitionIndex, ShardId, TopicId};
use crate::record::{Scanned, crc_holds, next_batch};

/// Why a journal cannot be replayed. The log directory stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    Disk(#[from] DiskError),
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
}

/// What replaying all journals of a directory came to.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Per partition, the end below which everything was stable.
    pub stable: BTreeMap<(TopicId, PartitionIndex), Offset>,
    pub batches: u64,
    pub bytes: u64,
    /// Batches of partitions that are there no more, or whose predecessors are not.
    pub forgotten: u64,
    pub journals: Vec<FoundJournal>,
}

/// A journal that still holds what was replayed.
#[derive(Debug)]
pub struct FoundJournal {
    shard: ShardId,
    path: String,
    /// `None`: it was never finished, so nothing was ever in it.
    slot: Option<Slot>,
}

/// The batches of one partition, in the order in which they were appended.
#[derive(Default)]
struct Found {
    batches: Vec<(EntryHead, Bytes)>,
}

/// Brings the files of all partitions up to what the journals of `dir` hold, durably.
///
/// `place_of` knows the partitions that exist. The journals stay as they are until
/// [`Replayed::empty`].
pub async fn replay(
    host: &LogHost,
    dir: &str,
    place_of: impl Fn(TopicId, PartitionIndex) -> Option<LogPlace>,
) -> Result<Replayed, JournalError> {
    let env = &host.env;
    let files = Files(env.clone());
    let mut replayed = Replayed::default();
    let mut found: BTreeMap<Key, Found> = BTreeMap::new();
    for name in files.names(dir).await? {
        let unfinished = name.strip_suffix(UNFINISHED).and_then(shard_of_name);
        if unfinished.is_some() {
            files.remove(&format!("{dir}/{name}")).await?;
        }
        let Some(shard) = shard_of_name(&name) else { continue };
        let path = format!("{dir}/{name}");
        let slot = match Walk::open(&files, &path).await? {
            Some(walk) => {
                walk.collect(&mut found).await?;
                Some(walk.slot)
            }
            None => None,
        };
        replayed.journals.push(FoundJournal { shard, path, slot });
    }
    let mut written = BTreeSet::new();
    for (key, partition) in found {
        let count = partition.batches.len() as u64;
        let Some(place) = place_of(key.0, key.1) else {
            replayed.forgotten += count;
            continue;
        };
        replayed.bytes += partition.batches.iter().map(|(_, b)| b.len() as u64).sum::<u64>();
        replayed.stable.insert(key, partition.stable_end());
        let owner = owner_of(&files, &place.path()).await?;
        if owner.is_some_and(|owner| owner != key.0) {
            // A deleted topic's, which a power cut brought back: its name is this one's now.
            move_away(host, &place, 0).await?;
        }
        let forgotten = partition.write(&files, &place).await?;
        written.insert(place.dir);
        replayed.forgotten += forgotten;
        replayed.batches += count - forgotten;
    }
    // An operator may have moved a partition to another log directory.
    for dir in written {
        let root = files.open(&dir, OpenHow::Read).await?;
        let synced = env.sync_file_system(&root).await;
        synced.map_err(|source| DiskError::new("sync the file system of", &dir, source))?;
    }
    Ok(replayed)
}

impl Replayed {
    /// Makes the next start find nothing, and removes journals of shards from `shards` on.
    pub async fn empty(self, env: &Env, shards: u16) -> Result<(), DiskError> {
        let files = Files(env.clone());
        for FoundJournal { shard, path, slot } in self.journals {
            if let Some(slot) = slot {
                empty(&files, &path, slot).await?;
            }
            if shards <= shard.0 {
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

/// Batches that follow each other without a gap.
struct Run {
    batches: Range<usize>,
    /// All that is before it was stable when the last of it was written.
    anchored: bool,
}

impl Found {
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (at, (head, _)) in self.batches.iter().enumerate() {
            let follows = at != 0 && self.batches[at - 1].0.end == head.base_offset;
            match runs.last_mut().filter(|_| follows) {
                Some(run) => run.batches.end = at + 1,
                None => runs.push(Run { batches: at..at + 1, anchored: false }),
            }
            let run = runs.last_mut().expect("there is one now");
            let start = self.batches[run.batches.start].0.base_offset;
            run.anchored |= start <= head.stable_end;
        }
        runs
    }

    /// Where what is surely stable ends.
    fn stable_end(&self) -> Offset {
        let known = self.batches.iter().map(|(head, _)| head.stable_end);
        let anchored = self.runs().into_iter().filter(|run| run.anchored);
        let ends = anchored.map(|run| self.batches[run.batches.end - 1].0.end);
        known.chain(ends).max().unwrap_or(Offset(0))
    }

    /// Writes the batches where they belong; says how many had no place.
    async fn write(&self, files: &Files, place: &LogPlace) -> Result<u64, DiskError> {
        let dir = place.path();
        if !files.exists(&dir).await? {
            files.create_dir_all(&dir).await?;
        }
        if owner_of(files, &dir).await?.is_none() {
            let text = encode_metadata(place.topic_id).into_bytes();
            files.replace(&format!("{dir}/{METADATA}"), text).await?;
        }
        self.drop_unfinished_indexes(files, &dir).await?;
        let mut forgotten = 0;
        for run in self.runs() {
            if run.anchored || self.has_ground(files, &dir, &run).await? {
                self.write_run(files, &dir, run.batches).await?;
            } else {
                forgotten += run.batches.len() as u64;
            }
        }
        Ok(forgotten)
    }

    /// A segment that was closed since may have index files of a part of it, which recovery would
    /// trust below the recovery point: it makes them anew. The snapshot behind a segment is written
    /// after its indexes.
    async fn drop_unfinished_indexes(&self, files: &Files, dir: &str) -> Result<(), DiskError> {
        let names = files.names(dir).await?;
        let parsed = || names.iter().filter_map(|name| parse(name));
        let mut bases: Vec<Offset> =
            parsed().filter(|(_, kind)| *kind == LOG).map(|(base, _)| base).collect();
        bases.extend(self.batches.iter().map(|(head, _)| head.segment));
        bases.sort_unstable();
        bases.dedup();
        let first = self.batches.first().map_or(Offset(0), |(head, _)| head.segment);
        for pair in bases.windows(2) {
            let is_finished = parsed().any(|(base, kind)| kind == SNAPSHOT && base == pair[1]);
            if first <= pair[1] && !is_finished {
                for suffix in [INDEX, TIME_INDEX] {
                    files.remove(&file_path(dir, pair[0], suffix)).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether files hold something right before a run whose entries do not say that all before
    /// them was stable. If not, the power cut took that, and nothing of the run was acknowledged:
    /// written all the same it would look like the beginning of the log.
    async fn has_ground(&self, files: &Files, dir: &str, run: &Run) -> Result<bool, DiskError> {
        let (first, _) = &self.batches[run.batches.start];
        if first.position == 0 {
            let names = files.names(dir).await?;
            let logs = names.iter().filter_map(|name| parse(name));
            return Ok(logs.into_iter().any(|(base, kind)| kind == LOG && base < first.segment));
        }
        let path = file_path(dir, first.segment, LOG);
        let Some(file) = files.open_if_there(&path).await? else { return Ok(false) };
        Ok(u64::from(first.position) <= files.bytes(&file, &path).await?)
    }

    async fn write_run(
        &self,
        files: &Files,
        dir: &str,
        batches: Range<usize>,
    ) -> Result<(), DiskError> {
        let mut at = batches.start;
        while at < batches.end {
            let (first, _) = &self.batches[at];
            let rest = &self.batches[at..batches.end];
            let count = rest.iter().take_while(|(head, _)| head.segment == first.segment).count();
            let path = file_path(dir, first.segment, LOG);
            let file = files.open(&path, OpenHow::Create).await?;
            // Batches that follow each other in offsets do so in the file.
            let slices = rest[..count].iter().map(|(_, bytes)| bytes.clone()).collect();
            files.write(&file, &path, u64::from(first.position), slices).await?;
            at += count;
        }
        Ok(())
    }
}

/// A walk over one journal.
struct Walk<'a> {
    files: &'a Files,
    path: &'a str,
    file: File,
    file_bytes: u64,
    slot: Slot,
}

impl<'a> Walk<'a> {
    /// `None`: the file was never finished, so nothing was ever in it.
    async fn open(files: &'a Files, path: &'a str) -> Result<Option<Self>, JournalError> {
        let file = files.open(path, OpenHow::Read).await?;
        let file_bytes = files.bytes(&file, path).await?;
        let front = files.read(&file, path, 0, FRONT_BYTES.min(file_bytes) as usize).await?;
        for at in [0, UNIT_BYTES as usize] {
            let bytes = front.get(at..at + SLOT_BYTES).unwrap_or_default();
            if let SlotFound::Newer(version) = Slot::decode(bytes) {
                let (path, known) = (path.to_owned(), super::format::VERSION);
                return Err(JournalError::Newer { path, version, known });
            }
        }
        match newest_slot(&front) {
            Some(slot) if file_bytes < slot.file_bytes => {
                let (path, want) = (path.to_owned(), slot.file_bytes);
                Err(JournalError::Short { path, bytes: file_bytes, want })
            }
            Some(slot) => Ok(Some(Self { files, path, file, file_bytes, slot })),
            None if front.iter().all(|byte| *byte == 0) => Ok(None),
            None => Err(JournalError::NoSlot { path: path.to_owned() }),
        }
    }

    /// Takes the entries of all believable blocks from the tail on.
    async fn collect(&self, found: &mut BTreeMap<Key, Found>) -> Result<(), JournalError> {
        let mut point = self.slot.tail;
        loop {
            // A block that did not fit behind the one before lies at the front.
            let mut block = self.block(point, point.at).await?;
            if block.is_none() && point.at != FRONT_BYTES {
                block = self.block(point, FRONT_BYTES).await?;
            }
            let Some((head, at, content)) = block else { break };
            take_entries(&head, &content, found);
            let bytes = u64::from(head.bytes).next_multiple_of(UNIT_BYTES);
            point = Point { at: at + bytes, sequence: point.sequence + 1, before: head.crc };
        }
        self.check_end(point).await
    }

    /// The block that belongs at a point, if it lies whole at `at`.
    async fn block(
        &self,
        point: Point,
        at: u64,
    ) -> Result<Option<(BlockHead, u64, Bytes)>, DiskError> {
        if self.file_bytes < at + UNIT_BYTES {
            return Ok(None);
        }
        let front = self.files.read(&self.file, self.path, at, BLOCK_HEAD_BYTES).await?;
        let Some(head) = BlockHead::decode(&front) else { return Ok(None) };
        let expected = head.salt == self.slot.salt
            && head.sequence == point.sequence
            && head.before == point.before
            && BLOCK_HEAD_BYTES <= head.bytes as usize
            && at + u64::from(head.bytes) <= self.file_bytes;
        if !expected {
            return Ok(None);
        }
        let bytes = head.bytes as usize;
        let block = self.files.read(&self.file, self.path, at, bytes).await?;
        if block.len() < bytes {
            return Ok(None);
        }
        let content = block.slice(BLOCK_HEAD_BYTES..);
        let whole = head.checksum(&content) == Some(head.crc) && batches_hold(&head, &content);
        Ok(whole.then_some((head, at, content)))
    }

    /// The walk ended at a torn block or at the end. A later block of the same start says that it
    /// was neither: each is written once the one before it is durable.
    async fn check_end(&self, end: Point) -> Result<(), JournalError> {
        let mut at = FRONT_BYTES;
        while at + UNIT_BYTES <= self.file_bytes {
            let want = (SEARCH_BYTES as u64).min(self.file_bytes - at) as usize;
            let bytes = self.files.read(&self.file, self.path, at, want).await?;
            let units = bytes.chunks_exact(UNIT_BYTES as usize);
            let heads = units.filter_map(BlockHead::decode);
            let later = heads
                .filter(|head| head.salt == self.slot.salt && end.sequence < head.sequence)
                .map(|head| head.sequence);
            if let Some(later) = later.min() {
                let (path, position, sequence) = (self.path.to_owned(), end.at, end.sequence);
                return Err(JournalError::Damaged { path, position, sequence, later });
            }
            if bytes.len() < want {
                break;
            }
            at += want as u64;
        }
        Ok(())
    }
}

/// Bytes of one read while looking for later blocks.
const SEARCH_BYTES: usize = 1 << 20;

/// Whether every batch of a block holds by its own checksum.
fn batches_hold(head: &BlockHead, content: &[u8]) -> bool {
    let mut at = 0;
    for _ in 0..head.entries {
        let Some(entry) = EntryHead::decode(&content[at..]) else { return false };
        at += ENTRY_HEAD_BYTES;
        let batch = &content[at..at + entry.bytes as usize];
        match next_batch(batch) {
            Scanned::Batch(header, bytes) if bytes == batch.len() && crc_holds(&header, batch) => {}
            _ => return false,
        }
        at += batch.len();
    }
    true
}

fn take_entries(head: &BlockHead, content: &Bytes, found: &mut BTreeMap<Key, Found>) {
    let mut at = 0;
    for _ in 0..head.entries {
        let entry = EntryHead::decode(&content[at..]).expect("the checksum was computed over it");
        let batch = at + ENTRY_HEAD_BYTES;
        at = batch + entry.bytes as usize;
        let partition = found.entry((entry.topic_id, entry.partition)).or_default();
        partition.batches.push((entry, content.slice(batch..at)));
    }
}
