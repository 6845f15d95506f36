//! The log of one partition: Kafka's own files, group-committed, read from memory or disk.
//!
//! Owns: a partition's directory, its segments and indexes, the three ends, producer state,
//! recovery after any crash, compaction.
//! Leaves to others: which partitions exist (`cluster`), who may write and what errors cost
//! (`api`), when to compact or delete and where recovery points are kept (`shard`).
//! Invariant: what is acknowledged with acks=all, and what anybody has read, is never taken back;
//! durability is a prefix property; after a failed write or sync nothing more is accepted.
//! Start reading at: [`Log::open`], [`Log::append`]; then [`writer`], [`recovery`], [`read`].
//! Source: the design's sections 3 and 4; Kafka `UnifiedLog`, `LogSegment`, `LogLoader`.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use crate::env::local::Notify;
use crate::env::{Env, IoError};
use crate::model::{LeaderEpoch, Offset, PartitionIndex, ProducerId, TopicId};
use crate::observe::{Counter, LogMetrics};

mod append;
mod bookmarks;
pub mod checkpoint;
mod chunks;
mod closing;
mod cold;
mod compact;
mod config;
mod confirm;
mod dir;
mod disk;
mod epochs;
mod examine;
mod flush;
mod found;
mod gather;
mod graveyard;
mod index;
mod journal;
mod names;
mod open_files;
mod owner;
mod preallocate;
mod producers;
mod progress;
mod read;
mod recovery;
mod removal;
mod repair;
mod retention;
mod room;
mod scan;
mod segment;
mod settle;
mod snapshot;
mod stall;
mod start_offset;
mod tail;
mod timestamps;
mod waiters;
mod writer;

pub use append::{Ack, Acks, AppendError, Appended};
pub use cold::ColdLimits;
pub use compact::{
    Cleanable, CompactError, CompactionJob, CompactionPolicy, CompactionReport, PassBatch,
    PassLimits, PassMode, PassRange, PolicyError, PolicySource, Scope,
};
pub use config::LogConfig;
pub use dir::LogDir;
pub use disk::{DiskError, Files};
pub use epochs::{EpochCache, EpochStart};
pub use examine::unnoticed_damage;
pub use found::{FoundPartition, look_into, walk};
pub use graveyard::Remains;
pub use journal::{JournalError, LastStop, Replayed, journals_hold_batches, replay};
pub use names::{LogPlace, is_delete_name};
pub use owner::evict;
pub use producers::{SequenceError, WINDOW_BATCHES_MAX};
pub use progress::Ends;
pub use read::{FirstBatch, Found, ReadError, Watch};
pub use repair::cut_away;
pub use retention::Removed;
pub use scan::{Check, Scanner, Walked};
pub use start_offset::DeleteRecordsError;
pub use timestamps::{TimestampError, TimestampHit};

use bookmarks::Bookmarks;
use cold::{ColdReads, Seat};
use dir::OnFailure;
use disk::OnFailedSync;
use flush::{FlushAt, FlushTimes};
use graveyard::Graveyard;
use journal::{Fence, Journal};
use open_files::OpenFiles;
use producers::Producers;
use progress::{Need, Progress};
use recovery::Loaded;
use room::Room;
use segment::{Active, Closed, ClosedSegments};
use settle::Settled;
use stall::Stall;
use start_offset::ListedStarts;
use tail::{Tail, TailLedger};
use waiters::Waiters;
use writer::{Item, OnDisk};

/// How the files of a partition were left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The partition was just created: nothing on disk is its.
    New,
    /// The broker stopped in order; files are trusted after cheap checks.
    Clean,
    /// A crash. Below `recovery_point` everything was stable once.
    Unclean { recovery_point: Option<Offset> },
    /// A crash of Apache Kafka, whose producer snapshots may be there before the data below them.
    Foreign { recovery_point: Option<Offset> },
}

impl Start {
    /// The same after a crash whose journals have shown everything below `stable` to be stable.
    fn not_below(self, stable: Option<Offset>) -> Self {
        match self {
            Self::Unclean { recovery_point } => {
                Self::Unclean { recovery_point: recovery_point.max(stable) }
            }
            other => other,
        }
    }
}

