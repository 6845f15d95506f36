//! Compaction: one pass over closed segments that keeps what a rule or a policy wants kept.
//!
//! Owns: Kafka's invariants, whoever decides: offsets, order, timestamps and sequences stay; data
//! of aborted transactions goes, marks outlive the data of theirs; each producer's last batch and
//! the end of each segment stay, if need be without records; tombstones wait for their horizon
//! (KIP-534).
//! Leaves to others: when a pass is due, where the clean boundary is kept (the shard).
//! Invariant: any failure before the first replacement keeps everything; a crash at any point
//! leaves the old or the new form of each segment, whole. The clean boundary moves only when all
//! ranges of key hashes were gone over.
//! Start reading at: [`Log::compact`]; then `steps`, `walk`, `rewrite`.
//! Source: Kafka `Cleaner`, `MemoryRecords#filterTo`; KIP-534.
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::env::{IoError, OpenHow, yield_now};
use crate::log::names::{LOG, file_path};
use crate::log::scan::{Check, Scanner, Walked};
use crate::log::segment::Closed;
use crate::log::{DiskError, Life, Log};
use crate::model::Offset;

mod abort_rows;
mod by_policy;
mod due;
mod keys;
mod marks;
mod policy;
mod rewrite;
mod show;
mod steps;
mod transactions;
mod walk;

pub use due::Cleanable;
pub use policy::{CompactionPolicy, PassBatch, PolicyError, PolicySource, Scope};

use keys::NewestPerKey;
use marks::{MarkStore, Marks, Span};
use steps::{Mark, Observe, Survey, mark_in};
use transactions::Transactions;
use walk::{Pace, Track};

/// The part of a log that one pass covers; all ends of whole segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassRange {
    pub first_offset: Offset,
    /// Below it an earlier pass has cleaned.
    pub first_dirty: Offset,
    pub end: Offset,
}

/// Whether a pass changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassMode {
    Run,
    DryRun,
}

/// What one pass may take of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassLimits {
    /// Memory for keys, for the marks of records that go, and for aborted transactions. More keys
    /// take several rounds; more marks lie in a file meanwhile; with more transactions a pass ends
    /// at an earlier segment.
    pub dedupe_bytes: usize,
    /// How full the table of keys may get, from 0 to 1.
    pub keys_load: f64,
    /// Bytes read at once, and gathered before a write; one batch may be larger.
    pub io_bytes: usize,
    /// Bytes read and written per second.
    pub bytes_per_second: f64,
}

impl PassLimits {
    /// What fits `dedupe_bytes` and `io_bytes` of memory.
    pub fn new(dedupe_bytes: u64, load: f64, io_bytes: u64, bytes_per_second: f64) -> Self {
        let dedupe_bytes = usize::try_from(dedupe_bytes).unwrap_or(usize::MAX);
        // Half is for reading, half for writing.
        let io_bytes = usize::try_from(io_bytes / 2).unwrap_or(usize::MAX).min(IO_BYTES_MAX);
        // A pass that may not read at all would never end.
        let bytes_per_second = bytes_per_second.max(1.0);
        Self { dedupe_bytes, keys_load: load, io_bytes, bytes_per_second }
    }
}

impl Default for PassLimits {
    /// Kafka's defaults for one of one `log.cleaner.threads`.
    fn default() -> Self {
        Self::new(128 << 20, 0.9, 512 << 10, f64::MAX)
    }
}

/// What one pass should do.
#[derive(Clone, Debug)]
pub struct CompactionJob {
    pub range: PassRange,
    pub mode: PassMode,
    /// Wall clock of the pass.
    pub now_ms: i64,
    /// `max.drop.ratio`: a pass that would drop a larger part is refused; `None`: approved.
    pub drop_ratio_max: Option<f64>,
    pub limits: PassLimits,
}

impl CompactionJob {
    pub fn new(range: PassRange, now_ms: i64) -> Self {
        let (mode, drop_ratio_max, limits) = (PassMode::Run, None, PassLimits::default());
        Self { range, mode, now_ms, drop_ratio_max, limits }
    }
}

