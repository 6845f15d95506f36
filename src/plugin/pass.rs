//! Pass: a compaction policy as the log asks for it; every call is a job of a worker.
//!
//! Owns: carrying the run to a worker and back. Leaves to others: the pass itself (`log`).
//! Invariant: after any failure nothing more is asked; the run is dropped on a worker.
//! Start reading at: [`PluginPolicy::open`].

use std::sync::Arc;

use crate::env::Env;
use crate::log::{BoxFuture, CompactionPolicy, PassBatch, PolicyError, Scope as LogScope};
use crate::model::Offset;
use crate::plugin::code::{Label, Live, Settings};
use crate::plugin::error::CallError;
use crate::plugin::policy::{PassInfo, PolicyRun, Scope};

/// A plugin that decides one pass over one partition.
pub struct PluginPolicy {
    env: Env,
    label: Arc<Label>,
    scope: LogScope,
    /// `None` while a worker has it, and after a failure.
    run: Option<PolicyRun>,
    failure: Option<CallError>,
    spent_ns: u64,
}

impl PluginPolicy {
    /// Makes the instance that serves this pass, on a worker.
    pub async fn open(
        env: &Env,
        live: Live,
        settings: Settings,
        pass: PassInfo,
    ) -> Result<Self, CallError> {
        let label = live.label.clone();
        let open = move || PolicyRun::open(live, &settings, Arc::new(pass));
        let run = env.long_work(open).await?;
        let scope = match run.scope() {
            Scope::Nothing => LogScope::Nothing,
            Scope::Dirty => LogScope::Dirty,
            Scope::All => LogScope::All,
        };
        let (env, spent_ns) = (env.clone(), run.spent_ns());
        Ok(Self { env, label, scope, run: Some(run), failure: None, spent_ns })
    }

    /// The version that decides, for the report.
    pub fn label(&self) -> &Arc<Label> {
        &self.label
    }

    /// Run time of all calls in the guest so far.
    pub fn spent_ns(&self) -> u64 {
        self.spent_ns
    }

    /// Why the pass ended early, when the plugin is to blame.
    pub fn failure(&self) -> Option<&CallError> {
        self.failure.as_ref()
    }

    async fn ask<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut PolicyRun) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, PolicyError> {
        let label = self.label.clone();
        let failed = |message: String| PolicyError { message: format!("{label}: {message}") };
        let Some(mut run) = self.run.take() else {
            return Err(failed("it failed before".into()));
        };
        let job = move || {
            let answer = call(&mut run);
            let spent_ns = run.spent_ns();
            // A failed instance is dropped here, on the worker.
            (answer.is_ok().then_some(run), answer, spent_ns)
        };
        let (run, answer, spent_ns) = self.env.long_work(job).await;
        (self.run, self.spent_ns) = (run, spent_ns);
        answer.map_err(|error| {
            let message = failed(error.to_string());
            self.failure = Some(error);
            message
        })
    }
}

impl CompactionPolicy for PluginPolicy {
    fn scope(&self) -> LogScope {
        self.scope
    }

    fn observe(&mut self, batch: Arc<PassBatch>) -> BoxFuture<'_, Result<bool, PolicyError>> {
        Box::pin(self.ask(move |run| run.observe(&batch.records)))
    }

    fn finish(&mut self, end: Offset) -> BoxFuture<'_, Result<(), PolicyError>> {
        Box::pin(self.ask(move |run| run.finish(end)))
    }

    fn drops(&mut self, batch: Arc<PassBatch>) -> BoxFuture<'_, Result<Vec<u32>, PolicyError>> {
        Box::pin(self.ask(move |run| {
            let expired = |row: usize| batch.expired_tombstones.get(row).is_some_and(|is| *is);
            run.drops(&batch.records, expired)
        }))
    }
}

impl Drop for PluginPolicy {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.env.discard(run);
        }
    }
}
