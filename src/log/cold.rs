//! Reads far behind a log's end: around the page cache, with a readahead of their own.
//!
//! Owns: what counts as far behind, the chunks in memory and which goes first, reading the next
//! chunk while a reader digests the one before.
//! Leaves to others: batches (`gather`), places (`bookmarks`), reads without a cache (`env`).
//! Invariant: chunks, with what responses still hold of them, stay within one bound per shard; what
//! does not fit is read for one reader alone. Readers at one place share a chunk. A shard has one
//! read of a log directory under way, and begins none while its journal there writes, for as long
//! as that takes a disk in order: however much readers want, a producer waits for one read.
//! Start reading at: [`Log::piece`], then [`ColdReads::chunk`].
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::base::Bytes;
use crate::env::IoError;
use crate::env::local::Notify;
use crate::log::read::View;
use crate::log::segment::Closed;
use crate::log::{DiskError, Log, add};
use crate::model::Offset;
use crate::observe::MemoryMetrics;

/// What is near enough to the end to be kept in the page cache, and what readers behind it get.
#[derive(Clone, Copy, Debug)]
pub struct ColdLimits {
    /// The newest so many bytes of a log are read through the page cache, at most.
    pub warm_bytes_max: u64,
    /// And of all logs of the shard together, evenly.
    pub warm_shard_bytes: u64,
    /// One read around the page cache.
    pub chunk_bytes: u64,
    /// Memory of all chunks of the shard.
    pub chunks_bytes_max: usize,
    /// Longest answer out of chunks, but for one batch.
    pub answer_bytes_max: usize,
}

impl ColdLimits {
    pub const DEFAULT: Self = Self {
        warm_bytes_max: 64 << 20,
        warm_shard_bytes: 256 << 20,
        chunk_bytes: 512 << 10,
        chunks_bytes_max: 32 << 20,
        answer_bytes_max: 4 << 20,
    };
}

/// How long a read waits for writes of the journal: a busy one must not starve readers.
const WRITES_MS_MAX: u64 = 5;

/// Lets one read of a log directory pass after the other.
#[derive(Default)]
pub struct ReadLane {
    taken: Cell<bool>,
    free: Notify,
}

struct InLane<'a>(&'a ReadLane);

impl ReadLane {
    async fn enter(&self) -> InLane<'_> {
        while self.taken.replace(true) {
            self.free.changed().await;
        }
        InLane(self)
    }
}

impl Drop for InLane<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        self.0.free.notify_all();
    }
}

/// One form of one segment's file; another form of the same segment is another.
#[derive(Clone)]
pub struct SegmentId {
    log: u64,
    base: Offset,
    /// `None`: the active one.
    closed: Option<Weak<Closed>>,
}

impl SegmentId {
    pub fn new(log: &Log, base: Offset, closed: Option<&Rc<Closed>>) -> Self {
        Self { log: log.seat.number, base, closed: closed.map(Rc::downgrade) }
    }

    /// Of the log, among those of its shard.
    pub fn log(&self) -> u64 {
        self.log
    }
}

impl PartialEq for SegmentId {
    fn eq(&self, other: &Self) -> bool {
        let same_form = match (&self.closed, &other.closed) {
            // A weak pointer keeps its address from being used again.
            (Some(mine), Some(theirs)) => mine.ptr_eq(theirs),
            (mine, theirs) => mine.is_none() && theirs.is_none(),
        };
        same_form && (self.log, self.base) == (other.log, other.base)
    }
}

/// A log's place among those of its shard.
pub struct Seat {
    number: u64,
    cold: Rc<ColdReads>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.cold.logs.set(self.cold.logs.get() - 1);
    }
}

/// Bytes of a segment that somebody reads, or has read.
struct Chunk {
    segment: SegmentId,
    number: u64,
    slot: Rc<Slot>,
}

#[derive(Default)]
struct Slot {
    read: RefCell<Option<Result<Arc<Charged>, DiskError>>>,
    done: Notify,
    /// Somebody asked for it, and did not only expect it.
    used: Cell<bool>,
}

/// A part of the chunks' memory; given back when the last slice of the chunk goes, on any thread.
struct Charge {
    used: Arc<AtomicUsize>,
    metrics: MemoryMetrics,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Relaxed);
        self.metrics.used_bytes.dec_by(self.bytes as i64);
    }
}

struct Charged {
    bytes: Bytes,
    _charge: Charge,
}

