//! Plugins in a running broker, seen by clients: hostile ones under load, a thousand activations.
//!
//! Owns: what a producer sees, what other topics notice, what log and metrics say.
//! Leaves to others: the host itself (`plugin_host`), the demo's story, groups and their clients.
//! Start reading at: [`each_hostile_partitioner_fails_within_its_budget_and_harms_nobody_else`].
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use logmill::base::Bytes;
use logmill::model::{ErrorCode, Offset};
use logmill::record::{BatchBuilder, BatchSpec};
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::{PartitionProduceResponse, ProduceResponse};
use logmill::wire::protocol::{decode_response_header, frame_request};
use logmill::wire::{Message, Records};

use crate::harness::broker::Broker;
use crate::harness::{Tier, root, run, run_any, skipped_below, tier};

const PRODUCE: i16 = 9;
const CREATE_TOPICS: i16 = 5;
const LIMIT_S: u32 = 60;

/// A connection that sends exactly what the test says, and waits for each answer.
struct Raw(TcpStream);

impl Raw {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it takes us");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
        Self(stream)
    }

    #[track_caller]
    fn ask<Q: Message, R: Message>(&mut self, request: &Q, version: i16) -> R {
        let frame = frame_request(7, Some("live"), request, version).expect("a good request");
        frame.iter().for_each(|slice| self.0.write_all(slice).expect("it reads"));
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut answer).expect("a whole answer");
        let answer = Bytes::from(answer);
        let read = decode_response_header(&answer, Q::KEY, version);
        let (_, mut body) = read.expect("a readable header");
        R::decode(&mut body, version).expect("a readable response")
    }
}

/// Runs `logmill plugin …` against the broker; fails when it fails.
#[track_caller]
fn plugin(broker: &Broker, words: &[&str]) -> String {
    run(broker.cli().arg("plugin").args(words), LIMIT_S)
}

fn component(name: &str) -> String {
    let path = root().join("plugins/components").join(name).with_extension("wasm");
    assert!(path.exists(), "{} is missing: run `plugins/build` first", path.display());
    path.display().to_string()
}

fn install(broker: &Broker, guest: &str, version: &str) {
    plugin(broker, &["install", &component(guest), "--as", version]);
}

fn create(broker: &Broker, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
    let answer: CreateTopicsResponse = Raw::connect(broker.port).ask(&request, CREATE_TOPICS);
    assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0].error_message);
}

/// Sends one batch with these keys, acks=1.
fn produce(
    raw: &mut Raw,
    topic: &str,
    partition: i32,
    keys: &[String],
) -> PartitionProduceResponse {
    let mut builder = BatchBuilder::new(&BatchSpec::default());
    for (at, key) in keys.iter().enumerate() {
        let (key, value) = (Some(key.as_bytes()), Some(&b"value"[..]));
        builder.push(Offset(at as i64), 1_700_000_000_000, key, value, []).expect("a record");
    }
    let batch = builder.finish().expect("a batch");
    let data = PartitionProduceData { index: partition, records: Some(Records(vec![batch])) };
    let topic = TopicProduceData {
        name: topic.into(),
        partition_data: vec![data],
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        transactional_id: None,
        acks: 1,
        timeout_ms: 10_000,
        topic_data: vec![topic],
    };
    let mut answer: ProduceResponse = raw.ask(&request, PRODUCE);
    answer.responses.remove(0).partition_responses.remove(0)
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("key-{at}")).collect()
}

/// A producer beside the test: one batch after the other into a topic without a plugin.
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Duration>>>,
}

impl Neighbour {
    fn start(broker: &Broker, topic: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ours, port, topic) = (stop.clone(), broker.port, topic.to_owned());
        let thread = std::thread::spawn(move || {
            let (mut raw, keys, mut took) = (Raw::connect(port), keys(10), Vec::new());
            while !ours.load(Relaxed) {
                let start = Instant::now();
                let answer = produce(&mut raw, &topic, took.len() as i32 % 6, &keys);
                assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
                took.push(start.elapsed());
            }
            took
        });
        Self { stop, thread: Some(thread) }
    }

    /// How long each of its requests took; fails if one failed.
    fn end(mut self) -> Vec<Duration> {
        self.stop.store(true, Relaxed);
        let mut took = self.thread.take().expect("ended once").join().expect("no request failed");
        took.sort();
        took
    }
}

fn resident_kib(broker: &Broker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

fn metrics(broker: &Broker) -> String {
    let url = format!("{}/metrics", broker.admin_url());
    let mut answer = ureq::get(&url).call().expect("metrics");
    answer.body_mut().read_to_string().expect("text")
}

/// The first answer for topic `bad` after the plugin's code was loaded.
fn first_answer(raw: &mut Raw) -> PartitionProduceResponse {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = produce(raw, "bad", 0, &keys(3));
        let text = answer.error_message.as_deref().unwrap_or("");
        if !text.contains("being loaded") {
            return answer;
        }
        assert!(Instant::now() < end, "{text}");
    }
}

