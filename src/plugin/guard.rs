//! Guard: stops calling a binding's plugin that keeps failing on this shard, and says so.
//!
//! Owns: the breaker of one binding with its log line, its gauge and its state; the breakers of
//! assignors and policies, whose instances live for one run only.
//! Leaves to others: when a breaker opens (`breaker`), instances of partitioners (`slot`).
//! Invariant: what one version did says nothing about another: each has a guard of its own.
//! Start reading at: [`Guard::enter`], then [`RunGuards::enter`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::env::{Env, Instant};
use crate::plugin::breaker::{Breaker, Gate};
use crate::plugin::code::{Label, Live};
use crate::plugin::error::CallError;
use crate::plugin::residents::{BindingKey, SlotState};

/// The longest jitter of an open breaker.
const JITTER_MS: u64 = 250;

/// The breaker of one version for one binding on one shard.
pub struct Guard {
    env: Env,
    /// Name of the topic or group.
    target: Arc<str>,
    breaker: RefCell<Breaker>,
    /// Whose breaker the gauge counts as open.
    counted_open: RefCell<Option<Arc<Label>>>,
    last_failure: RefCell<String>,
}

impl Guard {
    pub fn new(env: &Env, target: &Arc<str>) -> Rc<Self> {
        Rc::new(Self {
            env: env.clone(),
            target: target.clone(),
            breaker: RefCell::default(),
            counted_open: RefCell::default(),
            last_failure: RefCell::default(),
        })
    }

    /// Lets a call through, or [`CallError::BreakerOpen`].
    pub fn enter(self: &Rc<Self>) -> Result<Passage, CallError> {
        match self.breaker.borrow_mut().ask(self.now_ms()) {
            Gate::Refuse { wait_ms } => Err(CallError::BreakerOpen { wait_ms }),
            gate => Ok(Passage { guard: self.clone(), is_probe: gate == Gate::Probe }),
        }
    }

    /// Tells what came of a call, or of making an instance for it. `ran_ms`: time in the plugin,
    /// which does not count towards the time in which failures add up.
    pub fn outcome(&self, label: &Arc<Label>, ran_ms: u64, error: Option<&CallError>) {
        let Some(error) = error.filter(|error| error.is_failure()) else {
            self.breaker.borrow_mut().succeeded();
            self.count_open(label);
            return;
        };
        self.last_failure.replace(error.to_string());
        let jitter_ms = self.env.random() % JITTER_MS;
        let opened = self.breaker.borrow_mut().failed(self.now_ms(), ran_ms, jitter_ms);
        self.count_open(label);
        if opened {
            let (plugin, version, target) = (&*label.name, &*label.version, &*self.target);
            tracing::error!(plugin, version, target, reason = %error, "breaker opened");
        }
    }

    /// When the breaker is open: when it is tried again, and why it opened.
    pub fn trouble(&self) -> Option<String> {
        let ms = self.breaker.borrow().open_for_ms(self.now_ms())?;
        let failure = self.last_failure.borrow();
        Some(format!("breaker: probe in {} s ({failure})", ms.div_ceil(1_000)))
    }

    fn count_open(&self, label: &Arc<Label>) {
        let is_open = self.breaker.borrow().open_for_ms(self.now_ms()).is_some();
        let mut counted = self.counted_open.borrow_mut();
        match (&*counted, is_open) {
            (Some(label), false) => {
                label.metrics.open_breakers.dec();
                *counted = None;
            }
            (None, true) => {
                label.metrics.open_breakers.inc();
                *counted = Some(label.clone());
            }
            _ => {}
        }
    }

    fn now_ms(&self) -> u64 {
        self.env.now().0 / 1_000_000
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(label) = self.counted_open.take() {
            label.metrics.open_breakers.dec();
        }
    }
}

/// A call that was let through. Dropped without an outcome, the next call is the probe.
pub struct Passage {
    guard: Rc<Guard>,
    is_probe: bool,
}

impl Passage {
    /// The call is over after `ran_ms` in the plugin.
    pub fn end(mut self, label: &Arc<Label>, ran_ms: u64, error: Option<&CallError>) {
        self.is_probe = false;
        self.guard.outcome(label, ran_ms, error);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.is_probe {
            let now_ms = self.guard.now_ms();
            self.guard.breaker.borrow_mut().abandoned(now_ms);
        }
    }
}

