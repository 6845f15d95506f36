//! Slot: the resident instance of one binding on one shard, and its replacement while calls run.
//!
//! A call takes the instance out of its slot by value and brings it back. A new generation is put
//! into the slot at once, whether or not the old instance is out: a batch is decided by exactly one
//! generation, the new one waits for nobody, and an old instance that comes home goes to a worker
//! to be dropped.
//! Owns: the queue of calls, making an instance when there is none, the account.
//! Leaves to others: not calling what keeps failing (`guard`).
//! Invariant: at most one instance of the current serial exists; an instance whose call was given
//! up or failed never serves another.
//! Start reading at: [`Slot::decide`], then [`Slot::switch`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::env::{Env, Instant};
use crate::plugin::code::Live;
use crate::plugin::error::CallError;
use crate::plugin::guard::Guard;
use crate::plugin::instance::{Batch, Instance};
use crate::plugin::meter::{Account, Around};
use crate::plugin::residents::{BindingKey, Decision, Limits, SlotState};
use crate::plugin::ticker::monotonic_ns;

/// Waiting calls; more are refused, so that a slow plugin holds back its own producers only.
pub const WAITING_MAX: usize = 1 << 10;

/// What came of the making of an instance that a call waits for.
type Verdict = Rc<RefCell<Option<CallError>>>;

struct Ticket {
    number: u64,
    waker: Waker,
    verdict: Verdict,
}

pub(super) struct Slot {
    env: Env,
    pub key: BindingKey,
    limits: Limits,
    live: RefCell<Result<Live, String>>,
    /// Names the version in force; grows with each change.
    serial: Cell<u64>,
    instance: RefCell<Option<Instance>>,
    /// The instance of the current serial is with a call.
    is_out: Cell<bool>,
    is_making: Cell<bool>,
    staged: RefCell<Option<(Live, Instance)>>,
    tickets: RefCell<VecDeque<Ticket>>,
    ticket_next: Cell<u64>,
    /// Of the version in force.
    guard: RefCell<Rc<Guard>>,
    account: Rc<Account>,
    used_at: Cell<Instant>,
    calls_total: Cell<u64>,
    failed_total: Cell<u64>,
}

impl Slot {
    pub fn new(env: &Env, key: BindingKey, live: Result<Live, String>, limits: Limits) -> Rc<Self> {
        let guard = Guard::new(env, &key.target);
        Rc::new(Self {
            env: env.clone(),
            key,
            limits,
            live: RefCell::new(live),
            serial: Cell::new(1),
            instance: RefCell::default(),
            is_out: Cell::new(false),
            is_making: Cell::new(false),
            staged: RefCell::default(),
            tickets: RefCell::default(),
            ticket_next: Cell::new(0),
            guard: RefCell::new(guard),
            account: Account::new(limits.share, limits.burst_ns, monotonic_ns()),
            used_at: Cell::new(env.now()),
            calls_total: Cell::new(0),
            failed_total: Cell::new(0),
        })
    }

    /// Asks the plugin about one batch.
    pub async fn decide(self: &Rc<Self>, batch: &Batch) -> Result<Decision, CallError> {
        self.used_at.set(self.env.now());
        if let Err(reason) = &*self.live.borrow() {
            return Err(CallError::NotReady(reason.clone()));
        }
        let passage = self.guard.borrow().enter()?;
        let wall_end = Instant(self.env.now().0.saturating_add(self.limits.wall_ns));
        let mut lease = match self.lease_now() {
            Some(lease) => lease,
            None => {
                let waited = self.env.until(wall_end, self.lease()).await;
                waited.unwrap_or(Err(CallError::Busy))?
            }
        };
        let label = lease.live.label.clone();
        let generation = lease.live.generation;
        lease.is_spoilt = true;
        let around = Around::Shard {
            env: &self.env,
            account: &self.account,
            wall_end_ns: monotonic_ns().saturating_add(self.limits.wall_ns),
        };
        let answer = lease.instance().partition(batch, self.limits.budget_ns, &around).await;
        let used_ns = lease.instance().used_ns();
        let error = answer.as_ref().err();
        lease.is_spoilt = error.is_some_and(CallError::is_failure);
        label.count(batch.records.rows.len(), used_ns, error);
        self.calls_total.set(self.calls_total.get() + 1);
        let is_current = lease.serial == self.serial.get();
        drop(lease);
        // What an older version did says nothing about the one in force.
        if is_current {
            self.count_failed(error);
            passage.end(&label, used_ns / 1_000_000, error);
        }
        answer.map(|targets| Decision { targets, generation, label })
    }