/// Why a partition's log cannot be opened. The partition is offline then.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(
        "{path} is damaged at byte {position} ({why}), below the recovery point {recovery_point}: \
         not cut, because it was acknowledged as durable"
    )]
    Corrupt { path: String, position: u64, why: &'static str, recovery_point: Offset },
    #[error("{path} ends at offset {end}, below the recovery point {recovery_point}")]
    Short { path: String, end: Offset, recovery_point: Offset },
    #[error("{path} belongs to topic id {found}, expected {expected}")]
    ForeignTopic { path: String, found: crate::model::TopicId, expected: crate::model::TopicId },
}

/// What happened to a log, in order; for tests and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// The page cache has everything below.
    Written(Offset),
    /// The device has everything below in the partition's own files.
    Synced(Offset),
    /// The journal has what was given to it below, durably.
    Journaled(Offset),
    /// An append that ended there was answered.
    Acked(Offset, Acks),
}

/// What recovery found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub segments_scanned: u64,
    /// Bytes cut off as a torn tail.
    pub bytes_cut: u64,
    /// Bytes of batches that were read again, for checksums or producers.
    pub bytes_read: u64,
    pub segments_dropped: u64,
    pub indexes_rebuilt: u64,
    /// Compactions that a crash had interrupted: completed or dropped.
    pub swaps_completed: u64,
    /// What was found wrong, in the order in which it was found.
    pub damage: Vec<Damage>,
}

/// Something wrong with a file, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: String,
    /// Byte in the file; `None`: the file as a whole.
    pub position: Option<u64>,
    pub what: &'static str,
    pub done: &'static str,
}

/// What all logs of one shard share.
#[derive(Clone)]
pub struct LogHost {
    pub env: Env,
    tail: Rc<TailLedger>,
    /// Bytes that logs of the shard accepted and did not yet write.
    queued: Rc<Cell<usize>>,
    queue_bytes_max: usize,
    /// What `log-start-offset-checkpoint` said when the process began.
    listed_starts: ListedStarts,
    graveyard: Graveyard,
    open_files: Rc<OpenFiles>,
    cold: Rc<ColdReads>,
    bookmarks: Rc<Bookmarks>,
    trace: Rc<RefCell<Option<Trace>>>,
    counters: LogMetrics,
    journal_bytes: u64,
    dirs: Dirs,
    barred: Barred,
    in_journals: Rc<RefCell<BTreeMap<(TopicId, PartitionIndex), InJournals>>>,
    on_dir_failure: OnFailure,
    flushes: Rc<FlushTimes>,
    files: Files,
}

type Dirs = Rc<RefCell<BTreeMap<Box<str>, Rc<LogDir>>>>;
type Trace = Rc<dyn Fn(&LogPlace, LogEvent)>;

/// What journals that are not empty yet hold of a log whose files have it, too.
#[derive(Clone, Copy, Debug)]
pub struct InJournals {
    pub from: Offset,
    /// Below it everything is stable.
    pub stable_end: Offset,
}

/// Logs that must not be opened, and why.
type Barred = Rc<RefCell<BTreeMap<(TopicId, PartitionIndex), DiskError>>>;

fn add(counter: &Counter, count: u64) {
    counter.inc_by(count);
}

impl LogError {
    /// Whether it may be opened once the disk has room again.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk(error) if error.is_full())
    }
}

