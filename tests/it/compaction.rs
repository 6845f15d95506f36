//! Compaction beside Apache Kafka, and through kill −9.
//!
//! Owns: the same records into both brokers, what both leave of them; a writer, a cleaner and
//! sudden ends.
//! Leaves to others: when a pass runs (`cleaner`), power cuts (`log`), what a pass does in detail.
//! Invariant: a comparison is made when both have compacted up to the same offset and have nothing
//! left to do.
//! Start reading at: [`both_brokers_leave_the_same_records`].
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use logmill::base::Rng;

use crate::harness::broker::Broker;
use crate::harness::client::python;
use crate::harness::script::Script;
use crate::harness::wait::{Wait, let_pass};
use crate::harness::{Tier, dump, run, skipped_below, tail, tier};

const LIMIT_S: u32 = 120;
const CLEANED_WITHIN: Duration = Duration::from_secs(60);
const HOUR_MS: u64 = 3_600_000;
/// `delete.retention.ms` where they go.
const TOMBSTONES_STAY: Duration = Duration::from_millis(100);
/// Almost a segment: no batch lies before or behind it in the same one.
const POKE_BYTES: &str = "19850";

pub const SETTINGS: [(&str, &str); 2] =
    [("log.cleaner.backoff.ms", "100"), ("log.segment.delete.delay.ms", "1000")];
const MEMORY: &str = "log.cleaner.dedupe.buffer.size";
const COMPACTED: [&str; 3] =
    ["cleanup.policy=compact", "internal.segment.bytes=20000", "min.cleanable.dirty.ratio=0.01"];

#[track_caller]
pub fn peer(args: &[&str]) -> String {
    run(python("compact.py").args(args), LIMIT_S)
}

