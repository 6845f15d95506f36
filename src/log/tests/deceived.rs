//! What must not deceive a log: pages of a failed sync, a damaged topic id, a clock that jumps,
//! names and lines that cannot be, an index that others wrote, a file that changes under a pass.
use super::*;
use crate::env::OpenHow;
use crate::log::checkpoint::decode_offsets;
use crate::log::index::OFFSET_ENTRY_BYTES;
use crate::log::names::{INDEX, LOG, file_path};
use crate::record::Stamp;
use crate::sim::each_seed;

const HERE: MachineId = MachineId::FIRST;

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_not_taken_for_durable() {
    let world = quiet_world();
    let open_again = |epoch| {
        let mut shards = world.boot(HERE, 1);
        let found = world.block_on(&mut shards, async move |env| {
            let start = Start::Unclean { recovery_point: None };
            values(&open(&env, small(), epoch, start).await.unwrap()).await
        });
        (shards, found)
    };
    let mut shards = world.boot(HERE, 1);
    let log = world.block_on(&mut shards, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["durable"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.append(&batch(2, &["x"; 90]), Acks::Leader, 5).unwrap().ack.await.unwrap();
        log
    });
    world.set_faults(Faults { failed_sync_per_1000: 1_000, ..Faults::NONE });
    world.block_on(&mut shards, async move |_| assert!(log.flush().await.is_err()));
    world.set_faults(Faults::NONE);
    world.crash(HERE, shards);
    let (shards, found) = open_again(1);
    assert_eq!(found[0].1, "durable");
    world.power_cut(HERE, shards);
    assert_eq!(open_again(2).1, found, "what a start makes readable stays");
}

#[test]
fn a_topic_id_with_a_wrong_bit_is_no_other_topic() {
    run(&quiet_world(), async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["a"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.close().await.unwrap();
        let path = "data/flights-3/partition.metadata";
        let file = env.open(path, OpenHow::ReadWrite).await.unwrap();
        let text = env.read_at(&file, 0, 1_000).await.unwrap();
        // A character of the id: six of its bits, of which one changes.
        let at = text.len() as u64 - 8;
        let damaged = text[at as usize] ^ 1;
        env.write_all_at(&file, at, vec![Bytes::from(vec![damaged])]).await.unwrap();
        let again = open(&env, small(), 0, Start::Clean).await.unwrap();
        assert_eq!(values(&again).await, [(0, "a".to_owned())]);
        let repaired = env.open(path, OpenHow::Read).await.unwrap();
        assert_eq!(env.read_at(&repaired, 0, 1_000).await.unwrap(), text);
    });
}

#[test]
fn no_wall_clock_makes_a_log_forget_its_producers() {
    let world = quiet_world();
    let mut shards = world.boot(HERE, 1);
    let jumping = world.clone();
    world.block_on(&mut shards, async move |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        let one = batch_of(&spec(Some((7, 0, 0))), 5, &["once"]);
        log.append(&one, Acks::All, env.wall_ms()).unwrap().ack.await.unwrap();
        jumping.jump_wall_ms(HERE, 365 * 24 * 60 * 60 * 1_000);
        env.sleep_ms(1).await;
        assert!(log.append(&one, Acks::All, env.wall_ms()).unwrap().duplicate);
        // Time that passes does.
        env.sleep_ms(log.config().producer_expiration_ms as u64 + 1).await;
        assert!(!log.append(&one, Acks::All, env.wall_ms()).unwrap().duplicate);
    });
}

#[test]
fn no_name_and_no_line_ends_a_log_where_no_offset_can_follow() {
    run(&quiet_world(), async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["a"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.close().await.unwrap();
        for suffix in [".log", ".index", ".timeindex", ".snapshot"] {
            let path = file_path("data/flights-3", Offset(i64::MAX), suffix);
            env.open(&path, OpenHow::Create).await.unwrap();
        }
        for start in [Start::Clean, Start::Unclean { recovery_point: None }] {
            let log = open(&env, small(), 0, start).await.unwrap();
            let found = values(&log).await.len() as i64;
            let told = log.append(&batch(1, &["b"]), Acks::All, 5).unwrap();
            assert_eq!(told.base_offset, Offset(found));
            told.ack.await.unwrap();
            log.close().await.unwrap();
        }
    });
    assert_eq!(decode_offsets(&format!("0\n1\na 0 {}\n", i64::MAX)), None);
}