/// Largest chunk, whatever the settings say: a worker has it for a few milliseconds.
const IO_BYTES_MAX: usize = 4 << 20;
/// Bytes that a shard looks through before its other tasks run.
const SLICE_BYTES: usize = 128 << 10;
/// Batches that a shard looks at before its other tasks run.
const TURN_BATCHES: usize = 512;
/// Of the memory for keys and marks, marks get one part of so many, and transactions another.
const SHARES: usize = 8;
/// What transactions may take, however little memory there is.
const TRANSACTION_BYTES_MIN: usize = 1 << 10;

/// What a pass did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompactionReport {
    pub dry_run: bool,
    pub records_before: u64,
    pub records_after: u64,
    pub dropped: u64,
    /// Those of `dropped` that were tombstones.
    pub dropped_tombstones: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    /// Bytes that went through memory; a pass reads what it covers several times.
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub segments_before: u64,
    pub segments_after: u64,
    /// Tombstones that stay, waiting for their horizon.
    pub kept_tombstones: u64,
    /// Batches that stay without records.
    pub empty_batches: u64,
    /// Batches that stay as they are because they cannot be unpacked.
    pub unseen_batches: u64,
    /// Ranges of key hashes that were decided one after the other, because not all keys fit into
    /// memory at once; 0: no key was observed.
    pub rounds: u64,
    /// Most memory that keys, marks and transactions took.
    pub memory_bytes: u64,
    /// Where the pass ended, and what the next one gets as `first_dirty`; the shard keeps it in
    /// `cleaner-offset-checkpoint`.
    pub clean_end: Offset,
    pub millis: u64,
    /// A few of the keys that go, as text.
    pub sample_keys: Vec<String>,
}

/// Why a pass changed nothing (or, after a disk error, why the log is offline).
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    #[error("a compaction of this partition runs already")]
    Running,
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{path} is damaged at byte {position}: {why}")]
    Corrupt { path: String, position: u64, why: String },
    #[error("the new form may take {bytes} bytes; {free_bytes} are free, some kept in reserve")]
    NoRoom { bytes: u64, free_bytes: u64 },
    #[error("segments were deleted while they were compacted")]
    Overtaken,
    #[error("the policy failed: {0}")]
    Policy(#[from] PolicyError),
    #[error("{path} changed at byte {position}, though nobody but this pass writes it")]
    Marks { path: String, position: u64 },
    #[error("the policy's memory is full with a single key, that of a record behind offset {at}")]
    MemoryFull { at: Offset },
    #[error("the policy's memory holds too few keys: {made} instances were not enough for all")]
    TooManyRounds { made: u32 },
    #[error(
        "{dropped} of {records} records would go, more than max.drop.ratio {max} allows without \
         approval"
    )]
    TooMany { dropped: u64, records: u64, max: f64 },
}

/// One source segment.
struct Source {
    closed: Rc<Closed>,
    path: Arc<str>,
    /// Its parts, among those of the pass.
    spans: Range<usize>,
    data_records: u64,
    /// It has batches without records on which nothing hangs any more.
    has_litter: bool,
}

/// One pass in progress.
struct Pass<'a> {
    log: &'a Log,
    job: &'a CompactionJob,
    sources: Vec<Source>,
    spans: Vec<Span>,
    store: MarkStore,
    transactions: Arc<Transactions>,
    report: CompactionReport,
    pace: Pace,
}

/// Frees the claim on the log however the pass ends.
struct Claim<'a> {
    log: &'a Log,
    replacing: std::cell::Cell<bool>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.replacing.get() {
            // Files are half renamed: the next start completes that.
            let error = DiskError::new("finish compaction of", &self.log.dir, IoError::Canceled);
            self.log.fail(error);
        }
        self.log.state.borrow_mut().compaction_runs = false;
        self.log.quiet.notify_all();
    }
}

