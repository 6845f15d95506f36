//! How long a shard works at one stretch while its storage engine is busy, whatever clients do.
//!
//! Owns: that checkpoints, rolls, compactions, many producers, many partitions and dense records do
//! not hold a shard's other clients up.
//! Leaves to others: what these do (`log`, `shard`), latency beside another broker (`benches`).
//! It counts processor time: of one turn in thirteen, and of every turn that was long by the clock.
//! A build with debug assertions is ten times slower than a release and more. It shows that what
//! is done at one stretch does not grow with producers, partitions and records: each case takes
//! more than [`NEVER`] there when one of these loops has no rest. That stretches are short in
//! milliseconds shows `cargo test --release --test it turns::`, and only on a machine that has
//! nothing else to do.
//! Start reading at: [`Turns`].
use std::time::{Duration, Instant};

use logmill::base::Bytes;
use logmill::model::{Offset, ProducerEpoch, ProducerId};
use logmill::record::{BatchBuilder, BatchSpec, Codec};
use logmill::wire::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use logmill::wire::generated::describe_log_dirs_response::DescribeLogDirsResponse;

use crate::client::{Kafka, TYPE_TOPIC, batch};
use crate::plugins_live::Stage;

const RECORD_BYTES: usize = 1_000;
const RECORDS: usize = 15;
const WITHIN: Duration = Duration::from_secs(240);
/// Rounds that may be produced before the first compaction, and for each one that has ended.
const ROUNDS_AHEAD: usize = 800;
const ROUNDS_PER_PASS: usize = 200;

/// Longer is one turn in a thousand at most; a bound of the histogram, in seconds.
const RARELY: &str = if cfg!(debug_assertions) { "0.016" } else { "0.002" };
/// No turn is longer.
const NEVER: &str = if cfg!(debug_assertions) { "0.064" } else { "0.008" };

const TYPE_BROKER: i8 = 4;

/// What a broker has counted of its turns.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    /// Of one in thirteen.
    sampled: u64,
    /// By the clock; all of them.
    long: u64,
    rarely: u64,
    never: u64,
}

