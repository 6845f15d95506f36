//! A disk that fills up or fails under a whole broker: what clients are told, and what they keep.
//!
//! Owns: refusal in time, reading on, going on by itself, kill −9 on a full disk; on a simulated
//! node, and for real on a small file system of its own.
//! Leaves to others: every order in which a log can meet the end of the disk (`log`'s own tests).
//! Start reading at: [`a_full_disk_costs_no_acknowledged_record`].
use std::cell::Cell;
use std::process::Command;
use std::time::{Duration, Instant};

use logmill::api::node::StopStart;
use logmill::env::{Env, OpenHow};
use logmill::model::{ErrorCode, ShardId};
use logmill::record::Codec;
use logmill::sim::{
    ADDRESS, DATA_DIR, Death, Faults, KafkaClient, LastEnd, MachineId, SimBroker, World, each_seed,
    seeds,
};
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::{FetchResponse, PartitionData};
use logmill::wire::generated::produce_response::{PartitionProduceResponse, ProduceResponse};

use crate::client::Kafka;
use crate::crash::{Topic, WAYS};
use crate::harness::broker::Broker;
use crate::harness::client::python;
use crate::harness::script::Script;
use crate::harness::sim::{
    HANGS_MS, TOPIC, ask, batch, connect, create, create_topic, delete_topic, produce,
    produce_request, produce_request_to, run, serve,
};
use crate::harness::small_disk::{DISK_BYTES, SmallDisk};
use crate::harness::{self, Tier, skipped_below};

/// A Fetch that would wait for 20 s for so many bytes; tells how long it took, too.
fn fetch(broker: &mut SimBroker, from: i64, min_bytes: i32) -> (PartitionData, u64) {
    fetch_of(broker, 0, from, min_bytes)
}

