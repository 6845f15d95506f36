//! Which segments go, one rule at a time, and what becomes of their files.
use super::*;
use crate::model::ErrorCode;
use crate::observe::RemovalReason;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Nothing goes by itself.
fn keeping() -> LogConfig {
    LogConfig { retention_ms: -1, ..small() }
}

/// A log of `batches` batches of one record, a minute apart from `first_ms` on, all stable.
async fn filled(env: &Env, config: LogConfig, batches: i64, first_ms: i64) -> Rc<Log> {
    let log = open(env, config, 0, Start::New).await.unwrap();
    for n in 0..batches {
        let time = if first_ms < 0 { -1 } else { first_ms + n * 60_000 };
        drop(log.append(&batch(time, &["some value"]), Acks::Leader, 5).unwrap().ack);
    }
    log.flush().await.unwrap();
    log
}

/// Bases of the segments, by their files' names.
async fn bases(env: &Env) -> Vec<i64> {
    let names = env.list_dir("data/flights-3").await.unwrap();
    let logs = names.iter().filter_map(|entry| entry.name.strip_suffix(".log"));
    logs.map(|digits| digits.parse().unwrap()).collect()
}

#[test]
fn the_oldest_segments_go_until_the_rest_fits() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = filled(&env, keeping(), 200, 0).await;
        let before = bases(&env).await;
        assert!(5 < before.len(), "{before:?}");
        let total = log.bytes();
        assert!(!log.has_expired(0));
        let segment = total / before.len() as u64;
        log.set_config(LogConfig { retention_bytes: (3 * segment) as i64, ..keeping() });
        assert!(log.has_expired(0));
        let removed = log.retain(0).await.unwrap();
        let [(RemovalReason::Size, count)] = removed.segments[..] else { panic!("{removed:?}") };
        assert_eq!(log.bytes() + removed.bytes, total);
        assert!(3 * segment <= log.bytes(), "never less than what is to be kept");
        assert_eq!(bases(&env).await, before[count as usize..], "names are gone at once");
        assert_eq!(removed.log_start.0, before[count as usize]);
        assert_eq!(log.ends().log_start, removed.log_start);
        assert_eq!(values(&log).await.len() as i64, 200 - removed.log_start.0);
        assert!(!log.has_expired(0));
        let again = log.retain(0).await.unwrap();
        assert!(again.segments.is_empty(), "{again:?}");
    });
}

#[test]
fn segments_go_when_their_newest_record_is_too_old() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = filled(&env, keeping(), 200, 0).await;
        let before = bases(&env).await;
        log.set_config(LogConfig { retention_ms: HOUR_MS, ..keeping() });
        // The newest record of the first segment is exactly an hour old: not more.
        let edge = (before[1] - 1) * 60_000 + HOUR_MS;
        assert!(!log.has_expired(edge));
        let removed = log.retain(edge + 1).await.unwrap();
        assert_eq!(removed.segments, [(RemovalReason::Time, 1)]);
        assert_eq!(removed.log_start.0, before[1]);
        // A clock that goes back keeps all, one that goes far ahead keeps nothing.
        assert!(log.retain(-HOUR_MS).await.unwrap().segments.is_empty());
        let removed = log.retain(1_000 * HOUR_MS).await.unwrap();
        assert_eq!(removed.segments, [(RemovalReason::Time, before.len() as u64 - 1)]);
        assert_eq!(bases(&env).await, [200], "one empty segment stays");
        assert_eq!(log.ends().log_start, Offset(200));
        assert!(!log.has_expired(i64::MAX), "and it stays for ever");
        log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
        assert_eq!(values(&log).await, [(200, "v".to_owned())]);
        log.close().await.unwrap();
        let again = open(&env, keeping(), 1, Start::Clean).await.unwrap();
        assert_eq!(again.ends().log_start, Offset(200));
        assert_eq!(values(&again).await, [(200, "v".to_owned())]);
    });
}

#[test]
fn a_record_of_the_future_keeps_its_segment_and_those_behind_it() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig { retention_ms: HOUR_MS, ..keeping() };
        let log = filled(&env, config, 60, 0).await;
        let middle = log.ends().log_end;
        log.append(&batch(9_000 * HOUR_MS, &["v"]), Acks::Leader, 5).unwrap();
        for n in 0..60 {
            log.append(&batch(n, &["some value"]), Acks::Leader, 5).unwrap();
        }
        log.flush().await.unwrap();
        log.retain(1_000 * HOUR_MS).await.unwrap();
        let start = log.ends().log_start;
        assert!(Offset(0) < start && start <= middle, "{start}");
    });
}

#[test]
fn records_without_a_time_have_that_of_their_file() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig { retention_ms: HOUR_MS, ..keeping() };
        let log = filled(&env, config, 100, -1).await;
        let now_ms = env.wall_ms();
        assert!(log.has_expired(now_ms), "it has to look at the file");
        assert!(log.retain(now_ms + HOUR_MS).await.unwrap().segments.is_empty());
        assert!(!log.has_expired(now_ms + HOUR_MS), "the first segment's file is known now");
        let removed = log.retain(now_ms + HOUR_MS + 60_000).await.unwrap();
        assert_eq!(removed.log_start, Offset(100), "the active segment goes, too");
        assert_eq!(bases(&env).await, [100]);
    });
}

