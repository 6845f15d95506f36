//! What goes on while the disk stays full: above all what would make room.
use std::cell::RefCell;
use std::future::Future;

use super::space::{leave, space};
use super::*;
use crate::env::Space;
use crate::env::exec::yield_now;
use crate::env::local::oneshot;

/// So large that no checkpoint comes by itself.
const JOURNAL_BYTES: u64 = 1 << 20;

async fn open_at(host: &LogHost, partition: i32, config: LogConfig) -> Rc<Log> {
    let place = LogPlace { partition, ..place() };
    Log::open(host, place, config, LeaderEpoch(0), Start::New).await.unwrap()
}

async fn append(log: &Log, value: &str) {
    log.append(&batch(1, &[value]), Acks::All, 5).unwrap().ack.await.unwrap();
}

/// What comes of it, within so much time that only a hang takes longer.
async fn soon<T>(env: &Env, work: impl Future<Output = T>) -> T {
    env.until(env.now().plus_ms(20_000), work).await.expect("it hangs")
}

fn is_full<T>(result: Result<T, DiskError>) -> bool {
    result.is_err_and(|error| error.is_full())
}

/// A log with closed segments, all of it in its files and in the journal, and one beside it whose
/// file waits for room.
async fn beside_a_stalled_log(world: &World, env: &Env) -> (Rc<Log>, Rc<Log>) {
    let host = new_host(env, JOURNAL_BYTES).await;
    let (log, stalled) = (open_at(&host, 0, small()).await, open_at(&host, 1, small()).await);
    append(&log, "the journal is made").await;
    env.sleep_ms(1_000).await;
    for n in 0..40 {
        append(&log, &format!("value {n}")).await;
    }
    log.roll().await.unwrap();
    append(&stalled, "has no room").await;
    leave(world, env, 0).await;
    env.sleep_ms(2_000).await;
    assert!(stalled.state.borrow().full_disk().is_some());
    (log, stalled)
}

#[test]
fn a_log_is_deleted_although_another_waits_for_room() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let (log, stalled) = beside_a_stalled_log(&held, &env).await;
        log.set_config(LogConfig { retention_bytes: 0, retention_ms: -1, ..small() });
        assert!(is_full(soon(&env, log.retain(5)).await.map(drop)), "the journal holds them");
        soon(&env, log.delete()).await.unwrap();
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        env.sleep_ms(3_000).await;
        append(&stalled, "goes on").await;
        assert_eq!(values(&stalled).await.len(), 2);
    });
}

#[test]
fn a_log_that_waits_for_room_gives_up_its_oldest_segments() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let host = new_host(&env, 0).await;
        let log = open_at(&host, 0, small()).await;
        let mut n = 0;
        // The last one is closed in memory, its files have room for nothing more.
        while log.state.borrow().closed.len() < 4 {
            append(&log, &format!("value {n}")).await;
            n += 1;
        }
        log.settled(|log| log.state.borrow().on_disk.is_finished()).await.unwrap();
        append(&log, "value").await;
        leave(&held, &env, 0).await;
        assert!(is_full(soon(&env, log.roll()).await.map(drop)));
        log.set_config(LogConfig { retention_bytes: 0, retention_ms: -1, ..small() });
        let removed = soon(&env, log.retain(5)).await.unwrap();
        let counts: Vec<u64> = removed.segments.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [4]);
        assert!(log.ends().log_start < log.ends().log_end, "what waits for room stays");
        assert_eq!(removed.log_start, log.ends().log_start);
        assert!(is_full(soon(&env, log.retain(5)).await.map(drop)), "nothing else can go");
        env.sleep_ms(61_000).await;
        append(&log, "there is room again").await;
        soon(&env, log.retain(5)).await.unwrap();
        let names = env.list_dir("data/flights-0").await.unwrap();
        assert_eq!(names.iter().filter(|entry| entry.name.ends_with(".log")).count(), 1);
    });
}