impl LogHost {
    /// Both bounds are over all logs of the shard: `tail_bytes_max` of the batches kept in memory
    /// for readers, `queue_bytes_max` of what is accepted and not yet written; beyond it appends
    /// are refused until the disk follows. `journal_bytes` is the size of the shard's journal in
    /// each log directory; with 0 every partition is synced by itself.
    pub fn new(
        env: Env,
        metrics: LogMetrics,
        tail_bytes_max: usize,
        queue_bytes_max: usize,
        journal_bytes: u64,
    ) -> Self {
        let dirs = Dirs::default();
        let files = Files::watched(&env, fails_of(&dirs));
        Self {
            env,
            tail: TailLedger::new(tail_bytes_max),
            queued: Rc::default(),
            queue_bytes_max,
            listed_starts: ListedStarts::default(),
            graveyard: Graveyard::default(),
            open_files: Rc::new(OpenFiles::new(OPEN_FILES_MAX)),
            cold: ColdReads::new(metrics.readahead.clone()),
            bookmarks: Rc::default(),
            trace: Rc::default(),
            counters: metrics,
            journal_bytes,
            dirs,
            barred: Rc::default(),
            in_journals: Rc::default(),
            on_dir_failure: Rc::default(),
            flushes: Rc::default(),
            files,
        }
    }

    /// Files of which a failed sync takes their log directory offline on this shard, and so on all.
    pub fn files(&self) -> Files {
        self.files.clone()
    }

    /// At most so many files are kept open for later use.
    pub fn keep_open_files(&self, max: usize) {
        self.open_files.set_max(max);
    }

    /// What is read around the page cache, and with how much memory.
    pub fn read_cold_within(&self, limits: ColdLimits) {
        self.cold.set_limits(limits);
    }

    /// This shard's view of a log directory.
    pub fn dir(&self, path: &str) -> Rc<LogDir> {
        let mut dirs = self.dirs.borrow_mut();
        if let Some(dir) = dirs.get(path) {
            return dir.clone();
        }
        let (counters, queued) = (self.counters.clone(), self.queued.clone());
        let (bytes, room) = (self.journal_bytes, Room::new(&self.env, path, counters.clone()));
        let journal = Journal::new(self.files(), path, bytes, room.clone(), counters, queued);
        let dir = LogDir::new(&self.env, path, journal, room, self.on_dir_failure.clone());
        dirs.insert(path.into(), dir.clone());
        dir
    }

    /// Keeps logs from being opened: a journal has batches that their files did not take.
    pub fn bar(&self, failed: BTreeMap<(TopicId, PartitionIndex), DiskError>) {
        self.barred.borrow_mut().extend(failed);
    }

    /// Lets logs be opened that were barred.
    pub fn unbar(&self, keys: &[(TopicId, PartitionIndex)]) {
        let mut barred = self.barred.borrow_mut();
        barred.retain(|key, _| !keys.contains(key));
    }

    /// Whether a log cannot be opened before what a journal holds has room in its files.
    pub fn waits_for_journal(&self, key: &(TopicId, PartitionIndex)) -> bool {
        self.barred.borrow().get(key).is_some_and(DiskError::is_full)
    }

    /// Notes what journals that are not empty yet hold of logs that are opened later.
    pub fn note_in_journals(&self, held: BTreeMap<(TopicId, PartitionIndex), InJournals>) {
        self.in_journals.borrow_mut().extend(held);
    }

    /// Forgets that of these: the journals are empty.
    pub fn forget_in_journals(&self, keys: &[(TopicId, PartitionIndex)]) {
        let mut held = self.in_journals.borrow_mut();
        held.retain(|key, _| !keys.contains(key));
    }

    /// Removes what an earlier process left, in the background.
    pub fn remove_soon(&self, remains: Vec<Remains>) {
        self.graveyard.bury(&self.env, 0, remains);
    }

    /// Every log directory that a log was opened in.
    pub fn dirs(&self) -> Vec<Rc<LogDir>> {
        self.dirs.borrow().values().cloned().collect()
    }

    /// Calls `tell` with the path and the cause when a directory goes offline on this shard.
    pub fn on_dir_failure(&self, tell: impl Fn(&str, &DiskError) + 'static) {
        *self.on_dir_failure.borrow_mut() = Some(Rc::new(tell));
    }

    pub fn counters(&self) -> &LogMetrics {
        &self.counters
    }

    /// Bytes that logs of this shard accepted and did not yet write, but for logs that wait for
    /// room: theirs count in their directory alone.
    pub fn queued_bytes(&self) -> usize {
        self.queued.get()
    }

    /// Bytes that the tails of this shard hold.
    pub fn tail_bytes(&self) -> usize {
        self.tail.held_bytes()
    }

