//! One compaction pass over one partition, on its shard, with the policy that its topic names.
//!
//! Owns: rolling first, opening the policy's instance, where the next pass begins, metrics.
//! Leaves to others: the pass (`log`), deciding (`plugin`), when (so far: when somebody asks).
//! Invariant: any failure keeps everything.
use std::rc::Rc;

use crate::cluster::PluginKind;
use crate::config::CompactionBinding;
use crate::log::{CompactionJob, CompactionPolicy, CompactionReport, PassMode, PassRange};
use crate::model::{PartitionIndex, TopicId};
use crate::observe::CompactionOutcome;
use crate::plugin::{PassInfo, PluginPolicy, RunPassage};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
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

impl Ask for Compact {
    type Told = Compacted;

    fn start(self, core: &Rc<Core>) -> Work<Compacted> {
        let core = core.clone();
        Box::pin(async move {
            let partition = core.partition(self.topic_id, self.partition);
            let partition = partition.ok_or("the partition has moved or is deleted")?;
            let told = compact(&core, &partition, &self).await;
            count(&core, &told);
            let settings = partition.settings();
            if let (Err(_), Some(binding)) = (&told, &settings.compaction) {
                core.count_fallback(&binding.plugin, PluginKind::CompactionPolicy);
            }
            match &told {
                Ok((report, policy)) => tracing::info!(
                    partition = %partition.name,
                    policy,
                    dry_run = self.dry_run,
                    before = report.records_before,
                    after = report.records_after,
                    "compacted"
                ),
                Err(error) => tracing::warn!(partition = %partition.name, error, "not compacted"),
            }
            told
        })
    }
}

async fn compact(core: &Rc<Core>, partition: &Rc<Partition>, order: &Compact) -> Compacted {
    let log = partition.log().map_err(|error| error.to_string())?;
    let settings = partition.settings();
    log.roll().await.map_err(|error| error.to_string())?;
    let now_ms = core.env.wall_ms();
    let range = log.compaction_range(partition.cleaned_end.get(), now_ms);
    let mut job = CompactionJob::new(range, now_ms);
    if order.dry_run {
        job.mode = PassMode::DryRun;
    }
    let result = match &settings.compaction {
        None => log.compact(&job, None).await.map(|report| (report, String::new())),
        Some(binding) => {
            job.drop_ratio_max = (!order.approve).then_some(binding.drop_ratio_max);
            let (mut policy, passage) = open(core, partition, binding, range, now_ms).await?;
            let label = policy.label().clone();
            let decides: &mut dyn CompactionPolicy = &mut policy;
            let done = log.compact(&job, Some(decides)).await;
            if done.is_ok() || policy.failure().is_some() {
                passage.end(&label, policy.spent_ns(), policy.failure());
            }
            done.map(|report| (report, label.to_string()))
        }
    };
    let (report, label) = result.map_err(|error| error.to_string())?;
    if !order.dry_run {
        partition.cleaned_end.set(report.clean_end);
    }
    Ok((report, label))
}

async fn open(
    core: &Rc<Core>,
    partition: &Partition,
    binding: &CompactionBinding,
    range: PassRange,
    now_ms: i64,
) -> Result<(PluginPolicy, RunPassage), String> {
    let plugin = &binding.plugin;
    let failed = |why: String| format!("policy {plugin}: {why}");
    let wanted = wanted(&core.image(), core.config.plugin_enabled, plugin).map_err(failed)?;
    let live = core.plugins.load(&core.env, &wanted).await.map_err(failed)?;
    let topic = &partition.name.topic;
    let entered = core.plugins.enter_run(topic, plugin, &binding.settings, &live);
    let passage = entered.map_err(|error| failed(error.to_string()))?;
    let label = live.label.clone();
    let pass = PassInfo {
        topic: topic.to_string(),
        partition: partition.index() as u32,
        now_ms,
        first_offset: range.first_offset,
        first_dirty: range.first_dirty,
        end_offset: range.end,
    };
    let settings = plugin_settings(&binding.settings);
    match PluginPolicy::open(&core.env, live, settings, pass).await {
        Ok(policy) => Ok((policy, passage)),
        Err(error) => {
            passage.end(&label, 0, Some(&error));
            Err(failed(error.to_string()))
        }
    }
}

fn count(core: &Core, told: &Compacted) {
    let metrics = &core.metrics.compaction;
    match told {
        Err(_) => metrics.count_pass(CompactionOutcome::Failed),
        Ok((report, _)) => {
            metrics.count_pass(CompactionOutcome::Done);
            metrics.seconds.observe_ns(report.millis * 1_000_000);
            metrics.read_bytes_total.inc_by(report.bytes_before);
            if !report.dry_run {
                metrics.dropped_records_total.inc_by(report.dropped);
            }
        }
    }
}
