//! Many lives of one log, with kill -9 and power cuts between them, against a model.
//!
//! The model knows what each client was told and what each reader saw. Producers are idempotent,
//! use acks=all and repeat after a crash what was not answered; a plain writer uses acks 0 and 1.
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::base::Rng;
use crate::sim::each_seed;

const PRODUCERS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    Kill,
    Power,
}

/// One idempotent client.
#[derive(Default)]
struct Client {
    next_sequence: i32,
    /// Sent and not answered, oldest first: sequence and value.
    in_flight: VecDeque<(i32, String)>,
}

#[derive(Default)]
struct Model {
    clients: Vec<Client>,
    /// Offset and value that must be there for ever.
    stable: BTreeMap<i64, String>,
    /// Offset and value that must survive the process.
    safe: BTreeMap<i64, String>,
    /// What readers saw, of all acks.
    seen: BTreeMap<i64, String>,
    sent: BTreeSet<String>,
    recovery_point: Option<Offset>,
    written: u64,
}

type Shared = Rc<RefCell<Model>>;

async fn produce(log: Rc<Log>, env: Env, model: Shared, id: usize) {
    loop {
        env.sleep_until(crate::env::Instant(env.now().0 + 1 + env.random() % 60_000)).await;
        let (sequence, value) = {
            let mut model = model.borrow_mut();
            let number = model.written;
            model.written += 1;
            let client = &mut model.clients[id];
            if client.in_flight.len() == WINDOW_BATCHES_MAX {
                continue;
            }
            let sequence = client.next_sequence;
            client.next_sequence += 1;
            let value = format!("p{id}-{sequence}-{number}");
            client.in_flight.push_back((sequence, value.clone()));
            model.sent.insert(value.clone());
            (sequence, value)
        };
        send(&log, &env, &model, id, sequence, value);
    }
}

/// Sends one batch; its answer comes in a task of its own, so that five can be in flight.
fn send(log: &Rc<Log>, env: &Env, model: &Shared, id: usize, sequence: i32, value: String) {
    let spec = spec(Some((id as i64, 0, sequence)));
    let batch = batch_of(&spec, time_of(&value), &[&value]);
    let appended = log.append(&batch, Acks::All, env.wall_ms());
    let appended = appended.unwrap_or_else(|error| panic!("producer {id}, {sequence}: {error}"));
    let model = model.clone();
    env.spawn(async move {
        if appended.ack.await.is_ok() {
            let mut model = model.borrow_mut();
            let known = model.stable.insert(appended.base_offset.0, value.clone());
            assert!(known.is_none_or(|known| known == value));
            model.clients[id].in_flight.retain(|(sent, _)| *sent != sequence);
        }
    });
}

async fn write_plain(log: Rc<Log>, env: Env, model: Shared) {
    loop {
        env.sleep_until(crate::env::Instant(env.now().0 + 1 + env.random() % 40_000)).await;
        let value = {
            let mut model = model.borrow_mut();
            model.written += 1;
            let value = format!("w-{}-{}", model.written, "x".repeat(model.written as usize % 90));
            model.sent.insert(value.clone());
            value
        };
        let acks = if env.random().is_multiple_of(4) { Acks::None } else { Acks::Leader };
        let batch = batch(time_of(&value), &[&value]);
        let appended = log.append(&batch, acks, env.wall_ms()).unwrap();
        if appended.ack.await.is_ok() && acks == Acks::Leader {
            model.borrow_mut().safe.insert(appended.base_offset.0, value);
        }
    }
}

async fn consume(log: Rc<Log>, env: Env, model: Shared) {
    let mut from = log.ends().log_start;
    loop {
        let upper = log.ends().high_watermark;
        if upper <= from {
            log.watch().await;
            continue;
        }
        let found = log.read(from, 400, FirstBatch::Always, upper).await.unwrap();
        let bytes = Bytes::from(found.slices.concat());
        let mut at = 0;
        while at < bytes.len() {
            let Scanned::Batch(header, total) = next_batch(&bytes[at..]) else { panic!() };
            let records = Records::decode(&bytes.slice(at..at + total), 1 << 20).unwrap();
            for row in &records.rows {
                let value = String::from_utf8(records.value(row).unwrap().to_vec()).unwrap();
                model.borrow_mut().seen.insert(row.offset.0, value);
            }
            at += total;
            from = header.next_offset();
        }
        if env.random().is_multiple_of(5) {
            env.sleep_until(crate::env::Instant(env.now().0 + env.random() % 90_000)).await;
        }
    }
}

