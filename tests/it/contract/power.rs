//! What simulated crashes and power cuts leave: the promises that code above may build on.
use std::collections::BTreeSet;

use logmill::base::Bytes;
use logmill::env::{Env, IoError, OpenHow, Shard};
use logmill::sim::{FaultCounts, Faults, MachineId, SECTOR_BYTES, World, each_seed};

use super::net::any_port;
use super::pattern;

const HERE: MachineId = MachineId::FIRST;

/// Runs `before`, then ends the machine with `end`, then runs `after` on what is left.
fn around<A, B>(
    seed: u64,
    faults: Faults,
    end: fn(&World, MachineId, Vec<Shard>),
    before: impl FnOnce(Env) -> A,
    after: impl FnOnce(Env) -> B,
) -> (B::Output, FaultCounts)
where
    A: Future<Output = ()> + 'static,
    B: Future<Output: 'static> + 'static,
{
    let world = World::new(seed, faults);
    let mut shards = world.boot(HERE, 1);
    world.block_on(&mut shards, before);
    end(&world, HERE, shards);
    assert_eq!(world.open_fds(HERE), 0);
    let mut shards = world.boot(HERE, 1);
    let found = world.block_on(&mut shards, after);
    (found, world.counts())
}

async fn put(env: &Env, path: &str, at: u64, data: Vec<u8>) -> logmill::env::File {
    let file = env.open(path, OpenHow::Create).await.unwrap();
    env.write_all_at(&file, at, vec![Bytes::from(data)]).await.unwrap();
    file
}

async fn get(env: &Env, path: &str) -> Option<Vec<u8>> {
    let file = env.open(path, OpenHow::Read).await.ok()?;
    Some(env.read_at(&file, 0, 1 << 20).await.unwrap().to_vec())
}

#[test]
fn synced_bytes_survive_a_power_cut_and_others_may_not() {
    let mut fates = BTreeSet::new();
    let mut total = FaultCounts::default();
    for seed in 0..200 {
        let (got, counts) = around(
            seed,
            Faults::LEGAL,
            World::power_cut,
            |env| async move {
                let file = put(&env, "/log", 0, pattern(3_000, 1)).await;
                env.sync_data(&file).await.unwrap();
                env.sync_dir("/").await.unwrap();
                put(&env, "/log", 3_000, pattern(5_000, 2)).await;
            },
            |env| async move { get(&env, "/log").await.expect("its name was synced") },
        );
        assert!(got[..3_000] == pattern(3_000, 1)[..], "SEED={seed}: synced bytes changed");
        let tail = &got[3_000..];
        assert!(tail.len() <= 5_000);
        fates.insert(match tail {
            tail if *tail == pattern(5_000, 2)[..] => "whole",
            [] => "gone",
            _ => "in parts",
        });
        total.sectors_lost += counts.sectors_lost;
        total.sectors_torn += counts.sectors_torn;
        total.sizes_lost += counts.sizes_lost;
    }
    assert!(fates.contains("gone") && fates.contains("in parts"), "{fates:?}");
    assert!(0 < total.sectors_lost && 0 < total.sectors_torn && 0 < total.sizes_lost);
}

#[test]
fn a_synced_sector_that_is_overwritten_without_sync_is_old_new_or_torn() {
    let sector = SECTOR_BYTES as usize;
    let mut fates = BTreeSet::new();
    for seed in 0..200 {
        let (got, _) = around(
            seed,
            Faults::LEGAL,
            World::power_cut,
            move |env| async move {
                let file = put(&env, "/log", 0, vec![1; 4 * sector]).await;
                env.sync_data(&file).await.unwrap();
                env.sync_dir("/").await.unwrap();
                put(&env, "/log", sector as u64, vec![2; sector]).await;
            },
            |env| async move { get(&env, "/log").await.unwrap() },
        );
        assert_eq!(got.len(), 4 * sector);
        let new = got[sector..2 * sector].iter().take_while(|byte| **byte == 2).count();
        assert!(got[sector + new..].iter().all(|byte| *byte == 1), "only a prefix is new");
        fates.insert(match new {
            0 => "old",
            new if new == sector => "new",
            _ => "torn",
        });
    }
    assert_eq!(fates.len(), 3, "{fates:?}");
}

