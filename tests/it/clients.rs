//! Real clients against a running broker: every acks and codec, groups, a restart in between.
//!
//! Owns: the client matrix; what each client must get back.
//! Leaves to others: how clients are called (`harness::client`), crashes (`crash`).
//! Invariant: the same test passes against Apache Kafka (`LOGMILL_PEER=kafka`).
//! Start reading at: [`every_client_reads_back_what_it_produced_also_after_a_restart`].
use std::collections::BTreeMap;

use crate::harness::broker::Broker;
use crate::harness::client::{CLIENTS, Client, Job, Seen, write_records};
use crate::harness::{Tier, dump, java, skipped_below, tail};

/// `0` comes last: Kafka drops such a batch without a word while a topic is still being created.
const ACKS: [&str; 3] = ["all", "1", "0"];
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const RECORDS: usize = 120;
/// One value is larger than a receive buffer, so that it takes the path of large frames.
const LARGE_VALUE_BYTES: usize = 300_000;

#[test]
fn every_client_reads_back_what_it_produced_also_after_a_restart() {
    if skipped_below(Tier::Test, "client matrix") {
        return;
    }
    let mut broker = Broker::under_test(&[("shards", "3")]);
    let records = sample_records();
    let file = write_records(broker.folder(), &records);
    for client in CLIENTS {
        produce_and_read_back(client, &broker.bootstrap(), &file, &records);
    }
    let first: Vec<Vec<Seen>> =
        CLIENTS.iter().map(|client| half_of_group(*client, &broker)).collect();
    broker.restart();
    for (client, mut seen) in CLIENTS.iter().zip(first) {
        seen.extend(half_of_group(*client, &broker));
        compare(&format!("{client:?} in a group, over a restart"), &seen, &records);
    }
    let topics: Vec<String> = CLIENTS.iter().flat_map(|client| topics_of(*client)).collect();
    every_client_reads_the_others(&broker.bootstrap(), &topics, &records);
    broker.stop();
    dump::check(&broker.data());
}

#[test]
fn kafkajs_reads_back_what_it_produced_and_what_others_did() {
    if skipped_below(Tier::Test, "KafkaJS") {
        return;
    }
    let broker = Broker::under_test(&[("shards", "2")]);
    let (bootstrap, records) = (broker.bootstrap(), sample_records());
    let file = write_records(broker.folder(), &records);
    // The codecs that it has built in.
    let ways = [("all", "none"), ("1", "gzip"), ("0", "none")];
    let jobs =
        ways.map(|(acks, codec)| Job { topic: format!("kafkajs-{acks}-{codec}"), acks, codec });
    let mut topics = jobs.each_ref().map(|job| job.topic.as_str()).to_vec();
    Client::KafkaJs.create(&bootstrap, &topics);
    Client::KafkaJs.produce(&bootstrap, &file, &jobs);
    let theirs = Job { topic: "franz-go-all-gzip".into(), acks: "all", codec: "gzip" };
    Client::FranzGo.create(&bootstrap, &[&theirs.topic]);
    Client::FranzGo.produce(&bootstrap, &file, std::slice::from_ref(&theirs));
    topics.push(&theirs.topic);
    for reader in [Client::KafkaJs, Client::FranzGo] {
        let seen = reader.consume(&bootstrap, &topics, records.len());
        for topic in &topics {
            let of_topic: Vec<Seen> = seen.iter().filter(|s| s.topic == *topic).cloned().collect();
            compare(&format!("{reader:?} reads {topic}"), &of_topic, &records);
        }
    }
    let group = |count| Client::KafkaJs.consume_in_group(&bootstrap, "js", topics[0], count);
    let mut seen = group(RECORDS / 2);
    seen.extend(group(RECORDS / 2));
    compare("KafkaJS in a group, in two halves", &seen, &records);
}

