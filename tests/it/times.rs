//! Timestamps: whose they are, which are accepted, and offsets found by them, beside Apache Kafka.
//!
//! Owns: `message.timestamp.*`, ListOffsets over several segments.
//! Leaves to others: special values by version (`answers`), the search itself (`log`).
use std::collections::BTreeSet;

use logmill::base::Bytes;
use logmill::model::Offset;
use logmill::record::{BatchBuilder, BatchSpec, Codec, HEADER_BYTES, Header, TimestampType};
use logmill::wire::generated::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use logmill::wire::generated::list_offsets_response::ListOffsetsResponse;

use crate::client::{Kafka, batch};
use crate::harness::broker::Broker;
use crate::harness::{Tier, skipped_below};

const HOUR_MS: i64 = 3_600_000;

fn pair() -> (Broker, Broker) {
    (Broker::logmill(&[]), Broker::kafka(&[]))
}

fn now_ms() -> i64 {
    Header::decode(&batch(&[(None, "a")])).expect("a batch").max_timestamp
}

/// A record at each of these times.
fn at_times(codec: Codec, timestamp_type: TimestampType, times: &[i64]) -> Bytes {
    let spec = BatchSpec { codec, timestamp_type, ..BatchSpec::default() };
    let mut builder = BatchBuilder::new(&spec);
    for (at, time) in times.iter().enumerate() {
        let pushed = builder.push(Offset(at as i64), *time, Some(b"k"), Some(b"v"), []);
        pushed.expect("a small record");
    }
    builder.finish().expect("a batch")
}

/// The same batch with another largest timestamp in its header.
fn lying(batch: &Bytes, max_timestamp: i64) -> Bytes {
    let mut header = Header::decode(batch).expect("a batch");
    header.max_timestamp = max_timestamp;
    let head = header.encode_with_crc(&batch[HEADER_BYTES..]);
    [&head, &batch[HEADER_BYTES..]].concat().into()
}

fn settled(kafka: &mut Kafka, topic: &str) {
    let not_yet = [3, 6];
    while not_yet.contains(&kafka.put(topic, 0, batch(&[(None, "first")])).error_code) {}
}

#[test]
fn times_are_accepted_stamped_and_refused_as_by_kafka() {
    if skipped_below(Tier::Test, "timestamps beside Apache Kafka") {
        return;
    }
    let (ours, peer) = pair();
    let connect = |broker: &Broker| Kafka::connect(broker.port, "times");
    let (mut ours, mut peer) = (connect(&ours), connect(&peer));
    let now = now_ms();
    let narrow = [
        ("message.timestamp.before.max.ms", "3600000"),
        ("message.timestamp.after.max.ms", "60000"),
    ];
    let stamped = [narrow[0], narrow[1], ("message.timestamp.type", "LogAppendTime")];
    let (create, append) = (TimestampType::CreateTime, TimestampType::LogAppendTime);
    let plain = |times: &[i64]| at_times(Codec::None, create, times);
    let batches: Vec<(&str, Bytes)> = vec![
        ("now", plain(&[now, now + 5, now - 5])),
        ("an hour ahead and more", plain(&[now, now + HOUR_MS + 600_000])),
        ("a little ahead", plain(&[now + HOUR_MS / 2])),
        ("two hours ago", plain(&[now, now - 2 * HOUR_MS, now + 1, 5])),
        ("without times", plain(&[-1, -1])),
        ("some without times", plain(&[-1, now])),
        ("two hours ago, packed", at_times(Codec::Gzip, create, &[now - 2 * HOUR_MS, now])),
        ("stamped by its client", at_times(Codec::None, append, &[now, now])),
        ("stamped by its client, packed", at_times(Codec::Lz4, append, &[now, now])),
        ("a largest time that is too late", lying(&plain(&[now, now + 3]), now + 9 * HOUR_MS)),
        ("a largest time that is too early", lying(&plain(&[now, now + 3]), now - 9)),
    ];
    for (topic, configs) in [("usual", &[][..]), ("narrow", &narrow[..]), ("stamped", &stamped[..])]
    {
        for kafka in [&mut ours, &mut peer] {
            kafka.create_topic(topic, 1, configs);
            settled(kafka, topic);
        }
        for (what, batch) in &batches {
            let mut told = Vec::new();
            for kafka in [&mut ours, &mut peer] {
                let answer = kafka.put(topic, 0, batch.clone());
                let rows: Vec<i32> = answer.record_errors.iter().map(|e| e.batch_index).collect();
                let stored = *kafka.batches(topic, 0).last().expect("the first record");
                let times = match topic {
                    "stamped" => (0, 0),
                    _ => (stored.base_timestamp, stored.max_timestamp),
                };
                let append_time = answer.log_append_time_ms == -1;
                told.push((answer.error_code, answer.base_offset, append_time, rows, times));
            }
            // Of a packed batch the records are not looked at: they are not named.
            if what.ends_with("packed") {
                told.iter_mut().for_each(|answer| answer.3.clear());
            }
            // The first record's time is that of each broker's own first Produce.
            if told.iter().any(|answer| answer.0 != 0) {
                told.iter_mut().for_each(|answer| answer.4 = (0, 0));
            }
            assert_eq!(told[0], told[1], "{topic}: {what}");
        }
    }
}

