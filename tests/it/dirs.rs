//! Several log directories of a simulated node: one fails, partitions are moved, settings change.
//!
//! Owns: what clients see of a failed directory, of one that is taken out and comes back, and of a
//! partition that an operator moved or copied.
//! Leaves to others: one shard's logs (`log`'s own tests), placement beside Apache Kafka
//! (`log_dirs`), random faults (`broker_sim`).
//! Start reading at: [`Node`].
use std::future::Future;
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::env::{Env, OpenHow};
use logmill::model::ErrorCode;
use logmill::record::{Codec, Header, Records as Decoded};
use logmill::shard::Core;
use logmill::shard::delete_records::{DeleteBelow, DeleteRecords};
use logmill::sim::{DATA_DIR, Death, Faults, MachineId, SimBroker, World};
use logmill::wire::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use logmill::wire::generated::describe_log_dirs_response::{
    DescribeLogDirsResponse, DescribeLogDirsResult,
};
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::FetchResponse;
use logmill::wire::generated::find_coordinator_request::FindCoordinatorRequest;
use logmill::wire::generated::find_coordinator_response::FindCoordinatorResponse;
use logmill::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use logmill::wire::generated::metadata_response::{MetadataResponse, MetadataResponsePartition};
use logmill::wire::generated::produce_response::ProduceResponse;
use logmill::wire::{Message, Records};

use crate::harness::sim::{
    HANGS_MS, TOPIC, ask, batch, connect, create, create_topic, delete_topic, produce,
    produce_request_to, run, serve, try_create_topic,
};

const OTHER: &str = "/other";
const BOTH: &str = "/data,/other";
const STORAGE: i16 = 56;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;

/// The code that an acks=all batch is answered with.
fn produce_one(broker: &mut SimBroker) -> i16 {
    let env = broker.clients();
    run(broker, &env.clone(), async move {
        let records = batch(Codec::None, &[(None, b"a record")]);
        produce(&mut connect(&env).await, records).await.error_code
    })
}

/// A node with a topic of four partitions, two in each of two log directories, and what was
/// acknowledged of each.
struct Node {
    broker: SimBroker,
    acked: [Vec<String>; 4],
}

impl Node {
    fn new(seed: u64, faults: Faults, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![("log.dirs", BOTH)];
        all.extend(settings);
        let broker = SimBroker::new(World::new(seed, faults), &all);
        let mut node = Self { broker, acked: Default::default() };
        node.boot();
        let env = node.broker.clients();
        node.run(&env.clone(), async move { create_topic(&env, TOPIC, 4, &[]).await });
        node
    }

    fn boot(&mut self) {
        serve(&mut self.broker, 2);
    }