fn fetch_of(
    broker: &mut SimBroker,
    partition: i32,
    from: i64,
    min_bytes: i32,
) -> (PartitionData, u64) {
    let env = broker.clients();
    run(broker, &env.clone(), async move {
        let partition = FetchPartition {
            partition,
            current_leader_epoch: -1,
            fetch_offset: from,
            last_fetched_epoch: -1,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic =
            FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 20_000,
            min_bytes,
            max_bytes: 1 << 20,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let begun = env.now();
        let mut told: FetchResponse = connect(&env).await.ask(&request, 11).await.unwrap();
        let took_ms = (env.now().0 - begun.0) / 1_000_000;
        (told.responses.remove(0).partitions.remove(0), took_ms)
    })
}

/// The code that an acks=all batch is answered with.
async fn produce_one(env: &Env, bytes: usize) -> i16 {
    let records = batch(Codec::None, &[(None, &vec![b'x'; bytes])]);
    produce(&mut connect(env).await, records).await.error_code
}

/// The code that an acks=all batch for that partition is answered with.
fn produce_to(broker: &mut SimBroker, partition: i32, bytes: usize) -> i16 {
    put(broker, partition, bytes).error_code
}

/// A record of so many bytes with acks=all, and what is said of it.
fn put(broker: &mut SimBroker, partition: i32, bytes: usize) -> PartitionProduceResponse {
    let records = batch(Codec::None, &[(None, &vec![b'x'; bytes])]);
    let mut told: ProduceResponse = ask(broker, produce_request_to(partition, records), 9);
    told.responses.remove(0).partition_responses.remove(0)
}

fn wait(broker: &mut SimBroker, ms: u64) {
    broker.run_for(ms * 1_000_000);
}

/// Two partitions: two batches of the first, the larger in the journal alone, and three of the
/// second in its files. Then the node is killed. Tells how many bytes the disk holds.
fn killed_with_a_full_journal(world: &World) -> (SimBroker, u64) {
    let mut broker = SimBroker::new(world.clone(), &[]);
    serve(&mut broker, 1);
    let env = broker.clients();
    run(&mut broker, &env.clone(), async move { create_topic(&env, TOPIC, 2, &[]).await });
    for partition in [1, 1, 1, 0] {
        assert_eq!(produce_to(&mut broker, partition, 100), 0);
        wait(&mut broker, 1_000);
    }
    assert_eq!(produce_to(&mut broker, 0, 10_000), 0);
    let used = used_bytes(&mut broker);
    broker.die(Death::Crash);
    (broker, used)
}

/// Bytes on the node's disk.
fn used_bytes(broker: &mut SimBroker) -> u64 {
    let node = broker.cores().borrow()[0].env.clone();
    let held = node.clone();
    let space = run(broker, &node, async move { held.space(DATA_DIR).await.unwrap() });
    space.total_bytes - space.usable_bytes
}

fn serving(world: &World, settings: &[(&str, &str)]) -> SimBroker {
    let mut broker = SimBroker::new(world.clone(), settings);
    serve(&mut broker, 1);
    let env = broker.clients();
    run(&mut broker, &env.clone(), async move { create(&env, &[]).await });
    broker
}

#[test]
fn readers_of_a_failed_directory_get_what_is_whole_and_then_the_error_at_once() {
    let world = World::new(1, Faults::NONE);
    let mut broker = serving(&world, &[]);
    let env = broker.clients();
    for _ in 0..3 {
        let env = env.clone();
        let code = run(&mut broker, &env.clone(), async move { produce_one(&env, 100).await });
        assert_eq!(code, 0);
    }
    world.set_faults(Faults { failed_sync_per_1000: 1_000, ..Faults::NONE });
    let held = env.clone();
    let code = run(&mut broker, &env, async move { produce_one(&held, 100).await });
    assert_eq!(code, ErrorCode::KafkaStorageError.code());
    for from in 0..3 {
        let (told, _) = fetch(&mut broker, from, 1);
        let bytes: usize = told.records.as_ref().map_or(0, |r| r.0.iter().map(|s| s.len()).sum());
        assert_eq!((told.error_code, told.high_watermark), (0, 3));
        assert!(100 * (3 - from as usize) <= bytes, "{from}: {bytes}");
    }
    let (told, took_ms) = fetch(&mut broker, 3, 1);
    assert_eq!(told.error_code, ErrorCode::KafkaStorageError.code(), "there will be no more");
    assert!(took_ms < 1_000, "{took_ms}");
    let (told, took_ms) = fetch(&mut broker, 0, 1 << 20);
    assert!(told.records.is_some_and(|r| !r.0.is_empty()) && told.error_code == 0);
    assert!(took_ms < 1_000, "{took_ms}: more than there is will not come");
}

#[test]
fn a_full_disk_is_refused_with_19_and_clients_go_on_when_there_is_room() {
    let world = World::new(1, Faults::NONE);
    world.set_disk_bytes_max(MachineId::FIRST, 2 << 20);
    let mut broker = serving(&world, &[]);
    let env = broker.clients();
    let held = env.clone();
    let (count, code) = run(&mut broker, &env, async move {
        let mut count = 0;
        loop {
            match produce_one(&held, 10_000).await {
                0 => count += 1,
                code => return (count, code),
            }
        }
    });
    assert_eq!(code, ErrorCode::NotEnoughReplicas.code());
    assert!(100 < count && count < 200, "{count}");
    assert_eq!(world.counts().disk_full, 0, "it was refused in time");
    let (told, _) = fetch(&mut broker, count - 1, 1);
    assert_eq!((told.error_code, told.high_watermark), (0, count));
    world.set_disk_bytes_max(MachineId::FIRST, 4 << 20);
    let held = env.clone();
    run(&mut broker, &env, async move {
        held.sleep_ms(1_100).await;
        assert_eq!(produce_one(&held, 10_000).await, 0);
    });
}

#[test]
fn a_stop_that_left_something_in_a_journal_counts_as_a_crash() {
    let world = World::new(1, Faults::NONE);
    let mut broker = serving(&world, &[]);
    let env = broker.clients();
    for _ in 0..3 {
        let held = env.clone();
        // From the second on by the journal, which is made beside the first.
        let code = run(&mut broker, &env, async move {
            let code = produce_one(&held, 100).await;
            held.sleep_ms(100).await;
            code
        });
        assert_eq!(code, 0);
    }
    broker.die(Death::Crash);
    broker.set_last_end(LastEnd::Stopped);
    serve(&mut broker, 1);
    let cores = broker.cores().borrow().clone();
    let partitions = cores.iter().flat_map(|core| core.partitions());
    let epochs: Vec<i32> = partitions.map(|partition| partition.leader_epoch.get().0).collect();
    assert_eq!(epochs, [1], "clients notice");
    let (told, _) = fetch(&mut broker, 2, 1);
    assert_eq!((told.error_code, told.high_watermark), (0, 3));
}

#[test]
fn a_start_on_a_full_disk_serves_what_is_whole_and_goes_on_when_there_is_room() {
    for dies_again in [None, Some(Death::Crash), Some(Death::PowerCut)] {
        let world = World::new(1, Faults::NONE);
        let (mut broker, used) = killed_with_a_full_journal(&world);
        // For what the metadata must say, not for the batch.
        world.set_disk_bytes_max(MachineId::FIRST, used + 6_000);
        serve(&mut broker, 1);
        let (told, _) = fetch_of(&mut broker, 1, 0, 1);
        assert_eq!((told.error_code, told.high_watermark), (0, 3), "readers go on");
        let full = ErrorCode::NotEnoughReplicas.code();
        assert_eq!(produce_to(&mut broker, 1, 10), full);
        let offline = ErrorCode::KafkaStorageError.code();
        assert_eq!(fetch(&mut broker, 0, 1).0.error_code, offline);
        assert_eq!(produce_to(&mut broker, 0, 10), offline);
        wait(&mut broker, 30_000);
        assert_eq!(fetch(&mut broker, 0, 1).0.error_code, offline);
        if let Some(death) = dies_again {
            broker.die(death);
        }
        world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        if dies_again.is_some() {
            serve(&mut broker, 1);
        } else {
            wait(&mut broker, 12_000);
        }
        for (partition, count) in [(0, 2), (1, 3)] {
            let (told, _) = fetch_of(&mut broker, partition, count - 1, 1);
            assert_eq!((told.error_code, told.high_watermark), (0, count), "{dies_again:?}");
            assert_eq!(produce_to(&mut broker, partition, 10_000), 0);
        }
        wait(&mut broker, 1_000);
        assert_eq!(broker.stop(HANGS_MS), Ok(true));
    }
}

/// Where each of three partitions ended at least, by what was acknowledged or read.
type Ends = [i64; 3];

/// Sends batches of any size to any partition; notes what is acknowledged.
fn produce_some(broker: &mut SimBroker, ends: &mut Ends) {
    for _ in 0..broker.world.below(12) {
        let (at, bytes) = (broker.world.below(3) as usize, broker.world.below(9_000) as usize);
        let told = put(broker, at as i32, bytes);
        if told.error_code == 0 {
            assert!(ends[at] <= told.base_offset, "{at}: {} was {ends:?}", told.base_offset);
            ends[at] = told.base_offset + 1;
        }
    }
}

/// Looks at every partition; tells how many are offline, as those are that wait for room.
fn look(broker: &mut SimBroker, ends: &mut Ends) -> u32 {
    let mut offline = 0;
    for (at, end) in ends.iter_mut().enumerate() {
        let (told, _) = fetch_of(broker, at as i32, 0, 1);
        if told.error_code == ErrorCode::KafkaStorageError.code() {
            offline += 1;
            continue;
        }
        assert_eq!(told.error_code, 0);
        assert!(*end <= told.high_watermark, "{at} ends at {}, not {end}", told.high_watermark);
        *end = told.high_watermark;
    }
    offline
}

#[test]
fn starts_on_full_disks_lose_nothing_whenever_they_end() {
    let (count, waited) = (if harness::tier() < Tier::Test { 15 } else { 100 }, Cell::new(0));
    each_seed(count, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut broker = SimBroker::new(world.clone(), &[]);
        let mut ends = Ends::default();
        serve(&mut broker, 1 + world.below(2) as u16);
        let env = broker.clients();
        run(&mut broker, &env.clone(), async move { create_topic(&env, TOPIC, 3, &[]).await });
        for _ in 0..3 {
            produce_some(&mut broker, &mut ends);
            wait(&mut broker, world.below(1_500));
            produce_some(&mut broker, &mut ends);
            let used = used_bytes(&mut broker);
            for _ in 0..=world.below(3) {
                broker.die(if world.below(2) == 0 { Death::Crash } else { Death::PowerCut });
                world.set_disk_bytes_max(MachineId::FIRST, used + world.below(25_000));
                broker.start(1 + world.below(2) as u16);
                if broker.served(10_000).is_ok() {
                    produce_some(&mut broker, &mut ends);
                    waited.set(waited.get() + look(&mut broker, &mut ends));
                }
                wait(&mut broker, world.below(15_000));
            }
            world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
            wait(&mut broker, 30_000);
            assert_eq!(look(&mut broker, &mut ends), 0, "all are back");
        }
        assert_eq!(broker.stop(HANGS_MS), Ok(true));
    });
    assert!(0 < waited.get() || seeds(2).len() < 2, "nothing ever waited");
}

