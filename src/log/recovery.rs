//! Opening: what the files say, what a crash left behind, and what must go.
//!
//! Owns: the decision which segments are trusted, scanned, cut or refused; producer replay.
//! Leaves to others: where recovery points are kept (the shard), walking a file (`scan`).
//! Invariant: running it again, also after a power cut anywhere within, gives the same log; bytes
//! below the recovery point are never cut.
//! Start reading at: [`load`], then [`Recovery::load_segments`].
//! Source: Kafka `LogLoader`.
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use crate::env::{File, OpenHow};
use crate::log::checkpoint::encode_metadata;
use crate::log::disk::Files;
use crate::log::graveyard::Remains;
use crate::log::names::{
    DELETED, EPOCHS, INDEX, LOG, LogPlace, METADATA, SNAPSHOT, TIME_INDEX, file_path, parse,
};
use crate::log::owner::owner_beside;
use crate::log::producers::Producers;
use crate::log::scan::{Check, Scanner, Walked};
use crate::log::segment::{Active, Closed};
use crate::log::settle::Settled;
use crate::log::{Damage, DiskError, EpochCache, LogConfig, LogError, Recovered, Start, snapshot};
use crate::model::Offset;
use crate::record::{ControlRecord, Header, Records};

mod below_start;
mod resume;
mod swaps;
mod trust;

/// An active segment of this size is read whole rather than by its indexes: fewer calls, and none
/// of its small files need to be there.
const SMALL_SEGMENT_BYTES: u64 = 64 << 10;

/// What a partition's directory came to.
pub struct Loaded {
    pub dir_is_there: bool,
    pub closed: BTreeMap<Offset, Rc<Closed>>,
    pub active: Active,
    pub settled: Settled,
    /// Indexes and snapshot on disk describe all of the log.
    pub complete: bool,
    pub epochs: EpochCache,
    pub producers: Producers,
    pub end: Offset,
    pub snapshots: Vec<Offset>,
    pub report: Recovered,
    pub unconfirmed: Unconfirmed,
    /// What is to be removed and could not be: the disk is full.
    pub litter: Vec<Remains>,
}

/// What a recovered log needs before it may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Not all of it is surely durable.
    pub sync: bool,
    /// After that, a snapshot at its end spares the next recovery this work.
    pub snapshot: bool,
}

impl Loaded {
    /// Where its oldest segment begins.
    pub fn first(&self) -> Offset {
        self.closed.keys().next().copied().unwrap_or(self.active.base)
    }
}

/// Opens a partition's directory; see [`crate::log::Log::open`]. Nothing below `log_start` counts.
pub async fn load(
    files: &Files,
    place: &LogPlace,
    dir: &str,
    config: &LogConfig,
    start: Start,
    log_start: Offset,
) -> Result<Loaded, LogError> {
    let now_ms = files.env.wall_ms();
    let mut empty = Loaded {
        dir_is_there: false,
        closed: BTreeMap::new(),
        active: Active::new(log_start, now_ms),
        settled: Settled::default(),
        complete: true,
        epochs: EpochCache::default(),
        producers: Producers::default(),
        end: log_start,
        snapshots: Vec::new(),
        report: Recovered::default(),
        unconfirmed: Unconfirmed::default(),
        litter: Vec::new(),
    };
    if start == Start::New {
        return Ok(empty);
    }
    if !files.exists(dir).await? {
        return match start {
            Start::Unclean { recovery_point: Some(point) }
            | Start::Foreign { recovery_point: Some(point) }
                if Offset(0) < point =>
            {
                let (path, end) = (dir.to_owned(), Offset(0));
                Err(LogError::Short { path, end, recovery_point: point })
            }
            _ => Ok(empty),
        };
    }
    if check_owner(files, place, dir).await? == Owner::Repaired {
        let (path, what) = (format!("{dir}/{METADATA}"), "it is missing or damaged");
        let damage = Damage { path, position: None, what, done: "written again" };
        empty.report.damage.push(damage);
    }
    empty.dir_is_there = true;
    let mut recovery = Recovery {
        files,
        dir,
        config,
        now_ms,
        start,
        log_start,
        point: None,
        floor: Offset(0),
        scan_all: false,
        epochs_text: String::new(),
        snapshots: BTreeMap::new(),
        loaded: empty,
    };
    recovery.run().await?;
    Ok(recovery.loaded)
}

/// What `partition.metadata` said.
#[derive(PartialEq, Eq)]
enum Owner {
    Ours,
    Repaired,
}

