//! Starts that meet a journal they cannot simply replay: a full disk, one broken partition.
use super::space::leave;
use super::*;
use crate::base::aligned::ALIGN_BYTES;
use crate::base::probe::peak_bytes;
use crate::env::OpenHow;
use crate::io::offline::{self, Run};

/// So large that no checkpoint comes while it is written.
const JOURNAL_BYTES: u64 = 1 << 20;

fn place_at(partition: i32) -> LogPlace {
    LogPlace { partition, ..place() }
}

async fn begin(env: &Env) -> LogHost {
    new_host(env, JOURNAL_BYTES).await
}

fn place_of(_: TopicId, partition: i32) -> Option<LogPlace> {
    Some(place_at(partition))
}

async fn names(env: &Env) -> Vec<String> {
    let all = env.list_dir("data").await.unwrap().into_iter().map(|entry| entry.name);
    all.filter(|name| name.contains("journal")).collect()
}

async fn open_at(host: &LogHost, partition: i32, start: Start) -> Result<Rc<Log>, LogError> {
    Log::open(host, place_at(partition), LogConfig::default(), LeaderEpoch(0), start).await
}

/// A number, and so many blanks.
fn padded(n: usize, blanks: usize) -> String {
    format!("{n}{}", " ".repeat(blanks))
}