#[test]
fn a_start_that_cannot_say_anything_waits_for_room() {
    let world = World::new(1, Faults::NONE);
    let (mut broker, used) = killed_with_a_full_journal(&world);
    world.set_disk_bytes_max(MachineId::FIRST, used);
    broker.start(1);
    broker.served(30_000).expect_err("there is no room for one word in the metadata");
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    broker.served(12_000).expect("it serves");
    wait(&mut broker, 12_000);
    for (partition, count) in [(0, 2), (1, 3)] {
        let (told, _) = fetch_of(&mut broker, partition, 0, 1);
        assert_eq!((told.error_code, told.high_watermark), (0, count));
    }
}

/// A node without a journal, killed when a partition had 400 batches of one record of so many
/// bytes: a start makes its indexes again. Tells how many bytes the disk holds.
fn killed_with_indexes(world: &World, record_bytes: usize) -> (SimBroker, u64) {
    let mut broker = serving(world, &[("journal.bytes", "0")]);
    for _ in 0..400 {
        assert_eq!(produce_to(&mut broker, 0, record_bytes), 0);
    }
    let used = used_bytes(&mut broker);
    broker.die(Death::Crash);
    (broker, used)
}

#[test]
fn a_log_whose_indexes_have_no_room_is_opened_when_there_is() {
    let world = World::new(1, Faults::NONE);
    let (mut broker, used) = killed_with_indexes(&world, 5_000);
    world.set_disk_bytes_max(MachineId::FIRST, used);
    broker.start(1);
    broker.served(5_000).expect_err("the metadata has no room");
    // For what the metadata must say, not for an index.
    world.set_disk_bytes_max(MachineId::FIRST, used + 2_000);
    broker.served(12_000).expect("it serves");
    let (told, _) = fetch(&mut broker, 0, 1);
    assert_eq!(told.error_code, ErrorCode::KafkaStorageError.code());
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    wait(&mut broker, 12_000);
    let (told, _) = fetch(&mut broker, 0, 1);
    assert_eq!((told.error_code, told.high_watermark), (0, 400));
    assert_eq!(produce_to(&mut broker, 0, 10), 0);
}