/// Refuses a directory of another topic; repairs a missing or torn `partition.metadata`.
async fn check_owner(files: &Files, place: &LogPlace, dir: &str) -> Result<Owner, LogError> {
    match owner_beside(files, dir, place.topic_id).await? {
        Some(found) if found == place.topic_id => Ok(Owner::Ours),
        Some(found) => {
            let expected = place.topic_id;
            Err(LogError::ForeignTopic { path: dir.to_owned(), found, expected })
        }
        None => {
            let text = encode_metadata(place.topic_id).into_bytes();
            files.replace(&format!("{dir}/{METADATA}"), text).await?;
            Ok(Owner::Repaired)
        }
    }
}

struct Recovery<'a> {
    files: &'a Files,
    dir: &'a str,
    config: &'a LogConfig,
    now_ms: i64,
    start: Start,
    /// Readers find nothing below, whatever lies on disk.
    log_start: Offset,
    /// Below it everything was stable once: damage there is not a torn tail.
    point: Option<Offset>,
    /// Segments that end at or below it were complete on disk: trusted after cheap checks.
    floor: Offset,
    /// The epochs' file is lost: every batch must be seen.
    scan_all: bool,
    /// `leader-epoch-checkpoint` as it was found.
    epochs_text: String,
    /// Readable producer snapshots.
    snapshots: BTreeMap<Offset, Producers>,
    loaded: Loaded,
}

/// What a scan of one segment found.
struct Scan {
    segment: Active,
    /// Behind the last good batch.
    end: Offset,
    bad: Option<(u64, &'static str)>,
    file_bytes: u64,
}

impl Recovery<'_> {
    async fn run(&mut self) -> Result<(), LogError> {
        let mut names = self.files.names(self.dir).await?;
        if self.finish_swaps(&names).await? {
            names = self.files.names(self.dir).await?;
        }
        let bases = self.read_names(&names).await?;
        let bases = self.drop_below_start(bases).await?;
        self.read_epochs(!bases.is_empty()).await?;
        self.load_snapshots(&names).await?;
        self.choose_floor();
        self.load_segments(&bases).await?;
        let bases = self.reach_start(bases).await?;
        let end = self.loaded.end;
        if let Some(point) = self.point
            && end < point
        {
            let path = self.dir.to_owned();
            return Err(LogError::Short { path, end, recovery_point: point });
        }
        self.drop_snapshots_above(end).await?;
        self.drop_snapshots_below_start().await?;
        self.replay_producers().await?;
        self.loaded.epochs.truncate_from(end);
        self.loaded.settled = Settled::nothing(self.loaded.active.base);
        if self.start != Start::Clean || self.loaded.report != Recovered::default() {
            self.write_result(&bases).await?;
        }
        self.loaded.snapshots.extend(self.snapshots.keys());
        self.loaded.snapshots.sort_unstable();
        let report = &self.loaded.report;
        if report.bytes_cut != 0 || report.segments_dropped != 0 {
            tracing::warn!(
                partition = %self.dir,
                bytes_cut = report.bytes_cut,
                segments_dropped = report.segments_dropped,
                log_end = end.0,
                "cut a torn tail"
            );
        }
        Ok(())
    }

    /// Segments' bases; removes what can only be left over.
    async fn read_names(&mut self, names: &[String]) -> Result<Vec<Offset>, LogError> {
        let mut bases = Vec::new();
        for name in names {
            if name.ends_with(DELETED) || name.ends_with(".tmp") {
                self.remove_litter(name).await?;
            } else if let Some((base, LOG)) = parse(name) {
                bases.push(base);
            }
        }
        for name in names {
            if let Some((base, INDEX | TIME_INDEX)) = parse(name)
                && !bases.contains(&base)
            {
                let path = format!("{}/{name}", self.dir);
                self.files.remove(&path).await?;
                self.damaged(path, None, "its segment is not there", "removed");
            }
        }
        bases.sort_unstable();
        Ok(bases)
    }

    /// Removes what nobody reads; a full disk may put that off.
    async fn remove_litter(&mut self, name: &str) -> Result<(), DiskError> {
        let path = format!("{}/{name}", self.dir);
        match self.files.remove(&path).await {
            // A file that is replaced takes the name of what an earlier try left.
            Err(error) if error.is_full() && !name.ends_with(DELETED) => {
                tracing::warn!(%error, "it stays for now: the disk is full");
            }
            Err(error) if error.is_full() => self.loaded.litter.push(Remains::File(path)),
            removed => removed?,
        }
        Ok(())
    }

