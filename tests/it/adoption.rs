//! A start on a directory that Apache Kafka wrote: everything is there, and goes on.
//!
//! Owns: what clients find after Kafka was stopped or killed and logmill started in its place.
//! Leaves to others: one partition's files (`log_files`), damage (`log`'s own tests).
//! Start reading at: [`what_kafka_wrote_is_served`].
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compaction::{SETTINGS, await_cleaned, peer};
use crate::harness::broker::{Broker, Peer};
use crate::harness::client::{Client, Job, Outcome, write_records};
use crate::harness::{Tier, java, root, run, run_any, skipped_below, tail};

const CONFIGS: &str = "kafka.admin.ConfigCommand";

fn tool(broker: &Broker, class: &str, words: &str) -> String {
    let bootstrap = broker.bootstrap();
    let mut args: Vec<&str> = words.split_whitespace().collect();
    args.extend(["--bootstrap-server", &bootstrap]);
    let done = java::tools().run_any(class, &args, None);
    assert!(done.status == 0, "{words}\n{}\n{}", tail(&done.out, 20), tail(&done.err, 20));
    done.out
}

/// Every record with its place, sorted.
fn all(broker: &Broker, topic: &str, count: usize) -> Vec<(i32, i64, String)> {
    let seen = Client::Confluent.consume(&broker.bootstrap(), &[topic], count);
    let mut seen: Vec<_> = seen.into_iter().map(|s| (s.partition, s.offset, s.text)).collect();
    seen.sort();
    seen
}

/// Committed offsets of the group, by partition.
fn committed(broker: &Broker) -> Vec<String> {
    let said = tool(broker, java::CONSUMER_GROUPS, "--describe --group keepers");
    let rows = said.lines().filter(|line| line.contains(" moved "));
    let words = rows.map(|row| row.split_whitespace().take(4).collect::<Vec<_>>().join(" "));
    let mut rows: Vec<String> = words.collect();
    rows.sort();
    rows
}

/// The ids of topics, as a broker tells them.
fn topic_ids(broker: &Broker) -> Vec<String> {
    let said = tool(broker, java::TOPICS, "--describe");
    let lines = said.lines().filter(|line| line.contains("TopicId: "));
    let id = |line: &str| line.split("PartitionCount").next().unwrap_or_default().to_owned();
    let mut ids: Vec<String> = lines.map(id).collect();
    ids.sort();
    ids
}

#[test]
fn what_kafka_wrote_is_served() {
    if skipped_below(Tier::Test, "adopting Kafka's directory") {
        return;
    }
    for killed in [false, true] {
        let mut broker = Broker::kafka(&[("shards", "2"), ("log.segment.bytes", "1048576")]);
        let client = Client::Confluent;
        client.create(&broker.bootstrap(), &["moved", "dropped"]);
        let keep = "--alter --entity-type topics --entity-name moved --add-config";
        tool(&broker, CONFIGS, &format!("{keep} retention.ms=86400001,segment.bytes=2000000"));
        tool(&broker, java::TOPICS, "--delete --topic dropped");
        let value = "v".repeat(300);
        let records: Vec<String> =
            (0..20_000).map(|n| format!("k{}:{value} {n}", n % 99)).collect();
        let file = write_records(broker.folder(), &records);
        let jobs = ["none", "zstd"].map(|codec| Job { topic: "moved".into(), acks: "all", codec });
        client.produce(&broker.bootstrap(), &file, &jobs);
        let told = client.insist(broker.folder(), &broker.bootstrap(), "moved", 50, None);
        assert!(told.iter().all(|one| matches!(one, Outcome::Delivered { .. })));
        let count = 2 * records.len() + 50;
        client.consume_in_group(&broker.bootstrap(), "keepers", "moved", 700);
        let before = (all(&broker, "moved", count), committed(&broker), topic_ids(&broker));
        assert_eq!(before.0.len(), count);
        if killed {
            broker.kill();
        } else {
            broker.stop();
        }
        is_whole(&broker, &broker.data());
        broker.hand_over(Peer::Logmill);
        broker.start();
        let after = (all(&broker, "moved", count), committed(&broker), topic_ids(&broker));
        assert!(before == after, "killed: {killed}\n{}", tail(&broker.log(), 30));
        let shown = tool(&broker, CONFIGS, "--describe --entity-type topics --entity-name moved");
        for want in ["retention.ms=86400001", "segment.bytes=2000000"] {
            assert!(shown.contains(want), "no {want} in\n{shown}");
        }
        // New producers write, a group goes on where it was, and all of it survives a restart.
        let told = client.insist(broker.folder(), &broker.bootstrap(), "moved", 50, None);
        assert!(told.iter().all(|one| matches!(one, Outcome::Delivered { .. })), "{told:?}");
        let rest = client.consume_in_group(&broker.bootstrap(), "keepers", "moved", count - 650);
        assert_eq!(rest.len(), count - 650, "what was not committed, and what is new");
        broker.kill();
        broker.start();
        let last = all(&broker, "moved", count + 50);
        assert_eq!(last.len(), count + 50);
        assert!(!broker.log().contains("partition is offline"), "{}", broker.log());
        if !killed {
            goes_back(broker, &last);
        }
    }
}

