//! Appending: offsets are given at once, the answer comes when the batch is as safe as asked.
//!
//! Owns: the checks that need the log's state, the ack.
//! Leaves to others: checks of the batch itself (`record`), writing (`writer`).
//! Invariant: offsets are given without gaps in the order of the calls; an ack ends after what it
//! promises is true.
//! Start reading at: [`Log::append`].
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::base::{Bytes, pins_much};
use crate::log::journal::{BEHIND_BYTES, Entry, EntryHead};
use crate::log::producers::{Seen, SequenceError, Verdict};
use crate::log::progress::Need;
use crate::log::room::Appender;
use crate::log::segment::{Active, Closed};
use crate::log::writer::Item;
use crate::log::{DiskError, Life, Log, LogEvent, Mode, State, add};
use crate::model::{ErrorCode, Offset};
use crate::record::{CheckedBatch, Header, Stamp, StoredBatch, TimestampType};

/// What the client asked for with `acks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// 0: no answer.
    None,
    /// 1: when the process may die.
    Leader,
    /// -1: when the power may fail, too (with `flush.on.acks.all`).
    All,
}

/// Why a batch was not appended. Nothing of it is in the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    #[error("batch of {bytes} bytes does not fit a segment of {max}")]
    SegmentTooSmall { bytes: usize, max: u64 },
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    #[error("the log is closed")]
    Closed,
    #[error("the log is offline: {0}")]
    Offline(DiskError),
    #[error("{bytes} bytes wait for the disk already")]
    Busy { bytes: usize },
    #[error("the disk is nearly full: {free_bytes} bytes are free, and some are kept in reserve")]
    NoRoom { free_bytes: u64 },
    #[error("the disk is full: {0}")]
    DiskFull(DiskError),
}

impl From<&AppendError> for ErrorCode {
    fn from(error: &AppendError) -> Self {
        match error {
            AppendError::SegmentTooSmall { .. } => Self::RecordListTooLarge,
            AppendError::Sequence(error) => error.into(),
            AppendError::Closed => Self::NotLeaderOrFollower,
            AppendError::Offline(error) => error.into(),
            AppendError::Busy { .. } | AppendError::NoRoom { .. } | AppendError::DiskFull(_) => {
                Self::NotEnoughReplicas
            }
        }
    }
}

/// The place that a batch got.
#[derive(Debug)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    /// The batch was in the log already; these are its offsets from then.
    pub duplicate: bool,
    /// -1 on CreateTime topics.
    pub log_append_time_ms: i64,
    pub log_start: Offset,
    /// Ends when the batch is as safe as `acks` asks.
    pub ack: Ack,
}

/// What internal topics may queue in addition: commits go on while a bulk producer waits.
const QUEUE_RESERVE_BYTES: usize = 64 << 20;

impl Log {
    /// Gives a batch its offsets and queues it; returns at once.
    ///
    /// All batches of one shard turn go to the file in one write. `wall_ms` is the caller's clock.
    pub fn append(
        &self,
        batch: &CheckedBatch,
        acks: Acks,
        wall_ms: i64,
    ) -> Result<Appended, AppendError> {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        match &state.life {
            Life::Open => {}
            Life::Closed => return Err(AppendError::Closed),
            Life::Offline(error) => return Err(AppendError::Offline(error.clone())),
        }
        let bytes = batch.len_bytes();
        let segment_max = state.config.segment_bytes_max;
        if segment_max < bytes as u64 {
            return Err(AppendError::SegmentTooSmall { bytes, max: segment_max });
        }
        let queued = self.host.queued.get().max(self.home.queued.get());
        let reserve = if self.place.is_internal() { QUEUE_RESERVE_BYTES } else { 0 };
        if self.host.queue_bytes_max + reserve < queued.saturating_add(bytes) {
            return Err(AppendError::Busy { bytes: queued });
        }
        if batch.header().has_producer() && !batch.header().is_control() {
            state.expire_producers(self.host.env.now().ms());
            if let Verdict::Duplicate(seen) = state.producers.check(batch.header())? {
                add(&self.host.counters.duplicates_total, 1);
                return Ok(self.duplicate(state, seen, acks));
            }
        }
        self.check_room(state, bytes)?;
        let end = state.progress.log_end.0 + i64::from(batch.header().last_offset_delta) + 1;
        let need = Self::need_of_append(state, acks, Offset(end));
        self.choose_mode(state, need, bytes);
        let stored = self.give_place(state, batch, need, wall_ms);
        let log_start = state.progress.log_start;
        let end = stored.header.next_offset();
        if state.behind.mode == Mode::File && need == Need::Stable {
            state.want_stable = state.want_stable.max(end);
        }
        self.flush_in_time(state);
        let log_append_time_ms = match state.config.timestamp_type {
            TimestampType::CreateTime => -1,
            TimestampType::LogAppendTime => wall_ms,
        };
        let write_now = state.behind.mode == Mode::File || BEHIND_BYTES <= state.queue_bytes;
        let lags = !write_now && !std::mem::replace(&mut state.behind.lags, true);
        drop(guard);
        add(&self.host.counters.appended_batches_total, 1);
        add(&self.host.counters.appended_bytes_total, bytes as u64);
        self.tail.push(&stored);
        if write_now {
            self.write_behind();
        } else if lags {
            self.home.journal.lags(&self.rc());
        }
        Ok(Appended {
            base_offset: stored.header.base_offset,
            last_offset: stored.header.last_offset(),
            duplicate: false,
            log_append_time_ms,
            log_start,
            ack: Ack::new(self.rc(), end, acks, need),
        })
    }