    fn count_failed(&self, error: Option<&CallError>) {
        let failed = u64::from(error.is_some_and(CallError::is_failure));
        self.failed_total.set(self.failed_total.get() + failed);
    }

    /// The instance, when it is at home and nobody waits.
    fn lease_now(self: &Rc<Self>) -> Option<Lease> {
        if !self.tickets.borrow().is_empty() {
            return None;
        }
        self.take()
    }

    fn take(self: &Rc<Self>) -> Option<Lease> {
        let instance = self.instance.borrow_mut().take()?;
        self.is_out.set(true);
        let live = self.live.borrow().clone().expect("an instance has a version");
        let (slot, serial, instance) = (self.clone(), self.serial.get(), Some(instance));
        Some(Lease { slot, live, serial, instance, is_spoilt: false })
    }

    /// Takes the instance; calls come in the order in which they asked. Makes one if there is none.
    async fn lease(self: &Rc<Self>) -> Result<Lease, CallError> {
        let mut place = Place { slot: self, number: None, verdict: Verdict::default() };
        std::future::poll_fn(move |cx| place.poll(cx)).await
    }

    /// Makes the instance of the current serial on a worker.
    fn start_making(self: &Rc<Self>) {
        let Ok(live) = self.live.borrow().clone() else { return };
        self.is_making.set(true);
        let (slot, settings) = (self.clone(), self.key.settings.clone());
        let serial = self.serial.get();
        self.env.spawn(async move {
            let made = slot.env.long_work(move || Instance::make(&live, &settings)).await;
            slot.is_making.set(false);
            if serial == slot.serial.get() && slot.instance.borrow().is_none() {
                slot.made(made);
            } else if let Ok(instance) = made {
                slot.env.discard(instance);
            }
            slot.wake_first();
        });
    }

    fn made(&self, made: Result<Instance, CallError>) {
        match made {
            Ok(instance) => {
                self.instance.replace(Some(instance));
            }
            Err(error) => {
                if let Ok(live) = &*self.live.borrow() {
                    live.label.count(0, 0, Some(&error));
                    self.guard.borrow().outcome(&live.label, 0, Some(&error));
                }
                self.count_failed(Some(&error));
                // Everybody who waits for this instance learns why there is none.
                for ticket in self.tickets.borrow().iter() {
                    ticket.verdict.replace(Some(error.clone()));
                    ticket.waker.wake_by_ref();
                }
            }
        }
    }

    /// Makes an instance of `live` and holds it until [`Slot::switch`].
    pub async fn prepare(self: &Rc<Self>, live: Live) -> Result<(), CallError> {
        let (ours, settings) = (live.clone(), self.key.settings.clone());
        let serial = self.serial.get();
        let made = self.env.long_work(move || Instance::make(&ours, &settings)).await?;
        if serial != self.serial.get() {
            self.env.discard(made);
            return Err(CallError::NotReady("its binding changed meanwhile".into()));
        }
        if let Some((_, older)) = self.staged.replace(Some((live, made))) {
            self.env.discard(older);
        }
        Ok(())
    }

    /// Whether an activation should have an instance ready here.
    pub fn is_in_use(&self) -> bool {
        self.instance.borrow().is_some() || self.is_out.get() || self.is_making.get()
    }

    /// Forgets what [`Slot::prepare`] made.
    pub fn unstage(&self) {
        if let Some((_, instance)) = self.staged.take() {
            self.env.discard(instance);
        }
    }

    /// Makes `live` the version that decides every later batch; if it was staged, at once.
    pub fn switch(&self, live: Live) {
        let staged = self.staged.take();
        let is_staged = staged.as_ref().is_some_and(|(ours, _)| ours.is_same(&live));
        self.set(Ok(live));
        match staged {
            Some((_, instance)) if is_staged => {
                self.instance.replace(Some(instance));
            }
            Some((_, instance)) => self.env.discard(instance),
            None => {}
        }
        self.wake_first();
    }

    /// Makes an instance ahead of the first call.
    pub async fn warm(self: &Rc<Self>) -> Result<(), CallError> {
        self.used_at.set(self.env.now());
        self.lease().await.map(drop)
    }

    /// Sets the version without preparing; no change, nothing happens.
    pub fn update(&self, live: Result<Live, String>) {
        let is_same = match (&*self.live.borrow(), &live) {
            (Ok(ours), Ok(new)) => ours.is_same(new),
            (Err(ours), Err(new)) => ours == new,
            _ => false,
        };
        if is_same {
            return;
        }
        self.unstage();
        self.set(live);
        let tickets = self.tickets.borrow();
        tickets.iter().for_each(|ticket| ticket.waker.wake_by_ref());
    }