    async fn read_epochs(&mut self, has_segments: bool) -> Result<(), LogError> {
        let content = self.files.read_whole(&format!("{}/{EPOCHS}", self.dir)).await?;
        let text = content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        match text.and_then(EpochCache::decode) {
            Some(epochs) => {
                self.epochs_text = epochs.encode();
                self.loaded.epochs = epochs;
            }
            None => {
                self.scan_all = has_segments;
                if has_segments {
                    let path = format!("{}/{EPOCHS}", self.dir);
                    self.damaged(path, None, "it is missing or damaged", "built again");
                }
            }
        }
        Ok(())
    }

    fn damaged(
        &mut self,
        path: String,
        position: Option<u64>,
        what: &'static str,
        done: &'static str,
    ) {
        self.loaded.report.damage.push(Damage { path, position, what, done });
    }

    /// Keeps the readable snapshots; removes damaged ones. A clean start needs only the newest.
    async fn load_snapshots(&mut self, names: &[String]) -> Result<(), LogError> {
        for name in names.iter().rev() {
            let Some((offset, SNAPSHOT)) = parse(name) else { continue };
            if self.start == Start::Clean && !self.snapshots.is_empty() {
                self.loaded.snapshots.push(offset);
                continue;
            }
            let path = format!("{}/{name}", self.dir);
            let content = self.files.read_whole(&path).await?.unwrap_or_default();
            match snapshot::decode(&content, self.files.env.now().ms()) {
                Some(producers) => drop(self.snapshots.insert(offset, producers)),
                None => {
                    self.files.remove(&path).await?;
                    self.damaged(path, None, "it is damaged", "removed: an older one is used");
                }
            }
        }
        Ok(())
    }

    /// A readable snapshot proves that all below it was stable when it was written.
    fn choose_floor(&mut self) {
        let newest = self.snapshots.keys().next_back().copied();
        self.point = match self.start {
            Start::Unclean { recovery_point } => newest.max(recovery_point),
            Start::Foreign { recovery_point } => recovery_point,
            // An orderly stop ends with a snapshot at the log's end.
            Start::Clean | Start::New => newest,
        };
        self.floor = self.point.unwrap_or(Offset(0));
    }

    async fn load_segments(&mut self, bases: &[Offset]) -> Result<(), LogError> {
        let may_resume = matches!(self.start, Start::Unclean { .. }) && !self.scan_all;
        for (at, base) in bases.iter().copied().enumerate() {
            let next = bases.get(at + 1).copied();
            let clean = self.start == Start::Clean;
            let below_floor = next.is_some_and(|next| next <= self.floor);
            if !self.scan_all && (clean || below_floor) {
                if self.trust(base, next).await? {
                    continue;
                }
                let path = file_path(self.dir, base, INDEX);
                self.damaged(path, None, "the indexes do not fit the segment", "built again");
            }
            let resumed = match next {
                None if may_resume => self.resume(base).await?,
                _ => None,
            };
            let scan = match resumed {
                Some(scan) => scan,
                None => self.scan(base).await?,
            };
            self.loaded.report.segments_scanned += 1;
            if scan.bad.is_some() || next.is_some_and(|next| self.is_torn_before(scan.end, next)) {
                return self.cut(scan, &bases[at + 1..]).await;
            }
            match next {
                Some(next) => self.close_scanned(scan, next).await?,
                None => self.end_with(scan.segment, scan.end),
            }
        }
        Ok(())
    }

    /// Whether whole segments between which offsets are missing are what a power cut left.
    ///
    /// Our own passes keep the last offset of each segment, and what they worked on lies below the
    /// floor: above it, a file lost its end, or the one between them its name. Kafka's cleaner
    /// keeps a segment's end only for a producer's sake, so with it a gap says nothing.
    fn is_torn_before(&self, end: Offset, next: Offset) -> bool {
        let is_ours = !matches!(self.start, Start::Foreign { .. });
        is_ours && end < next && self.floor < next
    }

    fn end_with(&mut self, segment: Active, end: Offset) {
        self.loaded.active = segment;
        self.loaded.end = end;
    }

    /// Walks one segment with checksums and builds its indexes.
    async fn scan(&mut self, base: Offset) -> Result<Scan, LogError> {
        let path = file_path(self.dir, base, LOG);
        let file = self.files.open(&path, OpenHow::Read).await?;
        let file_bytes = self.files.bytes(&file, &path).await?;
        self.scan_rest(Active::new(base, self.now_ms), file, file_bytes).await
    }

