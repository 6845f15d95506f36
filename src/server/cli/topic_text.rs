//! Answers about topics, as text.
//!
//! Owns: the wording. Leaves to others: figures and tables (`words`), bindings (`plugin_text`).
use crate::server::cli::plugin_text;
use crate::server::words;
use crate::shard::desk::{
    ClientDisagreement, CompactPartition, CompactReport, PartitionDetail, TopicDetail, TopicSummary,
};

pub(super) fn list(all: &[TopicSummary]) -> String {
    if all.is_empty() {
        return "No topics.".to_owned();
    }
    let row = |t: &TopicSummary| {
        vec![
            t.name.clone(),
            t.partitions.to_string(),
            words::bytes(t.bytes),
            words::or_dash(Some(&t.plugins.join(", "))),
            if t.internal { "yes" } else { "-" }.to_owned(),
        ]
    };
    let headings = ["NAME", "PARTITIONS", "SIZE", "PLUGINS", "INTERNAL"];
    words::table(&headings, all.iter().map(row).collect())
}

/// `Topic flights is created, with 6 partitions.`
pub(super) fn created(topic: &TopicDetail) -> String {
    let partitions = words::some(topic.partitions.len() as u64, "partition");
    format!("Topic {} is created, with {partitions}.", topic.name)
}

pub(super) fn detail(topic: &TopicDetail) -> String {
    let internal = if topic.internal { ", internal" } else { "" };
    let partitions = words::some(topic.partitions.len() as u64, "partition");
    let mut out = format!("{}: id {}, {partitions}{internal}\n", topic.name, topic.id);
    for (name, value) in &topic.settings {
        out.push_str(&format!("  {name} = {}\n", words::plain(value)));
    }
    let row = |p: &PartitionDetail| {
        vec![
            p.partition.to_string(),
            p.shard.to_string(),
            p.leader_epoch.to_string(),
            p.log_start.to_string(),
            p.high_watermark.to_string(),
            p.stable_end.to_string(),
            p.log_end.to_string(),
            p.segments.to_string(),
            words::bytes(p.bytes),
            what_is_wrong(p),
        ]
    };
    let headings =
        ["PARTITION", "SHARD", "EPOCH", "START", "HW", "STABLE", "END", "SEGMENTS", "SIZE", ""];
    out.push('\n');
    out.push_str(&words::table(&headings, topic.partitions.iter().map(row).collect()));
    if !topic.bindings.is_empty() {
        out.push('\n');
        out.push_str(&plugin_text::bindings(&topic.bindings));
    }
    if !topic.clients.is_empty() {
        out.push('\n');
        out.push_str(&clients(&topic.clients));
    }
    out
}

fn what_is_wrong(partition: &PartitionDetail) -> String {
    if !partition.offline.is_empty() {
        return format!("offline: {}", partition.offline);
    }
    match partition.not_compacted.as_str() {
        "" => String::new(),
        why => format!("not compacted: {why}"),
    }
}

fn clients(clients: &[ClientDisagreement]) -> String {
    let row = |c: &ClientDisagreement| {
        let percent = match c.records {
            0 => 0.0,
            records => c.disagreed as f64 * 100.0 / records as f64,
        };
        let (records, disagreed) = (words::count(c.records), words::count(c.disagreed));
        vec![c.client_id.clone(), records, disagreed, format!("{percent:.1}%")]
    };
    let headings = ["CLIENT", "RECORDS", "ELSEWHERE", "SHARE"];
    words::table(&headings, clients.iter().map(row).collect())
}

pub(super) fn compacted(report: &CompactReport) -> String {
    let gone = report.records_before.saturating_sub(report.records_after);
    let policy = match report.policy.as_str() {
        "" => "Kafka's rule, newest offset per key",
        policy => policy,
    };
    let (stay, go) = if report.dry_run { ("would stay", "would go") } else { ("stay", "go") };
    let (all, idle) = (report.partitions.len(), skipped(report).count());
    let mut partitions = words::some(all as u64, "partition");
    if 0 < idle {
        partitions = format!("{} of {partitions}", all - idle);
    }
    let mut out = format!(
        "{}: {} of {} records {stay}, {} {go}; {} of {} kept; {partitions} in {} ms; policy: {}\n",
        report.topic,
        words::count(report.records_after),
        words::count(report.records_before),
        words::count(gone),
        words::bytes(report.bytes_after),
        words::bytes(report.bytes_before),
        report.elapsed_ms,
        words::plain(policy),
    );
    for part in skipped(report) {
        let reason = words::plain(&part.skipped);
        out.push_str(&format!("  partition {} was left alone: {reason}\n", part.partition));
    }
    if report.dry_run {
        samples(&report.partitions, &mut out);
    }
    out
}

fn skipped(report: &CompactReport) -> impl Iterator<Item = &CompactPartition> {
    report.partitions.iter().filter(|part| !part.skipped.is_empty())
}

/// The sentence for a pass that did not run over the whole topic; `None` when it did.
pub(super) fn left_alone(report: &CompactReport) -> Option<String> {
    let first = skipped(report).next()?;
    let (count, all) = (skipped(report).count(), report.partitions.len() as u64);
    let reason = words::plain(&first.skipped);
    let reason = reason.trim_end_matches('.');
    Some(format!(
        "{count} of {} of {} could not be compacted; partition {}: {reason}.",
        words::some(all, "partition"),
        report.topic,
        first.partition,
    ))
}

fn samples(partitions: &[CompactPartition], out: &mut String) {
    const SHOWN_MAX: usize = 10;
    let keys = partitions.iter().flat_map(|part| &part.sample_keys).take(SHOWN_MAX);
    let keys: Vec<String> = keys.map(|key| format!("\"{}\"", words::plain(key))).collect();
    if !keys.is_empty() {
        out.push_str(&format!("  some of the keys: {}\n", keys.join(" ")));
    }
}
