//! Room on the disk of a log directory: appends are refused before it is gone.
//!
//! Owns: how much is left, the reserve, the one task that waits until there is room again.
//! Leaves to others: what a log does whose file the disk did not take (`stall`).
//! Invariant: what all shards have accepted and not yet written fits on the disk, as far as
//! anybody can know; a broker that nobody writes to asks nothing and has no timer.
//! Start reading at: [`Room::admit`], then [`Room::look`].
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use crate::env::local::Notify;
use crate::env::{Env, Instant};
use crate::log::{DiskError, Log};
use crate::observe::LogMetrics;

/// Time after which the file system is asked again, while there are appends.
const LOOK_MS: u64 = 1_000;
/// The same while it seems that there is too little.
const SHORT_LOOK_MS: u64 = 100;
/// Kept free for indexes, snapshots, checkpoints and metadata, and so that nobody meets the end:
/// so much, and on a small disk this share of it.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
const RESERVE_SHARE: u64 = 32;
/// Internal topics may use all but this share of it: commits go on for longer.
const INTERNAL_SHARE: u64 = 4;

/// What the file system said last.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    /// Free for what is yet to be accepted: what was accepted and not written is taken off.
    free_bytes: u64,
    total_bytes: u64,
    /// What all shards had ever accepted by then.
    accepted_bytes: u64,
}

/// See the module. One per shard and log directory; share it by `Rc`.
pub struct Room {
    env: Env,
    path: Box<str>,
    /// All shards count here, so that each knows what the others are about to write.
    counters: LogMetrics,
    seen: Cell<Option<Seen>>,
    looks: Cell<bool>,
    /// For a file of ours that is being made: what it does not have yet.
    promised_bytes: Cell<u64>,
    /// There was too little when last looked.
    is_short: Cell<bool>,
    /// The largest append that was refused since there was room for all.
    refused_bytes: Cell<u64>,
    watches: Cell<bool>,
    stalled: RefCell<VecDeque<Weak<Log>>>,
    /// How many wait for the next look.
    curious: Cell<usize>,
    looked: Notify,
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
            promised_bytes: Cell::default(),
            is_short: Cell::default(),
            refused_bytes: Cell::default(),
            watches: Cell::default(),
            stalled: RefCell::default(),
            curious: Cell::default(),
            looked: Notify::default(),
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

    /// Puts so much aside for a file that is about to be made; nobody else gets it.
    ///
    /// Errors: how many bytes are free.
    pub async fn promise(self: &Rc<Self>, bytes: u64) -> Result<(), u64> {
        self.offers(bytes).await?;
        let Some(seen) = self.seen.get() else { return Ok(()) };
        self.promised_bytes.set(bytes);
        let free_bytes = seen.free_bytes.saturating_sub(bytes);
        self.seen.set(Some(Seen { free_bytes, ..seen }));
        Ok(())
    }

    /// Whether a file of so many bytes leaves the reserve alone.
    ///
    /// Errors: how many bytes are free.
    pub async fn offers(self: &Rc<Self>, bytes: u64) -> Result<(), u64> {
        self.look().await;
        let Some(seen) = self.seen.get() else { return Ok(()) };
        let free_bytes = self.left_bytes(&seen);
        if free_bytes < seen.reserve_bytes(Appender::Client).saturating_add(bytes) {
            return Err(free_bytes);
        }
        Ok(())
    }

    /// What is left of what was seen: all shards have accepted more since.
    fn left_bytes(&self, seen: &Seen) -> u64 {
        let since = self.counters.appended_bytes_total.get().saturating_sub(seen.accepted_bytes);
        seen.free_bytes.saturating_sub(since)
    }

    /// Notes that the file lacks only so much now: 0 when it is made, or will not be.
    pub fn keep_promise(&self, left_bytes: u64) {
        self.promised_bytes.set(left_bytes);
    }

    /// Asks the file system, unless it was asked before; for the first log of a directory.
    pub async fn begin(self: &Rc<Self>) {
        if self.seen.get().is_none() {
            self.look().await;
        }
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
        let promised = self.promised_bytes.get();
        let space = self.env.space(&self.path).await;
        self.looks.set(false);
        let (usable, total_bytes) = match space {
            Ok(space) => (space.usable_bytes, space.total_bytes),
            Err(error) => {
                tracing::debug!(dir = %self.path, ?error, "nobody says how much room there is");
                (u64::MAX, u64::MAX)
            }
        };
        let at = self.env.now();
        let free_bytes = usable.saturating_sub(unwritten + promised);
        let seen = Seen { at, free_bytes, total_bytes, accepted_bytes };
        self.seen.set(Some(seen));
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

impl Seen {
    fn reserve_bytes(&self, writer: Appender) -> u64 {
        let all = (self.total_bytes / RESERVE_SHARE).min(RESERVE_BYTES_MAX);
        match writer {
            Appender::Client => all,
            Appender::Internal => all / INTERNAL_SHARE,
        }
    }
}
