//! kill −9 inside a checkpoint of the journals, and inside the deletion of topics.
//!
//! Owns: when the kill falls, the proof that it fell inside, what must hold after each.
//! Leaves to others: kills while segments go (`retention_crash`), in a compaction (`compaction`),
//! at any moment (`crash`); power cuts (`broker_sim`).
//! Start reading at: [`kill_9_in_a_checkpoint_loses_nothing`], then [`Passing`].
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logmill::base::Rng;
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::delete_topics_request::DeleteTopicsRequest;
use logmill::wire::generated::delete_topics_response::DeleteTopicsResponse;
use logmill::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use logmill::wire::generated::metadata_response::MetadataResponse;

use crate::client::{Kafka, Stored, batch};
use crate::harness::broker::Broker;
use crate::harness::wait::Wait;
use crate::harness::{Tier, dump, skipped_below, tier};

const DEADLINE: Duration = Duration::from_secs(60);

fn rounds() -> u64 {
    match std::env::var("ROUNDS") {
        Ok(rounds) => rounds.parse().expect("ROUNDS is a number"),
        Err(_) if tier() == Tier::All => 50,
        Err(_) => 3,
    }
}

/// One partition with one writer that has one request under way.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<i64, String>,
    /// Sent, and not answered: each is there once or never will be.
    open: BTreeSet<String>,
    /// Below it everything was read after an earlier kill.
    read_end: i64,
}

impl Known {
    /// Holds what is read from `from` on against all that was acknowledged there.
    fn check(&mut self, stored: &[Stored], from: i64, told: &str) {
        let offsets: Vec<i64> = stored.iter().map(|one| one.offset).collect();
        let end = from + stored.len() as i64;
        assert_eq!(offsets, (from..end).collect::<Vec<i64>>(), "{told}: a hole");
        let found: BTreeMap<i64, &String> =
            stored.iter().map(|one| (one.offset, &one.value)).collect();
        for (offset, value) in self.acknowledged.range(from..) {
            assert_eq!(found.get(offset), Some(&value), "{told}: {offset} is lost");
        }
        let mut seen = BTreeSet::new();
        for (offset, value) in found {
            assert!(seen.insert(value), "{told}: {value:.20} is there twice");
            let is_known = self.acknowledged.contains_key(&offset) || self.open.contains(value);
            assert!(is_known, "{told}: {value:.20} at {offset} was never sent");
            self.acknowledged.insert(offset, value.clone());
        }
        assert!(self.read_end <= end, "{told}: {} was the end, {end} is", self.read_end);
        self.read_end = end;
    }
}

/// Writes until the connection ends; acks=1 between two of acks=all.
fn write(port: u16, topic: &str, pad: usize, known: &Mutex<Known>, count: &AtomicU64) {
    let mut kafka = Kafka::connect(port, "writes");
    loop {
        let number = count.load(Relaxed);
        let next = known.lock().expect("no panic").acknowledged.len();
        let value = format!("{next}-{number}-{}", "x".repeat(pad + next % 90));
        known.lock().expect("no panic").open.insert(value.clone());
        let acks = if number % 4 == 3 { 1 } else { -1 };
        let told = kafka.try_produce(topic, acks, vec![(0, batch(&[(None, &value)]))]);
        let Ok(told) = told else { return };
        assert_eq!(told[0].error_code, 0, "{topic}: {told:?}");
        let mut known = known.lock().expect("no panic");
        known.open.remove(&value);
        known.acknowledged.insert(told[0].base_offset, value);
        count.fetch_add(1, Relaxed);
    }
}

