//! The simulated disk of one machine: a tree of files, a page cache, and what power cuts leave.
//!
//! Owns: file contents (cached and durable), unsynced sectors. Names: `names`.
//! Invariant: what was synced by an honest sync survives every cut, byte for byte.
//! Start reading at: [`Disk::write`], [`Disk::sync`], [`Disk::power_cut`].
use std::collections::{BTreeMap, BTreeSet};

use crate::base::aligned::ALIGN_BYTES;
use crate::base::{Bytes, Rng};
use crate::env::{IoError, OpenHow, Space};
use crate::sim::faults::{FaultCounts, Faults};
use crate::sim::names::Names;

/// The unit that a disk writes whole.
pub const SECTOR_BYTES: u64 = 512;

/// Names a file or directory; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ino(pub u64);

#[derive(Clone, Default)]
struct FileNode {
    /// When its content changed last, by the machine's wall clock.
    changed_ms: i64,
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors whose cached bytes no sync has written.
    dirty: BTreeSet<u64>,
}

/// Rates and counters of the world, and its dice.
pub struct Luck<'a> {
    pub rng: &'a mut Rng,
    pub faults: &'a Faults,
    pub counts: &'a mut FaultCounts,
}

impl Luck<'_> {
    /// All of `all`, or a random part that is at least 1.
    pub fn part(&mut self, all: usize) -> usize {
        if 1 < all && self.rng.chance(self.faults.short_per_1000) {
            self.counts.short += 1;
            return 1 + self.rng.below(all as u64 - 1) as usize;
        }
        all
    }

    fn io_error(&mut self) -> bool {
        let fails = self.rng.chance(self.faults.io_error_per_1000);
        self.counts.io_errors += u64::from(fails);
        fails
    }

    fn lie(&mut self) -> bool {
        let lies = self.rng.chance(self.faults.lying_sync_per_1000);
        self.counts.lying_syncs += u64::from(lies);
        lies
    }

    fn lie_about_all(&mut self) -> bool {
        let lies = self.rng.chance(self.faults.lying_checkpoint_per_1000);
        self.counts.lying_syncs += u64::from(lies);
        lies || self.lie()
    }

    fn failed_sync(&mut self) -> bool {
        let fails = self.rng.chance(self.faults.failed_sync_per_1000);
        self.counts.failed_syncs += u64::from(fails);
        fails
    }
}

/// What a disk was asked for so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskWork {
    pub file_system_syncs: u64,
    pub read_bytes: u64,
}

#[derive(Clone)]
pub struct Disk {
    pub names: Names,
    files: BTreeMap<Ino, FileNode>,
    /// Bytes that all files together may have.
    pub bytes_max: u64,
    /// Renames that there is room for.
    pub renames_left: u64,
    /// Nothing is written in place: what is written over takes room, too.
    pub copies_on_write: bool,
    /// There is no room even for names to go.
    pub keeps_names: bool,
    pub work: DiskWork,
    bytes: u64,
    /// Whether the file system offers reads that leave nothing in the page cache.
    pub reads_uncached: bool,
    /// File systems whose device takes nothing any more: every sync fails.
    dead: BTreeSet<Ino>,
    /// Files whose sectors the device does not give back.
    unreadable: BTreeSet<Ino>,
}

fn sectors(from: u64, to: u64) -> std::ops::Range<u64> {
    from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES)
}

impl FileNode {
    fn resize(&mut self, bytes: usize) {
        let old = self.cached.len();
        self.cached.resize(bytes, 0);
        let (low, high) = (old.min(bytes) as u64, old.max(bytes) as u64);
        self.dirty.extend(sectors(low, high));
    }

    /// Makes the cached bytes of one sector durable, and the size that they need.
    fn keep(&mut self, sector: u64) {
        let from = ((sector * SECTOR_BYTES) as usize).min(self.cached.len());
        let to = (from + SECTOR_BYTES as usize).min(self.cached.len());
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        self.durable[from..to].copy_from_slice(&self.cached[from..to]);
    }

    /// Writes back what is dirty. As Linux does it: also after a failure the pages are clean, and
    /// the next sync finds nothing to do.
    fn sync(&mut self, works: bool) {
        let dirty = std::mem::take(&mut self.dirty);
        if !works {
            return;
        }
        self.durable.resize(self.cached.len(), 0);
        for sector in dirty {
            self.keep(sector);
        }
    }