#[test]
fn a_killed_process_loses_nothing_that_was_written() {
    each_seed(100, |seed| {
        let (got, _) = around(
            seed,
            Faults::LEGAL,
            World::crash,
            |env| async move {
                env.create_dir_all("/a/b").await.unwrap();
                put(&env, "/a/b/log", 0, pattern(3_000, 1)).await;
                env.rename("/a/b/log", "/a/log").await.unwrap();
            },
            |env| async move { get(&env, "/a/log").await },
        );
        assert!(got.unwrap() == pattern(3_000, 1));
    });
}

#[test]
fn names_are_durable_only_after_the_sync_of_their_directory() {
    let mut without = BTreeSet::new();
    for seed in 0..100 {
        for synced in [false, true] {
            let (found, _) = around(
                seed,
                Faults::LEGAL,
                World::power_cut,
                move |env| async move {
                    env.create_dir_all("/data/topic").await.unwrap();
                    let file = put(&env, "/data/topic/log", 0, vec![7; 10]).await;
                    env.sync_data(&file).await.unwrap();
                    if synced {
                        for dir in ["/data/topic", "/data", "/"] {
                            env.sync_dir(dir).await.unwrap();
                        }
                    }
                },
                |env| async move { get(&env, "/data/topic/log").await },
            );
            match synced {
                true => assert_eq!(found, Some(vec![7; 10]), "SEED={seed}"),
                false => drop(without.insert(found.is_some())),
            }
        }
    }
    assert_eq!(without.len(), 2, "without a sync the name is sometimes lost, sometimes not");
}

#[test]
fn a_rename_is_whole_or_never_was() {
    let mut fates = BTreeSet::new();
    for seed in 0..200 {
        let ((old, new), _) = around(
            seed,
            Faults::LEGAL,
            World::power_cut,
            |env| async move {
                for (path, byte) in [("/state", 1), ("/state.new", 2)] {
                    let file = put(&env, path, 0, vec![byte; 700]).await;
                    env.sync_data(&file).await.unwrap();
                }
                env.sync_dir("/").await.unwrap();
                env.rename("/state.new", "/state").await.unwrap();
            },
            |env| async move { (get(&env, "/state").await, get(&env, "/state.new").await) },
        );
        let old = old.expect("one of both has the name at any time");
        assert!(
            old == vec![1; 700] && new == Some(vec![2; 700])
                || old == vec![2; 700] && new.is_none()
        );
        fates.insert(new.is_some());
    }
    assert_eq!(fates.len(), 2);
}

#[test]
fn what_was_removed_may_come_back_unless_its_directory_was_synced() {
    let mut fates = BTreeSet::new();
    for seed in 0..100 {
        let (left, _) = around(
            seed,
            Faults::LEGAL,
            World::power_cut,
            |env| async move {
                env.create_dir_all("/data/old").await.unwrap();
                for path in ["/data/old/log", "/data/one", "/data/two"] {
                    let file = put(&env, path, 0, pattern(1_000, 3)).await;
                    env.sync_data(&file).await.unwrap();
                }
                for dir in ["/", "/data", "/data/old"] {
                    env.sync_dir(dir).await.unwrap();
                }
                env.remove_file("/data/one").await.unwrap();
                env.sync_dir("/data").await.unwrap();
                env.remove_file("/data/two").await.unwrap();
                env.remove_dir_all("/data/old").await.unwrap();
            },
            |env| async move {
                assert!(!env.exists("/data/one").await.unwrap(), "its removal was synced");
                if let Some(two) = get(&env, "/data/two").await {
                    assert!(two == pattern(1_000, 3), "what comes back is what it was");
                }
                env.exists("/data/old").await.unwrap()
            },
        );
        fates.insert(left);
    }
    assert_eq!(fates.len(), 2);
}

