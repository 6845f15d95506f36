//! kill −9 while segments are closed, removed and records deleted: nothing acknowledged is lost,
//! nothing that was deleted comes back.
//!
//! Owns: three topics under load, the rounds, what must hold after each.
//! Leaves to others: power cuts (`log::tests::removal`), large loads (`crash`).
//! Start reading at: [`kill_9_neither_loses_nor_brings_back`].
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logmill::base::Rng;
use logmill::wire::generated::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use logmill::wire::generated::delete_records_response::DeleteRecordsResponse;

use crate::client::{Kafka, batch};
use crate::harness::broker::Broker;
use crate::harness::{Tier, dump, skipped_below, tier};

const RETAINED_BYTES: u64 = 20_000;
/// A record of ours in its batch, roughly, and what may be in flight when the process dies.
const RECORD_BYTES_MIN: u64 = 68;
const IN_FLIGHT_BYTES_MAX: u64 = 1_000;
const DEADLINE: Duration = Duration::from_secs(60);

const ROLLS: &str = "rolls";
const RETAINS: &str = "retains";
const DELETES: &str = "deletes";
const TOPICS: [(&str, &[(&str, &str)]); 3] = [
    (ROLLS, &[("internal.segment.bytes", "300"), ("retention.ms", "-1")]),
    (
        RETAINS,
        &[
            ("internal.segment.bytes", "1000"),
            ("retention.bytes", "20000"),
            ("file.delete.delay.ms", "1"),
        ],
    ),
    (DELETES, &[("internal.segment.bytes", "500"), ("file.delete.delay.ms", "1")]),
];

/// What is known of one topic.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<i64, String>,
    /// Up to where a deletion was asked for, and answered.
    asked: i64,
    answered: i64,
}

type Shared = Arc<[Mutex<Known>; 3]>;

#[test]
fn kill_9_neither_loses_nor_brings_back() {
    if skipped_below(Tier::Test, "kill -9 while segments go") {
        return;
    }
    let rounds = if tier() == Tier::All { 50 } else { 3 };
    let settings = [("shards", "2"), ("log.retention.check.interval.ms", "2")];
    let mut broker = Broker::logmill(&settings);
    let mut kafka = Kafka::connect(broker.port, "setup");
    for (topic, configs) in TOPICS {
        kafka.create_topic(topic, 1, configs);
    }
    let known = Shared::default();
    let mut dice = Rng::new(u64::from(std::process::id()));
    for round in 0..rounds {
        let counts: Arc<[AtomicU64; 4]> = Arc::default();
        let mut threads = Vec::new();
        for at in 0..TOPICS.len() {
            let (known, counts, port) = (known.clone(), counts.clone(), broker.port);
            threads.push(std::thread::spawn(move || write(port, at, &known[at], &counts[at])));
        }
        let (deleting, counting, port) = (known.clone(), counts.clone(), broker.port);
        threads.push(std::thread::spawn(move || delete(port, round, &deleting[2], &counting[3])));
        // Each of them gets something done; then the end comes at any moment.
        let least = [150 + dice.below(200), 100, 100, 10 + dice.below(10)];
        let start = Instant::now();
        while counts.iter().zip(least).any(|(count, least)| count.load(Relaxed) < least) {
            assert!(start.elapsed() < DEADLINE, "round {round}: {counts:?}");
            std::thread::yield_now();
        }
        broker.kill();
        for thread in threads {
            thread.join().expect("a thread of ours");
        }
        broker.start();
        let mut kafka = Kafka::connect(broker.port, "checks");
        for (at, (topic, _)) in TOPICS.iter().enumerate() {
            check(&mut kafka, topic, &known[at].lock().expect("no panic"), round);
        }
    }
    broker.stop();
    dump::check(&broker.data());
}

/// Writes until the connection ends.
fn write(port: u16, at: usize, known: &Mutex<Known>, count: &AtomicU64) {
    let topic = TOPICS[at].0;
    let mut kafka = Kafka::connect(port, "writes");
    loop {
        let number = count.load(Relaxed);
        let value = format!("{number}-{}", "x".repeat((number * 13 % 70) as usize));
        let acks = [-1, 1][(number % 2) as usize];
        let batches = vec![(0, batch(&[(None, &value)]))];
        let Ok(told) = kafka.try_produce(topic, acks, batches) else { return };
        assert_eq!(told[0].error_code, 0, "{topic}: {told:?}");
        known.lock().expect("no panic").acknowledged.insert(told[0].base_offset, value);
        count.fetch_add(1, Relaxed);
    }
}

/// Deletes a part of what there is, again and again, until the connection ends.
fn delete(port: u16, round: u64, known: &Mutex<Known>, count: &AtomicU64) {
    let mut kafka = Kafka::connect(port, "deletes");
    let mut dice = Rng::new(round);
    loop {
        let target = {
            let mut known = known.lock().expect("no panic");
            let Some((last, _)) = known.acknowledged.last_key_value() else { continue };
            let span = (last - known.answered).max(0) as u64;
            let target = known.answered + dice.below(span / 2 + 1) as i64;
            known.asked = known.asked.max(target);
            target
        };
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: target }];
        let topics = vec![DeleteRecordsTopic { name: DELETES.into(), partitions }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 10_000 };
        let told: std::io::Result<DeleteRecordsResponse> = kafka.try_ask(&request, 2);
        let Ok(told) = told else { return };
        let told = &told.topics[0].partitions[0];
        assert_eq!(told.error_code, 0, "below {target}: {told:?}");
        let mut known = known.lock().expect("no panic");
        known.answered = known.answered.max(told.low_watermark);
        count.fetch_add(1, Relaxed);
    }
}

fn check(kafka: &mut Kafka, topic: &str, known: &Known, round: u64) {
    let (start, end) = (kafka.start(topic, 0), kafka.end(topic, 0));
    let told = format!("round {round}, {topic}: {start}..{end}");
    let found: BTreeMap<i64, String> =
        kafka.read(topic, 0).into_iter().map(|stored| (stored.offset, stored.value)).collect();
    let offsets: Vec<i64> = found.keys().copied().collect();
    assert_eq!(offsets, (start..end).collect::<Vec<i64>>(), "{told}: a hole");
    for (offset, value) in known.acknowledged.range(start..) {
        assert_eq!(found.get(offset), Some(value), "{told}: {offset} is lost");
    }
    assert!(known.answered <= start, "{told}: below {} came back", known.answered);
    let bytes: u64 = found.values().map(|value| RECORD_BYTES_MIN + value.len() as u64).sum();
    let fits = match topic {
        ROLLS => start == 0,
        RETAINS => RETAINED_BYTES <= bytes + IN_FLIGHT_BYTES_MAX || start == 0,
        _ => start <= known.asked,
    };
    assert!(fits, "{told}: too much is gone, {bytes} bytes are left, asked {}", known.asked);
}
