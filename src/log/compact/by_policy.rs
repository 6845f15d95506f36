//! Marking what a policy lets go: in rounds, each over a range of the keys' hashes.
//!
//! Owns: which records a round shows, the width of a range, what happens when a policy's memory
//! is full: the instance ends, and a new one is shown half of the keys.
//! Leaves to others: the policy's work with each batch (`show`), what becomes of marks (`rewrite`).
//! Invariant: when the pass goes on to rewriting, every key was decided, by one instance that saw
//! all that its policy asked for of that key.
//! Start reading at: [`Pass::mark_by_policy`].
use std::sync::Arc;

use crate::log::compact::keys::NewestPerKey;
use crate::log::compact::marks::Marks;
use crate::log::compact::policy::{CompactionPolicy, PolicyError, PolicySource, Scope};
use crate::log::compact::show::{Collect, Early, Look, Name, Shown, Watched};
use crate::log::compact::{CompactError, Pass};
use crate::model::Offset;

/// Instances that one pass may take: more keys than they hold are too many for this policy.
const INSTANCES_MAX: u32 = 256;

/// The instances of one pass.
struct Instances {
    source: Arc<dyn PolicySource>,
    scope: Scope,
    made: u32,
    /// The first one, which has said its scope.
    first: Option<Box<dyn CompactionPolicy>>,
}