impl Log {
    /// Runs one pass: by Kafka's rule, or by `policy`.
    ///
    /// Do not drop the future before it ends: in the middle of a replacement that takes the log
    /// offline until the next start.
    pub async fn compact(
        &self,
        job: &CompactionJob,
        policy: Option<Arc<dyn PolicySource>>,
    ) -> Result<CompactionReport, CompactError> {
        let started = self.host.env.now();
        let claim = self.claim()?;
        let end = job.range.end;
        self.settled(|log| {
            let state = log.state.borrow();
            end <= state.on_disk.finished_end.min(state.progress.synced_end)
                || !matches!(state.life, Life::Open)
        })
        .await?;
        let mut pass = Pass::new(self, job);
        let ran = pass.run(policy, &claim).await;
        let mut report = pass.end().await;
        ran?;
        report.millis = (self.host.env.now().0 - started.0) / 1_000_000;
        Ok(report)
    }

    fn claim(&self) -> Result<Claim<'_>, CompactError> {
        let mut state = self.state.borrow_mut();
        match &state.life {
            Life::Open => {}
            Life::Closed => return Err(CompactError::Closed),
            Life::Offline(error) => return Err(error.clone().into()),
        }
        if std::mem::replace(&mut state.compaction_runs, true) {
            return Err(CompactError::Running);
        }
        Ok(Claim { log: self, replacing: false.into() })
    }

    fn check_open(&self) -> Result<(), CompactError> {
        match &self.state.borrow().life {
            Life::Open => Ok(()),
            Life::Closed => Err(CompactError::Closed),
            Life::Offline(error) => Err(error.clone().into()),
        }
    }
}

impl<'a> Pass<'a> {
    fn new(log: &'a Log, job: &'a CompactionJob) -> Self {
        let closed: Vec<Rc<Closed>> = {
            let state = log.state.borrow();
            state.closed.range(..job.range.end).map(|(_, closed)| closed.clone()).collect()
        };
        let report = CompactionReport {
            dry_run: job.mode == PassMode::DryRun,
            bytes_before: closed.iter().map(|closed| closed.bytes).sum(),
            segments_before: closed.len() as u64,
            clean_end: job.range.end,
            ..CompactionReport::default()
        };
        let source = |closed: Rc<Closed>| {
            let path = file_path(&log.dir, closed.base, LOG).into();
            Source { closed, path, spans: 0..0, data_records: 0, has_litter: false }
        };
        let marks_bytes = job.limits.dedupe_bytes / SHARES;
        Self {
            log,
            job,
            sources: closed.into_iter().map(source).collect(),
            spans: Vec::new(),
            store: MarkStore::new(&log.files, &log.home.room, &log.dir, marks_bytes),
            transactions: Arc::default(),
            report,
            pace: Pace::new(job.limits.bytes_per_second, log.host.env.now()),
        }
    }

    async fn run(
        &mut self,
        policy: Option<Arc<dyn PolicySource>>,
        claim: &Claim<'_>,
    ) -> Result<(), CompactError> {
        self.survey().await?;
        self.note_memory(0);
        match policy {
            None => self.mark_by_rule().await?,
            Some(policy) => self.mark_by_policy(policy).await?,
        }
        self.check_ratio()?;
        self.rewrite(claim).await
    }

    /// Gives back what the pass took; what it did.
    async fn end(self) -> CompactionReport {
        self.store.end().await;
        // Freeing thousands of entries takes long: a worker does it.
        self.log.host.env.discard(self.transactions);
        self.report
    }

