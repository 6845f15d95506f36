//! Residents: the partitioners of one shard, by binding.
//!
//! Owns: which bindings the shard knows, activation in two phases over all of them.
//! Leaves to others: one binding's instance (`slot`), what is bound (`cluster`), what a failure
//! means for a client (`api`).
//! Invariant: between `prepare` and `commit` the version before decides; after `commit` returns no
//! new batch is decided by it.
//! Start reading at: [`ShardPlugins::partition`], then [`ShardPlugins::prepare`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::env::{Env, Instant};
use crate::plugin::code::{Label, Live, Settings};
use crate::plugin::error::CallError;
use crate::plugin::inspect::Digest;
use crate::plugin::instance::Batch;
use crate::plugin::slot::Slot;
use crate::plugin::ticker;

/// Run time of one batch in a partitioner.
pub const CALL_BUDGET_NS: u64 = 50_000_000;

/// What a binding may use on one shard.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Run time of one batch.
    pub budget_ns: u64,
    /// How long a request may wait in all.
    pub wall_ns: u64,
    /// Share of the shard's core in the long run.
    pub share: f64,
    /// Run time at once, beyond the share.
    pub burst_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (wall_ns, burst_ns) = (5_000_000_000, 10_000_000);
        Self { budget_ns: CALL_BUDGET_NS, wall_ns, share: 0.5, burst_ns }
    }
}

/// Names a binding: its target, the plugin and what it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingKey {
    /// Name of the topic; for an assignor, of the group.
    pub target: Arc<str>,
    pub plugin: Arc<str>,
    /// The binding stays at this version whatever is active.
    pub pin: Option<Arc<str>>,
    /// With other settings it is another binding, whose instance is made beside this one's.
    pub settings: Settings,
}

/// What a plugin said about one batch, and who it was.
#[derive(Clone, Debug)]
pub struct Decision {
    /// A partition for each record, or [`NOBODY`](crate::plugin::NOBODY): as the client chose.
    pub targets: Vec<u32>,
    /// The one generation that decided the whole batch.
    pub generation: u64,
    pub label: Arc<Label>,
}

/// One binding on this shard, for `plugin ps`.
#[derive(Clone, Debug)]
pub struct SlotState {
    pub key: BindingKey,
    pub version: Option<Arc<str>>,
    pub digest: Option<Digest>,
    /// Of the activation; 0 for a pinned version, which no activation changes.
    pub generation: u64,
    /// `live`, `unready: …`, `breaker: …`.
    pub state: String,
    pub has_instance: bool,
    pub waiting: usize,
    pub calls_total: u64,
    pub failed_total: u64,
    /// Run time of all calls.
    pub spent_ns: u64,
    /// How long calls were held back by the share.
    pub throttled_ns: u64,
}

/// The partitioners of one shard. Cheap to clone.
#[derive(Clone)]
pub struct ShardPlugins {
    env: Env,
    limits: Limits,
    slots: Rc<RefCell<BTreeMap<BindingKey, Rc<Slot>>>>,
    /// Versions between `prepare` and `commit`, by plugin.
    candidates: Rc<RefCell<BTreeMap<Arc<str>, Live>>>,
}

impl ShardPlugins {
    pub fn new(env: &Env, limits: Limits) -> Self {
        // Ticks would interrupt the system call in which an idle shard waits.
        env.set_before_sleep(Box::new(ticker::disarm));
        let (slots, candidates) = Default::default();
        Self { env: env.clone(), limits, slots, candidates }
    }

    /// Makes a binding known or changes it; the same again changes nothing. No instance is made
    /// before the first call. `Err`: why no version can decide yet.
    pub fn bind(&self, key: BindingKey, live: Result<Live, String>) {
        let mut slots = self.slots.borrow_mut();
        match slots.get(&key) {
            Some(slot) => slot.update(live),
            None => {
                let slot = Slot::new(&self.env, key.clone(), live, self.limits);
                slots.insert(key, slot);
            }
        }
    }

    /// Forgets a binding; calls in flight end as they would have.
    pub fn unbind(&self, key: &BindingKey) {
        let slot = self.slots.borrow_mut().remove(key);
        if let Some(slot) = slot {
            slot.update(Err("it is not bound any more".into()));
        }
    }

    /// Makes the binding's instance ahead of its first call.
    ///
    /// Errors: why there is none; the first call tries again.
    pub async fn warm(&self, key: &BindingKey) -> Result<(), CallError> {
        let slot = self.slots.borrow().get(key).cloned();
        match slot {
            Some(slot) => slot.warm().await,
            None => Ok(()),
        }
    }

    /// Asks the binding's plugin where the records of a batch belong.
    ///
    /// May wait: for an instance, for calls before it, for its share of the core.
    pub async fn partition(&self, key: &BindingKey, batch: &Batch) -> Result<Decision, CallError> {
        let slot = self.slots.borrow().get(key).cloned();
        let Some(slot) = slot else {
            return Err(CallError::NotReady("this shard does not know the binding yet".into()));
        };
        slot.decide(batch).await
    }

    /// First phase of an activation: makes instances of `live` for all bindings in use here.
    ///
    /// Returns how many. Errors: the first that could not be made; nothing is left staged.
    pub async fn prepare(&self, live: Live) -> Result<usize, CallError> {
        let plugin = live.label.name.clone();
        self.candidates.borrow_mut().insert(plugin.clone(), live.clone());
        let mut prepared = 0;
        for slot in self.followers(&plugin).into_iter().filter(|slot| slot.is_in_use()) {
            if let Err(error) = slot.prepare(live.clone()).await {
                self.abandon(&plugin, live.generation);
                return Err(error);
            }
            prepared += 1;
        }
        Ok(prepared)
    }

    /// Second phase: from now on the prepared version decides. At once, without waiting.
    ///
    /// Returns whether a version of this generation was prepared here.
    pub fn commit(&self, plugin: &str, generation: u64) -> bool {
        let mut candidates = self.candidates.borrow_mut();
        let is_ours = candidates.get(plugin).is_some_and(|live| live.generation == generation);
        if !is_ours {
            return false;
        }
        let live = candidates.remove(plugin).expect("just seen");
        drop(candidates);
        for slot in self.followers(plugin) {
            slot.switch(live.clone());
        }
        true
    }

    /// Gives a prepared version up.
    pub fn abandon(&self, plugin: &str, generation: u64) {
        let mut candidates = self.candidates.borrow_mut();
        if candidates.get(plugin).is_some_and(|live| live.generation == generation) {
            candidates.remove(plugin);
        }
        drop(candidates);
        self.followers(plugin).iter().for_each(|slot| slot.unstage());
    }

    /// Gives up instances that were not used for `idle_ms`; they come back with the next call.
    pub fn evict_idle(&self, idle_ms: u64) {
        let before = Instant(self.env.now().0.saturating_sub(idle_ms * 1_000_000));
        self.slots.borrow().values().for_each(|slot| slot.evict(before));
    }

    /// One binding, if this shard knows it.
    pub fn state(&self, key: &BindingKey) -> Option<SlotState> {
        self.slots.borrow().get(key).map(|slot| slot.state())
    }

    /// All bindings that this shard knows.
    pub fn states(&self) -> Vec<SlotState> {
        self.slots.borrow().values().map(|slot| slot.state()).collect()
    }

    /// Bindings that follow the plugin's active version.
    fn followers(&self, plugin: &str) -> Vec<Rc<Slot>> {
        let slots = self.slots.borrow();
        let follows = |slot: &&Rc<Slot>| &*slot.key.plugin == plugin && slot.key.pin.is_none();
        slots.values().filter(follows).cloned().collect()
    }
}
