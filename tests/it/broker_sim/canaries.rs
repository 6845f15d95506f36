//! Canaries: brokers with a seeded mistake, or on a disk that lies, which the checks must catch.
//!
//! Each mistake is made outside of the product's code: by a setting, a fault of the disk, a clock
//! that runs away, a file that somebody changed, or a harness that lies about how the last process
//! ended.
use std::panic::{AssertUnwindSafe, catch_unwind};

use logmill::base::crc32c;
use logmill::env::{Env, IoError, OpenHow};
use logmill::sim::{DATA_DIR, Death, Faults, LastEnd, MachineId, World};

use super::{Outcome, Plan, run};

const SEEDS: u64 = 12;

pub fn small() -> Plan {
    Plan { ops_min: 300, lives_min: 3, ..Plan::legal() }
}

/// Runs until a seed breaks a promise whose sentence holds `words`, or the node panics.
#[track_caller]
pub fn caught(plan: &Plan, words: &[&str]) {
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
    // A journal with something in it would tell the node.
    let settings = vec![("journal.bytes", "0")];
    let plan = Plan { pretend: Some(LastEnd::Stopped), settings, ..small() };
    caught(&plan, &["epoch"]);
}

/// The setting makes the node forget producers while their batches are in flight.
#[test]
fn an_idempotent_producer_that_is_forgotten_writes_twice() {
    let settings = vec![("producer.id.expiration.ms", "1")];
    let faults = Faults { reset_per_1000: 10, ..small().faults };
    let plan = Plan { settings, faults, ..small() };
    caught(&plan, &["is there twice"]);
}

#[test]
fn producers_that_a_restart_forgets_write_twice() {
    // A stop leaves nothing behind its last snapshot: what that lacks is forgotten.
    let stops = Plan { deaths_min: 0, dies_per_1000: 0, rests_per_1000: 0, ..small() };
    let plan = Plan { forget_producers: true, lives_min: 12, ..stops };
    caught(&plan, &["is there twice"]);
}

/// Puts a snapshot without producers in the place of each one, as if a start did not read them.
pub fn forget_producers(world: &World) {
    let mut shards = world.boot(MachineId::FIRST, 1);
    let emptied = world.block_on(&mut shards, empty_snapshots);
    emptied.expect("the disk works");
    world.crash(MachineId::FIRST, shards);
}

async fn empty_snapshots(env: Env) -> Result<(), IoError> {
    // Kafka's version 1: version, checksum of what follows, number of producers.
    let none = 0_i32.to_be_bytes();
    let bytes = [&1_i16.to_be_bytes()[..], &crc32c(&none).to_be_bytes(), &none].concat();
    if !env.exists(DATA_DIR).await? {
        return Ok(());
    }
    for dir in env.list_dir(DATA_DIR).await?.into_iter().filter(|entry| entry.is_dir) {
        let dir = format!("{DATA_DIR}/{}", dir.name);
        for file in env.list_dir(&dir).await? {
            if !file.name.ends_with(".snapshot") {
                continue;
            }
            let file = env.open(&format!("{dir}/{}", file.name), OpenHow::ReadWrite).await?;
            env.truncate(&file, 0).await?;
            env.write_all_at(&file, 0, vec![bytes.clone().into()]).await?;
            env.sync_data(&file).await?;
        }
    }
    Ok(())
}
