//! Random histories: what is durable in memory equals what its log replays to.
//!
//! A seed drives clients that join, sync, commit, leave and fall silent, writes that wait, fail
//! or are lost in a crash, timers and plugins. `SEED=93 cargo test memory_equals` replays one.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::world::{GROUP, World, weighted};
use crate::base::{Bytes, Rng};
use crate::group::coordinator::Coordinator;
use crate::group::offsets::Committed;
use crate::group::state::State;
use crate::group::*;
use crate::model::ErrorCode;

type DurableOffsets = BTreeMap<(Arc<str>, Arc<str>, i32), Committed>;

/// A group as far as its log can tell.
#[derive(Debug, PartialEq, Eq)]
struct DurableGroup {
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<Arc<str>>,
    /// Static name, timeouts, subscription, assignment.
    members: BTreeMap<Arc<str>, (Option<Arc<str>>, i32, i32, Bytes, Bytes)>,
    /// Of an empty group: offsets expire by it.
    empty_since_ms: Option<i64>,
}

fn offsets(coordinator: &Coordinator) -> DurableOffsets {
    let mut all = BTreeMap::new();
    for (group, topics) in coordinator.offsets.groups() {
        for (topic, partitions) in topics {
            for (partition, committed) in partitions {
                all.insert((group.clone(), topic.clone(), *partition), committed.clone());
            }
        }
    }
    all
}

/// Stable groups, and those that were left by their last member.
fn groups(coordinator: &Coordinator) -> BTreeMap<Arc<str>, DurableGroup> {
    let settled = coordinator.groups.values().filter(|group| match group.state {
        State::Stable => true,
        State::Empty => 0 < group.generation,
        _ => false,
    });
    let durable = settled.map(|group| {
        let protocol = group.protocol.as_deref().unwrap_or_default();
        let members = group.members.values().map(|member| {
            let (metadata, assignment) = (member.metadata(protocol), member.assignment.clone());
            let timeouts = (member.rebalance_timeout_ms, member.session_timeout_ms);
            let name = member.instance_id.clone();
            (member.id.clone(), (name, timeouts.0, timeouts.1, metadata, assignment))
        });
        let durable = DurableGroup {
            generation: group.generation,
            protocol_type: group.protocol_type.clone(),
            protocol: group.protocol.clone(),
            leader: group.leader.clone(),
            members: members.collect(),
            empty_since_ms: group.state_since_ms.filter(|_| group.state == State::Empty),
        };
        (group.id.clone(), durable)
    });
    durable.collect()
}

fn compare(world: &World, seed: u64, step: usize, diverged: bool) {
    let mut replayed = Coordinator::new(world.config.clone());
    for record in &world.log {
        replayed.replay(&record.key, record.value.as_ref()).unwrap();
    }
    assert_eq!(offsets(&world.coordinator), offsets(&replayed), "SEED={seed}, step {step}");
    // A group may be ahead of its log by writes in flight, or by the failed one of an emptied
    // group, which Kafka leaves so too.
    if !diverged && world.writes.is_empty() {
        let live = groups(&world.coordinator);
        let mut replayed = groups(&replayed);
        replayed.retain(|id, _| match world.coordinator.groups.get(id) {
            Some(group) => matches!(group.state, State::Stable | State::Empty),
            None => true,
        });
        assert_eq!(live, replayed, "SEED={seed}, step {step}");
    }
}

#[derive(Debug, Default)]
struct Counts {
    stable: usize,
    crashes: usize,
    failed: usize,
    empty: usize,
    commits: usize,
    plugin: usize,
}