/// What must hold after a crash of that kind; then the model forgets what the crash could take.
fn check(model: &Shared, found: &[(i64, String)], crash: Crash) {
    let mut model = model.borrow_mut();
    for (at, (offset, value)) in found.iter().enumerate() {
        assert_eq!(*offset, at as i64, "offsets without a gap");
        assert!(model.sent.contains(value), "{value} was never sent");
    }
    let log: BTreeMap<i64, String> = found.iter().cloned().collect();
    let unique: BTreeSet<&String> = log.values().collect();
    assert_eq!(unique.len(), log.len(), "nothing is there twice");
    for (offset, value) in &model.stable {
        assert_eq!(log.get(offset), Some(value), "acks=all at {offset} is lost");
    }
    if crash == Crash::Kill {
        for (offset, value) in model.safe.iter().chain(&model.seen) {
            assert_eq!(log.get(offset), Some(value), "after kill -9, {offset} is lost");
        }
    }
    // Of what was read, a power cut may take only what was written with acks 0 or 1, and only
    // from the end.
    let cut = log.len() as i64;
    for (offset, value) in &model.seen {
        match log.get(offset) {
            Some(found) => assert_eq!(found, value, "another record at {offset} than was read"),
            None => {
                assert!(cut <= *offset && value.starts_with('w'), "{value} was read and is gone")
            }
        }
    }
    model.seen.retain(|offset, _| *offset < cut);
    model.safe.retain(|offset, _| *offset < cut);
}

/// The time of a record: its number, by which values differ.
fn time_of(value: &str) -> i64 {
    let mut words = value.split('-');
    let number = if value.starts_with('w') { words.nth(1) } else { words.nth(2) };
    number.unwrap().parse().unwrap()
}

/// A search by time finds what a walk over everything finds.
async fn check_times(log: &Log, found: &[(i64, String)]) {
    let latest = found.iter().map(|(_, value)| time_of(value)).max().unwrap_or(0);
    for time in (0..=latest + 1).step_by(1 + latest as usize / 30) {
        let want =
            found.iter().find(|(_, value)| time <= time_of(value)).map(|(offset, _)| *offset);
        let hit = log.offset_for_timestamp(time, Offset(i64::MAX)).await.unwrap();
        assert_eq!(hit.map(|hit| hit.offset.0), want, "the first record at or after {time}");
    }
    let hit = log.max_timestamp(Offset(i64::MAX)).await.unwrap();
    assert_eq!(hit.map_or(0, |hit| hit.timestamp), latest);
}

/// One life: recover, check, repeat what was not answered, work until the crash.
async fn live(
    env: Env,
    model: Shared,
    config: LogConfig,
    journal_bytes: u64,
    epoch: i32,
    last: Option<Crash>,
) {
    let start = match last {
        None => Start::New,
        Some(_) => Start::Unclean { recovery_point: model.borrow().recovery_point },
    };
    let log = open_beside(&env, config, epoch, start, journal_bytes).await.unwrap();
    if let Some(crash) = last {
        let ends = log.ends();
        assert_eq!(ends.high_watermark, ends.log_end);
        let found = values(&log).await;
        check(&model, &found, crash);
        check_times(&log, &found).await;
        let again: Vec<_> = {
            let model = model.borrow();
            let flights = |id: usize| model.clients[id].in_flight.iter().cloned();
            (0..PRODUCERS).flat_map(|id| flights(id).map(move |f| (id, f))).collect()
        };
        for (id, (sequence, value)) in again {
            send(&log, &env, &model, id, sequence, value);
        }
    }
    for id in 0..PRODUCERS {
        env.spawn(produce(log.clone(), env.clone(), model.clone(), id));
    }
    env.spawn(write_plain(log.clone(), env.clone(), model.clone()));
    env.spawn(consume(log.clone(), env.clone(), model.clone()));
    loop {
        env.sleep_until(crate::env::Instant(env.now().0 + 2_000_000)).await;
        // As the shard does it: from time to time the log is settled and the recovery point
        // recorded, durably.
        let _ = log.settle(1 + env.random() % 3_000).await;
        let point = log.recovery_point();
        model.borrow_mut().recovery_point = Some(point);
    }
}

/// Runs some lives; the faults are those of the world. Says how many records were acked.
fn lives(seed: u64, faults: Faults, with_points: bool) -> usize {
    let world = World::new(seed, faults);
    let mut dice = Rng::new(seed ^ 0x5eed);
    let model = Shared::default();
    model.borrow_mut().clients.resize_with(PRODUCERS, Client::default);
    let mut last = None;
    for epoch in 0..5 {
        let spread = if dice.chance(300) { 100_000 } else { 3_000 };
        let config = LogConfig {
            segment_bytes_max: 600 + dice.below(spread),
            index_interval_bytes: 100 + dice.below(400),
            ..LogConfig::default()
        };
        let mut shards = world.boot(MachineId::FIRST, 1);
        let env = shards[0].env();
        if !with_points {
            model.borrow_mut().recovery_point = None;
        }
        // A journal so small that it goes round, or none.
        let journal_bytes = if dice.chance(700) { 128 << 10 } else { 0 };
        env.spawn(live(env.clone(), model.clone(), config, journal_bytes, epoch, last));
        // Some cuts come while recovery is still at work.
        let time = if dice.chance(250) { 400_000 } else { 6_000_000 };
        world.run_for(&mut shards, 1 + dice.below(time));
        let crash = if dice.chance(300) { Crash::Kill } else { Crash::Power };
        match crash {
            Crash::Kill => world.crash(MachineId::FIRST, shards),
            Crash::Power => world.power_cut(MachineId::FIRST, shards),
        }
        // Two crashes with an unfinished recovery between them: the harder one counts.
        last = if last == Some(Crash::Power) { last } else { Some(crash) };
    }
    finish(&world, &model, last.unwrap());
    model.borrow().stable.len()
}

