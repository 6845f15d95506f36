//! Formats and rules that need no disk.
use std::time::{Duration, Instant};

use super::*;
use crate::log::checkpoint::*;
use crate::log::index::{OffsetIndex, TimeIndex};
use crate::log::producers::{Producers, Verdict};
use crate::log::progress::{Need, Progress};
use crate::log::snapshot::Pieces;
use crate::model::ErrorCode;
use crate::record::{ControlKind, ControlRecord};

#[test]
fn an_index_finds_the_entry_at_or_before() {
    let mut index = OffsetIndex::default();
    for n in 1..=10 {
        index.push(n * 10, n * 100);
    }
    assert_eq!((index.floor(9), index.floor(10), index.floor(19)), (0, 100, 100));
    let bytes = index.encode();
    assert_eq!(OffsetIndex::decode(&bytes, 1_001), Some(index));
    assert_eq!(OffsetIndex::decode(&bytes, 1_000), None, "behind the end of the log");
    assert_eq!(OffsetIndex::decode(&bytes[1..], 2_000), None);
    assert_eq!(OffsetIndex::decode(&[bytes.clone(), vec![0; 8]].concat(), 2_000), None);
    let mut times = TimeIndex::default();
    times.push_if_later(50, 3);
    times.push_if_later(50, 4);
    times.push_if_later(70, 9);
    assert_eq!((times.floor(49), times.floor(50), times.floor(71)), (0, 3, 9));
    assert_eq!(TimeIndex::decode(&times.encode()), Some(times));
}

#[test]
fn epochs_answer_as_kafka_does() {
    let mut cache = EpochCache::default();
    for (epoch, start) in [(2, 0), (4, 10), (7, 30)] {
        assert!(cache.assign(LeaderEpoch(epoch), Offset(start)));
    }
    assert!(!cache.assign(LeaderEpoch(7), Offset(35)));
    let answer = |epoch| {
        let found = cache.end_offset_for(LeaderEpoch(epoch), Offset(50));
        found.map(|(epoch, end)| (epoch.0, end.0))
    };
    assert_eq!(answer(7), Some((7, 50)));
    assert_eq!(answer(8), None);
    assert_eq!(answer(5), Some((4, 30)));
    assert_eq!(answer(2), Some((2, 10)));
    assert_eq!(answer(1), Some((1, 0)));
    assert_eq!(cache.epoch_of(Offset(29)), Some(LeaderEpoch(4)));
    assert_eq!(cache.encode(), "0\n3\n2 0\n4 10\n7 30\n");
    assert_eq!(EpochCache::decode(&cache.encode()), Some(cache.clone()));
    assert_eq!(EpochCache::decode("0\n2\n2 0\n"), None);
    // An epoch that wrote nothing is replaced by the next one.
    cache.assign(LeaderEpoch(8), Offset(50));
    cache.assign(LeaderEpoch(9), Offset(50));
    assert_eq!(cache.latest().map(|latest| latest.epoch), Some(LeaderEpoch(9)));
    assert_eq!(cache.entries().len(), 4);
}

#[test]
fn checkpoints_are_kafkas_text() {
    let line = |topic: &str, partition, offset| CheckpointLine {
        topic: topic.into(),
        partition,
        offset: Offset(offset),
    };
    let lines = vec![line("a.b", 0, 5), line("__x", 12, 0)];
    let text = encode_offsets(&lines);
    assert_eq!(text, "0\n2\na.b 0 5\n__x 12 0\n");
    assert_eq!(decode_offsets(&text), Some(lines));
    assert_eq!(decode_offsets("0\n1\na 0\n"), None);
    assert_eq!(decode_offsets("1\n0\n"), None);
    let id = TopicId([9; 16]);
    assert_eq!(encode_metadata(id), "version: 0\ntopic_id: CQkJCQkJCQkJCQkJCQkJCQ");
    assert_eq!(decode_metadata(&encode_metadata(id)), Some(id));
    assert_eq!(decode_metadata("version: 0\n"), None);
}

/// A header as the log would store it.
fn header(id: i64, epoch: i16, sequence: i32, count: i32, base: i64) -> Header {
    let names: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut header = *batch_of(&spec(Some((id, epoch, sequence))), 5, &names).header();
    header.base_offset = Offset(base);
    header
}

fn code(producers: &Producers, header: &Header) -> ErrorCode {
    match producers.check(header) {
        Ok(Verdict::Append) => ErrorCode::None,
        Ok(Verdict::Duplicate(_)) => ErrorCode::DuplicateSequenceNumber,
        Err(error) => ErrorCode::from(&error),
    }
}

/// The file that a snapshot comes to.
fn encode(producers: &Producers) -> Vec<u8> {
    let view = producers.view();
    let mut pieces = Pieces::of(&view);
    let rows: Vec<u8> = std::iter::from_fn(|| pieces.piece()).flatten().collect();
    [&pieces.head()[..], &rows].concat()
}

