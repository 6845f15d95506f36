//! Reading whole batches: from memory while they are new, else from the file by its index.
//!
//! Owns: finding the place, cutting at batch boundaries, waiting for new data.
//! Leaves to others: what a client may see (`upper` comes in), fetch budgets (`api`).
//! Invariant: nothing at or behind `upper` goes out, and nothing that is not safe.
//! Start reading at: [`Log::read`].
//! Source: KIP-74.
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::base::{Bytes, pins_much};
use crate::env::{File, IoError, OpenHow};
use crate::log::index::OffsetIndex;
use crate::log::names::{INDEX, LOG, file_path};
use crate::log::segment::{Closed, Warm};
use crate::log::{DiskError, Life, Log, WARM_SEGMENTS_MAX, add};
use crate::model::{ErrorCode, Offset};
use crate::record::{Scanned, next_batch};

/// Whether the first batch comes though it is larger than the limit, so that a reader moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBatch {
    Always,
    IfItFits,
}

/// Whole batches, in order.
#[derive(Debug, Default)]
pub struct Found {
    pub slices: Vec<Bytes>,
    /// The byte limit or the end of a segment cut it short: there is more below `upper`.
    pub more: bool,
}

/// Why nothing could be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset {from} is outside of {log_start}..={log_end}")]
    OutOfRange { from: Offset, log_start: Offset, log_end: Offset },
    #[error("the log is offline: {0}")]
    Offline(DiskError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{path} is damaged at byte {position}: {why}")]
    Corrupt { path: String, position: u64, why: &'static str },
}

impl From<&ReadError> for ErrorCode {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::OutOfRange { .. } => Self::OffsetOutOfRange,
            ReadError::Offline(error) | ReadError::Disk(error) => error.into(),
            ReadError::Corrupt { .. } => Self::CorruptMessage,
        }
    }
}

/// A segment's file, and where in it to begin.
pub(super) struct View {
    pub path: String,
    pub file: File,
    pub base: Offset,
    pub position: u64,
    pub bytes: u64,
    /// The next segment's base; `None` for the active one.
    pub next: Option<Offset>,
}

/// A part of what was read; a small one does not keep all of it in memory.
fn part(chunk: &Bytes, range: std::ops::Range<usize>) -> Bytes {
    if pins_much(range.len(), chunk.len()) {
        return Bytes::copy_from_slice(&chunk[range]);
    }
    chunk.slice(range)
}

/// Smallest read from a file: smaller ones cost the same.
const READ_BYTES_MIN: usize = 16 << 10;
/// Times that a segment may vanish (compaction replaced it) while it is looked up.
const LOOKUPS_MAX: usize = 8;

impl Log {
    /// Whole batches from the one that holds `from`, all below `upper`, at most `bytes_max`.
    ///
    /// Empty when there is nothing between `from` and `upper`. A reply may end early at the end
    /// of a segment; the next read goes on.
    /// Errors: [`ReadError::OutOfRange`] when `from` is outside of log start and log end.
    pub async fn read(
        &self,
        from: Offset,
        bytes_max: usize,
        first: FirstBatch,
        upper: Offset,
    ) -> Result<Found, ReadError> {
        let mut from = from;
        let upper = {
            let state = self.state.borrow();
            if let Life::Offline(error) = &state.life {
                return Err(ReadError::Offline(error.clone()));
            }
            let (log_start, log_end) = (state.progress.log_start, state.progress.log_end);
            if from < log_start || log_end < from {
                return Err(ReadError::OutOfRange { from, log_start, log_end });
            }
            upper.min(state.progress.safe_end)
        };
        if upper <= from {
            return Ok(Found::default());
        }
        if let Some(found) = self.tail.read(from, bytes_max, first, upper) {
            add(&self.host.counters.tail_reads_total, 1);
            return Ok(found);
        }
        // What the journal alone has is in the tail, but for what did not fit there.
        self.written_to(Offset(from.0 + 1)).await?;
        let upper = upper.min(self.written_end());
        loop {
            let view = match self.view(from).await {
                Ok(view) => view,
                Err(error) => return Err(self.read_error(from, error)),
            };
            add(&self.host.counters.file_reads_total, 1);
            let found = self.read_view(&view, from, bytes_max, first, upper).await?;
            match (found, view.next) {
                // Compaction may have emptied the end of a segment.
                (None, Some(next)) if next < upper => from = next,
                (found, _) => return Ok(found.unwrap_or_default()),
            }
        }
    }

