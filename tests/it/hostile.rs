//! Bytes that no client sends: the broker answers as Kafka does or closes, and serves the others.
//!
//! Owns: single kinds of misbehaviour with Kafka's answer to each; a flood of damaged requests.
//! Leaves to others: what the decoders make of them (`wire`), hostile plugins.
//! Invariant: the single kinds pass against Apache Kafka too (`LOGMILL_PEER=kafka`).
//! Start reading at: [`misbehaviour_gets_the_answer_that_kafka_gives`].
use std::time::Duration;

use logmill::base::{Bytes, Rng};
use logmill::model::{ErrorCode, Offset};
use logmill::record::{BatchBuilder, BatchSpec};
use logmill::wire::generated::api_versions_request::ApiVersionsRequest;
use logmill::wire::generated::api_versions_response::ApiVersionsResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::ProduceResponse;
use logmill::wire::{Api, Records};

use crate::goldens::file::{Damage, Golden, load};
use crate::harness::broker::{Broker, Peer};
use crate::harness::client::{Client, Job, write_records};
use crate::harness::raw::{Raw, Reaction};
use crate::harness::{Tier, dump, skipped_below, tier};

const REACTS_WITHIN: Duration = Duration::from_secs(10);
/// Long enough that an answer on loopback would have come.
const A_WHILE: Duration = Duration::from_millis(300);
/// A debug build with its own code mapped, and what a few thousand topics take.
const RESIDENT_KIB_MAX: u64 = 512 * 1024;

/// What must happen.
#[derive(Clone, Copy, Debug)]
enum Want {
    Closed,
    /// An answer whose bytes at 4.. are this error code.
    Code(ErrorCode),
}

#[test]
fn misbehaviour_gets_the_answer_that_kafka_gives() {
    if skipped_below(Tier::Test, "misbehaviour") {
        return;
    }
    let mut broker = Broker::under_test(&[("shards", "2")]);
    let half_open: Vec<Raw> = (0..20)
        .map(|count| {
            let mut raw = Raw::connect(broker.port);
            // From nothing at all to a length with a part of its frame.
            assert!(raw.send(&[0, 0, 1, 0, 0, 3, 0, 1][..count % 9]));
            raw
        })
        .collect();
    for (what, bytes, want) in misbehaviours() {
        let mut raw = Raw::connect(broker.port);
        raw.send(&bytes);
        let reaction = raw.react(REACTS_WITHIN);
        match (want, &reaction) {
            (Want::Closed, Reaction::Closed) => {}
            (Want::Code(code), Reaction::Answer(answer)) => {
                let said = answer.get(4..6).map(|two| i16::from_be_bytes([two[0], two[1]]));
                assert!(said == Some(code.code()), "{what}: {said:?}, not {code:?}");
            }
            _ => panic!("{what}: {reaction:?}, not {want:?}"),
        }
        assert_well(broker.port, what);
    }
    slow_bytes_are_answered(broker.port);
    a_wrong_checksum_is_refused(&broker);
    for mut raw in half_open {
        assert!(raw.react(Duration::from_millis(1)) == Reaction::Silence, "half-open stays open");
    }
    broker.stop();
}

