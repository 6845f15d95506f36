//! The executor of one shard: a slab of `!Send` tasks, a ready queue, one driver turn per round.
//!
//! Owns: tasks. Leaves to others: wakers (`base`), what tasks wait for (`env`), waiting (a driver).
//! Invariant: the executor is the only caller of [`Driver::turn`], once per turn, and dropping a
//! shard first drops its tasks and then lets the driver get its memory back from the kernel.
//! Start reading at: [`Shard::turn`].
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::base::{Rng, waker};
use crate::env::Env;
use crate::env::driver::{Driver, Wait};
use crate::env::seam::Seam;

/// Polls in one turn; more ready tasks wait for the next, so that a turn stays short.
pub const POLLS_PER_TURN_MAX: usize = 1_024;
/// Time that the polls of one turn may take, where the driver has a clock.
pub const SLICE_NS_MAX: u64 = 500_000;
/// The same where the order is random: slices of all lengths.
const SEEDED_POLLS_MAX: u64 = 64;
/// Turns of which one is measured; no multiple of what a load repeats itself in.
const TURNS_PER_SAMPLE: u32 = 13;
/// Polls between two looks at the clock.
const POLLS_PER_CLOCK: usize = 4;

/// Which ready task runs next.
pub enum Order {
    Fifo,
    Seeded(Rng),
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Arrivals {
    spawned: RefCell<Vec<(u32, Task)>>,
    aborted: RefCell<Vec<(u32, u32)>>,
    /// Generation of each task number; a number is reused only after its task ended.
    generations: RefCell<Vec<u32>>,
    free: RefCell<Vec<u32>>,
    live: Cell<usize>,
}

/// Starts and aborts tasks from inside tasks.
#[derive(Clone)]
pub struct Spawner {
    arrivals: Rc<Arrivals>,
    lane: waker::Lane,
}

/// Names one task for ever; no other task gets the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskId {
    index: u32,
    generation: u32,
}

impl Spawner {
    /// Starts a task; its first poll comes in this turn or the next.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let mut generations = self.arrivals.generations.borrow_mut();
        let index = self.arrivals.free.borrow_mut().pop().unwrap_or_else(|| {
            generations.push(0);
            generations.len() as u32 - 1
        });
        self.arrivals.spawned.borrow_mut().push((index, Box::pin(future)));
        self.arrivals.live.set(self.arrivals.live.get() + 1);
        waker::push(self.lane, index);
        TaskId { index, generation: generations[index as usize] }
    }

    /// Drops the task before its next poll; its operations are canceled.
    pub fn abort(&self, task: TaskId) {
        self.arrivals.aborted.borrow_mut().push((task.index, task.generation));
        // The poll that finds its place empty is what makes the executor look.
        waker::push(self.lane, task.index);
    }

    /// Tasks that have not ended.
    pub fn live(&self) -> usize {
        self.arrivals.live.get()
    }
}

/// One executor with its driver; lives on one thread.
pub struct Shard {
    tasks: Vec<Option<Task>>,
    arrivals: Rc<Arrivals>,
    order: Order,
    env: Env,
    lane: waker::Lane,
    driver: Box<dyn Driver>,
    pub turns_total: u64,
    pub polls_total: u64,
    on_turn: Option<OnTurn>,
    /// What the polls of this turn took by the clock.
    polls_ns: u64,
}

/// Processor time of a turn, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnTime {
    /// Of one turn in thirteen: the polls, and what the driver did with what they submitted.
    Sample(u64),
    /// Of the polls of a turn that took longer than a slice by the clock: at most so much.
    Long(u64),
}

/// Told of turns. Asking for processor time is a system call, so that is done once in
/// [`TURNS_PER_SAMPLE`], and after each turn that was long.
struct OnTurn {
    tell: Box<dyn Fn(TurnTime)>,
    /// Turns until one is measured.
    left: u32,
    /// The thread's time when it was asked for last.
    cpu_ns: u64,
}

impl OnTurn {
    fn ended(&mut self, polls_ns: u64, cpu_ns: impl Fn() -> Option<u64>) {
        self.left = self.left.checked_sub(1).unwrap_or(TURNS_PER_SAMPLE - 1);
        let is_long = SLICE_NS_MAX < polls_ns;
        let now_ns = if self.left <= 1 || is_long { cpu_ns() } else { None };
        let Some(now_ns) = now_ns else { return };
        let spent_ns = now_ns - std::mem::replace(&mut self.cpu_ns, now_ns);
        if self.left == 0 {
            (self.tell)(TurnTime::Sample(spent_ns));
        }
        if is_long {
            // The clock also counts what others took from the thread, and the processor's time
            // also turns before, up to the last that was asked for.
            (self.tell)(TurnTime::Long(polls_ns.min(spent_ns)));
        }
    }
}

