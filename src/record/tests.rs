//! Batches: built, checked, walked, compressed; and every byte wrong once.
use super::*;
use crate::base::{Bytes, Rng};
use crate::model::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

const LIMITS: Limits = Limits { batch_bytes_max: 1 << 20, zstd: Zstd::Allowed };
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn sample(codec: Codec, count: i64) -> Bytes {
    let producer = Some((ProducerId(7), ProducerEpoch(1), 40));
    let spec = BatchSpec { codec, producer, ..BatchSpec::default() };
    let mut builder = BatchBuilder::new(&spec);
    for n in 0..count {
        let key = format!("key-{n}");
        let headers: [(&[u8], Option<&[u8]>); 3] =
            [(b"h", Some(b"1")), (b"h", None), (b"", Some(b""))];
        let value = (n % 5 != 4).then_some(b"a value that repeats, repeats, repeats".as_slice());
        builder.push(Offset(n), 1_000 + n * 3, Some(key.as_bytes()), value, headers).unwrap();
    }
    builder.finish().unwrap()
}

fn refused(bytes: Vec<u8>) -> ErrorCode {
    let error = CheckedBatch::parse(Bytes::from(bytes), &LIMITS).unwrap_err();
    ErrorCode::from(&error)
}

/// Changes a header field and repairs the checksum.
fn with(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let bytes = sample(Codec::None, 3);
    let mut header = Header::decode(&bytes).unwrap();
    change(&mut header);
    let mut out = header.encode_with_crc(&bytes[HEADER_BYTES..]).to_vec();
    out.extend_from_slice(&bytes[HEADER_BYTES..]);
    out
}

#[test]
fn every_codec_gives_the_records_back() {
    for codec in CODECS {
        let bytes = sample(codec, 1_000);
        let batch = CheckedBatch::parse(bytes.clone(), &LIMITS).unwrap();
        assert_eq!(batch.header().codec(), Some(codec));
        let records = Records::decode(&bytes, 1 << 20).unwrap();
        assert_eq!(records.rows.len(), 1_000);
        let row = &records.rows[999];
        assert_eq!((row.offset, row.timestamp), (Offset(999), 1_000 + 999 * 3));
        assert_eq!(records.key(row), Some(b"key-999".as_slice()));
        assert_eq!(records.value(row), None);
        let headers: Vec<_> = records.headers(row).collect();
        assert_eq!(headers.len(), 3);
        assert_eq!(records.last_header(row, b"h"), Some(None));
        assert_eq!(records.last_header(row, b"no"), None);
        assert_eq!(batch.header().max_timestamp, 1_000 + 999 * 3);
        assert_eq!(batch.header().last_sequence(), 40 + 999);
    }
}

#[test]
fn decompression_stops_at_the_bound() {
    for codec in CODECS {
        let body = vec![0u8; 1 << 20];
        let packed = compress(codec, &body, None).unwrap();
        assert_eq!(decompress(codec, &packed, 1 << 20).unwrap(), body);
        let error = decompress(codec, &packed, (1 << 20) - 1).unwrap_err();
        assert_eq!(error, CodecError::TooLarge { max: (1 << 20) - 1 }, "{codec:?}");
    }
}

#[test]
fn raw_snappy_of_other_clients_is_read() {
    let packed = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
    assert_eq!(decompress(Codec::Snappy, &packed, 100).unwrap(), b"hello hello hello");
}

#[test]
fn each_wrong_shape_has_kafkas_error() {
    let good = sample(Codec::None, 3).to_vec();
    assert_eq!(refused(Vec::new()), ErrorCode::InvalidRecord);
    assert_eq!(refused(good[..60].to_vec()), ErrorCode::CorruptMessage);
    assert_eq!(refused(good[..good.len() - 1].to_vec()), ErrorCode::CorruptMessage);
    assert_eq!(refused([good.clone(), good.clone()].concat()), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.magic = 1)), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.base_offset = Offset(5))), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.record_count = 4)), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.record_count = 0)), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.set_control())), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.base_sequence = -1)), ErrorCode::InvalidRecord);
    assert_eq!(refused(with(|h| h.attributes |= 7)), ErrorCode::UnsupportedCompressionType);
    assert_eq!(refused(with(|h| h.batch_length = 3)), ErrorCode::CorruptMessage);
    assert_eq!(refused(with(|h| h.batch_length = -3)), ErrorCode::CorruptMessage);
    let small = Limits { batch_bytes_max: 80, zstd: Zstd::Allowed };
    let error = CheckedBatch::parse(Bytes::from(good.clone()), &small).unwrap_err();
    assert_eq!(ErrorCode::from(&error), ErrorCode::MessageTooLarge);
    let old = Limits { zstd: Zstd::Refused, ..LIMITS };
    let error = CheckedBatch::parse(sample(Codec::Zstd, 1), &old).unwrap_err();
    assert_eq!(ErrorCode::from(&error), ErrorCode::UnsupportedCompressionType);
    for at in 21..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        refused(bytes);
    }
}