#[test]
fn files_that_lost_their_name_on_a_full_disk_are_removed_in_their_time() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let host = new_host(&env, 0).await;
        let log = open_at(&host, 0, small()).await;
        for n in 0..100 {
            append(&log, &format!("value {n}")).await;
        }
        log.roll().await.unwrap();
        log.set_config(LogConfig { retention_bytes: 0, retention_ms: -1, ..small() });
        held.set_renames_left(MachineId::FIRST, 5);
        assert!(is_full(log.retain(5).await.map(drop)));
        held.set_renames_left(MachineId::FIRST, u64::MAX);
        env.sleep_ms(2 * log.config().file_delete_delay_ms).await;
        let deleted = async || {
            let names = env.list_dir("data/flights-0").await.unwrap();
            names.iter().filter(|entry| entry.name.ends_with(".deleted")).count()
        };
        assert_eq!(deleted().await, 0, "nobody removes what has its last name");
        log.retain(5).await.unwrap();
        env.sleep_ms(2 * log.config().file_delete_delay_ms).await;
        assert_eq!(deleted().await, 0);
        assert!(log.offline().is_none());
    });
}

#[test]
fn a_removal_that_breaks_off_forgets_what_has_no_name_any_more() {
    for renames in 0..12 {
        let world = World::new(renames, Faults::NONE);
        let held = world.clone();
        run(&world, async move |env| {
            let log = compactable(&new_host(&env, 0).await, 0).await;
            log.set_config(LogConfig { retention_bytes: 0, retention_ms: -1, ..small() });
            held.set_renames_left(MachineId::FIRST, renames);
            assert!(is_full(log.retain(5).await.map(drop)));
            let bases = async |ending: &str| {
                let names = env.list_dir("data/flights-0").await.unwrap().into_iter();
                let bases = names.filter_map(|entry| entry.name.strip_suffix(ending)?.parse().ok());
                bases.collect::<Vec<i64>>()
            };
            let known = || {
                let state = log.state.borrow();
                let active = state.active.base;
                state.closed.keys().copied().chain([active]).map(|base| base.0).collect::<Vec<_>>()
            };
            assert_eq!(known(), bases(".log").await, "after {renames} names");
            held.set_renames_left(MachineId::FIRST, u64::MAX);
            log.retain(5).await.unwrap();
            assert_eq!(known(), bases(".log").await);
        });
    }
}

#[test]
fn a_journal_block_that_a_full_disk_does_not_take_is_written_when_it_does() {
    let world = World::new(1, Faults::NONE);
    world.set_copies_on_write(MachineId::FIRST);
    let held = world.clone();
    run(&world, async move |env| {
        let (host, log) = small_journal(&env).await;
        let journal = log.home.journal.clone();
        leave(&held, &env, 0).await;
        let appended = log.append(&batch(1, &["waits"]), Acks::All, 5).unwrap();
        assert!(is_full(soon(&env, appended.ack).await));
        assert!(is_full(soon(&env, journal.checkpoint()).await));
        assert!(is_full(soon(&env, journal.retire()).await));
        assert!(host.dir("data").failure().is_none());
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        env.sleep_ms(3_000).await;
        soon(&env, append(&log, "goes on")).await;
        // Now the slot alone has no room.
        env.sleep_ms(1_000).await;
        leave(&held, &env, 0).await;
        assert!(is_full(soon(&env, journal.checkpoint()).await));
        assert!(host.dir("data").failure().is_none());
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        env.sleep_ms(3_000).await;
        soon(&env, journal.checkpoint()).await.unwrap();
        let found: Vec<String> = values(&log).await.into_iter().map(|(_, value)| value).collect();
        assert_eq!(found, ["the journal is made", "and used", "waits", "goes on"]);
        soon(&env, log.close()).await.unwrap();
    });
}

/// Segments of which compaction leaves one batch.
async fn compactable(host: &LogHost, partition: i32) -> Rc<Log> {
    let log = open_at(host, partition, small()).await;
    for n in 0..100 {
        append(&log, &format!("value {n}")).await;
    }
    log.roll().await.unwrap();
    log
}

async fn compact(log: &Log) -> Result<CompactionReport, CompactError> {
    let job = CompactionJob::new(log.compaction_range(Offset(0), 10), 10);
    log.compact(&job, None).await
}

