//! Compaction: one pass over closed segments that keeps what a rule or a policy wants kept.
//!
//! Owns: Kafka's invariants, whoever decides: offsets, order, timestamps and sequences stay;
//! control batches and transactions stay as they are; each producer's last batch and the end of
//! each segment stay, if need be without records; tombstones wait for their horizon (KIP-534).
//! Leaves to others: when a pass is due, where the cleaned offset is kept (the shard).
//! Invariant: any failure before the first replacement keeps everything; a crash at any point
//! leaves the old or the new form of each segment, whole.
//! Start reading at: [`Log::compact`].
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

mod due;
mod policy;
mod rewrite;
mod rule;

pub use due::Cleanable;
pub use policy::{BoxFuture, CompactionPolicy, PassBatch, PolicyError, Scope};

use rule::NewestPerKey;

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

/// What one pass should do.
#[derive(Clone, Debug)]
pub struct CompactionJob {
    pub range: PassRange,
    pub mode: PassMode,
    /// Wall clock of the pass.
    pub now_ms: i64,
    /// `max.drop.ratio`: a pass that would drop a larger part is refused; `None`: approved.
    pub drop_ratio_max: Option<f64>,
    /// Keys held in memory at once by Kafka's rule; more take several rounds.
    pub keys_max: usize,
}

impl CompactionJob {
    pub fn new(range: PassRange, now_ms: i64) -> Self {
        let (mode, drop_ratio_max) = (PassMode::Run, None);
        Self { range, mode, now_ms, drop_ratio_max, keys_max: KEYS_MAX }
    }
}

/// 2 million keys of 16 bytes with their offsets take some 80 MiB.
const KEYS_MAX: usize = 2_000_000;
/// Keys shown in a report, and characters of each.
const SAMPLE_KEYS_MAX: usize = 10;
const SAMPLE_CHARS_MAX: usize = 64;
/// Bytes of batches handled before other tasks of the shard run.
const SLICE_BYTES: usize = 128 << 10;

/// What a pass did, or would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompactionReport {
    pub dry_run: bool,
    pub records_before: u64,
    pub records_after: u64,
    pub dropped: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
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

/// One source segment with its open file.
struct Source {
    closed: Rc<Closed>,
    path: String,
    file: crate::env::File,
    /// The pass changes something in it.
    changes: bool,
    /// Records that were decoded, and those of them that go.
    records: u64,
    dropped: u64,
}

/// One pass in progress.
struct Pass<'a> {
    log: &'a Log,
    job: &'a CompactionJob,
    sources: Vec<Source>,
    /// One bit per record that was decoded, in order: it goes.
    marks: Vec<u64>,
    /// Where the first part of the pass ended; records behind it stay.
    end: Offset,
    /// Transactions stay as they are, so tombstones of keys in them must stay, too.
    has_transactions: bool,
    report: CompactionReport,
    slice_bytes: usize,
}

