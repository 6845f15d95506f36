//! The seam: "operation submitted → completion delivered", as two queues and a table of slots.
//!
//! Owns: which operation is in flight, who waits for it, the timers, the clock readings.
//! Leaves to others: performing operations (`io`, `sim`), running tasks (`exec`).
//! Invariant: a slot is reused only after both its future and its driver let go of it.
//! Start reading at: [`Seam::submit`] (called from above) and [`Seam::deliver`] (from below).
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::base::Rng;
use crate::env::op::{Done, Fd, Instant, Letter, Many, Op, PathOp, Token};
use crate::env::outside::Door;
use crate::env::pool::Pool;
use crate::env::recycle::Recycler;
use crate::model::ShardId;

mod below;
mod post;

pub use post::CREDITS_MAX;

/// Chunks or sockets that one stream may hold unread before its operation is stopped.
pub const STREAM_EVENTS_MAX: usize = 8;
/// The same while the chunk pool is short.
pub const STREAM_EVENTS_SHORT_MAX: usize = 2;

/// Where a multishot operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Armed,
    /// Cancel is on its way; results may still arrive.
    Stopping,
    /// The driver let go; may be armed again.
    Idle,
    /// Waits for a chunk to come back.
    Starved,
    Ended,
}

struct Stream {
    op: Many,
    phase: Phase,
    /// The reader asked for silence; no arming until it asks again.
    paused: bool,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    front: bool,
    back: bool,
    waker: Option<Waker>,
    done: VecDeque<Done>,
    stream: Option<Stream>,
    timer: Option<(Instant, u64)>,
    /// Nobody below performs it: finished by another task, a timer or mail.
    local: bool,
    /// A success is a descriptor, which somebody must close.
    makes_fd: bool,
    /// A call whose letter waits for a credit of this pair.
    waits_for: Option<ShardId>,
}

/// What a driver takes out of the seam each turn.
#[derive(Default)]
pub struct Work {
    pub submitted: Vec<(Token, Op)>,
    pub cancels: Vec<Token>,
    pub letters: Vec<(ShardId, Letter)>,
}

#[derive(Default)]
struct Core {
    slots: Vec<Slot>,
    free: Vec<u32>,
    work: Work,
    timers: BTreeMap<(Instant, u64), Token>,
    timers_total: u64,
    starved: VecDeque<Token>,
    post: post::Post,
}

/// What a driver knows when it builds a seam.
pub struct Setup {
    pub shard: ShardId,
    pub pool: Pool,
    pub recycler: Recycler,
    pub door: Arc<dyn Door>,
    pub random_seed: u64,
    pub now: Instant,
    pub wall_ms: i64,
}

pub struct Seam {
    core: RefCell<Core>,
    now: Cell<Instant>,
    wall_ms: Cell<i64>,
    random: RefCell<Rng>,
    woke: Cell<bool>,
    before_sleep: RefCell<Option<Rc<dyn Fn()>>>,
    pub pool: Pool,
    pub recycler: Recycler,
    pub door: Arc<dyn Door>,
    pub shard: ShardId,
}

impl Core {
    fn slot(&mut self, token: Token) -> Option<&mut Slot> {
        self.slots.get_mut(token.index as usize).filter(|slot| slot.generation == token.generation)
    }

    fn open(&mut self, fill: impl FnOnce(&mut Slot)) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.front = true;
        fill(slot);
        Token { index, generation: slot.generation }
    }

    /// A slot that something on this shard finishes.
    fn open_local(&mut self) -> Token {
        self.open(|slot| (slot.local, slot.back) = (true, true))
    }

    fn free_when_unheld(&mut self, token: Token) {
        let slot = &mut self.slots[token.index as usize];
        if !slot.front && !slot.back {
            slot.generation = slot.generation.wrapping_add(1);
            slot.waker = None;
            slot.stream = None;
            slot.timer = None;
            (slot.local, slot.makes_fd) = (false, false);
            slot.waits_for = None;
            self.free.push(token.index);
        }
    }

    fn arm(&mut self, token: Token) {
        let slot = &mut self.slots[token.index as usize];
        let stream = slot.stream.as_mut().expect("only streams are armed");
        stream.phase = Phase::Armed;
        slot.back = true;
        let op = stream.op;
        if op == Many::Mail {
            slot.local = true;
        } else {
            self.work.submitted.push((token, Op::Many(op)));
        }
    }

    fn close(&mut self, fd: usize) {
        let token = self.open(|slot| (slot.front, slot.back) = (false, true));
        // A listener's result carries its port above the descriptor.
        let fd = Fd((fd & 0xffff_ffff) as i32);
        self.work.submitted.push((token, Op::Close { fd }));
    }
}

fn makes_fd(op: &Op) -> bool {
    matches!(
        op,
        Op::Connect { .. } | Op::Listen { .. } | Op::Path(PathOp::Open { .. }) // and accepts
    )
}

/// Calls from above: `env` wraps them into futures.
impl Seam {
    pub fn new(setup: Setup) -> Self {
        let Setup { shard, pool, recycler, door, random_seed, now, wall_ms } = setup;
        Self {
            core: RefCell::default(),
            now: Cell::new(now),
            wall_ms: Cell::new(wall_ms),
            random: RefCell::new(Rng::new(random_seed)),
            woke: Cell::new(false),
            before_sleep: RefCell::default(),
            pool,
            recycler,
            door,
            shard,
        }
    }

