//! One compaction pass over one partition, on its shard, with the policy that its topic names.
//!
//! Owns: rolling first when somebody asks, finding the policy's code, where the next pass begins,
//! metrics.
//! Leaves to others: the pass (`log`), deciding (`plugin`), when it runs by itself (`cleaner`).
//! Invariant: one pass at a time per partition; any failure keeps everything.
//! Start reading at: [`Compact`], [`run_by_itself`].
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::PluginKind;
use crate::config::CompactionBinding;
use crate::log::{
    CompactError, CompactionJob, CompactionReport, DiskError, PassLimits, PassMode, PassRange,
    PolicySource,
};
use crate::model::{ErrorCode, PartitionIndex, ShardId, TopicId};
use crate::observe::CompactionOutcome;
use crate::plugin::{PassInfo, PluginPolicies, RunPassage};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::boundaries::NoteCleaned;
use crate::shard::partition::Partition;
use crate::shard::plugins::{plugin_settings, wanted};

/// Runs one pass, or says what it would drop.
#[derive(Clone)]
pub struct Compact {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    pub dry_run: bool,
    /// A pass may drop more than the topic's `max.drop.ratio`.
    pub approve: bool,
}

/// What a pass did, and who decided: `name@version`, or nothing for Kafka's own rule.
pub type Compacted = Result<(CompactionReport, String), String>;

/// Why there was no pass.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    #[error("the partition is offline")]
    Offline(ErrorCode),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{0}")]
    Log(Rc<CompactError>),
    #[error("{0}")]
    Policy(String),
}

impl Failure {
    /// The partition is on its way out: nothing is wrong with it.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Log(error) => matches!(&**error, CompactError::Closed | CompactError::Running),
            Self::Offline(_) | Self::Disk(_) | Self::Policy(_) => false,
        }
    }

    /// It will fail again until somebody looks after it.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Log(error) => matches!(&**error, CompactError::Corrupt { .. }),
            Self::Offline(_) | Self::Disk(_) | Self::Policy(_) => false,
        }
    }
}

impl From<CompactError> for Failure {
    fn from(error: CompactError) -> Self {
        Self::Log(Rc::new(error))
    }
}

/// How a pass is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    mode: PassMode,
    approve: bool,
    /// Close the active segment first, so that all that is there can be compacted.
    roll: bool,
}

impl Ask for Compact {
    type Told = Compacted;

    fn start(self, core: &Rc<Core>) -> Work<Compacted> {
        let core = core.clone();
        Box::pin(async move {
            let partition = core.partition(self.topic_id, self.partition);
            let partition = partition.ok_or("the partition has moved or is deleted")?;
            let mode = if self.dry_run { PassMode::DryRun } else { PassMode::Run };
            let order = Order { mode, approve: self.approve, roll: true };
            run(&core, &partition, order).await.map_err(|failure| failure.to_string())
        })
    }
}

/// A pass over what is closed already, as Kafka's cleaner does it.
pub async fn run_by_itself(
    core: &Rc<Core>,
    partition: &Rc<Partition>,
) -> Result<CompactionReport, Failure> {
    let order = Order { mode: PassMode::Run, approve: false, roll: false };
    run(core, partition, order).await.map(|(report, _)| report)
}

/// Waits for the pass that runs already, if one does; then runs this one and counts it.
async fn run(
    core: &Rc<Core>,
    partition: &Rc<Partition>,
    order: Order,
) -> Result<(CompactionReport, String), Failure> {
    let turn = partition.passes.enter();
    turn.called().await;
    let told = compact(core, partition, order).await;
    count(core, &told);
    let name = &partition.name;
    match &told {
        Ok((report, policy)) => {
            tracing::info!(
                partition = %name,
                policy,
                dry_run = report.dry_run,
                before = report.records_before,
                after = report.records_after,
                rounds = report.rounds,
                unseen_batches = report.unseen_batches,
                "compacted"
            );
            if order.mode == PassMode::Run {
                partition.setback.clear();
                partition.cleaned_end.set(report.clean_end);
                let (topic_id, end) = (partition.topic_id, report.clean_end);
                let dir = partition.dir.clone().expect("its log was just compacted");
                let note = NoteCleaned { dir, topic_id, name: name.clone(), end };
                // Unanswered: the node stops, and the boundary stays where it was.
                let _ = core.ask(ShardId(0), note).told().await;
            }
        }
        Err(failure) if failure.is_end() => {}
        Err(failure) => {
            if let Some(binding) = &partition.settings().compaction {
                core.count_fallback(&binding.plugin, PluginKind::CompactionPolicy);
            }
            tracing::warn!(partition = %name, error = %failure, "not compacted");
        }
    }
    told
}