impl Turns {
    fn of(stage: &Stage) -> Self {
        let (status, page) = stage.http("GET", "/metrics", &[], b"");
        assert_eq!(status, 200);
        let below = |name: &str, bound: &str| -> u64 {
            let start = format!("logmill_{name}_bucket{{le=\"{bound}\"}} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&start));
            line.expect("the bucket").parse().expect("a count")
        };
        let all = |name| below(name, "+Inf");
        let above = |bound| {
            let of = |name| all(name) - below(name, bound);
            of("turn_cpu_seconds") + of("long_turn_cpu_seconds")
        };
        Self {
            sampled: all("turn_cpu_seconds"),
            long: all("long_turn_cpu_seconds"),
            rarely: above(RARELY),
            never: above(NEVER),
        }
    }

    /// Holds the turns since then against the bounds.
    #[track_caller]
    fn check(self, stage: &Stage, what: &str) {
        let now = Self::of(stage);
        let turns = 13 * (now.sampled - self.sampled);
        let (rarely, never) = (now.rarely - self.rarely, now.never - self.never);
        let long = now.long - self.long;
        println!("{what}: {turns} turns, {long} long, {rarely} over {RARELY}, {never} {NEVER} s");
        assert_eq!(never, 0, "{what}: turns that took longer than {NEVER} s");
        // Of few, chance decides about one or two; without optimisation, the loops' own slowness.
        if !cfg!(debug_assertions) || 10_000 < turns {
            assert!(rarely <= turns / 1_000 + 2, "{what}: {rarely} of {turns} over {RARELY} s");
        }
    }
}

#[test]
fn many_producers_of_a_partition_cost_its_readers_and_its_rolls_nothing() {
    const PRODUCERS: i64 = 100_000;
    const AT_ONCE: i64 = 1_000;
    let stage = Stage::start(1, &[("journal.bytes", "4194304")]);
    let mut kafka = stage.kafka("turns");
    kafka.create_topic("many", 1, &[("segment.bytes", "1048576")]);
    let mut one_of_each = |from: i64, epoch: i16| {
        let of = |id| {
            let producer = Some((ProducerId(id), ProducerEpoch(epoch), 0));
            let mut builder = BatchBuilder::new(&BatchSpec { producer, ..BatchSpec::default() });
            builder.push(Offset(0), 1, None, Some(b"v"), []).expect("a small record");
            (0, builder.finish().expect("a record"))
        };
        for told in kafka.produce("many", 1, (from..from + AT_ONCE).map(of).collect()) {
            assert_eq!(told.error_code, 0, "{told:?}");
        }
    };
    for from in (0..PRODUCERS).step_by(AT_ONCE as usize) {
        one_of_each(from, 0);
    }
    let (before, rolls) = (Turns::of(&stage), stage.metric("logmill_segments_rolled_total", &[]));
    // Above the bound: the longest silent are forgotten, for each that comes.
    for from in (PRODUCERS..PRODUCERS + 30_000).step_by(AT_ONCE as usize) {
        one_of_each(from, 0);
    }
    let mut reader = stage.kafka("reader");
    for _ in 0..500 {
        let end = reader.end("many", 0);
        assert_eq!(end, PRODUCERS + 30_000);
    }
    let rolled = stage.metric("logmill_segments_rolled_total", &[]) - rolls;
    assert!(2.0 <= rolled, "{rolled} rolls");
    before.check(&stage, "many producers");
}

#[test]
fn many_partitions_follow_a_setting_and_are_described_in_short_turns() {
    const PARTITIONS: i32 = 3_000;
    let points = ("log.flush.offset.checkpoint.interval.ms", "200");
    let stage = Stage::start(1, &[("journal.bytes", "4194304"), points]);
    let mut kafka = stage.kafka("turns");
    kafka.create_topic("wide", PARTITIONS, &[]);
    let small = batch(&[(None, "v")]);
    let all = |kafka: &mut Kafka| {
        let batches = (0..PARTITIONS).map(|partition| (partition, small.clone())).collect();
        for told in kafka.produce("wide", 1, batches) {
            assert_eq!(told.error_code, 0, "{told:?}");
        }
    };
    all(&mut kafka);
    let before = Turns::of(&stage);
    for round in 0..5 {
        let age = format!("{}", 3_600_000 + round);
        // Any setting of the broker may be a topic's default.
        let told = kafka.alter(TYPE_BROKER, "", &[("log.retention.ms", Some(&age))]);
        assert_eq!(told.0, 0, "{told:?}");
        let told = kafka.alter(TYPE_TOPIC, "wide", &[("retention.ms", Some(&age))]);
        assert_eq!(told.0, 0, "{told:?}");
        all(&mut kafka);
        let request = DescribeLogDirsRequest { topics: None };
        let sizes: DescribeLogDirsResponse = kafka.ask(&request, 4);
        assert_eq!(sizes.results[0].topics[0].partitions.len(), PARTITIONS as usize);
    }
    before.check(&stage, "many partitions");
}

#[test]
fn a_large_request_of_small_records_leaves_room_for_others() {
    const PARTITIONS: i32 = 12;
    let stage = Stage::start(1, &[]);
    let mut kafka = stage.kafka("turns");
    kafka.create_topic("dense", PARTITIONS, &[("cleanup.policy", "compact")]);
    // As small as a record with a key can be, as many as fit; and as many as a shard looks at.
    let [full, some] = [100_000, 15_000].map(|records| {
        let mut builder = BatchBuilder::new(&BatchSpec::default());
        for at in 0..records {
            builder.push(Offset(at), 1, Some(b""), None, []).expect("a small record");
        }
        builder.finish().expect("records")
    });
    let before = Turns::of(&stage);
    for batch in [full, some] {
        for _ in 0..3 {
            let batches = (0..PARTITIONS).map(|partition| (partition, batch.clone())).collect();
            for told in kafka.produce("dense", 1, batches) {
                assert_eq!(told.error_code, 0, "{told:?}");
            }
        }
    }
    before.check(&stage, "dense records");
}

#[test]
fn a_shards_turn_stays_short_while_its_storage_engine_is_busy() {
    let settings = [("journal.bytes", "4194304"), ("log.cleaner.backoff.ms", "100")];
    let stage = Stage::start(2, &settings);
    let mut kafka = stage.kafka("turns");
    let small = ("segment.bytes", "1048576");
    kafka.create_topic("plain", 8, &[small]);
    let compacted = [small, ("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01")];
    kafka.create_topic("keys", 8, &compacted);
    stage.live("newest-by-header@1", "newest-by-header");
    let ratio = ("compaction.policy.max.drop.ratio", "1");
    let policy = ("compaction.policy.plugin", "newest-by-header");
    let judged = [("internal.segment.bytes", "20000"), compacted[1], compacted[2], policy, ratio];
    kafka.create_topic("judged", 4, &judged);
    let value = "v".repeat(RECORD_BYTES);
    let keys: Vec<String> = (0..200).map(|key| format!("k{key}")).collect();
    let begin = Instant::now();
    let (mut round, is_busy) = (0, |name: &str, least: f64| least <= stage.metric(name, &[]));
    while !(is_busy("logmill_checkpoints_total", 40.0)
        && is_busy("logmill_segments_rolled_total", 80.0)
        && is_busy("logmill_compaction_passes_total", 10.0)
        && 30_000.0 <= stage.metric("logmill_plugin_records_total", &["newest-by-header"]))
    {
        assert!(begin.elapsed() < WITHIN, "{round} rounds were too few");
        // No further ahead of the compactions: what a pass finds would grow faster than it works.
        let passes = stage.metric("logmill_compaction_passes_total", &[]);
        let ahead = ROUNDS_AHEAD + ROUNDS_PER_PASS * passes as usize;
        for _ in 0..8.min(ahead.saturating_sub(round)) {
            round += 1;
            produce(&mut kafka, round, &keys, &value);
        }
    }
    let now = Turns::of(&stage);
    assert!(500 < now.sampled, "{now:?}");
    Turns::default().check(&stage, "a busy storage engine");
}

/// One batch to each partition of each topic, acks=all.
fn produce(kafka: &mut Kafka, round: usize, keys: &[String], value: &str) {
    let records: Vec<(Option<&str>, &str)> = (0..RECORDS)
        .map(|at| (Some(keys[(round * 7 + at) % keys.len()].as_str()), value))
        .collect();
    for topic in ["plain", "keys"] {
        let batches = (0..8).map(|partition| (partition, batch(&records))).collect();
        for told in kafka.produce(topic, -1, batches) {
            assert_eq!(told.error_code, 0, "{told:?}");
        }
    }
    let packed = packed(keys, value);
    let batches = (0..4).map(|partition| (partition, packed.clone())).collect();
    for told in kafka.produce("judged", -1, batches) {
        assert_eq!(told.error_code, 0, "{told:?}");
    }
}

/// Every key three times, packed: small on the disk, and large when somebody looks into it.
fn packed(keys: &[String], value: &str) -> Bytes {
    let spec = BatchSpec { codec: Codec::Zstd, ..BatchSpec::default() };
    let mut builder = BatchBuilder::new(&spec);
    for at in 0..3 * keys.len() {
        let key = Some(keys[at % keys.len()].as_bytes());
        let pushed = builder.push(Offset(at as i64), 1, key, Some(value.as_bytes()), []);
        pushed.expect("a small record");
    }
    builder.finish().expect("records")
}