    fn set(&self, live: Result<Live, String>) {
        self.guard.replace(Guard::new(&self.env, &self.key.target));
        *self.live.borrow_mut() = live;
        self.serial.set(self.serial.get() + 1);
        // An instance that is out finds another serial when it comes home.
        self.is_out.set(false);
        if let Some(older) = self.instance.take() {
            self.env.discard(older);
        }
    }

    /// Gives the instance up when nobody used it since `before`.
    pub fn evict(&self, before: Instant) {
        if self.used_at.get() < before
            && let Some(instance) = self.instance.take()
        {
            self.env.discard(instance);
        }
    }

    fn come_home(&self, instance: Instance, serial: u64, is_spoilt: bool) {
        let is_current = serial == self.serial.get();
        if is_current {
            self.is_out.set(false);
        }
        if is_current && !is_spoilt {
            assert!(self.instance.replace(Some(instance)).is_none(), "one instance a serial");
        } else {
            self.env.discard(instance);
        }
        self.wake_first();
    }

    fn wake_first(&self) {
        if let Some(ticket) = self.tickets.borrow().front() {
            ticket.waker.wake_by_ref();
        }
    }

    pub fn state(&self) -> SlotState {
        let live = self.live.borrow();
        let state = match &*live {
            Err(reason) => format!("unready: {reason}"),
            Ok(_) => self.guard.borrow().trouble().unwrap_or_else(|| "live".into()),
        };
        let live = live.as_ref().ok();
        SlotState {
            key: self.key.clone(),
            version: live.map(|live| live.label.version.clone()),
            digest: live.map(|live| live.label.digest),
            generation: live.map_or(0, |live| live.generation),
            state,
            has_instance: self.is_in_use(),
            waiting: self.tickets.borrow().len(),
            calls_total: self.calls_total.get(),
            failed_total: self.failed_total.get(),
            spent_ns: self.account.spent_ns(),
            throttled_ns: self.account.throttled_ns(),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.unstage();
        if let Some(instance) = self.instance.take() {
            self.env.discard(instance);
        }
    }
}

/// A place in the queue; given up when the waiting call is dropped.
struct Place<'a> {
    slot: &'a Rc<Slot>,
    number: Option<u64>,
    verdict: Verdict,
}

impl Place<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Lease, CallError>> {
        let slot = self.slot;
        if let Err(reason) = &*slot.live.borrow() {
            return Poll::Ready(Err(CallError::NotReady(reason.clone())));
        }
        if let Some(error) = self.verdict.take() {
            return Poll::Ready(Err(error));
        }
        let first = slot.tickets.borrow().front().map(|ticket| ticket.number);
        if first == self.number || first.is_none() {
            if let Some(lease) = slot.take() {
                self.leave();
                return Poll::Ready(Ok(lease));
            }
            if !slot.is_out.get() && !slot.is_making.get() {
                slot.start_making();
            }
        }
        let mut tickets = slot.tickets.borrow_mut();
        match self.number {
            Some(number) => {
                let ours = tickets.iter_mut().find(|ticket| ticket.number == number);
                ours.expect("our ticket").waker.clone_from(cx.waker());
            }
            None if WAITING_MAX <= tickets.len() => return Poll::Ready(Err(CallError::Busy)),
            None => {
                let number = slot.ticket_next.replace(slot.ticket_next.get() + 1);
                let (waker, verdict) = (cx.waker().clone(), self.verdict.clone());
                tickets.push_back(Ticket { number, waker, verdict });
                self.number = Some(number);
            }
        }
        Poll::Pending
    }

    fn leave(&mut self) {
        if let Some(number) = self.number.take() {
            self.slot.tickets.borrow_mut().retain(|ticket| ticket.number != number);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.leave();
            self.slot.wake_first();
        }
    }
}

/// The instance, for one call. Dropped in the middle of a call, the instance is thrown away.
struct Lease {
    slot: Rc<Slot>,
    live: Live,
    serial: u64,
    instance: Option<Instance>,
    /// Set before a call, cleared after it.
    is_spoilt: bool,
}

impl Lease {
    fn instance(&mut self) -> &mut Instance {
        self.instance.as_mut().expect("held until drop")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let instance = self.instance.take().expect("held until drop");
        self.slot.come_home(instance, self.serial, self.is_spoilt);
    }
}