/// Whether a thread of the process is inside syncfs; false also where the kernel does not tell.
pub fn is_in_syncfs(pid: u32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let number = format!("{} ", libc::SYS_syncfs);
    tasks.flatten().any(|task| {
        std::fs::read_to_string(task.path().join("syscall"))
            .is_ok_and(|said| said.starts_with(&number))
    })
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The share of a journal's blocks that a start will read. A checkpoint begins above a half, and
/// ends with next to nothing. Layout: `log::journal::format`.
fn live_share(journal: &Path) -> f64 {
    const UNIT: usize = 4_096;
    let bytes = std::fs::read(journal).expect("the journal");
    let slots = [0, UNIT].map(|at| &bytes[at..at + 64]);
    let slot = slots.iter().filter(|slot| slot.starts_with(b"LogmillJ"));
    let slot = slot.max_by_key(|slot| number_at(slot, 16)).expect("a slot");
    let (salt, mut at, mut sequence) =
        (number_at(slot, 24), number_at(slot, 40) as usize, number_at(slot, 48));
    let mut live = 0;
    let fits = |at: usize, sequence| {
        let block = bytes.get(at..at + UNIT)?;
        let fits = block.starts_with(b"LMJb")
            && (number_at(block, 8), number_at(block, 16)) == (salt, sequence);
        fits.then(|| (number_at(block, 32) as u32 as usize).next_multiple_of(UNIT))
    };
    // A block that did not fit behind the one before lies at the front.
    while let Some((here, size)) =
        [at, 2 * UNIT].iter().find_map(|at| Some((*at, fits(*at, sequence)?)))
    {
        (live, at, sequence) = (live + size, here + size, sequence + 1);
    }
    live as f64 / (bytes.len() - 2 * UNIT) as f64
}

/// Whether a checkpoint of what a journal holds may be under way and has not ended; `None` where
/// there is no journal.
fn died_in_a_checkpoint(data: &Path) -> Option<bool> {
    let journals = (0..2).map(|shard| data.join(format!("shard-{shard}.journal")));
    let shares: Vec<f64> =
        journals.filter(|path| path.exists()).map(|path| live_share(&path)).collect();
    (!shares.is_empty()).then(|| shares.iter().any(|share| 0.5 < *share))
}

const WRITERS: usize = 4;

#[test]
fn kill_9_in_a_checkpoint_loses_nothing() {
    if skipped_below(Tier::Test, "kill -9 in a checkpoint") {
        return;
    }
    let rounds = rounds();
    // A journal that is half full every few records: one of the two is checkpointed at any moment.
    let settings = [("shards", "2"), ("journal.bytes", "524288")];
    let mut broker = Broker::logmill(&settings);
    let topics: Vec<String> = (0..WRITERS).map(|at| format!("checked-{at}")).collect();
    let mut kafka = Kafka::connect(broker.port, "setup");
    topics.iter().for_each(|topic| kafka.create_topic(topic, 1, &[("segment.bytes", "1048576")]));
    let known: Arc<[Mutex<Known>; WRITERS]> = Arc::default();
    let mut dice = Rng::new(u64::from(std::process::id()));
    let (mut seen, mut inside, mut has_journal) = (0, 0, false);
    for round in 0..rounds {
        let counts: Arc<[AtomicU64; WRITERS]> = Arc::default();
        let threads = (0..WRITERS).map(|at| {
            let (topic, known, counts, port) =
                (topics[at].clone(), known.clone(), counts.clone(), broker.port);
            std::thread::spawn(move || write(port, &topic, 9_000, &known[at], &counts[at]))
        });
        let threads: Vec<_> = threads.collect();
        let least = 40 + dice.below(60);
        let start = Instant::now();
        let is_late = || DEADLINE < start.elapsed();
        while counts.iter().any(|count| count.load(Relaxed) < least) {
            assert!(!is_late(), "round {round}: {counts:?}");
            std::thread::yield_now();
        }
        // Without a sign it ends at any moment, all the same.
        let patience = Duration::from_millis(1_000 + dice.below(100));
        let wait = Instant::now();
        while !is_in_syncfs(broker.pid()) && wait.elapsed() < patience {}
        let in_syncfs = wait.elapsed() < patience;
        seen += u64::from(in_syncfs);
        broker.kill();
        for thread in threads {
            thread.join().expect("a writer");
        }
        let fell = died_in_a_checkpoint(&broker.data());
        has_journal |= fell.is_some();
        inside += u64::from(in_syncfs && fell == Some(true));
        broker.start();
        let mut kafka = Kafka::connect(broker.port, "checks");
        for (topic, known) in topics.iter().zip(known.iter()) {
            let mut known = known.lock().expect("no panic");
            let from = if round + 1 == rounds { 0 } else { (known.read_end - 50).max(0) };
            let stored = kafka.read_from(topic, 0, from);
            known.check(&stored, from, &format!("round {round}, {topic}"));
        }
    }
    let records: usize =
        known.iter().map(|known| known.lock().expect("no panic").read_end).sum::<i64>() as usize;
    println!(
        "kill -9 in a checkpoint: {rounds} rounds, {seen} killed in syncfs, {inside} died inside a \
         checkpoint, {records} records whole"
    );
    if has_journal {
        assert!(rounds <= 2 * inside, "{inside} of {rounds} rounds hit a checkpoint");
    } else {
        println!("no journal can be made here: the rounds fell at any moment");
    }
    broker.stop();
    dump::check(&broker.data());
}

const UNKNOWN_TOPIC: i16 = 3;
const PARTITIONS: i32 = 3;
const NAMES: [&str; 2] = ["passing-a", "passing-b"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody asked for it, or its deletion was answered.
    Gone,
    Creating,
    There,
    Deleting,
}

/// What is known of the topics that come and go together, under the same names each time.
struct Passing {
    phase: Phase,
    generation: u64,
    /// By name and partition, of this generation.
    known: BTreeMap<(&'static str, i32), Known>,
    deleting_since: Option<Instant>,
    /// What the last deletion took.
    took: Duration,
    deletions: u64,
}

impl Passing {
    fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        match phase {
            Phase::Creating => {
                self.generation += 1;
                self.known.clear();
            }
            Phase::Deleting => self.deleting_since = Some(Instant::now()),
            Phase::Gone => {
                let since = self.deleting_since.take().expect("it began");
                self.took = since.elapsed();
                self.deletions += 1;
            }
            Phase::There => {}
        }
    }
}

/// Creates the topics, writes to them and deletes them, until the connection ends.
fn come_and_go(port: u16, shared: &Mutex<Passing>) -> Option<()> {
    let mut kafka = Kafka::connect(port, "comes and goes");
    let lock = || shared.lock().expect("no panic");
    loop {
        if lock().phase == Phase::Gone {
            lock().begin(Phase::Creating);
            create(&mut kafka)?;
            lock().begin(Phase::There);
        }
        for number in 0..4 {
            for (name, partition) in places() {
                let value = format!("{name}/{partition}/{}/{number}", lock().generation);
                lock().known.entry((name, partition)).or_default().open.insert(value.clone());
                let acks = if number % 2 == 0 { -1 } else { 1 };
                let batches = vec![(partition, batch(&[(None, &value)]))];
                let told = kafka.try_produce(name, acks, batches).ok()?;
                assert_eq!(told[0].error_code, 0, "{value}: {told:?}");
                let mut passing = lock();
                let known = passing.known.get_mut(&(name, partition)).expect("just made");
                known.open.remove(&value);
                known.acknowledged.insert(told[0].base_offset, value);
            }
        }
        lock().begin(Phase::Deleting);
        delete(&mut kafka)?;
        lock().begin(Phase::Gone);
    }
}

fn places() -> impl Iterator<Item = (&'static str, i32)> {
    NAMES.iter().flat_map(|name| (0..PARTITIONS).map(|partition| (*name, partition)))
}

/// One of them is removed at once, the other after Kafka's minute.
fn create(kafka: &mut Kafka) -> Option<()> {
    let delay = [("file.delete.delay.ms", "0")];
    let topics = NAMES.iter().zip([&delay[..], &[]]).map(|(name, configs)| CreatableTopic {
        name: (*name).to_owned(),
        num_partitions: PARTITIONS,
        replication_factor: 1,
        configs: configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig {
                name: (*name).to_owned(),
                value: Some((*value).to_owned()),
            })
            .collect(),
        ..Default::default()
    });
    let request =
        CreateTopicsRequest { topics: topics.collect(), timeout_ms: 10_000, ..Default::default() };
    let told: CreateTopicsResponse = kafka.try_ask(&request, 5).ok()?;
    assert!(told.topics.iter().all(|topic| topic.error_code == 0), "{told:?}");
    Some(())
}

