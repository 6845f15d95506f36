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
use std::rc::Rc;
use std::sync::Arc;

use crate::env::{IoError, OpenHow};
use crate::log::names::{LOG, file_path};
use crate::log::scan::{Check, Scanner, Walked};
use crate::log::segment::Closed;
use crate::log::{DiskError, Life, Log};
use crate::model::Offset;
use crate::record::{Header, RecordError};

mod abort_rows;
mod due;
mod keys;
mod policy;
mod rewrite;
mod steps;
mod transactions;
mod walk;

pub use due::Cleanable;
pub use policy::{BoxFuture, CompactionPolicy, PassBatch, PolicyError, Scope};

use keys::{NewestPerKey, SLOT_BYTES};
use steps::{Mark, Marks, Observe, Survey, is_expired, mark_in, sample};
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
    /// Keys held in memory at once by Kafka's rule; more take several rounds.
    pub keys_max: usize,
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
        let slots = dedupe_bytes / SLOT_BYTES as u64;
        // Half is for reading, half for writing.
        let io_bytes = usize::try_from(io_bytes / 2).unwrap_or(usize::MAX).min(IO_BYTES_MAX);
        let keys_max = (slots as f64 * load) as usize;
        // A pass that may not read at all would never end.
        let bytes_per_second = bytes_per_second.max(1.0);
        Self { keys_max, keys_load: load, io_bytes, bytes_per_second }
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
/// Bytes of batches that a policy sees before other tasks of the shard run.
const SLICE_BYTES: usize = 128 << 10;

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
    /// Times that the dirty part was read because its keys did not fit into memory at once.
    pub rounds: u64,
    /// What the next pass gets as `first_dirty`; the shard keeps it in
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
    #[error("the policy's memory was full before its first batch at offset {at}")]
    MemoryFull { at: Offset },
    #[error(
        "{dropped} of {records} records would go, more than max.drop.ratio {max} allows without \
         approval"
    )]
    TooMany { dropped: u64, records: u64, max: f64 },
}

/// One source segment.
struct Source {
    closed: Rc<Closed>,
    track: Track,
    data_records: u64,
    /// Which of them go.
    marks: Marks,
    /// A mark of a transaction changes.
    control_changes: bool,
}

impl Source {
    fn changes(&self) -> bool {
        self.marks.changes || self.control_changes
    }
}

/// One pass in progress.
struct Pass<'a> {
    log: &'a Log,
    job: &'a CompactionJob,
    sources: Vec<Source>,
    transactions: Arc<Transactions>,
    /// Where the first part of the pass ended; records behind it stay.
    end: Offset,
    report: CompactionReport,
    pace: Pace,
    slice_bytes: usize,
}