    /// What a power cut leaves of this file.
    fn survive(&mut self, luck: &mut Luck<'_>) {
        let (old, new) = (self.durable.len(), self.cached.len());
        let mut bytes = new;
        if old != new && luck.rng.chance(500) {
            luck.counts.sizes_lost += 1;
            let (low, high) = (old.min(new), old.max(new));
            // The old size, or any in between: the disk grows a file in steps.
            bytes = if luck.rng.chance(500) {
                old
            } else {
                low + luck.rng.below((high - low) as u64 + 1) as usize
            };
        }
        let mut survived = self.durable.clone();
        survived.resize(bytes, 0);
        // What goes astray lands where nothing was synced: elsewhere no program could help.
        let fresh: Vec<u64> =
            self.dirty.range((old as u64).div_ceil(SECTOR_BYTES)..).copied().collect();
        for sector in &self.dirty {
            let from = (sector * SECTOR_BYTES) as usize;
            let to = (from + SECTOR_BYTES as usize).min(new);
            if to <= from {
                continue;
            }
            let (mut keep, mut place) = (to - from, from);
            let Faults { sector_lost_per_1000, sector_torn_per_1000, .. } = luck.faults;
            let dice = luck.rng.below(1_000);
            if dice < *sector_lost_per_1000 {
                luck.counts.sectors_lost += 1;
                keep = 0;
            } else if dice < sector_lost_per_1000 + sector_torn_per_1000 {
                luck.counts.sectors_torn += 1;
                keep = luck.rng.below(keep as u64) as usize;
            } else if !fresh.is_empty() && luck.rng.chance(luck.faults.sector_misdirected_per_1000)
            {
                luck.counts.sectors_misdirected += 1;
                place =
                    (fresh[luck.rng.below(fresh.len() as u64) as usize] * SECTOR_BYTES) as usize;
            }
            let place = place.min(bytes);
            let keep = keep.min(bytes - place);
            survived[place..place + keep].copy_from_slice(&self.cached[from..from + keep]);
        }
        self.cached.clone_from(&survived);
        self.durable = survived;
        self.dirty.clear();
    }
}

impl Disk {
    pub fn new(reads_uncached: bool) -> Self {
        let (names, files, dead) = (Names::default(), BTreeMap::new(), BTreeSet::new());
        let (bytes_max, renames_left, bytes) = (u64::MAX, u64::MAX, 0);
        Self {
            names,
            files,
            bytes_max,
            renames_left,
            copies_on_write: false,
            keeps_names: false,
            work: DiskWork::default(),
            bytes,
            reads_uncached,
            dead,
            unreadable: BTreeSet::new(),
        }
    }

    fn file(&mut self, file: Ino) -> &mut FileNode {
        self.files.entry(file).or_default()
    }

    /// Makes an empty file's contents; names are made in `names`.
    pub fn create(&mut self, file: Ino) {
        self.files.insert(file, FileNode::default());
    }

    /// The device below a folder at the root dies, or is replaced by one with the same content.
    pub fn set_dead(&mut self, path: &str, dead: bool) -> Result<(), IoError> {
        let top = self.names.dir(path)?;
        if dead {
            self.dead.insert(top)
        } else {
            self.dead.remove(&top)
        };
        Ok(())
    }

    /// Lets every read of a file fail, or none any more.
    pub fn set_unreadable(&mut self, path: &str, unreadable: bool) -> Result<(), IoError> {
        let (file, _) = self.names.open(path, OpenHow::Read)?;
        if unreadable {
            self.unreadable.insert(file)
        } else {
            self.unreadable.remove(&file)
        };
        Ok(())
    }

    fn is_dead(&self, ino: Ino) -> bool {
        self.names.top(ino).is_some_and(|top| self.dead.contains(&top))
    }

    /// Room of the whole disk, which all folders share.
    pub fn space(&self, path: &str) -> Result<Space, IoError> {
        if !self.names.exists(path) {
            return Err(IoError::NotFound);
        }
        let usable_bytes = self.bytes_max.saturating_sub(self.bytes);
        Ok(Space { total_bytes: self.bytes_max, usable_bytes, file_system: 0 })
    }