#[test]
fn java_s_measuring_and_verifying_tools_work() {
    if skipped_below(Tier::Test, "Java's tools") {
        return;
    }
    let mut broker = Broker::under_test(&[("shards", "1")]);
    let bootstrap = broker.bootstrap();
    let server = ["--bootstrap-server", bootstrap.as_str()];
    let create = ["--create", "--topic", "tools", "--partitions", "3"];
    java::tools().run(java::TOPICS, &[&server[..], &create].concat(), None);
    let described = ["--describe", "--topic", "tools"];
    let said = java::tools().run(java::TOPICS, &[&server[..], &described].concat(), None);
    assert!(said.contains("PartitionCount: 3"), "{said}");
    verifiable(&server, "2000", 0);
    broker.restart();
    verifiable(&server, "1000", 2_000);
    performance(&server);
    let said = java::tools().run(java::TOPICS, &[&server[..], &["--list"]].concat(), None);
    assert!(said.lines().any(|line| line == "tools"), "{said}");
    broker.stop();
    dump::check(&broker.data());
    broker.start();
    let delete = ["--delete", "--topic", "perf"];
    java::tools().run(java::TOPICS, &[&server[..], &delete].concat(), None);
    let said = java::tools().run(java::TOPICS, &[&server[..], &["--list"]].concat(), None);
    assert!(!said.lines().any(|line| line == "perf"), "{said}");
}

/// The verifiable producer sends `count` numbers; the verifiable consumer's group, which has read
/// `before` records of the topic so far, gets exactly these.
fn verifiable(server: &[&str], count: &str, before: usize) {
    let args = [server, &["--topic", "tools", "--max-messages", count, "--acks", "-1"]].concat();
    let said = java::tools().run(java::VERIFIABLE_PRODUCER, &args, None);
    let acked = said.lines().filter(|line| line.contains("\"producer_send_success\"")).count();
    assert!(acked.to_string() == count, "{acked} of {count} acknowledged\n{}", tail(&said, 5));
    assert!(!said.contains("producer_send_error"), "{said}");
    let args = [server, &["--topic", "tools", "--group-id", "verify", "--verbose"]].concat();
    let args = [&args[..], &["--max-messages", count, "--reset-policy", "earliest"]].concat();
    let said = java::tools().run(java::VERIFIABLE_CONSUMER, &args, None);
    let reads: Vec<&str> = said.lines().filter(|line| line.contains("\"record_data\"")).collect();
    assert!(reads.len().to_string() == count, "{} of {count} read, {before} before", reads.len());
    let mut values: Vec<i64> =
        reads.iter().filter_map(|line| number(line, "\"value\":\"")).collect();
    values.sort_unstable();
    let want: Vec<i64> = (0..count.parse().expect("a number")).collect();
    assert!(values == want, "every number once; read {} numbers", values.len());
}

