//! Guard: stops calling a binding's plugin that keeps failing on this shard, and says so.
//!
//! Owns: the breaker of one binding with its log line, its gauge and its state; the breakers of
//! assignors and policies, whose instances live for one run only.
//! Leaves to others: when a breaker opens (`breaker`), instances of partitioners (`slot`).
//! Invariant: what one version did says nothing about another: each has a guard of its own.
//! Start reading at: [`Guard::enter`], then [`RunGuards::of`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
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
    failed_total: Cell<u64>,
}

impl Guard {
    pub fn new(env: &Env, target: &Arc<str>) -> Rc<Self> {
        Rc::new(Self {
            env: env.clone(),
            target: target.clone(),
            breaker: RefCell::default(),
            counted_open: RefCell::default(),
            last_failure: RefCell::default(),
            failed_total: Cell::new(0),
        })
    }

    /// Lets a call through, or [`CallError::BreakerOpen`].
    pub fn enter(self: &Rc<Self>) -> Result<Passage, CallError> {
        match self.breaker.borrow_mut().ask(self.now_ms()) {
            Gate::Refuse { wait_ms } => Err(CallError::BreakerOpen { wait_ms }),
            gate => {
                let (guard, since) = (self.clone(), self.env.now());
                Ok(Passage { guard, is_probe: gate == Gate::Probe, since })
            }
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
        self.failed_total.set(self.failed_total.get() + 1);
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

    pub fn failed_total(&self) -> u64 {
        self.failed_total.get()
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
    since: Instant,
}

impl Passage {
    /// The call is over; for calls whose time is all the plugin's.
    pub fn end(self, label: &Arc<Label>, error: Option<&CallError>) {
        let ran_ms = self.guard.env.now().0.saturating_sub(self.since.0) / 1_000_000;
        self.end_after(label, ran_ms, error);
    }

    /// The call is over after `ran_ms` in the plugin.
    pub fn end_after(mut self, label: &Arc<Label>, ran_ms: u64, error: Option<&CallError>) {
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

/// The guards of one shard's assignors and compaction policies, by binding.
pub struct RunGuards {
    env: Env,
    by_binding: RefCell<BTreeMap<BindingKey, Guarded>>,
}

struct Guarded {
    live: Live,
    guard: Rc<Guard>,
    runs_total: u64,
}

impl RunGuards {
    pub fn new(env: &Env) -> Self {
        Self { env: env.clone(), by_binding: RefCell::default() }
    }

    /// The guard of one more run of `live` for that binding; another version starts with a new
    /// one.
    pub fn of(&self, key: &BindingKey, live: &Live) -> Rc<Guard> {
        let mut all = self.by_binding.borrow_mut();
        if all.get(key).is_none_or(|known| !known.live.is_same(live)) {
            let (live, guard) = (live.clone(), Guard::new(&self.env, &key.target));
            all.insert(key.clone(), Guarded { live, guard, runs_total: 0 });
        }
        let guarded = all.get_mut(key).expect("just made");
        guarded.runs_total += 1;
        guarded.guard.clone()
    }

    /// Forgets bindings that are gone.
    pub fn retain(&self, is_bound: impl Fn(&BindingKey) -> bool) {
        self.by_binding.borrow_mut().retain(|key, _| is_bound(key));
    }

    /// All bindings that had a run here.
    pub fn states(&self) -> Vec<SlotState> {
        let all = self.by_binding.borrow();
        let state = |(key, guarded): (&BindingKey, &Guarded)| SlotState {
            key: key.clone(),
            version: Some(guarded.live.label.version.clone()),
            generation: guarded.live.generation,
            state: guarded.guard.trouble().unwrap_or_else(|| "live".into()),
            has_instance: false,
            waiting: 0,
            calls_total: guarded.runs_total,
            failed_total: guarded.guard.failed_total(),
            spent_ns: 0,
            throttled_ns: 0,
        };
        all.iter().map(state).collect()
    }
}
