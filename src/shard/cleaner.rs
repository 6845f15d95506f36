//! Compaction that runs by itself: which partition of this shard is next, and when.
//!
//! Owns: the choice (highest dirty ratio first, or too old), the rest between looks, how many
//! passes run at once on the node, partitions that are left alone after a failure.
//! Leaves to others: one pass (`compaction`), what a log could clean (`log`), where clean
//! boundaries are kept (`boundaries`).
//! Invariant: one look costs one walk over memory, whatever lies on disk; a partition that failed
//! waits longer each time.
//! Start reading at: [`run`].
//! Source: Kafka `LogCleaner`, `LogCleanerManager#grabFilthiestCompactedLog`.
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::CleanerSettings;
use crate::env::Instant;
use crate::env::local::Notify;
use crate::model::ShardId;
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::compaction::{self, Failure};
use crate::shard::partition::Partition;

/// Partitions looked at before other tasks of the shard run.
const LOOK_MAX: usize = 256;
/// Longest rest of a partition whose passes fail.
const REST_MS_MAX: u64 = 60 * 60 * 1_000;

/// What is remembered of a partition whose last pass failed.
#[derive(Debug, Default)]
pub struct Setback {
    failures: Cell<u32>,
    rests_until: Cell<Option<Instant>>,
    failure: RefCell<Option<Failure>>,
}

impl Setback {
    /// Why no pass runs here by itself at the moment; `None`: nothing speaks against one.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// A pass, whoever asked for it, has done what it should.
    pub fn clear(&self) {
        self.failures.set(0);
        self.rests_until.set(None);
        self.failure.take();
    }

    fn note(&self, failure: Failure, backoff_ms: u64, now: Instant) {
        let failures = self.failures.get().saturating_add(1);
        let rest =
            backoff_ms.saturating_mul(1 << failures.min(20)).min(REST_MS_MAX.max(backoff_ms));
        self.failures.set(failures);
        self.rests_until.set(Some(now.plus_ms(rest)));
        self.failure.replace(Some(failure));
    }

    fn rests(&self, now: Instant) -> bool {
        // Damage does not heal by itself; a pass that somebody asks for may say otherwise.
        let damaged = self.failure.borrow().as_ref().is_some_and(|failure| failure.is_lasting());
        damaged || self.rests_until.get().is_some_and(|until| now < until)
    }
}

/// Looks for something worth a pass, and runs it, for ever.
pub async fn run(core: Rc<Core>) {
    loop {
        let settings = core.cleaner_settings();
        let worked = 0 < settings.threads && look(&core).await.is_some();
        if worked {
            // Another shard may have had the turn for long: choose again when it is ours.
            let slot = core.ask(ShardId(0), TakeTurn).told().await;
            if slot.is_err() {
                return;
            }
            let cleaned = match look(&core).await {
                Some(partition) => clean(&core, &partition, &settings).await,
                None => false,
            };
            if core.ask(ShardId(0), GiveTurn).told().await.is_err() {
                return;
            }
            if cleaned {
                continue;
            }
        }
        core.env.sleep_ms(settings.backoff_ms).await;
    }
}

/// Runs a pass; false when it came to nothing, and the next look can wait.
async fn clean(core: &Rc<Core>, partition: &Rc<Partition>, settings: &CleanerSettings) -> bool {
    match compaction::run_by_itself(core, partition).await {
        Ok(_) => true,
        // It was closed or deleted meanwhile, or its segments are being removed.
        Err(failure) if failure.is_end() => false,
        Err(failure) => {
            partition.setback.note(failure, settings.backoff_ms, core.env.now());
            false
        }
    }
}

/// The partition that needs a pass most; counts what it saw.
async fn look(core: &Rc<Core>) -> Option<Rc<Partition>> {
    let now_ms = core.env.wall_ms();
    let (mut dirtiest, mut best, mut set_back) = (0.0_f64, None, 0);
    for (at, partition) in core.partitions().into_iter().enumerate() {
        if at % LOOK_MAX == LOOK_MAX - 1 {
            crate::env::yield_now().await;
        }
        let settings = partition.settings();
        let Ok(log) = partition.log() else { continue };
        if !settings.cleanup.compact || log.offline().is_some() {
            continue;
        }
        set_back += i64::from(partition.setback.failure().is_some());
        let first_dirty = partition.cleaned_end.get();
        if partition.setback.rests(core.env.now()) || partition.passes.is_busy() {
            continue;
        }
        let lag_ms = settings.max_compaction_lag_ms;
        if lag_ms < i64::MAX
            && log.has_overdue_active(lag_ms, now_ms)
            && let Err(error) = log.roll().await
        {
            tracing::warn!(partition = %partition.name, %error, "not rolled for compaction");
        }
        if !log.has_closed_behind(first_dirty) {
            continue;
        }
        if lag_ms < i64::MAX
            && let Err(error) = log.learn_first_timestamps(first_dirty).await
        {
            tracing::warn!(partition = %partition.name, %error, "age of dirty segments unknown");
        }
        let found = log.cleanable(first_dirty, now_ms);
        let ratio = found.ratio();
        dirtiest = dirtiest.max(ratio);
        let overdue = found.is_overdue(settings.max_compaction_lag_ms, now_ms);
        let is_due = overdue || settings.min_cleanable_ratio < ratio;
        if is_due && best.as_ref().is_none_or(|(most, _)| *most < ratio) {
            best = Some((ratio, partition));
        }
    }
    core.metrics.compaction.note_look(core.shard.0, dirtiest, set_back);
    best.map(|(_, partition)| partition)
}

impl Core {
    /// The settings of compaction as they are now.
    pub fn cleaner_settings(&self) -> CleanerSettings {
        let image = self.image();
        CleanerSettings::new(&image.broker_values(&self.config.values, self.identity.node_id))
    }
}

/// Passes that run on the node at this moment; shard 0 counts.
#[derive(Default)]
pub struct Turns {
    taken: Cell<u32>,
    given: Notify,
}

/// Waits until fewer than `log.cleaner.threads` passes run on the node, and counts one more.
struct TakeTurn;

impl Ask for TakeTurn {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let core = core.clone();
        Box::pin(async move {
            while core.cleaner_settings().threads.max(1) <= core.cleaner_turns.taken.get() {
                core.cleaner_turns.given.changed().await;
            }
            core.cleaner_turns.taken.set(core.cleaner_turns.taken.get() + 1);
        })
    }
}

struct GiveTurn;

impl Ask for GiveTurn {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let turns = &core.cleaner_turns;
        turns.taken.set(turns.taken.get().checked_sub(1).expect("a turn that was taken"));
        turns.given.notify_all();
        Box::pin(std::future::ready(()))
    }
}