    /// Calls `trace` with every event of every log of this shard.
    pub fn set_trace(&self, trace: impl Fn(&LogPlace, LogEvent) + 'static) {
        *self.trace.borrow_mut() = Some(Rc::new(trace));
    }
}

/// The log of one partition. Lives on one shard; share it by `Rc`.
pub struct Log {
    host: LogHost,
    home: Rc<LogDir>,
    files: Files,
    place: LogPlace,
    /// The partition's own directory.
    dir: Arc<str>,
    this: Weak<Log>,
    state: RefCell<State>,
    tail: Tail,
    seat: Seat,
    /// A writer or a sync ended, or a closed segment is complete.
    quiet: Notify,
    recovered: Recovered,
}

/// Whether appends are taken.
#[derive(Clone, Debug)]
enum Life {
    Open,
    /// Closed or deleted on purpose.
    Closed,
    /// A write or sync failed: what the device holds is not certain any more.
    Offline(DiskError),
}

/// How batches of a log become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// By a write and a sync of the partition's own file.
    File,
    /// By the journal; the partition's files are written behind it.
    Journal,
}

/// How a log's files follow what was appended.
struct Behind {
    mode: Mode,
    /// An acks=all batch came since the last checkpoint.
    wanted: bool,
    /// Items of the queue that go to the files now; in file mode all do.
    to_write: usize,
    /// The journal knows that the files lag behind.
    lags: bool,
    fence: Fence,
}

impl Behind {
    fn new(fence: Fence) -> Self {
        Self { mode: Mode::File, wanted: false, to_write: 0, lags: false, fence }
    }
}

struct State {
    config: LogConfig,
    leader_epoch: LeaderEpoch,
    life: Life,
    progress: Progress,
    epochs: EpochCache,
    producers: Producers,
    closed: ClosedSegments,
    /// Closed segments with an open file, coldest first.
    warm: VecDeque<Rc<Closed>>,
    active: Active,
    behind: Behind,
    queue: VecDeque<Item>,
    queue_bytes: usize,
    /// The disk is full, and something waits for room.
    stall: Option<Box<Stall>>,
    writer_runs: bool,
    sync_runs: bool,
    /// A compaction or a removal of segments is at work; see [`removal::Hold`].
    compaction_runs: bool,
    /// Files are synced until they are durable below.
    want_stable: Offset,
    /// When what nobody asked to sync is synced.
    flush_at: Option<FlushAt>,
    on_disk: OnDisk,
    /// How much of the active segment its index files describe.
    settled: Settled,
    /// The segment whose index files are being extended.
    settling: Option<Offset>,
    safe_waiters: Waiters,
    stable_waiters: Waiters,
    watchers: Waiters,
}

/// Files that a shard keeps open, unless it is told another number.
const OPEN_FILES_MAX: usize = 512;

/// Closed segments that keep their file and index open.
const WARM_SEGMENTS_MAX: usize = 4;

impl Log {
    /// Opens or recovers one partition's log; to open many at once: [`Log::load`] each, then
    /// [`LogHost::confirm`] all.
    ///
    /// Errors: as for [`Log::load`], or the file system could not be synced.
    pub async fn open(
        host: &LogHost,
        place: LogPlace,
        config: LogConfig,
        leader_epoch: LeaderEpoch,
        start: Start,
    ) -> Result<Rc<Self>, LogError> {
        let log = Self::load(host, place, config, leader_epoch, start).await?;
        host.confirm(std::slice::from_ref(&log)).await;
        match log.offline() {
            Some(error) => Err(error.into()),
            None => Ok(log),
        }
    }

