//! Tests of the families: names, escaping, buckets.
use std::collections::BTreeSet;

use crate::model::ErrorCode;
use crate::observe::seconds::REQUEST_BOUNDS_NS;
use crate::observe::{CompactionOutcome, Metrics, RemovalReason, SecondsHistogram, api_name};

/// All family names of a broker in which everything happened once.
fn families() -> BTreeSet<String> {
    let metrics = Metrics::new();
    metrics.count_request(0, ErrorCode::NotEnoughReplicas, 1);
    metrics.plugin("by-airport", "1.0.0", "partitioner").calls_total.inc();
    metrics.count_plugin_failure("by-airport", "1.0.0", "partitioner", "trap");
    metrics.topic_verdicts("flights").checked_total.inc();
    metrics.memory("receive").used_bytes.inc();
    metrics.compaction.count_pass(CompactionOutcome::Done);
    metrics.compaction.note_look(0, 0.5, 1);
    metrics.log.count_removed(RemovalReason::Size, 1);
    let text = metrics.render();
    let sample = |line: &&str| !line.starts_with('#');
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or("").to_owned();
    text.lines().filter(sample).map(name).collect()
}

/// Every family, in order.
const NAMES: &str = "\
logmill_build_info
logmill_checkpoint_seconds_bucket
logmill_checkpoint_seconds_count
logmill_checkpoint_seconds_sum
logmill_checkpoints_total
logmill_compaction_dirty_ratio
logmill_compaction_dropped_records_total
logmill_compaction_dropped_tombstones_total
logmill_compaction_failed_partitions
logmill_compaction_last_pass_timestamp_seconds
logmill_compaction_memory_bytes
logmill_compaction_passes_total
logmill_compaction_read_bytes_total
logmill_compaction_rounds_total
logmill_compaction_seconds_bucket
logmill_compaction_seconds_count
logmill_compaction_seconds_sum
logmill_compaction_written_bytes_total
logmill_connections_accepted_total
logmill_connections_moved_total
logmill_connections_refused_total
logmill_fetch_bytes_total
logmill_fetch_records_total
logmill_fsync_seconds_bucket
logmill_fsync_seconds_count
logmill_fsync_seconds_sum
logmill_group_rebalances_total
logmill_journal_bytes_total
logmill_journal_full_total
logmill_journal_writes_total
logmill_log_append_bytes_total
logmill_log_appends_total
logmill_log_cached_read_bytes_total
logmill_log_duplicates_total
logmill_log_file_reads_total
logmill_log_promised_bytes
logmill_log_start_moves_total
logmill_log_tail_read_bytes_total
logmill_log_tail_reads_total
logmill_log_uncached_read_bytes_total
logmill_log_unwritten_bytes
logmill_log_writes_total
logmill_log_written_bytes_total
logmill_logs_offline_total
logmill_long_turn_cpu_seconds_bucket
logmill_long_turn_cpu_seconds_count
logmill_long_turn_cpu_seconds_sum
logmill_memory_bound_bytes
logmill_memory_refusals_total
logmill_memory_used_bytes
logmill_offline_log_dirs
logmill_open_connections
logmill_partitioner_checked_records_total
logmill_partitioner_disagreed_records_total
logmill_plugin_call_seconds_bucket
logmill_plugin_call_seconds_count
logmill_plugin_call_seconds_sum
logmill_plugin_calls_total
logmill_plugin_failures_total
logmill_plugin_fallbacks_total
logmill_plugin_instances
logmill_plugin_open_breakers
logmill_plugin_records_total
logmill_produce_bytes_total
logmill_produce_records_total
logmill_request_errors_total
logmill_request_seconds_bucket
logmill_request_seconds_count
logmill_request_seconds_sum
logmill_requests_total
logmill_segments_removed_total
logmill_segments_rolled_total
logmill_space_refusals_total
logmill_stalled_partitions
logmill_sync_failures_total
logmill_syncs_total
logmill_turn_cpu_seconds_bucket
logmill_turn_cpu_seconds_count
logmill_turn_cpu_seconds_sum";

#[test]
fn the_names_are_api_and_change_only_on_purpose() {
    let names: Vec<String> = families().into_iter().collect();
    assert_eq!(names.join("\n"), NAMES);
}

#[test]
fn every_name_has_the_prefix_and_ends_in_its_unit() {
    let units = [
        "_total",
        "_seconds",
        "_bytes",
        "_info",
        "_connections",
        "_breakers",
        "_instances",
        "_ratio",
        "_partitions",
        "_log_dirs",
    ];
    let parts = ["_bucket", "_count", "_sum"];
    for name in families() {
        let bare = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
        assert!(bare.starts_with("logmill_"), "{name}");
        assert!(units.iter().any(|unit| bare.ends_with(unit)), "{name} ends in no unit");
    }
}

#[test]
fn a_request_counts_itself_its_time_and_its_error() {
    let metrics = Metrics::new();
    metrics.count_request(1, ErrorCode::None, 30_000);
    metrics.count_request(1, ErrorCode::OffsetOutOfRange, 2_000_000_000);
    metrics.count_request(4711, ErrorCode::UnsupportedVersion, 1);
    let text = metrics.render();
    for line in [
        "logmill_requests_total{api=\"Fetch\"} 2",
        "logmill_requests_total{api=\"Unknown\"} 1",
        "logmill_request_errors_total{api=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"} 1",
        "logmill_request_seconds_bucket{le=\"0.00005\",api=\"Fetch\"} 1",
        "logmill_request_seconds_bucket{le=\"+Inf\",api=\"Fetch\"} 2",
        "logmill_request_seconds_count{api=\"Fetch\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_label_cannot_break_out_of_its_quotes() {
    let metrics = Metrics::new();
    metrics.topic_verdicts("a\"} 9\nfoo\\").checked_total.inc();
    let text = metrics.render();
    assert!(text.contains(r#"{topic="a\"} 9\nfoo\\"} 1"#), "{text}");
}

#[test]
fn a_removed_plugin_leaves_the_page() {
    let metrics = Metrics::new();
    metrics.plugin("a", "1", "assignor").calls_total.inc();
    metrics.topic_verdicts("t").checked_total.inc();
    metrics.forget_plugin("a", "1", "assignor");
    metrics.forget_topic("t");
    let text = metrics.render();
    assert!(!text.contains("plugin=\"a\"") && !text.contains("topic=\"t\""), "{text}");
}

#[test]
fn quantiles_are_the_bound_of_their_bucket() {
    let histogram = SecondsHistogram::with_bounds(REQUEST_BOUNDS_NS);
    assert_eq!(histogram.quantile_ns(990), 0);
    for _ in 0..99 {
        histogram.observe_ns(20_000);
    }
    histogram.observe_ns(u64::from(u32::MAX) * 100);
    assert_eq!(histogram.count(), 100);
    assert_eq!(histogram.quantile_ns(500), 25_000);
    assert_eq!(histogram.quantile_ns(990), 25_000);
    assert_eq!(histogram.quantile_ns(1000), 10_000_000_000);
}

#[test]
fn api_names_are_kafkas() {
    for (key, name) in [
        (0, "Produce"),
        (18, "ApiVersions"),
        (44, "IncrementalAlterConfigs"),
        (75, "DescribeTopicPartitions"),
        (92, "DeleteShareGroupOffsets"),
        (93, "Unknown"),
        (-1, "Unknown"),
    ] {
        assert_eq!(api_name(key), name);
    }
}
