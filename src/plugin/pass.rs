//! Pass: a compaction policy as the log asks for it, an instance for each round of a pass.
//!
//! Owns: making instances, what they spent and why one failed. Leaves to others: the pass itself
//! and its workers (`log`).
//! Invariant: after any failure an instance is asked nothing more.
//! Start reading at: [`PluginPolicies`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::{CompactionPolicy, PassBatch, PolicyError, PolicySource, Scope as LogScope};
use crate::model::Offset;
use crate::plugin::code::{Label, Live, Settings};
use crate::plugin::error::CallError;
use crate::plugin::policy::{PassInfo, PolicyRun, Scope};

/// A plugin that decides one pass over one partition.
pub struct PluginPolicies {
    live: Live,
    settings: Settings,
    pass: Arc<PassInfo>,
    outcome: Arc<Mutex<Outcome>>,
}

/// Of all instances of a pass together.
#[derive(Default)]
struct Outcome {
    spent_ns: u64,
    failure: Option<CallError>,
}

/// The instance of one round.
struct Round {
    label: Arc<Label>,
    /// `None` after a failure.
    run: Option<PolicyRun>,
    scope: LogScope,
    spent_ns: u64,
    outcome: Arc<Mutex<Outcome>>,
}

fn of(outcome: &Mutex<Outcome>) -> MutexGuard<'_, Outcome> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PluginPolicies {
    pub fn new(live: Live, settings: Settings, pass: PassInfo) -> Arc<Self> {
        Arc::new(Self { live, settings, pass: Arc::new(pass), outcome: Arc::default() })
    }

    /// The version that decides, for the report.
    pub fn label(&self) -> &Arc<Label> {
        &self.live.label
    }

    /// Run time of all calls in the guests so far.
    pub fn spent_ns(&self) -> u64 {
        of(&self.outcome).spent_ns
    }

    /// Why the pass ended early, when the plugin is to blame.
    pub fn failure(&self) -> Option<CallError> {
        of(&self.outcome).failure.clone()
    }
}

fn told(label: &Label, error: &CallError) -> PolicyError {
    PolicyError { message: format!("{label}: {error}") }
}

impl PolicySource for PluginPolicies {
    fn open(&self) -> Result<Box<dyn CompactionPolicy>, PolicyError> {
        let opened = PolicyRun::open(self.live.clone(), &self.settings, self.pass.clone());
        let run = opened.map_err(|error| {
            let said = told(&self.live.label, &error);
            of(&self.outcome).failure = Some(error);
            said
        })?;
        let scope = match run.scope() {
            Scope::Nothing => LogScope::Nothing,
            Scope::Dirty => LogScope::Dirty,
            Scope::All => LogScope::All,
        };
        let (label, outcome) = (self.live.label.clone(), self.outcome.clone());
        let spent_ns = run.spent_ns();
        of(&outcome).spent_ns += spent_ns;
        Ok(Box::new(Round { label, run: Some(run), scope, spent_ns, outcome }))
    }
}

impl Round {
    fn ask<T>(
        &mut self,
        call: impl FnOnce(&mut PolicyRun) -> Result<T, CallError>,
    ) -> Result<T, PolicyError> {
        let Some(run) = &mut self.run else {
            let message = format!("{}: it failed before", self.label);
            return Err(PolicyError { message });
        };
        let answer = call(run);
        let spent_ns = run.spent_ns();
        let mut outcome = of(&self.outcome);
        outcome.spent_ns += spent_ns - std::mem::replace(&mut self.spent_ns, spent_ns);
        answer.map_err(|error| {
            self.run = None;
            let said = told(&self.label, &error);
            outcome.failure = Some(error);
            said
        })
    }
}

impl CompactionPolicy for Round {
    fn scope(&self) -> LogScope {
        self.scope
    }

    fn observe(&mut self, batch: &PassBatch) -> Result<bool, PolicyError> {
        self.ask(|run| run.observe(&batch.records))
    }

    fn finish(&mut self, end: Offset) -> Result<(), PolicyError> {
        self.ask(|run| run.finish(end))
    }

    fn drops(&mut self, batch: &PassBatch) -> Result<Vec<u32>, PolicyError> {
        let expired = |row: usize| batch.expired_tombstones.get(row).is_some_and(|is| *is);
        self.ask(|run| run.drops(&batch.records, expired))
    }

    fn spent_ns(&self) -> u64 {
        self.spent_ns
    }
}