    /// A file that is gone may have been removed since the read began.
    fn read_error(&self, from: Offset, error: DiskError) -> ReadError {
        let progress = &self.state.borrow().progress;
        let (log_start, log_end) = (progress.log_start, progress.log_end);
        match error.source {
            IoError::NotFound if from < log_start => {
                ReadError::OutOfRange { from, log_start, log_end }
            }
            _ => error.into(),
        }
    }

    /// The bytes wanted from one file; `None` when the segment has nothing at or behind `from`.
    async fn read_view(
        &self,
        view: &View,
        from: Offset,
        bytes_max: usize,
        first: FirstBatch,
        upper: Offset,
    ) -> Result<Option<Found>, ReadError> {
        let mut at = view.position;
        let mut want = bytes_max.max(READ_BYTES_MIN);
        loop {
            let left = view.bytes - at;
            let want_now = (want as u64).min(left) as usize;
            let chunk = self.files.read(&view.file, &view.path, at, want_now).await?;
            // Where the answer begins and ends within the chunk.
            let (mut start, mut end) = (None, 0);
            let mut next = from;
            let mut needs = 0;
            loop {
                if at + end as u64 == view.bytes {
                    break;
                }
                let corrupt = |why| ReadError::Corrupt {
                    path: view.path.clone(),
                    position: at + end as u64,
                    why,
                };
                match next_batch(&chunk[end..]) {
                    Scanned::Bad { why } => return Err(corrupt(why)),
                    Scanned::Needs(bytes) => {
                        needs = bytes;
                        break;
                    }
                    Scanned::Batch(header, bytes) => {
                        let begin = start.unwrap_or(end);
                        let too_much = bytes_max < end + bytes - begin;
                        let wanted = from <= header.last_offset();
                        let alone = start.is_none() && first == FirstBatch::Always;
                        let above = upper <= header.last_offset();
                        if above || (wanted && too_much && !alone) {
                            let found = start.map(|start| part(&chunk, start..end));
                            let slices = found.into_iter().collect();
                            return Ok(Some(Found { slices, more: !above }));
                        }
                        if wanted {
                            start = Some(begin);
                        }
                        end += bytes;
                        next = header.next_offset();
                        if upper <= header.next_offset() {
                            break;
                        }
                    }
                }
            }
            if let Some(start) = start {
                let slices = vec![part(&chunk, start..end)];
                return Ok(Some(Found { slices, more: next < upper }));
            }
            at += end as u64;
            if at == view.bytes {
                return Ok(None);
            }
            if view.bytes - at < needs as u64 || chunk.len() < want_now {
                let why = "the file ends inside a batch";
                return Err(ReadError::Corrupt { path: view.path.clone(), position: at, why });
            }
            want = needs.max(bytes_max).max(READ_BYTES_MIN);
        }
    }

    /// The segment that holds `from`, and a position at or before its batch.
    pub(super) async fn view(&self, from: Offset) -> Result<View, DiskError> {
        let mut lookups = 0;
        loop {
            lookups += 1;
            match self.try_view(from).await {
                Err(error) if error.source == IoError::NotFound && lookups < LOOKUPS_MAX => {}
                result => return result,
            }
        }
    }

    async fn try_view(&self, from: Offset) -> Result<View, DiskError> {
        let closed = {
            let state = self.state.borrow();
            let closed = state.closed.range(..=from).next_back().map(|(_, closed)| closed.clone());
            // The last closed segment also covers what its end lost by compaction.
            closed.filter(|_| from < state.active.base)
        };
        let Some(closed) = closed else { return self.active_view(from).await };
        let path = file_path(&self.dir, closed.base, LOG);
        let warm = self.warm(&closed, &path).await?;
        let relative = u32::try_from(from.0 - closed.base.0).unwrap_or(u32::MAX);
        Ok(View {
            path,
            file: warm.file,
            base: closed.base,
            position: u64::from(warm.index.floor(relative)),
            bytes: closed.bytes,
            next: Some(closed.end),
        })
    }