async fn compact(
    core: &Rc<Core>,
    partition: &Rc<Partition>,
    order: Order,
) -> Result<(CompactionReport, String), Failure> {
    let log = partition.log().map_err(Failure::Offline)?;
    let settings = partition.settings();
    if order.roll {
        log.roll().await?;
    }
    let now_ms = core.env.wall_ms();
    let range = log.compaction_range(partition.cleaned_end.get(), now_ms);
    let cleaner = core.cleaner_settings();
    let limits = PassLimits::new(
        cleaner.dedupe_bytes,
        cleaner.load_factor,
        cleaner.io_bytes,
        cleaner.io_bytes_per_second,
    );
    let mut job = CompactionJob { mode: order.mode, limits, ..CompactionJob::new(range, now_ms) };
    let Some(binding) = &settings.compaction else {
        return Ok((log.compact(&job, None).await?, String::new()));
    };
    job.drop_ratio_max = (!order.approve).then_some(binding.drop_ratio_max);
    let found = policies(core, partition, binding, range, now_ms).await;
    let (policies, passage) = found.map_err(Failure::Policy)?;
    let decides: Arc<dyn PolicySource> = policies.clone();
    let done = log.compact(&job, Some(decides)).await;
    let (label, failure) = (policies.label(), policies.failure());
    if done.is_ok() || failure.is_some() {
        passage.end(label, policies.spent_ns(), failure.as_ref());
    }
    Ok((done?, label.to_string()))
}

/// The code that decides, and its way through the breaker.
async fn policies(
    core: &Rc<Core>,
    partition: &Partition,
    binding: &CompactionBinding,
    range: PassRange,
    now_ms: i64,
) -> Result<(Arc<PluginPolicies>, RunPassage), String> {
    let plugin = &binding.plugin;
    let failed = |why: String| format!("policy {plugin}: {why}");
    let wanted = wanted(&core.image(), core.config.plugin_enabled, plugin).map_err(failed)?;
    let live = core.plugins.load(&core.env, &wanted).await.map_err(failed)?;
    let topic = &partition.name.topic;
    let entered = core.plugins.enter_run(topic, plugin, &binding.settings, &live);
    let passage = entered.map_err(|error| failed(error.to_string()))?;
    let pass = PassInfo {
        topic: topic.to_string(),
        partition: partition.index() as u32,
        now_ms,
        first_offset: range.first_offset,
        first_dirty: range.first_dirty,
        end_offset: range.end,
    };
    let settings = plugin_settings(&binding.settings);
    Ok((PluginPolicies::new(live, settings, pass), passage))
}

fn count(core: &Core, told: &Result<(CompactionReport, String), Failure>) {
    let metrics = &core.metrics.compaction;
    match told {
        Err(failure) if failure.is_end() => {}
        Err(_) => metrics.count_pass(CompactionOutcome::Failed),
        Ok((report, _)) => {
            metrics.count_pass(CompactionOutcome::Done);
            metrics.seconds.observe_ns(report.millis * 1_000_000);
            metrics.read_bytes_total.inc_by(report.bytes_read);
            metrics.rounds_total.inc_by(report.rounds);
            metrics.memory_bytes.set(report.memory_bytes as i64);
            if !report.dry_run {
                metrics.written_bytes_total.inc_by(report.bytes_written);
                metrics.dropped_tombstones_total.inc_by(report.dropped_tombstones);
                metrics.dropped_records_total.inc_by(report.dropped);
                metrics.last_pass_seconds.set(core.env.wall_ms() / 1_000);
            }
        }
    }
}