fn number(line: &str, name: &str) -> Option<i64> {
    let rest = line.split(name).nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn performance(server: &[&str]) {
    let args = ["--topic", "perf", "--num-records", "20000", "--record-size", "100"];
    let args = [server, &args, &["--throughput", "-1"]].concat();
    let said = java::tools().run(java::PRODUCER_PERFORMANCE, &args, None);
    assert!(said.contains("20000 records sent"), "{said}");
    let args = [server, &["--topic", "perf", "--num-records", "20000"]].concat();
    let said = java::tools().run(java::CONSUMER_PERFORMANCE, &args, None);
    let figures = said.lines().last().unwrap_or_default();
    let read = figures.split(',').nth(4).and_then(|word| word.trim().parse::<i64>().ok());
    assert!(read.is_some_and(|read| 20_000 <= read), "{said}");
}

fn produce_and_read_back(
    client: Client,
    bootstrap: &str,
    file: &std::path::Path,
    records: &[String],
) {
    let topics = topics_of(client);
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    client.create(bootstrap, &names);
    let jobs: Vec<Job> = ways()
        .zip(&topics)
        .map(|((acks, codec), topic)| Job { topic: topic.clone(), acks, codec })
        .collect();
    client.produce(bootstrap, file, &jobs);
    let seen = client.consume(bootstrap, &names, records.len());
    for topic in &topics {
        let of_topic: Vec<Seen> = seen.iter().filter(|s| s.topic == *topic).cloned().collect();
        compare(&format!("{client:?}, topic {topic}"), &of_topic, records);
    }
}

/// Each client reads a topic of each codec that the next client wrote.
fn every_client_reads_the_others(bootstrap: &str, topics: &[String], records: &[String]) {
    for (at, reader) in CLIENTS.iter().enumerate() {
        let writer = CLIENTS[(at + 1) % CLIENTS.len()];
        let start = format!("{}-all-", writer.name());
        let theirs: Vec<&str> =
            topics.iter().filter(|t| t.starts_with(&start)).map(String::as_str).collect();
        assert!(theirs.len() == CODECS.len());
        let seen = reader.consume(bootstrap, &theirs, records.len());
        for topic in theirs {
            let of_topic: Vec<Seen> = seen.iter().filter(|s| s.topic == topic).cloned().collect();
            compare(&format!("{reader:?} reads {topic}"), &of_topic, records);
        }
    }
}

/// Half of the records of one topic, as a member of a group of the client's own.
fn half_of_group(client: Client, broker: &Broker) -> Vec<Seen> {
    let topic = format!("{}-all-none", client.name());
    let group = format!("group-{}", client.name());
    client.consume_in_group(&broker.bootstrap(), &group, &topic, RECORDS / 2)
}

fn ways() -> impl Iterator<Item = (&'static str, &'static str)> {
    ACKS.into_iter().flat_map(|acks| CODECS.into_iter().map(move |codec| (acks, codec)))
}

fn topics_of(client: Client) -> Vec<String> {
    ways().map(|(acks, codec)| format!("{}-{acks}-{codec}", client.name())).collect()
}

/// Numbered values under seventeen keys, of lengths from short to `LARGE_VALUE_BYTES`.
fn sample_records() -> Vec<String> {
    let record = |number: usize| {
        let length = if number == RECORDS / 3 { LARGE_VALUE_BYTES } else { number * 37 % 700 };
        let filler: String =
            (0..length).map(|at| char::from(b'a' + (at * number % 26) as u8)).collect();
        format!("k{}:{number:06}-{filler}", number % 17)
    };
    (0..RECORDS).map(record).collect()
}

/// Every record once, in each partition in the order in which it was produced, offsets from 0 on
/// without a gap.
#[track_caller]
fn compare(what: &str, seen: &[Seen], records: &[String]) {
    let mut partitions: BTreeMap<i32, Vec<&Seen>> = BTreeMap::new();
    for record in seen {
        partitions.entry(record.partition).or_default().push(record);
    }
    let place: BTreeMap<&str, usize> =
        records.iter().enumerate().map(|(at, text)| (text.as_str(), at)).collect();
    for (partition, inside) in &mut partitions {
        inside.sort_by_key(|record| record.offset);
        let offsets: Vec<i64> = inside.iter().map(|record| record.offset).collect();
        let want: Vec<i64> = (0..).take(offsets.len()).collect();
        assert!(offsets == want, "{what}: partition {partition} has offsets {offsets:?}");
        let places: Vec<Option<&usize>> =
            inside.iter().map(|record| place.get(record.text.as_str())).collect();
        assert!(
            places.iter().all(Option::is_some),
            "{what}: partition {partition}, a strange text"
        );
        assert!(places.is_sorted(), "{what}: partition {partition} is out of order: {places:?}");
    }
    let mut texts: Vec<&str> = seen.iter().map(|record| record.text.as_str()).collect();
    let mut want: Vec<&str> = records.iter().map(String::as_str).collect();
    texts.sort_unstable();
    want.sort_unstable();
    assert!(texts.len() == want.len(), "{what}: {} of {} records", texts.len(), want.len());
    assert!(texts == want, "{what}: other records than were produced");
}