    /// The clock as of this turn: one reading per turn, the same in both drivers.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Milliseconds since 1970 as of this turn; jumps when somebody sets the clock.
    pub fn wall_ms(&self) -> i64 {
        self.wall_ms.get()
    }

    pub fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    pub fn set_before_sleep(&self, hook: Rc<dyn Fn()>) {
        self.before_sleep.replace(Some(hook));
    }

    pub fn submit(&self, op: Op) -> Token {
        let mut core = self.core.borrow_mut();
        let makes_fd = makes_fd(&op);
        let token = core.open(|slot| (slot.back, slot.makes_fd) = (true, makes_fd));
        core.work.submitted.push((token, op));
        token
    }

    /// Submits and does not care for the result, as for close.
    pub fn submit_detached(&self, op: Op) {
        let token = self.submit(op);
        self.core.borrow_mut().slots[token.index as usize].front = false;
    }

    pub fn submit_many(&self, op: Many) -> Token {
        let mut core = self.core.borrow_mut();
        let stream = Stream { op, phase: Phase::Idle, paused: false };
        let accepts = matches!(op, Many::Accept(_));
        let token = core.open(|slot| (slot.stream, slot.makes_fd) = (Some(stream), accepts));
        core.arm(token);
        if op == Many::Mail {
            let unread = core.post.open_inbox(token);
            core.slots[token.index as usize].done = unread;
        }
        token
    }

    /// A slot that another task finishes with [`Seam::deliver`].
    pub fn promise(&self) -> Token {
        self.core.borrow_mut().open_local()
    }

    pub fn sleep_until(&self, at: Instant) -> Token {
        let mut core = self.core.borrow_mut();
        core.timers_total += 1;
        let key = (at, core.timers_total);
        let token = core.open_local();
        core.slots[token.index as usize].timer = Some(key);
        core.timers.insert(key, token);
        token
    }

    pub fn poll(&self, token: Token, cx: &mut Context<'_>) -> Poll<Done> {
        let mut core = self.core.borrow_mut();
        let slot = core.slot(token).expect("the future holds its slot");
        if let Some(done) = slot.done.pop_front() {
            return Poll::Ready(done);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next result of a stream; `None` once it ended or was stopped and emptied.
    pub fn poll_many(&self, token: Token, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        let mut core = self.core.borrow_mut();
        let slot = core.slot(token).expect("the future holds its slot");
        let next = slot.done.pop_front();
        let few = slot.done.len() <= STREAM_EVENTS_MAX / 2;
        let stream = slot.stream.as_ref().expect("a stream");
        let (phase, paused) = (stream.phase, stream.paused);
        if phase == Phase::Idle && few && !paused {
            core.arm(token);
        }
        if let Some(done) = next {
            return Poll::Ready(Some(done));
        }
        let silent = paused && matches!(phase, Phase::Idle | Phase::Starved);
        if phase == Phase::Ended || silent {
            return Poll::Ready(None);
        }
        core.slot(token).expect("checked above").waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Stops a stream: after the results that were already on their way `next` says `None`.
    pub fn pause(&self, token: Token) {
        let mut core = self.core.borrow_mut();
        let stream = core.slot(token).and_then(|slot| slot.stream.as_mut()).expect("a stream");
        stream.paused = true;
        if stream.phase == Phase::Armed {
            stream.phase = Phase::Stopping;
            core.work.cancels.push(token);
        }
    }

    pub fn resume(&self, token: Token) {
        let mut core = self.core.borrow_mut();
        let stream = core.slot(token).and_then(|slot| slot.stream.as_mut()).expect("a stream");
        stream.paused = false;
        if stream.phase == Phase::Idle {
            core.arm(token);
        }
    }

    /// The future is gone. What the driver still holds stays held until it says so.
    pub fn abandon(&self, token: Token) {
        let mut core = self.core.borrow_mut();
        let slot = core.slot(token).expect("the future holds its slot");
        slot.front = false;
        slot.waker = None;
        // Dropped only after the borrow ended: a result may own things that call us again.
        let mut unread = std::mem::take(&mut slot.done);
        let (timer, local, back) = (slot.timer.take(), slot.local, slot.back);
        let (makes_fd, waits_for) = (slot.makes_fd, slot.waits_for.take());
        let stream = slot.stream.as_ref().map(|stream| (stream.op, stream.phase));
        let mut unsent = None;
        if let Some(key) = timer
            && core.timers.remove(&key).is_some()
        {
            core.slots[token.index as usize].back = false;
        }
        if let Some(to) = waits_for {
            unsent = core.post.unsend(to, token);
            core.slots[token.index as usize].back = false;
        }
        if let Some((Many::Mail, _)) = stream {
            core.post.close_inbox(std::mem::take(&mut unread));
            core.slots[token.index as usize].back = false;
        }
        if makes_fd {
            for fd in unread.iter().filter_map(|done| done.result.ok()) {
                core.close(fd);
            }
        }
        let stopping = stream.is_some_and(|(_, phase)| phase == Phase::Stopping);
        if back && !local && !stopping {
            core.work.cancels.push(token);
        }
        core.starved.retain(|other| *other != token);
        core.free_when_unheld(token);
        drop(core);
        drop((unread, unsent));
    }
}