/// Two partitions with values that only the journal holds.
async fn two_partitions(env: &Env, blanks: usize) -> [Rc<Log>; 2] {
    let host = begin(env).await;
    let first = open_at(&host, 0, Start::New).await.unwrap();
    // The journal is made beside the first batches.
    first.append(&batch(1, &["0"]), Acks::All, 5).unwrap().ack.await.unwrap();
    env.sleep_ms(1_000).await;
    let second = open_at(&host, 1, Start::New).await.unwrap();
    for n in 1..20 {
        for log in [&first, &second] {
            let records = batch(1, &[&padded(n, blanks)]);
            log.append(&records, Acks::All, 5).unwrap().ack.await.unwrap();
        }
    }
    assert!(!env.exists("data/flights-1").await.unwrap(), "its file comes later");
    [first, second]
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

async fn all_values(log: &Log) -> Vec<String> {
    values(log).await.into_iter().map(|(_, value)| value.trim_end().to_owned()).collect()
}

/// Ends the process that wrote [`two_partitions`].
fn crashed(blanks: usize) -> World {
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let logs = world.block_on(&mut shards, async move |env| two_partitions(&env, blanks).await);
    drop(logs);
    world.crash(MachineId::FIRST, shards);
    world
}

#[test]
fn on_a_full_disk_a_replay_writes_what_fits_and_the_rest_when_there_is_room() {
    let world = crashed(0);
    let held = world.clone();
    run(&world, async move |env| {
        let host = begin(&env).await;
        let before = names(&env).await;
        leave(&held, &env, 100).await;
        for _ in 0..2 {
            let replayed = replay(&host, "data", LastStop::Unknown, place_of).await.unwrap();
            let waiting: Vec<_> = replayed.waiting.keys().map(|(_, index)| *index).collect();
            assert_eq!((waiting, replayed.failed.len()), (vec![0, 1], 0));
        }
        assert_eq!(names(&env).await, before);
        // Now for the first partition alone, which comes first, beside what is kept for the
        // metadata: a 128th of so small a disk.
        leave(&held, &env, JOURNAL_BYTES / 128 + 2_200).await;
        let mut replayed = replay(&host, "data", LastStop::Unknown, place_of).await.unwrap();
        let waiting: Vec<_> = replayed.waiting.keys().map(|(_, index)| *index).collect();
        assert_eq!(waiting, [1]);
        let start = Start::Unclean { recovery_point: None };
        let first = open_at(&host, 0, start).await.unwrap();
        assert_eq!(all_values(&first).await, numbers(0..20), "readable before the other has room");
        assert!(journals_hold_batches(&env, "data").await.unwrap());
        replayed.again(&host, async || place_of).await.unwrap();
        assert_eq!(replayed.waiting.len(), 1);
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        replayed.again(&host, async || place_of).await.unwrap();
        assert!(replayed.waiting.is_empty());
        replayed.empty(&host.files(), 1).await.unwrap();
        assert!(!journals_hold_batches(&env, "data").await.unwrap());
        drop(first);
        let start = Start::Unclean { recovery_point: None };
        let first = open_at(&host, 0, start).await.unwrap();
        assert_eq!(all_values(&first).await, numbers(0..20));
        let second = open_at(&host, 1, start).await.unwrap();
        assert_eq!(all_values(&second).await, numbers(1..20));
    });
}

#[test]
fn a_later_replay_goes_in_steps_between_which_partitions_may_go() {
    let world = crashed(1_000);
    let held = world.clone();
    run(&world, async move |env| {
        let host = begin(&env).await;
        leave(&held, &env, 100).await;
        let mut replayed = replay(&host, "data", LastStop::Unknown, place_of).await.unwrap();
        assert_eq!(replayed.waiting.len(), 2);
        let read = held.disk_work(MachineId::FIRST).read_bytes;
        replayed.again(&host, async || place_of).await.unwrap();
        assert_eq!(held.disk_work(MachineId::FIRST).read_bytes, read, "there is no room");
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        let steps = std::cell::Cell::new(0);
        let settle = async || {
            steps.set(steps.get() + 1);
            // Behind the first that writes.
            let is_deleted = 2 < steps.get();
            move |_, partition| Some(place_at(partition)).filter(|_| partition == 0 || !is_deleted)
        };
        replayed.again(&host, settle).await.unwrap();
        assert!(3 < steps.get(), "{} steps", steps.get());
        assert!(replayed.waiting.is_empty() && replayed.failed.is_empty());
        let stable: Vec<_> = replayed.stable.keys().map(|(_, partition)| *partition).collect();
        assert_eq!(stable, [0]);
        replayed.empty(&host.files(), 1).await.unwrap();
        let start = Start::Unclean { recovery_point: None };
        let first = open_at(&host, 0, start).await.unwrap();
        assert_eq!(all_values(&first).await, numbers(0..20));
        let second = open_at(&host, 1, start).await.unwrap();
        let written = all_values(&second).await.len();
        assert!(0 < written && written < 19, "{written}");
    });
}

#[test]
fn a_partition_that_cannot_be_written_waits_in_a_kept_journal_and_the_others_serve() {
    let world = crashed(0);
    const IN_THE_WAY: &str = "data/flights-1/00000000000000000000.log";
    let start = Start::Unclean { recovery_point: None };
    let mut shards = world.boot(MachineId::FIRST, 1);
    let first = world.block_on(&mut shards, async move |env| {
        let host = begin(&env).await;
        env.create_dir_all(IN_THE_WAY).await.unwrap();
        let mut replayed = replay(&host, "data", LastStop::Unknown, place_of).await.unwrap();
        let failed: Vec<_> = replayed.failed.keys().map(|(_, partition)| *partition).collect();
        assert_eq!(failed, [1]);
        host.bar(replayed.failed.clone());
        replayed.empty(&host.files(), 1).await.unwrap();
        let error = open_at(&host, 1, start).await.err().unwrap();
        assert!(error.to_string().contains(IN_THE_WAY), "{error}");
        let first = open_at(&host, 0, start).await.unwrap();
        // It goes on, also into a new journal.
        for n in 20..30 {
            first.append(&batch(1, &[&n.to_string()]), Acks::All, 5).unwrap().ack.await.unwrap();
            env.sleep_ms(100).await;
        }
        let names = names(&env).await;
        assert_eq!(
            names,
            ["shard-0.journal", "shard-0.journal.kept-1", "shard-0.journal.kept-1.partitions"]
        );
        assert!(journals_hold_batches(&env, "data").await.unwrap());
        first
    });
    drop(first);
    world.crash(MachineId::FIRST, shards);
    run(&world, async move |env| {
        let host = begin(&env).await;
        env.remove_dir_all(IN_THE_WAY).await.unwrap();
        let mut replayed = replay(&host, "data", LastStop::Unknown, place_of).await.unwrap();
        assert!(replayed.failed.is_empty());
        replayed.empty(&host.files(), 1).await.unwrap();
        assert_eq!(names(&env).await, ["shard-0.journal"]);
        assert!(!journals_hold_batches(&env, "data").await.unwrap());
        let first = open_at(&host, 0, start).await.unwrap();
        assert_eq!(all_values(&first).await, numbers(0..30));
        let second = open_at(&host, 1, start).await.unwrap();
        assert_eq!(all_values(&second).await, numbers(1..20));
    });
}

#[test]
fn a_journal_is_made_when_there_is_room_for_it_and_leaves_nothing_else() {
    let world = World::new(1, Faults::NONE);
    world.set_disk_bytes_max(MachineId::FIRST, JOURNAL_BYTES);
    let held = world.clone();
    run(&world, async move |env| {
        let host = begin(&env).await;
        let log = open_at(&host, 0, Start::New).await.unwrap();
        let append = async |value: &str| {
            log.append(&batch(1, &[value]), Acks::All, 5).unwrap().ack.await.unwrap();
        };
        append("by the file").await;
        env.sleep_ms(500).await;
        assert_eq!(names(&env).await, [""; 0], "there is no room");
        assert_eq!(held.counts().disk_full, 0, "and nobody tried");
        held.set_disk_bytes_max(MachineId::FIRST, 2 * JOURNAL_BYTES);
        env.sleep_ms(10_000).await;
        append("by the file, too").await;
        env.sleep_ms(500).await;
        assert_eq!(names(&env).await, ["shard-0.journal"]);
        append("by the journal").await;
        assert_eq!(host.counters().journal_writes_total.get(), 1);
    });
}

/// Memory of a replay goes with its partitions, not with what the journals hold.
#[test]
fn a_replay_holds_little_of_what_it_writes() {
    const VALUE_BYTES: usize = 20_000;
    const BATCHES: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let dir: Rc<str> = folder.path().to_str().unwrap().into();
    let place = LogPlace { dir: dir.to_string(), ..place() };
    let new_host = |env: &Env| {
        LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, QUEUE_BYTES, 16 << 20)
    };
    let held = place.clone();
    let has_journal = offline::block_on(Run::Real, move |env| async move {
        let host = new_host(&env);
        let open = Log::open(&host, held, LogConfig::default(), LeaderEpoch(0), Start::New);
        let log = open.await.unwrap();
        let value = "x".repeat(VALUE_BYTES);
        for n in 0..BATCHES {
            log.append(&batch(1, &[&value]), Acks::All, 5).unwrap().ack.await.unwrap();
            if n == 0 {
                // The journal is made beside the first.
                env.sleep_ms(1_000).await;
            }
        }
        0 < host.counters().journal_writes_total.get()
    });
    if !has_journal {
        println!("skipped: no journal can be made here");
        return;
    }
    let (batches, peak) = peak_bytes(|| {
        offline::block_on(Run::Real, move |env| async move {
            let host = new_host(&env);
            let place_of = |_, _| Some(place.clone());
            let mut replayed = replay(&host, &dir, LastStop::Unknown, place_of).await.unwrap();
            let batches = replayed.batches;
            replayed.empty(&host.files(), 1).await.unwrap();
            batches
        })
    });
    assert!(BATCHES as u64 / 2 < batches, "{batches} batches");
    let all = batches as usize * VALUE_BYTES;
    println!("{peak} bytes for {all} bytes of batches");
    assert!(peak < all / 2, "{peak} bytes for {all} bytes of batches");
}

#[test]
fn later_blocks_are_searched_for_unless_the_last_stop_emptied_the_journal() {
    let world = crashed(0);
    run(&world, async move |env| {
        let journal = env.open("data/shard-0.journal", OpenHow::ReadWrite).await.unwrap();
        let front = 2 * ALIGN_BYTES as u64;
        let zeroes = vec![Bytes::from(vec![0; ALIGN_BYTES])];
        env.write_all_at(&journal, front, zeroes).await.unwrap();
        let host = begin(&env).await;
        let error = replay(&host, "data", LastStop::Unknown, place_of).await.err().unwrap();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        let replayed = replay(&host, "data", LastStop::InOrder, place_of).await.unwrap();
        assert_eq!(replayed.batches, 0);
    });
}
