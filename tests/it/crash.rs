//! kill −9 under load, again and again: what was acknowledged is there, once, in order.
//!
//! Owns: the rounds, the three ways of writing, what must hold after each.
//! Leaves to others: power cuts, which only the simulator can do (`sim`).
//! Invariant: what one round read, the next reads again at the same offsets.
//! Start reading at: [`acknowledged_records_survive_kill_9_under_load`].
use std::collections::{BTreeMap, BTreeSet};

use logmill::base::Rng;

use crate::harness::broker::Broker;
use crate::harness::client::python;
use crate::harness::script::Script;
use crate::harness::{Tier, dump, skipped_below, tier};

const PARTITIONS: usize = 3;
/// Records that are read again although an earlier round has checked them.
const READ_AGAIN: i64 = 300;

/// How a writer asks for its acknowledgements.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    topic: &'static str,
    acks: &'static str,
    idempotent: bool,
}

impl Way {
    pub fn topic(self) -> &'static str {
        self.topic
    }
}

pub const WAYS: [Way; 3] = [
    Way { topic: "acks-1", acks: "1", idempotent: false },
    Way { topic: "acks-all", acks: "all", idempotent: false },
    Way { topic: "idempotent", acks: "all", idempotent: true },
];

/// A writer and what is known of its topic: acknowledged and read records by (partition, offset).
pub struct Topic {
    way: Way,
    writer: Script,
    acknowledged: BTreeMap<(usize, i64), i64>,
    read: BTreeMap<(usize, i64), i64>,
    ends: [i64; PARTITIONS],
    /// Why records were not acknowledged, each reason once.
    pub refusals: BTreeSet<String>,
}

#[test]
fn acknowledged_records_survive_kill_9_under_load() {
    if skipped_below(Tier::Test, "kill -9") {
        return;
    }
    let rounds = match std::env::var("ROUNDS") {
        Ok(rounds) => rounds.parse().expect("ROUNDS is a number"),
        Err(_) if tier() == Tier::All => 100,
        Err(_) => 20,
    };
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut rng = Rng::new(seed);
    let mut broker = Broker::under_test(&[("shards", "2"), ("log.segment.bytes", "1048576")]);
    let bootstrap = broker.bootstrap();
    let mut topics = WAYS.map(|way| Topic::start(&bootstrap, way));
    let mut reader = Script::start(python("load.py").args(["read", &bootstrap, "crash"]));
    for round in 0..rounds {
        let more = 50 + usize::try_from(rng.below(600)).expect("small");
        for topic in &mut topics {
            topic.await_acknowledgements(more);
        }
        broker.kill();
        broker.start();
        for topic in &mut topics {
            topic.check(&mut reader, round, READ_AGAIN);
        }
    }
    for topic in &mut topics {
        topic.finish(&mut reader, rounds);
    }
    broker.stop();
    dump::check(&broker.data());
}

impl Topic {
    pub fn start(bootstrap: &str, way: Way) -> Self {
        let (partitions, idempotent) = (PARTITIONS.to_string(), way.idempotent.to_string());
        let args = ["write", bootstrap, way.topic, &partitions, way.acks, &idempotent];
        let writer = Script::start(python("load.py").args(args));
        let (acknowledged, read) = (BTreeMap::new(), BTreeMap::new());
        let refusals = BTreeSet::new();
        Self { way, writer, acknowledged, read, ends: [0; PARTITIONS], refusals }
    }