/// A run of an assignor or a policy that was let through. Dropped without an end, as [`Passage`].
pub struct RunPassage {
    passage: Passage,
    account: Rc<RunAccount>,
    since: Instant,
}

impl RunPassage {
    /// The run is over. `spent_ns`: run time in the guest.
    ///
    /// The breaker leaves out the whole run, in which a policy also waits for the log: failures add
    /// up by the time between runs.
    pub fn end(self, label: &Arc<Label>, spent_ns: u64, error: Option<&CallError>) {
        let account = &self.account;
        let failed = u64::from(error.is_some_and(CallError::is_failure));
        account.runs_total.set(account.runs_total.get() + 1);
        account.failed_total.set(account.failed_total.get() + failed);
        account.spent_ns.set(account.spent_ns.get() + spent_ns);
        let now = self.passage.guard.env.now();
        self.passage.end(label, now.0.saturating_sub(self.since.0) / 1_000_000, error);
    }
}

/// What the runs of one version came to.
#[derive(Default)]
struct RunAccount {
    runs_total: Cell<u64>,
    failed_total: Cell<u64>,
    spent_ns: Cell<u64>,
}

/// The guards of one shard's assignors and compaction policies, by binding.
pub struct RunGuards {
    env: Env,
    bound: RefCell<BTreeSet<BindingKey>>,
    by_binding: RefCell<BTreeMap<BindingKey, Guarded>>,
}

/// One version for one binding. It holds no code: nothing of a run stays in memory.
struct Guarded {
    generation: u64,
    label: Arc<Label>,
    guard: Rc<Guard>,
    account: Rc<RunAccount>,
}

impl Guarded {
    fn new(env: &Env, target: &Arc<str>, live: &Live) -> Self {
        let (guard, account) = (Guard::new(env, target), Rc::default());
        Self { generation: live.generation, label: live.label.clone(), guard, account }
    }

    fn is_of(&self, live: &Live) -> bool {
        self.generation == live.generation && self.label.digest == live.label.digest
    }

    fn enter(&self) -> Result<RunPassage, CallError> {
        let (passage, account) = (self.guard.enter()?, self.account.clone());
        Ok(RunPassage { since: passage.guard.env.now(), passage, account })
    }
}

impl RunGuards {
    pub fn new(env: &Env) -> Self {
        let (bound, by_binding) = Default::default();
        Self { env: env.clone(), bound, by_binding }
    }

    /// Lets one more run of `live` for that binding through; another version starts with a new
    /// guard.
    ///
    /// A binding that went while the code was loaded is not remembered by its last run.
    pub fn enter(&self, key: &BindingKey, live: &Live) -> Result<RunPassage, CallError> {
        let make = || Guarded::new(&self.env, &key.target, live);
        if !self.bound.borrow().contains(key) {
            return make().enter();
        }
        let mut all = self.by_binding.borrow_mut();
        let guarded = all.entry(key.clone()).or_insert_with(make);
        if !guarded.is_of(live) {
            *guarded = make();
        }
        guarded.enter()
    }

    /// Forgets bindings that are gone.
    pub fn follow(&self, bound: BTreeSet<BindingKey>) {
        self.by_binding.borrow_mut().retain(|key, _| bound.contains(key));
        self.bound.replace(bound);
    }

    /// All bindings that had a run here.
    pub fn states(&self) -> Vec<SlotState> {
        let all = self.by_binding.borrow();
        let state = |(key, guarded): (&BindingKey, &Guarded)| SlotState {
            key: key.clone(),
            version: Some(guarded.label.version.clone()),
            digest: Some(guarded.label.digest),
            generation: guarded.generation,
            state: guarded.guard.trouble().unwrap_or_else(|| "live".into()),
            has_instance: false,
            waiting: 0,
            calls_total: guarded.account.runs_total.get(),
            failed_total: guarded.account.failed_total.get(),
            spent_ns: guarded.account.spent_ns.get(),
            throttled_ns: 0,
        };
        all.iter().map(state).collect()
    }
}