#[test]
fn a_compaction_goes_on_when_there_is_room_for_its_names() {
    for renames in 0..12 {
        let world = World::new(renames, Faults::NONE);
        let held = world.clone();
        run(&world, async move |env| {
            let log = compactable(&new_host(&env, 0).await, 0).await;
            held.set_renames_left(MachineId::FIRST, renames);
            let later = env.clone();
            env.spawn(async move {
                later.sleep_ms(5_000).await;
                held.set_renames_left(MachineId::FIRST, u64::MAX);
            });
            compact(&log).await.unwrap();
            assert!(log.offline().is_none());
            assert_eq!(values(&log).await, [(99, "value 99".to_owned())]);
        });
    }
}

#[test]
fn a_log_whose_compaction_waits_for_room_can_be_deleted() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let log = compactable(&new_host(&env, 0).await, 0).await;
        held.set_renames_left(MachineId::FIRST, 3);
        let (other, later) = (log.clone(), env.clone());
        let ended = Rc::new(std::cell::Cell::new(false));
        let tell = ended.clone();
        env.spawn(async move {
            later.sleep_ms(5_000).await;
            // There is no room for the new name of its directory, either.
            assert!(is_full(other.delete().await));
            held.set_renames_left(MachineId::FIRST, u64::MAX);
            other.delete().await.unwrap();
            tell.set(true);
        });
        assert!(soon(&env, compact(&log)).await.is_err());
        env.sleep_ms(2_000).await;
        assert!(ended.get());
    });
}

#[test]
fn a_compaction_does_not_begin_what_the_disk_has_no_room_for() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let log = compactable(&new_host(&env, 0).await, 0).await;
        leave(&held, &env, 50).await;
        let error = compact(&log).await.unwrap_err();
        assert!(matches!(error, CompactError::NoRoom { free_bytes: 50, .. }), "{error}");
        assert_eq!(held.counts().disk_full, 0, "nobody met the end of the disk");
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        compact(&log).await.unwrap();
        assert_eq!(values(&log).await, [(99, "value 99".to_owned())]);
    });
}

#[test]
fn two_compactions_do_not_take_the_same_rest_of_the_disk() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let host = new_host(&env, 0).await;
        let logs = [compactable(&host, 0).await, compactable(&host, 1).await];
        let job = CompactionJob::new(logs[0].compaction_range(Offset(0), 10), 10);
        let job = CompactionJob { mode: PassMode::DryRun, ..job };
        let bytes = logs[0].compact(&job, None).await.unwrap().bytes_after;
        let Space { total_bytes, usable_bytes, .. } = space(&env).await;
        // The reserve, and one new form and a half.
        leave(&held, &env, ((total_bytes - usable_bytes) / 32 + bytes * 3 / 2) * 32 / 31).await;
        let told = Rc::new(RefCell::new(Vec::new()));
        for log in &logs {
            let (log, told) = (log.clone(), told.clone());
            env.spawn(async move {
                let compacted = compact(&log).await;
                told.borrow_mut().push(compacted);
            });
        }
        while told.borrow().len() < logs.len() {
            env.sleep_ms(1).await;
        }
        let is_refused = |told: &Result<_, _>| matches!(told, Err(CompactError::NoRoom { .. }));
        let told = told.take();
        let (refused, done): (Vec<_>, Vec<_>) = told.into_iter().partition(is_refused);
        assert!(refused.len() == 1 && done.iter().all(Result::is_ok), "{refused:?} {done:?}");
        assert_eq!(host.counters().promised_bytes.get(), 0, "nothing is kept for longer");
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        for log in &logs {
            compact(log).await.unwrap();
            assert_eq!(values(log).await, [(99, "value 99".to_owned())]);
        }
    });
}

/// A host with a journal of sixteen blocks, and a log that uses it.
async fn small_journal(env: &Env) -> (LogHost, Rc<Log>) {
    let host = new_host(env, 64 << 10).await;
    let log = open_at(&host, 0, LogConfig::default()).await;
    append(&log, "the journal is made").await;
    env.sleep_ms(1_000).await;
    append(&log, "and used").await;
    env.sleep_ms(1_000).await;
    (host, log)
}