impl Shard {
    pub fn new(seam: Rc<Seam>, order: Order, driver: Box<dyn Driver>) -> Self {
        let lane = waker::open();
        let arrivals = Rc::<Arrivals>::default();
        let env = Env { seam, spawner: Spawner { arrivals: arrivals.clone(), lane } };
        let tasks = Vec::new();
        Self {
            tasks,
            arrivals,
            order,
            env,
            lane,
            driver,
            turns_total: 0,
            polls_total: 0,
            on_turn: None,
            polls_ns: 0,
        }
    }

    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// Calls `tell` after one turn in thirteen, and after each that was long.
    pub fn on_turn(&mut self, tell: impl Fn(TurnTime) + 'static) {
        self.on_turn = Some(OnTurn { tell: Box::new(tell), left: TURNS_PER_SAMPLE, cpu_ns: 0 });
    }

    pub fn is_ready(&self) -> bool {
        0 < waker::ready_len(self.lane)
    }

    /// Whether tasks are ready or have given the driver something to do.
    pub fn has_work(&self) -> bool {
        self.is_ready() || self.env.seam.has_work()
    }

    /// Polls what is ready, then gives everything that was submitted to the driver at once.
    pub fn turn(&mut self, wait_when_idle: Wait) -> bool {
        self.run_ready();
        self.drive(wait_when_idle)
    }

    /// Turns until `done`, which is asked before each sleep: only tasks can make it true.
    ///
    /// Says false when nothing can happen any more, which only a simulator knows.
    pub fn run_until(&mut self, done: impl Fn() -> bool) -> bool {
        loop {
            self.run_ready();
            if done() {
                return true;
            }
            if !self.drive(Wait::UntilEvent) {
                return false;
            }
        }
    }

    fn drive(&mut self, wait_when_idle: Wait) -> bool {
        let wait = if self.is_ready() { Wait::No } else { wait_when_idle };
        self.turns_total += 1;
        let alive = self.driver.turn(&self.env.seam, wait);
        self.env.seam.fire_timers();
        if let Some(on_turn) = &mut self.on_turn {
            on_turn.ended(self.polls_ns, || self.driver.thread_cpu_ns());
        }
        alive || self.is_ready()
    }

    fn run_ready(&mut self) {
        let started = self.driver.slice_clock();
        self.poll_ready(started);
        if let (Some(_), Some(started)) = (&self.on_turn, started) {
            self.polls_ns = self.driver.slice_clock().map_or(0, |now| now - started);
        }
    }

    fn poll_ready(&mut self, started: Option<u64>) {
        let polls_max = match &mut self.order {
            Order::Fifo => POLLS_PER_TURN_MAX,
            Order::Seeded(rng) => 1 + rng.below(SEEDED_POLLS_MAX) as usize,
        };
        for polls in 1..=polls_max {
            self.take_arrivals();
            let order = &mut self.order;
            let next = waker::pop(self.lane, |len| match order {
                Order::Fifo => 0,
                Order::Seeded(rng) => rng.below(len as u64) as usize,
            });
            let Some(index) = next else { return };
            // A wake that comes after its task ended finds an empty place, or at worst the next
            // task in it, which is then polled once for nothing.
            let Some(task) = self.tasks.get_mut(index as usize).and_then(Option::as_mut) else {
                continue;
            };
            self.polls_total += 1;
            let waker = waker::waker(self.lane, index);
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.end(index);
            }
            if polls % POLLS_PER_CLOCK == 0
                && let (Some(started), Some(now)) = (started, self.driver.slice_clock())
                && started + SLICE_NS_MAX < now
            {
                return;
            }
        }
    }

    fn take_arrivals(&mut self) {
        if !self.arrivals.spawned.borrow().is_empty() {
            for (index, task) in self.arrivals.spawned.take() {
                if self.tasks.len() <= index as usize {
                    self.tasks.resize_with(index as usize + 1, || None);
                }
                self.tasks[index as usize] = Some(task);
            }
        }
        if !self.arrivals.aborted.borrow().is_empty() {
            for (index, generation) in self.arrivals.aborted.take() {
                let current = self.arrivals.generations.borrow()[index as usize];
                if current == generation {
                    self.end(index);
                }
            }
        }
    }

    fn end(&mut self, index: u32) {
        self.arrivals.generations.borrow_mut()[index as usize] += 1;
        self.arrivals.live.set(self.arrivals.live.get() - 1);
        drop(self.tasks.get_mut(index as usize).and_then(Option::take));
        self.arrivals.free.borrow_mut().push(index);
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // Dropping a task may start another.
        loop {
            self.take_arrivals();
            if self.tasks.is_empty() {
                break;
            }
            let tasks = std::mem::take(&mut self.tasks);
            drop(tasks);
        }
        self.env.seam.refuse_mail();
        // Futures before the driver: their cancels then reach it, and it waits for the kernel.
        self.driver.stop(&self.env.seam);
        waker::close(self.lane);
    }
}

/// Rests of a long loop: after so much work every other ready task runs first.
pub struct Rests {
    every: usize,
    left: usize,
}

impl Rests {
    /// `every` is what may be done at one stretch: a quarter of a millisecond's work, since a turn
    /// looks at the clock only now and then.
    pub fn every(every: usize) -> Self {
        Self { every, left: every }
    }

    /// Notes work that was just done, and rests when it is time.
    pub async fn after(&mut self, work: usize) {
        self.left = self.left.saturating_sub(work);
        if self.left == 0 {
            self.left = self.every;
            yield_now().await;
        }
    }
}

/// Lets every other ready task run first.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
