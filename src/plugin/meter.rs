//! Meter and account: how long a guest may run in one slice, one call, and as a share of its shard.
//!
//! Owns: the decision of the epoch callback, the budget of a call, the throttle.
//! Invariant: only the thread that runs the guest touches a meter; the atomics are there because
//! wasmtime wants the callback `Send + Sync`.
//! Start reading at: [`Metered`], then [`Meter::on_epoch`].

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use wasmtime::UpdateDeadline;

use crate::env::Env;
use crate::observe::thread_cpu_ns;
use crate::plugin::ticker::{self, monotonic_ns};

/// A guest yields at the first tick after this; with a tick of 200 µs a slice stays below 250 µs.
pub const SLICE_NS: u64 = 40_000;
/// What the first slice of a call counts at most: the kernel may have run somebody else in it.
const FIRST_SLICE_NS_MAX: u64 = 500_000;

/// The text of the trap, by which the host tells it from others.
#[derive(Debug, thiserror::Error)]
#[error("the plugin's run time for this call is spent")]
pub struct BudgetSpent;

/// Run time of the call in progress; shared by the epoch callback and [`Metered`].
///
/// The first slice of a call is measured with the monotonic clock, which is cheap, the others with
/// the thread's own, so that a thread that the kernel preempts kills no plugin.
#[derive(Debug, Default)]
pub struct Meter {
    is_first: AtomicBool,
    slice_start_ns: AtomicU64,
    used_ns: AtomicU64,
    budget_ns: AtomicU64,
    slice_longest_ns: AtomicU64,
    slices_total: AtomicU64,
}

impl Meter {
    pub fn begin_call(&self, budget_ns: u64) {
        self.is_first.store(true, Relaxed);
        self.used_ns.store(0, Relaxed);
        self.budget_ns.store(budget_ns, Relaxed);
    }

    /// Run time of the call in progress, or of the last one.
    pub fn used_ns(&self) -> u64 {
        self.used_ns.load(Relaxed)
    }

    /// Longest slice so far. For tests.
    pub fn slice_longest_ns(&self) -> u64 {
        self.slice_longest_ns.load(Relaxed)
    }

    /// Slices so far. For tests.
    pub fn slices_total(&self) -> u64 {
        self.slices_total.load(Relaxed)
    }

    fn slice_ns(&self) -> u64 {
        let start_ns = self.slice_start_ns.load(Relaxed);
        if self.is_first.load(Relaxed) {
            return monotonic_ns().saturating_sub(start_ns);
        }
        thread_cpu_ns().saturating_sub(start_ns)
    }

    /// What the guest may do when the epoch has moved.
    pub fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        let slice_ns = self.slice_ns();
        let used_ns = self.used_ns.load(Relaxed) + slice_ns;
        if !self.is_first.load(Relaxed) && self.budget_ns.load(Relaxed) <= used_ns {
            return Err(wasmtime::Error::new(BudgetSpent));
        }
        Ok(if SLICE_NS <= slice_ns {
            UpdateDeadline::Yield(1)
        } else {
            UpdateDeadline::Continue(1)
        })
    }

    fn begin_slice(&self) {
        let first = self.is_first.load(Relaxed);
        self.slice_start_ns.store(if first { monotonic_ns() } else { thread_cpu_ns() }, Relaxed);
    }

    fn end_slice(&self) -> u64 {
        let mut slice_ns = self.slice_ns();
        if self.is_first.swap(false, Relaxed) {
            slice_ns = slice_ns.min(FIRST_SLICE_NS_MAX);
        }
        self.used_ns.fetch_add(slice_ns, Relaxed);
        self.slice_longest_ns.fetch_max(slice_ns, Relaxed);
        self.slices_total.fetch_add(1, Relaxed);
        slice_ns
    }
}

/// Processor time of one binding on one shard: a bucket that fills with `share` ns a ns.
#[derive(Debug)]
pub struct Account {
    share: f64,
    burst_ns: i64,
    balance_ns: Cell<i64>,
    at_ns: Cell<u64>,
    spent_ns: Cell<u64>,
    throttled_ns: Cell<u64>,
}

