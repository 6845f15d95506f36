//! The same records under the same settings end in the same segments as in Apache Kafka.
//!
//! Owns: one broker of each kind beside the other, the cases, what is compared: where segments
//! begin, where the log begins and ends, the indexes of closed segments.
//! Leaves to others: one rule at a time (`log`'s own tests), crashes (`retention_crash`).
//! Start reading at: [`CASES`], then [`segments_end_up_as_in_kafka`].
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use logmill::base::Bytes;
use logmill::model::Offset;
use logmill::record::{BatchBuilder, BatchSpec};

use crate::client::{Kafka, TYPE_TOPIC};
use crate::delete_records::delete;
use crate::harness::broker::Broker;
use crate::harness::wait::{SOON, Wait};
use crate::harness::{Tier, skipped_below};

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// A topic whose records are old when they come: when they go, a look has passed.
const WATCH: &str = "watch";

/// The time of each record, in milliseconds from now.
type Times = fn(i64) -> i64;

struct Case {
    topic: &'static str,
    configs: &'static [(&'static str, &'static str)],
    /// Set when all records are there: were segments removed meanwhile, it would be chance which.
    then: &'static [(&'static str, Option<&'static str>)],
    records: i64,
    times: Times,
    delete_below: Option<i64>,
    /// Something goes: it is waited for.
    removes: bool,
}

const SMALL: (&str, &str) = ("internal.segment.bytes", "2000");
const KEEP: (&str, &str) = ("retention.ms", "-1");
const HOUR: (&str, Option<&str>) = ("retention.ms", Some("3600000"));
const STEADY: Times = |number| number * 10 - 10_000;

const CASES: &[Case] = &[
    Case { configs: &[SMALL, KEEP], ..Case::of("by-bytes", STEADY) },
    Case { configs: &[("segment.ms", "1000"), KEEP], ..Case::of("by-time", |n| n * 130 - 20_000) },
    Case {
        // Times that jump back and forth: the first record of a segment counts.
        configs: &[("segment.ms", "1000"), KEEP],
        ..Case::of("by-odd-time", |n| n * 170 % 2_500 - 20_000)
    },
    Case {
        configs: &[("segment.index.bytes", "100"), ("index.interval.bytes", "0"), KEEP],
        ..Case::of("by-time-index", STEADY)
    },
    Case {
        configs: &[("segment.index.bytes", "100"), ("index.interval.bytes", "0"), KEEP],
        ..Case::of("by-offset-index", |n| -10 * n)
    },
    Case {
        configs: &[SMALL, KEEP],
        then: &[("retention.bytes", Some("5000"))],
        removes: true,
        ..Case::of("to-size", STEADY)
    },
    Case {
        configs: &[SMALL, KEEP],
        then: &[("retention.bytes", Some("0"))],
        removes: true,
        ..Case::of("to-nothing", STEADY)
    },
    Case {
        configs: &[SMALL, KEEP],
        then: &[HOUR],
        removes: true,
        ..Case::of("to-age", |n| if n < 70 { -2 * HOUR_MS } else { -HOUR_MS / 2 })
    },
    Case {
        configs: &[SMALL, KEEP],
        then: &[HOUR],
        removes: true,
        ..Case::of("all-too-old", |n| n - 3 * HOUR_MS)
    },
    Case {
        // Only the times behind it are old: it keeps them.
        configs: &[SMALL, KEEP],
        then: &[HOUR],
        ..Case::of("young-first", |n| if n < 5 { 0 } else { -2 * HOUR_MS })
    },
    Case {
        configs: &[SMALL, KEEP],
        delete_below: Some(73),
        removes: true,
        ..Case::of("below-start", STEADY)
    },
    Case {
        configs: &[SMALL, KEEP],
        delete_below: Some(-1),
        removes: true,
        ..Case::of("below-end", STEADY)
    },
    Case {
        configs: &[SMALL, ("cleanup.policy", ""), ("retention.bytes", "0")],
        delete_below: Some(50),
        removes: true,
        ..Case::of("no-policy", STEADY)
    },
    Case {
        configs: &[
            SMALL,
            ("cleanup.policy", "compact,delete"),
            ("min.compaction.lag.ms", "86400000"),
            KEEP,
        ],
        then: &[("retention.bytes", Some("6000"))],
        removes: true,
        ..Case::of("both-policies", STEADY)
    },
];

