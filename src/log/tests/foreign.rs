//! Directories as Apache Kafka leaves them when it is killed, and what a start makes of them.
use super::compaction::pass;
use super::*;
use crate::log::index::{OffsetEntry, OffsetIndex};
use crate::log::names::{LOG, SWAP, file_path};
use crate::record::Stamp;

const DIR: &str = "data/flights-3";
/// The first offset that a segment of base 0 has no room for.
const FULL: i64 = i32::MAX as i64 + 1;

/// A batch of one record at each offset.
pub fn batches_at(offsets: &[i64]) -> Vec<u8> {
    let stored = offsets.iter().map(|offset| {
        let mut builder = BatchBuilder::new(&spec(None));
        let (key, value) = (format!("k{}", offset % 7), format!("v{offset}"));
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        builder.push(Offset(0), 1, key, value, []).unwrap();
        let batch = builder.finish_checked().unwrap().stamp(&Stamp {
            base_offset: Offset(*offset),
            leader_epoch: LeaderEpoch(0),
            append_time_ms: None,
        });
        [&batch.head[..], &batch.body[..]].concat()
    });
    stored.collect::<Vec<_>>().concat()
}

/// Writes a segment's file.
pub async fn segment(env: &Env, base: i64, ending: &str, offsets: &[i64]) {
    env.create_dir_all(DIR).await.unwrap();
    let path = format!("{}{ending}", file_path(DIR, Offset(base), LOG));
    Files::unwatched(env).write_whole(&path, batches_at(offsets)).await.unwrap();
}

/// Segments behind Kafka's cleaner: it took their ends, and all of one. The last grows.
pub const CLEANED: [(i64, &[i64]); 5] =
    [(0, &[0, 20, 60]), (100, &[100, 130]), (200, &[]), (300, &[310, 311]), (400, &[400])];

async fn cleaned(env: &Env) -> Vec<i64> {
    for (base, offsets) in CLEANED {
        segment(env, base, "", offsets).await;
    }
    CLEANED.iter().flat_map(|(_, offsets)| offsets.iter().copied()).collect()
}

async fn offsets(log: &Log) -> Vec<i64> {
    values(log).await.into_iter().map(|(offset, _)| offset).collect()
}

#[test]
fn what_kafkas_cleaner_took_between_segments_is_no_torn_tail() {
    for point in [None, Some(50), Some(80), Some(150), Some(400), Some(401)] {
        run(&quiet_world(), async move |env| {
            let want = cleaned(&env).await;
            let start = Start::Foreign { recovery_point: point.map(Offset) };
            let log = open(&env, small(), 1, start).await.unwrap();
            assert_eq!(offsets(&log).await, want, "{point:?}");
            let recovered = log.recovered();
            assert_eq!((recovered.segments_dropped, recovered.bytes_cut), (0, 0));
            drop(log);
            // From now on it is ours, and holes are still no tears.
            let log = open(&env, small(), 2, Start::Unclean { recovery_point: None }).await;
            assert_eq!(offsets(&log.unwrap()).await, want, "{point:?}");
        });
    }
}

#[test]
fn an_interrupted_replacement_of_kafkas_may_end_early() {
    run(&quiet_world(), async |env| {
        segment(&env, 0, "", &[0, 1, 2, 20, 60]).await;
        segment(&env, 0, SWAP, &[2, 20]).await;
        segment(&env, 100, "", &[100, 130]).await;
        segment(&env, 200, "", &[200]).await;
        let log = open(&env, small(), 1, Start::Foreign { recovery_point: Some(Offset(90)) }).await;
        let log = log.unwrap();
        assert_eq!(log.recovered().swaps_completed, 1);
        assert_eq!(offsets(&log).await, [2, 20, 100, 130, 200]);
    });
}