/// One value for each of many new logs, none of whose files can be made; those that were stable.
async fn fill_journal(env: &Env, host: &LogHost) -> Vec<(Rc<Log>, bool)> {
    let mut logs = Vec::new();
    for partition in 1..40 {
        let log = open_at(host, partition, LogConfig::default()).await;
        let appended = log.append(&batch(1, &["waits"]), Acks::All, 5).unwrap();
        let acked = soon(env, appended.ack).await;
        assert!(acked.as_ref().err().is_none_or(DiskError::is_full), "{acked:?}");
        logs.push((log, acked.is_ok()));
    }
    logs
}

#[test]
fn a_journal_that_waits_for_room_leaves_nobody_without_an_answer() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let (host, log) = small_journal(&env).await;
        // Bytes are free, so nothing is refused before it is tried.
        held.set_renames_left(MachineId::FIRST, 0);
        let logs = fill_journal(&env, &host).await;
        let stable = logs.iter().filter(|(_, stable)| *stable).count();
        assert!(2 < stable && stable < logs.len(), "{stable}");
        for n in 0..30 {
            soon(&env, append(&log, &format!("by the file {n}"))).await;
        }
        soon(&env, log.settle(0)).await.unwrap();
        let waiting = &logs[logs.len() - 1].0;
        assert!(is_full(soon(&env, waiting.settle(0)).await));
        let again = waiting.append(&batch(1, &["more"]), Acks::All, 5).unwrap_err();
        assert_eq!(
            crate::model::ErrorCode::from(&again),
            crate::model::ErrorCode::NotEnoughReplicas
        );
        held.set_renames_left(MachineId::FIRST, u64::MAX);
        env.sleep_ms(5_000).await;
        for (log, _) in &logs {
            soon(&env, append(log, "goes on")).await;
            assert_eq!(values(log).await, [(0, "waits".to_owned()), (1, "goes on".to_owned())]);
        }
        assert!(!log.home.journal.is_blocked());
        soon(&env, log.close()).await.unwrap();
    });
}

#[test]
fn a_power_cut_while_a_journal_waits_for_room_takes_nothing_stable() {
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let held = world.clone();
    let (logs, stable) = world.block_on(&mut shards, async move |env| {
        let (host, log) = small_journal(&env).await;
        held.set_renames_left(MachineId::FIRST, 0);
        let mut logs = fill_journal(&env, &host).await;
        append(&log, "by the file").await;
        held.set_renames_left(MachineId::FIRST, u64::MAX);
        let stable: Vec<bool> = logs.iter().map(|(_, stable)| *stable).collect();
        logs.push((log, true));
        (logs, stable)
    });
    drop(logs);
    world.power_cut(MachineId::FIRST, shards);
    run(&world, async move |env| {
        let counters = LogMetrics::default();
        let host = LogHost::new(env.clone(), counters, TAIL_BYTES, QUEUE_BYTES, 64 << 10);
        let of = |partition| LogPlace { partition, ..place() };
        let mut replayed =
            replay(&host, "data", LastStop::Unknown, |_, partition| Some(of(partition)))
                .await
                .unwrap();
        replayed.empty(&host.files(), 1).await.unwrap();
        let start = Start::Unclean { recovery_point: None };
        let open = async |at| {
            Log::open(&host, of(at), LogConfig::default(), LeaderEpoch(1), start).await.unwrap()
        };
        let log = open(0).await;
        assert_eq!(values(&log).await.len(), 3);
        for (at, stable) in stable.into_iter().enumerate() {
            let log = open(at as i32 + 1).await;
            let found = values(&log).await;
            assert!(!stable || found == [(0, "waits".to_owned())], "{at}: {found:?}");
        }
    });
}

