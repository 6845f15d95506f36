//! `compression.type` and its levels: batches are kept in the codec that their topic names.
//!
//! Owns: codecs, sizes, offsets, sequences and times of what is stored, beside Apache Kafka; that
//! clients read it.
//! Leaves to others: batches that are only looked into (`packed`), the codecs' bytes (`record`).
use logmill::base::Bytes;
use logmill::model::{Offset, ProducerEpoch, ProducerId};
use logmill::record::{BatchBuilder, BatchSpec, Codec, HEADER_BYTES, Header};

use crate::client::{Kafka, TYPE_TOPIC, batch, packed_batch};
use crate::harness::broker::Broker;
use crate::harness::client::{CLIENTS, Client, Job, write_records};
use crate::harness::{Tier, skipped_below};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const TYPES: [&str; 6] = ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
const MESSAGE_TOO_LARGE: i16 = 10;

/// Records that compress, from this time on.
fn packed(codec: Codec, first_ms: i64, producer: Option<(i64, i16, i32)>) -> Bytes {
    let producer =
        producer.map(|(id, epoch, sequence)| (ProducerId(id), ProducerEpoch(epoch), sequence));
    let mut builder = BatchBuilder::new(&BatchSpec { codec, producer, ..BatchSpec::default() });
    for at in 0..50i64 {
        let value = format!("a value that repeats, repeats and repeats {at}");
        let headers: [(&[u8], Option<&[u8]>); 1] = [(b"h", Some(b"1"))];
        // Times that do not ascend.
        let time = first_ms + at * 7 % 11;
        let pushed = builder.push(Offset(at), time, Some(b"k"), Some(value.as_bytes()), headers);
        pushed.expect("a small record");
    }
    builder.finish().expect("a batch")
}

/// What of a stored batch does not depend on the broker's clock or compressor.
fn shape(header: &Header, timed: bool) -> (i16, i64, i32, i32, i64, i64, (i64, i16, i32)) {
    let max = if timed { header.max_timestamp } else { 0 };
    let producer = (header.producer_id.0, header.producer_epoch.0, header.base_sequence);
    (
        header.attributes,
        header.base_offset.0,
        header.last_offset_delta,
        header.record_count,
        header.base_timestamp,
        max,
        producer,
    )
}

#[test]
fn batches_are_kept_in_the_codec_of_their_topic_as_by_kafka() {
    if skipped_below(Tier::Test, "compression.type beside Apache Kafka") {
        return;
    }
    let (ours, peer) = (Broker::logmill(&[("shards", "2")]), Broker::kafka(&[]));
    let connect = |broker: &Broker| Kafka::connect(broker.port, "codecs");
    let (mut ours, mut peer) = (connect(&ours), connect(&peer));
    let now_ms = batch_time(&batch(&[(None, "a")]));
    for kind in TYPES {
        for time in ["CreateTime", "LogAppendTime"] {
            let topic = format!("{kind}-{time}");
            let configs = [("compression.type", kind), ("message.timestamp.type", time)];
            let mut stored = Vec::new();
            for kafka in [&mut ours, &mut peer] {
                kafka.create_topic(&topic, 1, &configs);
                settled(kafka, &topic);
                for (at, codec) in CODECS.into_iter().enumerate() {
                    let producer = (4_711, 0, 50 * at as i32);
                    let sent = packed(codec, now_ms, Some(producer));
                    let told = kafka.put(&topic, 0, sent.clone());
                    let want = (0, 1 + 50 * at as i64);
                    assert_eq!((told.error_code, told.base_offset), want, "{topic} {codec:?}");
                    assert_eq!(told.log_append_time_ms == -1, time == "CreateTime");
                    let again = kafka.put(&topic, 0, sent);
                    assert_eq!((again.error_code, again.base_offset), want, "{topic} {codec:?}");
                }
                let shapes = kafka.batches(&topic, 0).into_iter();
                let shapes = shapes.skip(1).map(|header| shape(&header, time == "CreateTime"));
                stored.push((shapes.collect::<Vec<_>>(), kafka.read(&topic, 0)));
            }
            assert_eq!(stored[0], stored[1], "{topic}");
            let codecs = stored[0].0.iter().map(|shape| shape.0 & 7);
            let want = match kind {
                "producer" => CODECS.map(Codec::id).to_vec(),
                "uncompressed" => vec![0; 5],
                kind => {
                    let named = CODECS.into_iter().find(|codec| codec.kafka_name() == kind);
                    vec![named.expect("a codec").id(); 5]
                }
            };
            assert_eq!(codecs.collect::<Vec<_>>(), want, "{topic}");
        }
    }
}

fn batch_time(batch: &Bytes) -> i64 {
    Header::decode(batch).expect("a batch").max_timestamp
}

/// One record, as soon as the new topic has its leader.
fn settled(kafka: &mut Kafka, topic: &str) {
    let not_yet = [3, 6];
    while not_yet.contains(&kafka.put(topic, 0, batch(&[(Some("k"), "first")])).error_code) {}
}