    /// Nothing is taken that the disk may have no room for.
    fn check_room(&self, state: &State, bytes: usize) -> Result<(), AppendError> {
        if let Some(error) = state.full_disk().cloned().or_else(|| self.home.held()) {
            return Err(AppendError::DiskFull(error));
        }
        let appender = if self.place.is_internal() { Appender::Internal } else { Appender::Client };
        let admitted = self.home.room.admit(bytes, appender);
        admitted.map_err(|free_bytes| AppendError::NoRoom { free_bytes })
    }

    /// Whether this batch of an idempotent producer is in the log already.
    pub fn is_duplicate(&self, header: &Header) -> bool {
        let state = self.state.borrow();
        header.has_producer() && matches!(state.producers.check(header), Ok(Verdict::Duplicate(_)))
    }

    pub(super) fn rc(&self) -> Rc<Self> {
        self.this.upgrade().expect("called through an Rc")
    }

    fn duplicate(&self, state: &mut State, seen: Seen, acks: Acks) -> Appended {
        let end = Offset(seen.last_offset.0 + 1);
        let need = Self::need_of(&state.config, acks);
        // The first try may have asked for less than this one.
        let wants_sync = need == Need::Stable
            && state.behind.mode == Mode::File
            && state.progress.stable_end < end;
        if wants_sync {
            state.want_stable = state.want_stable.max(end);
        }
        let kind = state.config.timestamp_type;
        let appended = Appended {
            base_offset: seen.base_offset(),
            last_offset: seen.last_offset,
            duplicate: true,
            log_append_time_ms: match kind {
                TimestampType::CreateTime => -1,
                TimestampType::LogAppendTime => seen.timestamp,
            },
            log_start: state.progress.log_start,
            ack: Ack::new(self.rc(), end, acks, need),
        };
        self.start_sync_if_due(state);
        appended
    }

    /// Whether this batch goes by the journal. A log enters it with an acks=all batch and leaves
    /// it after a checkpoint since which none came; a batch that is too large leaves it too.
    fn choose_mode(&self, state: &mut State, need: Need, bytes: usize) {
        let wanted = need == Need::Stable;
        state.behind.wanted |= wanted;
        if state.behind.mode == Mode::File && !wanted {
            return;
        }
        match (state.behind.mode, self.home.journal.takes(bytes)) {
            (Mode::File, true) => {
                state.behind.mode = Mode::Journal;
                state.progress.enters_journal();
                // What the files alone have comes before it.
                state.want_stable = state.want_stable.max(state.progress.log_end);
                self.start_sync_if_due(state);
            }
            (Mode::Journal, false) => state.behind.mode = Mode::File,
            (Mode::File, false) | (Mode::Journal, true) => {}
        }
    }