    /// Opens or recovers one partition's log, for nobody's use before [`LogHost::confirm`].
    ///
    /// Nothing is created: directory and files appear with the first append. The log start is what
    /// [`LogHost::list_starts`] was told, unless the partition is new.
    /// Errors: any means that the partition stays offline; files are left as they are, except that
    /// a torn tail above the recovery point may have been cut already. After one that says that the
    /// disk is full it can be tried again.
    pub async fn load(
        host: &LogHost,
        place: LogPlace,
        config: LogConfig,
        leader_epoch: LeaderEpoch,
        start: Start,
    ) -> Result<Rc<Self>, LogError> {
        let home = host.dir(&place.dir);
        let key = (place.topic_id, place.partition);
        let barred = host.barred.borrow().get(&key).cloned();
        if let Some(error) = home.failure().or(barred) {
            return Err(error.into());
        }
        let in_journals = || host.in_journals.borrow().get(&key).copied();
        let start = start.not_below(in_journals().map(|held| held.stable_end));
        home.room.begin().await;
        let files = host.files.clone();
        let dir: Arc<str> = place.path().into();
        let (mut loaded, log_start) = recover(host, &place, &dir, &config, start).await?;
        let end = loaded.end;
        let mut epochs = std::mem::take(&mut loaded.epochs);
        let mut epochs_changed = epochs.assign(leader_epoch, end);
        epochs_changed |= epochs.truncate_below(log_start);
        let on_disk = OnDisk::new(&loaded, epochs_changed);
        let mut active = loaded.active;
        active.jitter_ms = config.jitter_ms(&host.env);
        let state = State {
            config,
            leader_epoch,
            life: Life::Open,
            progress: Progress::new(log_start, end),
            epochs,
            producers: loaded.producers,
            closed: loaded.closed.into(),
            warm: VecDeque::new(),
            active,
            // Asked again: journals may have been emptied while the files were read.
            behind: Behind::new(Fence::opened(in_journals().map(|held| held.from), end)),
            queue: VecDeque::new(),
            queue_bytes: 0,
            stall: None,
            writer_runs: false,
            sync_runs: false,
            compaction_runs: false,
            want_stable: end,
            flush_at: None,
            on_disk,
            settled: loaded.settled,
            settling: None,
            safe_waiters: Waiters::default(),
            stable_waiters: Waiters::default(),
            watchers: Waiters::default(),
        };
        let log = Rc::new_cyclic(|this| Self {
            host: host.clone(),
            home: home.clone(),
            files,
            place,
            dir,
            this: this.clone(),
            state: RefCell::new(state),
            tail: Tail::new(host.tail.clone()),
            seat: host.cold.seat(),
            quiet: Notify::default(),
            recovered: loaded.report,
        });
        home.add(&log);
        Ok(log)
    }

    pub fn place(&self) -> &LogPlace {
        &self.place
    }

    /// What recovery did when this log was opened.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// All ends at this moment.
    pub fn ends(&self) -> Ends {
        let state = self.state.borrow();
        let progress = &state.progress;
        let unstable = state.producers.first_unstable();
        Ends {
            log_start: progress.log_start,
            log_end: progress.log_end,
            safe_end: progress.safe_end,
            stable_end: progress.stable_end,
            high_watermark: progress.high_watermark,
            last_stable_offset: unstable
                .map_or(progress.high_watermark, |first| first.min(progress.high_watermark)),
        }
    }

    /// Below it the partition's own files are durable; the shard keeps it in
    /// `recovery-point-offset-checkpoint`.
    pub fn recovery_point(&self) -> Offset {
        let state = self.state.borrow();
        // A closed segment counts once its indexes are durable too: recovery trusts them below.
        match state.on_disk.is_finished() && state.on_disk.finished_end == state.active.base {
            true => state.progress.synced_end,
            false => state.progress.synced_end.min(state.on_disk.finished_end),
        }
    }

    /// Why this log takes nothing more; `None` while it does.
    pub fn offline(&self) -> Option<DiskError> {
        match &self.state.borrow().life {
            Life::Offline(error) => Some(error.clone()),
            Life::Open | Life::Closed => None,
        }
    }

    pub fn config(&self) -> LogConfig {
        self.state.borrow().config.clone()
    }