#[test]
fn a_stamp_changes_the_header_and_shares_the_body() {
    let batch = CheckedBatch::parse(sample(Codec::None, 3), &LIMITS).unwrap();
    let at = Stamp { base_offset: Offset(500), leader_epoch: LeaderEpoch(9), append_time_ms: None };
    let stored = batch.stamp(&at);
    assert_eq!(stored.body.as_ptr(), batch.bytes()[HEADER_BYTES..].as_ptr(), "not copied");
    let whole = Bytes::from([stored.head.as_ref(), stored.body.as_ref()].concat());
    let header = Header::decode(&whole).unwrap();
    assert!(crc_holds(&header, &whole), "offset and epoch lie outside of the checksum");
    assert_eq!((header.base_offset, header.leader_epoch), (Offset(500), LeaderEpoch(9)));
    let stored = batch.stamp(&Stamp { append_time_ms: Some(77_777), ..at });
    let whole = Bytes::from([stored.head.as_ref(), stored.body.as_ref()].concat());
    assert!(crc_holds(&stored.header, &whole));
    let records = Records::decode(&whole, 1 << 20).unwrap();
    assert!(records.rows.iter().all(|row| row.timestamp == 77_777));
    assert_eq!(records.rows[2].offset, Offset(502));
}

#[test]
fn timestamps_are_held_against_the_topics_rule() {
    let batch = CheckedBatch::parse(sample(Codec::None, 3), &LIMITS).unwrap();
    let rule = |kind| TimestampRule { kind, before_max_ms: i64::MAX, after_max_ms: 100 };
    assert!(batch.check_timestamps(&rule(TimestampType::CreateTime), 1_000).is_ok());
    let error = batch.check_timestamps(&rule(TimestampType::CreateTime), 800).unwrap_err();
    assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidTimestamp);
    assert!(batch.check_timestamps(&rule(TimestampType::LogAppendTime), 0).is_ok());
}

#[test]
fn a_smaller_batch_keeps_what_names_it() {
    let bytes = sample(Codec::Lz4, 10);
    let records = Records::decode(&bytes, 1 << 20).unwrap();
    let mut builder = BatchBuilder::like(&records.header, Some(50_000));
    for row in [&records.rows[2], &records.rows[4]] {
        builder.push_row(&records, row).unwrap();
    }
    let smaller = builder.finish().unwrap();
    let again = Records::decode(&smaller, 1 << 20).unwrap();
    let (old, new) = (&records.header, &again.header);
    assert_eq!(old.last_offset(), new.last_offset());
    assert_eq!((old.base_sequence, old.producer_id), (new.base_sequence, new.producer_id));
    assert_eq!(new.delete_horizon_ms(), Some(50_000));
    assert_eq!(new.max_timestamp, records.rows[4].timestamp);
    for (before, after) in [(2, 0), (4, 1)] {
        let (before, after) = (&records.rows[before], &again.rows[after]);
        assert_eq!((before.offset, before.timestamp), (after.offset, after.timestamp));
        assert_eq!(records.value(before), again.value(after));
        assert_eq!(
            records.headers(before).collect::<Vec<_>>(),
            again.headers(after).collect::<Vec<_>>()
        );
    }
    let empty = empty_batch(&records.header);
    assert_eq!(empty.len(), HEADER_BYTES);
    let header = Header::decode(&empty).unwrap();
    assert!(crc_holds(&header, &empty));
    assert_eq!(header.last_sequence(), records.header.last_sequence());
    assert!(Records::decode(&empty, 0).unwrap().rows.is_empty());
}

#[test]
fn hostile_bytes_give_errors_and_bounded_memory() {
    let mut rng = Rng::new(1);
    for round in 0..20_000 {
        let codec = CODECS[rng.below(5) as usize];
        let mut bytes = sample(codec, 1 + (round % 3)).to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
        }
        if rng.chance(200) {
            bytes.truncate(rng.below(bytes.len() as u64) as usize);
        }
        let bytes = Bytes::from(bytes);
        let _ = CheckedBatch::parse(bytes.clone(), &LIMITS);
        let _ = next_batch(&bytes);
        if let Ok(records) = Records::decode(&bytes, 64 << 10) {
            assert!(records.held_bytes() < 8 << 20);
            for row in &records.rows {
                let _ = (records.key(row), records.value(row), records.headers(row).count());
            }
        }
    }
}

#[test]
fn varints_are_inverse_and_bounded() {
    let mut rng = Rng::new(3);
    for round in 0..10_000u32 {
        let value = (rng.next_u64() as i64) >> (round % 64);
        let mut out = Vec::new();
        varint::write_long(&mut out, value);
        assert_eq!(out.len(), varint::long_bytes(value));
        assert_eq!(varint::read_long(&out, &mut 0), Ok(value));
        assert!(varint::read_long(&out[..out.len() - 1], &mut 0).is_err());
    }
    assert!(varint::read_long(&[0xff; 11], &mut 0).is_err());
    assert!(varint::read_int(&[0xff, 0xff, 0xff, 0xff, 0xff, 1], &mut 0).is_err());
}

#[test]
fn control_marks_are_read() {
    let spec = BatchSpec { control: true, transactional: true, ..BatchSpec::default() };
    let mut builder = BatchBuilder::new(&spec);
    let value = [0, 0, 0, 0, 0, 12];
    builder.push(Offset(0), 5, Some(&[0, 0, 0, 1]), Some(&value), []).unwrap();
    let records = Records::decode(&builder.finish().unwrap(), 1_000).unwrap();
    let mark = ControlRecord::of(&records).unwrap();
    assert_eq!(mark, ControlRecord { kind: ControlKind::Commit, coordinator_epoch: 12 });
}
