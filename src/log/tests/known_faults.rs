//! Compaction where users of Kafka's log cleaner met faults; the numbers are Kafka's.
use std::collections::BTreeSet;

use super::compaction::{HOUR_MS, compacted, pass};
use super::foreign::segment;
use super::*;
use crate::record::TimestampType;

/// Appends one batch; no value: a tombstone.
fn append(log: &Log, spec: &BatchSpec, time: i64, records: &[(&str, Option<&str>)]) {
    let mut builder = BatchBuilder::new(spec);
    for (at, (key, value)) in records.iter().enumerate() {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        builder.push(Offset(at as i64), time, key, value, []).unwrap();
    }
    drop(log.append(&builder.finish_checked().unwrap(), Acks::Leader, 5).unwrap().ack);
}

/// Keys and timestamps of all records.
async fn kept(log: &Log) -> Vec<(String, i64)> {
    let mut out = Vec::new();
    for (_, bytes) in read_all(log).await {
        let records = Records::decode(&bytes, 1 << 20).unwrap();
        let text = |row| String::from_utf8(records.key(row).unwrap().to_vec()).unwrap();
        out.extend(records.rows.iter().map(|row| (text(row), row.timestamp)));
    }
    out
}

/// KAFKA-5413, KAFKA-6264: offsets in an index are 31 bits.
#[test]
fn segments_far_apart_do_not_become_one() {
    let world = quiet_world();
    run(&world, async |env| {
        let far = i64::from(i32::MAX);
        let bases = [0, 1_000, far - 50, far - 1, far + 300, 3 * far];
        for base in bases {
            segment(&env, base, "", &[base, base + 10]).await;
        }
        let start = Start::Unclean { recovery_point: Some(Offset(3 * far)) };
        let log = open(&env, compacted(), 1, start).await.unwrap();
        let end = log.roll().await.unwrap();
        assert_eq!(end, Offset(3 * far + 11));
        let newest: BTreeSet<i64> = {
            let offsets = bases.iter().flat_map(|base| [*base, base + 10]);
            (0..7).filter_map(|key| offsets.clone().filter(|at| at % 7 == key).max()).collect()
        };
        let report = pass(&log, 1_000, 0, 100).await;
        assert_eq!(report.segments_after, 4, "those that end within 2^31 of a base are one");
        let found = read_all(&log).await;
        let offsets = found.iter().filter(|(header, _)| 0 < header.record_count);
        let offsets: BTreeSet<i64> = offsets.map(|(header, _)| header.base_offset.0).collect();
        assert_eq!(offsets, newest);
        log.close().await.unwrap();
        let start = Start::Unclean { recovery_point: Some(end) };
        let log = open(&env, compacted(), 2, start).await.unwrap();
        assert_eq!((log.ends().log_end, read_all(&log).await.len()), (end, found.len()));
    });
}

/// KAFKA-8522: passes that rewrite a tombstone's batch for another reason put its end off.
#[test]
fn a_tombstone_goes_in_its_time_however_often_its_batch_is_rewritten() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        let first = [("t", None), ("0", Some("v")), ("1", Some("v")), ("2", Some("v"))];
        append(&log, &spec(None), 1, &first);
        log.roll().await.unwrap();
        let (mut first_dirty, begin_ms) = (0, 1_000_000);
        for (round, key) in ["0", "1", "2", "0"].into_iter().enumerate() {
            let now_ms = begin_ms + [0, HOUR_MS / 2, HOUR_MS - 1, HOUR_MS][round];
            first_dirty = pass(&log, now_ms, first_dirty, 100).await.clean_end.0;
            let is_there = kept(&log).await.iter().any(|(key, _)| key == "t");
            assert_eq!(is_there, round < 3, "round {round}");
            append(&log, &spec(None), 1, &[(key, Some("newer"))]);
            log.roll().await.unwrap();
        }
    });
}

/// KAFKA-5490 keeps each producer's last batch, without records; somebody must take it away.
#[test]
fn what_stayed_for_a_producer_goes_when_the_producer_is_forgotten() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig { producer_expiration_ms: 10_000, ..compacted() };
        let log = open(&env, config, 0, Start::New).await.unwrap();
        for producer in 0..3 {
            append(&log, &spec(Some((producer, 0, 0))), 1, &[("k", Some("v"))]);
        }
        append(&log, &spec(None), 1, &[("k", Some("newest"))]);
        log.roll().await.unwrap();
        assert_eq!(pass(&log, 1_000, 0, 100).await.empty_batches, 3);
        // Another pass has nothing to do, and does nothing.
        let report = pass(&log, 2_000, 4, 100).await;
        assert_eq!((report.bytes_written, read_all(&log).await.len()), (0, 4));
        env.sleep_ms(20_000).await;
        for sequence in 0..2 {
            append(&log, &spec(Some((9, 0, sequence))), 1, &[("k", Some("v"))]);
            env.sleep_ms(700_000).await;
        }
        assert_eq!(log.producer_count(), 1);
        pass(&log, 3_000, 4, 100).await;
        assert_eq!(read_all(&log).await.len(), 1 + 2, "those of no producer, and the active ones");
    });
}

/// The base timestamp of a batch is its delete horizon from a pass on: no record's time may move.
#[test]
fn no_time_of_a_record_changes_with_its_delete_horizon() {
    for kind in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
        let world = quiet_world();
        run(&world, async move |env| {
            let config = LogConfig { timestamp_type: kind, ..compacted() };
            let log = open(&env, config, 0, Start::New).await.unwrap();
            for (at, time) in [-1, 0, 1 << 50, i64::MAX].into_iter().enumerate() {
                let keys = [format!("t{at}"), format!("k{at}")];
                append(&log, &spec(None), time, &[(&keys[0], None), (&keys[1], Some("v"))]);
            }
            log.roll().await.unwrap();
            let before = kept(&log).await;
            for now_ms in [1_000, 2_000] {
                pass(&log, now_ms, 0, 100).await;
                assert_eq!(kept(&log).await, before);
            }
            let stamped = read_all(&log).await;
            let horizons = stamped.iter().map(|(header, _)| header.delete_horizon_ms());
            assert_eq!(horizons.collect::<Vec<_>>(), [Some(1_000 + HOUR_MS); 4]);
            pass(&log, 1_000 + HOUR_MS, 0, 100).await;
            let mut left = before;
            left.retain(|(key, _)| key.starts_with('k'));
            assert_eq!(kept(&log).await, left);
        });
    }
}

/// KAFKA-8764: a boundary that lies in a hole, or outside of the log, made the cleaner spin.
#[test]
fn a_boundary_anywhere_leads_to_one_pass_and_no_more() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        for _ in 0..100 {
            append(&log, &spec(None), 1, &[("a", Some("v")), ("b", Some("v"))]);
        }
        let end = log.roll().await.unwrap();
        pass(&log, 1_000, 0, 100).await;
        // There is nothing below 198 any more; 1,000 was in a log that was restored since.
        for boundary in [-5, 0, 17, 197, 1_000] {
            let found = log.cleanable(Offset(boundary), 0);
            assert!(found.range.first_dirty <= found.range.end && found.range.end == end);
            let clean_end = pass(&log, 1_000, boundary, 100).await.clean_end;
            let after = log.cleanable(clean_end, 0);
            assert_eq!((clean_end, after.dirty_bytes), (end, 0), "from {boundary}");
            assert!(!log.has_closed_behind(clean_end));
        }
        assert_eq!(kept(&log).await.len(), 2);
    });
}