type Found = (i16, i64, i64, i32);

fn find(kafka: &mut Kafka, version: i16, isolation_level: i8, timestamp: i64) -> Found {
    let asked = ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp };
    let topics = vec![ListOffsetsTopic { name: "seen".into(), partitions: vec![asked] }];
    let request =
        ListOffsetsRequest { replica_id: -1, isolation_level, topics, ..Default::default() };
    let answer: ListOffsetsResponse = kafka.ask(&request, version);
    let told = &answer.topics[0].partitions[0];
    (told.error_code, told.timestamp, told.offset, told.leader_epoch)
}

#[test]
fn offsets_are_found_by_time_as_by_kafka() {
    if skipped_below(Tier::Test, "ListOffsets beside Apache Kafka") {
        return;
    }
    let (ours, peer) = pair();
    let connect = |broker: &Broker| Kafka::connect(broker.port, "times");
    let (mut ours, mut peer) = (connect(&ours), connect(&peer));
    let configs = [("internal.segment.bytes", "1500"), ("index.interval.bytes", "200")];
    for kafka in [&mut ours, &mut peer] {
        kafka.create_topic("seen", 1, &configs);
        let first = at_times(Codec::None, TimestampType::CreateTime, &[500]);
        while [3, 6].contains(&kafka.put("seen", 0, first.clone()).error_code) {}
    }
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let mut rng = logmill::base::Rng::new(11);
    let mut asked: BTreeSet<i64> = BTreeSet::from([0, 1, 499, 500, 501, i64::MAX]);
    for round in 0..60i64 {
        // Times go up, with steps back, ties, and records without.
        let times: Vec<i64> = (0..1 + rng.below(6))
            .map(|_| match rng.below(12) {
                0 => -1,
                _ => 1_000 + round * 40 + rng.below(9) as i64 * 20 - 80,
            })
            .collect();
        asked.extend(times.iter().filter(|time| 0 < **time).flat_map(|t| [t - 1, *t, t + 1]));
        let codec = codecs[rng.below(5) as usize];
        let batch = at_times(codec, TimestampType::CreateTime, &times);
        for kafka in [&mut ours, &mut peer] {
            let told = kafka.put("seen", 0, batch.clone());
            assert_eq!(told.error_code, 0, "{told:?}");
        }
    }
    let mut differ = Vec::new();
    let mut compare = |version, isolation, timestamp| {
        let told = [&mut ours, &mut peer].map(|kafka| find(kafka, version, isolation, timestamp));
        if told[0] != told[1] {
            differ.push(format!("{timestamp} in version {version}: {:?}, {:?}", told[0], told[1]));
        }
    };
    for version in 1..=11 {
        for timestamp in [-1, -2, -3, -4, -5, -6, -7, 0, 1_777, 1_778, 2_500, i64::MAX] {
            // From version 2 on a reader says which records it wants.
            for isolation in 0..=i8::from(1 < version) {
                compare(version, isolation, timestamp);
            }
        }
    }
    for timestamp in &asked {
        compare(10, 0, *timestamp);
    }
    assert!(100 < asked.len());
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}
