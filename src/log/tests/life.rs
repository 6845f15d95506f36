//! One life of a log: append, read, wait, roll, close, open again, delete.
use std::cell::RefCell;

use super::*;
use crate::env::IoError;
use crate::model::ErrorCode;

#[test]
fn records_come_back_from_memory_and_from_disk() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 4, Start::New).await.unwrap();
        assert!(
            !env.exists("data/flights-3").await.unwrap(),
            "no directory before the first append"
        );
        let mut want = Vec::new();
        for n in 0..300i64 {
            let (a, b) = (format!("a{n}"), format!("b{n}"));
            let appended = log.append(&batch(n * 10, &[&a, &b]), Acks::Leader, 5).unwrap();
            assert_eq!(appended.base_offset, Offset(n * 2));
            want.extend([(n * 2, a), (n * 2 + 1, b)]);
            if n % 7 == 0 {
                appended.ack.await.unwrap();
            }
        }
        log.flush().await.unwrap();
        assert_eq!(values(&log).await, want);
        assert!(5 < log.segment_count());
        let counters = log.host.counters();
        assert!(0 < counters.tail_reads_total.get() && 0 < counters.file_reads_total.get());
        assert!(log.host.tail_bytes() <= TAIL_BYTES);
        assert!(counters.writes_total.get() < 200, "appends of one turn share a write");
        let ends = log.ends();
        assert_eq!((ends.log_end, ends.stable_end), (Offset(600), Offset(600)));
        let (header, _) = read_all(&log).await[0].clone();
        assert_eq!(header.leader_epoch, LeaderEpoch(4));
        log.close().await.unwrap();
        let late = log.append(&batch(1, &["late"]), Acks::Leader, 5).unwrap_err();
        assert!(matches!(late, AppendError::Closed));
        let again = open(&env, small(), 4, Start::Clean).await.unwrap();
        assert_eq!(again.recovered(), &Recovered::default(), "a clean start scans nothing");
        assert_eq!(values(&again).await, want);
        assert_eq!(again.append(&batch(1, &["x"]), Acks::All, 5).unwrap().base_offset, Offset(600));
        again.close().await.unwrap();
        let third = open(&env, small(), 5, Start::Clean).await.unwrap();
        assert_eq!(third.ends().high_watermark, Offset(601));
        assert_eq!(third.end_offset_for(LeaderEpoch(4)), Some((LeaderEpoch(4), Offset(601))));
    });
}

#[test]
fn a_read_keeps_to_its_bounds() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        for n in 0..200i64 {
            let appended =
                log.append(&batch(n, &["some value", "other"]), Acks::Leader, 5).unwrap();
            appended.ack.await.unwrap();
        }
        let size = batch(0, &["some value", "other"]).len_bytes();
        // From the file (old) and from memory (new).
        for from in [1, 11, 30, 381] {
            let read = async |bytes, first, upper| {
                let upper = Offset(upper);
                let found = log.read(Offset(from), bytes, first, upper).await.unwrap();
                let bytes: usize = found.slices.iter().map(|slice| slice.len()).sum();
                (bytes / size, found.more)
            };
            assert_eq!(read(1, FirstBatch::Always, i64::MAX).await, (1, true));
            assert_eq!(read(1, FirstBatch::IfItFits, i64::MAX).await, (0, true));
            assert_eq!(read(3 * size + 5, FirstBatch::Always, i64::MAX).await, (3, true));
            let upper = from / 2 * 2 + 4;
            assert_eq!(read(1 << 20, FirstBatch::Always, upper).await, (2, false), "{from}");
            assert_eq!(read(1 << 20, FirstBatch::Always, from).await, (0, false));
        }
        let error = log.read(Offset(401), 9, FirstBatch::Always, ALL).await.unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::OffsetOutOfRange);
        assert!(log.read(Offset(400), 9, FirstBatch::Always, ALL).await.unwrap().slices.is_empty());
    });
}

