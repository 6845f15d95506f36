//! The log start offset: moved, written down, and what a crash makes of it.
use super::*;
use crate::log::checkpoint::{CheckpointLine, LOG_START_OFFSETS, read_offsets, write_offsets};
use crate::model::ErrorCode;

/// Opens the log as a start of the broker does: with what the checkpoint says.
pub async fn open_listed(
    env: &Env,
    config: LogConfig,
    epoch: i32,
    start: Start,
) -> Result<Rc<Log>, LogError> {
    let host = new_host(env, 0).await;
    let lines = read_offsets(env, "data", LOG_START_OFFSETS).await.unwrap();
    host.list_starts("data", lines.unwrap_or_default());
    Log::open(&host, place(), config, LeaderEpoch(epoch), start).await
}

/// Writes down where the log begins, as the shard does before it answers.
pub async fn keep_start(env: &Env, log: &Log) {
    let line = log.start_line().map(|offset| CheckpointLine {
        topic: place().topic,
        partition: place().partition,
        offset,
    });
    let lines: Vec<CheckpointLine> = line.into_iter().collect();
    write_offsets(&Files::unwatched(env), "data", LOG_START_OFFSETS, &lines).await.unwrap();
}

async fn filled(env: &Env, batches: i64) -> Rc<Log> {
    let log = open(env, small(), 0, Start::New).await.unwrap();
    for n in 0..batches {
        log.append(&batch(n, &["some value"]), Acks::Leader, 5).unwrap().ack.await.unwrap();
    }
    log
}

#[test]
fn deleted_records_are_gone_at_once_and_after_any_end() {
    for end in ["close", "kill", "power"] {
        let world = quiet_world();
        let mut shards: Vec<Shard> = world.boot(MachineId::FIRST, 1);
        world.block_on(&mut shards, async move |env| {
            let log = filled(&env, 100).await;
            assert_eq!(log.delete_records(Some(Offset(70))).await.unwrap(), Offset(70));
            assert_eq!(log.delete_records(Some(Offset(60))).await.unwrap(), Offset(70));
            assert_eq!(values(&log).await.len(), 30);
            let error = log.read(Offset(69), 1, FirstBatch::Always, Offset(100)).await.unwrap_err();
            assert_eq!(ErrorCode::from(&error), ErrorCode::OffsetOutOfRange);
            let wrong = log.delete_records(Some(Offset(101))).await.unwrap_err();
            assert_eq!(ErrorCode::from(&wrong), ErrorCode::OffsetOutOfRange);
            let hit = log.offset_for_timestamp(0, Offset(100)).await.unwrap().unwrap();
            assert_eq!(hit.offset, Offset(70));
            keep_start(&env, &log).await;
            if end == "close" {
                log.close().await.unwrap();
            }
        });
        match end {
            "power" => world.power_cut(MachineId::FIRST, shards),
            _ => world.crash(MachineId::FIRST, shards),
        }
        run(&world, async move |env| {
            let start = match end {
                "close" => Start::Clean,
                _ => Start::Unclean { recovery_point: None },
            };
            let log = open_listed(&env, small(), 1, start).await.unwrap();
            let ends = log.ends();
            assert_eq!((ends.log_start, ends.log_end), (Offset(70), Offset(100)), "{end}");
            assert_eq!(values(&log).await.len(), 30);
            let files = env.list_dir("data/flights-3").await.unwrap();
            let gone = files.iter().all(|file| file.name != "00000000000000000000.log");
            assert!(gone, "segments below are dropped: {files:?}");
            log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
            assert_eq!(log.ends().log_end, Offset(101));
        });
    }
}

#[test]
fn what_is_deleted_is_stable_first_so_that_no_log_ends_below_its_start() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = filled(&env, 3).await;
        assert_eq!(log.ends().stable_end, Offset(0), "acks=1 waits for no sync");
        log.delete_records(None).await.unwrap();
        assert_eq!(log.ends().stable_end, Offset(3));
    });
}

#[test]
fn epochs_below_the_start_are_forgotten() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = filled(&env, 10).await;
        for epoch in [3, 5] {
            log.set_leader_epoch(LeaderEpoch(epoch));
            log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
        }
        assert_eq!(log.epoch_of(Offset(4)), Some(LeaderEpoch(0)));
        log.delete_records(Some(Offset(10))).await.unwrap();
        assert_eq!(log.epoch_of(Offset(9)), None);
        assert_eq!(log.epoch_of(Offset(10)), Some(LeaderEpoch(3)));
        log.delete_records(None).await.unwrap();
        // The newest epoch stays, for who asks where it ends.
        assert_eq!(log.end_offset_for(LeaderEpoch(5)), Some((LeaderEpoch(5), Offset(12))));
        assert_eq!(log.epoch_of(Offset(12)), Some(LeaderEpoch(5)));
    });
}

/// As Apache Kafka may leave it after a power cut: the end is below what was deleted.
#[test]
fn a_log_that_ends_below_its_start_goes_on_at_the_start() {
    for batches in [0, 1, 50] {
        let world = quiet_world();
        run(&world, async move |env| {
            let log = filled(&env, batches).await;
            log.close().await.unwrap();
            let line = CheckpointLine {
                topic: place().topic,
                partition: place().partition,
                offset: Offset(77),
            };
            write_offsets(&Files::unwatched(&env), "data", LOG_START_OFFSETS, &[line])
                .await
                .unwrap();
            for (epoch, more) in [(1, 1), (2, 2), (3, 3)] {
                let start = match epoch {
                    2 => Start::Clean,
                    _ => Start::Unclean { recovery_point: None },
                };
                let log = open_listed(&env, small(), epoch, start).await.unwrap();
                assert_eq!(log.ends().log_start, Offset(77));
                assert_eq!(log.ends().log_end, Offset(76 + more));
                log.append(&batch(1, &["v"]), Acks::All, 5).unwrap().ack.await.unwrap();
                assert_eq!(values(&log).await.len() as i64, more);
                if epoch == 1 {
                    log.close().await.unwrap();
                }
            }
        });
    }
}

#[test]
fn a_new_partition_begins_at_0_whatever_the_checkpoint_says() {
    let world = quiet_world();
    run(&world, async |env| {
        env.create_dir_all("data").await.unwrap();
        let (topic, partition) = (place().topic, place().partition);
        let line = CheckpointLine { topic, partition, offset: Offset(77) };
        write_offsets(&Files::unwatched(&env), "data", LOG_START_OFFSETS, &[line]).await.unwrap();
        let log = open_listed(&env, small(), 0, Start::New).await.unwrap();
        let ends = log.ends();
        assert_eq!((ends.log_start, ends.log_end), (Offset(0), Offset(0)));
        assert_eq!(log.start_line(), None);
    });
}