#[test]
fn below_the_log_start_segments_go_under_every_policy() {
    for deletes in [true, false] {
        let world = quiet_world();
        run(&world, async move |env| {
            let config = LogConfig { deletes, ..keeping() };
            let log = filled(&env, config.clone(), 200, 0).await;
            let before = bases(&env).await;
            log.delete_records(Some(Offset(before[3] + 1))).await.unwrap();
            let removed = log.retain(0).await.unwrap();
            assert_eq!(removed.segments, [(RemovalReason::LogStart, 3)]);
            assert_eq!(bases(&env).await, before[3..]);
            assert_eq!(log.ends().log_start, Offset(before[3] + 1), "inside of a segment");
            // Size and time count with `delete` only.
            log.set_config(LogConfig { retention_ms: 1, retention_bytes: 1, ..config });
            assert_eq!(log.has_expired(1_000 * HOUR_MS), deletes);
            // The active segment never goes for this reason.
            log.delete_records(None).await.unwrap();
            log.set_config(LogConfig { deletes, ..keeping() });
            log.retain(0).await.unwrap();
            assert_eq!(bases(&env).await, before[before.len() - 1..]);
            assert_eq!(log.start_line(), Some(Offset(200)));
        });
    }
}

#[test]
fn removed_files_keep_their_last_name_for_a_while() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig { file_delete_delay_ms: 500, ..keeping() };
        let log = filled(&env, config.clone(), 200, 0).await;
        let before = bases(&env).await.len();
        log.set_config(LogConfig { retention_bytes: 0, ..config });
        log.retain(0).await.unwrap();
        let deleted = async |suffix: &str| {
            let names = env.list_dir("data/flights-3").await.unwrap();
            names.iter().filter(|entry| entry.name.ends_with(suffix)).count()
        };
        assert_eq!(deleted(".log.deleted").await, before);
        let start = env.now().0;
        while 0 < deleted(".deleted").await {
            assert!(env.now().0 - start < 1_000_000_000, "they stay");
            env.sleep_ms(10).await;
        }
        assert!(490_000_000 < env.now().0 - start, "they go too early");
    });
}

#[test]
fn what_cannot_be_read_yet_is_not_removed() {
    let world = quiet_world();
    let mut shards: Vec<Shard> = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, async |env| {
        let log = filled(&env, keeping(), 100, 0).await;
        log.set_config(LogConfig { retention_bytes: 0, ..keeping() });
        for n in 0..100 {
            drop(log.append(&batch(n, &["some value"]), Acks::All, 5).unwrap().ack);
        }
        let readable = log.ends().high_watermark;
        assert_eq!(readable, Offset(100), "nothing of it is written yet");
        let removed = log.retain(0).await.unwrap();
        assert!(removed.log_start <= readable, "{removed:?}");
        log.flush().await.unwrap();
        assert_eq!(log.retain(0).await.unwrap().log_start, Offset(200));
    });
}

#[test]
fn a_reader_that_falls_behind_is_told_so() {
    let world = World::new(7, Faults::LEGAL);
    run(&world, async |env| {
        let log = filled(&env, keeping(), 400, 0).await;
        let upper = log.ends().high_watermark;
        log.set_config(LogConfig { retention_bytes: 0, ..keeping() });
        let removal = log.clone();
        env.spawn(async move { drop(removal.retain(0).await.unwrap()) });
        let mut told = 0;
        while log.ends().log_start < upper || told == 0 {
            let from = Offset((env.random() % 400) as i64);
            match log.read(from, 1, FirstBatch::Always, upper).await {
                Ok(found) => assert!(!found.slices.is_empty()),
                Err(error) => {
                    assert_eq!(ErrorCode::from(&error), ErrorCode::OffsetOutOfRange, "{error}");
                    told += 1;
                }
            }
            let _ = log.offset_for_timestamp(from.0 * 60_000, upper).await.unwrap();
            let _ = log.max_timestamp(upper).await.unwrap();
        }
    });
}

#[test]
fn segments_of_one_age_close_at_different_moments_with_jitter() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig {
            segment_ms_max: 1_000,
            segment_jitter_ms_max: 900,
            retention_ms: -1,
            ..LogConfig::default()
        };
        let log = open(&env, config, 0, Start::New).await.unwrap();
        for time in 0..20_000 {
            log.append(&batch(time, &["v"]), Acks::Leader, 5).unwrap().ack.await.unwrap();
        }
        log.flush().await.unwrap();
        let bases = bases(&env).await;
        let spans: Vec<i64> = bases.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(spans.iter().all(|span| (100..=1_001).contains(span)), "{spans:?}");
        let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
        assert!(300 < most - least, "{spans:?}");
    });
}