#[test]
fn every_answer_to_acks_all_follows_its_sync() {
    answers_follow_syncs(0);
}

#[test]
fn or_its_durable_write_to_the_journal() {
    answers_follow_syncs(128 << 10);
}

fn answers_follow_syncs(journal_bytes: u64) {
    let world = World::new(3, Faults::LEGAL);
    run(&world, async move |env| {
        env.create_dir_all("data").await.unwrap();
        let host = LogHost::new(
            env.clone(),
            LogMetrics::default(),
            TAIL_BYTES,
            QUEUE_BYTES,
            journal_bytes,
        );
        let events = Rc::new(RefCell::new(Vec::new()));
        let sink = events.clone();
        host.set_trace(move |_, event| sink.borrow_mut().push(event));
        let log = Log::open(&host, place(), small(), LeaderEpoch(0), Start::New).await.unwrap();
        for n in 0..200i64 {
            let acks = [Acks::All, Acks::Leader][n as usize % 2];
            let appended = log.append(&batch(n, &["v"]), acks, 5).unwrap();
            let appended2 = log.append(&batch(n, &["w"]), Acks::All, 5).unwrap();
            appended.ack.await.unwrap();
            if n % 3 == 0 {
                appended2.ack.await.unwrap();
            }
        }
        let (mut written, mut synced, mut answers) = (Offset(0), Offset(0), 0);
        for event in events.borrow().iter() {
            match event {
                LogEvent::Written(end) => written = *end,
                LogEvent::Synced(end) | LogEvent::Journaled(end) => synced = synced.max(*end),
                LogEvent::Acked(end, Acks::All) => {
                    assert!(*end <= synced);
                    answers += 1;
                }
                LogEvent::Acked(end, _) => assert!(*end <= written.max(synced)),
            }
        }
        assert!(100 < answers);
        let journal_writes = host.counters().journal_writes_total.get();
        if journal_bytes == 0 {
            assert!(100 < host.counters().syncs_total.get());
            assert_eq!(journal_writes, 0);
        } else {
            assert!(50 < journal_writes, "{journal_writes}");
            assert!(host.counters().checkpoints_total.get() > 1, "it went round");
        }
        // With Kafka's bargain the same answer needs no sync.
        let syncs = host.counters().syncs_total.get();
        log.set_config(LogConfig { flush_on_acks_all: false, ..LogConfig::default() });
        log.append(&batch(9, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
        assert!(host.counters().syncs_total.get() <= syncs + 1);
    });
}

#[test]
fn a_watch_ends_with_the_next_readable_record() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        let (seen, watch) = (Rc::new(RefCell::new(None)), log.watch());
        let (place, watched) = (seen.clone(), log.clone());
        env.spawn(async move {
            watch.await;
            *place.borrow_mut() = Some(watched.ends().high_watermark);
        });
        crate::env::yield_now().await;
        log.append(&batch(1, &["a", "b"]), Acks::All, 5).unwrap().ack.await.unwrap();
        crate::env::yield_now().await;
        crate::env::yield_now().await;
        assert_eq!(*seen.borrow(), Some(Offset(2)));
        let waiting = log.watch();
        log.close().await.unwrap();
        waiting.await;
    });
}

#[test]
fn retries_are_answered_with_the_first_offsets_also_after_a_clean_restart() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        let sent = |n: i32| batch_of(&spec(Some((9, 0, n * 2))), 5, &["x", "y"]);
        for n in 0..8 {
            log.append(&sent(n), Acks::All, 5).unwrap().ack.await.unwrap();
        }
        let error = log.append(&sent(9), Acks::All, 5).unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::OutOfOrderSequenceNumber);
        log.close().await.unwrap();
        let log = open(&env, small(), 1, Start::Clean).await.unwrap();
        for n in 3..8 {
            let again = log.append(&sent(n), Acks::All, 5).unwrap();
            assert!(again.duplicate);
            assert_eq!(again.base_offset, Offset(i64::from(n) * 2));
            assert_eq!(again.last_offset, Offset(i64::from(n) * 2 + 1));
            again.ack.await.unwrap();
        }
        assert_eq!(log.largest_producer_id(), Some(ProducerId(9)));
        assert_eq!(log.append(&sent(8), Acks::All, 5).unwrap().base_offset, Offset(16));
    });
}