fn act(world: &mut World, rng: &mut Rng, counts: &mut Counts, diverged: &mut bool) {
    let names = ["a", "b", "c", "s@one", "z@two"];
    let who = world.consumer(names[rng.below(5) as usize]);
    match rng.below(100) {
        0..25 => {
            if rng.chance(100) {
                world.consumers.get_mut(&who).unwrap().id.clear();
            }
            if rng.chance(100) {
                let lists = [vec!["t"], vec!["t", "u"], vec!["u"]];
                let topics = lists[rng.below(3) as usize].iter().map(|name| (*name).to_owned());
                world.consumers.get_mut(&who).unwrap().topics = topics.collect();
            }
            world.join(&who, if rng.chance(300) { 3 } else { 9 });
        }
        25..45 => world.sync(&who),
        45..57 => world.beat(&who),
        57..62 => world.leave(&who, rng.chance(300)),
        62..74 => {
            let who = if rng.chance(300) { "-" } else { who.as_str() };
            let topic = ["t", "u"][rng.below(2) as usize];
            world.commit(who, topic, rng.below(3) as i32, rng.below(1_000) as i64);
        }
        74 => world.fetch("t", 0, rng.chance(500)),
        75 => well_behaved_round(world),
        76 => world.delete_group(),
        77..80 => world.hold = true,
        80..88 => {
            world.flush(Ok(()));
            world.hold = false;
        }
        88..91 => {
            if !world.writes.is_empty() {
                counts.failed += 1;
                *diverged = true;
                // All that was in flight fails, and so does what follows from it.
                world.flush(Err(ErrorCode::KafkaStorageError));
            }
            world.hold = false;
        }
        91 => {
            // What was handed over but not acknowledged may still have reached the log.
            for (_, records) in world.writes.drain(..).take(rng.below(2) as usize) {
                world.log.extend(records);
            }
            world.hold = false;
            *diverged = false;
            counts.crashes += 1;
            world.crash();
        }
        92..97 if !world.runs.is_empty() => {
            counts.plugin += 1;
            answer(world, rng);
        }
        92..97 => (),
        _ => bind(world, rng),
    }
    let step_ms = if rng.chance(20) { 20_000 } else { [0, 0, 0, 100, 500][rng.below(5) as usize] };
    world.advance(world.now_ms + step_ms);
}

fn well_behaved_round(world: &mut World) {
    for who in ["a", "b", "s"].map(|name| world.consumer(name)) {
        world.join(&who, 9);
        world.join(&who, 9);
    }
    world.advance(world.now_ms + 2_000);
    for who in ["a", "b", "s"] {
        world.sync(who);
    }
}

fn answer(world: &mut World, rng: &mut Rng) {
    let (run_id, input) = world.runs.remove(0);
    let result = if rng.chance(800) {
        let owners = uniform(&input);
        Ok(Answer { owners, version: Arc::from("1"), digest: Arc::from("d") })
    } else {
        Err(AssignFault::Failed("trap".into()))
    };
    world.turn(|coordinator, turn| coordinator.on_assigned(turn, GROUP, run_id, result));
}

fn bind(world: &mut World, rng: &mut Rng) {
    let policy = if rng.chance(500) { FailurePolicy::Open } else { FailurePolicy::Closed };
    let generation = rng.below(3);
    let binding = weighted(generation, policy);
    if rng.chance(400) {
        world.cluster.bindings.insert(GROUP.into(), binding);
    } else {
        world.cluster.bindings.remove(GROUP);
    }
    let changed = Changed::Group(Arc::from(GROUP));
    world.turn(|coordinator, turn| coordinator.on_assignor_changed(turn, &changed));
}

fn run(seed: u64, counts: &mut Counts) {
    let mut rng = Rng::new(seed);
    let mut world = World::new();
    world.config.offsets_retention_ms = 120_000;
    world.config.cleanup_interval_ms = 30_000;
    world.config.initial_rebalance_delay_ms = 500;
    world.crash();
    let mut diverged = false;
    for step in 0..400 {
        let lines = world.lines.len();
        act(&mut world, &mut rng, counts, &mut diverged);
        counts.commits += usize::from(world.lines[lines..].contains("commit: ok"));
        let state = world.coordinator.groups.get(GROUP).map(|group| group.state);
        counts.stable += usize::from(state == Some(State::Stable));
        counts.empty += usize::from(state == Some(State::Empty));
        compare(&world, seed, step, diverged);
    }
}

#[test]
fn memory_equals_replay() {
    let mut counts = Counts::default();
    let seeds = crate::sim::seeds(120);
    let many = 1 < seeds.len();
    for seed in seeds {
        run(seed, &mut counts);
    }
    // The histories are worth their time only if all of this happened.
    if many {
        assert!(1_000 < counts.stable && 500 < counts.empty && 100 < counts.crashes, "{counts:?}");
        assert!(50 < counts.failed && 500 < counts.commits && 100 < counts.plugin, "{counts:?}");
    }
}
