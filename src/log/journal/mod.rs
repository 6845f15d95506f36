//! The journal of one shard and one log directory: all partitions of a turn in one durable write.
//!
//! Owns: the file, its ring of blocks, when files of partitions are written behind it, checkpoints.
//! Leaves to others: offsets and files of a partition (`Log`), which partitions use it (`append`).
//! Invariant: a block is written once the one before it is durable; a byte of a block that recovery
//! would need is never written again: the tail moves, durably, only after all that is before it
//! lies durably in the partitions' own files.
//! Start reading at: [`Journal::push`], then `writer`, `checkpoint`, and `replay` for what a start
//! makes of it.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use crate::base::Bytes;
use crate::base::aligned::AlignedBuf;
use crate::env::local::Notify;
use crate::env::{Env, File, Instant};
use crate::log::disk::Files;
use crate::log::room::Room;
use crate::log::{DiskError, Log};
use crate::model::{Offset, PartitionIndex, ShardId, TopicId};
use crate::observe::LogMetrics;

mod checkpoint;
mod fence;
mod format;
mod kept;
mod make;
mod pace;
mod plan;
mod replay;
mod ring;
mod walk;
mod writer;

pub use fence::Fence;
pub use format::EntryHead;
pub use replay::{JournalError, LastStop, Replayed, journals_hold_batches, replay};

use format::Slot;
use pace::Pace;
use ring::Ring;
use writer::Writer;

/// Larger batches go to their partition's file instead: on ext4 and XFS they then move more bytes
/// for less processor time, smaller ones the fewer (`benches/run --only journal-or-file`).
const BATCH_BYTES_MAX: u64 = 256 << 10;
/// So do batches larger than this share of the journal.
const BATCH_SHARE: u64 = 16;
/// Bytes that wait for the journal; beyond it partitions go by their own files.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Time after which what is in memory alone goes to the partitions' files, at the latest.
const BEHIND_MS: u64 = 500;
/// Bytes of one partition that are worth a write of their own.
pub const BEHIND_BYTES: usize = 1 << 20;
/// Bytes of all partitions together that wait for their files; beyond it all are written.
const BEHIND_ALL_BYTES: usize = 32 << 20;
/// Time after which a journal that is not empty is checkpointed: Kafka's interval of recovery
/// points.
const CHECKPOINT_MS: u64 = 60_000;

/// A batch on its way into the journal.
pub struct Entry {
    pub log: Rc<Log>,
    pub head: EntryHead,
    pub slices: [Bytes; 2],
}

enum Phase {
    /// Nobody needed it yet, or it could not be made: when to try again.
    Absent {
        retry: Instant,
    },
    /// Its blocks are being filled with zeroes.
    Making,
    Ready(File),
    /// The configuration or the file system has none.
    Off,
    /// A write or sync failed.
    Failed(DiskError),
}

/// Logs whose files are written at one moment, each of which is open then.
pub const SIDE_BY_SIDE: usize = 32;

/// Brings the files of each log up to its end, but for those that a full disk holds up; of the
/// errors, the first.
async fn write_side_by_side<'a>(
    logs: impl Iterator<Item = (&'a Rc<Log>, Offset)>,
) -> Result<(), DiskError> {
    let logs: Vec<_> = logs.collect();
    let mut result = Ok(());
    for some in logs.chunks(SIDE_BY_SIDE) {
        some.iter().for_each(|(log, _)| log.write_behind());
        for (log, end) in some {
            result = result.and(log.written_to(*end).await);
        }
    }
    result
}

type Key = (TopicId, PartitionIndex);

/// A partition with entries that recovery would need.
struct Live {
    log: Weak<Log>,
    end: Offset,
}

struct State {
    phase: Phase,
    pending: VecDeque<Entry>,
    pending_bytes: usize,
    /// Entries ever given, and ever durable.
    pushed: u64,
    written: u64,
    writes: bool,
    slot: Slot,
    ring: Ring,
    live: BTreeMap<Key, Live>,
    buf: Option<AlignedBuf>,
    checkpoints: bool,
    pace: Pace,
    /// Why the checkpoint that runs cannot end yet: a file waits for room.
    held: Option<DiskError>,
    /// Why the block that is to be written next is not: the disk has no room for it.
    stuck: Option<DiskError>,
    /// It is full for as long as that lasts: what it was given already, its logs write themselves.
    blocked: bool,
    /// A timer for the next checkpoint runs.
    timed: bool,
    /// Partitions whose files lag behind.
    behind: Vec<Weak<Log>>,
    behind_timed: bool,
}

/// See the module. Lives on one shard; share it by `Rc`.
pub struct Journal {
    env: Env,
    files: Files,
    dir: Box<str>,
    path: Box<str>,
    file_bytes: u64,
    room: Rc<Room>,
    counters: LogMetrics,
    /// Bytes that logs of the shard accepted and their files do not have.
    queued: Rc<Cell<usize>>,
    state: RefCell<State>,
    /// Space came free, a checkpoint ended, a write ended, or the journal failed.
    changed: Notify,
    on_failure: RefCell<Option<OnFailure>>,
}

type OnFailure = Rc<dyn Fn(&DiskError)>;

/// The file of one shard's journal in a log directory.
pub fn journal_name(shard: ShardId) -> String {
    format!("shard-{}.journal", shard.0)
}

/// The shard of a journal's file name.
pub fn shard_of_name(name: &str) -> Option<ShardId> {
    let shard = name.strip_prefix("shard-")?.strip_suffix(".journal")?.parse().ok().map(ShardId)?;
    (journal_name(shard) == name).then_some(shard)
}