    /// Walks what `segment` does not describe yet.
    async fn scan_rest(
        &mut self,
        mut segment: Active,
        file: File,
        file_bytes: u64,
    ) -> Result<Scan, LogError> {
        let base = segment.base;
        let (path, range) = (file_path(self.dir, base, LOG), segment.bytes..file_bytes);
        self.loaded.report.bytes_read += range.end - range.start;
        self.files.look_at_the_device(&file, &path, range.clone()).await?;
        let mut scan = Scanner::new(self.files, file, &path, range, base, Check::Crc);
        let mut end = base;
        let bad = loop {
            match scan.next().await? {
                Walked::End => break None,
                Walked::Bad { position, why } => break Some((position, why)),
                Walked::Batch { header, bytes, position } => {
                    if i64::from(i32::MAX) < header.last_offset().0 - base.0
                        || i32::MAX as u64 <= position
                    {
                        break Some((position, "its place does not fit an index"));
                    }
                    segment.note(&header, bytes.len() as u64, self.config);
                    self.loaded.epochs.assign(header.leader_epoch, header.base_offset);
                    end = header.next_offset();
                }
            }
        };
        Ok(Scan { segment, end, bad, file_bytes })
    }

    /// Makes a scanned segment the last one: all behind its good part goes.
    async fn cut(&mut self, scan: Scan, later: &[Offset]) -> Result<(), LogError> {
        let path = file_path(self.dir, scan.segment.base, LOG);
        let position = scan.segment.bytes;
        if let Some(point) = self.point
            && scan.end < point
        {
            let why = scan.bad.map_or("the next segment does not follow", |(_, why)| why);
            return Err(LogError::Corrupt { path, position, why, recovery_point: point });
        }
        let why = scan.bad.map_or("the next segment does not follow", |(_, why)| why);
        self.damaged(path.clone(), Some(position), why, "what follows is cut off");
        // Later segments first, durably: were the tail cut first and the power failed, the next
        // recovery would find a good end and take the later segments for its continuation.
        for base in later.iter().rev() {
            for suffix in [INDEX, TIME_INDEX, LOG] {
                self.files.remove(&file_path(self.dir, *base, suffix)).await?;
            }
            self.loaded.report.segments_dropped += 1;
            let path = file_path(self.dir, *base, LOG);
            self.damaged(path, None, "it follows what is cut off", "removed");
        }
        if !later.is_empty() {
            self.files.sync_dir(self.dir).await?;
        }
        if position < scan.file_bytes {
            let file = self.files.open(&path, OpenHow::ReadWrite).await?;
            self.files.truncate(&file, &path, position).await?;
            self.files.sync(&file, &path).await?;
            self.loaded.report.bytes_cut += scan.file_bytes - position;
        }
        self.end_with(scan.segment, scan.end);
        Ok(())
    }

    async fn close_scanned(&mut self, scan: Scan, next: Offset) -> Result<(), LogError> {
        let mut segment = scan.segment;
        segment.seal();
        self.sync_file(&file_path(self.dir, segment.base, LOG)).await?;
        self.write_indexes(&segment).await?;
        self.loaded.report.indexes_rebuilt += 1;
        let closed = Closed::new(segment.base, next, segment.bytes, segment.max_timestamp);
        self.loaded.closed.insert(segment.base, Rc::new(closed));
        Ok(())
    }

    async fn sync_file(&self, path: &str) -> Result<(), DiskError> {
        let file = self.files.open(path, OpenHow::ReadWrite).await?;
        self.files.sync(&file, path).await
    }

    async fn write_indexes(&self, segment: &Active) -> Result<(), DiskError> {
        let index = file_path(self.dir, segment.base, INDEX);
        self.files.write_whole(&index, segment.index.encode()).await?;
        let time_index = file_path(self.dir, segment.base, TIME_INDEX);
        self.files.write_whole(&time_index, segment.time_index.encode()).await?;
        Ok(())
    }

    async fn drop_snapshots_above(&mut self, end: Offset) -> Result<(), LogError> {
        let above = self.snapshots.split_off(&Offset(end.0 + 1));
        for offset in above.keys() {
            self.files.remove(&file_path(self.dir, *offset, SNAPSHOT)).await?;
        }
        Ok(())
    }