#[test]
fn a_truncation_holds_only_after_a_sync() {
    let mut sizes = BTreeSet::new();
    for seed in 0..100 {
        for synced in [false, true] {
            let (got, _) = around(
                seed,
                Faults::LEGAL,
                World::power_cut,
                move |env| async move {
                    let file = put(&env, "/log", 0, pattern(4_000, 5)).await;
                    env.sync_data(&file).await.unwrap();
                    env.sync_dir("/").await.unwrap();
                    env.truncate(&file, 1_000).await.unwrap();
                    if synced {
                        env.sync_data(&file).await.unwrap();
                    }
                },
                |env| async move { get(&env, "/log").await.unwrap() },
            );
            assert!(got[..1_000] == pattern(4_000, 5)[..1_000]);
            match synced {
                true => assert_eq!(got.len(), 1_000),
                false => drop(sizes.insert(got.len())),
            }
        }
    }
    assert!(sizes.contains(&1_000) && sizes.contains(&4_000), "{sizes:?}");
}

#[test]
fn a_sync_that_failed_once_has_forgotten_the_bytes_when_it_says_yes() {
    let faults = Faults { failed_sync_per_1000: 1_000, ..Faults::LEGAL };
    let mut lost = 0;
    for seed in 0..50 {
        let world = World::new(seed, faults);
        let mut shards = world.boot(HERE, 1);
        let handle = world.clone();
        world.block_on(&mut shards, |env| async move {
            let file = put(&env, "/log", 0, vec![9; 2_000]).await;
            assert_eq!(env.sync_data(&file).await, Err(IoError::EIO));
            handle.set_faults(Faults::LEGAL);
            env.sync_data(&file).await.expect("clean pages sync well");
            env.sync_dir("/").await.unwrap();
        });
        world.power_cut(HERE, shards);
        let mut shards = world.boot(HERE, 1);
        let got = world.block_on(&mut shards, |env| async move { get(&env, "/log").await });
        lost += u32::from(got.unwrap() != vec![9; 2_000]);
        assert!(0 < world.counts().failed_syncs);
    }
    assert_eq!(lost, 50);
}

#[test]
fn a_full_disk_takes_a_part_then_says_so_until_space_is_freed() {
    each_seed(50, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        world.set_disk_bytes_max(HERE, 10_000);
        let mut shards = world.boot(HERE, 1);
        world.block_on(&mut shards, |env| async move {
            let first = put(&env, "/one", 0, vec![1; 6_000]).await;
            let second = env.open("/two", OpenHow::Create).await.unwrap();
            let data = || vec![Bytes::from(vec![2; 6_000])];
            assert_eq!(env.write_all_at(&second, 0, data()).await, Err(IoError::NoSpace));
            assert_eq!(env.file_bytes(&second).await.unwrap(), 4_000, "what fits was written");
            env.write_all_at(&first, 0, vec![Bytes::from(vec![3; 6_000])]).await.unwrap();
            env.truncate(&first, 1_000).await.unwrap();
            env.write_all_at(&second, 0, data()).await.unwrap();
            env.remove_file("/two").await.unwrap();
            put(&env, "/three", 0, vec![4; 9_000]).await;
        });
        assert!(0 < world.counts().disk_full);
    });
}

#[test]
fn a_machine_that_goes_takes_its_connections_with_it() {
    type End = fn(&World, MachineId, Vec<Shard>);
    for end in [World::crash as End, World::power_cut as End] {
        each_seed(30, |seed| {
            let world = World::new(seed, Faults::LEGAL);
            let client_machine = world.add_machine();
            let (mut servers, mut clients) = (world.boot(HERE, 1), world.boot(client_machine, 1));
            let address = world.block_on(&mut servers, |env| async move {
                let listener = env.listen(any_port()).await.unwrap();
                let address = listener.address;
                let serving = env.clone();
                env.spawn(async move {
                    let mut accepting = serving.accept_many(&listener);
                    let mut sockets = Vec::new();
                    loop {
                        sockets.push(accepting.next().await.unwrap());
                    }
                });
                address
            });
            let socket = world.block_on(&mut clients, move |env| async move {
                env.connect(address).await.unwrap()
            });
            world.run_for(&mut servers, 1_000_000);
            end(&world, HERE, servers);
            world.block_on(&mut clients, move |env| async move {
                let ended = env.receive_chunk(&socket).await;
                assert!(matches!(ended, Ok(None) | Err(IoError::Reset)), "{ended:?}");
                assert_eq!(env.connect(address).await.err(), Some(IoError::Refused));
            });
        });
    }
}
