//! Recovery from the last recovery point: what it reads, what it believes, what it refuses.
use super::compaction::compacted;
use super::*;
use crate::env::OpenHow;
use crate::log::checkpoint::{RECOVERY_POINTS, write_offsets};
use crate::sim::MachineId;

/// One long segment with a dense index.
fn long() -> LogConfig {
    LogConfig { index_interval_bytes: 1_000, ..LogConfig::default() }
}

const SETTLED: i64 = 400;
const ALL: i64 = 420;

async fn fill(log: &Log, range: std::ops::Range<i64>) {
    for n in range {
        let spec = spec(Some((n % 3, 0, n as i32 / 3)));
        // More than is read whole for being small.
        let value = format!("value {n} {}", "x".repeat(250));
        let appended = log.append(&batch_of(&spec, 5 * n, &[&value]), Acks::Leader, 5).unwrap();
        appended.ack.await.unwrap();
    }
}

/// A world in which a log was settled, written to, and killed; and the recovery point.
fn killed() -> (World, Offset) {
    let world = quiet_world();
    let mut shards = world.boot(MachineId::FIRST, 1);
    let point = world.block_on(&mut shards, async |env| {
        let log = open(&env, long(), 0, Start::New).await.unwrap();
        for part in 0..4 {
            fill(&log, part * SETTLED / 4..(part + 1) * SETTLED / 4).await;
            log.settle(1_000).await.unwrap();
        }
        let point = log.recovery_point();
        assert_eq!(point, Offset(SETTLED), "settling makes it stable");
        fill(&log, SETTLED..ALL).await;
        point
    });
    world.crash(MachineId::FIRST, shards);
    (world, point)
}

fn file(suffix: &str) -> String {
    format!("data/flights-3/{:020}{suffix}", 0)
}

async fn content(env: &Env, suffix: &str) -> Bytes {
    let file = env.open(&file(suffix), OpenHow::Read).await.unwrap();
    env.read_at(&file, 0, 1 << 20).await.unwrap()
}

#[test]
fn recovery_reads_only_what_lies_behind_the_point() {
    let (world, point) = killed();
    run(&world, async move |env| {
        let total = content(&env, ".log").await.len() as u64;
        let start = Start::Unclean { recovery_point: Some(point) };
        let log = open(&env, long(), 1, start).await.unwrap();
        let read = log.recovered().bytes_read;
        assert!(0 < read && read < total / 8, "{read} of {total} bytes");
        assert_eq!(log.ends().log_end, Offset(ALL));
        assert_eq!(values(&log).await.len(), ALL as usize);
        // Every producer goes on, and a repeated batch is known.
        for producer in 0..3 {
            let sequence = ALL as i32 / 3 - 1;
            let again = spec(Some((producer, 0, sequence)));
            let told = log.append(&batch_of(&again, 5, &["again"]), Acks::All, 5).unwrap();
            assert!(told.duplicate);
        }
        let (index, times) = (content(&env, ".index").await, content(&env, ".timeindex").await);
        drop(log);
        // The same indexes as a scan of everything gives.
        env.remove_file(&file(".index")).await.unwrap();
        env.remove_file(&file(".timeindex")).await.unwrap();
        let log = open(&env, long(), 2, start).await.unwrap();
        assert_eq!(log.recovered().bytes_read, total);
        assert_eq!(content(&env, ".index").await, index);
        assert_eq!(content(&env, ".timeindex").await, times);
    });
}

#[test]
fn what_follows_the_settled_part_of_an_index_is_not_believed() {
    let (world, point) = killed();
    run(&world, async move |env| {
        for suffix in [".index", ".timeindex"] {
            let torn = env.open(&file(suffix), OpenHow::ReadWrite).await.unwrap();
            let end = env.file_bytes(&torn).await.unwrap();
            let noise = vec![Bytes::from_static(&[0x7a; 61])];
            env.write_all_at(&torn, end, noise).await.unwrap();
        }
        let log = open(&env, long(), 1, Start::Unclean { recovery_point: Some(point) }).await;
        let log = log.unwrap();
        assert!(log.recovered().bytes_read < 20_000, "{:?}", log.recovered());
        assert_eq!(values(&log).await.len(), ALL as usize);
        assert_eq!(
            log.offset_for_timestamp(5 * 410, Offset(ALL)).await.unwrap().unwrap().offset.0,
            410
        );
    });
}

