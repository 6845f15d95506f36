//! Room on the disk of a log directory: appends are refused before it is gone.
//!
//! Owns: how much is left, the reserve, the one task that waits until there is room again.
//! Leaves to others: what a log does whose file the disk did not take (`stall`).
//! Invariant: what all shards have accepted and not yet written, and what was promised on any of
//! them, fits on the disk, as far as anybody can know; a broker that nobody writes to asks nothing
//! and has no timer.
//! Start reading at: [`Room::admit`], [`Room::promise`], then [`Room::look`].
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use crate::env::local::Notify;
use crate::env::{Env, Instant};
use crate::log::{DiskError, Log};
use crate::observe::{Gauge, LogMetrics};

/// Time after which the file system is asked again, while there are appends.
const LOOK_MS: u64 = 1_000;
/// The same while it seems that there is too little.
const SHORT_LOOK_MS: u64 = 100;
/// Looks after which a try is made even if there seems to be no more room than before.
const LOOKS_PER_TRY: u32 = 10;
/// Kept free for indexes, snapshots, checkpoints and metadata, and so that nobody meets the end:
/// so much, and on a small disk this share of it.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
const RESERVE_SHARE: u64 = 32;
/// Internal topics may use all but this share of it: commits go on for longer.
const INTERNAL_SHARE: u64 = 4;

/// Of the reserve, what a start leaves alone for the metadata at most.
const METADATA_BYTES_MAX: u64 = 1 << 20;

/// What the file system said last.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    /// What was accepted and not written is taken off.
    free_bytes: u64,
    total_bytes: u64,
    /// What all shards had ever accepted by then.
    accepted_bytes: u64,
    /// What was promised on all shards by then.
    promised_bytes: u64,
}

/// See the module. One per shard and log directory; share it by `Rc`.
pub struct Room {
    env: Env,
    path: Box<str>,
    /// All shards count here, so that each knows what the others are about to write.
    counters: LogMetrics,
    seen: Cell<Option<Seen>>,
    looks: Cell<bool>,
    /// What is promised on all shards, on this file system.
    promised_bytes: RefCell<Gauge>,
    /// There was too little when last looked.
    is_short: Cell<bool>,
    /// The largest append that was refused since there was room for all.
    refused_bytes: Cell<u64>,
    watches: Cell<bool>,
    stalled: RefCell<VecDeque<Weak<Log>>>,
    /// How many wait for the next look.
    curious: Cell<usize>,
    looked: Notify,
    /// A look has ended.
    told: Notify,
    /// Reasons to try at once that no look tells.
    nudges: Cell<u64>,
}

/// Room that is kept for a file in the making; what is left of it goes back when this is dropped.
#[derive(Debug)]
pub struct Promise {
    on_disk: Gauge,
    everywhere: Gauge,
    left_bytes: u64,
}

impl Promise {
    /// Notes that the file has so many bytes more now.
    pub fn keep(&mut self, bytes: u64) {
        let kept = bytes.min(self.left_bytes);
        self.left_bytes -= kept;
        self.on_disk.dec_by(as_i64(kept));
        self.everywhere.dec_by(as_i64(kept));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.keep(self.left_bytes);
    }
}

/// Who wants to append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appender {
    Client,
    /// The broker itself, into a topic of its own.
    Internal,
}

impl Room {
    pub fn new(env: &Env, path: &str, counters: LogMetrics) -> Rc<Self> {
        Rc::new(Self {
            env: env.clone(),
            path: path.into(),
            counters,
            seen: Cell::default(),
            looks: Cell::default(),
            promised_bytes: RefCell::default(),
            is_short: Cell::default(),
            refused_bytes: Cell::default(),
            watches: Cell::default(),
            stalled: RefCell::default(),
            curious: Cell::default(),
            looked: Notify::default(),
            told: Notify::default(),
            nudges: Cell::default(),
        })
    }

