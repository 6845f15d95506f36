//! Reading whole batches: from memory while they are new, else from the file by its index.
//!
//! Owns: finding the place, waiting for new data.
//! Leaves to others: cutting at batch boundaries (`gather`), reads far behind the end (`cold`),
//! what a client may see (`upper` comes in), fetch budgets (`api`).
//! Invariant: nothing at or behind `upper` goes out, and nothing that is not safe.
//! Start reading at: [`Log::read`].
//! Source: KIP-74.
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::base::Bytes;
use crate::env::{File, IoError, OpenHow};
use crate::log::cold::SegmentId;
use crate::log::gather::{Gather, Gathered, Wanted};
use crate::log::index::OffsetIndex;
use crate::log::names::{INDEX, LOG, file_path};
use crate::log::segment::{Closed, Warm};
use crate::log::{DiskError, Life, Log, State, WARM_SEGMENTS_MAX, add};
use crate::model::{ErrorCode, Offset};

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
    /// Where a next read goes on.
    pub next: Offset,
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
    pub segment: SegmentId,
    pub path: String,
    pub file: File,
    pub base: Offset,
    pub position: u64,
    pub bytes: u64,
    /// Of these the file surely has so many.
    pub bytes_written: u64,
    /// Of newer segments, as far as it matters.
    pub bytes_behind: u64,
    /// The next segment's base; `None` for the active one.
    pub next: Option<Offset>,
}

/// Times that a segment may vanish (compaction replaced it) while it is looked up.
const LOOKUPS_MAX: usize = 8;

impl Log {
    /// Whole batches from the one that holds `from`, all below `upper`, at most `bytes_max`.
    ///
    /// Empty when there is nothing between `from` and `upper`. A reply may end early at the end
    /// of a segment; the next read goes on. A log that is offline gives what its files and its
    /// memory have, and behind that the error.
    /// Errors: [`ReadError::OutOfRange`] when `from` is outside of log start and log end.
    pub async fn read(
        &self,
        from: Offset,
        bytes_max: usize,
        first: FirstBatch,
        upper: Offset,
    ) -> Result<Found, ReadError> {
        let mut from = from;
        let offline = self.offline();
        let upper = {
            let state = self.state.borrow();
            if let Some(error) = offline.clone().filter(|error| error.source == IoError::Stopped) {
                return Err(ReadError::Offline(error));
            }
            let (log_start, log_end) = (state.progress.log_start, state.progress.log_end);
            if from < log_start || log_end < from {
                return Err(ReadError::OutOfRange { from, log_start, log_end });
            }
            upper.min(state.progress.safe_end)
        };
        if upper <= from {
            let nothing = Found { next: from, ..Found::default() };
            return offline.map_or(Ok(nothing), |error| Err(ReadError::Offline(error)));
        }
        if let Some(found) = self.tail.read(from, bytes_max, first, upper) {
            add(&self.host.counters.tail_reads_total, 1);
            let bytes: usize = found.slices.iter().map(Bytes::len).sum();
            add(&self.host.counters.tail_read_bytes_total, bytes as u64);
            return Ok(found);
        }
        match offline {
            Some(error) if self.written_end() <= from => return Err(ReadError::Offline(error)),
            Some(_) => {}
            // What the journal alone has is in the tail, but for what did not fit there.
            None => self.written_to(Offset(from.0 + 1)).await?,
        }
        let upper = upper.min(self.written_end());
        loop {
            let view = match self.view(from).await {
                Ok(view) => view,
                Err(error) => return Err(self.read_error(from, error)),
            };
            add(&self.host.counters.file_reads_total, 1);
            let wanted = Wanted { from, bytes_max, first, upper };
            let found = self.read_view(&view, wanted).await?;
            match (found, view.next) {
                // Compaction may have emptied the end of a segment.
                (None, Some(next)) if next < upper => from = next,
                (None, _) => return Ok(Found { next: from, ..Found::default() }),
                (Some(found), _) => return Ok(found),
            }
        }
    }

    /// The batches wanted from one file; `None` when it has nothing at or behind `from`.
    async fn read_view(&self, view: &View, mut wanted: Wanted) -> Result<Option<Found>, ReadError> {
        if self.host.cold.is_cold(view, view.position) {
            let answer_bytes_max = self.host.cold.limits().answer_bytes_max;
            wanted.bytes_max = wanted.bytes_max.min(answer_bytes_max);
        }
        let Some(gathered) = Gather::new(self, view, wanted).run().await? else { return Ok(None) };
        let Gathered { slices, next, position, more } = gathered;
        if position < view.bytes {
            self.host.bookmarks.put(&view.segment, next, position);
        }
        Ok(Some(Found { slices, next, more }))
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
        let (closed, bytes_behind) = {
            let state = self.state.borrow();
            let closed = state.closed.range(..=from).next_back().map(|(_, closed)| closed.clone());
            // The last closed segment also covers what its end lost by compaction.
            let closed = closed.filter(|_| from < state.active.base);
            let base = closed.as_ref().map_or(from, |closed| closed.base);
            (closed, state.bytes_behind(base, self.host.cold.limits().warm_bytes_max))
        };
        let Some(closed) = closed else { return self.active_view(from).await };
        let path = file_path(&self.dir, closed.base, LOG);
        let warm = self.warm(&closed, &path).await?;
        let relative = u32::try_from(from.0 - closed.base.0).unwrap_or(u32::MAX);
        let segment = SegmentId::new(self, closed.base, Some(&closed));
        let place = self.host.bookmarks.find(&segment, from);
        Ok(View {
            segment,
            path,
            file: warm.file,
            base: closed.base,
            position: place.unwrap_or_else(|| warm.index.floor(relative).into()),
            bytes: closed.bytes,
            bytes_written: closed.bytes,
            bytes_behind,
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
                if self.offline().is_some() {
                    // The disk may be readable only, and nobody writes here any more.
                    let file = self.files.open(&path, OpenHow::Read).await?;
                    return Ok(self.view_of_active(path, file, base, from));
                }
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
        Ok(self.view_of_active(path, file, base, from))
    }

    fn view_of_active(&self, path: String, file: File, base: Offset, from: Offset) -> View {
        let state = self.state.borrow();
        let relative = u32::try_from(from.0 - base.0).unwrap_or(0);
        let segment = SegmentId::new(self, base, None);
        let place = self.host.bookmarks.find(&segment, from);
        let position = place.unwrap_or_else(|| state.active.index.floor(relative).into());
        View {
            segment,
            path,
            file,
            base,
            position,
            bytes: state.active.bytes,
            bytes_written: state.active.bytes.saturating_sub(state.queue_bytes as u64),
            bytes_behind: 0,
            next: None,
        }
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

impl State {
    /// Bytes in segments newer than that of `base`, counted to `enough`.
    fn bytes_behind(&self, base: Offset, enough: u64) -> u64 {
        let mut behind = self.active.bytes;
        for closed in self.closed.range(base..).rev().map(|(_, closed)| closed) {
            if closed.base == base || enough < behind {
                break;
            }
            behind += closed.bytes;
        }
        behind
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