#[test]
fn a_failed_sync_takes_the_log_offline_for_good() {
    let faults = Faults { failed_sync_per_1000: 1_000, ..Faults::NONE };
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let log = world.block_on(&mut shards, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["a"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log
    });
    world.set_faults(faults);
    world.block_on(&mut shards, async move |_| {
        let watch = log.watch();
        let appended = log.append(&batch(1, &["b"]), Acks::All, 5).unwrap();
        let later = log.append(&batch(1, &["c"]), Acks::All, 5).unwrap();
        let error = appended.ack.await.unwrap_err();
        assert_eq!((error.action, error.source), ("sync", IoError::EIO));
        assert!(later.ack.await.is_err());
        watch.await;
        assert_eq!(log.ends().high_watermark, Offset(1), "nobody reads what may not be there");
        let error = log.append(&batch(1, &["d"]), Acks::None, 5).unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::KafkaStorageError);
        assert_eq!(values(&log).await, [(0, "a".to_owned())], "what is whole is still read");
        let error = log.read(Offset(1), 9, FirstBatch::Always, Offset(1)).await.unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::KafkaStorageError);
        assert_eq!(log.offset_for_timestamp(0, ALL).await.unwrap().unwrap().offset, Offset(0));
        assert!(log.flush().await.is_err() && log.close().await.is_err());
    });
}

#[test]
fn timestamps_lead_to_offsets() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 2, Start::New).await.unwrap();
        for n in 0..100i64 {
            let mut spec = spec(None);
            spec.codec = [Codec::None, Codec::Zstd][n as usize % 2];
            let time = if n == 50 { 9_000 } else { 1_000 + n * 10 };
            log.append(&batch_of(&spec, time, &["a", "b", "c"]), Acks::Leader, 5).unwrap();
        }
        log.flush().await.unwrap();
        for _ in 0..2 {
            let find = async |time| {
                let hit = log.offset_for_timestamp(time, ALL).await.unwrap();
                hit.map(|hit| (hit.offset.0, hit.timestamp, hit.leader_epoch.0))
            };
            assert_eq!(find(0).await, Some((0, 1_000, 2)));
            assert_eq!(find(1_251).await, Some((76, 1_251, 2)));
            assert_eq!(find(1_253).await, Some((78, 1_260, 2)));
            assert_eq!(find(1_500).await, Some((150, 9_000, 2)));
            assert_eq!(find(9_002).await, Some((152, 9_002, 2)));
            assert_eq!(find(9_003).await, None);
            assert_eq!(log.offset_for_timestamp(9_000, Offset(150)).await.unwrap(), None);
            let max = log.max_timestamp(ALL).await.unwrap().unwrap();
            assert_eq!((max.offset, max.timestamp), (Offset(152), 9_002));
            log.roll().await.unwrap();
        }
    });
}

#[test]
fn append_time_is_stamped_and_survives() {
    let world = quiet_world();
    run(&world, async |env| {
        let config =
            LogConfig { timestamp_type: crate::record::TimestampType::LogAppendTime, ..small() };
        let log = open(&env, config, 0, Start::New).await.unwrap();
        let appended = log.append(&batch(5, &["a", "b"]), Acks::Leader, 7_777).unwrap();
        assert_eq!(appended.log_append_time_ms, 7_777);
        appended.ack.await.unwrap();
        let (_, bytes) = read_all(&log).await.remove(0);
        let records = Records::decode(&bytes, 100).unwrap();
        assert!(records.rows.iter().all(|row| row.timestamp == 7_777));
    });
}