#[test]
fn what_is_refused_is_weighed_in_the_new_codec_and_told_as_by_kafka() {
    if skipped_below(Tier::Test, "compression.type beside Apache Kafka") {
        return;
    }
    let (ours, peer) = (Broker::logmill(&[]), Broker::kafka(&[]));
    let mut told = Vec::new();
    for broker in [&ours, &peer] {
        let mut kafka = Kafka::connect(broker.port, "codecs");
        let configs = [("compression.type", "uncompressed"), ("max.message.bytes", "2000")];
        kafka.create_topic("plain", 1, &configs);
        settled(&mut kafka, "plain");
        let large = packed_batch(None, &[b'a'; 2_000]);
        assert!(large.len() < 200);
        let mut errors = vec![kafka.put("plain", 0, large).error_code];
        errors.push(kafka.put("plain", 0, packed_batch(None, &[b'a'; 1_900])).error_code);
        let mut plain = BatchBuilder::new(&BatchSpec::default());
        let time = batch_time(&batch(&[(None, "a")]));
        plain.push(Offset(0), time, None, Some(&[b'a'; 2_000]), []).expect("a record");
        let plain = plain.finish().expect("a batch");
        errors.push(kafka.put("plain", 0, plain.clone()).error_code);
        // Too large as it came, small enough as it would be kept.
        let small = [("compression.type", Some("gzip"))];
        assert_eq!(kafka.alter(TYPE_TOPIC, "plain", &small).0, 0);
        errors.push(kafka.put("plain", 0, plain).error_code);
        told.push((errors, kafka.end("plain", 0)));
    }
    let refused = MESSAGE_TOO_LARGE;
    assert_eq!(told[0], (vec![refused, 0, refused, refused], 2));
    assert_eq!(told[0], told[1]);
}

#[test]
fn levels_count_and_change_while_it_runs() {
    let broker = Broker::under_test(&[]);
    let mut kafka = Kafka::connect(broker.port, "codecs");
    for (codec, least, most) in [("gzip", "1", "9"), ("lz4", "1", "12"), ("zstd", "-50", "19")] {
        let level = format!("compression.{codec}.level");
        kafka.create_topic(codec, 1, &[("compression.type", codec), (&level, least)]);
        settled(&mut kafka, codec);
        let mut size = |wanted: &str| {
            // Kafka answers before the setting holds.
            let start = std::time::Instant::now();
            let changed = [(level.as_str(), Some(wanted))];
            assert_eq!(kafka.alter(TYPE_TOPIC, codec, &changed), (0, None));
            let mut sizes: Vec<usize> = Vec::new();
            while sizes.is_empty() || start.elapsed().as_millis() < 300 {
                assert_eq!(kafka.put(codec, 0, words()).error_code, 0);
                let last = *kafka.batches(codec, 0).last().expect("batches");
                sizes.push(last.total_bytes().expect("a batch") - HEADER_BYTES);
            }
            *sizes.last().expect("one")
        };
        let (large, small) = (size(least), size(most));
        assert!(small < large, "{codec}: {large} bytes at {least}, {small} at {most}");
    }
}

/// Text as a compressor likes it: words of a small vocabulary in no order.
fn words() -> Bytes {
    let mut rng = logmill::base::Rng::new(7);
    let vocabulary: Vec<String> = (0..300).map(|word| format!("{:x} ", word * 7_919)).collect();
    let mut builder = BatchBuilder::new(&BatchSpec::default());
    let time = batch_time(&batch(&[(None, "a")]));
    for at in 0..60 {
        let words = (0..80).map(|_| vocabulary[rng.below(300) as usize].as_str());
        let value = words.collect::<String>();
        builder.push(Offset(at), time, None, Some(value.as_bytes()), []).expect("a record");
    }
    builder.finish().expect("a batch")
}

#[test]
fn every_client_reads_what_the_broker_packed() {
    if skipped_below(Tier::Test, "clients that read what the broker packed") {
        return;
    }
    let broker = Broker::under_test(&[("shards", "2")]);
    let bootstrap = broker.bootstrap();
    let mut kafka = Kafka::connect(broker.port, "codecs");
    let topics = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
    for (at, topic) in topics.iter().enumerate() {
        let time = if at % 2 == 0 { "CreateTime" } else { "LogAppendTime" };
        let configs = [("compression.type", *topic), ("message.timestamp.type", time)];
        kafka.create_topic(topic, 1, &configs);
        settled(&mut kafka, topic);
    }
    let records: Vec<String> = (0..2_000).map(|at| format!("k{at}:value {at} of many")).collect();
    let file = write_records(broker.folder(), &records);
    for codec in ["none", "gzip"] {
        let job = |topic: &&str| Job { topic: (*topic).into(), acks: "all", codec };
        Client::JavaConsole.produce(&bootstrap, &file, &topics.iter().map(job).collect::<Vec<_>>());
    }
    for client in CLIENTS {
        let seen = client.consume(&bootstrap, &topics, 4_001);
        assert_eq!(seen.len(), 4_001 * topics.len(), "{}", client.name());
        let of_topic = |topic: &str| {
            let of = seen.iter().filter(|one| one.topic == topic);
            of.map(|one| one.text.clone()).collect::<Vec<_>>()
        };
        for topic in topics {
            let twice = [&records[..], &records[..]].concat();
            assert!(of_topic(topic)[1..] == twice, "{}: {topic}", client.name());
        }
    }
}