/// One part of a chunk that somebody has.
struct Part(Arc<Charged>);

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// Bytes that continue a gathering.
pub struct Piece {
    pub bytes: Bytes,
    /// Others read from the same memory, and its account knows how long it is held.
    pub shared: bool,
}

/// Why a chunk is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Wanted,
    /// Somebody will want it soon.
    Ahead,
}

/// What all logs of one shard share for reads far behind their ends.
pub struct ColdReads {
    limits: Cell<ColdLimits>,
    logs: Cell<usize>,
    logs_ever: Cell<u64>,
    /// The one that was wanted longest ago first.
    chunks: RefCell<VecDeque<Chunk>>,
    used: Arc<AtomicUsize>,
    metrics: MemoryMetrics,
    /// Directories whose file system offers no uncached reads.
    without: RefCell<BTreeSet<Box<str>>>,
}

impl ColdReads {
    pub fn new(metrics: MemoryMetrics) -> Rc<Self> {
        let cold = Self {
            limits: Cell::new(ColdLimits::DEFAULT),
            logs: Cell::new(0),
            logs_ever: Cell::new(0),
            chunks: RefCell::default(),
            used: Arc::default(),
            metrics,
            without: RefCell::default(),
        };
        cold.metrics.bound_bytes.inc_by(ColdLimits::DEFAULT.chunks_bytes_max as i64);
        Rc::new(cold)
    }

    pub fn limits(&self) -> ColdLimits {
        self.limits.get()
    }

    pub fn set_limits(&self, limits: ColdLimits) {
        let bound = limits.chunks_bytes_max as i64 - self.limits.get().chunks_bytes_max as i64;
        self.metrics.bound_bytes.inc_by(bound);
        self.limits.set(limits);
    }

    pub fn seat(self: &Rc<Self>) -> Seat {
        let number = self.logs_ever.get();
        self.logs_ever.set(number + 1);
        self.logs.set(self.logs.get() + 1);
        Seat { number, cold: self.clone() }
    }

    /// Newest bytes of each log that are read through the page cache.
    fn warm_bytes(&self) -> u64 {
        let limits = self.limits.get();
        let share = limits.warm_shard_bytes / self.logs.get().max(1) as u64;
        share.min(limits.warm_bytes_max)
    }

    /// Whether a byte of a segment is far behind the log's end.
    pub fn is_cold(&self, view: &View, at: u64) -> bool {
        self.warm_bytes() < view.bytes_behind.saturating_add(view.bytes.saturating_sub(at))
    }

    fn find(&self, segment: &SegmentId, number: u64) -> Option<Rc<Slot>> {
        let mut chunks = self.chunks.borrow_mut();
        let at = chunks.iter().position(|c| c.number == number && c.segment == *segment)?;
        let chunk = chunks.remove(at).expect("just found");
        let slot = chunk.slot.clone();
        chunks.push_back(chunk);
        Some(slot)
    }

    /// Memory for one more chunk; what nobody holds goes for it, but nothing that a reader expects
    /// goes for what another may want later.
    fn charge(&self, bytes: usize, why: Why) -> Option<Charge> {
        let max = self.limits.get().chunks_bytes_max;
        let goes = |chunk: &Chunk| {
            let read = chunk.slot.read.borrow();
            let free = matches!(&*read, Some(Ok(bytes)) if Arc::strong_count(bytes) == 1);
            free && (chunk.slot.used.get() || why == Why::Wanted)
        };
        while max < self.used.load(Relaxed) + bytes {
            let mut chunks = self.chunks.borrow_mut();
            let Some(at) = chunks.iter().position(goes) else {
                self.metrics.refusals_total.inc();
                return None;
            };
            chunks.remove(at);
        }
        self.used.fetch_add(bytes, Relaxed);
        self.metrics.used_bytes.inc_by(bytes as i64);
        Some(Charge { used: self.used.clone(), metrics: self.metrics.clone(), bytes })
    }

    fn forget(&self, slot: &Rc<Slot>) {
        self.chunks.borrow_mut().retain(|chunk| !Rc::ptr_eq(&chunk.slot, slot));
    }