#[test]
fn a_deleted_log_leaves_nothing_and_tells_those_who_wait() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        for n in 0..50 {
            log.append(&batch(n, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
        }
        let waiting = log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack;
        let watch = log.watch();
        log.delete().await.unwrap();
        let error = waiting.await.unwrap_err();
        assert_eq!(ErrorCode::from(&error), ErrorCode::NotLeaderOrFollower, "no failed disk");
        watch.await;
        assert!(!env.exists("data/flights-3").await.unwrap());
        // The files go in the background, later.
        let left = env.list_dir("data").await.unwrap();
        assert!(left.len() == 1 && is_delete_name(&left[0].name), "{left:?}");
        env.sleep_ms(small().file_delete_delay_ms).await;
        while let Some(left) = env.list_dir("data").await.unwrap().pop() {
            assert!(is_delete_name(&left.name), "{left:?}");
        }
        let again = open(&env, small(), 0, Start::New).await.unwrap();
        again.append(&batch(1, &["n"]), Acks::All, 5).unwrap().ack.await.unwrap();
        assert_eq!(values(&again).await, [(0, "n".to_owned())]);
    });
}

#[test]
fn a_directory_of_another_topic_is_refused() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.close().await.unwrap();
        let host = LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, QUEUE_BYTES, 0);
        let other = LogPlace { topic_id: TopicId([8; 16]), ..place() };
        let error = Log::open(&host, other.clone(), small(), LeaderEpoch(0), Start::Clean).await;
        assert!(matches!(error.err().unwrap(), LogError::ForeignTopic { .. }));
        // A new partition of that name puts the old directory out of the way.
        let log = Log::open(&host, other, small(), LeaderEpoch(0), Start::New).await.unwrap();
        log.append(&batch(1, &["n"]), Acks::All, 5).unwrap().ack.await.unwrap();
        assert_eq!(values(&log).await, [(0, "n".to_owned())]);
    });
}

#[test]
fn segments_roll_by_time_and_by_hand() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig { segment_ms_max: 1_000, ..LogConfig::default() };
        let log = open(&env, config, 0, Start::New).await.unwrap();
        for time in [0, 500, 1_000, 1_001, 1_500] {
            log.append(&batch(time, &["v"]), Acks::Leader, 5).unwrap().ack.await.unwrap();
        }
        assert_eq!(log.segment_count(), 2);
        assert_eq!(log.roll().await.unwrap(), Offset(5));
        assert_eq!(log.roll().await.unwrap(), Offset(5), "an empty segment is not closed");
        let mut names: Vec<String> =
            env.list_dir("data/flights-3").await.unwrap().into_iter().map(|e| e.name).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "00000000000000000000.index",
                "00000000000000000000.log",
                "00000000000000000000.timeindex",
                "00000000000000000003.index",
                "00000000000000000003.log",
                "00000000000000000003.snapshot",
                "00000000000000000003.timeindex",
                "00000000000000000005.log",
                "00000000000000000005.snapshot",
                "leader-epoch-checkpoint",
                "partition.metadata",
            ]
        );
    });
}

#[test]
fn a_directory_that_may_be_ours_is_never_put_away() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.close().await.unwrap();
        let twice = open(&env, small(), 0, Start::New).await.unwrap();
        let error = twice.append(&batch(1, &["w"]), Acks::All, 5).unwrap().ack.await.unwrap_err();
        assert_eq!(error.source, IoError::AlreadyExists);
        let log = open(&env, small(), 0, Start::Clean).await.unwrap();
        assert_eq!(values(&log).await, [(0, "v".to_owned())]);
    });
}

#[test]
fn a_log_that_vanished_is_not_taken_for_an_empty_one() {
    let world = quiet_world();
    run(&world, async |env| {
        let start = Start::Unclean { recovery_point: Some(Offset(9)) };
        let error = open(&env, small(), 0, start).await.err().unwrap();
        assert!(matches!(error, LogError::Short { .. }), "{error}");
        let log = open(&env, small(), 0, Start::Unclean { recovery_point: None }).await.unwrap();
        assert_eq!(log.ends().log_end, Offset(0));
    });
}

