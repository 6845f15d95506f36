//! Compaction of logs with batches that cannot be unpacked: they stay, and hold nobody up.
use super::compaction::{HOUR_MS, compacted, pass};
use super::*;
use crate::record::{Limits, Zstd};

const MEMORY_BYTES: usize = 4_000;

fn config() -> LogConfig {
    let segment_bytes_max = 1 << 20;
    LogConfig { decompressed_bytes_max: MEMORY_BYTES, segment_bytes_max, ..compacted() }
}

fn append(log: &Log, spec: &BatchSpec, records: &[(&str, Option<&str>)]) {
    let mut builder = BatchBuilder::new(spec);
    for (at, (key, value)) in records.iter().enumerate() {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        builder.push(Offset(at as i64), 1, key, value, []).unwrap();
    }
    drop(log.append(&builder.finish_checked().unwrap(), Acks::Leader, 5).unwrap().ack);
}

/// Keys of all records with their offsets, but for batches of more than one.
async fn kept(log: &Log) -> Vec<String> {
    let mut out = Vec::new();
    for (header, bytes) in read_all(log).await {
        let Ok(records) = Records::decode(&bytes, 1 << 20) else {
            out.push(format!("{} garbage", header.base_offset.0));
            continue;
        };
        match &records.rows[..] {
            [row] => {
                let key = String::from_utf8(records.key(row).unwrap().to_vec()).unwrap();
                out.push(format!("{} {key}", row.offset.0));
            }
            rows => out.push(format!("{} of {}", header.base_offset.0, rows.len())),
        }
    }
    out
}

/// As a plain topic takes them: one that unpacks to much, one of many records, one of garbage.
fn append_unreadable(log: &Log, kind: usize) {
    match kind {
        0 => {
            let large = "x".repeat(2 * MEMORY_BYTES);
            let spec = BatchSpec { codec: Codec::Zstd, ..spec(None) };
            append(log, &spec, &[("gone", Some(&large))]);
        }
        1 => append(log, &spec(None), &[("gone", Some("v")); 200]),
        _ => {
            let stored = batch_of(&BatchSpec { codec: Codec::Zstd, ..spec(None) }, 1, &["v"; 9]);
            let mut bytes = stored.bytes().to_vec();
            let end = bytes.len();
            bytes[end - 9..].fill(0x5a);
            let crc = crate::base::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            let limits = Limits { batch_bytes_max: 1 << 20, zstd: Zstd::Allowed };
            let batch = CheckedBatch::parse(Bytes::from(bytes), &limits).unwrap();
            drop(log.append(&batch, Acks::Leader, 5).unwrap().ack);
        }
    }
}

#[test]
fn a_batch_that_cannot_be_unpacked_stays_and_the_others_are_compacted() {
    for kind in 0..3 {
        run(&quiet_world(), async move |env| {
            let log = open(&env, config(), 0, Start::New).await.unwrap();
            for key in ["a", "b", "a"] {
                append(&log, &spec(None), &[(key, Some("v"))]);
            }
            append_unreadable(&log, kind);
            append(&log, &spec(None), &[("b", Some("v"))]);
            let end = log.roll().await.unwrap();
            let report = pass(&log, 1_000, 0, 100).await;
            assert_eq!((report.clean_end, report.unseen_batches), (end, 1));
            let left = kept(&log).await;
            assert_eq!(left.len(), 3, "{left:?}");
            assert_eq!((&left[0][..], &left[1][..2]), ("2 a", "3 "), "{left:?}");
            assert!(left[2].ends_with(" b"));
            // Another pass changes nothing.
            let report = pass(&log, 2_000, end.0, 100).await;
            assert_eq!((report.dropped, kept(&log).await), (0, left));
        });
    }
}

/// Were it gone, a key's old value in such a batch would come back.
#[test]
fn a_tombstone_behind_a_batch_that_cannot_be_unpacked_stays() {
    for kind in 0..3 {
        run(&quiet_world(), async move |env| {
            let log = open(&env, config(), 0, Start::New).await.unwrap();
            append(&log, &spec(None), &[("before", None)]);
            append_unreadable(&log, kind);
            append(&log, &spec(None), &[("gone", None)]);
            append(&log, &spec(None), &[("last", Some("v"))]);
            let end = log.roll().await.unwrap();
            for now_ms in [1_000, 1_000 + HOUR_MS, 1_000 + 2 * HOUR_MS] {
                pass(&log, now_ms, 0, 100).await;
            }
            let left = kept(&log).await;
            let has = |key: &str| left.iter().any(|record| record.ends_with(key));
            assert!(!has(" before") && has(" gone") && has(" last"), "{end}: {left:?}");
        });
    }
}

#[test]
fn aborted_records_go_although_their_batch_cannot_be_unpacked() {
    for records in [1, 200] {
        run(&quiet_world(), async move |env| {
            let log = open(&env, config(), 0, Start::New).await.unwrap();
            let value = "x".repeat(2 * MEMORY_BYTES / records);
            let mut data = spec(Some((7, 0, 0)));
            (data.codec, data.transactional) = (Codec::Zstd, true);
            append(&log, &data, &vec![("k", Some(&value[..])); records]);
            let mut builder = BatchBuilder::new(&BatchSpec {
                control: true,
                transactional: true,
                ..spec(Some((7, 0, -1)))
            });
            builder.push(Offset(0), 1, Some(&[0, 0, 0, 0]), Some(&[0; 6]), []).unwrap();
            drop(log.append(&builder.finish_checked().unwrap(), Acks::Leader, 5).unwrap().ack);
            append(&log, &spec(None), &[("last", Some("v"))]);
            log.roll().await.unwrap();
            log.close().await.unwrap();
            // Only replay reads marks.
            let log = open(&env, config(), 1, Start::Unclean { recovery_point: None }).await;
            let log = log.unwrap();
            pass(&log, 1_000, 0, 100).await;
            let found = read_all(&log).await;
            let data = found.iter().filter(|(header, _)| !header.is_control());
            let bytes: usize = data.map(|(_, bytes)| bytes.len()).sum();
            assert!(bytes < 200, "{bytes} bytes");
        });
    }
}
