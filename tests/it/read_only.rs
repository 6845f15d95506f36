//! A file system that the kernel turns read-only under a broker's load, as it does when it finds
//! itself damaged: what clients are told, who goes on, and what is there after the repair.
//!
//! Owns: one of several log directories, and the one with the metadata.
//! Leaves to others: other failures of disks (`broker_sim`, `dirs`), full ones (`space`).
//! Start reading at: [`one_directory_that_turns_read_only_takes_its_own_partitions_alone`].
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use logmill::model::ErrorCode;
use logmill::record::{Scanned, next_batch};

use crate::client::{Kafka, batch};
use crate::crash::{Topic, WAYS, Way};
use crate::harness::broker::Broker;
use crate::harness::client::python;
use crate::harness::script::Script;
use crate::harness::small_disk::SmallDisk;
use crate::harness::{Tier, skipped_below, tail};
use crate::log_dirs::shown;

const PARTITIONS: i32 = 6;
const OFFLINE: &str = "the log directory is offline";
const WITHIN: Duration = Duration::from_secs(30);
/// So small that checkpoints are under way now and then.
const SETTINGS: [(&str, &str); 3] =
    [("shards", "2"), ("journal.bytes", "4194304"), ("log.segment.bytes", "1048576")];

/// Acknowledged with acks=all: the kernel forgets here what a power cut would take.
const STABLE: [Way; 2] = [WAYS[1], WAYS[2]];

/// Lets writers go on until the broker has said it.
fn until_said(broker: &Broker, topics: &mut [Topic], line: &str) {
    let begun = Instant::now();
    while !broker.log().contains(line) {
        assert!(begun.elapsed() < WITHIN, "never said {line:?}:\n{}", tail(&broker.log(), 30));
        topics.iter_mut().for_each(Topic::note_soon);
    }
}

/// Stops it, puts an empty file system where a log directory is to be, and starts it again.
fn mounted(broker: &mut Broker, at: &Path) -> Option<SmallDisk> {
    broker.stop();
    if at.exists() {
        std::fs::remove_dir_all(at).expect("our folder");
    }
    std::fs::create_dir(at).expect("a mount point");
    let disk = SmallDisk::mount(&broker.folder().join("disk.ext4"), at)?;
    broker.start();
    Some(disk)
}

/// One acknowledged record to each partition; which of the partitions lie in the small directory.
fn place(kafka: &mut Kafka) -> BTreeMap<i32, bool> {
    kafka.create_topic("told", PARTITIONS, &[]);
    for partition in 0..PARTITIONS {
        let told = kafka.put("told", partition, batch(&[(None, "before")]));
        assert_eq!(told.error_code, 0, "{told:?}");
    }
    let in_small = &shown(kafka)["small"].1["told"];
    assert!(!in_small.is_empty() && in_small.len() < PARTITIONS as usize, "{in_small:?}");
    (0..PARTITIONS).map(|partition| (partition, in_small.contains(&partition))).collect()
}

/// Repairs the file system and starts the broker: writers go on, and nothing is missing.
fn check_repaired(broker: &mut Broker, disk: &SmallDisk, topics: &mut [Topic]) {
    disk.repair();
    broker.start();
    let bootstrap = broker.bootstrap();
    let mut reader = Script::start(python("load.py").args(["read", &bootstrap, "read-only"]));
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(100));
    topics.iter_mut().for_each(|topic| topic.check(&mut reader, 0, i64::MAX));
    topics.iter_mut().for_each(|topic| topic.finish(&mut reader, 1));
}

#[test]
fn one_directory_that_turns_read_only_takes_its_own_partitions_alone() {
    if skipped_below(Tier::Test, "a file system that turns read-only") {
        return;
    }
    let mut broker = Broker::logmill(&SETTINGS);
    let small = broker.folder().join("small");
    broker.reset("log.dirs", "{folder}/data,{folder}/small");
    let Some(disk) = mounted(&mut broker, &small) else { return };
    let bootstrap = broker.bootstrap();
    let mut kafka = Kafka::connect(broker.port, "told");
    let places = place(&mut kafka);
    let mut topics = STABLE.map(|way| Topic::start(&bootstrap, way));
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(500));

    disk.turn_read_only();
    until_said(&broker, &mut topics, OFFLINE);
    let storage = ErrorCode::KafkaStorageError.code();
    for (partition, is_lost) in &places {
        let code = kafka.put("told", *partition, batch(&[(None, "after")])).error_code;
        assert_eq!(code, if *is_lost { storage } else { 0 }, "partition {partition}");
        // What is whole is read on, then comes the error.
        let (code, bytes) = kafka.try_fetch("told", *partition, 0);
        let Scanned::Batch(first, _) = next_batch(&bytes) else { panic!("nothing at 0: {code}") };
        assert_eq!((code, first.base_offset.0), (0, 0), "partition {partition}");
        if *is_lost {
            assert_eq!(kafka.try_fetch("told", *partition, 1).0, storage);
        }
    }
    // One that never repeats is held up by nothing.
    topics[0].await_acknowledgements(60);
    let log = broker.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains(OFFLINE)).collect();
    println!("{}", said.join("\n"));
    let names = |line: &&str| line.contains("small") && line.contains("ead-only");
    assert!(said.iter().all(names) && said.len() <= 2, "one for each shard at most");

    broker.signal("-TERM");
    assert!(!broker.ends(), "it says that it left logs open");
    check_repaired(&mut broker, &disk, &mut topics);
    let mut kafka = Kafka::connect(broker.port, "told");
    for partition in 0..PARTITIONS {
        let told = kafka.put("told", partition, batch(&[(None, "again")]));
        assert_eq!(told.error_code, 0, "{told:?}");
        assert_eq!(kafka.read("told", partition)[0].value, "before");
    }
    broker.stop();
}

#[test]
fn a_broker_whose_metadata_cannot_be_written_ends_with_a_sentence_and_loses_nothing() {
    if skipped_below(Tier::Test, "a file system that turns read-only") {
        return;
    }
    let mut broker = Broker::logmill(&SETTINGS);
    let data = broker.data();
    let Some(disk) = mounted(&mut broker, &data) else { return };
    let bootstrap = broker.bootstrap();
    let mut topics = STABLE.map(|way| Topic::start(&bootstrap, way));
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(500));

    disk.turn_read_only();
    assert!(!broker.ends(), "it has no log directory left");
    let log = broker.log();
    println!("{}", tail(&log, 3));
    let last = log.trim_end().lines().next_back().unwrap_or_default();
    assert!(last.contains("log directory") || last.contains("metadata"), "{last}");

    check_repaired(&mut broker, &disk, &mut topics);
    broker.stop();
}