#[test]
fn what_waits_for_room_in_one_directory_refuses_nobody_in_another() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        for dir in ["data", "other"] {
            env.create_dir_all(dir).await.unwrap();
        }
        env.sync_dir("").await.unwrap();
        let host = LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, 4_000, 0);
        let open_in = async |dir: &str, partition: i32| {
            let place = LogPlace { dir: dir.into(), partition, ..place() };
            let config = LogConfig::default();
            Log::open(&host, place, config, LeaderEpoch(0), Start::New).await.unwrap()
        };
        let (other, beside) = (open_in("other", 0).await, open_in("data", 1).await);
        append(&other, "its files are made").await;
        append(&beside, "its files are made").await;
        let log = open_in("data", 2).await;
        held.set_renames_left(MachineId::FIRST, 0);
        let large = batch(1, &[&"x".repeat(1_000)]);
        let acks: Vec<_> =
            (0..3).map(|_| log.append(&large, Acks::Leader, 5).unwrap().ack).collect();
        for ack in acks {
            assert!(is_full(soon(&env, ack).await));
        }
        assert_eq!(host.queued_bytes(), 0, "it waits for room, so it does not count here");
        let two = batch(1, &[&"x".repeat(2_000)]);
        other.append(&two, Acks::Leader, 5).unwrap().ack.await.unwrap();
        let refused = beside.append(&two, Acks::Leader, 5).unwrap_err();
        assert!(matches!(refused, AppendError::Busy { bytes: 3_000.. }), "{refused}");
        held.set_renames_left(MachineId::FIRST, u64::MAX);
        env.sleep_ms(3_000).await;
        beside.append(&two, Acks::Leader, 5).unwrap().ack.await.unwrap();
        assert_eq!((host.queued_bytes(), log.home.queued.get()), (0, 0));
        assert_eq!(values(&log).await.len(), 3);
    });
}

fn held_place() -> LogPlace {
    LogPlace { partition: 0, ..place() }
}

/// A log that was closed, in a directory that is held for what journals have of it.
async fn held_host(env: &Env, held: InJournals) -> LogHost {
    let log = compactable(&new_host(env, 0).await, 0).await;
    log.close().await.unwrap();
    drop(log);
    let host = new_host(env, JOURNAL_BYTES).await;
    let place = held_place();
    host.note_in_journals([((place.topic_id, place.partition), held)].into());
    host.dir("data").hold(&DiskError::new("write", "a file", IoError::NoSpace));
    host
}

/// Opens it so that retention takes all that it may.
async fn open_held(host: &LogHost) -> Rc<Log> {
    let config = LogConfig { retention_bytes: 0, retention_ms: -1, ..small() };
    let start = Start::Unclean { recovery_point: None };
    Log::open(host, held_place(), config, LeaderEpoch(1), start).await.unwrap()
}

/// What the node does once the journals are empty.
fn release(host: &LogHost) {
    let place = held_place();
    host.forget_in_journals(&[(place.topic_id, place.partition)]);
    host.dir("data").release();
}

#[test]
fn a_held_directory_takes_nothing_and_keeps_what_its_journals_hold() {
    let world = World::new(1, Faults::NONE);
    run(&world, async move |env| {
        let (from, stable_end) = (Offset(50), Offset(100));
        let host = held_host(&env, InJournals { from, stable_end }).await;
        let log = open_held(&host).await;
        let refused = log.append(&batch(1, &["more"]), Acks::All, 5).unwrap_err();
        assert!(matches!(refused, AppendError::DiskFull(_)), "{refused}");
        soon(&env, log.retain(5)).await.unwrap();
        let kept = log.ends().log_start;
        assert!(Offset(0) < kept && kept <= from, "{kept}");
        assert!(is_full(soon(&env, log.retain(5)).await.map(drop)), "a replay would miss the rest");
        release(&host);
        soon(&env, log.retain(5)).await.unwrap();
        assert_eq!(log.ends().log_start, Offset(100));
        append(&log, "goes on").await;
    });
}

#[test]
fn a_log_that_opens_while_its_directory_is_released_is_held_no_longer() {
    for polls in 0..200 {
        let world = World::new(1, Faults::NONE);
        run(&world, async move |env| {
            let (from, stable_end) = (Offset(50), Offset(100));
            let host = held_host(&env, InJournals { from, stable_end }).await;
            let (sender, opened) = oneshot();
            let held = host.clone();
            env.spawn(async move {
                sender.send(open_held(&held).await);
            });
            for _ in 0..polls {
                yield_now().await;
            }
            release(&host);
            let log = opened.await.expect("it is sent");
            assert!(!log.state.borrow().behind.fence.holds_below(stable_end), "{polls}");
            soon(&env, log.retain(5)).await.unwrap();
        });
    }
}

