//! Writing behind the appends: one task writes, one syncs; both exist only while there is work.
//!
//! Owns: the queue's other end, group commit, what on disk is not yet durable.
//! Leaves to others: what a closed segment's files hold (`closing`).
//! Invariant: items leave in order; the safe end rises after a write, the stable end only after
//! syncs of everything below it: older segments first, then the active file, then the names.
//! Start reading at: [`Log::run_writer`], then [`Log::sync_once`].
use std::task::Waker;

use crate::base::Bytes;
use crate::env::{File, IoError, OpenHow};
use crate::log::append::Ack;
use crate::log::checkpoint::encode_metadata;
use crate::log::names::{EPOCHS, LOG, METADATA, file_path};
use crate::log::owner::{move_away, owner_of};
use crate::log::segment::Active;
use crate::log::{DiskError, Life, Log, LogEvent, State, add};
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
        snapshot: Vec<u8>,
    },
}

/// A closed segment whose files are not yet complete and durable.
pub struct Unfinished {
    /// `None` when nothing was written to it since the log was opened.
    pub file: Option<File>,
    pub segment: Box<Active>,
    pub end: Offset,
    pub snapshot: Vec<u8>,
}

/// What is known of the partition's files, and what a crash could still take.
pub struct OnDisk {
    pub dir_is_there: bool,
    pub epochs_changed: bool,
    /// The active segment's file, once something was written since the log was opened.
    pub active: Option<File>,
    unfinished: Vec<Unfinished>,
    metadata: Option<File>,
    epochs: Option<File>,
    names_changed: bool,
    dir_is_new: bool,
    /// Producer snapshots written or found, ascending.
    pub snapshots: Vec<Offset>,
    /// Every segment below has its final files, durably.
    pub finished_end: Offset,
    /// Where indexes and snapshot on disk were last complete.
    pub complete_at: Offset,
}