#[test]
fn each_hostile_partitioner_fails_within_its_budget_and_harms_nobody_else() {
    if skipped_below(Tier::Test, "hostile partitioners") {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "2")]);
    create(&broker, "good", 6, &[]);
    create(&broker, "bad", 1, &[]);
    install(&broker, "hostile", "hostile@1");
    plugin(&broker, &["activate", "hostile@1"]);
    let before_kib = resident_kib(&broker);
    let neighbour = Neighbour::start(&broker, "good");
    for (mode, failure, says) in [
        ("loop", "budget", "which is its budget"),
        ("trap", "trap", "trap:"),
        ("bomb", "", "gave no answer"),
        ("wrong-length", "malformed", "malformed answer"),
        ("flood", "budget", "which is its budget"),
    ] {
        let mode_setting = format!("mode={mode}");
        let settings = ["--set", &mode_setting, "--set", "spare=dry-run"];
        plugin(&broker, &[&["bind", "hostile", "--topic", "bad"], &settings[..]].concat());
        let mut raw = Raw::connect(broker.port);
        for attempt in 0..3 {
            let start = Instant::now();
            let answer = if attempt == 0 {
                first_answer(&mut raw)
            } else {
                produce(&mut raw, "bad", 0, &keys(3))
            };
            let text = answer.error_message.unwrap_or_default();
            assert_eq!(answer.error_code, ErrorCode::NotEnoughReplicas.code(), "{mode}: {text}");
            assert!(text.contains(says) && text.contains("hostile"), "{mode}: {text}");
            assert!(start.elapsed() < Duration::from_secs(20), "{mode}: {:?}", start.elapsed());
        }
        let text = produce(&mut raw, "bad", 0, &keys(3)).error_message.unwrap_or_default();
        assert!(text.contains("failed repeatedly"), "{mode}: the breaker is open: {text}");
        assert!(
            plugin(&broker, &["ps"]).contains("breaker"),
            "{mode}: {}",
            plugin(&broker, &["ps"])
        );
        let counted = format!("version=\"1\",kind=\"partitioner\",failure=\"{failure}");
        assert!(metrics(&broker).contains(&counted), "{mode}: {}", metrics(&broker));
    }
    let log = broker.log();
    let named = log.lines().any(|line| {
        ["plugin=\"hostile\"", "version=\"1\"", "budget"].iter().all(|word| line.contains(word))
    });
    assert!(named, "the log names plugin, version and reason");
    plugin(&broker, &["unbind", "hostile", "--topic", "bad"]);
    let answer = first_answer(&mut Raw::connect(broker.port));
    assert_eq!((answer.error_code, answer.base_offset), (0, 0), "nothing was written before");
    let took = neighbour.end();
    let slowest = took.last().expect("it was served");
    assert!(*slowest < Duration::from_secs(5), "slowest {slowest:?} of {}", took.len());
    let grown_kib = resident_kib(&broker).saturating_sub(before_kib);
    assert!(grown_kib < 128 << 10, "{grown_kib} KiB stay");
    broker.stop();
}

#[test]
fn a_hostile_policy_keeps_everything() {
    if skipped_below(Tier::Test, "hostile policies") {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "2")]);
    create(&broker, "kept", 1, &[("cleanup.policy", "compact")]);
    install(&broker, "hostile-policy", "hostile-policy@1");
    plugin(&broker, &["activate", "hostile-policy@1"]);
    let mut raw = Raw::connect(broker.port);
    for _ in 0..5 {
        assert_eq!(produce(&mut raw, "kept", 0, &keys(4)).error_code, 0);
    }
    for (mode, at) in
        [("trap", "observe"), ("loop", "finish"), ("bomb", "drops"), ("twice", "drops")]
    {
        let settings = [format!("mode={mode}"), format!("at={at}")];
        let words = ["bind", "hostile-policy", "--topic", "kept", "--set", &settings[0]];
        let more = ["--set", &settings[1], "--set", "spare=dry-run"];
        plugin(&broker, &[&words[..], &more].concat());
        let output = run_any(broker.cli().args(["topic", "compact", "kept"]), LIMIT_S);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("left alone: the policy failed: hostile-policy@1"), "{mode}: {said}");
    }
    let next = produce(&mut raw, "kept", 0, &keys(4));
    assert_eq!((next.error_code, next.base_offset), (0, 20), "the log goes on as it was");
    broker.stop();
}

