//! Assignors and policies that keep failing: they are not called for a while, and it is said.
use std::time::{Duration, Instant};

use super::{Stage, wait_for};
use crate::client::batch;
use crate::harness::{Tier, skipped_below};
use crate::members::Members;

const PARTITIONS: i32 = 6;
/// Each joining member asks the assignor once more.
const JOINS_MAX: usize = 12;
/// Run time of an assignor that does not answer, by which its group is held up.
const ASSIGN_BUDGET: Duration = Duration::from_secs(5);

/// The line that tells who failed too often, where and why.
#[track_caller]
fn is_told(stage: &Stage, target: &str) {
    let log = stage.broker.log();
    let target = format!("target=\"{target}\"");
    let parts = ["breaker opened", "plugin=\"bad\"", "version=\"1\"", &target, "reason=trap"];
    let told = log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(told, "no line with {parts:?} in\n{log}");
}

fn open_breakers(stage: &Stage) -> f64 {
    stage.metric("logmill_plugin_open_breakers", &["plugin=\"bad\"", "version=\"1\""])
}

fn failures(stage: &Stage) -> f64 {
    let parts = ["plugin=\"bad\"", "version=\"1\"", "failure=\"trap\""];
    stage.metric("logmill_plugin_failures_total", &parts)
}

#[test]
fn an_assignor_that_keeps_failing_is_left_alone_and_uniform_assigns() {
    let stage = Stage::start(2, &[]);
    stage.live("bad@1", "hostile-assignor");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("flights", PARTITIONS, &[]);
    assert_eq!(kafka.put("flights", 0, batch(&[(None, "first")])).error_code, 0);
    stage.bind("bad", &["--group", "readers"], &["mode=trap", "spare=dry-run"]);
    let is_refused = || stage.broker.log().contains("not live: it failed repeatedly");
    let mut members = Vec::new();
    while !is_refused() && members.len() < JOINS_MAX {
        let id = format!("m-{}", members.len());
        let member = Members::start(stage.broker.port, "readers", "flights", &[&id]);
        member.settled(0);
        members.push(member);
    }
    assert!(is_refused(), "asked at every one of {JOINS_MAX} rebalances");
    is_told(&stage, "readers");
    assert_eq!(open_breakers(&stage), 1.0);
    let shown = stage.json(&["plugin", "bindings"]);
    let state = shown[0]["state"].as_str().expect("a text");
    assert!(state.contains("breaker") && state.contains("trap"), "{state}");
    assert!(stage.cli(&["plugin", "ps"]).contains("breaker"));
    let detail = stage.json(&["group", "describe", "readers"]);
    assert_eq!(detail["assigned_by"], "uniform");

    // Other settings are another binding: it is asked at once.
    stage.bind("bad", &["--group", "readers"], &["mode=nothing"]);
    wait_for("readers by bad@1", || {
        let detail = stage.json(&["group", "describe", "readers"]);
        (detail["assigned_by"] == "bad@1").then_some(())
    });
    wait_for("no open breaker", || (open_breakers(&stage) == 0.0).then_some(()));
    members.into_iter().for_each(Members::stop);
}

/// A loop costs its whole budget at each rebalance, until the breaker opens; then none.
#[test]
fn an_assignor_that_loops_holds_its_group_three_times() {
    if skipped_below(Tier::All, "an assignor that loops") {
        return;
    }
    let stage = Stage::start(1, &[]);
    stage.live("bad@1", "hostile-assignor");
    stage.kafka("setup").create_topic("flights", PARTITIONS, &[]);
    stage.bind("bad", &["--group", "readers"], &["mode=loop", "spare=dry-run"]);
    let (mut members, mut held) = (Vec::new(), 0);
    let join = |members: &mut Vec<Members>| {
        let (id, start) = (format!("m-{}", members.len()), Instant::now());
        let member = Members::start(stage.broker.port, "readers", "flights", &[&id]);
        member.settled(0);
        members.push(member);
        start.elapsed()
    };
    while !stage.broker.log().contains("breaker opened") {
        assert!(members.len() < 6, "{}", stage.broker.log());
        held += usize::from(ASSIGN_BUDGET <= join(&mut members));
    }
    // On a busy machine the group gives up before the run does, and asks once more meanwhile.
    assert!((3..6).contains(&held), "{held}");
    let took = join(&mut members);
    assert!(took < ASSIGN_BUDGET, "{took:?}");
    assert!(stage.broker.log().contains("not live: it failed repeatedly"));
    members.into_iter().for_each(Members::stop);
}

/// What an activation does not change goes on as it was: its instance, its breaker.
#[test]
fn an_activation_leaves_pinned_bindings_alone() {
    let stage = Stage::start(1, &[]);
    stage.live("bad@1", "hostile");
    stage.install("bad@2", "identity");
    let mut kafka = stage.kafka("setup");
    for topic in ["pinned", "follows"] {
        kafka.create_topic(topic, 1, &[]);
    }
    stage.bind("bad@1", &["--topic", "pinned"], &["mode=trap", "spare=dry-run"]);
    stage.wait_binding("pinned", |state| state == "live");
    for _ in 0..3 {
        assert_eq!(kafka.put("pinned", 0, batch(&[(None, "x")])).error_code, 19);
    }
    assert_eq!(open_breakers(&stage), 1.0);
    stage.cli(&["plugin", "activate", "bad@2"]);
    // What comes later to this shard is done.
    stage.bind("bad", &["--topic", "follows"], &[]);
    wait_for("bad@2 decides", || {
        (kafka.put("follows", 0, batch(&[(None, "x")])).error_code == 0).then_some(())
    });
    assert_eq!(open_breakers(&stage), 1.0);
}

#[test]
fn a_policy_that_keeps_failing_is_left_alone_and_everything_is_kept() {
    let stage = Stage::start(1, &[]);
    stage.live("bad@1", "hostile-policy");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("kept", 1, &[("cleanup.policy", "compact")]);
    stage.bind("bad", &["--topic", "kept"], &["mode=trap", "spare=dry-run"]);
    for _ in 0..3 {
        assert_eq!(kafka.put("kept", 0, batch(&[(Some("a"), "x")])).error_code, 0);
    }
    let before = kafka.read("kept", 0);
    let skipped = || {
        let said = stage.said(&["topic", "compact", "kept"]);
        assert_eq!(said.code, 1, "{said:?}");
        said.err
    };
    for _ in 0..3 {
        let why = skipped();
        assert!(why.contains("trap"), "{why}");
    }
    let why = skipped();
    assert!(why.contains("failed repeatedly"), "{why}");
    assert_eq!(failures(&stage), 3.0);
    assert_eq!(open_breakers(&stage), 1.0);
    is_told(&stage, "kept");
    assert_eq!(kafka.read("kept", 0), before);
    stage.wait_binding("kept", |state| state.contains("breaker") && state.contains("trap"));
    // The probe fails too, and the breaker stays open for longer.
    wait_for("a probe", || skipped().contains("trap").then_some(()));
    assert_eq!(failures(&stage), 4.0);
    assert!(skipped().contains("failed repeatedly"));

    stage.bind("bad", &["--topic", "kept"], &["mode=nothing"]);
    let report = stage.json(&["topic", "compact", "kept"]);
    assert_eq!(report["records_after"], 3, "{report}");
    wait_for("no open breaker", || (open_breakers(&stage) == 0.0).then_some(()));
}