impl Journal {
    /// A journal of `file_bytes` in `dir`; 0 turns it off. Nothing is made before it is needed.
    pub(super) fn new(
        files: Files,
        dir: &str,
        file_bytes: u64,
        room: Rc<Room>,
        counters: LogMetrics,
        queued: Rc<Cell<usize>>,
    ) -> Rc<Self> {
        let env = &files.env;
        let path = format!("{dir}/{}", journal_name(env.shard()));
        let phase = if file_bytes == 0 { Phase::Off } else { Phase::Absent { retry: env.now() } };
        let state = State {
            phase,
            pending: VecDeque::new(),
            pending_bytes: 0,
            pushed: 0,
            written: 0,
            writes: false,
            slot: Slot::begin(0, 0, 0, file_bytes),
            ring: Ring::begin(file_bytes),
            live: BTreeMap::new(),
            buf: None,
            checkpoints: false,
            pace: Pace::default(),
            held: None,
            stuck: None,
            blocked: false,
            timed: false,
            behind: Vec::new(),
            behind_timed: false,
        };
        Rc::new(Self {
            env: files.env.clone(),
            files,
            dir: dir.into(),
            path: path.into(),
            file_bytes,
            room,
            counters,
            queued,
            state: RefCell::new(state),
            changed: Notify::default(),
            on_failure: RefCell::default(),
        })
    }

    /// Calls `tell` once when the journal fails: then its log directory is not to be trusted.
    pub(super) fn on_failure(&self, tell: impl Fn(&DiskError) + 'static) {
        *self.on_failure.borrow_mut() = Some(Rc::new(tell));
    }

    /// Whether a batch of `bytes` may go here now; the first question begins making the file.
    pub fn takes(self: &Rc<Self>, bytes: usize) -> bool {
        let mut state = self.state.borrow_mut();
        match state.phase {
            Phase::Ready(_) => {
                !state.blocked
                    && bytes as u64 <= BATCH_BYTES_MAX.min(self.file_bytes / BATCH_SHARE)
                    && state.pending_bytes <= PENDING_BYTES_MAX
            }
            Phase::Absent { retry } if retry <= self.env.now() => {
                state.phase = Phase::Making;
                let journal = self.clone();
                self.env.spawn(async move { journal.make().await });
                false
            }
            Phase::Absent { .. } | Phase::Making | Phase::Off | Phase::Failed(_) => false,
        }
    }

    /// Whether it is full and nobody knows for how long, because a file waits for room.
    pub fn is_blocked(&self) -> bool {
        self.state.borrow().blocked
    }

    /// Ends when no write is under way, or after `ms`.
    pub async fn rests_within(&self, ms: u64) {
        let late = self.env.now().plus_ms(ms);
        while self.state.borrow().writes {
            if self.env.until(late, self.changed.changed()).await.is_none() {
                return;
            }
        }
    }

    /// Takes a batch; the log hears of it by [`Log::journaled`] once it is durable.
    ///
    /// All entries of a turn, of all partitions, go in one write.
    pub fn push(self: &Rc<Self>, entry: Entry) {
        let mut state = self.state.borrow_mut();
        state.pushed += 1;
        state.pending_bytes += entry.head.bytes as usize;
        state.pending.push_back(entry);
        if !std::mem::replace(&mut state.writes, true) {
            let writer = Writer(self.clone());
            self.env.spawn(async move { writer.run().await });
        }
    }

    /// Notes that the files of `log` lag behind the journal; they are written soon.
    pub fn lags(self: &Rc<Self>, log: &Rc<Log>) {
        let mut state = self.state.borrow_mut();
        state.behind.push(Rc::downgrade(log));
        if !std::mem::replace(&mut state.behind_timed, true) {
            let journal = self.clone();
            self.env.spawn(async move { journal.write_behind_in_time().await });
        }
    }

    /// Writes the files that lag behind after a while, or as soon as much does; ends when none do.
    async fn write_behind_in_time(self: Rc<Self>) {
        loop {
            let late = self.env.now().plus_ms(BEHIND_MS);
            while self.queued.get() <= BEHIND_ALL_BYTES {
                if self.env.until(late, self.changed.changed()).await.is_none() {
                    break;
                }
            }
            let behind = std::mem::take(&mut self.state.borrow_mut().behind);
            if behind.is_empty() {
                self.state.borrow_mut().behind_timed = false;
                return;
            }
            let logs = behind.iter().filter_map(Weak::upgrade);
            let logs: Vec<_> = logs.map(|log| (log.ends().log_end, log)).collect();
            // A log that cannot be written says so itself.
            let lagging = logs.iter().map(|(end, log)| (log, *end));
            let _ = write_side_by_side(lagging).await;
        }
    }

    /// Nothing is durable any more that this journal promises: tells it, once.
    fn fail(&self, error: DiskError) {
        let mut state = self.state.borrow_mut();
        if matches!(state.phase, Phase::Failed(_)) {
            return;
        }
        state.phase = Phase::Failed(error.clone());
        state.live.clear();
        let gone = std::mem::take(&mut state.pending);
        state.pending_bytes = 0;
        drop(state);
        drop(gone);
        self.changed.notify_all();
        let tell = self.on_failure.borrow().clone();
        if let Some(tell) = tell {
            tell(&error);
        }
    }

    fn failure(&self) -> Option<DiskError> {
        match &self.state.borrow().phase {
            Phase::Failed(error) => Some(error.clone()),
            _ => None,
        }
    }
}