#[test]
fn logs_that_waited_for_room_are_opened_with_few_syncs() {
    const PARTITIONS: i32 = 40;
    let world = World::new(1, Faults::NONE);
    let mut broker = SimBroker::new(world.clone(), &[("journal.bytes", "0")]);
    broker.start(1);
    broker.served(HANGS_MS).expect("it serves");
    let env = broker.clients();
    run(&mut broker, &env.clone(), async move { create_topic(&env, TOPIC, PARTITIONS, &[]).await });
    for partition in 0..PARTITIONS {
        for _ in 0..20 {
            assert_eq!(produce_to(&mut broker, partition, 5_000), 0);
        }
    }
    let used = used_bytes(&mut broker);
    broker.die(Death::Crash);
    // For what the metadata must say, and for few indexes.
    world.set_disk_bytes_max(MachineId::FIRST, used + 2_000);
    broker.start(1);
    broker.served(HANGS_MS).expect("it serves");
    let offline = ErrorCode::KafkaStorageError.code();
    let is_late = |at: &i32| fetch_of(&mut broker, *at, 0, 1).0.error_code == offline;
    let late = (0..PARTITIONS).filter(is_late).count();
    assert!(30 < late, "{late}");
    let before = world.disk_work(MachineId::FIRST).file_system_syncs;
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    wait(&mut broker, 15_000);
    let syncs = world.disk_work(MachineId::FIRST).file_system_syncs - before;
    for partition in 0..PARTITIONS {
        let (told, _) = fetch_of(&mut broker, partition, 19, 1);
        assert_eq!((told.error_code, told.high_watermark), (0, 20));
    }
    assert!(syncs < 10, "{syncs} syncs for {late} logs");
}