/// What the version in force says about a batch that belongs in partition `home` by version 1.
fn verdict(answer: &PartitionProduceResponse, records: usize, home: i32) -> usize {
    let text = answer.error_message.as_deref().unwrap_or("");
    if answer.error_code == 0 {
        return 1;
    }
    assert_eq!(answer.error_code, ErrorCode::InvalidRecord.code(), "{text}");
    // All of it or nothing: one generation decided the whole batch.
    assert_eq!(answer.record_errors.len(), records, "{text}");
    let other = format!("belongs in partition {} by p@2", (home + 1) % 6);
    for error in &answer.record_errors {
        assert_eq!(error.batch_index_error_message.as_deref(), Some(other.as_str()));
    }
    2
}

/// Batches to one partition until told to stop: how many each version decided.
fn verified(
    port: u16,
    home: i32,
    keys: Vec<String>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<[u64; 2]> {
    std::thread::spawn(move || {
        let mut raw = Raw::connect(port);
        let mut decided = [0; 2];
        while !stop.load(Relaxed) {
            let answer = produce(&mut raw, "flights", home, &keys);
            decided[verdict(&answer, keys.len(), home) - 1] += 1;
        }
        decided
    })
}

/// Java's partition of a key.
fn murmur2_home(key: &str, partitions: u32) -> i32 {
    let data = key.as_bytes();
    let mut h: u32 = 0x9747_b28c ^ data.len() as u32;
    for chunk in data.chunks(4) {
        if let Ok(word) = <[u8; 4]>::try_from(chunk) {
            let mut k = u32::from_le_bytes(word).wrapping_mul(0x5bd1_e995);
            k = (k ^ (k >> 24)).wrapping_mul(0x5bd1_e995);
            h = h.wrapping_mul(0x5bd1_e995) ^ k;
            continue;
        }
        for (at, byte) in chunk.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * at);
        }
        h = h.wrapping_mul(0x5bd1_e995);
    }
    h = (h ^ (h >> 13)).wrapping_mul(0x5bd1_e995);
    ((h ^ (h >> 15)) & 0x7fff_ffff).rem_euclid(partitions) as i32
}

#[test]
fn a_thousand_activations_under_load_fail_no_client_and_split_no_batch() {
    if skipped_below(Tier::Test, "a thousand activations") {
        return;
    }
    let activations = if tier() < Tier::All { 1_000 } else { 5_000 };
    let mut broker = Broker::logmill(&[("shards", "3")]);
    create(&broker, "flights", 6, &[]);
    install(&broker, "murmur2", "p@1");
    install(&broker, "murmur2-shifted", "p@2");
    plugin(&broker, &["activate", "p@1"]);
    plugin(&broker, &["bind", "p", "--topic", "flights", "--mode", "verify"]);
    for home in 0..6 {
        let end = Instant::now() + Duration::from_secs(30);
        let mut raw = Raw::connect(broker.port);
        let mine: Vec<String> =
            keys(600).into_iter().filter(|key| murmur2_home(key, 6) == home).take(20).collect();
        // The binding's code is loaded when the first batch passes.
        while produce(&mut raw, "flights", home, &mine).error_code != 0 {
            assert!(Instant::now() < end, "the binding is not live");
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..6)
        .map(|home| {
            let mine = keys(600).into_iter().filter(|key| murmur2_home(key, 6) == home);
            verified(broker.port, home, mine.take(20).collect(), stop.clone())
        })
        .collect();
    let token = std::fs::read_to_string(broker.data().join("admin.token")).expect("a token");
    let url = format!("{}/v1/plugins/p/activate", broker.admin_url());
    for count in 0..activations {
        let version = if count % 2 == 0 { "2" } else { "1" };
        let request = ureq::post(&url).header("Authorization", format!("Bearer {}", token.trim()));
        let answer = request.send_json(serde_json::json!({ "version": version }));
        answer.unwrap_or_else(|error| panic!("activation {count}: {error}"));
    }
    stop.store(true, Relaxed);
    for (home, producer) in producers.into_iter().enumerate() {
        let decided = producer.join().expect("every batch by one generation");
        let both = decided.iter().all(|count| 10 < *count);
        assert!(both, "partition {home}: {decided:?} batches by versions 1 and 2");
    }
    let described = run(broker.cli().args(["--json", "topic", "describe", "flights"]), LIMIT_S);
    let shards: std::collections::BTreeSet<String> = described
        .split("\"shard\":")
        .skip(1)
        .map(|rest| rest.trim_start().chars().take_while(char::is_ascii_digit).collect())
        .collect();
    assert_eq!(shards.len(), 3, "partitions lie on every shard: {described}");
    broker.stop();
}
