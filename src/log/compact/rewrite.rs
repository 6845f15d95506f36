//! Writing what stays, and putting it in the place of what was there.
//!
//! Owns: groups of segments that become one, the files' names on the way, the order of syncs.
//! Leaves to others: completing it after a crash (`recovery::swaps`).
//! Invariant: `.log.swap` exists only while its content is durable and complete; from then on it,
//! not the old segments, is the truth. Readers never see a file of one form with an index of the
//! other.
//! Start reading at: [`Pass::rewrite`], then [`Pass::replace`].
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{File, OpenHow};
use crate::log::compact::{Claim, CompactError, CompactionReport, Pass, PassMode, Visited};
use crate::log::index::OFFSET_ENTRY_BYTES;
use crate::log::names::{CLEANED, INDEX, LOG, SWAP, TIME_INDEX, file_path};
use crate::log::segment::{Active, Closed, Warm};
use crate::log::timestamps::INLINE_BYTES_MAX;
use crate::log::{DiskError, LogConfig};
use crate::model::Offset;
use crate::record::{BatchBuilder, Codec, Header, empty_batch};

/// Bytes gathered before a write.
const WRITE_BYTES: usize = 1 << 20;

/// One new segment in the making.
struct Output {
    first: usize,
    segment: Active,
    path: String,
    /// `None` in a dry run.
    file: Option<File>,
    buffer: Vec<Bytes>,
    buffer_bytes: usize,
    written: u64,
    /// The newest batch that went whole: it stays empty if it turns out to be the last.
    gone: Option<Header>,
}