#[test]
fn held_journals_are_not_read_again_before_there_may_be_room() {
    let world = World::new(1, Faults::NONE);
    let (mut broker, used) = killed_with_a_full_journal(&world);
    world.set_disk_bytes_max(MachineId::FIRST, used + 6_000);
    broker.start(1);
    broker.served(HANGS_MS).expect("it serves");
    wait(&mut broker, 1_000);
    let before = world.disk_work(MachineId::FIRST).read_bytes;
    wait(&mut broker, 60_000);
    let read = world.disk_work(MachineId::FIRST).read_bytes - before;
    assert!(read < 1_000, "{read} bytes");
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    wait(&mut broker, 12_000);
    let (told, _) = fetch(&mut broker, 1, 1);
    assert_eq!((told.error_code, told.high_watermark), (0, 2));
}

#[test]
fn a_start_goes_on_although_the_disk_keeps_what_is_to_be_removed() {
    const STAYS: [&str; 3] =
        ["metadata/unfinished", "shard-0.journal.tmp", "flights-0/leader-epoch-checkpoint.tmp"];
    const GOES: [&str; 2] =
        ["shard-7.journal.tmp", "flights-0/00000000000000000000.timeindex.deleted"];
    let folder = format!("{DATA_DIR}/other-0.{}-delete", "0".repeat(32));
    let world = World::new(1, Faults::NONE);
    let mut broker = serving(&world, &[]);
    assert_eq!(produce_to(&mut broker, 0, 100), 0);
    let env = broker.cores().borrow()[0].env.clone();
    let (held, made) = (env.clone(), folder.clone());
    run(&mut broker, &env, async move {
        held.create_dir_all(&made).await.unwrap();
        for name in STAYS.iter().chain(&GOES) {
            held.open(&format!("{DATA_DIR}/{name}"), OpenHow::Create).await.unwrap();
        }
    });
    broker.die(Death::Crash);
    world.set_keeps_names(MachineId::FIRST, true);
    broker.start(1);
    broker.served(HANGS_MS).expect("it serves");
    assert_eq!(produce_to(&mut broker, 0, 100), 0);
    wait(&mut broker, 30_000);
    world.set_keeps_names(MachineId::FIRST, false);
    wait(&mut broker, 12_000);
    let env = broker.cores().borrow()[0].env.clone();
    let held = env.clone();
    run(&mut broker, &env, async move {
        for path in GOES.map(|name| format!("{DATA_DIR}/{name}")).into_iter().chain([folder]) {
            assert!(!held.exists(&path).await.unwrap(), "{path}");
        }
    });
    broker.die(Death::Crash);
    broker.start(1);
    broker.served(HANGS_MS).expect("it serves");
    let (told, _) = fetch(&mut broker, 1, 1);
    assert_eq!((told.error_code, told.high_watermark), (0, 2));
}

/// Deletes the topic and creates it again with so many partitions.
fn create_again(broker: &mut SimBroker, partitions: i32) {
    let env = broker.clients();
    run(broker, &env.clone(), async move {
        delete_topic(&env, TOPIC).await;
        create_topic(&env, TOPIC, partitions, &[]).await;
    });
}

#[test]
fn a_log_that_is_deleted_while_it_is_opened_takes_nothing_from_its_namesake() {
    each_seed(if harness::tier() < Tier::Test { 3 } else { 20 }, |seed| {
        let world = World::new(seed, Faults::NONE);
        let (mut broker, used) = killed_with_indexes(&world, 50_000);
        // For what the metadata must say, not for an index.
        world.set_disk_bytes_max(MachineId::FIRST, used + 2_000);
        serve(&mut broker, 1);
        let offline = ErrorCode::KafkaStorageError.code();
        assert_eq!(fetch(&mut broker, 0, 1).0.error_code, offline);
        // Until the connections of these clients are closed.
        wait(&mut broker, 1);
        let open = world.open_fds(MachineId::FIRST);
        world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        // Large files are read in many pieces: what follows happens meanwhile.
        world.set_faults(Faults { short_per_1000: 1_000, ..Faults::NONE });
        let opens = || open < world.open_fds(MachineId::FIRST);
        assert!(broker.run_until(HANGS_MS, opens), "the log is opened when there is room");
        broker.run_for(700_000 + world.below(500_000));
        create_again(&mut broker, 1);
        for _ in 0..3 {
            assert_eq!(produce_to(&mut broker, 0, 10), 0);
        }
        wait(&mut broker, 12_000);
        broker.die(Death::Crash);
        serve(&mut broker, 1);
        let (told, _) = fetch(&mut broker, 2, 1);
        assert_eq!((told.error_code, told.high_watermark), (0, 3));
    });
}

