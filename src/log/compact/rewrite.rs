//! Writing what stays, and putting it in the place of what was there.
//!
//! Owns: groups of segments that become one, the files' names on the way, the order of syncs, the
//! one point before segments change.
//! Leaves to others: completing it after a crash (`recovery::swaps`).
//! Invariant: `.log.swap` exists only while its content is durable and complete; from then on it,
//! not the old segments, is the truth. Readers never see a file of one form with an index of the
//! other.
//! Start reading at: [`Pass::rewrite`], then [`Pass::replace`], [`Pass::before_replacing`].
use std::ops::Range;
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{File, IoError, OpenHow, yield_now};
use crate::log::compact::steps::{Kept, Rebuild};
use crate::log::compact::{
    Claim, CompactError, Marks, Pass, PassMode, Source, TURN_BATCHES, abort_rows,
};
use crate::log::graveyard::Remains;
use crate::log::index::{OFFSET_ENTRY_BYTES, OffsetIndex, TIME_ENTRY_BYTES, TimeIndex};
use crate::log::names::{CLEANED, INDEX, LOG, SWAP, TIME_INDEX, TXN_INDEX, file_path};
use crate::log::removal::WhenFull;
use crate::log::room::Promise;
use crate::log::segment::{Active, Closed, Warm};
use crate::log::{DiskError, Life, LogConfig};
use crate::model::Offset;
use crate::record::{Header, empty_batch};

/// Entries of an index that are put into bytes before other tasks of the shard run.
const TURN_ENTRIES: usize = 16 << 10;

/// One new segment in the making.
struct Output {
    segment: Active,
    path: String,
    /// `None` in a dry run.
    file: Option<File>,
    buffer: Vec<Bytes>,
    buffer_bytes: usize,
    written: u64,
    /// The newest batch that went whole: it stays empty if it turns out to be the last.
    gone: Option<Header>,
    /// For what is still to be written; `None` in a dry run.
    room: Option<Promise>,
}

