//! `topic compact`: one pass over every partition of a topic, and its report.
//!
//! Owns: asking all partitions side by side, the sums.
//! Leaves to others: one partition's pass (`compaction`).
use std::rc::Rc;

use crate::config::TopicSettings;
use crate::model::PartitionIndex;
use crate::shard::Core;
use crate::shard::compaction::Compact;
use crate::shard::desk::{
    CompactOptions, CompactPartition, CompactReport, DeskAnswer, DeskError, DeskReply,
};
use crate::shard::desk_work::{stopping, unknown_topic};

pub async fn compact(core: &Rc<Core>, name: &str, options: CompactOptions) -> DeskAnswer {
    let start = core.env.now();
    let image = core.image();
    let topic = image.topic(name).ok_or_else(|| unknown_topic(name))?;
    let values = image.broker_values(&core.config.values, core.identity.node_id);
    let settings = TopicSettings::effective(&values, &topic.configs);
    if !settings.cleanup.compact {
        let text = format!("Topic {name} is not compacted; set cleanup.policy=compact first.");
        return Err(DeskError::conflict(text));
    }
    let CompactOptions { dry_run, approve } = options;
    let asked: Vec<_> = (topic.partitions.iter().enumerate())
        .map(|(index, placed)| {
            let partition = index as PartitionIndex;
            let order = Compact { topic_id: topic.id, partition, dry_run, approve };
            // Every pass runs as a task of its own shard, so none waits for another to be asked.
            (partition, core.ask(placed.shard, order))
        })
        .collect();
    let policy = settings.compaction.map_or(String::new(), |binding| binding.plugin.to_string());
    let mut report =
        CompactReport { policy, topic: name.to_owned(), dry_run, ..Default::default() };
    for (partition, answer) in asked {
        let mut row = CompactPartition { partition, ..Default::default() };
        match answer.told().await.map_err(|_| stopping())? {
            Err(why) => row.skipped = why,
            Ok((pass, policy)) => {
                report.policy = policy;
                row.records_before = pass.records_before;
                row.records_after = pass.records_after;
                row.bytes_before = pass.bytes_before;
                row.bytes_after = pass.bytes_after;
                row.segments_before = pass.segments_before as u32;
                row.segments_after = pass.segments_after as u32;
                row.sample_keys = pass.sample_keys;
            }
        }
        report.records_before += row.records_before;
        report.records_after += row.records_after;
        report.bytes_before += row.bytes_before;
        report.bytes_after += row.bytes_after;
        report.partitions.push(row);
    }
    report.elapsed_ms = (core.env.now().0 - start.0) / 1_000_000;
    Ok(DeskReply::Compacted(report))
}