    async fn active_view(&self, from: Offset) -> Result<View, DiskError> {
        let (base, open) = {
            let state = self.state.borrow();
            (state.active.base, state.on_disk.active.clone())
        };
        let path = file_path(&self.dir, base, LOG);
        let file = match open {
            Some(file) => file,
            None => {
                let file = self.files.open(&path, OpenHow::ReadWrite).await?;
                let mut state = self.state.borrow_mut();
                if state.active.base != base {
                    return Err(DiskError::new("find", &path, IoError::NotFound));
                }
                let is_new = state.on_disk.active.is_none();
                let file = state.on_disk.active.get_or_insert(file).clone();
                drop(state);
                if is_new {
                    self.host.open_files.keep_active(self.this.clone());
                }
                file
            }
        };
        let state = self.state.borrow();
        let relative = u32::try_from(from.0 - base.0).unwrap_or(0);
        let position = u64::from(state.active.index.floor(relative));
        Ok(View { path, file, base, position, bytes: state.active.bytes, next: None })
    }

    /// Opens a closed segment, or takes it from the few that are open.
    async fn warm(&self, closed: &Rc<Closed>, path: &str) -> Result<Warm, DiskError> {
        if let Some(warm) = closed.warm.borrow().clone() {
            return Ok(warm);
        }
        let file = self.files.open(path, OpenHow::Read).await?;
        let pinned = closed.pinned.borrow().as_ref().map(|(index, _)| index.clone());
        let index = match pinned {
            Some(index) => index,
            None => {
                let path = file_path(&self.dir, closed.base, INDEX);
                let content = self.files.read_whole(&path).await?.unwrap_or_default();
                let index = OffsetIndex::decode(&content, closed.bytes).unwrap_or_else(|| {
                    tracing::warn!(%path, "index is damaged; reads walk the segment");
                    OffsetIndex::default()
                });
                Rc::new(index)
            }
        };
        let warm = Warm { file, index };
        let current = self.state.borrow().closed.get(&closed.base).cloned();
        if !current.is_some_and(|current| Rc::ptr_eq(&current, closed)) {
            // Compaction replaced it meanwhile; file and index may be of different forms.
            return Err(DiskError::new("find", path, IoError::NotFound));
        }
        *closed.warm.borrow_mut() = Some(warm.clone());
        let mut state = self.state.borrow_mut();
        state.warm.push_back(closed.clone());
        if WARM_SEGMENTS_MAX < state.warm.len()
            && let Some(cold) = state.warm.pop_front()
        {
            cold.warm.borrow_mut().take();
        }
        drop(state);
        self.host.open_files.keep_closed(closed);
        Ok(warm)
    }

    /// A future that ends when the high watermark is above where it is now, or the log stops.
    pub fn watch(&self) -> Watch {
        let seen = self.state.borrow().progress.high_watermark;
        self.watch_beyond(seen)
    }

    /// A future that ends when the high watermark is above `offset`, or the log stops.
    pub fn watch_beyond(&self, offset: Offset) -> Watch {
        let log = self.rc();
        Watch { log, end: Offset(offset.0.saturating_add(1)), ticket: None }
    }
}

/// See [`Log::watch`]. Look at the log again after it: it may also have been closed.
pub struct Watch {
    log: Rc<Log>,
    end: Offset,
    ticket: Option<u64>,
}

impl Future for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.log.state.borrow_mut();
        if this.end <= state.progress.high_watermark || !matches!(state.life, Life::Open) {
            return Poll::Ready(());
        }
        state.watchers.wait(this.end, &mut this.ticket, cx.waker());
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.log.state.borrow_mut().watchers.forget(self.end, ticket);
        }
    }
}