impl Pass<'_> {
    /// Writes and replaces segment by segment; several small ones become one.
    pub(super) async fn rewrite(&mut self, claim: &Claim<'_>) -> Result<(), CompactError> {
        let config = self.log.config();
        let mut at = 0;
        while at < self.sources.len() {
            if self.stays_alone(at, &config) {
                self.report.bytes_after += self.sources[at].closed.bytes;
                self.report.segments_after += 1;
                at += 1;
                continue;
            }
            let room = self.promised_room(at, &config).await?;
            let mut output = self.create(at, room).await?;
            let path = output.path.clone();
            match self.rewrite_group(&mut output, at, claim, &config).await {
                Ok(next) => at = next,
                Err(error) => {
                    self.drop_cleaned(&path, claim).await;
                    return Err(error);
                }
            }
        }
        self.report.records_after = self.report.records_before - self.report.dropped;
        Ok(())
    }

    /// Refuses what would end on a full disk: both forms are there for a while.
    async fn promised_room(
        &self,
        first: usize,
        config: &LogConfig,
    ) -> Result<Option<Promise>, CompactError> {
        if self.job.mode == PassMode::DryRun {
            return Ok(None);
        }
        let all: u64 = (first..self.sources.len()).map(|at| self.bytes_left(at)).sum();
        let bytes = all.min(self.bytes_left(first).max(config.segment_bytes_max));
        let promised = self.log.home.room.promise(bytes).await;
        promised.map(Some).map_err(|free_bytes| CompactError::NoRoom { bytes, free_bytes })
    }

    /// Makes one segment of those from `first` on, as many as fit; says which comes next.
    async fn rewrite_group(
        &mut self,
        output: &mut Output,
        first: usize,
        claim: &Claim<'_>,
        config: &LogConfig,
    ) -> Result<usize, CompactError> {
        let mut at = first;
        while at == first || (at < self.sources.len() && self.joins(output, at, config)) {
            self.copy(at, output).await?;
            at += 1;
        }
        self.replace(output, first..at, claim, config).await?;
        Ok(at)
    }

    /// Gives back the room of a new form that came to nothing; the next start would, too.
    async fn drop_cleaned(&self, log_path: &str, claim: &Claim<'_>) {
        if claim.replacing.get() {
            return;
        }
        let stem = log_path.strip_suffix(LOG).unwrap_or(log_path);
        for suffix in [LOG, INDEX, TIME_INDEX, TXN_INDEX] {
            let _ = self.log.files.remove(&format!("{stem}{suffix}{CLEANED}")).await;
        }
    }

    /// Bytes that a source will come to, roughly.
    fn bytes_left(&self, at: usize) -> u64 {
        let source = &self.sources[at];
        if source.data_records == 0 {
            return source.closed.bytes;
        }
        let spans = &self.spans[source.spans.clone()];
        let dropped: u64 = spans.iter().map(|span| span.tally.dropped_data).sum();
        let kept = u128::from(source.data_records - dropped);
        (u128::from(source.closed.bytes) * kept / u128::from(source.data_records)) as u64
    }

    fn joins(&self, output: &Output, at: usize, config: &LogConfig) -> bool {
        let closed = &self.sources[at].closed;
        let span = closed.end.0 - output.segment.base.0;
        let entries = output.segment.index.entries.len() as u64
            + closed.bytes / config.index_interval_bytes.max(1)
            + 2;
        output.segment.bytes + self.bytes_left(at) <= config.segment_bytes_max
            && output.segment.bytes + closed.bytes < i32::MAX as u64
            && span < i64::from(i32::MAX)
            && entries * TIME_ENTRY_BYTES as u64 <= config.index_bytes_max
    }

    /// Whether a source is neither changed nor going to be one with the next.
    fn stays_alone(&self, at: usize, config: &LogConfig) -> bool {
        let bytes = self.sources[at].closed.bytes;
        let next_fits = at + 1 < self.sources.len()
            && bytes + self.bytes_left(at + 1) <= config.segment_bytes_max;
        let spans = &self.spans[self.sources[at].spans.clone()];
        let changes = spans.iter().any(|span| span.tally.changes);
        !changes && !self.sources[at].has_litter && !next_fits
    }

    async fn create(
        &mut self,
        first: usize,
        room: Option<Promise>,
    ) -> Result<Output, CompactError> {
        let base = self.sources[first].closed.base;
        let path = file_path(&self.log.dir, base, LOG);
        let mut file = None;
        if self.job.mode == PassMode::Run {
            let cleaned = format!("{path}{CLEANED}");
            let made = self.log.files.open(&cleaned, OpenHow::Create).await?;
            self.log.files.truncate(&made, &cleaned, 0).await?;
            file = Some(made);
        }
        let segment = Active::new(base, self.job.now_ms);
        let (buffer, buffer_bytes, written, gone) = (Vec::new(), 0, 0, None);
        Ok(Output { segment, path, file, buffer, buffer_bytes, written, gone, room })
    }

    async fn copy(&mut self, at: usize, out: &mut Output) -> Result<(), CompactError> {
        let config = self.log.config();
        for n in self.sources[at].spans.clone() {
            let (track, tally) = (self.spans[n].track.clone(), self.spans[n].tally);
            let marks = match tally.changes {
                true => self.store.lend(&mut self.spans[n]).await?,
                false => Marks::default(),
            };
            let step = Rebuild {
                now_ms: self.job.now_ms,
                delete_retention_ms: config.delete_retention_ms,
                bytes_max: config.decompressed_bytes_max,
                marks,
                bit: 0,
                kept: Vec::new(),
                kept_tombstones: 0,
            };
            let emit = async |pass: &mut Self, step: &mut Rebuild| {
                let kept = std::mem::take(&mut step.kept);
                pass.emit_all(kept, out, &config).await
            };
            let step = self.walk(&track, step, emit).await?;
            self.report.kept_tombstones += step.kept_tombstones;
        }
        Ok(())
    }

    /// Notes and writes what came of one chunk.
    async fn emit_all(
        &mut self,
        kept: Vec<Kept>,
        out: &mut Output,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        for (at, kept) in kept.into_iter().enumerate() {
            if at % TURN_BATCHES == TURN_BATCHES - 1 {
                yield_now().await;
            }
            match kept {
                Kept::Batch(header, bytes) => self.emit(&header, bytes, out, config).await?,
                Kept::Nothing(header) => self.keep_empty(&header, out, config).await?,
            }
        }
        Ok(())
    }

    /// Keeps a batch without its records if its producer's state hangs on it; else remembers it
    /// in case that it is the segment's end.
    async fn keep_empty(
        &mut self,
        header: &Header,
        out: &mut Output,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        if !self.is_newest_of_its_producer(header) {
            out.gone = Some(*header);
            return Ok(());
        }
        self.emit_empty(header, out, config).await
    }

    /// Whether the state of a batch's producer hangs on it.
    pub(super) fn is_newest_of_its_producer(&self, header: &Header) -> bool {
        let state = self.log.state.borrow();
        let known = state.producers.get(header.producer_id);
        header.has_producer()
            && known.is_some_and(|entry| match entry.window.back() {
                Some(newest) => newest.last_offset == header.last_offset(),
                // All that is left of the producer is a mark, with its epoch.
                None => header.is_control() && header.producer_epoch == entry.epoch,
            })
    }

    async fn emit_empty(
        &mut self,
        header: &Header,
        out: &mut Output,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        let bytes = empty_batch(header);
        let header = Header::decode(&bytes).expect("61 bytes");
        self.report.empty_batches += 1;
        self.emit(&header, bytes, out, config).await
    }

    async fn emit(
        &mut self,
        header: &Header,
        bytes: Bytes,
        out: &mut Output,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        out.gone = None;
        if i64::from(i32::MAX) < header.last_offset().0 - out.segment.base.0 {
            let (path, position) = (out.path.clone(), out.segment.bytes);
            let why = "its offset does not fit an index".to_owned();
            return Err(CompactError::Corrupt { path, position, why });
        }
        out.segment.note(header, bytes.len() as u64, config);
        if out.file.is_some() {
            out.buffer_bytes += bytes.len();
            out.buffer.push(bytes);
            if self.job.limits.io_bytes <= out.buffer_bytes {
                self.flush(out).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self, out: &mut Output) -> Result<(), DiskError> {
        let Some(file) = &out.file else { return Ok(()) };
        let slices = std::mem::take(&mut out.buffer);
        let path = format!("{}{CLEANED}", out.path);
        self.pace.take(&self.log.host.env, out.buffer_bytes).await;
        self.log.files.write(file, &path, out.written, slices).await?;
        let bytes = std::mem::take(&mut out.buffer_bytes) as u64;
        self.report.bytes_written += bytes;
        out.written += bytes;
        out.room.iter_mut().for_each(|room| room.keep(bytes));
        Ok(())
    }

    /// Puts a finished output in the place of its sources.
    async fn replace(
        &mut self,
        out: &mut Output,
        sources: Range<usize>,
        claim: &Claim<'_>,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        if let Some(last) = out.gone.take() {
            self.emit_empty(&last, out, config).await?;
        }
        self.report.bytes_after += out.segment.bytes;
        self.report.segments_after += 1;
        if self.job.mode == PassMode::DryRun {
            return Ok(());
        }
        self.flush(out).await?;
        let files = &self.log.files;
        let file = out.file.take().expect("not a dry run");
        files.sync(&file, &out.path).await?;
        out.segment.seal();
        self.write_indexes(&out.segment).await?;
        let has_aborted = self.write_abort_rows(out.segment.base, sources.clone()).await?;
        files.sync_dir(&self.log.dir).await?;
        // All of it is there, and what follows may wait.
        out.room = None;
        self.before_replacing(sources.end).await?;
        let end = self.sources[sources.end - 1].closed.end;
        let new = self.replace_in_memory(&sources, out, file, end)?;
        claim.replacing.set(true);
        if let Err(error) = self.replace_on_disk(&sources, has_aborted).await {
            claim.replacing.set(false);
            self.log.fail(error.clone());
            return Err(error.into());
        }
        claim.replacing.set(false);
        // From now on the names lead to the new form.
        new.warm.borrow_mut().take();
        new.pinned.borrow_mut().take();
        Ok(())
    }

    /// THE point before segments change their form: whatever else may still write to the old one,
    /// or write it again after a crash, must have let go of it when this returns.
    ///
    /// That is the writer, for which the sources' files are complete and durable, and the journal.
    async fn before_replacing(&self, end: usize) -> Result<(), CompactError> {
        let end = self.sources[end - 1].closed.end;
        self.log
            .settled(|log| {
                let state = log.state.borrow();
                end <= state.on_disk.finished_end || !matches!(state.life, Life::Open)
            })
            .await?;
        self.log.fenced(end).await?;
        self.log.check_open()
    }

    /// The indexes can be large: they become bytes in several turns.
    async fn write_indexes(&self, segment: &Active) -> Result<(), DiskError> {
        let (log, base) = (self.log, segment.base);
        let write = async |suffix: &str, content: Vec<u8>| {
            let path = format!("{}{CLEANED}", file_path(&log.dir, base, suffix));
            log.files.write_whole(&path, content).await
        };
        let entries = &segment.index.entries;
        let mut content = Vec::with_capacity(entries.len() * OFFSET_ENTRY_BYTES);
        for part in entries.chunks(TURN_ENTRIES) {
            OffsetIndex::encode_into(part, &mut content);
            yield_now().await;
        }
        write(INDEX, content).await?;
        let entries = &segment.time_index.entries;
        let mut content = Vec::with_capacity(entries.len() * TIME_ENTRY_BYTES);
        for part in entries.chunks(TURN_ENTRIES) {
            TimeIndex::encode_into(part, &mut content);
            yield_now().await;
        }
        write(TIME_INDEX, content).await?;
        Ok(())
    }

    /// Writes the rows of aborted transactions that readers of the new form need; false when no
    /// source has such a file.
    async fn write_abort_rows(
        &self,
        base: Offset,
        sources: Range<usize>,
    ) -> Result<bool, CompactError> {
        let (mut found, mut content) = (false, Vec::new());
        for source in &self.sources[sources] {
            let path = file_path(&self.log.dir, source.closed.base, TXN_INDEX);
            let Some(file) = self.log.files.read_whole(&path).await? else { continue };
            found = true;
            let rows = abort_rows::decode(&file).ok_or_else(|| CompactError::Corrupt {
                path: path.clone(),
                position: 0,
                why: "it holds no rows of aborted transactions".to_owned(),
            })?;
            for row in rows {
                if self.transactions.has_data_of(row.producer, row.mark) {
                    content.extend_from_slice(&row.bytes);
                }
            }
        }
        if found {
            let path = format!("{}{CLEANED}", file_path(&self.log.dir, base, TXN_INDEX));
            self.log.files.write_whole(&path, content).await?;
        }
        Ok(found)
    }

    /// Readers from now on get the new segment: its open file and its indexes in memory, whatever
    /// the names mean at the moment.
    fn replace_in_memory(
        &self,
        sources: &Range<usize>,
        out: &Output,
        file: File,
        end: Offset,
    ) -> Result<Rc<Closed>, CompactError> {
        let new = Rc::new(Closed::pinned(&out.segment, end));
        *new.warm.borrow_mut() = Some(Warm { file, index: out.segment.index.clone() });
        let mut state = self.log.state.borrow_mut();
        let is_there = |source: &Source| {
            let now = state.closed.get(&source.closed.base);
            now.is_some_and(|now| Rc::ptr_eq(now, &source.closed))
        };
        // Deletion by age, size or order may have come first: what it took must not come back.
        if !self.sources[sources.clone()].iter().all(is_there) {
            return Err(CompactError::Overtaken);
        }
        for source in &self.sources[sources.clone()] {
            state.closed.remove(&source.closed.base);
        }
        state.closed.insert(new.base, new.clone());
        drop(state);
        self.log.tail.drop_below(end);
        Ok(new)
    }

    async fn replace_on_disk(
        &self,
        sources: &Range<usize>,
        has_aborted: bool,
    ) -> Result<(), DiskError> {
        let (files, dir) = (&self.log.files, &self.log.dir);
        let base = self.sources[sources.start].closed.base;
        let rename = async |suffix: &str, from: &str, to: &str| {
            let path = file_path(dir, base, suffix);
            let from = format!("{path}{from}");
            match self.log.rename_in_time(&from, &format!("{path}{to}")).await? {
                true => Ok(()),
                false => Err(DiskError::new("rename", &from, IoError::NotFound)),
            }
        };
        if has_aborted {
            // It cannot be built again: durably there before the log's new form counts.
            rename(TXN_INDEX, CLEANED, SWAP).await?;
            files.sync_dir(dir).await?;
        }
        for suffix in [INDEX, TIME_INDEX, LOG] {
            rename(suffix, CLEANED, SWAP).await?;
        }
        files.sync_dir(dir).await?;
        let others = sources.start + 1..sources.end;
        let mut remains = self.put_aside(others, &[INDEX, TIME_INDEX, TXN_INDEX, LOG]).await?;
        // Durably gone before the replacement loses the name that says what it covers.
        files.sync_dir(dir).await?;
        if has_aborted {
            rename(TXN_INDEX, SWAP, "").await?;
            files.sync_dir(dir).await?;
        }
        let first = sources.start..sources.start + 1;
        remains.extend(self.put_aside(first, &[INDEX, TIME_INDEX, LOG]).await?);
        for suffix in [INDEX, TIME_INDEX, LOG] {
            rename(suffix, SWAP, "").await?;
        }
        files.sync_dir(dir).await?;
        let delay_ms = self.log.config().file_delete_delay_ms;
        self.log.host.graveyard.bury(&self.log.host.env, delay_ms, remains);
        Ok(())
    }

    /// Gives old files their last name; after `file.delete.delay.ms` they are removed.
    async fn put_aside(
        &self,
        sources: Range<usize>,
        suffixes: &[&'static str],
    ) -> Result<Vec<Remains>, DiskError> {
        let mut remains = Vec::new();
        for source in &self.sources[sources] {
            for suffix in suffixes {
                let name = (source.closed.base, *suffix);
                remains.extend(self.log.give_last_name(name, WhenFull::Wait).await?);
            }
        }
        Ok(remains)
    }
}
