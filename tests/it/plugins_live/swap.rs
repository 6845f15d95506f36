//! A thousand activations under load: every batch is decided by one version, and by both.
//!
//! `hash@1` is murmur2, `hash@2` wants every record one partition further. A producer that knows
//! both knows from each answer which version decided: what it is told must be all of one.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Stage;
use crate::client::{Kafka, Told, batch, record_errors};
use crate::harness::{Tier, tier};

const SHARDS: u16 = 3;
const PARTITIONS: i32 = 6;
const ACTIVATIONS: usize = 1_000;
/// Before an issue closes.
const ACTIVATIONS_ALL: usize = 5_000;
const BATCH_RECORDS: usize = 8;
/// Every so many activations go through the command line, which starts a process.
const BY_CLI_EVERY: usize = 100;
/// Idle a thousand take 17 s; this only ends what hangs.
const WITHIN: Duration = Duration::from_secs(300);

/// Java's default hash, from Kafka's `Utils.murmur2`.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        rest.iter().enumerate().for_each(|(at, byte)| hash ^= u32::from(*byte) << (8 * at));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// Keys that `hash@1` wants in that partition.
fn keys_of(partition: i32) -> Vec<String> {
    let all = (0..).map(|number| format!("key-{number}"));
    let home = |key: &String| (murmur2(key.as_bytes()) & 0x7fff_ffff) as i32 % PARTITIONS;
    all.filter(|key| home(key) == partition).take(BATCH_RECORDS).collect()
}

/// What one producer saw: batches by partition and the version that decided, and accepted ones.
#[derive(Default)]
struct Tally {
    decided: BTreeMap<(i32, u8), usize>,
    accepted: usize,
}

/// The version that decided a batch of keys whose home by `hash@1` is `home`, sent to `sent`.
#[track_caller]
fn decider(told: &Told, home: i32, sent: i32) -> u8 {
    let agrees = if home == sent { 1 } else { 2 };
    if told.error_code == 0 {
        assert!(told.record_errors.is_empty() && 0 <= told.base_offset, "{told:?}");
        return agrees;
    }
    assert_eq!((told.error_code, told.base_offset), (87, -1), "{told:?}");
    let errors = record_errors(told);
    assert_eq!(errors.len(), BATCH_RECORDS, "one version would have refused all: {told:?}");
    let (version, target) = if agrees == 1 { (2, (home + 1) % PARTITIONS) } else { (1, home) };
    let want = format!("belongs in partition {target} by hash@{version}");
    for (at, (row, text)) in errors.into_iter().enumerate() {
        assert_eq!((row, text), (at as i32, &*want), "{told:?}");
    }
    version
}

fn produce_until(mut kafka: Kafka, salt: usize, stop: Arc<AtomicBool>) -> JoinHandle<Tally> {
    let keys: Vec<Vec<String>> = (0..PARTITIONS).map(keys_of).collect();
    std::thread::spawn(move || {
        let (mut tally, mut round) = (Tally::default(), salt);
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            // All partitions in one request; each batch asks one of the two versions.
            let further = |home: i32| (home + 1) % PARTITIONS;
            let homes: Vec<(i32, i32)> = (0..PARTITIONS)
                .map(|home| (home, if round % 2 == 0 { home } else { further(home) }))
                .collect();
            let batches = homes.iter().map(|(home, sent)| {
                let records: Vec<_> =
                    keys[*home as usize].iter().map(|key| (Some(key.as_str()), "v")).collect();
                (*sent, batch(&records))
            });
            let told = kafka.produce("swapped", 1, batches.collect());
            for (told, (home, sent)) in told.iter().zip(homes) {
                assert_eq!(told.index, sent);
                let version = decider(told, home, sent);
                *tally.decided.entry((sent, version)).or_default() += 1;
                tally.accepted += usize::from(told.error_code == 0);
            }
        }
        tally
    })
}