/// Bytes of one connection, and what follows.
fn misbehaviours() -> Vec<(&'static str, Vec<u8>, Want)> {
    let framed = |frame: &[u8]| [&(frame.len() as u32).to_be_bytes(), frame].concat();
    let header = |key: i16, version: i16, rest: &[u8]| {
        let [k, v] = [key.to_be_bytes(), version.to_be_bytes()];
        framed(&[&k[..], &v, &[0, 0, 0, 7, 0, 1, b'x'], rest].concat())
    };
    vec![
        ("a negative length", vec![0xff, 0xff, 0xff, 0xff], Want::Closed),
        ("a frame of two billion bytes", vec![0x7f, 0xff, 0xff, 0xff], Want::Closed),
        ("a frame just above socket.request.max.bytes", vec![6, 0x40, 0, 1], Want::Closed),
        ("an empty frame", vec![0, 0, 0, 0], Want::Closed),
        ("half a header", framed(&[0, 3, 0]), Want::Closed),
        ("a key that nobody has", header(9_999, 0, &[]), Want::Closed),
        ("a negative key", header(-1, 0, &[]), Want::Closed),
        ("a key that brokers do not serve", header(4, 0, &[]), Want::Closed),
        ("Metadata of a version to come", header(3, 99, &[]), Want::Closed),
        ("Metadata of a negative version", header(3, -1, &[]), Want::Closed),
        ("Metadata without its body", header(3, 1, &[]), Want::Closed),
        ("two billion topics", header(3, 1, &[0x7f, 0xff, 0xff, 0xff]), Want::Closed),
        ("a topic's name that ends early", header(3, 1, &[0, 0, 0, 1, 0, 9, b'a']), Want::Closed),
        (
            "ApiVersions of a version to come",
            header(18, 99, &[0]),
            Want::Code(ErrorCode::UnsupportedVersion),
        ),
        (
            "Metadata of all topics with three bytes too many, as librdkafka 2.16 sends it",
            header(3, 13, &[0, 0, 0, 0, 0, 1, 0, 0]),
            Want::Code(ErrorCode::None),
        ),
        (
            "words of another protocol",
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            Want::Closed,
        ),
    ]
}

/// A well-behaved client is served as ever.
#[track_caller]
fn assert_well(port: u16, what: &str) {
    let answer: ApiVersionsResponse = Raw::connect(port).ask(&ApiVersionsRequest::default(), 0);
    assert!(answer.error_code == 0, "after {what}: {}", answer.error_code);
    assert!(10 < answer.api_keys.len(), "after {what}: {} keys", answer.api_keys.len());
}

fn slow_bytes_are_answered(port: u16) {
    let mut raw = Raw::connect(port);
    let request = [0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 7, 0, 1, b'x'];
    for byte in request {
        assert!(raw.send(&[byte]));
        assert_well(port, "one byte");
    }
    assert!(matches!(raw.react(REACTS_WITHIN), Reaction::Answer(_)), "byte by byte");
    assert!(raw.react(A_WHILE) == Reaction::Silence, "one answer, and the connection stays");
}

fn a_wrong_checksum_is_refused(broker: &Broker) {
    Client::Confluent.create(&broker.bootstrap(), &["checked"]);
    let mut builder = BatchBuilder::new(&BatchSpec::default());
    builder.push(Offset(0), 0, Some(b"key"), Some(b"value"), []).expect("a small record");
    let good = builder.finish().expect("a small batch");
    let mut raw = Raw::connect(broker.port);
    let mut produce = |batch: Bytes| -> i16 {
        let index = 0;
        let records = Some(Records(vec![batch]));
        let partition_data = vec![PartitionProduceData { index, records }];
        let name = "checked".to_owned();
        let topic = TopicProduceData { name, partition_data, ..TopicProduceData::default() };
        let (acks, timeout_ms) = (-1, 10_000);
        let topic_data = vec![topic];
        let request = ProduceRequest { acks, timeout_ms, topic_data, ..ProduceRequest::default() };
        let response: ProduceResponse = raw.ask(&request, 9);
        response.responses[0].partition_responses[0].error_code
    };
    // Kafka answers "not the leader" for a moment after a topic is created.
    let taken = (0..200).any(|_| produce(good.clone()) == 0);
    assert!(taken, "a good batch is taken");
    let mut wrong = good.to_vec();
    *wrong.last_mut().expect("it has bytes") ^= 1;
    let code = produce(wrong.into());
    assert!(code == ErrorCode::CorruptMessage.code(), "a wrong checksum gives {code}");
    let mut old = good.to_vec();
    old[16] = 1;
    let code = produce(old.into());
    assert!(code != 0, "a batch that claims to be of an older format");
    let code = produce(good);
    assert!(code == 0, "the same connection takes a good batch, not {code}");
}

