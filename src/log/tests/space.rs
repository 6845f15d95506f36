//! A disk that fills up: refused in time, put off when it comes too late, and gone on with after.
use std::cell::{Cell, RefCell};

use super::*;
use crate::env::Space;
use crate::log::room::Appender;
use crate::model::ErrorCode;
use crate::sim::each_seed;

const RETRY_MS: u64 = 100;

pub(super) async fn space(env: &Env) -> Space {
    env.space("data").await.unwrap()
}

/// Leaves so much room on the disk, as if somebody else had filled it.
pub(super) async fn leave(world: &World, env: &Env, bytes: u64) {
    let Space { total_bytes, usable_bytes, .. } = space(env).await;
    world.set_disk_bytes_max(MachineId::FIRST, total_bytes - usable_bytes + bytes);
}

fn host(env: &Env) -> LogHost {
    LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, QUEUE_BYTES, 0)
}

#[test]
fn a_nearly_full_disk_refuses_before_the_ack_and_takes_again_by_itself() {
    let world = World::new(1, Faults::NONE);
    world.set_disk_bytes_max(MachineId::FIRST, 64_000);
    let held = world.clone();
    run(&world, async move |env| {
        env.create_dir_all("data").await.unwrap();
        let host = host(&env);
        let open = async |topic: &str| {
            let place = LogPlace { topic: topic.into(), ..place() };
            let config = LogConfig::default();
            Log::open(&host, place, config, LeaderEpoch(0), Start::New).await.unwrap()
        };
        let (log, other) = (open("flights").await, open("trains").await);
        let internal = open("__consumer_offsets").await;
        let append = |log: &Log, sequence| {
            let batch = batch_of(&spec(Some((7, 0, sequence))), 1, &["some value"]);
            log.append(&batch, Acks::Leader, 5)
        };
        let mut sequence = 0;
        let refused = loop {
            match append(&log, sequence) {
                Ok(appended) => appended.ack.await.unwrap(),
                Err(error) => break error,
            }
            sequence += 1;
        };
        assert_eq!(ErrorCode::from(&refused), ErrorCode::NotEnoughReplicas, "{refused}");
        assert_eq!(log.ends().log_end, Offset(sequence.into()), "nothing of it was appended");
        assert!(append(&other, 0).is_err(), "they share the disk");
        assert!(append(&log, sequence - 1).unwrap().duplicate, "that is in the log already");
        assert!(60_000 / 32 < space(&env).await.usable_bytes, "the reserve is there");
        append(&internal, 0).unwrap().ack.await.unwrap();
        assert_eq!(held.counts().disk_full, 0, "nobody met the end of the disk");
        env.sleep_ms(3_000).await;
        assert!(append(&log, sequence).is_err());
        held.set_disk_bytes_max(MachineId::FIRST, 96_000);
        env.sleep_ms(1_100).await;
        append(&log, sequence).unwrap().ack.await.unwrap();
        assert!(host.counters().space_refusals_total.get() == 3);
        assert_eq!(host.counters().unwritten_bytes.get(), 0);
        env.sleep_ms(2_000).await;
        assert_eq!(env.in_flight(), 0, "nobody appends, so nobody asks");
    });
}

#[test]
fn what_is_accepted_and_not_yet_written_counts_as_taken() {
    let world = World::new(1, Faults::NONE);
    world.set_disk_bytes_max(MachineId::FIRST, 64_000);
    let held = world.clone();
    run(&world, async move |env| {
        let log = open(&env, LogConfig::default(), 0, Start::New).await.unwrap();
        let value = "x".repeat(1_000);
        let mut acks = Vec::new();
        // All in one turn: nothing is written between them.
        while let Ok(appended) = log.append(&batch(1, &[&value]), Acks::Leader, 5) {
            acks.push(appended.ack);
        }
        assert!(50 < acks.len() && acks.len() < 62, "{}", acks.len());
        for ack in acks {
            ack.await.unwrap();
        }
        assert_eq!(held.counts().disk_full, 0);
    });
}