impl Pass<'_> {
    pub(super) async fn mark_by_policy(
        &mut self,
        source: Arc<dyn PolicySource>,
    ) -> Result<(), CompactError> {
        let first = self.open(&source).await?;
        let scope = first.scope();
        let mut instances = Instances { source, scope, made: 0, first: Some(first) };
        match scope {
            Scope::Nothing => {
                let policy = self.next(&mut instances).await?;
                let watched = self.watched(policy, Shown::EVERYTHING);
                self.name(watched).await.map(drop)
            }
            Scope::Dirty => self.rounds(&mut instances, Shown::EVERYTHING).await.map(drop),
            Scope::All => self.rounds_of_dirty_keys(&mut instances).await,
        }
    }

    async fn open(
        &self,
        source: &Arc<dyn PolicySource>,
    ) -> Result<Box<dyn CompactionPolicy>, CompactError> {
        let source = source.clone();
        Ok(self.log.host.env.long_work(move || source.open()).await?)
    }

    async fn next(
        &self,
        instances: &mut Instances,
    ) -> Result<Box<dyn CompactionPolicy>, CompactError> {
        if INSTANCES_MAX <= instances.made {
            return Err(CompactError::TooManyRounds { made: instances.made });
        }
        instances.made += 1;
        if let Some(first) = instances.first.take() {
            return Ok(first);
        }
        let policy = self.open(&instances.source).await?;
        if policy.scope() != instances.scope {
            self.log.host.env.discard(policy);
            let message = "it wants to see other records than its first instance".to_owned();
            return Err(PolicyError { message }.into());
        }
        Ok(policy)
    }

    fn watched(&self, policy: Box<dyn CompactionPolicy>, shown: Shown) -> Watched {
        Watched {
            rested_ns: policy.spent_ns(),
            policy,
            shown,
            transactions: self.transactions.clone(),
            now_ms: self.job.now_ms,
            bytes_max: self.log.config().decompressed_bytes_max,
        }
    }

    /// Rounds over the keys that are to be decided: as many of them at once as fit the memory for
    /// keys, and of these as many as fit the policy's.
    async fn rounds_of_dirty_keys(
        &mut self,
        instances: &mut Instances,
    ) -> Result<(), CompactError> {
        let env = self.log.host.env.clone();
        let mut keys = self.make_table().await;
        loop {
            keys = self.collect(keys).await?;
            let shown = Shown { range: keys.range(), keys: Some(keys) };
            let shown = self.rounds(instances, shown).await?;
            keys = shown.keys.expect("the keys that went in");
            let next = move || {
                let more = keys.next_round();
                (keys, more)
            };
            let more;
            (keys, more) = env.long_work(next).await;
            if !more {
                env.discard(keys);
                return Ok(());
            }
        }
    }

    async fn collect(&mut self, keys: NewestPerKey) -> Result<NewestPerKey, CompactError> {
        let first_dirty = self.job.range.first_dirty;
        let mut step = Collect {
            keys,
            transactions: self.transactions.clone(),
            first_dirty,
            now_ms: self.job.now_ms,
            bytes_max: self.log.config().decompressed_bytes_max,
        };
        for at in 0..self.sources.len() {
            let is_dirty = first_dirty < self.sources[at].closed.end;
            for n in self.sources[at].spans.clone() {
                if is_dirty || self.spans[n].tally.has_expired {
                    let track = self.spans[n].track.clone();
                    step = self.walk(&track, step, async |_, _| Ok(())).await?;
                }
            }
        }
        Ok(step.keys)
    }

    /// Lets instances decide over all that is shown, each over a range of it.
    async fn rounds(
        &mut self,
        instances: &mut Instances,
        mut shown: Shown,
    ) -> Result<Shown, CompactError> {
        let whole = shown.range;
        loop {
            let policy = match self.next(instances).await {
                Ok(policy) => policy,
                Err(error) => return Err(self.without(shown, error)),
            };
            let from = match instances.scope {
                Scope::Dirty => self.job.range.first_dirty,
                Scope::Nothing | Scope::All => Offset(i64::MIN),
            };
            let look = Look::new(self.watched(policy, shown), from);
            let mut looked = self.look(look).await?;
            match looked.early.take() {
                None => {
                    shown = self.name(looked.watched).await?;
                    self.report.rounds += 1;
                    match shown.range.next_in(whole) {
                        None => return Ok(shown),
                        Some(next) => shown.range = next,
                    }
                }
                Some(Early::Full { at, one_key }) => {
                    shown = self.keep_shown(looked.watched);
                    match shown.range.lower_half() {
                        Some(half) if !one_key => shown.range = half,
                        _ => return Err(self.without(shown, CompactError::MemoryFull { at })),
                    }
                }
                Some(Early::Failed(error)) => {
                    self.log.host.env.discard(looked.watched);
                    return Err(error.into());
                }
            }
        }
    }

    /// Frees the keys where that holds nobody up.
    fn without(&self, shown: Shown, error: CompactError) -> CompactError {
        self.log.host.env.discard(shown.keys);
        error
    }

    /// Ends an instance where that holds nobody up.
    fn keep_shown(&self, watched: Watched) -> Shown {
        self.log.host.env.discard(watched.policy);
        watched.shown
    }

    async fn look(&mut self, mut look: Look) -> Result<Look, CompactError> {
        for at in 0..self.sources.len() {
            if self.sources[at].closed.end <= look.from {
                continue;
            }
            for n in self.sources[at].spans.clone() {
                if look.early.is_none() {
                    let track = self.spans[n].track.clone();
                    look = self.walk(&track, look, async |_, _| Ok(())).await?;
                }
            }
        }
        Ok(look)
    }

    /// Ends the first part of a round, and marks what the policy names in the second.
    async fn name(&mut self, mut watched: Watched) -> Result<Shown, CompactError> {
        let (env, end) = (self.log.host.env.clone(), self.report.clean_end);
        let finish = move || match watched.policy.finish(end) {
            Ok(()) => Ok(watched),
            // It is dropped here, on the worker.
            Err(error) => Err(error),
        };
        let watched = env.long_work(finish).await?;
        let samples = std::mem::take(&mut self.report.sample_keys);
        let (marks, failed) = (Marks::default(), None);
        let mut step = Name { watched, marks, bit: 0, samples, unseen: 0, failed };
        for n in 0..self.spans.len() {
            (step.marks, step.bit) = (self.store.lend(&mut self.spans[n]).await?, 0);
            let track = self.spans[n].track.clone();
            step = self.walk(&track, step, async |_, _| Ok(())).await?;
            if let Some(error) = step.failed.take() {
                env.discard(step);
                return Err(error.into());
            }
            let marks = std::mem::take(&mut step.marks);
            self.store.give_back(&mut self.spans[n], marks).await?;
        }
        self.report.sample_keys = std::mem::take(&mut step.samples);
        self.report.unseen_batches = step.unseen;
        Ok(self.keep_shown(step.watched))
    }
}