#[test]
fn bad_bytes_in_a_segment_of_kafkas_end_the_log_there_as_in_kafka() {
    for (point, refused) in [(50, false), (150, true)] {
        run(&quiet_world(), async move |env| {
            cleaned(&env).await;
            let path = file_path(DIR, Offset(0), LOG);
            let file = env.open(&path, crate::env::OpenHow::ReadWrite).await.unwrap();
            let end = env.file_bytes(&file).await.unwrap();
            env.write_all_at(&file, end, vec![Bytes::from_static(&[7; 30])]).await.unwrap();
            let start = Start::Foreign { recovery_point: Some(Offset(point)) };
            match open(&env, small(), 1, start).await {
                Err(LogError::Corrupt { position, .. }) => assert!(refused && position == end),
                Err(error) => panic!("{error}"),
                Ok(log) => {
                    assert!(!refused);
                    assert_eq!(offsets(&log).await, [0, 20, 60]);
                    assert_eq!(log.recovered().segments_dropped, 4);
                }
            }
        });
    }
}

/// A power cut may take the end of a file that was just closed, or a name: what follows goes.
#[test]
fn a_gap_in_what_we_wrote_is_a_torn_tail() {
    run(&quiet_world(), async |env| {
        cleaned(&env).await;
        let start = Start::Unclean { recovery_point: Some(Offset(100)) };
        let log = open(&env, small(), 1, start).await.unwrap();
        assert_eq!(offsets(&log).await, [0, 20, 60, 100, 130]);
        assert_eq!(log.recovered().segments_dropped, 3);
    });
}

/// `logmill log repair --cut-corruption` cuts at the damage that it names, and nowhere before.
#[test]
fn a_repair_takes_no_hole_before_the_damage_for_a_tear() {
    run(&quiet_world(), async |env| {
        cleaned(&env).await;
        let path = file_path(DIR, Offset(300), LOG);
        let file = env.open(&path, crate::env::OpenHow::ReadWrite).await.unwrap();
        let bytes = env.file_bytes(&file).await.unwrap();
        env.write_all_at(&file, bytes - 1, vec![Bytes::from_static(&[7])]).await.unwrap();
        let start = Start::Unclean { recovery_point: Some(Offset(400)) };
        let error = open(&env, small(), 1, start).await.err().unwrap();
        let LogError::Corrupt { path, position, .. } = error else { panic!("{error}") };
        let (_, base) = cut_away(&env, DIR, &path, position, "save").await.unwrap();
        let again = Start::Unclean { recovery_point: Some(base) };
        let log = open(&env, small(), 1, again).await.unwrap();
        assert_eq!(offsets(&log).await, [0, 20, 60, 100, 130, 310]);
    });
}

/// Kafka closes a segment when the next offset would not fit 31 bits; the largest number fits.
#[test]
fn the_last_offset_that_fits_an_index_is_no_damage() {
    for start in [
        Start::Foreign { recovery_point: None },
        Start::Unclean { recovery_point: None },
        Start::Clean,
    ] {
        run(&quiet_world(), async move |env| {
            segment(&env, 0, "", &[0, 2, FULL - 1]).await;
            let config = LogConfig { index_interval_bytes: 0, ..small() };
            let log = open(&env, config.clone(), 1, start).await.unwrap();
            assert_eq!(offsets(&log).await, [0, 2, FULL - 1], "{start:?}");
            log.append(&batch(1, &["next"]), Acks::All, 5).unwrap().ack.await.unwrap();
            assert_eq!(log.segment_count(), 2);
            log.roll().await.unwrap();
            pass(&log, 1_000, 0, 100).await;
            log.close().await.unwrap();
            let log = open(&env, config, 2, Start::Clean).await.unwrap();
            assert_eq!(offsets(&log).await, [0, 2, FULL - 1, FULL]);
        });
    }
    let relative = i32::MAX as u32;
    let index = OffsetIndex { entries: vec![OffsetEntry { relative, position: 9 }] };
    assert_eq!(OffsetIndex::decode(&index.encode(), 10), Some(index));
}