#[test]
fn sequences_follow_kafkas_rules() {
    let mut producers = Producers::default();
    assert_eq!(code(&producers, &header(1, 0, 77, 1, 0)), ErrorCode::None, "nothing known");
    for n in 0..7 {
        let batch = header(1, 3, n * 2, 2, i64::from(n) * 2);
        assert_eq!(code(&producers, &batch), ErrorCode::None);
        producers.note(&batch, 0);
    }
    // Sequences 4..14 are the newest five batches.
    assert_eq!(code(&producers, &header(1, 3, 2, 2, 0)), ErrorCode::OutOfOrderSequenceNumber);
    let Ok(Verdict::Duplicate(seen)) = producers.check(&header(1, 3, 4, 2, 0)) else { panic!() };
    assert_eq!(seen.base_offset(), Offset(4));
    assert_eq!(code(&producers, &header(1, 3, 4, 1, 0)), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(code(&producers, &header(1, 3, 15, 1, 0)), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(code(&producers, &header(1, 2, 14, 1, 0)), ErrorCode::InvalidProducerEpoch);
    assert_eq!(code(&producers, &header(1, 4, 14, 1, 0)), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(code(&producers, &header(1, 4, 0, 1, 0)), ErrorCode::None);
    // The largest sequence is followed by 0, also within a batch.
    producers.note(&header(2, 0, i32::MAX - 1, 1, 90), 0);
    assert_eq!(code(&producers, &header(2, 0, i32::MAX, 3, 91)), ErrorCode::None);
    producers.note(&header(2, 0, i32::MAX, 3, 91), 0);
    assert_eq!(code(&producers, &header(2, 0, 2, 1, 94)), ErrorCode::None);
    let again = snapshot::decode(&encode(&producers), 0).unwrap();
    assert_eq!(again, producers, "a snapshot keeps the whole window");
}

#[test]
fn a_damaged_snapshot_is_no_snapshot() {
    let mut producers = Producers::default();
    for n in 0..3 {
        producers.note(&header(n, 0, 0, 1, n), 0);
    }
    let bytes = encode(&producers);
    assert_eq!(snapshot::decode(&bytes, 0), Some(producers));
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert_eq!(snapshot::decode(&bad, 0), None, "byte {at}");
        assert_eq!(snapshot::decode(&bytes[..at], 0), None, "cut at {at}");
    }
}

#[test]
fn silent_producers_are_forgotten_and_the_number_is_bounded() {
    let mut producers = Producers::default();
    for n in 0..100 {
        producers.note(&header(n, 0, 0, 1, n), n);
    }
    producers.expire(110, 100, 1_000);
    assert_eq!(producers.len(), 89);
    producers.expire(110, 1_000, 16);
    assert_eq!(producers.len(), 73, "some at once");
    for _ in 0..9 {
        producers.expire(110, 1_000, 16);
    }
    assert_eq!(producers.len(), 16);
    let left = |id: &i64| producers.get(ProducerId(*id)).is_some();
    assert_eq!((0..100).filter(left).min(), Some(84), "the longest silent go");
}

/// Each bound is some hundred times what it takes, and some times less than a walk over all.
#[test]
fn what_an_append_or_a_reader_asks_does_not_grow_with_the_producers() {
    let mut producers = Producers::default();
    let mut one = header(0, 0, 0, 1, 0);
    for id in 0..100_000 {
        one.producer_id = ProducerId(id * 7_919 % 100_003);
        producers.note(&one, 0);
    }
    let begin = Instant::now();
    for id in 0..1_000 {
        one.producer_id = ProducerId(id);
        assert_eq!(producers.first_unstable(), None);
        producers.expire(1, 1_000, 100_000);
        producers.note(&one, 1);
    }
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    let begin = Instant::now();
    let views: Vec<_> = (0..50).map(|_| producers.view()).collect();
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    let longest = {
        let mut pieces = Pieces::of(&views[0]);
        std::iter::from_fn(|| pieces.piece()).map(|piece| piece.len()).max()
    };
    assert!(longest <= Some(256 << 10), "{longest:?} bytes are made at once");
}

#[test]
fn the_oldest_open_transaction_is_known_through_marks_and_epochs() {
    let mut producers = Producers::default();
    let begins = |id, base| {
        let mut begins = header(id, 0, 0, 1, base);
        begins.set_transactional();
        begins
    };
    for (id, base) in [(1, 30), (2, 10), (3, 20)] {
        producers.note(&begins(id, base), 0);
    }
    assert_eq!(producers.first_unstable(), Some(Offset(10)));
    producers.expire(1_000, 10, 0);
    assert_eq!(producers.len(), 3, "who has an open transaction stays");
    let mut mark = header(2, 0, 0, 1, 40);
    mark.set_control();
    let ended = ControlRecord { kind: ControlKind::Commit, coordinator_epoch: 0 };
    producers.replay(&mark, Some(ended), 0);
    assert_eq!(producers.first_unstable(), Some(Offset(20)));
    producers.expire(1_000, 10, 0);
    assert_eq!(producers.len(), 2, "its transaction has ended");
}

#[test]
fn the_high_watermark_is_the_longest_prefix_that_has_what_it_needs() {
    let mut progress = Progress::new(Offset(0), Offset(0));
    progress.appended(Offset(2), Need::Safe);
    progress.appended(Offset(4), Need::Stable);
    progress.appended(Offset(6), Need::Safe);
    progress.written(Offset(2));
    assert_eq!(progress.high_watermark, Offset(2));
    progress.written(Offset(6));
    assert_eq!(progress.high_watermark, Offset(2), "acks=all is not stable, the rest waits");
    progress.synced(Offset(4));
    assert_eq!(progress.high_watermark, Offset(6));
    progress.appended(Offset(8), Need::Stable);
    progress.written(Offset(8));
    progress.synced(Offset(8));
    assert_eq!(progress.high_watermark, Offset(8));
}
