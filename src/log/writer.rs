//! Writing behind the appends: one task writes, one syncs; both exist only while there is work.
//!
//! Owns: the queue's other end, group commit, what on disk is not yet durable.
//! Leaves to others: what a closed segment's files hold (`closing`), the journal (`journal`), what
//! a full disk does not take (`stall`).
//! Invariant: items leave in order; the written end rises after a write, the synced end only after
//! syncs of everything below it: older segments first, then the active file, then the names; or
//! after one sync of the whole file system. In journal mode nothing is written before the journal
//! asks for it or a reader needs it.
//! Start reading at: [`Log::run_writer`], then [`Log::sync_once`].
use std::task::Waker;

use crate::base::Bytes;
use crate::env::{File, IoError, OpenHow};
use crate::log::append::Ack;
use crate::log::checkpoint::encode_metadata;
use crate::log::names::{EPOCHS, LOG, METADATA, file_path};
use crate::log::owner::{move_away, owner_beside};
use crate::log::producers::ProducersView;
use crate::log::recovery::{Loaded, Unconfirmed};
use crate::log::segment::Active;
use crate::log::stall::Next;
use crate::log::{DiskError, Life, Log, LogEvent, Mode, State, add};
use crate::model::Offset;

/// One step for the writer, in the order of the appends.
pub enum Item {
    Batch {
        position: u64,
        end: Offset,
        slices: [Bytes; 2],
    },
    Epochs(Vec<u8>),
    /// The segment that was active is closed, the next one begins at `base`.
    Roll {
        old: Box<Active>,
        base: Offset,
        snapshot: ProducersView,
    },
}

/// A closed segment whose files are not yet complete and durable.
pub struct Unfinished {
    /// `None` when nothing was written to it since the log was opened.
    pub file: Option<File>,
    pub segment: Box<Active>,
    pub end: Offset,
    pub snapshot: ProducersView,
}

/// What is known of the partition's files, and what a crash could still take.
pub struct OnDisk {
    pub dir_is_there: bool,
    /// The directory was made here, and does not say yet whose it is.
    dir_is_made: bool,
    pub epochs_changed: bool,
    /// The active segment's file, while it is kept open.
    pub active: Option<File>,
    pub active_used: bool,
    /// The kernel is being told to write some of it to the device.
    spreads: bool,
    /// Room was reserved for some segment's file.
    pub has_reserve: bool,
    unfinished: Vec<Unfinished>,
    metadata_unsynced: bool,
    epochs_unsynced: bool,
    names_changed: bool,
    dir_is_new: bool,
    /// Producer snapshots written or found, ascending.
    pub snapshots: Vec<Offset>,
    /// Files of segments that are gone but for these: a full disk had no room for their last names.
    pub litter: Vec<(Offset, &'static str)>,
    /// Every segment below has its final files, durably.
    pub finished_end: Offset,
    /// Where indexes and snapshot on disk were last complete.
    pub complete_at: Offset,
    /// What opening left to [`LogHost::confirm`](crate::log::LogHost::confirm).
    pub unconfirmed: Unconfirmed,
}

impl OnDisk {
    /// What opening found, and what it did not write.
    pub fn new(loaded: &Loaded, epochs_changed: bool) -> Self {
        Self {
            dir_is_there: loaded.dir_is_there,
            dir_is_made: false,
            epochs_changed,
            active: None,
            active_used: false,
            spreads: false,
            has_reserve: false,
            unfinished: Vec::new(),
            metadata_unsynced: false,
            epochs_unsynced: false,
            names_changed: false,
            dir_is_new: false,
            snapshots: loaded.snapshots.clone(),
            litter: Vec::new(),
            finished_end: loaded.active.base,
            // An incomplete log is completed when it closes, whether or not something was appended.
            complete_at: if loaded.complete { loaded.end } else { Offset(-1) },
            unconfirmed: loaded.unconfirmed,
        }
    }

    /// Notes a producer snapshot at `end` beside the others.
    pub fn note_snapshot(&mut self, end: Offset) {
        self.snapshots.retain(|offset| *offset != end);
        self.snapshots.push(end);
        self.snapshots.sort_unstable();
    }