    fn run<T: 'static>(&mut self, env: &Env, work: impl Future<Output = T> + 'static) -> T {
        run(&mut self.broker, env, work)
    }

    fn ask<Q: Message + 'static, A: Message + 'static>(&mut self, request: Q, version: i16) -> A {
        ask(&mut self.broker, request, version)
    }

    /// Why partitions are offline.
    fn offline_reasons(&self) -> Vec<String> {
        let cores = self.broker.cores().borrow().clone();
        let all = cores.iter().flat_map(|core| core.partitions());
        all.filter_map(|one| one.offline_reason()).collect()
    }

    /// Produces one record with acks=all; its code.
    fn produce(&mut self, partition: i32) -> i16 {
        let text = format!("{partition}:{}", self.acked[partition as usize].len());
        let records = batch(Codec::None, &[(None, text.as_bytes())]);
        let mut told: ProduceResponse = self.ask(produce_request_to(partition, records), 9);
        let told = told.responses.remove(0).partition_responses.remove(0);
        if told.error_code == 0 {
            let acked = &mut self.acked[partition as usize];
            assert_eq!(told.base_offset, acked.len() as i64, "partition {partition}");
            acked.push(text);
        }
        told.error_code
    }

    #[track_caller]
    fn produce_all(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let codes = [0, 1, 2, 3].map(|partition| self.produce(partition));
            assert_eq!(codes, [0; 4]);
        }
    }

    /// All records of a partition, or why there are none.
    fn read(&mut self, partition: i32) -> Result<Vec<String>, i16> {
        let mut texts = Vec::new();
        loop {
            let wanted = FetchPartition {
                partition,
                fetch_offset: texts.len() as i64,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            };
            let topic = FetchTopic {
                topic: TOPIC.to_owned(),
                partitions: vec![wanted],
                ..Default::default()
            };
            let request =
                FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..Default::default() };
            let mut told: FetchResponse = self.ask(request, 11);
            let told = told.responses.remove(0).partitions.remove(0);
            if told.error_code != 0 {
                return Err(told.error_code);
            }
            let more = records_in(&told.records.unwrap_or_default());
            if more.is_empty() {
                return Ok(texts);
            }
            texts.extend(more);
        }
    }

    /// All that was acknowledged is there, and at most one record that was not: then it counts.
    #[track_caller]
    fn check_all(&mut self, seed: u64) {
        for partition in 0..4 {
            let found = self.read(partition);
            let found = found.unwrap_or_else(|code| panic!("SEED={seed}, {partition}: {code}"));
            let acked = &mut self.acked[partition as usize];
            assert!(found.starts_with(acked), "SEED={seed}, {partition}: {found:?}, not {acked:?}");
            assert!(found.len() <= acked.len() + 1, "SEED={seed}, {partition}: {found:?}");
            *acked = found;
        }
    }

    fn metadata(&mut self) -> Vec<MetadataResponsePartition> {
        let topic = MetadataRequestTopic { name: Some(TOPIC.to_owned()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let mut told: MetadataResponse = self.ask(request, 9);
        let mut partitions = told.topics.remove(0).partitions;
        partitions.sort_by_key(|one| one.partition_index);
        partitions
    }

    /// Per log directory: its name, its error, and its partitions of the topic.
    fn log_dirs(&mut self) -> Vec<(String, i16, Vec<i32>)> {
        let told: DescribeLogDirsResponse = self.ask(DescribeLogDirsRequest { topics: None }, 4);
        let row = |dir: DescribeLogDirsResult| {
            let topics = dir.topics.into_iter().filter(|topic| topic.name == TOPIC);
            let numbers = topics.flat_map(|topic| topic.partitions);
            (dir.log_dir, dir.error_code, numbers.map(|one| one.partition_index).collect())
        };
        told.results.into_iter().map(row).collect()
    }

    /// Partitions of the topic in a log directory.
    fn within(&mut self, dir: &str) -> Vec<i32> {
        let all = self.log_dirs();
        all.into_iter().find(|(name, ..)| name == dir).expect("it is listed").2
    }

    /// What an operator does to the disk while no node runs.
    fn operate<T: 'static, F: Future<Output = T> + 'static>(
        &self,
        work: impl FnOnce(Env) -> F,
    ) -> T {
        let world = &self.broker.world;
        let mut shards = world.boot(MachineId::FIRST, 1);
        let done = world.block_on(&mut shards, work);
        world.crash(MachineId::FIRST, shards);
        done
    }

    /// `mv` of a partition's folder.
    fn move_folder(&self, partition: i32, from: &'static str, to: &'static str) {
        let folder = format!("{TOPIC}-{partition}");
        self.operate(|env| async move {
            env.rename(&format!("{from}/{folder}"), &format!("{to}/{folder}")).await.unwrap();
            env.sync_dir(to).await.unwrap();
            env.sync_dir(from).await.unwrap();
        });
    }

    /// Deletes the records of a partition below an offset.
    fn delete_below(&mut self, partition: i32, offset: i64) {
        let cores = self.broker.cores().borrow().clone();
        let own = |core: &Rc<Core>| core.partitions().into_iter().find(|p| p.index() == partition);
        let found = cores.into_iter().find_map(|core| Some((own(&core)?.topic_id, core)));
        let (topic_id, core) = found.expect("it is somewhere");
        let env = core.env.clone();
        let told = self.run(&env, async move {
            let below = DeleteBelow { topic_id, partition, offset };
            core.ask(core.shard, DeleteRecords(vec![below])).told().await
        });
        assert_eq!(told.unwrap(), [Ok(offset)]);
    }

    fn end(&mut self, death: Option<Death>) {
        match death {
            Some(death) => self.broker.die(death),
            None => assert!(self.broker.stop(HANGS_MS).unwrap(), "every log is closed"),
        }
    }
}

fn records_in(records: &Records) -> Vec<String> {
    let bytes = Bytes::from(records.0.concat());
    let (mut at, mut texts) = (0, Vec::new());
    while at < bytes.len() {
        let header = Header::decode(&bytes[at..]).expect("a header");
        let end = at + header.total_bytes().expect("a length");
        let decoded = Decoded::decode(&bytes.slice(at..end), 1 << 20).expect("records");
        let text = |row| String::from_utf8_lossy(decoded.value(row).unwrap()).into_owned();
        texts.extend(decoded.rows.iter().map(text));
        at = end;
    }
    texts
}

#[test]
fn a_failed_sync_on_one_shard_stops_them_all() {
    let world = World::new(1, Faults::NONE);
    let mut broker = SimBroker::new(world.clone(), &[]);
    serve(&mut broker, 2);
    let env = broker.clients();
    run(&mut broker, &env.clone(), async move { create(&env, &[]).await });
    assert_eq!(produce_one(&mut broker), 0);
    // The shard that does not have the partition meets the fault.
    let cores = broker.cores().borrow().clone();
    let other = cores.iter().find(|core| core.partitions().is_empty()).expect("it has one").clone();
    world.set_faults(Faults { failed_sync_per_1000: 1_000, ..Faults::NONE });
    let shard_env = other.env.clone();
    let failed =
        run(&mut broker, &shard_env, async move { other.logs.dir(DATA_DIR).sync().await.is_err() });
    assert!(failed, "the disk fails every sync");
    world.set_faults(Faults::NONE);
    assert_eq!(produce_one(&mut broker), ErrorCode::KafkaStorageError.code());
}

#[test]
fn a_disk_that_fails_takes_its_partitions_and_leaves_the_others() {
    for (seed, journal_bytes) in [(1, "262144"), (2, "0")] {
        let mut node = Node::new(seed, Faults::NONE, &[("journal.bytes", journal_bytes)]);
        let lost = node.within(OTHER);
        assert_eq!((node.within(DATA_DIR).len(), lost.len()), (2, 2));
        node.produce_all(5);
        let epochs = node.metadata().iter().map(|one| one.leader_epoch).collect::<Vec<_>>();
        node.broker.world.set_device_dead(OTHER, true);
        // What waits for a sync may be answered late, so each is asked until the failure shows.
        for partition in 0..4 {
            let want = if lost.contains(&partition) { STORAGE } else { 0 };
            assert_eq!(node.produce(partition), want, "journal {journal_bytes}");
        }
        for one in node.metadata() {
            let at = one.partition_index;
            let (leader, error) = if lost.contains(&at) { (-1, 5) } else { (1, 0) };
            assert_eq!((one.leader_id, one.error_code), (leader, error), "{one:?}");
            let gone = if lost.contains(&at) { vec![1] } else { vec![] };
            assert_eq!(one.offline_replicas, gone);
            let begun = i32::from(lost.contains(&at));
            assert_eq!(one.leader_epoch, epochs[at as usize] + begun, "{one:?}");
        }
        let dirs = node.log_dirs();
        let state: Vec<_> = dirs.iter().map(|(name, code, _)| (name.as_str(), *code)).collect();
        assert_eq!(state, [(DATA_DIR, 0), (OTHER, STORAGE)]);
        // A new disk with what was durable on the old one.
        node.broker.world.set_device_dead(OTHER, false);
        node.broker.die(Death::PowerCut);
        node.boot();
        node.check_all(seed);
        node.produce_all(2);
    }
}

#[test]
fn a_group_whose_offsets_lie_in_a_failed_directory_has_no_coordinator() {
    let mut node = Node::new(5, Faults::NONE, &[]);
    let ask = |node: &mut Node| {
        let coordinator_keys = (0..20).map(|number| format!("group-{number}")).collect();
        let request = FindCoordinatorRequest { coordinator_keys, ..Default::default() };
        let told: FindCoordinatorResponse = node.ask(request, 4);
        let codes = told.coordinators.into_iter().map(|one| one.error_code);
        codes.collect::<Vec<i16>>()
    };
    assert_eq!(ask(&mut node), [0; 20]);
    let lost = node.within(OTHER)[0];
    node.broker.world.set_device_dead(OTHER, true);
    assert_eq!(node.produce(lost), STORAGE);
    node.metadata();
    let codes = ask(&mut node);
    let gone = codes.iter().filter(|code| **code == COORDINATOR_NOT_AVAILABLE).count();
    let there = codes.iter().filter(|code| **code == 0).count();
    assert!(0 < gone && 0 < there && gone + there == 20, "{codes:?}");
}

#[test]
fn a_stop_with_a_failed_directory_leaves_the_others_in_order() {
    let mut node = Node::new(3, Faults::NONE, &[]);
    node.produce_all(3);
    let lost = node.within(OTHER)[0];
    node.broker.world.set_device_dead(OTHER, true);
    assert_eq!(node.produce(lost), STORAGE);
    assert!(!node.broker.stop(HANGS_MS).unwrap(), "one log directory is not closed");
    node.broker.world.set_device_dead(OTHER, false);
    node.boot();
    let cores = node.broker.cores().borrow().clone();
    let clean: Vec<bool> = cores[0].identity.log_dirs.iter().map(|dir| dir.ended_cleanly).collect();
    assert_eq!(clean, [true, false]);
    node.check_all(3);
}

#[test]
fn a_node_ends_without_its_metadata_and_goes_on_without_another_directory() {
    for (dead, ends) in [(DATA_DIR, true), (OTHER, false)] {
        let mut node = Node::new(4, Faults::NONE, &[]);
        node.produce_all(1);
        let lost = node.within(dead)[0];
        node.broker.world.set_device_dead(dead, true);
        assert_eq!(node.produce(lost), STORAGE);
        let core = node.broker.cores().borrow()[0].clone();
        let env = core.env.clone();
        let said = node.run(&env.clone(), async move {
            let late = env.now().plus_ms(1_000);
            env.until(late, core.storage_gone()).await
        });
        assert_eq!(said.is_some(), ends, "{dead}: {said:?}");
        assert!(said.is_none_or(|said| said.contains(DATA_DIR)));
    }
}

#[test]
fn a_partition_is_served_where_an_operator_moved_it() {
    let ends = [None, Some(Death::Crash), Some(Death::PowerCut)];
    for (seed, end) in (10..).zip(ends) {
        let mut node = Node::new(seed, Faults::LEGAL, &[]);
        node.produce_all(8);
        let moved = node.within(OTHER)[0];
        node.end(end);
        node.move_folder(moved, OTHER, DATA_DIR);
        node.boot();
        assert!(node.within(DATA_DIR).contains(&moved), "{end:?}");
        node.check_all(seed);
        node.produce_all(2);
        node.end(Some(Death::PowerCut));
        node.boot();
        node.check_all(seed);
        assert!(node.within(DATA_DIR).contains(&moved), "{end:?}");
    }
}

#[test]
fn a_partition_moved_out_of_a_directory_that_crashed_is_recovered() {
    for seed in 50..58 {
        let mut node = Node::new(seed, Faults::LEGAL, &[]);
        node.produce_all(8);
        let moved = node.within(OTHER)[0];
        node.end(Some(Death::PowerCut));
        // The other one is stopped in order meanwhile.
        node.broker.reset("log.dirs", DATA_DIR);
        node.boot();
        node.end(None);
        node.broker.reset("log.dirs", BOTH);
        node.move_folder(moved, OTHER, DATA_DIR);
        // Also when the first start does not get far.
        node.broker.start(2);
        node.broker.run_for(node.broker.world.below(3_000_000));
        node.end(Some(Death::PowerCut));
        node.boot();
        node.check_all(seed);
        node.produce_all(2);
        node.end(Some(Death::PowerCut));
        node.boot();
        node.check_all(seed);
    }
}

#[test]
fn what_a_journal_held_of_a_moved_partition_survives_the_next_power_cut() {
    for seed in 70..78 {
        let mut node = Node::new(seed, Faults::LEGAL, &[]);
        node.produce_all(6);
        let moved = node.within(OTHER)[0];
        node.end(Some(Death::PowerCut));
        node.move_folder(moved, OTHER, DATA_DIR);
        // The journal lies on one disk, the files that it is written to on the other.
        node.boot();
        node.end(Some(Death::PowerCut));
        node.boot();
        node.check_all(seed);
    }
}

#[test]
fn a_journal_that_was_left_behind_is_not_believed_later() {
    let mut node = Node::new(60, Faults::NONE, &[]);
    node.produce_all(6);
    let moved = node.within(OTHER)[0];
    // Its last records are in the journal of the directory that goes.
    node.end(Some(Death::PowerCut));
    node.broker.reset("log.dirs", DATA_DIR);
    node.move_folder(moved, OTHER, DATA_DIR);
    node.boot();
    let kept = node.read(moved).expect("it is served");
    assert!(kept.len() < 6, "what the journal held is lost: it was taken away");
    node.acked[moved as usize] = kept;
    for _ in 0..4 {
        assert_eq!(node.produce(moved), 0);
    }
    let before = node.read(moved);
    node.end(Some(Death::Crash));
    node.broker.reset("log.dirs", BOTH);
    node.boot();
    assert_eq!(node.read(moved), before, "newer records at the offsets of older ones");
}

#[test]
fn deleted_records_do_not_come_back_with_a_partition_that_was_moved() {
    let mut node = Node::new(20, Faults::NONE, &[]);
    node.produce_all(5);
    let moved = node.within(OTHER)[0];
    node.delete_below(moved, 3);
    node.end(None);
    node.move_folder(moved, OTHER, DATA_DIR);
    node.boot();
    assert_eq!(node.read(moved), Err(ErrorCode::OffsetOutOfRange.code()), "offset 0 is gone");
}

#[test]
fn a_partition_that_lies_in_two_directories_is_offline_until_one_is_gone() {
    let mut node = Node::new(30, Faults::NONE, &[]);
    node.produce_all(3);
    let copied = node.within(OTHER)[0];
    node.end(None);
    let folder = format!("{TOPIC}-{copied}");
    let (from, to) = (format!("{OTHER}/{folder}"), format!("{DATA_DIR}/{folder}"));
    node.operate(|env| async move {
        env.create_dir_all(&to).await.unwrap();
        for file in env.list_dir(&from).await.unwrap() {
            let source = env.open(&format!("{from}/{}", file.name), OpenHow::Read).await.unwrap();
            let bytes = env.file_bytes(&source).await.unwrap() as usize;
            let content = env.read_at(&source, 0, bytes).await.unwrap();
            let copy = env.open(&format!("{to}/{}", file.name), OpenHow::Create).await.unwrap();
            env.write_all_at(&copy, 0, vec![content]).await.unwrap();
        }
    });
    node.boot();
    assert_eq!(node.produce(copied), STORAGE);
    assert_eq!(node.read(copied), Err(STORAGE));
    let why = format!("{folder} lies in {OTHER} and in {DATA_DIR}; remove the older of the two");
    assert_eq!(node.offline_reasons(), [why]);
    node.end(Some(Death::Crash));
    let gone = format!("{OTHER}/{folder}");
    node.operate(|env| async move { env.remove_dir_all(&gone).await.unwrap() });
    node.boot();
    node.check_all(30);
    assert!(node.within(DATA_DIR).contains(&copied));
}

#[test]
fn a_directory_that_is_taken_out_takes_its_partitions_and_brings_them_back() {
    for (seed, end) in (40..).zip([None, Some(Death::PowerCut)]) {
        let mut node = Node::new(seed, Faults::LEGAL, &[]);
        node.produce_all(6);
        let lost = node.within(OTHER);
        node.end(end);
        node.broker.reset("log.dirs", DATA_DIR);
        node.boot();
        for one in node.metadata() {
            let is_lost = lost.contains(&one.partition_index);
            let want = if is_lost { (-1, 5) } else { (1, 0) };
            assert_eq!((one.leader_id, one.error_code), want, "{one:?}");
        }
        for partition in 0..4 {
            let want = if lost.contains(&partition) { STORAGE } else { 0 };
            assert_eq!(node.produce(partition), want, "partition {partition}");
        }
        node.end(None);
        // A third one and another order: what is new goes there, what was lost is back.
        node.broker.reset("log.dirs", "/third,/other,/data");
        node.boot();
        node.check_all(seed);
        node.produce_all(2);
        assert_eq!(node.within(OTHER), lost);
        let env = node.broker.clients();
        node.run(&env.clone(), async move { create_topic(&env, "newer", 2, &[]).await });
        let core = node.broker.cores().borrow()[0].clone();
        let image = core.image();
        let newer = image.topic("newer").expect("just made");
        let third = core.identity.log_dirs[0].id.clone().unwrap();
        let there =
            newer.partitions.iter().filter(|one| one.directory_on(core.identity.node_id) == third);
        assert_eq!(there.count(), 2, "the new one has the fewest");
    }
}

/// Moves files out of the way, for directories that nobody can write to.
async fn block(env: &Env, path: &str) {
    if env.exists(path).await.unwrap() {
        env.rename(path, &format!("{path}.aside")).await.unwrap();
    }
    env.create_dir_all(path).await.unwrap();
}

/// Undoes [`block`].
async fn unblock(env: &Env, path: &str) {
    env.remove_dir_all(path).await.unwrap();
    if env.exists(&format!("{path}.aside")).await.unwrap() {
        env.rename(&format!("{path}.aside"), path).await.unwrap();
    }
}

#[test]
fn a_moved_partition_that_cannot_be_written_keeps_its_journal() {
    for end in [None, Some(Death::Crash)] {
        let mut node = Node::new(70, Faults::NONE, &[]);
        node.produce_all(8);
        let moved = node.within(OTHER)[0];
        let others = [0, 1, 2, 3].into_iter().filter(|one| *one != moved);
        node.end(Some(Death::PowerCut));
        node.move_folder(moved, OTHER, DATA_DIR);
        let file = format!("{DATA_DIR}/{TOPIC}-{moved}/00000000000000000000.log");
        let path = file.clone();
        node.operate(|env| async move { block(&env, &path).await });
        // Not for one start only.
        for _ in 0..2 {
            node.boot();
            assert_eq!(node.read(moved), Err(STORAGE));
            for other in others.clone() {
                assert_eq!(node.produce(other), 0);
            }
            match end {
                None => drop(node.broker.stop(HANGS_MS)),
                Some(death) => node.broker.die(death),
            }
        }
        node.operate(|env| async move { unblock(&env, &file).await });
        node.boot();
        node.check_all(70);
        assert!(node.within(DATA_DIR).contains(&moved));
        node.produce_all(2);
        node.end(Some(Death::PowerCut));
        node.boot();
        node.check_all(70);
    }
}

#[test]
fn a_partition_moved_away_from_journals_that_cannot_be_read_waits_for_them() {
    let mut node = Node::new(71, Faults::NONE, &[]);
    node.produce_all(8);
    let moved = node.within(OTHER)[0];
    node.end(Some(Death::PowerCut));
    node.move_folder(moved, OTHER, DATA_DIR);
    let damaged = node.operate(|env| async move {
        let names = env.list_dir(OTHER).await.unwrap().into_iter().map(|entry| entry.name);
        let journals = names.filter(|name| name.ends_with(".journal"));
        let paths: Vec<String> = journals.map(|name| format!("{OTHER}/{name}")).collect();
        for path in &paths {
            env.rename(path, &format!("{path}.aside")).await.unwrap();
            let file = env.open(path, OpenHow::Create).await.unwrap();
            env.write_all_at(&file, 0, vec![Bytes::from(vec![7; 10_000])]).await.unwrap();
        }
        paths
    });
    assert!(!damaged.is_empty());
    node.boot();
    assert_eq!(node.read(moved), Err(STORAGE));
    node.end(Some(Death::Crash));
    node.operate(|env| async move {
        for path in damaged {
            env.rename(&format!("{path}.aside"), &path).await.unwrap();
        }
    });
    node.boot();
    node.check_all(71);
}

#[test]
fn a_log_start_that_lay_where_a_partition_is_moved_to_is_a_namesakes() {
    let mut node = Node::new(72, Faults::NONE, &[]);
    node.produce_all(5);
    let moved = node.within(OTHER)[0];
    node.end(None);
    node.move_folder(moved, OTHER, DATA_DIR);
    let text = format!("0\n1\n{TOPIC} {moved} 1000\n");
    node.operate(|env| async move {
        let path = format!("{DATA_DIR}/log-start-offset-checkpoint");
        let file = env.open(&path, OpenHow::Create).await.unwrap();
        env.write_all_at(&file, 0, vec![text.into_bytes().into()]).await.unwrap();
        env.sync_dir(DATA_DIR).await.unwrap();
    });
    node.boot();
    node.check_all(72);
    node.produce_all(1);
}

#[test]
fn a_topic_is_not_made_while_a_file_says_how_far_its_namesake_was() {
    for name in ["log-start-offset-checkpoint", "recovery-point-offset-checkpoint"] {
        let mut node = Node::new(73, Faults::NONE, &[]);
        node.produce_all(9);
        node.delete_below(0, 7);
        // The points are written from time to time.
        node.broker.run_for(1_000_000_000);
        let disk = node.broker.cores().borrow()[0].env.clone();
        let ways = [DATA_DIR, OTHER].map(|dir| format!("{dir}/{name}.tmp"));
        let (held, env) = (ways.clone(), disk.clone());
        node.run(&disk, async move {
            for way in held {
                block(&env, &way).await;
            }
        });
        let clients = node.broker.clients();
        let env = clients.clone();
        let code = node.run(&clients, async move {
            delete_topic(&env, TOPIC).await;
            try_create_topic(&env, TOPIC, 4, &[]).await
        });
        assert_eq!(code, STORAGE, "{name}");
        let env = disk.clone();
        node.run(&disk, async move {
            for way in ways {
                unblock(&env, &way).await;
            }
        });
        let env = clients.clone();
        node.run(&clients, async move { create_topic(&env, TOPIC, 4, &[]).await });
        node.acked = Default::default();
        node.produce_all(2);
        node.end(Some(Death::PowerCut));
        node.boot();
        node.check_all(73);
    }
}

/// The points stay as they are: a log of which nothing else tells what is stable would be cut.
#[test]
fn a_start_whose_recovery_points_cannot_be_read_says_so_and_leaves_them() {
    for journal_bytes in ["262144", "0"] {
        let mut node = Node::new(75, Faults::NONE, &[("journal.bytes", journal_bytes)]);
        node.produce_all(5);
        // From the second batch on by the journals, where there are any.
        node.broker.run_for(1_000_000_000);
        node.produce_all(5);
        node.end(Some(Death::Crash));
        let world = node.broker.world.clone();
        let points = format!("{DATA_DIR}/recovery-point-offset-checkpoint");
        world.set_unreadable(MachineId::FIRST, &points, true);
        node.broker.start(2);
        let said = node.broker.served(HANGS_MS).expect_err("it cannot know what is stable");
        assert!(said.contains(&points), "{said}");
        node.broker.die(Death::Crash);
        world.set_unreadable(MachineId::FIRST, &points, false);
        node.boot();
        node.check_all(75);
        node.produce_all(2);
    }
}

#[test]
fn a_failed_directory_is_told_until_the_metadata_takes_it() {
    let mut node = Node::new(74, Faults::NONE, &[]);
    node.produce_all(2);
    let lost = node.within(OTHER);
    let core = node.broker.cores().borrow()[0].clone();
    let env = core.env.clone();
    let space = node.run(&env.clone(), async move { env.space(DATA_DIR).await.unwrap() });
    let world = node.broker.world.clone();
    world.set_disk_bytes_max(MachineId::FIRST, space.total_bytes - space.usable_bytes);
    world.set_device_dead(OTHER, true);
    let env = core.env.clone();
    assert!(node.run(&env, async move { core.logs.dir(OTHER).sync().await.is_err() }));
    node.broker.run_for(1_000_000_000);
    let leaders = |node: &mut Node| -> Vec<i32> {
        node.metadata().into_iter().map(|one| one.leader_id).collect()
    };
    assert_eq!(leaders(&mut node), [1; 4], "the metadata could not be written");
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    node.broker.run_for(20_000_000_000);
    let want = [0, 1, 2, 3].map(|one| if lost.contains(&one) { -1 } else { 1 });
    assert_eq!(leaders(&mut node), want);
}

#[test]
fn a_folder_that_is_missing_after_a_clean_stop_is_not_made_anew() {
    let mut node = Node::new(75, Faults::NONE, &[]);
    // One has no folder yet.
    for partition in 0..3 {
        assert_eq!(node.produce(partition), 0);
    }
    node.end(None);
    let gone = format!("/{TOPIC}-1");
    let path = gone.clone();
    node.operate(|env| async move {
        for dir in [DATA_DIR, OTHER] {
            let path = format!("{dir}{path}");
            if env.exists(&path).await.unwrap() {
                env.remove_dir_all(&path).await.unwrap();
            }
        }
    });
    for _ in 0..2 {
        node.boot();
        assert_eq!(node.produce(1), STORAGE);
        assert_eq!([0, 2, 3].map(|partition| node.produce(partition)), [0; 3]);
        let reasons = node.offline_reasons();
        assert!(reasons.len() == 1 && reasons[0].contains(&gone), "{reasons:?}");
        assert!(!node.broker.stop(HANGS_MS).unwrap(), "one log is not closed");
    }
}