/// Kafka serves what logmill wrote, under the same ids.
fn goes_back(mut broker: Broker, want: &[(i32, i64, String)]) {
    let (offsets, ids) = (committed(&broker), topic_ids(&broker));
    broker.stop();
    broker.hand_over(Peer::Kafka);
    let ours = broker.format_anew();
    let mut script = Command::new(root().join("tools/to-kafka"));
    script.args([&ours, &broker.data()]).args(["--logmill", env!("CARGO_BIN_EXE_logmill")]);
    let said = run(&mut script, 60);
    assert!(said.contains("topics, "), "{said}");
    broker.start();
    assert!(all(&broker, "moved", want.len()) == want);
    assert_eq!(topic_ids(&broker), ids);
    assert_eq!(committed(&broker), offsets);
    let shown = tool(&broker, CONFIGS, "--describe --entity-type topics --entity-name moved");
    assert!(shown.contains("retention.ms=86400001"), "{shown}");
    let told = Client::Confluent.insist(broker.folder(), &broker.bootstrap(), "moved", 50, None);
    assert!(told.iter().all(|one| matches!(one, Outcome::Delivered { .. })), "{told:?}");
    assert_eq!(all(&broker, "moved", want.len() + 50).len(), want.len() + 50);
}

/// `logmill log verify` finds nothing wrong in what Kafka left.
fn is_whole(broker: &Broker, path: &Path) {
    let path = path.display().to_string();
    let said = run_any(broker.cli().args(["log", "verify", &path]), 60);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains(" 0 damaged"), "{said}");
}

/// Kafka's cleaner takes the ends of segments, and what it has done a minute ago or later stands in
/// no recovery point when it is killed.
#[test]
fn what_kafka_compacted_before_it_was_killed_is_served() {
    if skipped_below(Tier::Test, "adopting what Kafka compacted") {
        return;
    }
    let mut broker = Broker::kafka(&[&SETTINGS[..], &[("shards", "2")]].concat());
    let (bootstrap, topic) = (broker.bootstrap(), "kept");
    let sizes = ["cleanup.policy=compact", "segment.bytes=1048576"];
    peer(
        &[&["create", &bootstrap, topic][..], &sizes, &["min.cleanable.dirty.ratio=0.01"]].concat(),
    );
    // One producer, whose last batch comes last; of all segments but the first nothing stays.
    let value = "v".repeat(300);
    let key = |n: usize| if n < 300 { n } else { n % 99 };
    let records: Vec<String> = (0..20_000).map(|n| format!("k{}:{value} {n}", key(n))).collect();
    let file = write_records(broker.folder(), &records);
    let job = Job { topic: topic.into(), acks: "all", codec: "none" };
    Client::Confluent.produce(&bootstrap, &file, &[job]);
    let dir = broker.data().join("kept-0");
    let active = segments(&dir).pop().expect("a segment").0;
    await_cleaned(&broker, topic, active);
    let before = peer(&["read", &bootstrap, topic]);
    broker.kill();
    let found = segments(&dir)
        .into_iter()
        .map(|(base, path)| (base, end_of(&std::fs::read(path).expect("a segment"))));
    let found: Vec<(i64, i64)> = found.collect();
    assert!(found.windows(2).any(|pair| pair[0].1 < pair[1].0), "none lost its end: {found:?}");
    // The killed broker may just have begun topics of its own.
    is_whole(&broker, &dir);
    broker.hand_over(Peer::Logmill);
    broker.start();
    let after = peer(&["read", &bootstrap, topic]);
    assert!(before == after, "{before}\n{after}\n{}", tail(&broker.log(), 30));
    assert!(300 < before.lines().count());
    broker.kill();
    broker.start();
    assert!(before == peer(&["read", &bootstrap, topic]), "{}", tail(&broker.log(), 30));
}

/// Where each segment begins, and its file; in order.
fn segments(dir: &Path) -> Vec<(i64, PathBuf)> {
    let entries = std::fs::read_dir(dir).expect("a partition").map(|entry| entry.expect("ours"));
    let logs = entries.map(|entry| entry.path());
    let logs = logs.filter(|path| path.extension() == Some("log".as_ref()));
    let base = |path: &Path| path.file_stem()?.to_str()?.parse().ok();
    let mut found: Vec<_> = logs.map(|path| (base(&path).expect("an offset"), path)).collect();
    found.sort();
    found
}

/// Behind the last offset of a file of batches.
fn end_of(mut bytes: &[u8]) -> i64 {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | i64::from(*byte));
    let mut end = 0;
    while !bytes.is_empty() {
        end = number(&bytes[..8]) + number(&bytes[23..27]) + 1;
        bytes = &bytes[12 + number(&bytes[8..12]) as usize..];
    }
    end
}

#[test]
fn a_directory_of_several_nodes_is_refused_in_one_sentence() {
    if skipped_below(Tier::Test, "refusing Kafka's directory") {
        return;
    }
    let mut broker = Broker::kafka(&[]);
    Client::Confluent.create(&broker.bootstrap(), &["moved"]);
    broker.stop();
    broker.hand_over(Peer::Logmill);
    let mut command = broker.serve_command();
    let said = run_any(command.args(["--set", "node.id=7"]), 20);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("belongs to node 1, but node.id is 7"), "{said}");
}