    pub fn is_finished(&self) -> bool {
        self.unfinished.is_empty()
    }
}

/// What one sync makes durable; see [`Log::take_due`].
struct Due {
    target: Offset,
    active: Option<File>,
    active_path: String,
    unfinished: Vec<Unfinished>,
    /// Something was written to the active segment, whether or not its file is open.
    data_unsynced: bool,
    small: [(&'static str, bool); 2],
    names_changed: bool,
    dir_is_new: bool,
}

/// What the writer does next.
pub enum Step {
    Write { at: u64, end: Offset, slices: Vec<Bytes>, bytes: usize },
    Epochs(Vec<u8>),
    Roll { old: Box<Active>, base: Offset, snapshot: ProducersView },
}

/// Smaller writes behind the journal are left to the next sync: asking costs a thread's wake.
const SPREAD_BYTES_MIN: usize = 256 << 10;
/// Bytes of one gathered write; more waits for the next.
const WRITE_BYTES_MAX: usize = 8 << 20;

impl Log {
    fn spawn_writer(&self) {
        let log = self.rc();
        self.host.env.spawn(async move { log.run_writer().await });
    }

    /// Starts writing what waits now to the partition's files, if anything does.
    pub(super) fn write_behind(&self) {
        let mut state = self.state.borrow_mut();
        state.behind.lags = false;
        state.behind.to_write = state.queue.len();
        let is_due = state.behind.to_write != 0 || state.has_step_again();
        if is_due && !std::mem::replace(&mut state.writer_runs, true) {
            drop(state);
            self.spawn_writer();
        }
    }

    /// Waits until the partition's files have everything below `end`, writing what waits.
    ///
    /// A log that was deleted meanwhile is fine. Errors: also while the disk is full.
    pub(super) async fn written_to(&self, end: Offset) -> Result<(), DiskError> {
        loop {
            match self.offline() {
                Some(error) if error.source == IoError::Stopped => return Ok(()),
                Some(error) => return Err(error),
                None => {}
            }
            if end <= self.written_end() {
                return Ok(());
            }
            if let Some(error) = self.state.borrow().full_disk() {
                return Err(error.clone());
            }
            self.write_behind();
            self.quiet.changed().await;
        }
    }

    async fn run_writer(&self) {
        loop {
            let Some(step) = self.next_step() else { break };
            match self.perform(&step).await {
                Ok(opened) => self.performed(step, opened),
                Err(error) if error.is_full() => {
                    self.stall(Some(step), error);
                    break;
                }
                Err(error) => {
                    self.fail(error);
                    break;
                }
            }
            self.end_stall();
        }
        self.state.borrow_mut().writer_runs = false;
        self.quiet.notify_all();
    }

    /// Takes the batches up to the next other item as one write.
    fn next_step(&self) -> Option<Step> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        match state.next_after_stall() {
            Next::Queue => {}
            Next::Again(step) => return Some(step),
            Next::Nothing => return None,
        }
        if state.behind.mode == Mode::File {
            state.behind.to_write = state.queue.len();
        }
        // In journal mode what came since waits for more of its like.
        state.behind.to_write = state.behind.to_write.checked_sub(1)?;
        match state.queue.pop_front()? {
            Item::Epochs(text) => Some(Step::Epochs(text)),
            Item::Roll { old, base, snapshot } => Some(Step::Roll { old, base, snapshot }),
            Item::Batch { position: at, mut end, slices } => {
                let mut slices = Vec::from(slices);
                let mut bytes: usize = slices.iter().map(|slice| slice.len()).sum();
                while let Some(Item::Batch { .. }) = state.queue.front()
                    && bytes < WRITE_BYTES_MAX
                    && 0 < state.behind.to_write
                {
                    state.behind.to_write -= 1;
                    let Some(Item::Batch { end: next, slices: more, .. }) = state.queue.pop_front()
                    else {
                        unreachable!("just seen")
                    };
                    bytes += more.iter().map(|slice| slice.len()).sum::<usize>();
                    end = next;
                    slices.extend(more);
                }
                Some(Step::Write { at, end, slices, bytes })
            }
        }
    }

    /// Does a step on the disk; done again after a full disk it comes to the same.
    async fn perform(&self, step: &Step) -> Result<Option<File>, DiskError> {
        self.prepare_dir().await?;
        match step {
            Step::Write { at, end, slices, bytes } => {
                let base = self.state.borrow().active_base_on_disk(*end);
                let path = file_path(&self.dir, base, LOG);
                let file = self.active_file(&path, *at).await?;
                self.files.write(&file, &path, *at, slices.clone()).await?;
                self.spread(file, *at, *bytes);
                Ok(None)
            }
            Step::Epochs(text) => {
                let path = format!("{}/{EPOCHS}", self.dir);
                let temporary = format!("{path}.tmp");
                self.files.rewrite(&temporary, text.clone()).await?;
                self.files.rename(&temporary, &path).await?;
                Ok(None)
            }
            Step::Roll { base, .. } => {
                let path = file_path(&self.dir, *base, LOG);
                let file = self.files.open(&path, OpenHow::Create).await?;
                self.reserve_segment(&file, &path).await;
                Ok(Some(file))
            }
        }
    }

    /// Notes a step that was done, and the file that it opened.
    fn performed(&self, step: Step, opened: Option<File>) {
        match step {
            Step::Write { end, bytes, .. } => {
                add(&self.host.counters.writes_total, 1);
                add(&self.host.counters.written_bytes_total, bytes as u64);
                self.event(LogEvent::Written(end));
                self.wrote(end, bytes);
            }
            Step::Epochs(_) => {
                // The next sync makes it durable; until then recovery can build it again.
                let mut state = self.state.borrow_mut();
                state.on_disk.epochs_unsynced = true;
                state.on_disk.names_changed = true;
            }
            Step::Roll { old, base, snapshot } => {
                let mut state = self.state.borrow_mut();
                let file = std::mem::replace(&mut state.on_disk.active, opened);
                state.on_disk.names_changed = true;
                let unfinished = Unfinished { file, segment: old, end: base, snapshot };
                let is_kept = unfinished.file.is_some();
                state.on_disk.unfinished.push(unfinished);
                self.start_sync_if_due(&mut state);
                drop(state);
                if !is_kept {
                    self.host.open_files.keep_active(self.this.clone());
                }
            }
        }
    }

    /// Lets a large write begin its way to the device, so that the next checkpoint's sync, all at
    /// once, does not hold up the journal's writes.
    fn spread(&self, file: File, at: u64, bytes: usize) {
        let mut state = self.state.borrow_mut();
        let is_due = state.behind.mode == Mode::Journal && SPREAD_BYTES_MIN <= bytes;
        // One at a time: a slow device gets no more of them than it ends.
        if is_due && !std::mem::replace(&mut state.on_disk.spreads, true) {
            let log = self.rc();
            self.host.env.spawn(async move {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                log.host.env.start_write_back(&file, at, bytes).await;
                log.state.borrow_mut().on_disk.spreads = false;
            });
        }
    }

    /// Makes the directory and says whose it is, before the first byte of data.
    async fn prepare_dir(&self) -> Result<(), DiskError> {
        if self.state.borrow().on_disk.dir_is_there {
            return Ok(());
        }
        if !self.state.borrow().on_disk.dir_is_made {
            if self.files.exists(&self.dir).await? {
                self.clear_place().await?;
            }
            self.files.create_dir_all(&self.dir).await?;
            self.state.borrow_mut().on_disk.dir_is_made = true;
        }
        let path = format!("{}/{METADATA}", self.dir);
        let text = encode_metadata(self.place.topic_id).into_bytes();
        // It is new, or holds a part of this very text.
        let file = self.files.open(&path, OpenHow::Create).await?;
        self.files.write(&file, &path, 0, vec![Bytes::from(text)]).await?;
        let mut state = self.state.borrow_mut();
        state.on_disk.metadata_unsynced = true;
        state.on_disk.dir_is_there = true;
        state.on_disk.dir_is_new = true;
        state.on_disk.names_changed = true;
        Ok(())
    }

    /// A topic of the same name was deleted, and a crash brought its directory back: it goes.
    ///
    /// A directory that may be this partition's own is never touched.
    async fn clear_place(&self) -> Result<(), DiskError> {
        let owner = owner_beside(&self.files, &self.dir, self.place.topic_id).await?;
        let names = self.files.names(&self.dir).await?;
        let has_data = names.iter().any(|name| name.ends_with(LOG));
        if owner == Some(self.place.topic_id) || (owner.is_none() && has_data) {
            return Err(DiskError::new("create directory", &self.dir, IoError::AlreadyExists));
        }
        let delay_ms = self.config().file_delete_delay_ms;
        move_away(&self.host, &self.place, delay_ms).await
    }

    /// The file of the active segment, to write at `at`.
    async fn active_file(&self, path: &str, at: u64) -> Result<File, DiskError> {
        {
            let on_disk = &mut self.state.borrow_mut().on_disk;
            if let Some(file) = &on_disk.active {
                on_disk.active_used = true;
                return Ok(file.clone());
            }
        }
        let file = self.files.open(path, OpenHow::Create).await?;
        if at == 0 {
            self.reserve_segment(&file, path).await;
        }
        {
            let on_disk = &mut self.state.borrow_mut().on_disk;
            on_disk.active = Some(file.clone());
            on_disk.names_changed |= at == 0;
        }
        self.host.open_files.keep_active(self.this.clone());
        Ok(file)
    }

    fn wrote(&self, end: Offset, bytes: usize) {
        self.advance(|state| {
            self.note_written(state, bytes);
            state.progress.written(end);
            self.start_sync_if_due(state);
        });
        self.quiet.notify_all();
    }

    /// Notes that the journal has, durably, what was given to it below `end`.
    pub(super) fn journaled(&self, end: Offset) {
        self.event(LogEvent::Journaled(end));
        self.advance(|state| state.progress.journaled(end));
    }

    /// Moves the ends, unless the log is offline, and wakes everybody who waited for that.
    fn advance(&self, change: impl FnOnce(&mut State)) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        if matches!(state.life, Life::Offline(_)) {
            return;
        }
        let readable = state.progress.high_watermark;
        change(&mut state);
        let (safe, stable) = (state.progress.safe_end, state.progress.stable_end);
        state.safe_waiters.take(safe, &mut wakers);
        state.stable_waiters.take(stable, &mut wakers);
        let reached = state.progress.high_watermark;
        if readable < reached {
            state.watchers.take(reached, &mut wakers);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What a sync of the whole file system that begins now makes durable of this log's files.
    ///
    /// It syncs the names too; but until it has ended, a sync of the file alone must not count on
    /// that.
    pub(super) fn written_end(&self) -> Offset {
        self.state.borrow().progress.written_end
    }

    /// That sync has succeeded. A log for which nobody asked acks=all since goes back to its file.
    pub(super) fn end_checkpoint(&self, end: Offset) {
        self.event(LogEvent::Synced(end));
        self.advance(|state| {
            state.progress.synced(end);
            if !std::mem::take(&mut state.behind.wanted) {
                state.behind.mode = Mode::File;
            }
        });
        self.write_behind();
    }

    /// Starts the sync task when somebody waits for what is written and not yet stable.
    pub(super) fn start_sync_if_due(&self, state: &mut State) {
        if state.sync_runs || !state.sync_is_due() {
            return;
        }
        state.sync_runs = true;
        let log = self.rc();
        self.host.env.spawn(async move { log.run_sync().await });
    }

    /// Syncs until nobody waits for more of what is written; each sync serves all that came
    /// before it.
    async fn run_sync(&self) {
        loop {
            if let Err(error) = self.sync_once().await {
                self.fail_sync(error);
            }
            let mut state = self.state.borrow_mut();
            if !state.sync_is_due() {
                state.sync_runs = false;
                drop(state);
                self.quiet.notify_all();
                return;
            }
        }
    }

    async fn sync_once(&self) -> Result<(), DiskError> {
        let started = self.host.env.now();
        let due = self.take_due();
        let finished = self.finish_segments(due.unfinished).await?;
        for (name, unsynced) in due.small {
            if unsynced {
                self.sync_path(&format!("{}/{name}", self.dir)).await?;
            }
        }
        match &due.active {
            Some(file) => self.files.sync(file, &due.active_path).await?,
            None if due.data_unsynced => self.sync_path(&due.active_path).await?,
            None => {}
        }
        if due.names_changed || finished.is_some() {
            self.files.sync_dir(&self.dir).await?;
        }
        if due.dir_is_new {
            self.files.sync_dir(&self.place.dir).await?;
        }
        add(&self.host.counters.syncs_total, 1);
        let nanos = self.host.env.now().0 - started.0;
        self.host.counters.fsync_seconds.observe_ns(nanos);
        self.event(LogEvent::Synced(due.target));
        if let Some(end) = finished {
            self.state.borrow_mut().on_disk.finished_end = end;
            self.quiet.notify_all();
        }
        self.advance(|state| state.progress.synced(due.target));
        Ok(())
    }

    /// Makes closed segments durable, and completes their files as far as the disk has room; gives
    /// the end of the last that is complete.
    async fn finish_segments(
        &self,
        segments: Vec<Unfinished>,
    ) -> Result<Option<Offset>, DiskError> {
        for segment in &segments {
            self.sync_closed(segment).await?;
        }
        let mut finished = None;
        let mut left = segments.into_iter().peekable();
        // In order: a snapshot says that all below it is complete.
        while let Some(segment) = left.next_if(|_| self.state.borrow().may_finish()) {
            match self.finish_segment(&segment).await {
                Ok(()) => {
                    finished = Some(segment.end);
                    segment.snapshot.discard(&self.host.env);
                }
                Err(error) if error.is_full() => {
                    self.stall(None, error);
                    let mut state = self.state.borrow_mut();
                    let rest = std::iter::once(segment).chain(left);
                    state.on_disk.unfinished.splice(..0, rest);
                    return Ok(finished);
                }
                Err(error) => return Err(error),
            }
        }
        let rest: Vec<_> = left.collect();
        let all = rest.is_empty();
        self.state.borrow_mut().on_disk.unfinished.splice(..0, rest);
        if all {
            self.end_stall();
        }
        Ok(finished)
    }

    pub(super) async fn sync_path(&self, path: &str) -> Result<(), DiskError> {
        let file = self.files.open(path, OpenHow::ReadWrite).await?;
        self.files.sync(&file, path).await
    }

    /// A failed sync: the kernel has forgotten what it could not write, of any file there.
    fn fail_sync(&self, error: DiskError) {
        if error.source == IoError::Stopped {
            self.fail(error);
        } else {
            self.home.fail(&error);
        }
    }

    /// Everything that one sync must make durable for its target, taken at one moment.
    fn take_due(&self) -> Due {
        let mut state = self.state.borrow_mut();
        let target = state.progress.written_end;
        let active_path = file_path(&self.dir, state.active_base_on_disk(target), LOG);
        let data_unsynced = state.progress.synced_end < target;
        let on_disk = &mut state.on_disk;
        Due {
            target,
            active: on_disk.active.clone(),
            active_path,
            data_unsynced,
            unfinished: std::mem::take(&mut on_disk.unfinished),
            small: [
                (METADATA, std::mem::take(&mut on_disk.metadata_unsynced)),
                (EPOCHS, std::mem::take(&mut on_disk.epochs_unsynced)),
            ],
            names_changed: std::mem::take(&mut on_disk.names_changed),
            dir_is_new: std::mem::take(&mut on_disk.dir_is_new),
        }
    }

    /// Makes everything that was appended so far survive a power cut.
    pub async fn flush(&self) -> Result<(), DiskError> {
        let end = {
            let mut state = self.state.borrow_mut();
            let end = state.progress.log_end;
            // In journal mode all of it is on its way already.
            if state.behind.mode == Mode::File {
                state.want_stable = state.want_stable.max(end);
                self.start_sync_if_due(&mut state);
            }
            end
        };
        Ack::stable(self.rc(), end).await
    }
}

impl State {
    fn sync_is_due(&self) -> bool {
        let progress = &self.progress;
        !matches!(self.life, Life::Offline(_))
            && ((!self.on_disk.is_finished() && self.may_finish())
                || (progress.synced_end < self.want_stable
                    && progress.synced_end < progress.written_end))
    }

    /// Base of the segment that a batch ending at `end` belongs to.
    fn active_base_on_disk(&self, end: Offset) -> Offset {
        if self.active.base < end || self.closed.is_empty() {
            return self.active.base;
        }
        let below = self.closed.range(..end).next_back();
        below.map_or(self.active.base, |(base, _)| *base)
    }
}
