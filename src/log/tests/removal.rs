//! Many lives of a log whose segments are removed, with crashes at any point in between.
//!
//! The model knows what was acknowledged and up to where a deletion was answered.
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::starts::{keep_start, open_listed};
use super::*;
use crate::base::Rng;
use crate::env::Instant;
use crate::sim::each_seed;

#[derive(Default)]
struct Model {
    /// Offset and value of what was acknowledged with acks=all.
    stable: BTreeMap<i64, String>,
    /// Below it, records were deleted and that was answered.
    answered: i64,
    /// The log of this life, and the largest log start of any life.
    log: Option<Rc<Log>>,
    start: i64,
    written: u64,
}

impl Model {
    fn life_ends(&mut self) {
        if let Some(log) = self.log.take() {
            self.start = self.start.max(log.ends().log_start.0);
        }
    }
}

type Shared = Rc<RefCell<Model>>;

async fn pause(env: &Env, ns_max: u64) {
    env.sleep_until(Instant(env.now().0 + 1 + env.random() % ns_max)).await;
}

async fn write(log: Rc<Log>, env: Env, model: Shared) {
    loop {
        pause(&env, 20_000).await;
        let value = {
            let mut model = model.borrow_mut();
            model.written += 1;
            format!("{}-{}", model.written, "x".repeat(model.written as usize % 60))
        };
        let acks = [Acks::All, Acks::Leader][(env.random() % 2) as usize];
        let Ok(appended) = log.append(&batch(5, &[&value]), acks, env.wall_ms()) else { return };
        let model = model.clone();
        env.spawn(async move {
            if appended.ack.await.is_ok() && acks == Acks::All {
                model.borrow_mut().stable.insert(appended.base_offset.0, value);
            }
        });
    }
}

async fn retain(log: Rc<Log>, env: Env) {
    loop {
        pause(&env, 300_000).await;
        if log.retain(env.wall_ms()).await.is_err() {
            return;
        }
    }
}

async fn delete(log: Rc<Log>, env: Env, model: Shared) {
    loop {
        pause(&env, 2_000_000).await;
        let ends = log.ends();
        let span = (ends.high_watermark.0 - ends.log_start.0) as u64;
        let target = ends.log_start.0 + (env.random() % (span / 3 + 1)) as i64;
        if log.delete_records(Some(Offset(target))).await.is_err() {
            return;
        }
        keep_start(&env, &log).await;
        let mut model = model.borrow_mut();
        model.answered = model.answered.max(target);
    }
}

/// What must hold whenever the log is opened.
async fn check(env: &Env, log: &Log, model: &Shared) {
    let ends = log.ends();
    let found: BTreeMap<i64, String> = values(log).await.into_iter().collect();
    let (answered, start, stable) = {
        let model = model.borrow();
        (model.answered, model.start, model.stable.clone())
    };
    assert!(answered <= ends.log_start.0, "{answered} came back: {ends:?}");
    let want: Vec<i64> = (ends.log_start.0..ends.log_end.0).collect();
    let offsets: Vec<i64> = found.keys().copied().collect();
    assert_eq!(offsets, want, "no hole");
    for (offset, value) in stable.range(ends.log_start.0..) {
        assert_eq!(found.get(offset), Some(value), "acks=all at {offset} is lost");
    }
    assert!(ends.log_start.0 <= start, "{ends:?}, and nobody moved it beyond {start}");
    if env.exists("data/flights-3").await.unwrap() {
        let names = env.list_dir("data/flights-3").await.unwrap();
        assert!(names.iter().all(|entry| !entry.name.ends_with(".deleted")), "{names:?}");
    }
}

fn lives(seed: u64, faults: Faults) -> i64 {
    let world = World::new(seed, faults);
    let mut dice = Rng::new(seed ^ 0x5eed);
    let model = Shared::default();
    for epoch in 0..6 {
        let config = LogConfig {
            segment_bytes_max: 300 + dice.below(1_500),
            index_interval_bytes: 100 + dice.below(400),
            retention_ms: -1,
            retention_bytes: (1_000 + dice.below(4_000)) as i64,
            file_delete_delay_ms: dice.below(2),
            ..LogConfig::default()
        };
        let mut shards = world.boot(MachineId::FIRST, 1);
        let shared = model.clone();
        let env = shards[0].env();
        env.clone().spawn(async move {
            let start = match epoch {
                0 => Start::New,
                _ => Start::Unclean { recovery_point: None },
            };
            let log = open_listed(&env, config, epoch, start).await.unwrap();
            check(&env, &log, &shared).await;
            shared.borrow_mut().log = Some(log.clone());
            env.spawn(write(log.clone(), env.clone(), shared.clone()));
            env.spawn(retain(log.clone(), env.clone()));
            env.spawn(delete(log, env.clone(), shared));
        });
        let time = if dice.chance(250) { 400_000 } else { 8_000_000 };
        world.run_for(&mut shards, 1 + dice.below(time));
        model.borrow_mut().life_ends();
        if dice.chance(300) {
            world.crash(MachineId::FIRST, shards);
        } else {
            world.power_cut(MachineId::FIRST, shards);
        }
    }
    let shared = model.clone();
    run(&world, async move |env| {
        let start = Start::Unclean { recovery_point: None };
        let log = open_listed(&env, small(), 9, start).await.unwrap();
        check(&env, &log, &shared).await;
        log.close().await.unwrap();
        let log = open_listed(&env, small(), 10, Start::Clean).await.unwrap();
        check(&env, &log, &shared).await;
        log.ends().log_start.0
    })
}

#[test]
fn no_crash_brings_back_what_was_deleted_or_takes_what_was_not() {
    let moved = std::cell::Cell::new(0);
    each_seed(80, |seed| {
        moved.set(moved.get() + u64::from(0 < lives(seed, Faults::LEGAL)));
    });
    assert!(std::env::var("SEED").is_ok() || 40 < moved.get(), "{} logs moved on", moved.get());
}