    /// Everything that changes in memory with one batch: offset, segment, indexes, producers.
    fn give_place(
        &self,
        state: &mut State,
        batch: &CheckedBatch,
        need: Need,
        wall_ms: i64,
    ) -> StoredBatch {
        let base_offset = state.progress.log_end;
        let append_time = state.config.timestamp_type == TimestampType::LogAppendTime;
        let mut stored = batch.stamp(&Stamp {
            base_offset,
            leader_epoch: state.leader_epoch,
            append_time_ms: append_time.then_some(wall_ms),
        });
        let bytes = stored.len_bytes();
        // While it waits for its file or for readers a small batch must not pin a large frame.
        if pins_much(bytes, batch.frame_bytes()) {
            stored.body = Bytes::copy_from_slice(&stored.body);
        }
        let changed = state.epochs.assign(state.leader_epoch, base_offset);
        if changed || std::mem::take(&mut state.on_disk.epochs_changed) {
            state.queue.push_back(Item::Epochs(state.epochs.encode().into_bytes()));
        }
        if state.active.is_full_for(&stored.header, bytes as u64, &state.config, wall_ms) {
            self.queue_roll(state, wall_ms);
        }
        let position = state.active.bytes;
        state.active.note(&stored.header, bytes as u64, &state.config);
        state.producers.note(&stored.header, self.host.env.now().ms());
        let end = stored.header.next_offset();
        state.progress.appended(end, need);
        let slices = [stored.head.clone(), stored.body.clone()];
        if state.behind.mode == Mode::Journal {
            let head = EntryHead {
                topic_id: self.place.topic_id,
                partition: self.place.partition,
                leader_epoch: state.leader_epoch,
                segment: state.active.base,
                position: u32::try_from(position).expect("segments are below 2 GiB"),
                bytes: bytes as u32,
                base_offset,
                end,
                stable_end: state.progress.stable_end,
            };
            state.behind.fence.push(base_offset, end);
            self.home.journal.push(Entry { log: self.rc(), head, slices: slices.clone() });
        }
        state.queue.push_back(Item::Batch { position, end, slices });
        self.note_queued(state, bytes);
        stored
    }

    /// Closes the active segment in memory and queues the same for the files.
    pub(super) fn queue_roll(&self, state: &mut State, wall_ms: i64) {
        let end = state.progress.log_end;
        assert!(state.active.base < end, "an empty segment is not closed");
        let mut old = std::mem::replace(&mut state.active, Active::new(end, wall_ms));
        old.seal();
        state.active.jitter_ms = state.config.jitter_ms(&self.host.env);
        let closed = Rc::new(Closed::pinned(&old, end));
        state.closed.insert(old.base, closed);
        let snapshot = state.producers.view();
        state.queue.push_back(Item::Roll { old: Box::new(old), base: end, snapshot });
        add(&self.host.counters.rolls_total, 1);
    }
}

impl State {
    fn expire_producers(&mut self, now_ms: i64) {
        // One place is for who comes now.
        let max = self.config.producers_max.saturating_sub(1);
        self.producers.expire(now_ms, self.config.producer_expiration_ms, max);
    }
}

/// A future that ends when an append is as safe as was asked for.
#[must_use = "without it nobody knows whether the batch is safe"]
pub struct Ack {
    log: Rc<Log>,
    end: Offset,
    acks: Acks,
    need: Need,
    /// Also for as long as the disk is full.
    waits_for_room: bool,
    ticket: Option<u64>,
}

impl Ack {
    /// What the broker appends for itself will be written when there is room again; to it an error
    /// would mean that it is not there.
    fn new(log: Rc<Log>, end: Offset, acks: Acks, need: Need) -> Self {
        let waits_for_room = log.place.is_internal();
        Self { log, end, acks, need, waits_for_room, ticket: None }
    }

    /// Waits until everything below `end` is stable.
    pub(super) fn stable(log: Rc<Log>, end: Offset) -> Self {
        let mut ack = Self::new(log, end, Acks::All, Need::Stable);
        ack.waits_for_room = false;
        ack
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ack({:?} below {})", self.need, self.end)
    }
}

impl Future for Ack {
    type Output = Result<(), DiskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.acks == Acks::None {
            return Poll::Ready(Ok(()));
        }
        let mut state = this.log.state.borrow_mut();
        let reached = match this.need {
            Need::Safe => state.progress.safe_end,
            Need::Stable => state.progress.stable_end,
        };
        if this.end <= reached {
            drop(state);
            this.log.event(LogEvent::Acked(this.end, this.acks));
            return Poll::Ready(Ok(()));
        }
        if let Life::Offline(error) = &state.life {
            return Poll::Ready(Err(error.clone()));
        }
        if let Some(error) = state.full_disk()
            && !this.waits_for_room
            && !state.needs_no_room(this.end, this.log.home.journal.is_blocked())
        {
            return Poll::Ready(Err(error.clone()));
        }
        let waiters = match this.need {
            Need::Safe => &mut state.safe_waiters,
            Need::Stable => &mut state.stable_waiters,
        };
        waiters.wait(this.end, &mut this.ticket, cx.waker());
        Poll::Pending
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.log.state.borrow_mut();
            match self.need {
                Need::Safe => state.safe_waiters.forget(self.end, ticket),
                Need::Stable => state.stable_waiters.forget(self.end, ticket),
            }
        }
    }
}