    /// Whether there is room for one more name that changes.
    pub fn takes_rename(&mut self) -> bool {
        let takes = 0 < self.renames_left;
        self.renames_left = self.renames_left.saturating_sub(1);
        takes
    }

    /// Notes that the file's content changes at this moment.
    pub fn touch(&mut self, file: Ino, wall_ms: i64) {
        self.file(file).changed_ms = wall_ms;
    }

    /// When the file's content changed last.
    pub fn changed_ms(&self, file: Ino) -> i64 {
        self.files.get(&file).map_or(0, |node| node.changed_ms)
    }

    pub fn file_bytes(&self, file: Ino) -> u64 {
        self.files.get(&file).map_or(0, |node| node.cached.len() as u64)
    }

    pub fn write(
        &mut self,
        file: Ino,
        at: u64,
        data: &[Bytes],
        luck: &mut Luck<'_>,
    ) -> Result<usize, IoError> {
        if luck.io_error() {
            return Err(IoError::EIO);
        }
        let total: usize = data.iter().map(|slice| slice.len()).sum();
        if luck.rng.chance(luck.faults.lost_write_per_1000) {
            return Ok(total);
        }
        let moved = luck.part(total);
        self.put(file, at, data, moved, luck)
    }

    /// Puts the first `moved` bytes of `data` in the page cache, or what there is room for.
    fn put(
        &mut self,
        file: Ino,
        at: u64,
        data: &[Bytes],
        mut moved: usize,
        luck: &mut Luck<'_>,
    ) -> Result<usize, IoError> {
        let room = self.bytes_max.saturating_sub(self.bytes);
        let in_place = if self.copies_on_write { at } else { self.file_bytes(file) };
        let end_max = in_place.saturating_add(room);
        if end_max < at + moved as u64 {
            luck.counts.disk_full += 1;
            moved = end_max.saturating_sub(at) as usize;
            if moved == 0 && !data.is_empty() {
                return Err(IoError::NoSpace);
            }
        }
        let node = self.file(file);
        let (old, end) = (node.cached.len(), at as usize + moved);
        if old < end {
            node.resize(end);
        }
        node.dirty.extend(sectors(at, end as u64));
        let (mut to, mut left) = (at as usize, moved);
        for slice in data {
            let part = left.min(slice.len());
            node.cached[to..to + part].copy_from_slice(&slice[..part]);
            (to, left) = (to + part, left - part);
        }
        self.bytes += end.saturating_sub(old) as u64;
        Ok(moved)
    }

    /// Writes all of `data` or a part; what it reports survives a power cut.
    pub fn write_durably(
        &mut self,
        file: Ino,
        at: u64,
        data: &[u8],
        luck: &mut Luck<'_>,
    ) -> Result<usize, IoError> {
        if luck.io_error() {
            return Err(IoError::EIO);
        }
        // A direct write may be short by whole blocks only.
        let moved = luck.part(data.len() / ALIGN_BYTES) * ALIGN_BYTES;
        let moved = self.put(file, at, &[Bytes::copy_from_slice(data)], moved, luck)?;
        if luck.lie() {
            return Ok(moved);
        }
        let fails = luck.failed_sync() || self.is_dead(file);
        let node = self.file(file);
        for sector in sectors(at, at + moved as u64) {
            node.dirty.remove(&sector);
            if !fails {
                node.keep(sector);
            }
        }
        if fails { Err(IoError::EIO) } else { Ok(moved) }
    }

    /// Makes every file and every name durable that lies in the same folder of the root: each of
    /// those is a file system of its own.
    pub fn sync_all(&mut self, ino: Ino, luck: &mut Luck<'_>) -> Result<usize, IoError> {
        self.work.file_system_syncs += 1;
        if luck.lie_about_all() {
            return Ok(0);
        }
        let fails = luck.failed_sync() || self.is_dead(ino);
        let top = self.names.top(ino);
        for (file, node) in &mut self.files {
            if top.is_none() || self.names.top(*file) == top {
                node.sync(!fails);
            }
        }
        if fails {
            return Err(IoError::EIO);
        }
        self.names.sync_all(top);
        Ok(0)
    }

