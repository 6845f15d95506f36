//! Assignors at a running group: bound, swapped, rolled back, and what happens when one fails.
use std::collections::BTreeMap;

use super::{Stage, wait_for};
use crate::client::{TYPE_GROUP, batch};
use crate::members::Members;

const PARTITIONS: i32 = 12;

type Assignment = BTreeMap<String, Vec<i32>>;

fn counts(assignment: &Assignment) -> Vec<usize> {
    assignment.values().map(Vec::len).collect()
}

/// Every partition has exactly one owner.
#[track_caller]
fn is_whole(assignment: &Assignment) {
    let mut all: Vec<i32> = assignment.values().flatten().copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..PARTITIONS).collect::<Vec<_>>(), "{assignment:?}");
}

#[track_caller]
fn wait_assigned_by(stage: &Stage, group: &str, want: &str) {
    wait_for(&format!("{group} by {want}"), || {
        let detail = stage.json(&["group", "describe", group]);
        (detail["assigned_by"] == want).then_some(())
    });
}

fn stage(shards: u16) -> Stage {
    let stage = Stage::start(shards, &[]);
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("flights", PARTITIONS, &[]);
    assert_eq!(kafka.put("flights", 0, batch(&[(None, "first")])).error_code, 0);
    stage
}

#[test]
fn a_bound_group_rebalances_at_bind_activation_and_rollback() {
    let stage = stage(3);
    stage.live("weighted@1", "weighted-1");
    stage.install("weighted@2", "weighted-2");
    let pid = stage.broker.pid();
    let ids = ["heavy-1", "light-1", "light-2"];
    let members = Members::start(stage.broker.port, "readers", "flights", &ids);
    let (first, _) = members.settled(0);

    // By Kafka's protocol.
    let mut kafka = stage.kafka("admin");
    let changes = [
        ("assignor.plugin", Some("weighted")),
        ("assignor.plugin.settings", Some("heavy=4;light=1")),
    ];
    assert_eq!(kafka.alter(TYPE_GROUP, "readers", &changes), (0, None));
    wait_assigned_by(&stage, "readers", "weighted@1");
    let (second, spread) = members.settled(first);
    is_whole(&spread);
    assert_eq!(counts(&spread), [8, 2, 2], "{spread:?}");
    let shown = stage.json(&["plugin", "bindings"]);
    assert_eq!(shown[0]["spec"]["target"]["group"], "readers");
    assert_eq!(shown[0]["spec"]["settings"]["heavy"], "4");

    stage.cli(&["plugin", "activate", "weighted@2"]);
    wait_assigned_by(&stage, "readers", "weighted@2");
    let (third, blocks) = members.settled(second);
    is_whole(&blocks);
    assert_eq!(counts(&blocks), [8, 2, 2], "{blocks:?}");
    assert_ne!(blocks, spread);
    let contiguous = |owned: &Vec<i32>| owned.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    assert!(blocks.values().all(contiguous) && !spread.values().all(contiguous), "{blocks:?}");

    stage.cli(&["plugin", "rollback", "weighted"]);
    wait_assigned_by(&stage, "readers", "weighted@1");
    let (fourth, again) = members.settled(third);
    assert_eq!(again, spread);

    // Other settings by the command line rebalance too.
    stage.bind("weighted", &["--group", "readers"], &["heavy=1", "light=1"]);
    let (fifth, even) = members.settled(fourth);
    is_whole(&even);
    assert_eq!(counts(&even), [4, 4, 4], "{even:?}");

    stage.cli(&["plugin", "unbind", "weighted", "--group", "readers"]);
    let (_, own) = members.settled(fifth);
    assert_eq!(own.values().flatten().count(), 1, "the leader's own proposal: {own:?}");
    assert_eq!(stage.broker.pid(), pid);
    members.stop();
}

/// A hostile assignor costs the group its rule, not its work: `uniform` steps in.
#[test]
fn a_hostile_assignor_gives_way_to_uniform() {
    let stage = stage(1);
    stage.live("bad@1", "hostile-assignor");
    let modes = ["loop", "trap", "bomb", "wrong-length", "out-of-range", "fail"];
    let started = modes.map(|mode| {
        let group = format!("readers-{mode}");
        stage.bind("bad", &["--group", &group], &[&format!("mode={mode}"), "spare=dry-run"]);
        let members = Members::start(stage.broker.port, &group, "flights", &["a", "b", "c"]);
        (group, members)
    });
    for (group, members) in started {
        wait_assigned_by(&stage, &group, "uniform");
        let (_, even) = members.settled(0);
        is_whole(&even);
        assert_eq!(counts(&even), [4, 4, 4], "{group}: {even:?}");
        let log = stage.broker.log();
        let parts = [group.as_str(), "WARN", "assignor bad failed, uniform assigns instead"];
        let event = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        assert!(event.is_some(), "{group}: no event in\n{log}");
        members.stop();
    }
    for word in ["budget", "trap", "malformed"] {
        let parts = ["plugin=\"bad\"", "version=\"1\"", &format!("\"{word}\"")];
        wait_for(word, || {
            let count = stage.metric("logmill_plugin_failures_total", &parts);
            (1.0 <= count).then_some(())
        });
    }
    let fallbacks = stage.metric("logmill_plugin_fallbacks_total", &["plugin=\"bad\""]);
    assert!(modes.len() as f64 <= fallbacks, "{fallbacks}");
}