/// Activates the two versions in turn; every answer names the generation that it made.
fn activate_in_turn(stage: &Stage) {
    let (bearer, start) = (stage.bearer(), Instant::now());
    let activations = if tier() < Tier::All { ACTIVATIONS } else { ACTIVATIONS_ALL };
    for round in 0..activations {
        let version = if round % 2 == 0 { "2" } else { "1" };
        let generation = round as u64 + 2;
        if round % BY_CLI_EVERY == 0 {
            let told = stage.json(&["plugin", "activate", &format!("hash@{version}")]);
            assert_eq!(
                (told["generation"].as_u64(), &told["shards_ready"]),
                (Some(generation), &SHARDS.into())
            );
            continue;
        }
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = format!("{{\"version\":\"{version}\"}}");
        let (status, told) =
            stage.http("POST", "/v1/plugins/hash/activate", &headers, body.as_bytes());
        assert_eq!(status, 200, "{told}");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["generation"].as_u64(), Some(generation), "{told}");
        assert!(start.elapsed() < WITHIN, "{round} activations took {:?}", start.elapsed());
    }
    println!("{activations} activations took {:?}", start.elapsed());
}

/// A topic whose plugin has two versions, the first of them live.
fn two_versions(shards: u16) -> (Stage, Kafka) {
    let stage = Stage::start(shards, &[]);
    stage.live("hash@1", "murmur2");
    stage.install("hash@2", "murmur2-shifted");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("swapped", PARTITIONS, &[]);
    stage.bind("hash", &["--topic", "swapped"], &[]);
    stage.wait_binding("swapped", |state| state == "live");
    (stage, kafka)
}

#[test]
fn a_thousand_activations_under_load_decide_each_batch_by_one_version() {
    let (stage, mut kafka) = two_versions(SHARDS);
    let detail = stage.json(&["topic", "describe", "swapped"]);
    let shard_of = |partition: i32| {
        let all = detail["partitions"].as_array().expect("a list");
        all[partition as usize]["shard"].as_u64().expect("a number")
    };
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..usize::from(SHARDS))
        .map(|salt| produce_until(stage.kafka("producer"), salt, stop.clone()))
        .collect();
    activate_in_turn(&stage);
    stop.store(true, Ordering::Relaxed);
    let mut by_shard: BTreeMap<(u64, u8), usize> = BTreeMap::new();
    let mut accepted = 0;
    for producer in producers {
        let tally = producer.join().expect("every answer is one version's");
        accepted += tally.accepted;
        for ((partition, version), count) in tally.decided {
            *by_shard.entry((shard_of(partition), version)).or_default() += count;
        }
    }
    println!("batches by shard and version: {by_shard:?}");
    let wanted: Vec<(u64, u8)> =
        (0..u64::from(SHARDS)).flat_map(|shard| [(shard, 1), (shard, 2)]).collect();
    assert_eq!(by_shard.keys().copied().collect::<Vec<_>>(), wanted, "{by_shard:?}");
    let stored: i64 = kafka.ends("swapped", PARTITIONS).iter().sum();
    assert_eq!(stored as usize, accepted * BATCH_RECORDS);
    assert_eq!(stage.metric("logmill_plugin_failures_total", &["plugin=\"hash\""]), 0.0);
}

/// Two people activate at once: each is answered, and what is active is what the last one was told.
#[test]
fn activations_at_the_same_time_wait_for_each_other() {
    let (stage, _) = two_versions(2);
    let stop = Arc::new(AtomicBool::new(false));
    let producer = produce_until(stage.kafka("producer"), 0, stop.clone());
    let bearer = stage.bearer();
    let told: Vec<(u64, String)> = std::thread::scope(|scope| {
        let activate = |version: &'static str| {
            let (stage, bearer) = (&stage, bearer.as_str());
            scope.spawn(move || {
                let one = |_| {
                    let headers = [("authorization", bearer)];
                    let body = format!("{{\"version\":\"{version}\"}}");
                    let path = "/v1/plugins/hash/activate";
                    let (status, told) = stage.http("POST", path, &headers, body.as_bytes());
                    assert_eq!(status, 200, "{told}");
                    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
                    (told["generation"].as_u64().expect("a number"), version.to_owned())
                };
                (0..20).map(one).collect::<Vec<_>>()
            })
        };
        let both = [activate("1"), activate("2")];
        both.into_iter().flat_map(|thread| thread.join().expect("no refusal")).collect()
    });
    stop.store(true, Ordering::Relaxed);
    producer.join().expect("every answer is one version's");
    let mut generations: Vec<u64> = told.iter().map(|(generation, _)| *generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, (2..42).collect::<Vec<u64>>());
    let last = told.iter().max().expect("some");
    let shown = stage.json(&["plugin", "show", "hash"]);
    assert_eq!(shown["summary"]["active"], last.1.as_str());
}