/// What a walk over the sources shows to a policy.
struct Visited {
    source: usize,
    header: Header,
    batch: Arc<PassBatch>,
    /// Number of the batch's first record among those of its segment.
    bit: usize,
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
        policy: Option<&mut dyn CompactionPolicy>,
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
        pass.survey().await?;
        match policy {
            None => pass.mark_by_rule().await?,
            Some(policy) => pass.mark_by_policy(policy).await?,
        }
        pass.check_ratio()?;
        let mut report = pass.rewrite(&claim).await?;
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
            let path = file_path(&log.dir, closed.base, LOG);
            let track = Track { path, bytes: closed.bytes, base: closed.base };
            let (data_records, marks, control_changes) = (0, Marks::default(), false);
            Source { closed, track, data_records, marks, control_changes }
        };
        Self {
            log,
            job,
            sources: closed.into_iter().map(source).collect(),
            transactions: Arc::default(),
            end: job.range.end,
            report,
            pace: Pace::new(job.limits.bytes_per_second, log.host.env.now()),
            slice_bytes: 0,
        }
    }

    /// Looks through everything once: how many records there are, what became of transactions.
    async fn survey(&mut self) -> Result<(), CompactError> {
        let mut survey = Survey { now_ms: self.job.now_ms, ..Survey::default() };
        for at in 0..self.sources.len() {
            (survey.records, survey.data_records, survey.marks_change) = (0, 0, false);
            let track = self.sources[at].track.clone();
            survey = self.walk(&track, survey, async |_, _| Ok(())).await?;
            self.report.records_before += survey.records;
            let source = &mut self.sources[at];
            source.data_records = survey.data_records;
            source.marks = Marks::new(survey.data_records);
            source.control_changes = survey.marks_change;
        }
        self.report.dropped += survey.marks_dropped;
        let mut transactions = survey.transactions;
        if transactions.has_open() {
            self.look_ahead(&mut transactions).await?;
        }
        self.transactions = Arc::new(transactions);
        Ok(())
    }

    /// Finds the marks of transactions that began within the pass and ended behind it.
    async fn look_ahead(&mut self, transactions: &mut Transactions) -> Result<(), CompactError> {
        let decided = self.log.ends().last_stable_offset;
        let later: Vec<(Offset, u64)> = {
            let state = self.log.state.borrow();
            let closed = state.closed.range(self.job.range.end..);
            let closed = closed.map(|(base, closed)| (*base, closed.bytes));
            closed.chain([(state.active.base, state.active.bytes)]).collect()
        };
        for (base, bytes) in later {
            let path = file_path(&self.log.dir, base, LOG);
            let file = self.log.files.open(&path, OpenHow::Read).await?;
            let files = &self.log.files;
            let mut scan = Scanner::new(files, file, &path, 0..bytes, base, Check::Crc);
            while transactions.has_open() {
                self.log.check_open()?;
                // Behind the last stable offset a file may end anywhere: it is being written.
                let Walked::Batch { header, bytes, .. } = scan.next().await? else { break };
                if decided < header.next_offset() {
                    return Ok(());
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
        let (limits, first_dirty) = (self.job.limits, self.job.range.first_dirty);
        let dirty: Vec<usize> = (0..self.sources.len())
            .filter(|at| first_dirty < self.sources[*at].closed.end)
            .collect();
        let records: u64 = dirty.iter().map(|at| self.sources[*at].data_records).sum();
        let keys_max = limits.keys_max.min(usize::try_from(records).unwrap_or(usize::MAX));
        let env = self.log.host.env.clone();
        let make = move || NewestPerKey::new(keys_max, limits.keys_load);
        let mut keys = env.long_work(make).await;
        loop {
            self.report.rounds += 1;
            keys = self.observe(keys, &dirty).await?;
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

    async fn observe(
        &mut self,
        keys: NewestPerKey,
        dirty: &[usize],
    ) -> Result<NewestPerKey, CompactError> {
        let bytes_max = self.log.config().decompressed_bytes_max;
        let (transactions, first_dirty) = (self.transactions.clone(), self.job.range.first_dirty);
        let mut step = Observe { keys, transactions, first_dirty, bytes_max };
        for at in dirty {
            let track = self.sources[*at].track.clone();
            step = self.walk(&track, step, async |_, _| Ok(())).await?;
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
        };
        for at in 0..self.sources.len() {
            let track = self.sources[at].track.clone();
            (step.marks, step.bit) = (std::mem::take(&mut self.sources[at].marks), 0);
            step = self.walk(&track, step, async |_, _| Ok(())).await?;
            self.sources[at].marks = std::mem::take(&mut step.marks);
        }
        self.report.sample_keys = step.samples;
        Ok(step.keys)
    }

    async fn mark_by_policy(
        &mut self,
        policy: &mut dyn CompactionPolicy,
    ) -> Result<(), CompactError> {
        let from = match policy.scope() {
            Scope::Nothing => None,
            Scope::Dirty => Some(self.job.range.first_dirty),
            Scope::All => Some(Offset(0)),
        };
        if let Some(from) = from {
            self.report.rounds = 1;
            self.visit(from, async |pass, visited| {
                if policy.observe(visited.batch.clone()).await? {
                    return Ok(true);
                }
                pass.end = visited.header.base_offset;
                Ok(false)
            })
            .await?;
            if self.end <= self.job.range.first_dirty && self.end < self.job.range.end {
                return Err(CompactError::MemoryFull { at: self.end });
            }
        }
        self.report.clean_end = self.end;
        policy.finish(self.end).await?;
        let end = self.end;
        self.visit(Offset(0), async |pass, visited| {
            if end <= visited.header.base_offset {
                return Ok(false);
            }
            let drops = policy.drops(visited.batch.clone()).await?;
            pass.mark_rows(visited, &drops)?;
            Ok(true)
        })
        .await
    }

    /// Marks what a policy lets go.
    fn mark_rows(&mut self, visited: &Visited, drops: &[u32]) -> Result<(), CompactError> {
        let records = &visited.batch.records;
        let marks = &mut self.sources[visited.source].marks;
        for row in drops {
            let index = *row as usize;
            let Some(row) = records.rows.get(index) else {
                let message = format!("row {index} of {}", records.rows.len());
                return Err(PolicyError { message }.into());
            };
            // A tombstone goes when its time is over and the policy agrees, not before: a
            // reader that lags would never learn of the deletion.
            let is_tombstone = row.value.is_null();
            if (!is_tombstone || visited.batch.expired_tombstones[index])
                && marks.set(visited.bit + index, is_tombstone)
            {
                sample(&mut self.report.sample_keys, records.key(row));
            }
        }
        let inside = visited.header.next_offset() <= self.end;
        marks.changes |= inside && marks.needs_horizon(records, visited.bit);
        Ok(())
    }

    /// Shows every batch of data that ends behind `from` to `visitor`, until it says false.
    ///
    /// Batches of aborted transactions are nobody's business: they are marked here.
    async fn visit(
        &mut self,
        from: Offset,
        mut visitor: impl AsyncFnMut(&mut Self, &Visited) -> Result<bool, CompactError>,
    ) -> Result<(), CompactError> {
        for source in 0..self.sources.len() {
            if self.sources[source].closed.end <= from {
                continue;
            }
            let Track { path, bytes, base } = self.sources[source].track.clone();
            let file = self.log.files.open(&path, OpenHow::Read).await?;
            let files = &self.log.files;
            let mut scan = Scanner::new(files, file, &path, 0..bytes, base, Check::Shape);
            let mut next_bit = 0;
            loop {
                let (header, bytes) = match scan.next().await? {
                    Walked::End => break,
                    Walked::Batch { header, bytes, .. } => (header, bytes),
                    Walked::Bad { position, why } => {
                        let why = why.to_owned();
                        return Err(CompactError::Corrupt { path, position, why });
                    }
                };
                let (bit, count) = (next_bit, steps::data_count(&header));
                next_bit += count;
                if count == 0 || header.next_offset() <= from {
                    continue;
                }
                if self.transactions.is_aborted(&header) {
                    if header.next_offset() <= self.end {
                        let marks = &mut self.sources[source].marks;
                        marks.set_all(bit..next_bit);
                    }
                    continue;
                }
                let batch = self.decode(&path, header, &bytes).await?;
                let visited = Visited { source, header, batch, bit };
                if !visitor(self, &visited).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Decodes a batch for a policy; gives other tasks a turn from time to time.
    async fn decode(
        &mut self,
        path: &str,
        header: Header,
        bytes: &crate::base::Bytes,
    ) -> Result<Arc<PassBatch>, CompactError> {
        self.log.check_open()?;
        self.pace.take(&self.log.host.env, bytes.len()).await;
        self.report.bytes_read += bytes.len() as u64;
        self.slice_bytes += bytes.len();
        if SLICE_BYTES < self.slice_bytes {
            self.slice_bytes = 0;
            crate::env::yield_now().await;
        }
        let decoded = self.log.decode(header, bytes.clone()).await;
        let records = decoded.map_err(|error: RecordError| {
            self.broken(path, format!("batch at offset {}: {error}", header.base_offset))
        })?;
        let now_ms = self.job.now_ms;
        let expired = records.rows.iter().map(|row| is_expired(&header, row, now_ms));
        let expired_tombstones = expired.collect();
        Ok(Arc::new(PassBatch { records: Arc::new(records), expired_tombstones }))
    }

    /// Adds up what goes, and refuses when that is too much.
    fn check_ratio(&mut self) -> Result<(), CompactError> {
        self.report.dropped += self.sources.iter().map(|s| s.marks.dropped).sum::<u64>();
        self.report.dropped_tombstones =
            self.sources.iter().map(|source| source.marks.dropped_tombstones).sum();
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