    /// Producer state at the log's end: a snapshot and the batches behind it.
    ///
    /// After a crash from the newest one that holds all that can be asked for, else from the second
    /// newest: a snapshot of Kafka's holds one batch per producer where five may be in flight.
    async fn replay_producers(&mut self) -> Result<(), LogError> {
        let log_start = self.loaded.closed.keys().next().copied();
        let log_start = log_start.unwrap_or(self.loaded.active.base);
        let mut newest = self.snapshots.iter().rev();
        let chosen = if self.start == Start::Clean {
            newest.next()
        } else {
            let first = newest.next();
            first
                .filter(|(_, producers)| producers.is_whole())
                .or_else(|| newest.next().or(first.filter(|_| Offset(0) < log_start)))
        };
        let (from, producers) = chosen.map_or((log_start, None), |(at, p)| (*at, Some(p.clone())));
        self.loaded.producers = producers.unwrap_or_default();
        let mut segments: Vec<(Offset, Offset, Range<u64>)> = Vec::new();
        for closed in self.loaded.closed.values() {
            segments.push((closed.base, closed.end, 0..closed.bytes));
        }
        let active = &self.loaded.active;
        let below = u32::try_from(from.0 - active.base.0).unwrap_or(0);
        let position = u64::from(active.index.floor(below));
        segments.push((active.base, self.loaded.end, position..active.bytes));
        for (base, end, range) in segments {
            if from < end && !range.is_empty() {
                self.replay_segment(base, range, from).await?;
            }
        }
        Ok(())
    }

    async fn replay_segment(
        &mut self,
        base: Offset,
        range: Range<u64>,
        from: Offset,
    ) -> Result<(), LogError> {
        let path = file_path(self.dir, base, LOG);
        let file = self.files.open(&path, OpenHow::Read).await?;
        self.loaded.report.bytes_read += range.end - range.start;
        let mut scan = Scanner::new(self.files, file, &path, range, base, Check::Shape);
        loop {
            match scan.next().await? {
                Walked::End => return Ok(()),
                Walked::Bad { position, why } => {
                    let recovery_point = self.loaded.end;
                    return Err(LogError::Corrupt { path, position, why, recovery_point });
                }
                Walked::Batch { header, bytes, .. } => {
                    if from <= header.base_offset && header.has_producer() {
                        let mark = mark_of(&header, &bytes);
                        let now_ms = self.files.env.now().ms();
                        self.loaded.producers.replay(&header, mark, now_ms);
                    }
                }
            }
        }
    }

    /// Writes what recovery decided, and says what makes it durable.
    ///
    /// Below the recovery point all is durable already, names and owner too: an idle log costs
    /// no sync, a small one no file.
    async fn write_result(&mut self, bases: &[Offset]) -> Result<(), DiskError> {
        let durable = self.point.unwrap_or(Offset(0));
        let (base, end) = (self.loaded.active.base, self.loaded.end);
        let epochs = self.loaded.epochs.encode();
        if epochs != self.epochs_text {
            self.files.replace(&format!("{}/{EPOCHS}", self.dir), epochs.into_bytes()).await?;
        }
        // The crash may have come before the first sync of anything: directory and owner, too.
        self.loaded.unconfirmed.sync = durable == Offset(0) || durable < end;
        if bases.is_empty() {
            return Ok(());
        }
        let is_near = self.loaded.closed.is_empty()
            || self.snapshots.keys().next_back().is_some_and(|newest| base <= *newest);
        // Kafka makes index files of full size, which only its stop cuts to what they hold.
        let is_ours = !matches!(self.start, Start::Foreign { .. });
        if is_ours && is_near && self.loaded.active.bytes <= SMALL_SEGMENT_BYTES {
            self.loaded.complete = false;
            return Ok(());
        }
        // Sealed in memory, too: from now on the files only grow.
        self.loaded.active.seal();
        let active = &self.loaded.active;
        let (index, times) = (active.index.encode(), active.time_index.encode());
        self.files.rewrite(&file_path(self.dir, base, INDEX), index).await?;
        self.files.rewrite(&file_path(self.dir, base, TIME_INDEX), times).await?;
        self.loaded.settled = Settled::all(active);
        self.loaded.unconfirmed = Unconfirmed { sync: true, snapshot: true };
        Ok(())
    }
}

fn mark_of(header: &Header, batch: &crate::base::Bytes) -> Option<ControlRecord> {
    /// A mark is some twenty bytes; nobody compresses it well.
    const MARK_BYTES_MAX: usize = 64 << 10;
    if !header.is_control() {
        return None;
    }
    Records::decode(batch, MARK_BYTES_MAX).ok().as_ref().and_then(ControlRecord::of)
}