/// So does an index of a Kafka follower from before 4.0, which appended several at once.
#[test]
fn an_index_entry_may_name_the_last_of_several_batches_or_one_that_is_not_there() {
    const BATCHES: i64 = 100;
    for beyond in [2, 5_000] {
        run(&quiet_world(), async move |env| {
            let dense = LogConfig { index_interval_bytes: 200, ..LogConfig::default() };
            let log = open(&env, dense.clone(), 0, Start::New).await.unwrap();
            // More than is read whole for being small.
            let value = "x".repeat(1_000);
            for n in 0..BATCHES {
                drop(log.append(&batch(n, &[&value]), Acks::Leader, 5).unwrap().ack);
            }
            log.close().await.unwrap();
            let path = file_path("data/flights-3", Offset(0), INDEX);
            let files = Files::unwatched(&env);
            let mut index = files.read_whole(&path).await.unwrap().unwrap().to_vec();
            index.truncate(index.len() - 6 * OFFSET_ENTRY_BYTES);
            let last = index.len() - OFFSET_ENTRY_BYTES;
            let named = u32::from_be_bytes(index[last..last + 4].try_into().unwrap()) + beyond;
            index[last..last + 4].copy_from_slice(&named.to_be_bytes());
            files.write_whole(&path, index).await.unwrap();
            let damage = unnoticed_damage(&env, "data/flights-3").await.unwrap();
            let damaged: Vec<String> = damage.into_iter().map(|one| one.path).collect();
            assert_eq!(damaged, if beyond == 2 { vec![] } else { vec![path] });
            let log = open(&env, dense, 1, Start::Clean).await.unwrap();
            assert_eq!(values(&log).await.len() as i64, BATCHES);
            for from in 0..BATCHES {
                let found = log.read(Offset(from), 1, FirstBatch::Always, ALL).await.unwrap();
                let header = Header::decode(&found.slices.concat()).unwrap();
                assert_eq!(header.base_offset, Offset(from));
            }
        });
    }
}

#[test]
fn a_file_that_becomes_another_under_a_compaction_ends_no_more_than_that() {
    const BATCHES: i64 = 40;
    let refused = Cell::new(0);
    each_seed(40, |seed| {
        let world = World::new(seed, Faults { delay_ns_max: 1_000_000, ..Faults::NONE });
        let mut shards = world.boot(HERE, 1);
        let one = batch(1, &[&"x".repeat(200)]);
        let (env, log) = world.block_on(&mut shards, async move |env| {
            let log = open(&env, LogConfig::default(), 0, Start::New).await.unwrap();
            for _ in 0..BATCHES {
                drop(log.append(&one, Acks::Leader, 5).unwrap().ack);
            }
            log.roll().await.unwrap();
            log.flush().await.unwrap();
            (env, log)
        });
        let (told, compacted) = (Rc::new(RefCell::new(None)), log.clone());
        let place = told.clone();
        env.spawn(async move {
            let range = compacted.compaction_range(Offset(0), 1_000);
            let done = compacted.compact(&CompactionJob::new(range, 1_000), None).await;
            *place.borrow_mut() = Some(done.map(drop));
        });
        world.run_for(&mut shards, 1 + world.below(8_000_000));
        world.block_on(&mut shards, async move |env| {
            let path = file_path("data/flights-3", Offset(0), LOG);
            let file = env.open(&path, OpenHow::ReadWrite).await.unwrap();
            env.write_all_at(&file, 0, with_more_records(BATCHES)).await.unwrap();
        });
        world.run(&mut shards, || told.borrow().is_some());
        refused.set(refused.get() + u32::from(told.take().unwrap().is_err()));
    });
    assert!(0 < refused.get(), "no seed met it");
}

/// Batches with as many bytes, all of them whole, and ten times the records.
fn with_more_records(batches: i64) -> Vec<Bytes> {
    let bytes = batch(1, &[&"x".repeat(200)]).len_bytes();
    let fits = |pad: usize| {
        let other = batch(1, &[&["y"; 9][..], &["z".repeat(pad).as_str()]].concat());
        (other.len_bytes() == bytes).then_some(other)
    };
    let other = (0..200).find_map(fits).expect("one of them");
    let stamped = (0..batches).map(|n| {
        let base_offset = Offset(10 * n);
        other.stamp(&Stamp { base_offset, leader_epoch: LeaderEpoch(0), append_time_ms: None })
    });
    stamped.flat_map(|stored| [stored.head, stored.body]).collect()
}
