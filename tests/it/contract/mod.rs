//! The contract of the seam: every test runs on the real ring and in many simulated worlds.
//!
//! On the real ring each test runs with every feature, with each optional one masked, and with all
//! masked. A simulated failure names its seed; `SEED=17 cargo test name` runs that one alone.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use logmill::env::Env;
use logmill::io::{self, Feature, Features, Settings};
use logmill::model::ShardId;
use logmill::sim::{self, Chunks, Faults, MachineId, World};

mod canaries;
mod disk;
mod leaks;
mod local;
mod mail;
mod net;
mod outside;
mod power;
mod work;

/// Chunks small and few, so that they run out.
pub const CHUNKS: u16 = 4;
pub const CHUNK_BYTES: usize = 1_024;

pub fn settings(features: Features) -> Settings {
    Settings {
        entries: 64,
        chunks: CHUNKS,
        chunk_bytes: CHUNK_BYTES,
        inline_write_bytes_max: 4_096,
        inline_read_bytes_max: 4_096,
        workers: 1,
        features,
        ..Settings::default()
    }
}

/// Every set of ring features that the tests try.
pub fn masks() -> Vec<(String, Features)> {
    let mut masks = vec![("all".to_owned(), Features::ALL), ("none".to_owned(), Features::NONE)];
    for feature in Feature::ALL {
        masks.push((format!("without {}", feature.name()), Features::ALL.without(feature)));
    }
    masks
}

/// Runs `test` with a fresh directory on the ring under every mask.
pub fn on_rings<F: Future<Output = ()> + 'static>(test: impl Fn(Env, String) -> F) {
    for (name, features) in masks() {
        let temporary = tempfile::tempdir().unwrap();
        let run = std::panic::AssertUnwindSafe(|| {
            io::block_on(settings(features), |env| {
                let path = temporary.path().join("work");
                let env_for_test = env.clone();
                let test = &test;
                let path = path.to_str().expect("plain names").to_owned();
                let future = test(env_for_test, path.clone());
                async move {
                    env.create_dir_all(&path).await.unwrap();
                    future.await;
                }
            })
            .expect("io_uring");
        });
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("failed on the ring, features: {name}");
            std::panic::resume_unwind(panic);
        }
    }
}

pub fn in_worlds<F: Future<Output = ()> + 'static>(
    faults: Faults,
    test: impl Fn(Env, String) -> F,
) {
    sim::each_seed(100, |seed| {
        let world = World::new(seed, faults);
        let chunks = Chunks { count: CHUNKS, bytes: CHUNK_BYTES };
        let mut shards = world.boot_with(MachineId::FIRST, 1, chunks);
        world.block_on(&mut shards, |env| {
            let future = test(env.clone(), "/work".to_owned());
            async move {
                env.create_dir_all("/work").await.unwrap();
                future.await;
            }
        });
    });
}

pub fn on_both<F: Future<Output = ()> + 'static>(test: impl Fn(Env, String) -> F) {
    on_rings(&test);
    in_worlds(Faults::LEGAL, test);
}

/// Counts what the shards of a test finished.
#[derive(Clone, Default)]
pub struct Tally(Arc<AtomicU32>);

impl Tally {
    pub fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    pub fn get(&self) -> u32 {
        self.0.load(SeqCst)
    }
}

/// Runs `start` on each of so many shards, until together they counted to `want`: on threads with
/// rings, with and without messages between rings, and in simulated worlds.
pub fn on_shards(shards: u16, want: u32, start: impl Fn(Env, Tally) + Sync) {
    for features in [Features::ALL, Features::ALL.without(Feature::MsgRing), Features::NONE] {
        on_threads(shards, want, features, &start);
    }
    sim::each_seed(100, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let chunks = Chunks { count: CHUNKS, bytes: CHUNK_BYTES };
        let mut running = world.boot_with(MachineId::FIRST, shards, chunks);
        let tally = Tally::default();
        for shard in &running {
            start(shard.env(), tally.clone());
        }
        let finished = world.run(&mut running, || tally.get() == want);
        assert!(finished, "stuck at {} of {want}", tally.get());
    });
}

fn on_threads(shards: u16, want: u32, features: Features, start: &(impl Fn(Env, Tally) + Sync)) {
    let node = io::Node::start(shards, settings(features)).expect("io_uring");
    let tally = Tally::default();
    // A shard that has finished must not stop before the others have.
    let leaving = Arc::new(std::sync::Barrier::new(usize::from(shards)));
    std::thread::scope(|scope| {
        for number in 0..shards {
            let (node, tally, leaving) = (node.clone(), tally.clone(), leaving.clone());
            scope.spawn(move || {
                let mut shard = node.shard(ShardId(number)).expect("io_uring");
                let env = shard.env();
                start(env.clone(), tally.clone());
                // Looks now and then whether the other shards have finished too.
                env.clone().spawn(async move {
                    loop {
                        env.sleep_ms(1).await;
                    }
                });
                shard.run_until(|| tally.get() == want);
                leaving.wait();
            });
        }
    });
}

pub fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add((at >> 8) as u8 ^ salt)).collect()
}