#[test]
fn what_one_shard_is_promised_no_other_is() {
    const FILE_BYTES: u64 = 10_000;
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 2);
    world.block_on(&mut shards, async |env| env.create_dir_all("data").await.unwrap());
    // The reserve, and a file and a half.
    world.set_disk_bytes_max(MachineId::FIRST, FILE_BYTES * 3 / 2);
    let counters = LogMetrics::default();
    let rooms: Vec<Rc<Room>> =
        shards.iter().map(|shard| Room::new(&shard.env(), "data", counters.clone())).collect();
    let told = Rc::new(RefCell::new(Vec::new()));
    for (shard, room) in shards.iter().zip(&rooms) {
        let (env, room, told) = (shard.env(), room.clone(), told.clone());
        shard.env().spawn(async move {
            let promised = room.promise(FILE_BYTES).await;
            told.borrow_mut().push((env, room, promised));
        });
    }
    assert!(world.run(&mut shards, || told.borrow().len() == 2));
    let mut told = told.take();
    told.sort_by_key(|(_, _, promised)| promised.is_err());
    let [(_, _, lucky @ Ok(_)), (env, other, Err(free_bytes))] = &mut told[..] else {
        panic!("both have it, or none")
    };
    assert!(*free_bytes < FILE_BYTES);
    assert!(other.admit(FILE_BYTES as usize, Appender::Client).is_err());
    // It is given back.
    *lucky = Err(0);
    assert_eq!(counters.promised_bytes.get(), 0);
    let (other, told) = (other.clone(), Rc::new(Cell::new(None)));
    let place = told.clone();
    env.spawn(async move { place.set(Some(other.promise(FILE_BYTES).await.is_ok())) });
    assert!(world.run(&mut shards, || told.get().is_some()));
    assert_eq!(told.get(), Some(true), "it is there for whoever comes next");
}

/// What the client of one log was told, over all lives of the broker.
#[derive(Default)]
struct Story {
    acked: Cell<i32>,
    told_full: Cell<u64>,
    told_refused: Cell<u64>,
    /// Reads while the log waited for room.
    reads_when_full: Cell<u64>,
}