    /// Waits until `more` records have been acknowledged in addition.
    pub fn await_acknowledgements(&mut self, more: usize) {
        let want = self.acknowledged.len() + more;
        while self.acknowledged.len() < want {
            let line = self.writer.line();
            self.note(&line);
        }
    }

    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Takes a line that the writer has said, or says within a moment.
    pub fn note_soon(&mut self) {
        if let Some(line) = self.writer.line_soon() {
            self.note(&line);
        }
    }

    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<i64>().ok());
        match (words[0], number(1), number(2), number(3)) {
            ("A", Some(partition), Some(value), Some(offset)) => {
                let place = (usize::try_from(partition).expect("a partition"), offset);
                let before = self.acknowledged.insert(place, value);
                assert!(before.is_none(), "{:?}: two records acknowledged at {place:?}", self.way);
            }
            ("F", ..) if !self.way.idempotent => {
                self.refusals.insert(words[words.len() - 1].to_owned());
            }
            _ => panic!("{:?}: the writer said {line:?}", self.way),
        }
    }

    /// Reads the log's newer part and holds it against all that is known.
    pub fn check(&mut self, reader: &mut Script, round: usize, again: i64) {
        while let Some(line) = self.writer.line_now() {
            self.note(&line);
        }
        let acknowledged = self.acknowledged.clone();
        let from = self.ends.map(|end| (end - again).max(0));
        let ends = self.read_from(reader, from, round);
        for (partition, end) in ends.iter().enumerate() {
            let known_end = self.ends[partition];
            assert!(known_end <= *end, "round {round}, {:?}: {known_end} → {end}", self.way);
            let inside = (partition, from[partition])..(partition, *end);
            let offsets: Vec<i64> = self.read.range(inside.clone()).map(|(at, _)| at.1).collect();
            let want: Vec<i64> = (from[partition]..*end).collect();
            assert!(offsets == want, "round {round}, {:?}: a gap in {partition}", self.way);
            let values: Vec<i64> = self.read.range(inside).map(|(_, value)| *value).collect();
            let rising = values.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(rising, "round {round}, {:?}: twice or out of order: {values:?}", self.way);
        }
        for (place, value) in &acknowledged {
            let found = self.read.get(place);
            assert!(found == Some(value), "round {round}, {:?}: {place:?} has {found:?}", self.way);
        }
        self.ends = ends;
    }

    /// Reads from these offsets on; what was read before must read the same.
    fn read_from(
        &mut self,
        reader: &mut Script,
        from: [i64; PARTITIONS],
        round: usize,
    ) -> [i64; PARTITIONS] {
        let from: Vec<String> = from.iter().map(i64::to_string).collect();
        reader.tell(&format!("{} {}", self.way.topic, from.join(" ")));
        let committed = numbers(&reader.line(), "C");
        let want = if round == 0 { vec![-1; PARTITIONS] } else { self.ends.to_vec() };
        assert!(committed == want, "round {round}: committed {committed:?}, not {want:?}");
        loop {
            let line = reader.line();
            if line.starts_with("END") {
                let ends = numbers(&line, "END");
                return ends.try_into().expect("an end for each partition");
            }
            let record = numbers(&line, "R");
            let [partition, offset, value] = record.try_into().expect("three numbers");
            let place = (usize::try_from(partition).expect("a partition"), offset);
            let before = self.read.insert(place, value);
            let same = before.is_none_or(|before| before == value);
            assert!(same, "round {round}, {:?}: {place:?} was {before:?}, is {value}", self.way);
        }
    }

    /// Lets the writer end, then reads everything once more from the start.
    pub fn finish(&mut self, reader: &mut Script, rounds: usize) {
        self.writer.close_input();
        loop {
            let line = self.writer.line();
            if line == "END" {
                break;
            }
            self.note(&line);
        }
        self.check(reader, rounds, i64::MAX);
        println!(
            "{:?}: {} acknowledged, {} in the log",
            self.way,
            self.acknowledged.len(),
            self.read.len()
        );
        if self.way.idempotent {
            assert!(self.acknowledged.len() == self.read.len(), "it retries until it knows");
            let numbered = self.read.iter().all(|((_, offset), value)| offset == value);
            assert!(numbered, "nothing lost, nothing twice: every value is its offset");
        }
    }
}

/// The numbers behind `word`.
#[track_caller]
fn numbers(line: &str, word: &str) -> Vec<i64> {
    let rest = line.strip_prefix(word).unwrap_or_else(|| panic!("the reader said {line:?}"));
    rest.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}