    /// The chunk of that number, read or about to be; `None` when there is no room for it.
    fn chunk(self: &Rc<Self>, log: &Log, view: &View, number: u64, why: Why) -> Option<Rc<Slot>> {
        if let Some(slot) = self.find(&view.segment, number) {
            return Some(slot);
        }
        let at = number * self.limits.get().chunk_bytes;
        let want = self.limits.get().chunk_bytes.min(view.bytes - at) as usize;
        let charge = self.charge(want, why)?;
        let slot = Rc::new(Slot::default());
        let chunk = Chunk { segment: view.segment.clone(), number, slot: slot.clone() };
        self.chunks.borrow_mut().push_back(chunk);
        let (cold, log, told) = (self.clone(), log.rc(), slot.clone());
        let (file, path) = (view.file.clone(), view.path.clone());
        log.host.env.clone().spawn(async move {
            let read = log.read_uncached(&file, &path, at, want).await;
            // What could not be read, or not whole, is of no use to the next one.
            if !read.as_ref().is_ok_and(|bytes| bytes.len() == want) {
                cold.forget(&told);
            }
            let read = read.map(|bytes| Arc::new(Charged { bytes, _charge: charge }));
            *told.read.borrow_mut() = Some(read);
            told.done.notify_all();
        });
        Some(slot)
    }
}

impl Slot {
    async fn bytes(&self) -> Result<Bytes, DiskError> {
        loop {
            if let Some(read) = &*self.read.borrow() {
                return read.clone().map(|chunk| Bytes::from_owner(Part(chunk)));
            }
            self.done.changed().await;
        }
    }
}

impl Log {
    /// Bytes of a segment from `at` on: at least one, unless the file ends there; about `want`.
    pub(super) async fn piece(
        &self,
        view: &View,
        at: u64,
        want: usize,
    ) -> Result<Piece, DiskError> {
        let want = (want as u64).min(view.bytes.saturating_sub(at)) as usize;
        if !self.host.cold.is_cold(view, at) {
            let bytes = self.files.read(&view.file, &view.path, at, want).await?;
            add(&self.host.counters.cached_read_bytes_total, bytes.len() as u64);
            return Ok(Piece { bytes, shared: false });
        }
        if let Some(bytes) = self.piece_of_chunk(view, at).await? {
            return Ok(Piece { bytes, shared: true });
        }
        let bytes = self.read_uncached(&view.file, &view.path, at, want).await?;
        Ok(Piece { bytes, shared: false })
    }

    /// The rest of the chunk that holds `at`; `None` when there is no room for chunks.
    async fn piece_of_chunk(&self, view: &View, at: u64) -> Result<Option<Bytes>, DiskError> {
        let cold = &self.host.cold;
        let chunk_bytes = cold.limits().chunk_bytes;
        // A chunk that the active segment has not filled yet would be short for the next reader.
        let chunks = match view.next {
            Some(_) => view.bytes.div_ceil(chunk_bytes),
            None => view.bytes_written / chunk_bytes,
        };
        let number = at / chunk_bytes;
        if chunks <= number {
            return Ok(None);
        }
        // Who comes from the chunk before, or comes again, will want the next one.
        let goes_on = at == number * chunk_bytes || cold.find(&view.segment, number).is_some();
        let Some(slot) = cold.chunk(self, view, number, Why::Wanted) else { return Ok(None) };
        slot.used.set(true);
        if goes_on && number + 1 < chunks {
            cold.chunk(self, view, number + 1, Why::Ahead);
        }
        let bytes = slot.bytes().await?;
        let skip = (at - number * chunk_bytes) as usize;
        Ok((skip < bytes.len()).then(|| bytes.slice(skip..)))
    }

    /// Reads so that nothing else leaves the page cache for it.
    pub(super) async fn read_uncached(
        &self,
        file: &crate::env::File,
        path: &str,
        at: u64,
        want: usize,
    ) -> Result<Bytes, DiskError> {
        let (env, cold) = (&self.host.env, &self.host.cold);
        let failed = |source| DiskError::new("read", path, source);
        let _alone = self.home.cold_reads.enter().await;
        self.home.journal.rests_within(WRITES_MS_MAX).await;
        if !cold.without.borrow().contains(&*self.place.dir) {
            match env.read_uncached_at(file, at, want).await {
                Err(IoError::UNSUPPORTED) => {
                    let dir = &self.place.dir;
                    tracing::info!(%dir, "no uncached reads here: what is read once is dropped");
                    cold.without.borrow_mut().insert(dir[..].into());
                }
                Err(error) => return Err(failed(error)),
                Ok(bytes) => {
                    add(&self.host.counters.uncached_read_bytes_total, bytes.len() as u64);
                    return Ok(bytes);
                }
            }
        }
        let bytes = env.read_at(file, at, want).await.map_err(failed)?;
        add(&self.host.counters.uncached_read_bytes_total, bytes.len() as u64);
        // That it stays costs others memory, and nobody an answer.
        let _ = env.drop_cached(file, at, bytes.len() as u32).await;
        Ok(bytes)
    }
}