fn finish(world: &World, model: &Shared, last: Crash) {
    let mut shards = world.boot(MachineId::FIRST, 1);
    let recovery_point = model.borrow().recovery_point;
    let shared = model.clone();
    world.block_on(&mut shards, async move |env| {
        let start = Start::Unclean { recovery_point };
        let log = open(&env, small(), 90, start).await.unwrap();
        let found = values(&log).await;
        check(&shared, &found, last);
        // A second recovery finds nothing to do and the same records.
        let again = open(&env, small(), 91, start).await.unwrap();
        assert_eq!(again.recovered().bytes_cut + again.recovered().segments_dropped, 0);
        assert_eq!(values(&again).await, found);
        again.close().await.unwrap();
        let clean = open(&env, small(), 92, Start::Clean).await.unwrap();
        assert_eq!(clean.recovered(), &Recovered::default());
        assert_eq!(values(&clean).await, found);
    });
}

fn losses(count: u64, faults: Faults) -> usize {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let lost = (0..count)
        .filter(|seed| std::panic::catch_unwind(|| lives(*seed, faults, true)).is_err())
        .count();
    std::panic::set_hook(quiet);
    lost
}

/// `SIM_SEEDS` asks for more worlds.
fn seeds_wanted(least: u64) -> u64 {
    std::env::var("SIM_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(least).max(least)
}

#[test]
fn no_crash_takes_what_was_promised() {
    each_seed(seeds_wanted(60), |seed| {
        let acked = lives(seed, Faults::LEGAL, !seed.is_multiple_of(3));
        assert!(0 < acked || 0 < seed, "the first seed at least gets something done");
    });
}

#[test]
fn canary_a_sync_that_does_nothing_is_noticed() {
    let faults = Faults { lying_sync_per_1000: 1_000, ..Faults::LEGAL };
    let lost = losses(20, faults);
    assert!(10 <= lost, "only {lost} of 20 seeds noticed");
}

/// Disks that fail now and then: the log goes offline, says so, and keeps its word.
#[test]
fn a_failing_disk_costs_availability_and_nothing_else() {
    let offline = std::cell::Cell::new(0);
    each_seed(40, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut acked: BTreeMap<i64, String> = BTreeMap::new();
        for epoch in 0..4 {
            let mut shards = world.boot(MachineId::FIRST, 1);
            let known = acked.clone();
            let log = world.block_on(&mut shards, async move |env| {
                let start = match epoch {
                    0 => Start::New,
                    _ => Start::Unclean { recovery_point: None },
                };
                let log = open(&env, small(), epoch, start).await.unwrap();
                let found: BTreeMap<i64, String> = values(&log).await.into_iter().collect();
                assert!(known.iter().all(|(offset, value)| found.get(offset) == Some(value)));
                log
            });
            let faults =
                Faults { io_error_per_1000: 15, failed_sync_per_1000: 15, ..Faults::LEGAL };
            world.set_faults(faults);
            acked = world.block_on(&mut shards, async move |env| {
                for n in 0..150 {
                    let value = format!("{epoch}-{n}");
                    let Ok(appended) = log.append(&batch(5, &[&value]), Acks::All, 5) else {
                        break;
                    };
                    let base = appended.base_offset;
                    if appended.ack.await.is_ok() {
                        acked.insert(base.0, value);
                    }
                    let upper = log.ends().high_watermark;
                    let _ = log.read(Offset(0), 100, FirstBatch::Always, upper).await;
                    if n % 50 == 49 {
                        let range = log.compaction_range(Offset(0), env.wall_ms());
                        assert_eq!(range.first_offset, Offset(0));
                        let _ = log.roll().await;
                    }
                }
                acked
            });
            offline.set(offline.get() + usize::from(acked.len() < 150 * (epoch as usize + 1)));
            world.set_faults(Faults::LEGAL);
            world.power_cut(MachineId::FIRST, shards);
        }
    });
    assert!(40 < offline.get(), "{} of 160 lives met a fault", offline.get());
}