impl OnDisk {
    pub fn new(dir_is_there: bool, epochs_changed: bool, snapshots: Vec<Offset>) -> Self {
        Self {
            dir_is_there,
            epochs_changed,
            active: None,
            unfinished: Vec::new(),
            metadata: None,
            epochs: None,
            names_changed: false,
            dir_is_new: false,
            snapshots,
            finished_end: Offset(0),
            complete_at: Offset(0),
        }
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
    small: [(&'static str, Option<File>); 2],
    names_changed: bool,
    dir_is_new: bool,
}

/// What the writer does next.
enum Step {
    Write { at: u64, end: Offset, slices: Vec<Bytes>, bytes: usize },
    Epochs(Vec<u8>),
    Roll { old: Box<Active>, base: Offset, snapshot: Vec<u8> },
}

/// Bytes of one gathered write; more waits for the next.
const WRITE_BYTES_MAX: usize = 8 << 20;

impl Log {
    pub(super) fn spawn_writer(&self) {
        let log = self.this.upgrade().expect("called through an Rc");
        self.host.env.spawn(async move { log.run_writer().await });
    }

    async fn run_writer(&self) {
        loop {
            let Some(step) = self.next_step() else { break };
            if let Err(error) = self.perform(step).await {
                self.fail(error);
                break;
            }
        }
        self.state.borrow_mut().writer_runs = false;
        self.quiet.notify_all();
    }

    /// Takes the batches up to the next other item as one write.
    fn next_step(&self) -> Option<Step> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        match state.queue.pop_front()? {
            Item::Epochs(text) => Some(Step::Epochs(text)),
            Item::Roll { old, base, snapshot } => Some(Step::Roll { old, base, snapshot }),
            Item::Batch { position: at, mut end, slices } => {
                let mut slices = Vec::from(slices);
                let mut bytes: usize = slices.iter().map(|slice| slice.len()).sum();
                while let Some(Item::Batch { .. }) = state.queue.front()
                    && bytes < WRITE_BYTES_MAX
                {
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

    async fn perform(&self, step: Step) -> Result<(), DiskError> {
        self.prepare_dir().await?;
        match step {
            Step::Write { at, end, slices, bytes } => {
                let base = self.state.borrow().active_base_on_disk(end);
                let path = file_path(&self.dir, base, LOG);
                let file = self.active_file(&path).await?;
                self.files.write(&file, &path, at, slices).await?;
                add(&self.host.counters.writes_total, 1);
                add(&self.host.counters.written_bytes_total, bytes as u64);
                self.event(LogEvent::Written(end));
                self.became_safe(end, bytes);
                Ok(())
            }
            Step::Epochs(text) => {
                let path = format!("{}/{EPOCHS}", self.dir);
                let temporary = format!("{path}.tmp");
                let bytes = text.len() as u64;
                let file = self.files.open(&temporary, OpenHow::Create).await?;
                self.files.write(&file, &temporary, 0, vec![Bytes::from(text)]).await?;
                self.files.truncate(&file, &temporary, bytes).await?;
                self.files.rename(&temporary, &path).await?;
                // The next sync makes it durable; until then recovery can build it again.
                let mut state = self.state.borrow_mut();
                state.on_disk.epochs = Some(file);
                state.on_disk.names_changed = true;
                Ok(())
            }
            Step::Roll { old, base, snapshot } => {
                let path = file_path(&self.dir, base, LOG);
                let next = self.files.open(&path, OpenHow::Create).await?;
                let mut state = self.state.borrow_mut();
                let file = state.on_disk.active.replace(next);
                state.on_disk.names_changed = true;
                let unfinished = Unfinished { file, segment: old, end: base, snapshot };
                state.on_disk.unfinished.push(unfinished);
                self.start_sync_if_due(&mut state);
                Ok(())
            }
        }
    }

    /// Makes the directory and says whose it is, before the first byte of data.
    async fn prepare_dir(&self) -> Result<(), DiskError> {
        if self.state.borrow().on_disk.dir_is_there {
            return Ok(());
        }
        if self.files.exists(&self.dir).await? {
            self.clear_place().await?;
        }
        self.files.create_dir_all(&self.dir).await?;
        let path = format!("{}/{METADATA}", self.dir);
        let file = self.files.open(&path, OpenHow::Create).await?;
        let text = Bytes::from(encode_metadata(self.place.topic_id));
        self.files.write(&file, &path, 0, vec![text]).await?;
        let mut state = self.state.borrow_mut();
        state.on_disk.metadata = Some(file);
        state.on_disk.dir_is_there = true;
        state.on_disk.dir_is_new = true;
        state.on_disk.names_changed = true;
        Ok(())
    }

    /// A topic of the same name was deleted, and a crash brought its directory back: it goes.
    ///
    /// A directory that may be this partition's own is never touched.
    async fn clear_place(&self) -> Result<(), DiskError> {
        let owner = owner_of(&self.files, &self.dir).await?;
        let names = self.files.names(&self.dir).await?;
        let has_data = names.iter().any(|name| name.ends_with(LOG));
        if owner == Some(self.place.topic_id) || (owner.is_none() && has_data) {
            return Err(DiskError::new("create directory", &self.dir, IoError::AlreadyExists));
        }
        let delay_ms = self.config().file_delete_delay_ms;
        move_away(&self.host, &self.place, delay_ms).await
    }

    async fn active_file(&self, path: &str) -> Result<File, DiskError> {
        if let Some(file) = &self.state.borrow().on_disk.active {
            return Ok(file.clone());
        }
        let file = self.files.open(path, OpenHow::Create).await?;
        let mut state = self.state.borrow_mut();
        state.on_disk.active = Some(file.clone());
        state.on_disk.names_changed = true;
        Ok(file)
    }

    fn became_safe(&self, end: Offset, bytes: usize) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        if matches!(state.life, Life::Offline(_)) {
            return;
        }
        state.queue_bytes -= bytes;
        self.host.queued.set(self.host.queued.get() - bytes);
        let more = state.progress.safe(end);
        state.safe_waiters.take(end, &mut wakers);
        if more {
            let reached = state.progress.high_watermark;
            state.watchers.take(reached, &mut wakers);
        }
        self.start_sync_if_due(&mut state);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Starts the sync task when somebody waits for what is written and not yet stable.
    pub(super) fn start_sync_if_due(&self, state: &mut State) {
        if state.sync_runs || !state.sync_is_due() {
            return;
        }
        state.sync_runs = true;
        let log = self.this.upgrade().expect("called through an Rc");
        self.host.env.spawn(async move { log.run_sync().await });
    }

    /// Syncs until nobody waits for more of what is written; each sync serves all that came
    /// before it.
    async fn run_sync(&self) {
        loop {
            if let Err(error) = self.sync_once().await {
                self.fail(error);
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
        let (due, started) = (self.take_due(), self.host.env.now());
        let finished = due.unfinished.last().map(|last| last.end);
        for segment in due.unfinished {
            self.finish_segment(segment).await?;
        }
        for (name, file) in due.small {
            if let Some(file) = file {
                self.files.sync(&file, &format!("{}/{name}", self.dir)).await?;
            }
        }
        if let Some(file) = due.active {
            self.files.sync(&file, &due.active_path).await?;
        }
        if due.names_changed || finished.is_some() {
            self.files.sync_dir(&self.dir).await?;
        }
        if due.dir_is_new {
            self.files.sync_dir(&self.place.dir).await?;
        }
        add(&self.host.counters.syncs_total, 1);
        let nanos = self.host.env.now().0 - started.0;
        self.host.count(|metrics| {
            metrics.syncs_total.inc();
            metrics.fsync_seconds.observe_ns(nanos);
        });
        self.event(LogEvent::Synced(due.target));
        if let Some(end) = finished {
            self.state.borrow_mut().on_disk.finished_end = end;
            self.quiet.notify_all();
        }
        self.became_stable(due.target);
        Ok(())
    }

    /// Everything that one sync must make durable for its target, taken at one moment.
    fn take_due(&self) -> Due {
        let mut state = self.state.borrow_mut();
        let target = state.progress.safe_end;
        let active_path = file_path(&self.dir, state.active_base_on_disk(target), LOG);
        let on_disk = &mut state.on_disk;
        Due {
            target,
            active: on_disk.active.clone(),
            active_path,
            unfinished: std::mem::take(&mut on_disk.unfinished),
            small: [(METADATA, on_disk.metadata.take()), (EPOCHS, on_disk.epochs.take())],
            names_changed: std::mem::take(&mut on_disk.names_changed),
            dir_is_new: std::mem::take(&mut on_disk.dir_is_new),
        }
    }

    fn became_stable(&self, end: Offset) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        if matches!(state.life, Life::Offline(_)) {
            return;
        }
        let more = state.progress.stable(end);
        state.stable_waiters.take(end, &mut wakers);
        if more {
            let reached = state.progress.high_watermark;
            state.watchers.take(reached, &mut wakers);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Makes everything that was appended so far survive a power cut.
    pub async fn flush(&self) -> Result<(), DiskError> {
        let end = {
            let mut state = self.state.borrow_mut();
            let end = state.progress.log_end;
            state.want_stable = state.want_stable.max(end);
            self.start_sync_if_due(&mut state);
            end
        };
        Ack::stable(self.this.upgrade().expect("called through an Rc"), end).await
    }
}

impl State {
    fn sync_is_due(&self) -> bool {
        let progress = &self.progress;
        !matches!(self.life, Life::Offline(_))
            && (!self.on_disk.is_finished()
                || (progress.stable_end < self.want_stable
                    && progress.stable_end < progress.safe_end))
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
