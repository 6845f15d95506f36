//! The contract of the seam: every test runs on the real ring and in many simulated worlds.
//!
//! On the real ring each test runs with every feature, with each optional one masked, and with all
//! masked. A simulated failure names its seed; `SEED=17 cargo test name` runs that one alone.
use logmill::env::Env;
use logmill::io::{self, Feature, Features, Settings};
use logmill::sim::{self, Chunks, Faults, MachineId, World};

mod disk;
mod net;

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

pub fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add((at >> 8) as u8 ^ salt)).collect()
}