fn bump(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

fn value(sequence: i32) -> String {
    format!("value {sequence} {}", "x".repeat(sequence as usize % 90))
}

/// An idempotent producer that sends each value until it is acknowledged.
async fn produce(log: &Log, env: &Env, story: &Story, count: i32) {
    for sequence in story.acked.get()..count {
        let batch = batch_of(&spec(Some((7, 0, sequence))), 1, &[&value(sequence)]);
        let acks = if sequence % 3 == 0 { Acks::Leader } else { Acks::All };
        loop {
            match log.append(&batch, acks, env.wall_ms()) {
                Err(error) => {
                    assert_eq!(ErrorCode::from(&error), ErrorCode::NotEnoughReplicas, "{error}");
                    bump(&story.told_refused);
                }
                Ok(appended) => match appended.ack.await {
                    Ok(()) => break,
                    Err(error) => {
                        assert_eq!(error.source, IoError::NoSpace, "{error}");
                        assert_eq!(ErrorCode::from(&error), ErrorCode::KafkaStorageError);
                        bump(&story.told_full);
                    }
                },
            }
            env.sleep_ms(RETRY_MS).await;
        }
        story.acked.set(sequence + 1);
        env.sleep_ms(env.random() % 60).await;
    }
}

/// Somebody else fills the disk and makes room again, for ever.
async fn fill_and_free(world: World, env: Env) {
    loop {
        env.sleep_ms(env.random() % 3_000).await;
        leave(&world, &env, env.random() % 300).await;
        env.sleep_ms(env.random() % 3_000).await;
        world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    }
}

/// Reads all that may be read again and again: none of it is ever withheld.
async fn read_on(log: Rc<Log>, env: Env, story: Rc<Story>) {
    loop {
        let is_full = log.state.borrow().full_disk().is_some();
        let found = values(&log).await;
        for (at, (offset, found)) in found.iter().enumerate() {
            assert_eq!((*offset, found.as_str()), (at as i64, value(at as i32).as_str()));
        }
        if is_full && !found.is_empty() {
            bump(&story.reads_when_full);
        }
        env.sleep_ms(400).await;
    }
}

/// Lives on a disk that somebody else fills again and again, ended by `deaths`: true cuts power.
fn full_disks(seed: u64, journal_bytes: u64, deaths: &[bool], story: &Rc<Story>) -> u64 {
    const VALUES: i32 = 60;
    let world = World::new(seed, Faults::LEGAL);
    let count = |life: usize| VALUES * (life as i32 + 1);
    for life in 0..=deaths.len() {
        let start = if life == 0 { Start::New } else { Start::Unclean { recovery_point: None } };
        let mut shards = world.boot(MachineId::FIRST, 1);
        let (held, told) = (world.clone(), story.clone());
        let log = world.block_on(&mut shards, async move |env| {
            let log = open_beside(&env, small(), life as i32, start, journal_bytes).await.unwrap();
            let found: Vec<String> = values(&log).await.into_iter().map(|(_, v)| v).collect();
            assert!(told.acked.get() as usize <= found.len(), "acknowledged values are lost");
            assert!(found.iter().enumerate().all(|(at, found)| *found == value(at as i32)));
            env.spawn(fill_and_free(held, env.clone()));
            env.spawn(read_on(log.clone(), env.clone(), told.clone()));
            produce(&log, &env, &told, count(life)).await;
            log
        });
        if let Some(power) = deaths.get(life) {
            // In the middle of the next value, or of what waits for room.
            let held = story.clone();
            let env = shards[0].env();
            shards[0].env().spawn(async move { produce(&log, &env, &held, i32::MAX).await });
            world.run_for(&mut shards, 1 + world.below(4_000_000_000));
            match power {
                true => {
                    world.power_cut(MachineId::FIRST, shards);
                    // An acks=1 value was not promised to survive that.
                    let acked = story.acked.get();
                    story.acked.set(acked - i32::from((acked - 1) % 3 == 0));
                }
                false => world.crash(MachineId::FIRST, shards),
            }
            world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
            continue;
        }
        let held = world.clone();
        world.block_on(&mut shards, async move |env| {
            while log.state.borrow().full_disk().is_some() || log.close().await.is_err() {
                held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
                assert!(log.offline().is_none(), "{:?}", log.offline());
                env.sleep_ms(RETRY_MS).await;
            }
        });
    }
    world.counts().disk_full
}

fn many_full_disks(seeds: u64, journal_bytes: u64, deaths: &[bool]) {
    let (story, full) = (Cell::new((0, 0, 0)), Cell::new(0));
    each_seed(seeds, |seed| {
        let told = Rc::<Story>::default();
        full.set(full.get() + full_disks(seed, journal_bytes, deaths, &told));
        let (refused, fulls, reads) = story.get();
        story.set((
            refused + told.told_refused.get(),
            fulls + told.told_full.get(),
            reads + told.reads_when_full.get(),
        ));
    });
    let (refused, fulls, reads) = story.get();
    eprintln!("disk full {}: {refused} refused, {fulls} told, {reads} reads", full.get());
    if 1 < crate::sim::seeds(seeds).len() {
        assert!(0 < full.get() && 0 < refused && 0 < reads, "the disk was never full");
        assert!(journal_bytes != 0 || 0 < fulls, "nobody was told");
    }
}

#[test]
fn no_full_disk_takes_a_log_offline_or_loses_anything() {
    many_full_disks(40, 0, &[]);
    many_full_disks(40, 1 << 20, &[]);
}

#[test]
fn a_crash_on_a_full_disk_loses_nothing() {
    many_full_disks(40, 0, &[false, false]);
    many_full_disks(40, 1 << 20, &[false, false]);
}

#[test]
fn a_power_cut_on_a_full_disk_loses_nothing_that_is_stable() {
    many_full_disks(40, 1 << 20, &[true, true]);
}
