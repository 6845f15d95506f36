//! Real clients on rings that lack one optional feature after the other, and on one without any.
//!
//! Owns: that every fallback serves clients. Leaves to others: the seam's contract (`contract`).
//! Start reading at: [`clients_are_served_without_any_one_feature_and_without_all`].
use logmill::io::Feature;

use crate::harness::broker::{Broker, Peer};
use crate::harness::client::{Client, Job, write_records};
use crate::harness::{Tier, dump, skipped_below};

const RECORDS: usize = 60;
/// Takes the path of large frames, which are received into buffers of their own.
const LARGE_VALUE_BYTES: usize = 200_000;

#[test]
fn clients_are_served_without_any_one_feature_and_without_all() {
    if skipped_below(Tier::Test, "masked rings") || Peer::under_test() == Peer::Kafka {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "2")]);
    let mut records: Vec<String> =
        (0..RECORDS).map(|number| format!("k{number}:{number}")).collect();
    records.push(format!("large:{}", "x".repeat(LARGE_VALUE_BYTES)));
    records.sort();
    let file = write_records(broker.folder(), &records);
    for masked in Feature::ALL.iter().map(|feature| feature.name()).chain(["all"]) {
        broker.set_variable("LOGMILL_RING_WITHOUT", masked);
        broker.restart();
        assert!(broker.log().contains(&format!("without=\"{masked}\"")), "{masked} is left out");
        let topic = format!("without-{masked}");
        let job = Job { topic: topic.clone(), acks: "all", codec: "none" };
        Client::Kcat.produce(&broker.bootstrap(), &file, &[job]);
        let seen = Client::Kcat.consume(&broker.bootstrap(), &[&topic], records.len());
        let mut texts: Vec<String> = seen.into_iter().map(|record| record.text).collect();
        texts.sort();
        assert!(texts == records, "without {masked}");
        let half = records.len() / 2;
        for part in ["first", "second"] {
            let read = Client::Kcat.consume_in_group(&broker.bootstrap(), masked, &topic, half);
            assert!(read.len() == half, "without {masked}: the {part} half in a group");
        }
    }
    broker.stop();
    dump::check(&broker.data());
}