    /// Appends up to `room` bytes of the file to `buf`.
    pub fn read(
        &mut self,
        file: Ino,
        at: u64,
        buf: &mut Vec<u8>,
        room: usize,
        luck: &mut Luck<'_>,
    ) -> Result<usize, IoError> {
        if luck.io_error() || self.unreadable.contains(&file) {
            return Err(IoError::EIO);
        }
        let cached = &self.file(file).cached;
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(cached.len());
        let moved = luck.part(room.min(cached.len() - from));
        buf.extend_from_slice(&cached[from..from + moved]);
        self.work.read_bytes += moved as u64;
        Ok(moved)
    }

    /// Clean whole sectors of the range are what the device has: after a failed sync that is not
    /// what was written.
    pub fn drop_cached(&mut self, file: Ino, at: u64, bytes: u32) {
        let end = (at + u64::from(bytes)).min(self.file_bytes(file));
        let node = self.file(file);
        for sector in at.div_ceil(SECTOR_BYTES)..end.div_ceil(SECTOR_BYTES) {
            if node.dirty.contains(&sector) {
                continue;
            }
            let from = (sector * SECTOR_BYTES) as usize;
            let to = (from + SECTOR_BYTES as usize).min(node.cached.len());
            let durable = node.durable.get(from..).unwrap_or_default();
            let there = durable.len().min(to - from);
            node.cached[from..from + there].copy_from_slice(&durable[..there]);
            node.cached[from + there..to].fill(0);
        }
    }

    pub fn truncate(&mut self, file: Ino, bytes: u64) {
        let old = self.file_bytes(file);
        self.file(file).resize(bytes as usize);
        self.bytes = self.bytes - old + bytes;
    }

    pub fn sync(&mut self, file: Ino, luck: &mut Luck<'_>) -> Result<usize, IoError> {
        if luck.lie() {
            return Ok(0);
        }
        let fails = luck.failed_sync() || self.is_dead(file);
        self.file(file).sync(!fails);
        if fails { Err(IoError::EIO) } else { Ok(0) }
    }

    pub fn sync_dir(&mut self, path: &str, luck: &mut Luck<'_>) -> Result<usize, IoError> {
        let dir = self.names.dir(path)?;
        if luck.lie() {
            return Ok(0);
        }
        if luck.failed_sync() || self.is_dead(dir) {
            return Err(IoError::EIO);
        }
        self.names.sync(dir);
        Ok(0)
    }

    /// Counts the space again after names were removed.
    pub fn forget(&mut self, removed: &[Ino]) {
        for file in removed {
            self.bytes -= self.file_bytes(*file);
        }
    }

    /// The power goes: unsynced sectors, sizes and names survive as luck will have it.
    pub fn power_cut(&mut self, luck: &mut Luck<'_>) {
        luck.counts.names_lost += self.names.power_cut(luck.rng, luck.faults.name_lost_per_1000);
        let kept = self.names.files();
        self.files.retain(|file, _| kept.contains(file));
        for node in self.files.values_mut() {
            node.survive(luck);
        }
        self.bytes = self.files.values().map(|node| node.cached.len() as u64).sum();
    }

    /// Flips one bit of one of the files whose path `is_meant`, on the device and in the cache;
    /// where, if there is such a file with anything in it.
    pub fn rot(
        &mut self,
        is_meant: impl Fn(&str) -> bool,
        luck: &mut Luck<'_>,
    ) -> Option<(String, u64)> {
        let mut meant: Vec<(String, Ino)> = self.names.paths();
        meant.retain(|(path, ino)| is_meant(path) && 0 < self.file_bytes(*ino));
        let at = luck.rng.below(meant.len().max(1) as u64) as usize;
        let (path, ino) = meant.into_iter().nth(at)?;
        let position = luck.rng.below(self.file_bytes(ino));
        let bit = 1 << luck.rng.below(8);
        let node = self.file(ino);
        node.cached[position as usize] ^= bit;
        if let Some(byte) = node.durable.get_mut(position as usize) {
            *byte ^= bit;
        }
        luck.counts.rotten_bits += 1;
        Some((path, position))
    }

    /// The process dies: the page cache stays, files without a name go.
    pub fn crash(&mut self) {
        let mut kept = self.names.files();
        kept.extend(self.names.durable_files());
        self.files.retain(|file, _| kept.contains(file));
    }
}