    /// Changes settings; they apply from the next append on, `flush.ms` also to what is there.
    pub fn set_config(&self, config: LogConfig) {
        let mut state = self.state.borrow_mut();
        state.config = config;
        self.flush_in_time(&mut state);
    }

    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state.borrow().leader_epoch
    }

    /// Batches from now on carry `epoch`; a smaller one changes nothing.
    pub fn set_leader_epoch(&self, epoch: LeaderEpoch) {
        let mut state = self.state.borrow_mut();
        if epoch <= state.leader_epoch {
            return;
        }
        state.leader_epoch = epoch;
        let end = state.progress.log_end;
        let changed = state.epochs.assign(epoch, end);
        state.on_disk.epochs_changed |= changed;
    }

    /// Answer to OffsetForLeaderEpoch; `None`: that epoch is not known here.
    pub fn end_offset_for(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let state = self.state.borrow();
        state.epochs.end_offset_for(epoch, state.progress.log_end)
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.state.borrow().epochs.epoch_of(offset)
    }

    /// Largest producer id in this log's state: ids given out later start above.
    pub fn largest_producer_id(&self) -> Option<ProducerId> {
        self.state.borrow().producers.largest_id()
    }

    /// Producers remembered at this moment.
    pub fn producer_count(&self) -> usize {
        self.state.borrow().producers.len()
    }

    /// Bytes in closed segments and the active one.
    pub fn bytes(&self) -> u64 {
        let state = self.state.borrow();
        state.active.bytes + state.closed.bytes()
    }

    pub fn segment_count(&self) -> usize {
        self.state.borrow().closed.len() + 1
    }

    fn event(&self, event: LogEvent) {
        let trace = self.host.trace.borrow().clone();
        if let Some(trace) = trace {
            trace(&self.place, event);
        }
    }

    /// Takes the log offline: nothing is accepted any more, and nobody waits for ever.
    fn fail(&self, error: DiskError) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        if matches!(state.life, Life::Offline(_)) {
            return;
        }
        if error.source == IoError::Stopped {
            tracing::info!(partition = %self.dir, "log is stopped");
        } else {
            tracing::error!(partition = %self.dir, %error, "log is offline");
            add(&self.host.counters.offline_total, 1);
            let is_sync = error.action.starts_with("sync");
            add(&self.host.counters.sync_failures_total, is_sync.into());
        }
        state.life = Life::Offline(error);
        state.queue.clear();
        let queued = state.queue_bytes;
        self.note_written(&mut state, queued);
        state.stall = None;
        state.safe_waiters.take_all(&mut wakers);
        state.stable_waiters.take_all(&mut wakers);
        state.watchers.take_all(&mut wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.quiet.notify_all();
    }

    fn need_of(config: &LogConfig, acks: Acks) -> Need {
        match acks {
            Acks::All if config.flush_on_acks_all => Need::Stable,
            Acks::None | Acks::Leader | Acks::All => Need::Safe,
        }
    }
}

/// Takes the log directory offline in which a sync failed.
fn fails_of(dirs: &Dirs) -> OnFailedSync {
    let dirs = Rc::downgrade(dirs);
    Rc::new(move |error| {
        let Some(dirs) = dirs.upgrade() else { return };
        let dirs: Vec<Rc<LogDir>> = dirs.borrow().values().cloned().collect();
        let homes = dirs.iter().filter(|dir| lies_in(&error.path, &dir.path));
        if let Some(home) = homes.max_by_key(|dir| dir.path.len()) {
            home.fail(error);
        }
    })
}

fn lies_in(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the directory of a log comes to, and where the log starts.
async fn recover(
    host: &LogHost,
    place: &LogPlace,
    dir: &str,
    config: &LogConfig,
    start: Start,
) -> Result<(Loaded, Offset), LogError> {
    let files = host.files.clone();
    let listed = host.listed_starts.take(place);
    let least = listed.filter(|_| start != Start::New).unwrap_or(Offset(0));
    let loaded = recovery::load(&files, place, dir, config, start, least).await;
    if let (Err(_), Some(line)) = (&loaded, listed) {
        // For the next try.
        host.listed_starts.put(place, line);
    }
    let mut loaded = loaded?;
    host.remove_soon(std::mem::take(&mut loaded.litter));
    let log_start = loaded.first().max(least);
    Ok((loaded, log_start))
}

#[cfg(test)]
mod tests;
