//! Another number of shards at each start: the same records, the same commits.
//!
//! Owns: the restart 1 → 3 → 2. Leaves to others: what a shard is (`shard`), placement (`cluster`).
//! Start reading at: [`records_and_commits_outlive_the_number_of_shards`].
use crate::harness::broker::{Broker, Peer};
use crate::harness::client::{CLIENTS, Client, Job, Seen, write_records};
use crate::harness::{Tier, dump, skipped_below};

const RECORDS: usize = 90;
const STARTS: [&str; 3] = ["1", "3", "2"];

#[test]
fn records_and_commits_outlive_the_number_of_shards() {
    if skipped_below(Tier::Test, "shard counts") || Peer::under_test() == Peer::Kafka {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", STARTS[0])]);
    let records: Vec<String> = (0..RECORDS).map(|number| format!("k{number}:{number}")).collect();
    let file = write_records(broker.folder(), &records);
    let topics: Vec<String> = CLIENTS.iter().map(|client| client.name().to_owned()).collect();
    for (client, topic) in CLIENTS.iter().zip(&topics) {
        client.create(&broker.bootstrap(), &[topic]);
        let job = Job { topic: topic.clone(), acks: "all", codec: "lz4" };
        client.produce(&broker.bootstrap(), &file, &[job]);
    }
    let mut read: Vec<Vec<Seen>> = vec![Vec::new(); CLIENTS.len()];
    for shards in STARTS {
        broker.reset("shards", shards);
        broker.restart();
        assert!(broker.log().contains(&format!("shards={shards}")), "it starts with {shards}");
        for ((client, topic), read) in CLIENTS.iter().zip(&topics).zip(&mut read) {
            let third = RECORDS / STARTS.len();
            read.extend(client.consume_in_group(&broker.bootstrap(), "movers", topic, third));
        }
    }
    for ((client, topic), mut read) in CLIENTS.iter().zip(&topics).zip(read) {
        let mut all = client.consume(&broker.bootstrap(), &[topic], RECORDS);
        read.sort();
        all.sort();
        assert!(read == all, "{client:?}: the group read every record once, a third at each start");
        let mut texts: Vec<String> = all.into_iter().map(|record| record.text).collect();
        let mut want = records.clone();
        texts.sort();
        want.sort();
        assert!(texts == want, "{client:?}: what was produced");
    }
    produce_more(&broker, &file);
    broker.stop();
    dump::check(&broker.data());
}

/// The last number of shards takes new records, too.
fn produce_more(broker: &Broker, file: &std::path::Path) {
    let job = Job { topic: "late".into(), acks: "all", codec: "none" };
    Client::Confluent.create(&broker.bootstrap(), &["late"]);
    Client::Confluent.produce(&broker.bootstrap(), file, &[job]);
    let seen = Client::Kcat.consume(&broker.bootstrap(), &["late"], RECORDS);
    assert!(seen.len() == RECORDS);
}