    /// Looks through everything once: how many records there are, what became of transactions.
    async fn survey(&mut self) -> Result<(), CompactError> {
        let mut survey = Survey {
            now_ms: self.job.now_ms,
            bytes_max: self.log.config().decompressed_bytes_max,
            span_records_max: self.store.span_records_max(),
            transactions: Transactions::default(),
            spans: Vec::new(),
            empty: Vec::new(),
            last_empty: None,
            span: Track { path: "".into(), from: 0, to: 0, base: Offset(0) },
            marks: Marks::default(),
            next: Offset(0),
        };
        for at in 0..self.sources.len() {
            let Source { closed, path, .. } = &self.sources[at];
            let (base, to) = (closed.base, closed.bytes);
            let track = Track { path: path.clone(), from: 0, to, base };
            (survey.span, survey.next) = (Track { to: 0, ..track.clone() }, base);
            self.sources[at].spans = self.spans.len()..self.spans.len();
            let keep = async |pass: &mut Self, survey: &mut Survey| pass.keep(at, survey).await;
            survey = self.walk(&track, survey, keep).await?;
            survey.end_segment();
            self.keep(at, &mut survey).await?;
            let source = &mut self.sources[at];
            source.spans.end = self.spans.len();
            let spans = &self.spans[source.spans.clone()];
            source.data_records = spans.iter().map(|span| span.tally.data_records).sum();
            self.report.records_before += spans.iter().map(|span| span.tally.records).sum::<u64>();
            let share = (self.job.limits.dedupe_bytes / SHARES).max(TRANSACTION_BYTES_MIN);
            if share < survey.transactions.bytes()
                && self.job.range.first_dirty < self.sources[at].closed.end
            {
                self.end_behind(at);
                break;
            }
        }
        let mut transactions = survey.transactions;
        if transactions.has_open() {
            self.look_ahead(&mut transactions).await?;
        }
        self.transactions = Arc::new(transactions);
        Ok(())
    }

    /// Leaves later segments to the next pass: it finds no aborted data in the earlier ones.
    fn end_behind(&mut self, last: usize) {
        self.sources.truncate(last + 1);
        let sources = &self.sources;
        self.report.clean_end = sources[last].closed.end;
        self.report.bytes_before = sources.iter().map(|source| source.closed.bytes).sum();
        self.report.segments_before = sources.len() as u64;
    }

    /// Takes what the survey found in a part of a source.
    async fn keep(&mut self, source: usize, survey: &mut Survey) -> Result<(), CompactError> {
        for (track, marks) in std::mem::take(&mut survey.spans) {
            let span = self.store.keep(track, marks).await?;
            self.spans.push(span);
        }
        for (n, header) in std::mem::take(&mut survey.empty).iter().enumerate() {
            if n % TURN_BATCHES == TURN_BATCHES - 1 {
                yield_now().await;
            }
            if self.sources[source].has_litter {
                break;
            }
            self.sources[source].has_litter = !self.is_newest_of_its_producer(header);
        }
        Ok(())
    }

    /// Finds the marks of transactions that began within the pass and ended behind it.
    async fn look_ahead(&mut self, transactions: &mut Transactions) -> Result<(), CompactError> {
        let decided = self.log.ends().last_stable_offset;
        let later: Vec<(Offset, u64)> = {
            let state = self.log.state.borrow();
            let closed = state.closed.range(self.report.clean_end..);
            let closed = closed.map(|(base, closed)| (*base, closed.bytes));
            closed.chain([(state.active.base, state.active.bytes)]).collect()
        };
        for (base, bytes) in later {
            let path = file_path(&self.log.dir, base, LOG);
            let file = self.log.files.open(&path, OpenHow::Read).await?;
            let files = &self.log.files;
            let mut scan = Scanner::new(files, file, &path, 0..bytes, base, Check::Crc);
            let mut slice_bytes = 0;
            while transactions.has_open() {
                self.log.check_open()?;
                // Behind the last stable offset a file may end anywhere: it is being written.
                let Walked::Batch { header, bytes, .. } = scan.next().await? else { break };
                if decided < header.next_offset() {
                    return Ok(());
                }
                slice_bytes += bytes.len();
                if SLICE_BYTES < slice_bytes {
                    self.report.bytes_read += slice_bytes as u64;
                    self.pace.take(&self.log.host.env, std::mem::take(&mut slice_bytes)).await;
                    yield_now().await;
                }
                if header.is_control() {
                    let mark = mark_in(&header, &bytes).map_err(|why| self.broken(&path, why))?;
                    if let Some(mark) = mark {
                        transactions.note_later_mark(&header, mark.kind);
                    }
                }
            }
        }
        Ok(())
    }

    fn broken(&self, path: &str, why: String) -> CompactError {
        CompactError::Corrupt { path: path.to_owned(), position: 0, why }
    }