#[test]
fn a_start_that_waits_for_room_ends_when_it_is_told_to() {
    let world = World::new(1, Faults::NONE);
    let mut broker = serving(&world, &[]);
    let used = used_bytes(&mut broker);
    broker.die(Death::Crash);
    world.set_disk_bytes_max(MachineId::FIRST, used);
    broker.start(2);
    assert!(broker.served(5_000).is_err_and(|sentence| sentence.contains("is not over")));
    let other = broker.cores().borrow()[0].clone();
    let env = other.env.clone();
    run(&mut broker, &env, async move {
        other.ask(ShardId(0), StopStart).told().await.expect("an answer");
    });
    let sentence = broker.served(10).expect_err("it ends");
    assert!(sentence.contains("waited for room"), "{sentence}");
}

#[test]
fn a_topic_created_again_gets_no_recovery_point_of_its_namesake_out_of_a_journal() {
    let world = World::new(1, Faults::NONE);
    let (mut broker, used) = killed_with_a_full_journal(&world);
    world.set_disk_bytes_max(MachineId::FIRST, used + 6_000);
    serve(&mut broker, 1);
    create_again(&mut broker, 2);
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    wait(&mut broker, 12_000);
    broker.die(Death::Crash);
    serve(&mut broker, 1);
    for partition in [0, 1] {
        assert_eq!(produce_to(&mut broker, partition, 10), 0, "{partition}");
    }
}

#[test]
fn acks_all_that_waits_too_long_is_told_so_with_its_offset() {
    const INTERNAL: &str = "__consumer_offsets";
    let world = World::new(1, Faults::NONE);
    let mut broker = SimBroker::new(world.clone(), &[("journal.bytes", "0")]);
    serve(&mut broker, 1);
    let env = broker.clients();
    let held = env.clone();
    run(&mut broker, &env, async move { create_topic(&held, INTERNAL, 1, &[]).await });
    // What the broker's own topics take waits for room: to its coordinators an error would mean
    // that it is not there.
    let produce = |broker: &mut SimBroker, acks: i16, timeout_ms: i32| {
        let env = broker.clients();
        run(broker, &env.clone(), async move {
            let mut request = produce_request(batch(Codec::None, &[(None, &[b'x'; 1_000])]));
            (request.acks, request.timeout_ms) = (acks, timeout_ms);
            request.topic_data[0].name = INTERNAL.to_owned();
            let client = KafkaClient::connect(&env, ADDRESS, "__admin_client").await;
            let begun = env.now();
            let mut told: ProduceResponse = client.unwrap().ask(&request, 9).await.unwrap();
            let told = told.responses.remove(0).partition_responses.remove(0);
            (told.error_code, told.base_offset, (env.now().0 - begun.0) / 1_000_000)
        })
    };
    let (code, offset, _) = produce(&mut broker, -1, 30_000);
    assert_eq!((code, offset), (0, 0));
    let used = used_bytes(&mut broker);
    world.set_disk_bytes_max(MachineId::FIRST, used + 100);
    let (code, offset, took_ms) = produce(&mut broker, -1, 3_000);
    assert_eq!((code, offset), (ErrorCode::RequestTimedOut.code(), 1));
    assert!((3_000..3_500).contains(&took_ms), "{took_ms}");
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    wait(&mut broker, 3_000);
    let (code, offset, _) = produce(&mut broker, -1, 30_000);
    assert_eq!((code, offset), (0, 2), "what was told to be late is there");
}

/// What the broker keeps free of a small disk; see `log::room`.
const RESERVE_BYTES: u64 = DISK_BYTES / 32;