impl Account {
    /// `share` of one core in the long run, `burst_ns` at once.
    pub fn new(share: f64, burst_ns: u64, now_ns: u64) -> Rc<Self> {
        assert!(0.0 < share);
        let burst_ns = burst_ns as i64;
        Rc::new(Self {
            share,
            burst_ns,
            balance_ns: Cell::new(burst_ns),
            at_ns: Cell::new(now_ns),
            spent_ns: Cell::new(0),
            throttled_ns: Cell::new(0),
        })
    }

    /// When the next slice may start; at or before `now_ns`: at once.
    pub fn next_slice_ns(&self, now_ns: u64) -> u64 {
        let passed_ns = now_ns.saturating_sub(self.at_ns.get()) as f64;
        let filled_ns = self.balance_ns.get().saturating_add((passed_ns * self.share) as i64);
        self.balance_ns.set(filled_ns.min(self.burst_ns));
        self.at_ns.set(now_ns.max(self.at_ns.get()));
        let debt_ns = self.balance_ns.get().min(0).unsigned_abs();
        now_ns + (debt_ns as f64 / self.share) as u64
    }

    pub fn charge(&self, slice_ns: u64) {
        self.balance_ns.set(self.balance_ns.get() - slice_ns as i64);
        self.spent_ns.set(self.spent_ns.get() + slice_ns);
    }

    /// All run time so far.
    pub fn spent_ns(&self) -> u64 {
        self.spent_ns.get()
    }

    /// How long calls have been held back so far.
    pub fn throttled_ns(&self) -> u64 {
        self.throttled_ns.get()
    }
}

/// What surrounds a call.
pub enum Around<'a> {
    /// A worker thread: neither account nor wall limit; slices only serve the budget.
    Worker,
    /// A shard. `wall_end_ns` is a time of [`monotonic_ns`].
    Shard { env: &'a Env, account: &'a Account, wall_end_ns: u64 },
}

/// A call into a guest: every poll is a slice that is measured, charged and, in debt, held back.
pub struct Metered<'a, F> {
    call: Pin<&'a mut F>,
    meter: &'a Meter,
    around: &'a Around<'a>,
    sleep: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<'a, F> Metered<'a, F> {
    pub fn new(call: Pin<&'a mut F>, meter: &'a Meter, around: &'a Around<'a>) -> Self {
        Self { call, meter, around, sleep: None }
    }
}

impl<F: Future> Future for Metered<'_, F> {
    /// `None`: the wall limit passed first. The store is then fit for nothing but dropping.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Around::Shard { env, account, wall_end_ns } = self.around {
            loop {
                if let Some(sleep) = self.sleep.as_mut() {
                    std::task::ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                }
                let now_ns = monotonic_ns();
                if *wall_end_ns <= now_ns {
                    return Poll::Ready(None);
                }
                let start_ns = account.next_slice_ns(now_ns).min(*wall_end_ns);
                if start_ns <= now_ns {
                    break;
                }
                account.throttled_ns.set(account.throttled_ns.get() + start_ns - now_ns);
                self.sleep = Some(sleep_ns(env, start_ns - now_ns));
            }
        }
        self.meter.begin_slice();
        ticker::enter();
        let answer = self.call.as_mut().poll(cx);
        ticker::leave();
        let slice_ns = self.meter.end_slice();
        if let Around::Shard { account, .. } = self.around {
            account.charge(slice_ns);
        }
        answer.map(Some)
    }
}

fn sleep_ns(env: &Env, ns: u64) -> Pin<Box<dyn Future<Output = ()>>> {
    let env = env.clone();
    Box::pin(async move {
        let end = crate::env::Instant(env.now().0.saturating_add(ns));
        env.sleep_until(end).await;
    })
}

/// Runs one future on this thread, which is a worker: what a guest's yields need there.
pub fn block_on<R>(future: impl Future<Output = R>) -> R {
    let mut future = std::pin::pin!(future);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    loop {
        // The only thing that a call ever waits for is its own turn: polled again, it goes on.
        if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            ticker::disarm();
            return answer;
        }
    }
}

const _: fn() = || {
    fn shared_with_the_callback<T: Send + Sync>() {}
    shared_with_the_callback::<Arc<Meter>>();
};