    /// Whether `bytes` more may be accepted now.
    ///
    /// Errors: how many bytes are free beside what is promised already.
    pub fn admit(self: &Rc<Self>, bytes: usize, writer: Appender) -> Result<(), u64> {
        let Some(seen) = self.seen.get() else {
            self.look_soon();
            return Ok(());
        };
        let free_bytes = self.left_bytes(&seen);
        let fits = seen.reserve_bytes(writer).saturating_add(bytes as u64) <= free_bytes;
        let pause_ms = if fits { LOOK_MS } else { SHORT_LOOK_MS };
        if seen.at.plus_ms(pause_ms) <= self.env.now() {
            self.look_soon();
        }
        if fits {
            return Ok(());
        }
        self.counters.space_refusals_total.inc();
        self.refused_bytes.set(self.refused_bytes.get().max(bytes as u64));
        self.watch();
        Err(free_bytes)
    }

    /// Puts so much aside, beside the reserve, for a file that is about to be made; nobody else
    /// gets it, on any shard.
    ///
    /// Errors: how many bytes are free beside what was promised before.
    pub async fn promise(self: &Rc<Self>, bytes: u64) -> Result<Promise, u64> {
        // Which file system it is the first look tells.
        self.begin().await;
        let (on_disk, everywhere) =
            (self.promised_bytes.borrow().clone(), self.counters.promised_bytes.clone());
        // Before the question: of two that ask at one moment the first gets it.
        let before = u64::try_from(on_disk.inc_by(as_i64(bytes))).unwrap_or(0);
        everywhere.inc_by(as_i64(bytes));
        let promise = Promise { on_disk, everywhere, left_bytes: bytes };
        self.look_now().await;
        let Some(seen) = self.seen.get() else { return Ok(promise) };
        let free_bytes = self.unclaimed_bytes(&seen).saturating_sub(before);
        if free_bytes < seen.reserve_bytes(Appender::Client).saturating_add(bytes) {
            return Err(free_bytes);
        }
        Ok(promise)
    }

    /// What is left of what was seen: all shards have accepted and promised more since.
    fn left_bytes(&self, seen: &Seen) -> u64 {
        // What was kept of it since is not free, either.
        let promised = self.promised().max(seen.promised_bytes);
        self.unclaimed_bytes(seen).saturating_sub(promised)
    }

    fn unclaimed_bytes(&self, seen: &Seen) -> u64 {
        let since = self.counters.appended_bytes_total.get().saturating_sub(seen.accepted_bytes);
        seen.free_bytes.saturating_sub(since)
    }

    fn promised(&self) -> u64 {
        u64::try_from(self.promised_bytes.borrow().get()).unwrap_or(0)
    }

    /// Asks the file system, unless it was asked before; for the first log of a directory.
    pub async fn begin(self: &Rc<Self>) {
        if self.seen.get().is_none() {
            self.look_now().await;
        }
    }

    /// Asks the file system, from now on.
    async fn look_now(self: &Rc<Self>) {
        while self.looks.get() {
            self.told.changed().await;
        }
        self.look().await;
    }

    fn look_soon(self: &Rc<Self>) {
        if !self.looks.get() {
            let room = self.clone();
            self.env.spawn(async move { room.look().await });
        }
    }

    async fn look(self: &Rc<Self>) {
        if self.looks.replace(true) {
            return;
        }
        // Before the question: what is written meanwhile counts twice rather than not at all.
        let accepted_bytes = self.counters.appended_bytes_total.get();
        let unwritten = u64::try_from(self.counters.unwritten_bytes.get()).unwrap_or(0);
        let promised_bytes = self.promised();
        let space = self.env.space(&self.path).await;
        self.looks.set(false);
        self.told.notify_all();
        let (usable, total_bytes) = match space {
            Ok(space) => {
                let promised = self.counters.promised_on.of(space.file_system);
                self.promised_bytes.replace(promised);
                (space.usable_bytes, space.total_bytes)
            }
            Err(error) => {
                tracing::debug!(dir = %self.path, ?error, "nobody says how much room there is");
                (u64::MAX, u64::MAX)
            }
        };
        let at = self.env.now();
        let free_bytes = usable.saturating_sub(unwritten);
        let seen = Seen { at, free_bytes, total_bytes, accepted_bytes, promised_bytes };
        self.seen.set(Some(seen));
        let free_bytes = free_bytes.saturating_sub(promised_bytes);
        let reserve_bytes = seen.reserve_bytes(Appender::Client);
        let is_short = free_bytes < reserve_bytes.saturating_add(self.refused_bytes.get());
        if !is_short {
            self.refused_bytes.set(0);
        }
        if self.is_short.replace(is_short) == is_short {
            return;
        }
        let (dir, shard) = (&self.path, self.env.shard().0);
        if is_short {
            let text = "the disk is nearly full: no produce";
            tracing::warn!(%dir, shard, free_bytes, reserve_bytes, "{text}");
            self.watch();
        } else {
            tracing::info!(%dir, shard, free_bytes, "the disk has room again: produce goes on");
        }
    }