/// Does something to the disk, and lets writers go on until the broker has printed `line` for it.
fn until_said(broker: &Broker, topics: &mut [Topic], line: &str, change: impl FnOnce()) {
    let count = || broker.log().matches(line).count();
    let (before, begun) = (count(), Instant::now());
    change();
    while count() <= before {
        let written: usize = topics.iter().map(Topic::acknowledged).sum();
        let late = Duration::from_secs(50) < begun.elapsed();
        assert!(!late, "the broker never said {line:?}; {written} records are acknowledged");
        topics.iter_mut().for_each(Topic::note_soon);
    }
}

const NEARLY_FULL: &str = "the disk is nearly full";
const FULL: &str = "the disk is full: files wait";
const ROOM_AGAIN: &str = "the disk has room again";

/// Stops it and puts an empty file system where its data is to be.
fn on_small_disk(broker: &mut Broker) -> Option<SmallDisk> {
    broker.stop();
    let data = broker.data();
    std::fs::remove_dir_all(&data)
        .and_then(|()| std::fs::create_dir(&data))
        .expect("a mount point");
    SmallDisk::mount(&broker.folder().join("disk.ext4"), &data)
}

#[test]
fn a_full_disk_costs_no_acknowledged_record() {
    if skipped_below(Tier::Test, "a file system of its own") {
        return;
    }
    let settings =
        [("shards", "2"), ("log.segment.bytes", "1048576"), ("journal.bytes", "8388608")];
    let mut broker = Broker::logmill(&settings);
    let Some(disk) = on_small_disk(&mut broker) else { return };
    broker.start();
    let bootstrap = broker.bootstrap();
    let mut topics = WAYS.map(|way| Topic::start(&bootstrap, way));
    let mut reader = Script::start(python("load.py").args(["read", &bootstrap, "space"]));
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(500));

    // Nearly full: refused in time; readers and their commits go on.
    until_said(&broker, &mut topics, NEARLY_FULL, || disk.fill(RESERVE_BYTES + (256 << 10)));
    topics.iter_mut().for_each(|topic| topic.check(&mut reader, 0, i64::MAX));
    until_said(&broker, &mut topics, ROOM_AGAIN, || disk.free());
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(1_000));

    // Full at once, and killed while it is.
    until_said(&broker, &mut topics, FULL, || disk.fill(0));
    broker.kill();
    // It starts with room for a few words, and for nobody's batches.
    disk.free();
    disk.fill(64 << 10);
    broker.start();
    disk.free();
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(500));
    topics.iter_mut().for_each(|topic| topic.check(&mut reader, 1, i64::MAX));

    // Full at once, and it goes on by itself.
    until_said(&broker, &mut topics, FULL, || disk.fill(0));
    disk.free();
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(500));
    topics.iter_mut().for_each(|topic| topic.finish(&mut reader, 2));
    assert!(!broker.log().contains("offline"), "a full disk takes nothing offline");
    broker.stop();
}

#[test]
fn a_start_that_waits_for_room_ends_at_once_after_a_signal() {
    if skipped_below(Tier::Test, "a file system of its own") {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "1")]);
    let Some(disk) = on_small_disk(&mut broker) else { return };
    broker.start();
    Kafka::connect(broker.port, "it").create_topic("many", 2_000, &[]);
    broker.stop();
    // The metadata has to say of every partition where it lives now: blocks of the disk.
    disk.fill(0);
    broker.reset("shards", "2");
    let path = broker.folder().join("full.log");
    let log = std::fs::File::create(&path).expect("a log");
    let mut child = broker.serve_command().stdout(log.try_clone().unwrap()).stderr(log).spawn();
    let child = child.as_mut().expect("it starts");
    let said = |line: &str| std::fs::read_to_string(&path).expect("a log").contains(line);
    let begun = Instant::now();
    while !said("waits for room") {
        assert!(child.try_wait().expect("our child").is_none(), "it ended: {}", path.display());
        assert!(begun.elapsed() < Duration::from_secs(30), "it never waits");
        std::thread::yield_now();
    }
    let begun = Instant::now();
    harness::run(Command::new("kill").args(["-TERM", &child.id().to_string()]), 5);
    let status = child.wait().expect("our child");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10) && !status.success(), "{status} after {took:?}");
    assert!(said("told to stop while the start waited for room"));
    disk.free();
    broker.start();
    broker.stop();
}