impl Case {
    const fn of(topic: &'static str, times: Times) -> Self {
        let (configs, then, delete_below) = (&[], &[], None);
        Self { topic, configs, then, records: 120, times, delete_below, removes: false }
    }
}

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct State {
    log_start: i64,
    log_end: i64,
    bases: Vec<i64>,
    /// Of closed segments: offset index and time index.
    indexes: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Side {
    broker: Broker,
    kafka: Kafka,
}

impl Side {
    fn new(broker: Broker) -> Self {
        let kafka = Kafka::connect(broker.port, "retention");
        Self { broker, kafka }
    }

    /// One batch of one record, patiently: Kafka answers a create before it has leaders.
    fn put(&mut self, topic: &str, batch: &Bytes) {
        self.kafka.put_when_led(topic, 0, batch.clone());
    }

    fn fill(&mut self, case: &Case, now_ms: i64) {
        self.kafka.create_topic(case.topic, 1, case.configs);
        for number in 0..case.records {
            let value = "x".repeat(20 + (number * 37 % 90) as usize);
            self.put(case.topic, &batch(now_ms + (case.times)(number), number, &value));
        }
        let told = self.kafka.alter(TYPE_TOPIC, case.topic, case.then);
        assert_eq!(told.0, 0, "{}: {told:?}", case.topic);
        if let Some(below) = case.delete_below {
            assert_eq!(delete(&mut self.kafka, case.topic, below).0, 0, "{}", case.topic);
        }
    }

    fn state(&mut self, topic: &str) -> State {
        let (log_start, log_end) = (self.kafka.start(topic, 0), self.kafka.end(topic, 0));
        let folder = self.broker.data().join(format!("{topic}-0"));
        let bases = bases(&folder);
        let closed = &bases[..bases.len().saturating_sub(1)];
        let read = |base: &i64, kind: &str| {
            std::fs::read(folder.join(format!("{base:020}.{kind}"))).unwrap_or_default()
        };
        let both = |base: &i64| (read(base, "index"), read(base, "timeindex"));
        let indexes = closed.iter().map(both).collect();
        State { log_start, log_end, bases, indexes }
    }

    /// Waits until the broker has looked through every log since this call.
    fn await_a_look(&mut self, now_ms: i64) {
        // The first may end a look that began before, the second one that was half through.
        for number in 0..3 {
            self.put(WATCH, &batch(now_ms - 2 * HOUR_MS, number, "old"));
            let wait = Wait::for_at_most(SOON);
            while self.kafka.start(WATCH, 0) <= number {
                wait.again(|| format!("{:?} does not look", self.broker.peer));
            }
        }
    }
}

fn batch(timestamp: i64, number: i64, value: &str) -> Bytes {
    let mut builder = BatchBuilder::new(&BatchSpec::default());
    let key = format!("key {number}");
    let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
    builder.push(Offset(0), timestamp, key, value, []).expect("a small record");
    builder.finish().expect("one record")
}

fn bases(folder: &Path) -> Vec<i64> {
    let names = std::fs::read_dir(folder).expect("the partition's folder");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut bases: Vec<i64> =
        names.filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    bases.sort_unstable();
    bases
}

#[test]
fn segments_end_up_as_in_kafka() {
    if skipped_below(Tier::Test, "retention beside Kafka") {
        return;
    }
    let both = [
        ("log.retention.check.interval.ms", "100"),
        ("log.cleaner.backoff.ms", "100"),
        ("log.segment.delete.delay.ms", "1000"),
    ];
    // One shard: the topic that shows when a look has passed must be on it.
    let own = [&both[..], &[("shards", "1")]].concat();
    let kafkas = [&both[..], &[("log.initial.task.delay.ms", "100")]].concat();
    let mut sides = [Side::new(Broker::logmill(&own)), Side::new(Broker::kafka(&kafkas))];
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now_ms = since.as_millis() as i64;
    for side in &mut sides {
        side.kafka.create_topic(WATCH, 1, &[("retention.ms", "3600000")]);
        for case in CASES {
            side.fill(case, now_ms);
        }
        side.await_a_look(now_ms);
    }
    let [own, kafka] = &mut sides;
    for case in CASES {
        let wait = Wait::for_at_most(SOON);
        loop {
            let (ours, theirs) = (own.state(case.topic), kafka.state(case.topic));
            let moved = [&ours, &theirs].iter().all(|state| 0 < state.log_start);
            if ours == theirs && moved == case.removes {
                break;
            }
            let topic = case.topic;
            wait.again(|| format!("{topic}: ours {ours:?}\nKafka's {theirs:?}"));
        }
    }
}
