//! Canaries: brokers with a seeded mistake, or on a disk that lies, which the checks must catch.
//!
//! Each mistake is made outside of the product's code: by a setting, a fault of the disk, or a
//! harness that lies about how the last process ended.
use std::panic::{AssertUnwindSafe, catch_unwind};

use logmill::api::node::LastEnd;
use logmill::sim::{Death, Faults};

use super::{Outcome, Plan, run};

const SEEDS: u64 = 12;

fn small() -> Plan {
    Plan { ops_min: 300, lives_min: 3, ..Plan::legal() }
}

/// Runs until a seed breaks a promise whose sentence holds `words`, or the node panics.
#[track_caller]
fn caught(plan: &Plan, words: &[&str]) {
    let mut said = Vec::new();
    for seed in 0..SEEDS {
        // A node that finds its own promise broken ends with a panic: that is noticed too.
        let Ok(Outcome { broken, .. }) = catch_unwind(AssertUnwindSafe(|| run(seed, plan))) else {
            said.push(format!("seed {seed}: panic"));
            continue;
        };
        if broken.iter().any(|sentence| words.iter().any(|word| sentence.contains(word))) {
            return;
        }
        said.extend(broken);
    }
    panic!("nobody noticed; what was said instead: {said:#?}");
}

#[test]
fn the_correct_broker_passes_the_small_plan() {
    for seed in 0..4 {
        let outcome = run(seed, &small());
        assert!(outcome.broken.is_empty(), "SEED={seed}: {:#?}", outcome.broken);
    }
}

#[test]
fn acks_all_without_a_sync_loses_records_at_a_power_cut() {
    let settings = vec![("flush.on.acks.all", "false")];
    let plan = Plan { settings, death: Some(Death::PowerCut), look_at_ends: false, ..small() };
    caught(&plan, &["is lost"]);
}

#[test]
fn acks_all_without_a_sync_is_readable_too_early() {
    let plan = Plan { settings: vec![("flush.on.acks.all", "false")], ..small() };
    caught(&plan, &["readable before it is stable"]);
}

#[test]
fn a_sync_that_lies_is_noticed() {
    let faults = Faults { lying_sync_per_1000: 1_000, ..small().faults };
    let plan = Plan { faults, death: Some(Death::PowerCut), ..small() };
    caught(&plan, &["is lost", "epoch", "start:", "metadata", "hangs", "create"]);
}

#[test]
fn a_crash_that_passes_for_a_stop_is_noticed() {
    let plan = Plan { pretend: Some(LastEnd::Stopped), ..small() };
    caught(&plan, &["epoch"]);
}