#[test]
fn a_flood_of_damaged_requests_leaves_the_broker_well() {
    if skipped_below(Tier::Test, "damaged requests") || Peer::under_test() == Peer::Kafka {
        return;
    }
    let frames = if tier() == Tier::All { 200_000 } else { 20_000 };
    let mut broker = Broker::logmill(&[("shards", "2")]);
    let pid = broker.pid();
    let goldens = served_goldens(broker.port);
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    let mut rng = Rng::new(seed);
    let mut sent = 0;
    let mut answers = 0;
    while sent < frames {
        let mut raw = Raw::connect(broker.port);
        // Most connections just go away; some want to see what they get for one frame.
        let waits = rng.chance(300);
        for _ in 0..=if waits { 0 } else { rng.below(12) } {
            let (key, golden) = &goldens[index_below(goldens.len(), &mut rng)];
            let (_, other) = &goldens[index_below(goldens.len(), &mut rng)];
            let frame = damaged_request(*key, golden, other, &mut rng);
            sent += 1;
            if !raw.send_frame(&frame) {
                break;
            }
        }
        if waits {
            raw.end();
            while let Reaction::Answer(_) = raw.react(Duration::from_millis(20)) {
                answers += 1;
            }
        }
        if sent % 50 == 0 {
            assert_well(broker.port, "damaged requests");
        }
    }
    let resident = resident_kib(pid);
    println!("{sent} frames, {answers} answers read, {resident} KiB resident");
    assert!(sent / 200 < answers, "some of them are answered");
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB resident");
    assert!(!broker.log().contains("panicked"), "no panic");
    work_is_done(&broker);
    broker.restart();
    work_is_done(&broker);
    broker.stop();
    dump::check(&broker.data());
}

/// Requests as Kafka's own client wrote them, of the keys and versions that the broker serves.
fn served_goldens(port: u16) -> Vec<(i16, Golden)> {
    let served: ApiVersionsResponse = Raw::connect(port).ask(&ApiVersionsRequest::default(), 0);
    let mut found = Vec::new();
    for golden in load(include_bytes!("../goldens/messages.bin.gz")) {
        let Some(name) = golden.name.strip_suffix("Request") else { continue };
        let here = served.api_keys.iter().find(|api| {
            let versions = api.min_version..=api.max_version;
            let known = Api::find(api.api_key).is_some_and(|known| known.name == name);
            known && versions.contains(&golden.version)
        });
        if let Some(api) = here {
            found.push((api.api_key, golden));
        }
    }
    assert!(100 < found.len(), "only {} requests of what is served", found.len());
    found
}

fn index_below(count: usize, rng: &mut Rng) -> usize {
    usize::try_from(rng.below(count as u64)).expect("small")
}

/// A golden behind a header: half have a few bits of the body flipped, most others are changed
/// anywhere, some are noise.
fn damaged_request(key: i16, golden: &Golden, other: &Golden, rng: &mut Rng) -> Vec<u8> {
    let kind = rng.below(16);
    let mut damage = Damage { below: |count| rng.below(count) };
    if kind == 0 {
        return damage.noise(300);
    }
    let mut frame = [key.to_be_bytes(), golden.version.to_be_bytes()].concat();
    frame.extend([0, 0, 0, 7, 0, 1, b'x']);
    let api = Api::find(key).expect("it is served");
    if api.request_header_version(golden.version) == 2 {
        frame.push(0);
    }
    if kind < 9 {
        frame.extend(damage.value(&golden.bytes));
        return frame;
    }
    frame.extend(&golden.bytes);
    damage.frame(&frame, &other.bytes)
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a memory line");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
}

/// A real client produces and reads back.
fn work_is_done(broker: &Broker) {
    let topic = format!("after-{}", broker.pid());
    let records: Vec<String> = (0..50).map(|number| format!("k{number}:{number}")).collect();
    let file = write_records(broker.folder(), &records);
    Client::Confluent.create(&broker.bootstrap(), &[&topic]);
    let job = Job { topic: topic.clone(), acks: "all", codec: "none" };
    Client::Confluent.produce(&broker.bootstrap(), &file, &[job]);
    let seen = Client::Confluent.consume(&broker.bootstrap(), &[&topic], records.len());
    assert!(seen.len() == records.len());
}
