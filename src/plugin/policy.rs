//! Compaction policies: one pass over one partition, on workers.
//!
//! Owns: what a policy sees, the check of its answers.
//! Leaves to others: Kafka's own invariants and what happens to the log (`log`).
//! Invariant: an instance serves one round of a pass; after any error the pass is over and
//! everything is kept.
//! Start reading at: [`PolicyRun::open`].

use std::sync::Arc;

use crate::model::Offset;
use crate::plugin::assign::refused;
use crate::plugin::code::{Compiled, Live, Native, PluginCode, Settings};
use crate::plugin::error::CallError;
use crate::plugin::guest::Guest;
use crate::plugin::view::View;
use crate::record::Records;

/// Run time of one call of a policy.
pub const POLICY_BUDGET_NS: u64 = 1_000_000_000;

/// The pass as a policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassInfo {
    pub topic: String,
    pub partition: u32,
    /// Wall clock of the pass, frozen.
    pub now_ms: i64,
    pub first_offset: Offset,
    /// Below it an earlier pass has cleaned.
    pub first_dirty: Offset,
    pub end_offset: Offset,
}

/// What the first part of a round must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Nothing,
    Dirty,
    All,
}

/// A policy without wasm.
pub trait NativePolicy: Send {
    fn scope(&self) -> Scope;
    fn observe(&mut self, view: &View) -> Result<bool, String>;
    fn finish(&mut self, end: Offset) -> Result<(), String>;
    fn drops(&mut self, view: &View, expired: &[u8]) -> Result<Vec<u32>, String>;
}

enum Runner {
    Wasm { guest: Guest, compiled: Arc<Compiled> },
    Native(Box<dyn NativePolicy>),
}

impl Runner {
    /// Run time of the last call in the guest.
    fn used_ns(&self) -> u64 {
        match self {
            Self::Native(_) => 0,
            Self::Wasm { guest, .. } => guest.used_ns(),
        }
    }
}

/// One round in progress. `Send`: it travels between the jobs of a pass; each call blocks.
pub struct PolicyRun {
    live: Live,
    runner: Runner,
    scope: Scope,
    /// Run time of all calls.
    spent_ns: u64,
}

const _: fn() = || {
    fn travels_between_threads<T: Send>() {}
    travels_between_threads::<PolicyRun>();
};

impl PolicyRun {
    /// Makes an instance that serves one round of this pass. Blocks: only for workers.
    pub fn open(live: Live, settings: &Settings, pass: Arc<PassInfo>) -> Result<Self, CallError> {
        let opened = match &live.code {
            PluginCode::Native(Native::Policy(make)) => {
                let made = make(settings, &pass).map_err(|message| CallError::init(&message));
                made.map(|policy| (policy.scope(), Runner::Native(policy)))
            }
            PluginCode::Native(_) => Err(CallError::NotReady("it is no compaction policy".into())),
            PluginCode::Wasm(compiled) => {
                let (label, compiled) = (live.label.clone(), compiled.clone());
                let made = Guest::start_policy(label, compiled.clone(), settings, pass);
                made.map(|(guest, scope)| (scope, Runner::Wasm { guest, compiled }))
            }
        };
        live.label.count(0, 0, opened.as_ref().err());
        let (scope, runner) = opened?;
        let spent_ns = runner.used_ns();
        Ok(Self { live, runner, scope, spent_ns })
    }

    /// What the first part of the round must show.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Run time of all calls in the guest so far.
    pub fn spent_ns(&self) -> u64 {
        self.spent_ns
    }

    /// Shows one batch. `false`: memory is full, and the instance is fit for nothing but dropping.
    pub fn observe(&mut self, records: &Arc<Records>) -> Result<bool, CallError> {
        for view in self.parts(records) {
            let count = view.rows.len();
            let answer = match &mut self.runner {
                Runner::Native(policy) => {
                    policy.observe(&view).map_err(|message| refused(&message))
                }
                Runner::Wasm { guest, compiled } => {
                    let shown_bytes_max = view.shown_bytes_max(compiled.info.columns());
                    guest.observe(view, shown_bytes_max, POLICY_BUDGET_NS)
                }
            };
            self.count(count, answer.as_ref().err());
            if !answer? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends the first part of the round; `end`: the end of the pass.
    pub fn finish(&mut self, end: Offset) -> Result<(), CallError> {
        let answer = match &mut self.runner {
            Runner::Native(policy) => policy.finish(end).map_err(|message| refused(&message)),
            Runner::Wasm { guest, .. } => guest.finish(end.0, POLICY_BUDGET_NS),
        };
        self.count(0, answer.as_ref().err());
        answer
    }

    /// Rows of this batch that may go, ascending. `is_expired`: a tombstone past its horizon.
    pub fn drops(
        &mut self,
        records: &Arc<Records>,
        is_expired: impl Fn(usize) -> bool,
    ) -> Result<Vec<u32>, CallError> {
        let mut drops = Vec::new();
        for view in self.parts(records) {
            let rows = view.rows.clone();
            let expired: Vec<u8> = rows.clone().map(|row| u8::from(is_expired(row))).collect();
            let answer = match &mut self.runner {
                Runner::Native(policy) => {
                    policy.drops(&view, &expired).map_err(|message| refused(&message))
                }
                Runner::Wasm { guest, compiled } => {
                    let shown_bytes_max = view.shown_bytes_max(compiled.info.columns());
                    guest.drops(view, expired, shown_bytes_max, POLICY_BUDGET_NS)
                }
            };
            let answer = answer.and_then(|answer| ascending(answer, rows.len()));
            self.count(rows.len(), answer.as_ref().err());
            drops.extend(answer?.into_iter().map(|row| row + rows.start as u32));
        }
        Ok(drops)
    }

    fn parts(&self, records: &Arc<Records>) -> impl Iterator<Item = View> + use<> {
        let columns = match &self.runner {
            Runner::Native(_) => Default::default(),
            Runner::Wasm { compiled, .. } => compiled.info.columns(),
        };
        View::parts(records, columns)
    }

    fn count(&mut self, records: usize, error: Option<&CallError>) {
        let used_ns = self.runner.used_ns();
        self.spent_ns += used_ns;
        self.live.label.count(records, used_ns, error);
    }
}

/// Row numbers below `count`, each larger than the one before.
pub(super) fn ascending(rows: Vec<u32>, count: usize) -> Result<Vec<u32>, CallError> {
    for (at, &row) in rows.iter().enumerate() {
        if count <= row as usize {
            return Err(CallError::Malformed(format!("row {row} of {count}")));
        }
        if 0 < at && row <= rows[at - 1] {
            return Err(CallError::Malformed("rows do not ascend".into()));
        }
    }
    Ok(rows)
}
