//! ListOffsets by time: on a full disk, over what is not in files yet, and after crashes.
use super::space::leave;
use super::*;
use crate::env::{OpenHow, yield_now};
use crate::log::names::{SNAPSHOT, TIME_INDEX, file_path, parse};
use crate::model::ErrorCode;

const JOURNAL_BYTES: u64 = 1 << 20;
const ALL: Offset = Offset(i64::MAX);
const DIR: &str = "data/flights-3";

/// A record for each number, at that time.
async fn append(log: &Log, numbers: std::ops::Range<i64>) {
    for n in numbers {
        let value = format!("value {n}");
        log.append(&batch(n, &[&value]), Acks::All, 5).unwrap().ack.await.unwrap();
    }
}

async fn find(log: &Log, time: i64) -> Option<i64> {
    let hit = log.offset_for_timestamp(time, ALL).await.unwrap();
    assert!(hit.is_none_or(|hit| hit.timestamp == hit.offset.0));
    hit.map(|hit| hit.offset.0)
}

async fn journaled(env: &Env, config: LogConfig) -> Rc<Log> {
    let host = new_host(env, JOURNAL_BYTES).await;
    let log = Log::open(&host, place(), config, LeaderEpoch(0), Start::New).await.unwrap();
    append(&log, 0..1).await;
    // The journal is made beside the first.
    env.sleep_ms(1_000).await;
    log
}

#[test]
fn a_full_disk_hides_no_record_from_a_search() {
    let world = quiet_world();
    let held = world.clone();
    run(&world, async move |env| {
        let log = journaled(&env, small()).await;
        append(&log, 1..40).await;
        log.roll().await.unwrap();
        append(&log, 40..60).await;
        env.sleep_ms(1_000).await;
        append(&log, 60..80).await;
        leave(&held, &env, 0).await;
        env.sleep_ms(2_000).await;
        assert!(log.state.borrow().full_disk().is_some());
        let written = log.written_end().0;
        assert!(40 < written && written < 80, "{written}");
        for time in 0..80 {
            assert_eq!(find(&log, time).await, Some(time));
        }
        assert_eq!(find(&log, 80).await, None);
        let newest = log.max_timestamp(ALL).await.unwrap().unwrap();
        assert_eq!(newest.offset, Offset(79));
        assert_eq!(log.offset_for_timestamp(70, Offset(70)).await.unwrap(), None);
    });
}

#[test]
fn who_asks_for_the_newest_makes_nobody_write() {
    let world = quiet_world();
    run(&world, async move |env| {
        let log = journaled(&env, LogConfig { segment_bytes_max: 1 << 20, ..small() }).await;
        let writes = || log.host.counters().writes_total.get();
        let before = writes();
        append(&log, 1..10).await;
        for time in 0..10 {
            assert_eq!(find(&log, time).await, Some(time));
        }
        yield_now().await;
        assert_eq!(writes(), before);
        // What the memory has no room for is written first, and found.
        let long = "x".repeat(TAIL_BYTES);
        let big = batch(10, &[&long]);
        log.append(&big, Acks::All, 5).unwrap().ack.await.unwrap();
        append(&log, 11..13).await;
        assert_eq!(find(&log, 10).await, Some(10));
        assert_eq!(find(&log, 12).await, Some(12));
        assert!(before < writes());
    });
}

/// The time index of a closed segment that a power cut left empty, or in part: its task had not
/// come to its end, and nothing behind it says so but the missing snapshot.
#[test]
fn an_unfinished_time_index_hides_no_record_after_a_replay() {
    for entries in [0, 1, 3] {
        let world = quiet_world();
        let mut shards: Vec<Shard> = world.boot(MachineId::FIRST, 1);
        let all = world.block_on(&mut shards, async |env| {
            let log = journaled(&env, small()).await;
            let mut next = 1;
            while log.segment_count() < 4 {
                append(&log, next..next + 1).await;
                next += 1;
            }
            // The journal's tail moves behind all closed segments.
            log.home.journal.checkpoint().await.unwrap();
            append(&log, next..next + 3).await;
            next + 3
        });
        world.crash(MachineId::FIRST, shards);
        run(&world, async move |env| {
            for entry in env.list_dir(DIR).await.unwrap() {
                if parse(&entry.name).is_some_and(|(_, kind)| kind == SNAPSHOT) {
                    env.remove_file(&format!("{DIR}/{}", entry.name)).await.unwrap();
                }
            }
            let path = file_path(DIR, Offset(0), TIME_INDEX);
            let file = env.open(&path, OpenHow::ReadWrite).await.unwrap();
            assert!(5 * 12 < env.file_bytes(&file).await.unwrap());
            env.truncate(&file, entries * 12).await.unwrap();
            let said = unnoticed_damage(&env, DIR).await.unwrap();
            assert!(said.iter().any(|damage| damage.path == path), "verify says so: {said:?}");
            let start = Start::Unclean { recovery_point: None };
            let log = open_beside(&env, small(), 1, start, JOURNAL_BYTES).await.unwrap();
            assert_eq!(log.ends().log_end, Offset(all));
            for time in 0..all {
                assert_eq!(find(&log, time).await, Some(time), "{entries} entries left");
            }
        });
    }
}

#[test]
fn an_empty_time_index_is_believed_of_records_without_a_time_only() {
    for (time, rebuilt) in [(-1, 0), (7, 1)] {
        run(&quiet_world(), async move |env| {
            let log = open(&env, small(), 0, Start::New).await.unwrap();
            for _ in 0..5 {
                let batch = batch_of(&spec(None), time, &["v"]);
                log.append(&batch, Acks::All, 5).unwrap().ack.await.unwrap();
            }
            log.roll().await.unwrap();
            drop(log);
            let path = file_path(DIR, Offset(0), TIME_INDEX);
            let file = env.open(&path, OpenHow::ReadWrite).await.unwrap();
            env.truncate(&file, 0).await.unwrap();
            let start = Start::Unclean { recovery_point: Some(Offset(5)) };
            let log = open(&env, small(), 1, start).await.unwrap();
            assert_eq!(log.recovered().indexes_rebuilt, rebuilt);
            let hit = log.offset_for_timestamp(0, ALL).await.unwrap();
            assert_eq!(hit.map(|hit| hit.offset), (0 <= time).then_some(Offset(0)));
        });
    }
}

#[test]
fn what_a_search_cannot_read_is_told_as_kafka_tells_it() {
    run(&quiet_world(), async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        let mut spec = spec(None);
        spec.codec = Codec::Zstd;
        let batch = batch_of(&spec, 7, &["value value value value"]);
        log.append(&batch, Acks::All, 5).unwrap().ack.await.unwrap();
        log.set_config(LogConfig { decompressed_bytes_max: 3, ..small() });
        let error = log.offset_for_timestamp(0, ALL).await.unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::CorruptMessage);
        log.delete().await.unwrap();
        let error = log.offset_for_timestamp(0, ALL).await.unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::NotLeaderOrFollower);
    });
}