#[test]
fn a_log_below_whose_stable_end_something_is_missing_is_refused_while_journals_wait() {
    let world = World::new(1, Faults::NONE);
    run(&world, async move |env| {
        drop(compactable(&new_host(&env, 0).await, 0).await);
        let host = new_host(&env, 0).await;
        let place = LogPlace { partition: 0, ..place() };
        let held = InJournals { from: Offset(50), stable_end: Offset(101) };
        host.note_in_journals([((place.topic_id, place.partition), held)].into());
        let start = Start::Unclean { recovery_point: None };
        let opened = Log::open(&host, place, small(), LeaderEpoch(1), start).await;
        assert!(matches!(opened, Err(LogError::Short { .. })), "{:?}", opened.err());
    });
}

/// What the disk's end does to settling costs the next recovery time, and nobody anything else.
#[test]
fn a_log_that_cannot_settle_goes_on_and_settles_later() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    let mut shards = world.boot(MachineId::FIRST, 1);
    let (point, total) = world.block_on(&mut shards, async move |env| {
        let host = new_host(&env, 0).await;
        let dense = LogConfig { index_interval_bytes: 100, ..LogConfig::default() };
        let log = open_at(&host, 3, dense).await;
        for n in 0..100 {
            append(&log, &format!("value {n}")).await;
        }
        let mut tries = 0;
        for room in [0, 1, 100] {
            leave(&held, &env, room).await;
            let settled = log.settle(1).await;
            tries += u32::from(is_full(settled));
            assert!(log.offline().is_none(), "with room for {room} bytes");
        }
        assert_eq!(tries, 3, "none of them had room for all of it");
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        append(&log, "after").await;
        log.settle(1).await.unwrap();
        (log.recovery_point(), log.bytes())
    });
    world.crash(MachineId::FIRST, shards);
    run(&world, async move |env| {
        let start = Start::Unclean { recovery_point: Some(point) };
        let log = open(&env, LogConfig::default(), 1, start).await.unwrap();
        assert_eq!(values(&log).await.len(), 101);
        let read = log.recovered().bytes_read;
        assert!(read < total / 4, "{read} of {total} bytes: it had settled");
    });
}

/// However much room there is: a start that cannot write its snapshot serves all the same.
#[test]
fn a_start_that_has_no_room_for_its_snapshot_serves_and_the_next_one_reads_more() {
    const BATCHES: i64 = 100;
    fn long() -> LogConfig {
        LogConfig { index_interval_bytes: 1_000, ..LogConfig::default() }
    }
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, async |env| {
        let host = new_host(&env, 0).await;
        let log = open_at(&host, 3, long()).await;
        // More than is read whole for being small.
        let value = "x".repeat(1_000);
        for n in 0..BATCHES {
            let spec = spec(Some((n % 9, 0, n as i32 / 9)));
            let told = log.append(&batch_of(&spec, 1, &[&value]), Acks::All, 5);
            told.unwrap().ack.await.unwrap();
        }
    });
    world.crash(MachineId::FIRST, shards);
    let before = world.copy_disk(MachineId::FIRST);
    let (mut refused, mut without) = (0, 0);
    for room in (0..4_000).step_by(97) {
        world.restore_disk(MachineId::FIRST, &before);
        for is_full_now in [true, false] {
            let held = world.clone();
            let mut shards = world.boot(MachineId::FIRST, 1);
            let served = world.block_on(&mut shards, async move |env| {
                let bytes = if is_full_now { room } else { u64::MAX / 2 };
                leave(&held, &env, bytes).await;
                let start = Start::Unclean { recovery_point: None };
                let log = match open(&env, long(), 1, start).await {
                    Ok(log) => log,
                    // No room for its indexes: it is opened when there is.
                    Err(LogError::Disk(error)) if error.is_full() && is_full_now => return None,
                    Err(error) => panic!("{error}"),
                };
                assert!(log.offline().is_none());
                let found = values(&log).await.len() as i64;
                assert_eq!(found, BATCHES, "with room for {room} bytes");
                Some(log.state.borrow().on_disk.complete_at == Offset(-1))
            });
            world.crash(MachineId::FIRST, shards);
            world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
            assert!(is_full_now || served == Some(false), "with room it writes all: {room} before");
            refused += u32::from(served.is_none());
            without += u32::from(served == Some(true));
        }
    }
    println!("{refused} starts without room for indexes, {without} without one for a snapshot");
    assert!(0 < refused && 0 < without, "no start met the end of the disk there");
}