    /// Marks by "newest offset per key"; in several rounds when the keys do not fit.
    async fn mark_by_rule(&mut self) -> Result<(), CompactError> {
        let env = self.log.host.env.clone();
        let mut keys = self.make_table().await;
        loop {
            self.report.rounds += 1;
            keys = self.observe(keys).await?;
            keys = self.mark_with(keys).await?;
            let more;
            (keys, more) = env
                .long_work(move || {
                    let more = keys.next_round();
                    (keys, more)
                })
                .await;
            if !more {
                // Freeing millions of keys takes long: a worker does it.
                env.discard(keys);
                return Ok(());
            }
        }
    }

    /// The table for keys, in what marks have left of the memory for both.
    async fn make_table(&mut self) -> NewestPerKey {
        let (limits, first_dirty) = (self.job.limits, self.job.range.first_dirty);
        let bytes = limits.dedupe_bytes.saturating_sub(self.store.bytes());
        let bytes = bytes.saturating_sub(self.transactions.bytes());
        let mut records = 0;
        for source in &self.sources {
            let spans = self.spans[source.spans.clone()].iter();
            let is_dirty = first_dirty < source.closed.end;
            let looked_at = spans.filter(|span| is_dirty || span.tally.has_expired);
            records += looked_at.map(|span| span.tally.data_records).sum::<u64>();
        }
        let make = move || NewestPerKey::new(bytes, limits.keys_load, records);
        let table = self.log.host.env.long_work(make).await;
        self.note_memory(table.bytes());
        table
    }

    fn note_memory(&mut self, table_bytes: usize) {
        let bytes = (self.store.bytes() + self.transactions.bytes() + table_bytes) as u64;
        self.report.memory_bytes = self.report.memory_bytes.max(bytes);
    }

    async fn observe(&mut self, keys: NewestPerKey) -> Result<NewestPerKey, CompactError> {
        let bytes_max = self.log.config().decompressed_bytes_max;
        let (transactions, first_dirty) = (self.transactions.clone(), self.job.range.first_dirty);
        let mut step = Observe { keys, transactions, first_dirty, bytes_max };
        for at in 0..self.sources.len() {
            if first_dirty < self.sources[at].closed.end {
                for n in self.sources[at].spans.clone() {
                    let track = self.spans[n].track.clone();
                    step = self.walk(&track, step, async |_, _| Ok(())).await?;
                }
            }
        }
        Ok(step.keys)
    }

    async fn mark_with(&mut self, keys: NewestPerKey) -> Result<NewestPerKey, CompactError> {
        let mut step = Mark {
            keys,
            transactions: self.transactions.clone(),
            now_ms: self.job.now_ms,
            bytes_max: self.log.config().decompressed_bytes_max,
            marks: Marks::default(),
            bit: 0,
            samples: std::mem::take(&mut self.report.sample_keys),
            unseen: 0,
        };
        for n in 0..self.spans.len() {
            (step.marks, step.bit) = (self.store.lend(&mut self.spans[n]).await?, 0);
            let track = self.spans[n].track.clone();
            step = self.walk(&track, step, async |_, _| Ok(())).await?;
            let marks = std::mem::take(&mut step.marks);
            self.store.give_back(&mut self.spans[n], marks).await?;
        }
        self.report.sample_keys = step.samples;
        self.report.unseen_batches = step.unseen;
        Ok(step.keys)
    }

    /// Adds up what goes, and refuses when that is too much.
    fn check_ratio(&mut self) -> Result<(), CompactError> {
        self.report.dropped = self.spans.iter().map(|span| span.tally.dropped).sum();
        self.report.dropped_tombstones =
            self.spans.iter().map(|span| span.tally.dropped_tombstones).sum();
        let (dropped, records) = (self.report.dropped, self.report.records_before);
        match self.job.drop_ratio_max {
            Some(max)
                if self.job.mode == PassMode::Run && max * (records as f64) < dropped as f64 =>
            {
                Err(CompactError::TooMany { dropped, records, max })
            }
            _ => Ok(()),
        }
    }
}
