//! Every log setting of topics and of the broker, told and changed as by Apache Kafka.
//!
//! Owns: names, values, types, sources, synonyms, what may change at run time, which values are
//! refused: the same questions to both brokers, side by side.
//! Leaves to others: what the settings do (`codecs`, `flushing`, `times`, …).
//! Start reading at: [`settings_are_told_and_changed_as_by_kafka`].
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use logmill::config::{Scope, keys};
use logmill::wire::generated::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use logmill::wire::generated::describe_configs_response::DescribeConfigsResponse;

use crate::client::{Kafka, TYPE_TOPIC};
use crate::harness::broker::Broker;
use crate::harness::{Tier, skipped_below};

const TYPE_BROKER: i8 = 4;
/// Kafka answers a change before all of it can be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// A topic's setting: a value that fits, values that do not, broker settings behind it by priority.
/// A broker setting with a star can change at run time.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "cleanup.policy",
        "compact",
        &["sometimes", "delete,delete", "compact,"],
        &["*log.cleanup.policy"],
    ),
    ("segment.bytes", "2097152", &["1048575", "-1", "x", "2147483648"], &["*log.segment.bytes"]),
    ("segment.ms", "86400001", &["0", "x"], &["*log.roll.ms", "log.roll.hours"]),
    ("segment.jitter.ms", "17", &["-1"], &["*log.roll.jitter.ms", "log.roll.jitter.hours"]),
    ("segment.index.bytes", "8192", &["3"], &["*log.index.size.max.bytes"]),
    ("index.interval.bytes", "100", &["-1"], &["*log.index.interval.bytes"]),
    (
        "retention.ms",
        "86400002",
        &["-2", "1.5"],
        &["*log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    ),
    ("retention.bytes", "123456", &["x", "9223372036854775808"], &["*log.retention.bytes"]),
    ("local.retention.ms", "1000", &["-3"], &["*log.local.retention.ms"]),
    ("local.retention.bytes", "1000", &["-3"], &["*log.local.retention.bytes"]),
    ("flush.messages", "1000000", &["0", "-1"], &["*log.flush.interval.messages"]),
    (
        "flush.ms",
        "3600000",
        &["-1"],
        &["*log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    ),
    ("file.delete.delay.ms", "60001", &["-1"], &["*log.segment.delete.delay.ms"]),
    ("max.message.bytes", "2000000", &["-1"], &["*message.max.bytes"]),
    ("message.timestamp.type", "LogAppendTime", &["Now", ""], &["*log.message.timestamp.type"]),
    ("message.timestamp.before.max.ms", "77", &["-1"], &["*log.message.timestamp.before.max.ms"]),
    ("message.timestamp.after.max.ms", "78", &["-1"], &["*log.message.timestamp.after.max.ms"]),
    ("min.cleanable.dirty.ratio", "0.25", &["1.1", "-0.1"], &["*log.cleaner.min.cleanable.ratio"]),
    ("min.compaction.lag.ms", "5", &["-1"], &["*log.cleaner.min.compaction.lag.ms"]),
    ("max.compaction.lag.ms", "50000", &["0", "4"], &["*log.cleaner.max.compaction.lag.ms"]),
    ("delete.retention.ms", "5", &["-1"], &["*log.cleaner.delete.retention.ms"]),
    // For brokers it is left out: Kafka keeps it itself, for eligible leader replicas.
    ("min.insync.replicas", "2", &["0"], &[]),
    ("unclean.leader.election.enable", "true", &["maybe"], &["*unclean.leader.election.enable"]),
    ("compression.type", "gzip", &["brotli", "none"], &["*compression.type"]),
    ("compression.gzip.level", "5", &["0", "10", "-2"], &["*compression.gzip.level"]),
    ("compression.lz4.level", "3", &["0", "18"], &["*compression.lz4.level"]),
    ("compression.zstd.level", "-5", &["23", "-131073"], &["*compression.zstd.level"]),
    ("preallocate", "true", &["1"], &["*log.preallocate"]),
    ("leader.replication.throttled.replicas", "0:1", &["x", "1:"], &[]),
    ("follower.replication.throttled.replicas", "*", &["0"], &[]),
    ("remote.storage.enable", "false", &["true", "x"], &[]),
    ("remote.log.copy.disable", "false", &["x"], &[]),
    ("remote.log.delete.on.disable", "false", &["x"], &[]),
];

/// Of the broker alone: a value that fits, values that do not.
const BROKER_ROWS: &[(&str, &str, &[&str])] = &[
    ("*log.cleaner.threads", "2", &["-1", "x"]),
    ("*log.cleaner.dedupe.buffer.size", "134217729", &["x"]),
    ("*log.cleaner.io.buffer.size", "524289", &["-1"]),
    ("*log.cleaner.io.buffer.load.factor", "0.8", &["x"]),
    ("*log.cleaner.io.max.bytes.per.second", "1000000.0", &["x"]),
    ("*log.cleaner.backoff.ms", "15001", &["-1"]),
    ("log.cleaner.enable", "true", &[]),
    ("log.retention.check.interval.ms", "300001", &[]),
    ("log.flush.offset.checkpoint.interval.ms", "60001", &[]),
    ("log.flush.start.offset.checkpoint.interval.ms", "60001", &[]),
];

/// What DescribeConfigs says of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    value: Option<String>,
    source: i8,
    kind: i8,
    read_only: bool,
    sensitive: bool,
    synonyms: Vec<(String, Option<String>, i8)>,
}

fn describe(kafka: &mut Kafka, resource_type: i8, name: &str) -> BTreeMap<String, Shown> {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        ..Default::default()
    };
    let mut answer: DescribeConfigsResponse = kafka.ask(&request, 4);
    let told = answer.results.remove(0);
    assert_eq!(told.error_code, 0, "{:?}", told.error_message);
    let rows = told.configs.into_iter().map(|config| {
        let synonyms = config.synonyms.into_iter();
        let shown = Shown {
            value: config.value,
            source: config.config_source,
            kind: config.config_type,
            read_only: config.read_only,
            sensitive: config.is_sensitive,
            synonyms: synonyms.map(|s| (s.name, s.value, s.source)).collect(),
        };
        (config.name, shown)
    });
    rows.collect()
}

/// Both brokers, and how they differed so far.
struct Pair {
    ours: Kafka,
    kafka: Kafka,
    differences: Vec<String>,
}

impl Pair {
    /// The same change to both; only the error's code has to agree.
    fn alter(&mut self, resource_type: i8, name: &str, changes: &[(&str, Option<&str>)]) -> i16 {
        let ours = self.ours.alter(resource_type, name, changes);
        let kafka = self.kafka.alter(resource_type, name, changes);
        if ours.0 != kafka.0 {
            self.differences.push(format!("{name:?} {changes:?}: {ours:?}, Kafka {kafka:?}"));
        }
        kafka.0
    }

    /// Bad values, then a good one for each setting of a broker, also for those that cannot change.
    fn change_broker(&mut self, node: &str, settings: &[(&'static str, &str, &[&str])]) {
        for (name, good, bad) in settings {
            let (name, changes) = bare(name);
            for value in *bad {
                self.alter(TYPE_BROKER, node, &[(name, Some(value))]);
            }
            let error = self.alter(TYPE_BROKER, node, &[(name, Some(good))]);
            if (error == 0) != changes {
                self.differences.push(format!("{name} of {node:?}: Kafka says {error}"));
            }
        }
    }

    /// The same of both, once Kafka has seen what was changed.
    fn compare(&mut self, step: &str, resource_type: i8, name: &str, settings: &[&str]) {
        let ours = describe(&mut self.ours, resource_type, name);
        let start = Instant::now();
        loop {
            let kafka = describe(&mut self.kafka, resource_type, name);
            let differ = |setting: &&&str| {
                let (left, right) = (ours.get(**setting), kafka.get(**setting));
                !left.zip(right).map_or(left.is_none() && right.is_none(), |(left, right)| {
                    agree(setting, left, right)
                })
            };
            let differing: Vec<_> = settings.iter().filter(differ).collect();
            if differing.is_empty() {
                return;
            }
            if SEEN_WITHIN < start.elapsed() {
                self.differences.extend(differing.iter().map(|setting| {
                    let (left, right) = (ours.get(**setting), kafka.get(**setting));
                    format!("{step}, {name:?} {setting}:\n  {left:?}\n  {right:?}")
                }));
                return;
            }
        }
    }
}

/// Where Kafka's answer is not the one to give, ours is another.
fn agree(setting: &str, ours: &Shown, kafka: &Shown) -> bool {
    match setting {
        // Kafka forgets the hours of its file once the milliseconds have changed at run time.
        "log.retention.hours" => {
            *ours == Shown { value: ours.value.clone(), ..kafka.clone() }
                && ours.value == ours.synonyms.first().and_then(|first| first.1.clone())
        }
        // It does not tell where a topic's value comes from when that is a setting of second rank.
        "segment.jitter.ms" if kafka.synonyms.is_empty() => {
            *ours == Shown { synonyms: ours.synonyms.clone(), ..kafka.clone() }
        }
        _ => ours == kafka,
    }
}

fn bare(name: &'static str) -> (&'static str, bool) {
    name.strip_prefix('*').map_or((name, false), |name| (name, true))
}

#[test]
fn settings_are_told_and_changed_as_by_kafka() {
    if skipped_below(Tier::Test, "all log settings beside Apache Kafka") {
        return;
    }
    let fixed = [
        ("log.retention.ms", "600000000"),
        ("log.retention.hours", "100"),
        ("log.roll.ms", "500000000"),
        ("log.flush.interval.messages", "2000000"),
        ("log.flush.interval.ms", "7200000"),
        ("log.segment.bytes", "3145728"),
        ("compression.type", "lz4"),
        ("log.cleaner.threads", "1"),
    ];
    let (ours, kafka) = (Broker::logmill(&fixed), Broker::kafka(&fixed));
    let connect = |broker: &Broker| Kafka::connect(broker.port, "settings");
    let mut pair = Pair { ours: connect(&ours), kafka: connect(&kafka), differences: Vec::new() };
    for client in [&mut pair.ours, &mut pair.kafka] {
        client.create_topic("seen", 1, &[]);
    }
    let told = |name: &&str| *name != "min.insync.replicas";
    let topic_settings: Vec<&str> = ROWS.iter().map(|row| row.0).filter(told).collect();
    let of_topics = ROWS.iter().flat_map(|row| row.3).map(|name| bare(name));
    let alone = BROKER_ROWS.iter().map(|row| bare(row.0));
    let broker_settings: Vec<(&str, bool)> = of_topics.chain(alone).collect();
    let broker_names: Vec<&str> = broker_settings.iter().map(|(name, _)| *name).collect();
    let look = |pair: &mut Pair, step: &str| {
        pair.compare(step, TYPE_TOPIC, "seen", &topic_settings);
        pair.compare(step, TYPE_BROKER, "1", &broker_names);
        pair.compare(step, TYPE_BROKER, "", &broker_names);
    };
    look(&mut pair, "at first");

    let dynamic: Vec<(&str, &str, &[&str])> = ROWS
        .iter()
        .flat_map(|row| row.3.iter().map(|name| (*name, row.1, row.2)))
        .chain(BROKER_ROWS.iter().copied())
        .collect();
    for node in ["", "1"] {
        pair.change_broker(node, &dynamic);
        look(&mut pair, &format!("with {node:?} set"));
    }
    for (name, good, bad, _) in ROWS {
        for value in *bad {
            pair.alter(TYPE_TOPIC, "seen", &[(name, Some(value))]);
        }
        let error = pair.alter(TYPE_TOPIC, "seen", &[(name, Some(good))]);
        if error != 0 {
            pair.differences.push(format!("{name}: Kafka says {error}"));
        }
    }
    look(&mut pair, "with the topic's own");
    for (name, ..) in ROWS {
        pair.alter(TYPE_TOPIC, "seen", &[(name, None)]);
    }
    pair.alter(TYPE_TOPIC, "seen", &[("no.such.setting", Some("1"))]);
    pair.alter(TYPE_TOPIC, "seen", &[("cleanup.policy", Some(""))]);
    look(&mut pair, "with those of the topic deleted");
    for node in ["1", ""] {
        for (name, changes) in &broker_settings {
            if *changes {
                pair.alter(TYPE_BROKER, node, &[(name, None)]);
            }
        }
        look(&mut pair, &format!("with those of {node:?} deleted"));
    }
    let Pair { differences, .. } = pair;
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// What Kafka has and this test has no row for would go unseen.
#[test]
fn every_setting_of_a_topic_has_its_row() {
    let newer = ["errors.deadletterqueue.group.enable"];
    let ours = ["plugin", "partitioner.", "flush.on.acks.all", "internal.", "compaction.policy."];
    let tiered = ["remote.copy.lag.ms", "remote.copy.lag.bytes"];
    for key in keys(Scope::Topic) {
        let own = ours.iter().any(|part| key.name.contains(part));
        let known = ROWS.iter().any(|row| row.0 == key.name);
        let other = newer.contains(&key.name) || tiered.contains(&key.name);
        assert!(own || known || other, "{} has no row", key.name);
    }
}