/// Where compaction of a topic's partition has come to, as the broker wrote it down.
fn cleaned_end(data: &Path, topic: &str) -> Option<i64> {
    let text = std::fs::read_to_string(data.join("cleaner-offset-checkpoint")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{topic} 0 ")))?.to_owned();
    line.trim().parse().ok()
}

#[track_caller]
pub fn await_cleaned(broker: &Broker, topic: &str, end: i64) {
    let wait = Wait::for_at_most(CLEANED_WITHIN);
    loop {
        let found = cleaned_end(&broker.data(), topic);
        if found == Some(end) {
            return;
        }
        wait.again(|| format!("{topic}: {found:?}, not {end}\n{}", tail(&broker.log(), 20)));
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("not so late")
}

/// One topic of the comparison.
struct Case {
    topic: String,
    seed: u64,
    config: String,
    /// Whether tombstones go before the comparison.
    tombstones_go: bool,
    /// Whether the second half of the records is too young to be compacted.
    is_young: bool,
}

impl Case {
    fn all(seed: u64) -> [Self; 3] {
        let case = |kind: &str, config: &str| Self {
            topic: format!("{kind}-{seed}"),
            seed,
            config: config.to_owned(),
            tombstones_go: kind == "brief",
            is_young: kind == "young",
        };
        [
            case("brief", &format!("delete.retention.ms={}", TOMBSTONES_STAY.as_millis())),
            case("long", "delete.retention.ms=86400000"),
            case("young", "min.compaction.lag.ms=3600000"),
        ]
    }

    /// Ends a segment; the offset at which the next one begins.
    fn poke(&self, bootstrap: &str, at_ms: u64) -> i64 {
        let said = peer(&["poke", bootstrap, &self.topic, POKE_BYTES, &at_ms.to_string()]);
        said.trim().parse().expect("an offset")
    }

    fn fill(&self, bootstrap: &str, part: u64, at_ms: u64) {
        let seed = (self.seed * 10 + part).to_string();
        peer(&["fill", bootstrap, &self.topic, &seed, "60", &at_ms.to_string()]);
    }

    fn first_half(&self, broker: &Broker, now_ms: u64) {
        let bootstrap = broker.bootstrap();
        let args = [&["create", &bootstrap, &self.topic, &self.config][..], &COMPACTED].concat();
        peer(&args);
        self.fill(&bootstrap, 0, now_ms - 3 * HOUR_MS);
        let end = self.poke(&bootstrap, now_ms - 3 * HOUR_MS);
        await_cleaned(broker, &self.topic, end);
    }

    /// What is left of all records, once there is nothing more to do.
    fn second_half(&self, broker: &Broker, now_ms: u64) -> String {
        let bootstrap = broker.bootstrap();
        let late_ms = if self.is_young { now_ms } else { now_ms - 2 * HOUR_MS };
        let before = cleaned_end(&broker.data(), &self.topic).expect("the first half is done");
        self.fill(&bootstrap, 1, late_ms);
        let end = self.poke(&bootstrap, late_ms);
        if self.is_young {
            // Of the segments since then only the first, with its one poke, is old enough.
            await_cleaned(broker, &self.topic, before + 1);
        } else {
            await_cleaned(broker, &self.topic, end);
        }
        if self.tombstones_go {
            // All that stay have their horizon now. The next pass comes after it.
            let_pass(3 * TOMBSTONES_STAY);
            let end = self.poke(&bootstrap, late_ms);
            await_cleaned(broker, &self.topic, end);
        }
        let left = peer(&["read", &bootstrap, &self.topic]);
        // Pokes have keys of their own, which differ.
        let records = left.lines().filter(|line| !line.contains(" poke-"));
        records.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn both_brokers_leave_the_same_records() {
    if skipped_below(Tier::Test, "compaction beside Apache Kafka") {
        return;
    }
    let seeds = if tier() == Tier::All { 1..9 } else { 1..2 };
    // Both begin on this thread: they end with the thread that began them.
    let mut kafka = Broker::kafka(&[&SETTINGS[..], &[(MEMORY, "4194304")]].concat());
    // So little that not all of the 80 keys fit at once, nor do the marks.
    let little = [(MEMORY, "1000"), ("shards", "2")];
    let mut ours = Broker::logmill(&[&SETTINGS[..], &little].concat());
    let now_ms = now_ms();
    let cases: Vec<Case> = seeds.flat_map(Case::all).collect();
    let left = |broker: &mut Broker| -> Vec<String> {
        for case in &cases {
            case.first_half(broker, now_ms);
        }
        broker.restart();
        cases.iter().map(|case| case.second_half(broker, now_ms)).collect()
    };
    let (ours_left, kafka_left) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| left(&mut kafka));
        (left(&mut ours), theirs.join().expect("Kafka compacts"))
    });
    for ((case, ours), kafka) in cases.iter().zip(&ours_left).zip(&kafka_left) {
        let records = ours.lines().filter(|line| line.starts_with("R ")).count();
        let tombstones = ours.lines().filter(|line| line.ends_with(" -")).count();
        println!("{}: {records} records left, {tombstones} of them tombstones", case.topic);
        assert!(60 < records, "{}: {records} records", case.topic);
        assert_eq!(tombstones == 0, case.tombstones_go, "{}", case.topic);
        let differ = ours.lines().zip(kafka.lines()).find(|(ours, kafka)| ours != kafka);
        assert!(ours == kafka, "{}: ours and Kafka's: {differ:?}", case.topic);
    }
    let passes = ours.log().matches(" compacted").count();
    let whole = ours.log().matches(" rounds=1").count();
    assert!(whole < passes / 2, "{whole} of {passes} passes had memory for all keys");
    ours.stop();
    assert!(0 < dump::check_compacted(&ours.data()));
}

/// One record: its key and what it says; 0 for a tombstone.
type Record = (String, i64);

/// Acknowledged records by offset, and the newest offset of each key.
#[derive(Default)]
struct Known {
    records: BTreeMap<i64, Record>,
    newest: BTreeMap<String, i64>,
}

impl Known {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let ["A", offset, key, number] = words[..] else { panic!("the writer said {line:?}") };
        let offset: i64 = offset.parse().expect("an offset");
        let number = number.parse().expect("a number");
        let before = self.records.insert(offset, (key.to_owned(), number));
        assert!(before.is_none(), "two records at {offset}");
        let newest = self.newest.entry(key.to_owned()).or_insert(offset);
        *newest = offset.max(*newest);
    }

    /// Holds all that was read from the start against what was acknowledged before.
    #[track_caller]
    fn check(&self, read: &str, round: usize) -> BTreeMap<i64, Record> {
        let (mut left, mut last) = (BTreeMap::new(), BTreeMap::new());
        for line in read.lines().filter(|line| line.starts_with("R ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, offset, key, value] = words[..] else { panic!("the reader said {line:?}") };
            let offset: i64 = offset.parse().expect("an offset");
            let number = value.split('_').next().and_then(|word| word.parse().ok()).unwrap_or(0);
            let record = (key.to_owned(), number);
            let sent = self.records.get(&offset);
            let same = sent.is_none_or(|sent| *sent == record);
            assert!(same, "round {round}: {record:?} at {offset}, not {sent:?}");
            let ascends = left.last_key_value().is_none_or(|(last, _)| *last < offset);
            assert!(ascends, "round {round}: offset {offset} comes again");
            left.insert(offset, record);
            last.insert(key.to_owned(), offset);
        }
        for (key, newest) in &self.newest {
            let found = last.get(key);
            let is_tombstone = self.records[newest].1 == 0;
            let fine = found.map_or(is_tombstone, |found| newest <= found);
            assert!(fine, "round {round}: {key} was written at {newest}, and is at {found:?}");
        }
        left
    }
}

#[test]
fn kill_9_in_a_compaction_loses_nothing_and_brings_nothing_back() {
    if skipped_below(Tier::Test, "kill -9 in a compaction") {
        return;
    }
    let rounds = match std::env::var("ROUNDS") {
        Ok(rounds) => rounds.parse().expect("ROUNDS is a number"),
        Err(_) if tier() == Tier::All => 50,
        Err(_) => 3,
    };
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut rng = Rng::new(seed);
    // A cleaner that does not rest and takes its time: whenever the end comes, a pass runs.
    let busy = [("log.cleaner.backoff.ms", "1"), ("log.cleaner.io.max.bytes.per.second", "4e6")];
    let mut broker = Broker::logmill(&busy);
    let (bootstrap, topic) = (broker.bootstrap(), "compacted");
    let eager = ["delete.retention.ms=500", "min.cleanable.dirty.ratio=0.0"];
    peer(&[&["create", &bootstrap, topic][..], &COMPACTED[..2], &eager].concat());
    let mut writer = Script::start(python("compact.py").args(["write", &bootstrap, topic, "50"]));
    let mut known = Known::default();
    for round in 0..rounds {
        let want = known.records.len() + 1_000 + usize::try_from(rng.below(1_500)).expect("small");
        while known.records.len() < want {
            known.note(&writer.line());
        }
        broker.kill();
        broker.start();
        while let Some(line) = writer.line_now() {
            known.note(&line);
        }
        known.check(&peer(&["read", &bootstrap, topic]), round);
    }
    writer.close_input();
    loop {
        let line = writer.line();
        if line == "END" {
            break;
        }
        known.note(&line);
    }
    let left = known.check(&peer(&["read", &bootstrap, topic]), rounds);
    println!("{} acknowledged, {} left", known.records.len(), left.len());
    assert!(left.keys().all(|offset| known.records.contains_key(offset)), "nobody wrote that");
    let (log, all) = (broker.log(), known.records.len());
    assert!(2 * rounds < log.matches(" compacted").count(), "few passes\n{}", tail(&log, 20));
    assert!(left.len() < all / 2, "{} of {all}", left.len());
    broker.stop();
    dump::check_compacted(&broker.data());
}