fn delete(kafka: &mut Kafka) -> Option<()> {
    let topic_names = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let request = DeleteTopicsRequest { topic_names, timeout_ms: 10_000, ..Default::default() };
    let told: DeleteTopicsResponse = kafka.try_ask(&request, 5).ok()?;
    assert!(told.responses.iter().all(|topic| topic.error_code == 0), "{told:?}");
    Some(())
}

fn is_there(kafka: &mut Kafka, name: &str) -> bool {
    let topic = MetadataRequestTopic { name: Some(name.to_owned()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let told: MetadataResponse = kafka.ask(&request, 9);
    match told.topics[0].error_code {
        0 => true,
        UNKNOWN_TOPIC => false,
        code => panic!("{name}: error {code}"),
    }
}

/// Folders of the two topics: under their own names, and on their way out.
fn folders(data: &Path) -> (usize, usize) {
    let entries = std::fs::read_dir(data).expect("the data folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let ours: Vec<String> = names.filter(|name| name.starts_with("passing-")).collect();
    let leaving = ours.iter().filter(|name| name.ends_with("-delete")).count();
    (ours.len() - leaving, leaving)
}

/// After a start: what was deleted is gone, what is there is of this generation and whole.
fn check_passing(broker: &Broker, passing: &mut Passing, round: u64) {
    let mut kafka = Kafka::connect(broker.port, "checks");
    let there: Vec<&str> = NAMES.into_iter().filter(|name| is_there(&mut kafka, name)).collect();
    let told = format!("round {round}, {:?}, generation {}", passing.phase, passing.generation);
    match passing.phase {
        Phase::Gone => assert!(there.is_empty(), "{told}: {there:?} came back"),
        Phase::There => assert_eq!(there, NAMES, "{told}"),
        // Not answered: both are one request, but two topics.
        Phase::Creating | Phase::Deleting => {}
    }
    for name in &there {
        for partition in 0..PARTITIONS {
            let stored = kafka.read(name, partition);
            let known = passing.known.entry((name, partition)).or_default();
            known.check(&stored, 0, &format!("{told}, {name}-{partition}"));
        }
    }
    // What is on its way out goes with the start, and nothing stands beside what is there but
    // what the start has named: a folder whose deletion was committed and not begun.
    let wait = Wait::for_at_most(DEADLINE);
    while 0 < folders(&broker.data()).1 {
        wait.again(|| format!("{told}: folders of deleted topics stay"));
    }
    let own = folders(&broker.data()).0;
    let named = broker.log().contains("belongs to no topic");
    // A partition whose batches the journal has gets its folder later.
    assert!(own <= there.len() * PARTITIONS as usize || named, "{told}: {own} folders, unnamed");
    // The next round begins with both or none.
    if there.len() == 1 {
        kafka.delete_topic(there[0]);
    }
    passing.phase = if there.len() == NAMES.len() { Phase::There } else { Phase::Gone };
}

#[test]
fn kill_9_in_the_deletion_of_topics_loses_nothing_and_brings_nothing_back() {
    if skipped_below(Tier::Test, "kill -9 in the deletion of topics") {
        return;
    }
    let rounds = rounds();
    let settings = [("shards", "2"), ("journal.bytes", "1048576")];
    let mut broker = Broker::logmill(&settings);
    Kafka::connect(broker.port, "setup").create_topic("stays", 1, &[]);
    let stays: Arc<Mutex<Known>> = Arc::default();
    let passing = Arc::new(Mutex::new(Passing {
        phase: Phase::Gone,
        generation: 0,
        known: BTreeMap::new(),
        deleting_since: None,
        took: Duration::from_millis(5),
        deletions: 0,
    }));
    let mut dice = Rng::new(u64::from(std::process::id()));
    // Died in a deletion; of these: with folders under both kinds of names.
    let (mut inside, mut between) = (0, 0);
    for round in 0..rounds {
        let count = Arc::new(AtomicU64::new(0));
        let (known, counting, port) = (stays.clone(), count.clone(), broker.port);
        let writer = std::thread::spawn(move || write(port, "stays", 500, &known, &counting));
        let shared = passing.clone();
        let goer = std::thread::spawn(move || come_and_go(port, &shared));
        let deletions = passing.lock().expect("no panic").deletions + 2 + dice.below(3);
        let start = Instant::now();
        // A few are let through; the next one is cut after a part of the time that those took.
        let cut = loop {
            assert!(start.elapsed() < DEADLINE, "round {round}: nothing is deleted");
            let passing = passing.lock().expect("no panic");
            let since = passing.deleting_since.filter(|_| deletions <= passing.deletions);
            if let Some(since) = since {
                break since + passing.took.mul_f64(dice.below(1_000) as f64 / 1_000.0);
            }
            drop(passing);
            std::thread::yield_now();
        };
        while Instant::now() < cut {}
        broker.kill();
        writer.join().expect("the writer");
        goer.join().expect("who creates and deletes");
        let (own, leaving) = folders(&broker.data());
        let mut passing = passing.lock().expect("no panic");
        passing.deleting_since = None;
        let is_inside = passing.phase == Phase::Deleting;
        inside += u64::from(is_inside);
        between += u64::from(is_inside && 0 < own && 0 < leaving);
        broker.start();
        check_passing(&broker, &mut passing, round);
        let stored = Kafka::connect(broker.port, "checks").read("stays", 0);
        stays.lock().expect("no panic").check(&stored, 0, &format!("round {round}, stays"));
    }
    let deletions = passing.lock().expect("no panic").deletions;
    println!(
        "kill -9 in the deletion of topics: {rounds} rounds, {inside} died inside a deletion, \
         {between} of them with some folders renamed and some not; {deletions} other deletions"
    );
    assert!(rounds <= 2 * inside, "{inside} of {rounds} rounds hit a deletion");
    broker.stop();
    dump::check(&broker.data());
}
