//! When records are synced that nobody asked to sync: `flush.messages` and `flush.ms`.
use super::*;

fn flushing(flush_messages: i64, flush_ms: i64) -> LogConfig {
    LogConfig { flush_messages, flush_ms, ..LogConfig::default() }
}

fn syncs(log: &Log) -> u64 {
    log.host.counters().syncs_total.get()
}

/// Appends one record and waits for its acks.
async fn put(log: &Log, acks: Acks) {
    log.append(&batch(5, &["a"]), acks, 5).unwrap().ack.await.unwrap();
}

#[test]
fn every_so_many_records_the_log_is_synced_before_the_last_is_answered() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, flushing(10, i64::MAX), 0, Start::New).await.unwrap();
        for count in 1..=25u64 {
            put(&log, Acks::Leader).await;
            assert_eq!(syncs(&log), count / 10, "after {count}");
            if count % 10 == 0 {
                assert_eq!(log.ends().stable_end, Offset(count as i64));
            }
        }
        // What acks=all had synced does not count again.
        put(&log, Acks::All).await;
        let before = syncs(&log);
        for _ in 0..9 {
            put(&log, Acks::Leader).await;
        }
        assert_eq!(syncs(&log), before);
        put(&log, Acks::Leader).await;
        assert_eq!((syncs(&log), log.ends().stable_end), (before + 1, Offset(36)));
        // A batch of many records reaches it alone, and nobody reads it before.
        let many = ["a"; 12];
        let appended = log.append(&batch(5, &many), Acks::None, 5).unwrap();
        assert_eq!(log.ends().high_watermark, Offset(36));
        while log.ends().high_watermark < Offset(48) {
            log.watch().await;
        }
        assert_eq!(log.ends().stable_end, Offset(48));
        drop(appended);
        assert!(log.host.flushes.is_idle(), "without flush.ms nothing waits");
    });
}

#[test]
fn a_record_is_synced_when_it_is_flush_ms_old_and_then_all_is_quiet() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, flushing(i64::MAX, 1_000), 0, Start::New).await.unwrap();
        for _ in 0..5 {
            put(&log, Acks::Leader).await;
        }
        env.sleep_ms(900).await;
        put(&log, Acks::Leader).await;
        assert_eq!((syncs(&log), log.ends().stable_end), (0, Offset(0)));
        env.sleep_ms(200).await;
        assert_eq!((syncs(&log), log.ends().stable_end), (1, Offset(6)));
        assert!(log.host.flushes.is_idle(), "an idle log waits for nothing");
        env.sleep_ms(3_600_000).await;
        assert_eq!(syncs(&log), 1);
        // Synced by acks=all meanwhile: its moment costs no second sync.
        put(&log, Acks::Leader).await;
        put(&log, Acks::All).await;
        env.sleep_ms(2_000).await;
        assert_eq!((syncs(&log), log.ends().stable_end), (2, Offset(8)));
    });
}

#[test]
fn a_changed_flush_ms_holds_for_what_is_there() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, flushing(i64::MAX, i64::MAX), 0, Start::New).await.unwrap();
        put(&log, Acks::Leader).await;
        env.sleep_ms(1_000_000).await;
        assert_eq!(syncs(&log), 0);
        log.set_config(flushing(i64::MAX, 50_000));
        log.set_config(flushing(i64::MAX, 500));
        env.sleep_ms(600).await;
        assert_eq!((syncs(&log), log.ends().stable_end), (1, Offset(1)));
        log.set_config(flushing(i64::MAX, 0));
        put(&log, Acks::Leader).await;
        env.sleep_ms(100).await;
        assert_eq!(log.ends().stable_end, Offset(2));
        assert!(log.host.flushes.is_idle());
        // A log that goes away leaves no moment behind.
        log.set_config(flushing(i64::MAX, 1 << 40));
        put(&log, Acks::Leader).await;
        let host = log.host.clone();
        assert!(!host.flushes.is_idle());
        log.delete().await.unwrap();
        drop(log);
        env.sleep_ms(1).await;
        assert!(host.flushes.is_idle());
    });
}