#[test]
fn a_full_queue_refuses_on_every_log_of_the_shard_until_the_disk_follows() {
    let world = quiet_world();
    run(&world, async |env| {
        env.create_dir_all("data").await.unwrap();
        let host = LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, 300, 0);
        let open = async |place| {
            Log::open(&host, place, small(), LeaderEpoch(0), Start::New).await.unwrap()
        };
        let log = open(place()).await;
        let other = open(LogPlace { partition: place().partition + 1, ..place() }).await;
        let append = |log: &Log| log.append(&batch(1, &["some value"]), Acks::Leader, 5);
        let first = append(&log).unwrap();
        let refused = loop {
            match append(&log) {
                Ok(appended) => drop(appended.ack),
                Err(error) => break error,
            }
        };
        assert_eq!(ErrorCode::from(&refused), ErrorCode::NotEnoughReplicas);
        assert!(matches!(append(&other), Err(AppendError::Busy { .. })));
        assert!(host.queued_bytes() <= 300);
        first.ack.await.unwrap();
        log.flush().await.unwrap();
        append(&other).unwrap().ack.await.unwrap();
        assert_eq!(host.queued_bytes(), 0);
    });
}

/// Whatever lies in the directory: opening gives a log or an error, and the same again.
#[test]
fn garbage_in_any_file_gives_an_error_or_a_log_and_no_panic() {
    crate::sim::each_seed(150, |seed| {
        let world = World::new(seed, Faults::NONE);
        run(&world, async move |env| {
            let mut dice = crate::base::Rng::new(seed);
            let log = open(&env, small(), 0, Start::New).await.unwrap();
            for n in 0..120 {
                let spec = spec(Some((n % 3, 0, n as i32 / 3)));
                drop(
                    log.append(&batch_of(&spec, n, &["some value"]), Acks::Leader, 5).unwrap().ack,
                );
            }
            log.close().await.unwrap();
            let names = env.list_dir("data/flights-3").await.unwrap();
            for _ in 0..1 + dice.below(3) {
                let name = &names[dice.below(names.len() as u64) as usize].name;
                let path = format!("data/flights-3/{name}");
                let file = env.open(&path, crate::env::OpenHow::ReadWrite).await.unwrap();
                let bytes = env.file_bytes(&file).await.unwrap();
                if dice.chance(300) {
                    env.truncate(&file, dice.below(bytes + 1)).await.unwrap();
                } else {
                    let noise: Vec<u8> =
                        (0..1 + dice.below(40)).map(|_| dice.next_u64() as u8).collect();
                    let at = dice.below(bytes + 1);
                    env.write_all_at(&file, at, vec![Bytes::from(noise)]).await.unwrap();
                }
            }
            let start = match dice.below(3) {
                0 => Start::Clean,
                1 => Start::Unclean { recovery_point: None },
                _ => Start::Unclean { recovery_point: Some(Offset(dice.below(121) as i64)) },
            };
            let Ok(log) = open(&env, small(), 1, start).await else { return };
            let ends = log.ends();
            let mut from = ends.log_start;
            while from < ends.log_end {
                let read = log.read(from, 500, FirstBatch::Always, ends.log_end).await;
                let Ok(found) = read else { break };
                let bytes = Bytes::from(found.slices.concat());
                let Scanned::Batch(header, _) = next_batch(&bytes) else { break };
                from = header.next_offset();
            }
            let _ = log.offset_for_timestamp(60, ALL).await;
            let _ = log.max_timestamp(ALL).await;
            let job = CompactionJob::new(log.compaction_range(Offset(0), 5), 5);
            let _ = log.compact(&job, None).await;
            drop(log.append(&batch(5, &["v"]), Acks::All, 5).unwrap().ack.await);
            let _ = log.close().await;
        });
    });
}