impl Pass<'_> {
    /// Writes and replaces segment by segment; several small ones become one.
    pub(super) async fn rewrite(
        &mut self,
        claim: &Claim<'_>,
    ) -> Result<CompactionReport, CompactError> {
        let config = self.log.config();
        let mut output: Option<Output> = None;
        let mut ordinal = 0;
        for at in 0..self.sources.len() {
            if !output.as_ref().is_some_and(|output| self.joins(output, at, &config)) {
                if let Some(done) = output.take() {
                    self.replace(done, at, claim, &config).await?;
                }
                if self.stays_alone(at, &config) {
                    ordinal += self.sources[at].records as usize;
                    self.report.bytes_after += self.sources[at].closed.bytes;
                    self.report.segments_after += 1;
                    continue;
                }
                output = Some(self.create(at).await?);
            }
            let into = output.as_mut().expect("made above");
            if let Err(error) = self.copy(at, into, &mut ordinal, &config).await {
                let _ = self.log.files.remove(&format!("{}{CLEANED}", into.path)).await;
                return Err(error);
            }
        }
        if let Some(done) = output.take() {
            self.replace(done, self.sources.len(), claim, &config).await?;
        }
        self.report.records_after = self.report.records_before - self.report.dropped;
        Ok(self.report.clone())
    }

    /// Bytes that a source will come to, roughly.
    fn bytes_left(&self, at: usize) -> u64 {
        let source = &self.sources[at];
        if source.records == 0 {
            return source.closed.bytes;
        }
        let kept = source.records - source.dropped;
        (u128::from(source.closed.bytes) * u128::from(kept) / u128::from(source.records)) as u64
    }

    fn joins(&self, output: &Output, at: usize, config: &LogConfig) -> bool {
        let closed = &self.sources[at].closed;
        let span = closed.end.0 - output.segment.base.0;
        let entries = output.segment.index.entries.len() as u64
            + closed.bytes / config.index_interval_bytes.max(1)
            + 2;
        // An index of aborted transactions belongs to one segment only.
        !self.has_transactions
            && output.segment.bytes + self.bytes_left(at) <= config.segment_bytes_max
            && output.segment.bytes + closed.bytes < i32::MAX as u64
            && span < i64::from(i32::MAX)
            && entries * OFFSET_ENTRY_BYTES as u64 <= config.index_bytes_max
    }

    /// Whether a source is neither changed nor going to be one with the next.
    fn stays_alone(&self, at: usize, config: &LogConfig) -> bool {
        let bytes = self.sources[at].closed.bytes;
        let next_fits = at + 1 < self.sources.len()
            && !self.has_transactions
            && bytes + self.bytes_left(at + 1) <= config.segment_bytes_max;
        !self.sources[at].changes && !next_fits
    }

    async fn create(&mut self, first: usize) -> Result<Output, CompactError> {
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
        Ok(Output { first, segment, path, file, buffer, buffer_bytes, written, gone })
    }

    async fn copy(
        &mut self,
        source: usize,
        out: &mut Output,
        ordinal: &mut usize,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        let mut walk = self.walk(source);
        while let Some((header, bytes)) = walk.next().await? {
            let opaque = header.is_control() || header.is_transactional();
            let count = if opaque { 0 } else { header.record_count.max(0) as usize };
            let first = *ordinal;
            *ordinal += count;
            if !opaque && count == 0 {
                // An earlier pass emptied it.
                self.keep_empty(&header, out, config).await?;
            } else if opaque || !self.sources[source].changes {
                self.emit(&header, bytes, out, config).await?;
            } else {
                let batch = Some(self.decode(source, header, &bytes).await?);
                let visited = Visited { source, header, bytes, batch, ordinal: first };
                self.copy_data(visited, out, config).await?;
            }
        }
        Ok(())
    }

    async fn copy_data(
        &mut self,
        visited: Visited,
        out: &mut Output,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        let Some(batch) = visited.batch.clone() else { return Ok(()) };
        let (header, rows) = (visited.header, &batch.records.rows);
        let kept: Vec<usize> =
            (0..rows.len()).filter(|index| !self.is_marked(visited.ordinal + index)).collect();
        let tombstones = kept.iter().filter(|index| rows[**index].value.is_null()).count();
        self.report.kept_tombstones += tombstones as u64;
        if kept.is_empty() {
            return self.keep_empty(&header, out, config).await;
        }
        let needs_horizon = self.needs_horizon(&visited);
        if kept.len() == rows.len() && !needs_horizon {
            return self.emit(&header, visited.bytes, out, config).await;
        }
        let horizon = self.job.now_ms.saturating_add(config.delete_retention_ms);
        let horizon = needs_horizon.then_some(horizon);
        let records = batch.records.clone();
        let build = move || {
            let mut builder = BatchBuilder::like(&records.header, horizon);
            for index in kept {
                builder.push_row(&records, &records.rows[index])?;
            }
            builder.finish()
        };
        let built = match header.codec() {
            Some(Codec::None) if visited.bytes.len() <= INLINE_BYTES_MAX => build(),
            _ => self.log.host.env.work(build).await,
        };
        let bytes = built.map_err(|error| CompactError::Corrupt {
            path: self.sources[visited.source].path.clone(),
            position: 0,
            why: format!("batch at offset {}: {error}", header.base_offset),
        })?;
        let header = Header::decode(&bytes).expect("a builder's batch has a header");
        self.emit(&header, bytes, out, config).await
    }

    /// Keeps a batch without its records if its producer's sequence hangs on it; else remembers it
    /// in case that it is the segment's end.
    async fn keep_empty(
        &mut self,
        header: &Header,
        out: &mut Output,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        let is_newest = {
            let state = self.log.state.borrow();
            let known = state.producers.entries.get(&header.producer_id);
            let newest = known.and_then(|entry| entry.window.back());
            header.has_producer()
                && newest.is_some_and(|newest| newest.last_offset == header.last_offset())
        };
        if !is_newest {
            out.gone = Some(*header);
            return Ok(());
        }
        self.emit_empty(header, out, config).await
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
        if i64::from(i32::MAX) <= header.last_offset().0 - out.segment.base.0 {
            let (path, position) = (out.path.clone(), out.segment.bytes);
            let why = "its offset does not fit an index".to_owned();
            return Err(CompactError::Corrupt { path, position, why });
        }
        out.segment.note(header, bytes.len() as u64, config);
        if out.file.is_some() {
            out.buffer_bytes += bytes.len();
            out.buffer.push(bytes);
            if WRITE_BYTES <= out.buffer_bytes {
                self.flush(out).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self, out: &mut Output) -> Result<(), DiskError> {
        let Some(file) = &out.file else { return Ok(()) };
        let slices = std::mem::take(&mut out.buffer);
        let path = format!("{}{CLEANED}", out.path);
        self.log.files.write(file, &path, out.written, slices).await?;
        out.written += std::mem::take(&mut out.buffer_bytes) as u64;
        Ok(())
    }

    /// Puts a finished output in the place of the sources from its first up to `end`.
    async fn replace(
        &mut self,
        mut out: Output,
        end: usize,
        claim: &Claim<'_>,
        config: &LogConfig,
    ) -> Result<(), CompactError> {
        if let Some(last) = out.gone.take() {
            self.emit_empty(&last, &mut out, config).await?;
        }
        self.report.bytes_after += out.segment.bytes;
        self.report.segments_after += 1;
        if self.job.mode == PassMode::DryRun {
            return Ok(());
        }
        self.flush(&mut out).await?;
        let files = &self.log.files;
        let file = out.file.take().expect("not a dry run");
        files.sync(&file, &out.path).await?;
        out.segment.seal();
        let base = out.segment.base;
        for (suffix, content) in
            [(INDEX, out.segment.index.encode()), (TIME_INDEX, out.segment.time_index.encode())]
        {
            let path = format!("{}{CLEANED}", file_path(&self.log.dir, base, suffix));
            files.write_whole(&path, content).await?;
        }
        files.sync_dir(&self.log.dir).await?;
        self.log.check_open()?;
        claim.replacing.set(true);
        let segment_end = self.sources[end - 1].closed.end;
        let new = self.replace_in_memory(&out, file, segment_end);
        let gone: Vec<Offset> =
            self.sources[out.first + 1..end].iter().map(|source| source.closed.base).collect();
        if let Err(error) = self.replace_on_disk(base, &gone).await {
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

    /// Readers from now on get the new segment: its open file and its indexes in memory, whatever
    /// the names mean at the moment.
    fn replace_in_memory(&self, out: &Output, file: File, end: Offset) -> Rc<Closed> {
        let new = Rc::new(Closed::pinned(&out.segment, end));
        *new.warm.borrow_mut() = Some(Warm { file, index: out.segment.index.clone() });
        let mut state = self.log.state.borrow_mut();
        state.closed.retain(|base, _| *base < new.base || end <= *base);
        state.closed.insert(new.base, new.clone());
        drop(state);
        self.log.tail.drop_below(end);
        new
    }

    async fn replace_on_disk(&self, base: Offset, gone: &[Offset]) -> Result<(), DiskError> {
        let (files, dir) = (&self.log.files, &self.log.dir);
        for suffix in [INDEX, TIME_INDEX, LOG] {
            let path = file_path(dir, base, suffix);
            files.rename(&format!("{path}{CLEANED}"), &format!("{path}{SWAP}")).await?;
        }
        files.sync_dir(dir).await?;
        for other in gone {
            for suffix in [INDEX, TIME_INDEX, LOG] {
                files.remove(&file_path(dir, *other, suffix)).await?;
            }
        }
        // Durably gone before the replacement loses the name that says what it covers.
        files.sync_dir(dir).await?;
        for suffix in [INDEX, TIME_INDEX, LOG] {
            let path = file_path(dir, base, suffix);
            files.rename(&format!("{path}{SWAP}"), &path).await?;
        }
        files.sync_dir(dir).await
    }
}