/// What a walk over the sources hands to its visitor.
struct Visited {
    source: usize,
    header: Header,
    bytes: crate::base::Bytes,
    /// `None` for batches that are never opened: control and transactional ones.
    batch: Option<Arc<PassBatch>>,
    /// Number of the batch's first record among all decoded ones.
    ordinal: usize,
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
            end <= state.on_disk.finished_end.min(state.progress.stable_end)
                || !matches!(state.life, Life::Open)
        })
        .await?;
        let mut pass = Pass::open(self, job).await?;
        match policy {
            None => pass.mark_by_rule().await?,
            Some(policy) => pass.mark_by_policy(policy).await?,
        }
        pass.check_ratio()?;
        let mut report = pass.rewrite(&claim).await?;
        report.millis = (self.host.env.now().0 - started.0) / 1_000_000;
        if job.mode == PassMode::Run {
            tracing::info!(
                partition = %self.dir,
                records_before = report.records_before,
                records_after = report.records_after,
                bytes_before = report.bytes_before,
                bytes_after = report.bytes_after,
                "compacted"
            );
        }
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
    async fn open(log: &'a Log, job: &'a CompactionJob) -> Result<Self, CompactError> {
        let closed: Vec<Rc<Closed>> = {
            let state = log.state.borrow();
            state.closed.range(..job.range.end).map(|(_, closed)| closed.clone()).collect()
        };
        let mut report = CompactionReport {
            dry_run: job.mode == PassMode::DryRun,
            segments_before: closed.len() as u64,
            clean_end: job.range.end,
            ..CompactionReport::default()
        };
        let mut sources = Vec::new();
        for closed in closed {
            report.bytes_before += closed.bytes;
            let path = file_path(&log.dir, closed.base, LOG);
            let file = log.files.open(&path, OpenHow::Read).await?;
            let (changes, records, dropped) = (false, 0, 0);
            sources.push(Source { closed, path, file, changes, records, dropped });
        }
        let mut pass = Self {
            log,
            job,
            sources,
            marks: Vec::new(),
            end: job.range.end,
            has_transactions: false,
            report,
            slice_bytes: 0,
        };
        pass.count().await?;
        Ok(pass)
    }

    /// Walks the headers: how many records there are, and whether transactions are among them.
    async fn count(&mut self) -> Result<(), CompactError> {
        let mut records = 0u64;
        let mut decoded = 0usize;
        for at in 0..self.sources.len() {
            let mut walk = self.walk(at);
            while let Some((header, _)) = walk.next().await? {
                self.log.check_open()?;
                records += header.record_count.max(0) as u64;
                if header.is_control() || header.is_transactional() {
                    self.has_transactions = true;
                } else {
                    decoded += header.record_count.max(0) as usize;
                    self.sources[at].records += header.record_count.max(0) as u64;
                }
            }
        }
        self.report.records_before = records;
        self.marks = vec![0; decoded.div_ceil(64)];
        Ok(())
    }

    fn walk(&self, at: usize) -> Walk {
        let Source { closed, path, file, .. } = &self.sources[at];
        let (range, floor) = (0..closed.bytes, closed.base);
        // With checksums: what is rewritten gets a new one, which must not bless damaged bytes.
        let files = &self.log.files;
        let scan = Scanner::new(files, file.clone(), path, range, floor, Check::Crc);
        Walk { scan, path: path.clone() }
    }

    /// Decodes a batch of data; gives other tasks a turn from time to time.
    async fn decode(
        &mut self,
        at: usize,
        header: Header,
        bytes: &crate::base::Bytes,
    ) -> Result<Arc<PassBatch>, CompactError> {
        self.log.check_open()?;
        self.slice_bytes += bytes.len();
        if SLICE_BYTES < self.slice_bytes {
            self.slice_bytes = 0;
            crate::env::yield_now().await;
        }
        let decoded = self.log.decode(header, bytes.clone()).await;
        let records = decoded.map_err(|error| self.broken(at, &header, &error))?;
        let due = header.delete_horizon_ms().is_some_and(|horizon| horizon <= self.job.now_ms);
        let due = due && !self.has_transactions;
        let is_expired = |row: &crate::record::Row| due && row.value.is_null();
        let expired_tombstones = records.rows.iter().map(is_expired).collect();
        Ok(Arc::new(PassBatch { records: Arc::new(records), expired_tombstones }))
    }

    fn broken(&self, at: usize, header: &Header, error: &RecordError) -> CompactError {
        let path = self.sources[at].path.clone();
        let why = format!("batch at offset {}: {error}", header.base_offset);
        CompactError::Corrupt { path, position: 0, why }
    }

    /// Marks by "newest offset per key"; in several rounds when the keys do not fit.
    async fn mark_by_rule(&mut self) -> Result<(), CompactError> {
        let mut rule = NewestPerKey::new(self.job.keys_max);
        loop {
            self.report.rounds += 1;
            let first_dirty = self.job.range.first_dirty;
            self.visit(first_dirty, async |_, visited| {
                if let Some(batch) = &visited.batch {
                    rule.observe(&batch.records);
                }
                Ok(true)
            })
            .await?;
            self.visit(Offset(0), async |pass, visited| {
                let Some(batch) = &visited.batch else { return Ok(true) };
                for (index, row) in batch.records.rows.iter().enumerate() {
                    let expired = batch.expired_tombstones[index];
                    if expired || rule.drops(&batch.records, row) {
                        pass.mark(visited, index);
                    }
                }
                pass.note_horizon(visited);
                Ok(true)
            })
            .await?;
            let next = rule.next_round();
            let Some(next) = next else {
                self.log.host.env.discard(rule);
                return Ok(());
            };
            // Freeing millions of keys takes long: a worker does it.
            self.log.host.env.discard(std::mem::replace(&mut rule, next));
        }
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
                let Some(batch) = &visited.batch else { return Ok(true) };
                if policy.observe(batch.clone()).await? {
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
            let Some(batch) = &visited.batch else { return Ok(true) };
            if end <= visited.header.base_offset {
                return Ok(false);
            }
            let rows = &batch.records.rows;
            for row in policy.drops(batch.clone()).await? {
                let index = row as usize;
                let Some(row) = rows.get(index) else {
                    let message = format!("row {index} of {}", rows.len());
                    return Err(PolicyError { message }.into());
                };
                // A tombstone goes when its time is over and the policy agrees, not before: a
                // reader that lags would never learn of the deletion.
                if !row.value.is_null() || batch.expired_tombstones[index] {
                    pass.mark(visited, index);
                }
            }
            pass.note_horizon(visited);
            Ok(true)
        })
        .await
    }

    /// Shows every batch that ends behind `from` to `visitor`, until it says false.
    async fn visit(
        &mut self,
        from: Offset,
        mut visitor: impl AsyncFnMut(&mut Self, &Visited) -> Result<bool, CompactError>,
    ) -> Result<(), CompactError> {
        let mut ordinal = 0;
        for source in 0..self.sources.len() {
            let mut walk = self.walk(source);
            while let Some((header, bytes)) = walk.next().await? {
                let closed_batch = header.is_control() || header.is_transactional();
                let count = if closed_batch { 0 } else { header.record_count.max(0) as usize };
                if from < header.next_offset() {
                    let batch = match count {
                        0 => None,
                        _ => Some(self.decode(source, header, &bytes).await?),
                    };
                    let visited = Visited { source, header, bytes, batch, ordinal };
                    if !visitor(self, &visited).await? {
                        return Ok(());
                    }
                }
                ordinal += count;
            }
        }
        Ok(())
    }

    fn mark(&mut self, visited: &Visited, index: usize) {
        let bit = visited.ordinal + index;
        let (word, mask) = (bit / 64, 1 << (bit % 64));
        if self.marks[word] & mask != 0 {
            return;
        }
        self.marks[word] |= mask;
        self.report.dropped += 1;
        let source = &mut self.sources[visited.source];
        (source.changes, source.dropped) = (true, source.dropped + 1);
        if self.report.sample_keys.len() < SAMPLE_KEYS_MAX
            && let Some(batch) = &visited.batch
            && let Some(key) = batch.records.key(&batch.records.rows[index])
        {
            let text: String =
                String::from_utf8_lossy(key).chars().take(SAMPLE_CHARS_MAX).collect();
            if !self.report.sample_keys.contains(&text) {
                self.report.sample_keys.push(text);
            }
        }
    }

    fn is_marked(&self, bit: usize) -> bool {
        self.marks[bit / 64] & 1 << (bit % 64) != 0
    }

    /// A batch with tombstones that stay gets a horizon, once.
    fn note_horizon(&mut self, visited: &Visited) {
        if self.needs_horizon(visited) {
            self.sources[visited.source].changes = true;
        }
    }

    fn needs_horizon(&self, visited: &Visited) -> bool {
        let Some(batch) = &visited.batch else { return false };
        let inside = visited.header.next_offset() <= self.end;
        let mut rows = batch.records.rows.iter().enumerate();
        inside
            && visited.header.delete_horizon_ms().is_none()
            && rows
                .any(|(index, row)| row.value.is_null() && !self.is_marked(visited.ordinal + index))
    }

    fn check_ratio(&self) -> Result<(), CompactError> {
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

/// Batches of one source, one after the other.
struct Walk {
    scan: Scanner,
    path: String,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<(Header, crate::base::Bytes)>, CompactError> {
        match self.scan.next().await? {
            Walked::End => Ok(None),
            Walked::Batch { header, bytes, .. } => Ok(Some((header, bytes))),
            Walked::Bad { position, why } => {
                let (path, why) = (self.path.clone(), why.to_owned());
                Err(CompactError::Corrupt { path, position, why })
            }
        }
    }
}