#[test]
fn a_short_file_is_refused_below_the_point_and_cut_above() {
    let (world, point) = killed();
    run(&world, async move |env| {
        let start = Start::Unclean { recovery_point: Some(point) };
        let log = env.open(&file(".log"), OpenHow::ReadWrite).await.unwrap();
        let bytes = env.file_bytes(&log).await.unwrap();
        env.truncate(&log, bytes - 5).await.unwrap();
        let opened = open(&env, long(), 1, start).await.unwrap();
        assert_eq!(opened.ends().log_end, Offset(ALL - 1));
        assert!(0 < opened.recovered().bytes_cut);
        drop(opened);
        env.truncate(&log, bytes / 2).await.unwrap();
        let error = open(&env, long(), 2, start).await.err().unwrap();
        assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(&file(".log")) && said.contains("at byte"), "{said}");
        assert_eq!(env.file_bytes(&log).await.unwrap(), bytes / 2, "nothing was cut");
    });
}

#[test]
fn a_failed_sync_of_an_index_takes_the_log_directory_offline_too() {
    let world = quiet_world();
    let held = world.clone();
    run(&world, async move |env| {
        let log = open(&env, long(), 0, Start::New).await.unwrap();
        for n in 0..20 {
            let value = format!("value {n} {}", "x".repeat(250));
            let appended = log.append(&batch(5, &[&value]), Acks::All, 5).unwrap();
            appended.ack.await.unwrap();
        }
        // All records are stable: what is synced now are the index files.
        held.set_faults(crate::sim::Faults { failed_sync_per_1000: 1_000, ..held.faults() });
        assert!(log.settle(1).await.is_err());
        assert_eq!(log.home.failure(), log.offline(), "and no other log there goes on");
    });
}

/// Who meets a failed sync is not the only one to hear of it: the kernel says it once.
fn fails_all(world: &World) {
    world.set_faults(crate::sim::Faults { failed_sync_per_1000: 1_000, ..world.faults() });
}

#[test]
fn a_failed_sync_while_the_journal_is_made_takes_the_log_directory_offline() {
    let world = quiet_world();
    let held = world.clone();
    run(&world, async move |env| {
        // Filling it takes longer than the first batch's own sync.
        let log = open_beside(&env, long(), 0, Start::New, 8 << 20).await.unwrap();
        log.append(&batch(5, &["one"]), Acks::All, 5).unwrap().ack.await.unwrap();
        fails_all(&held);
        env.sleep_ms(60_000).await;
        let error = log.home.failure().unwrap();
        assert_eq!(error.path.as_ref(), "data", "{error}");
    });
}

#[test]
fn a_failed_sync_of_a_checkpoint_file_takes_the_log_directory_offline() {
    let world = quiet_world();
    let held = world.clone();
    run(&world, async move |env| {
        let log = open(&env, long(), 0, Start::New).await.unwrap();
        fails_all(&held);
        let files = log.host.files();
        assert!(write_offsets(&files, "data", RECOVERY_POINTS, &[]).await.is_err());
        assert_eq!(log.home.failure(), log.offline());
        assert!(log.offline().is_some());
    });
}

#[test]
fn a_failed_sync_of_a_compaction_takes_the_log_directory_offline() {
    let world = quiet_world();
    let held = world.clone();
    run(&world, async move |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        for n in 0..9 {
            let mut builder = BatchBuilder::new(&spec(None));
            builder.push(Offset(0), 5, Some(b"key"), Some(&[n]), []).unwrap();
            let one = builder.finish_checked().unwrap();
            log.append(&one, Acks::All, 5).unwrap().ack.await.unwrap();
        }
        log.roll().await.unwrap();
        let job = CompactionJob::new(log.compaction_range(Offset(0), 5_000), 5_000);
        fails_all(&held);
        assert!(log.compact(&job, None).await.is_err());
        assert_eq!(log.home.failure(), log.offline());
        assert!(log.offline().is_some());
    });
}