    /// Notes that a log waits for room.
    pub fn stalled(self: &Rc<Self>, log: Weak<Log>, error: &DiskError) {
        self.counters.stalled_partitions.inc();
        let is_first = self.stalled.borrow().is_empty();
        self.stalled.borrow_mut().push_back(log);
        if is_first {
            tracing::warn!(dir = %self.path, %error, "the disk is full: files wait for room");
        }
        self.watch();
    }

    /// Waits until it is worth a try to do again what a full disk refused.
    pub async fn next_look(self: &Rc<Self>) {
        self.curious.set(self.curious.get() + 1);
        let looked = self.looked.changed();
        self.watch();
        looked.await;
    }

    /// Bytes that are free now, as far as anybody can know.
    pub async fn free_bytes(self: &Rc<Self>) -> u64 {
        self.look_now().await;
        self.seen.get().map_or(0, |seen| self.left_bytes(&seen))
    }

    /// Bytes that a start may write for logs: some are kept for the metadata.
    pub async fn spare_bytes(self: &Rc<Self>) -> u64 {
        self.look_now().await;
        let spare = |seen: Seen| {
            let reserve_bytes = seen.reserve_bytes(Appender::Internal).min(METADATA_BYTES_MAX);
            self.left_bytes(&seen).saturating_sub(reserve_bytes)
        };
        self.seen.get().map_or(0, spare)
    }

    /// Waits until more is free than `before`, or so long that a try may show it: room can be
    /// lacking in ways that no count of bytes tells.
    pub async fn roomier(self: &Rc<Self>, before: u64) {
        let nudges = self.nudges.get();
        for _ in 0..LOOKS_PER_TRY {
            self.next_look().await;
            let free_bytes = self.seen.get().map_or(0, |seen| self.left_bytes(&seen));
            if before < free_bytes || nudges != self.nudges.get() {
                return;
            }
        }
    }

    /// Lets those try who wait for more room.
    pub fn nudge(&self) {
        self.nudges.set(self.nudges.get() + 1);
        self.looked.notify_all();
    }

    /// Looks every second until there is room for everybody.
    fn watch(self: &Rc<Self>) {
        if self.watches.replace(true) {
            return;
        }
        let room = self.clone();
        self.env.spawn(async move {
            while room.is_short.get()
                || 0 < room.refused_bytes.get()
                || !room.stalled.borrow().is_empty()
                || 0 < room.curious.get()
            {
                room.env.sleep_ms(LOOK_MS).await;
                room.look().await;
                room.curious.set(0);
                room.looked.notify_all();
                room.wake_stalled().await;
            }
            room.watches.set(false);
        });
    }

    /// Lets logs go on, one after the other, as long as the disk takes what they have.
    async fn wake_stalled(&self) {
        let waiting = self.stalled.borrow().len();
        for _ in 0..waiting {
            let Some(log) = self.stalled.borrow().front().cloned() else { return };
            if let Some(log) = log.upgrade()
                && !log.go_on().await
            {
                // Another is the first to try next time: what this one wants may be special.
                self.stalled.borrow_mut().rotate_left(1);
                return;
            }
            self.stalled.borrow_mut().pop_front();
            self.counters.stalled_partitions.dec();
        }
        if 0 < waiting && self.stalled.borrow().is_empty() {
            tracing::info!(dir = %self.path, "no file waits for room any more");
        }
    }
}

fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Seen {
    fn reserve_bytes(&self, writer: Appender) -> u64 {
        let all = (self.total_bytes / RESERVE_SHARE).min(RESERVE_BYTES_MAX);
        match writer {
            Appender::Client => all,
            Appender::Internal => all / INTERNAL_SHARE,
        }
    }
}
