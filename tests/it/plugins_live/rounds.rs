//! A compaction policy with more keys than its memory holds.
use crate::client::batch;
use crate::plugins_live::Stage;

/// `newest-by-header` gives 40 MiB to keys: some 130,000 of this length.
const KEY_BYTES: usize = 200;
const KEYS: usize = 160_000;
const BATCH: usize = 2_000;
const AGAIN: usize = 700;

#[test]
fn more_keys_than_a_policy_holds_are_decided_in_rounds() {
    let stage = Stage::start(1, &[]);
    stage.live("newest-by-header@1", "newest-by-header");
    let mut kafka = stage.kafka("rounds");
    let configs = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "1.0"),
        ("compaction.policy.plugin", "newest-by-header"),
        ("compaction.policy.max.drop.ratio", "1"),
    ];
    kafka.create_topic("wide", 1, &configs);
    let key = |number: usize| format!("{number:0KEY_BYTES$}");
    // Every so many keys comes again at the end.
    let again = (0..AGAIN).map(|number| number * (KEYS / AGAIN));
    let all: Vec<String> = (0..KEYS).chain(again).map(key).collect();
    for part in all.chunks(BATCH) {
        let records: Vec<_> = part.iter().map(|key| (Some(key.as_str()), "v")).collect();
        let told = kafka.produce("wide", 1, vec![(0, batch(&records))]);
        assert_eq!(told[0].error_code, 0, "{told:?}");
    }
    stage.cli(&["topic", "compact", "wide"]);
    let rounds = stage.metric("logmill_compaction_rounds_total", &[]);
    assert!((2.0..=4.0).contains(&rounds), "{rounds} rounds");
    let dropped = stage.metric("logmill_compaction_dropped_records_total", &[]);
    assert_eq!(dropped, AGAIN as f64, "of each key the older record");
    assert_eq!(stage.metric("logmill_plugin_instances", &["newest-by-header"]), 0.0);
}
