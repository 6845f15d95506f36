//! Consumer groups of real clients: members come, leave and die, and every partition has one owner.
//!
//! Owns: the story of a group, for the eager and the cooperative protocol.
//! Leaves to others: the coordinator's rules in every order of events (`group`'s own tests).
//! Invariant: the same test passes against Apache Kafka (`LOGMILL_PEER=kafka`).
//! Start reading at: [`story`].
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::harness::broker::Broker;
use crate::harness::client::{Client, Job, python, write_records};
use crate::harness::script::Script;
use crate::harness::{Tier, dump, java, skipped_below};

const PARTITIONS: [i32; 3] = [0, 1, 2];
const RECORDS: usize = 200;
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// A member and what it said.
struct Member {
    script: Script,
    owned: BTreeSet<i32>,
    read: BTreeSet<(i32, i64)>,
}

#[test]
fn an_eager_group_of_two_libraries_shares_every_partition() {
    story("range", ["confluent", "kafka-python", "confluent"]);
}

#[test]
fn a_cooperative_group_shares_every_partition() {
    story("cooperative-sticky", ["confluent", "confluent", "confluent"]);
}

/// One member, three members, one dies, one leaves; records go in between, and all are read.
fn story(strategy: &str, libraries: [&str; 3]) {
    if skipped_below(Tier::Test, "consumer groups") {
        return;
    }
    let mut broker = Broker::under_test(&[("shards", "2")]);
    let bootstrap = broker.bootstrap();
    Client::Confluent.create(&bootstrap, &["shared"]);
    let start = |number: usize| {
        let (library, id) = (libraries[number], format!("member-{number}"));
        Member::start(&[library, &bootstrap, "sharers", "shared", strategy, &id])
    };
    let mut members = vec![start(0)];
    settle(&mut members);
    produce(&broker, 0);
    members.push(start(1));
    members.push(start(2));
    settle(&mut members);
    assert!(members.iter().all(|member| member.owned.len() == 1), "three members, one each");
    produce(&broker, 1);
    let mut read = BTreeSet::new();
    until_read(&mut members, &mut read, 2 * RECORDS);
    // The second dies without a word: its session has to end first.
    drop(members.remove(1));
    settle(&mut members);
    produce(&broker, 2);
    let mut leaving = members.remove(1);
    leaving.leave();
    read.extend(leaving.read.iter().copied());
    settle(&mut members);
    assert!(members[0].owned == PARTITIONS.into(), "the last one has everything");
    produce(&broker, 3);
    until_read(&mut members, &mut read, 4 * RECORDS);
    members[0].leave();
    describe(&bootstrap);
    broker.stop();
    dump::check(&broker.data());
}

/// An operator looks at the group that is empty now.
fn describe(bootstrap: &str) {
    let args = ["--bootstrap-server", bootstrap, "--group", "sharers", "--describe"];
    let said = java::tools().run(java::CONSUMER_GROUPS, &args, None);
    let offsets = said.lines().filter(|line| line.contains("shared")).count();
    assert!(offsets == PARTITIONS.len(), "committed offsets of every partition:\n{said}");
}

fn produce(broker: &Broker, round: usize) {
    let records: Vec<String> =
        (0..RECORDS).map(|number| format!("k{number}:round {round}, {number}")).collect();
    let file = write_records(broker.folder(), &records);
    let job = Job { topic: "shared".into(), acks: "all", codec: "none" };
    Client::Confluent.produce(&broker.bootstrap(), &file, &[job]);
}

/// Waits until the members own every partition, each once, and nobody else's.
#[track_caller]
fn settle(members: &mut [Member]) {
    let start = Instant::now();
    loop {
        for member in members.iter_mut() {
            member.hear();
        }
        let mut owned: Vec<i32> = members.iter().flat_map(|m| m.owned.iter().copied()).collect();
        owned.sort_unstable();
        let busy = members.iter().all(|member| !member.owned.is_empty());
        if owned == PARTITIONS && busy {
            return;
        }
        let all: Vec<&BTreeSet<i32>> = members.iter().map(|member| &member.owned).collect();
        assert!(start.elapsed() < SETTLED_WITHIN, "not settled: {all:?}");
    }
}

/// Waits until the members have read so many different records, with those in `read`.
#[track_caller]
fn until_read(members: &mut [Member], read: &mut BTreeSet<(i32, i64)>, count: usize) {
    let start = Instant::now();
    while read.len() < count {
        for member in members.iter_mut() {
            member.hear();
            read.append(&mut member.read);
        }
        assert!(start.elapsed() < SETTLED_WITHIN, "{} of {count} records read", read.len());
    }
    assert!(read.len() == count, "{} records read, not {count}", read.len());
}

impl Member {
    fn start(args: &[&str]) -> Self {
        let script = Script::start(python("member.py").args(args));
        Self { script, owned: BTreeSet::new(), read: BTreeSet::new() }
    }

    /// Takes in what it has said, waiting a moment for more.
    fn hear(&mut self) {
        while let Some(line) = self.script.line_soon() {
            self.note(&line);
        }
    }

    fn note(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let numbers: Vec<i64> = words.map(|number| number.parse().expect("a number")).collect();
        let index = |number: i64| i32::try_from(number).expect("a partition");
        match (word, &numbers[..]) {
            ("O", owned) => self.owned = owned.iter().map(|&number| index(number)).collect(),
            ("R", &[partition, offset]) => {
                self.read.insert((index(partition), offset));
            }
            _ => panic!("a member said {line:?}"),
        }
    }

    /// Leaves the group in order.
    fn leave(&mut self) {
        self.script.close_input();
        loop {
            let line = self.script.line();
            if line == "END" {
                return;
            }
            self.note(&line);
        }
    }
}
