//! Bounded memory and time of the whole broker, in the simulator: peers that stop half way, batches
//! that are not what they say.
//!
//! Owns: what a peer may hold and for how long, what a refused batch answers.
//! Leaves to others: what is kept through crashes (`broker_sim`), real sockets (`hostile`).
//! Start reading at: [`run`].
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::env::Env;
use logmill::model::{ErrorCode, Offset, ProducerEpoch, ProducerId};
use logmill::record::{BatchBuilder, BatchSpec, Codec, Header};
use logmill::shard::append::{Acks, Append, AppendBatch, Wish};
use logmill::sim::{Faults, KafkaClient, SimBroker, World};
use logmill::wire::Records;
use logmill::wire::generated::fetch_request::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic,
};
use logmill::wire::generated::fetch_response::{FetchResponse, PartitionData};
use logmill::wire::generated::produce_request::PartitionProduceData;
use logmill::wire::generated::produce_response::ProduceResponse;

use crate::harness::sim::{TOPIC, batch, connect, create, produce, produce_request};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What a broker gives a peer that makes no progress, and a little more.
const PATIENCE_MS: u64 = 61_000;

/// Runs `test` as a client of a node with one shard and one topic of one partition.
fn run<F: Future<Output = ()> + 'static>(
    configs: &'static [(&'static str, &'static str)],
    test: impl FnOnce(Env, Look) -> F,
) {
    let mut broker = SimBroker::new(World::new(1, Faults::NONE), &[]);
    broker.start(1);
    broker.served(60_000).unwrap();
    let (env, done) = (broker.clients(), Rc::new(RefCell::new(false)));
    let test = test(env.clone(), Look { cores: broker.cores() });
    let ended = done.clone();
    env.clone().spawn(async move {
        create(&env, configs).await;
        test.await;
        ended.replace(true);
    });
    assert!(broker.run_until(3_600_000, || *done.borrow()), "the test does not end");
}

/// What the broker counts.
struct Look {
    cores: Rc<RefCell<Vec<Rc<logmill::shard::Core>>>>,
}

impl Look {
    fn used_bytes(&self, account: &'static str) -> usize {
        let cores = self.cores.borrow();
        usize::try_from(cores[0].metrics.memory(account).used_bytes.get()).expect("no debts")
    }

    fn connections(&self) -> i64 {
        self.cores.borrow()[0].metrics.connections.open_connections.get()
    }
}

fn fetch_request(bytes_max: usize, bytes_min: usize, partition_bytes_max: usize) -> FetchRequest {
    let partition = FetchPartition {
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: partition_bytes_max as i32,
        ..Default::default()
    };
    let topic =
        FetchTopic { topic: TOPIC.to_owned(), partitions: vec![partition], ..Default::default() };
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 30_000,
        min_bytes: bytes_min as i32,
        max_bytes: bytes_max as i32,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

async fn fetch(client: &mut KafkaClient, request: &FetchRequest) -> PartitionData {
    let told: FetchResponse = client.ask(request, 12).await.unwrap();
    told.responses.into_iter().next().unwrap().partitions.remove(0)
}

async fn fill(env: &Env, batches: usize) {
    let mut client = connect(env).await;
    for _ in 0..batches {
        let told = produce(&mut client, batch(Codec::None, &[(None, &[7; 900 * KIB])])).await;
        assert_eq!(told.error_code, 0, "{told:?}");
    }
}

#[test]
fn a_reader_that_takes_nothing_holds_a_charged_part_and_only_for_a_minute() {
    run(&[], |env, look| async move {
        fill(&env, 8).await;
        let mut stalled = connect(&env).await;
        stalled.send(&fetch_request(50 * MIB, 1, 50 * MIB), 12).await.unwrap();
        env.sleep_ms(5_000).await;
        assert_eq!(look.used_bytes("send") / (900 * KIB), 8);
        let found = fetch(&mut connect(&env).await, &fetch_request(MIB, 1, MIB)).await;
        assert_eq!(found.high_watermark, 8);
        env.sleep_ms(PATIENCE_MS).await;
        assert_eq!(look.used_bytes("send"), 0);
        assert_eq!(look.connections(), 0);
        let got = stalled.receive::<FetchResponse>().await;
        assert!(got.is_err_and(|error| error.is_disconnect()));
    });
}

#[test]
fn readers_beyond_the_account_get_less_and_get_it_at_once() {
    run(&[], |env, look| async move {
        fill(&env, 50).await;
        let mut stalled = Vec::new();
        // 45 MB each; the account of a shard has 256 MiB.
        for _ in 0..8 {
            let mut client = connect(&env).await;
            client.send(&fetch_request(50 * MIB, 1, 50 * MIB), 12).await.unwrap();
            stalled.push(client);
        }
        env.sleep_ms(1_000).await;
        let held = look.used_bytes("send");
        assert!((200 * MIB..=256 * MIB).contains(&held), "{held}");
        let mut counts = Vec::new();
        for mut client in stalled {
            let told: FetchResponse = client.receive().await.unwrap();
            let records = told.responses[0].partitions[0].records.as_ref().unwrap();
            let bytes: usize = records.0.iter().map(Bytes::len).sum();
            counts.push(bytes / (900 * KIB));
        }
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 1, 50, 50, 50, 50, 50]);
        env.sleep_ms(10).await;
        assert_eq!(look.used_bytes("send"), 0);
    });
}

#[test]
fn a_large_request_that_waits_leaves_the_account_of_those_who_send() {
    run(&[], |env, look| async move {
        let forgotten = vec![7; MIB];
        let forgotten =
            ForgottenTopic { topic: "gone".into(), partitions: forgotten, ..Default::default() };
        let request =
            FetchRequest { forgotten_topics_data: vec![forgotten], ..fetch_request(MIB, 1, MIB) };
        let mut waiting = Vec::new();
        // 4 MiB on the wire, so charged with 16; the account has 64.
        for _ in 0..5 {
            let mut client = connect(&env).await;
            client.send(&request, 12).await.unwrap();
            waiting.push(client);
        }
        env.sleep_ms(5_000).await;
        assert_eq!((look.used_bytes("receive"), look.used_bytes("parked") / (16 * MIB)), (0, 3));
        // Two found no room to wait: they were answered with nothing.
        let before = env.now();
        for client in &mut waiting[3..] {
            client.receive::<FetchResponse>().await.unwrap();
        }
        assert!(env.now().0 - before.0 < 1_000_000, "the answers lie there");
        fill(&env, 1).await;
        for client in &mut waiting[..3] {
            let told: FetchResponse = client.receive().await.unwrap();
            assert_eq!(told.responses[0].partitions[0].high_watermark, 1);
        }
        assert_eq!(look.used_bytes("parked"), 0);
    });
}

#[test]
fn batches_in_line_are_bounded_and_the_rest_is_asked_to_come_again() {
    run(&[("cleanup.policy", "compact")], |env, look| async move {
        let noise: Vec<u8> = (0..900 * KIB).map(|_| env.random() as u8).collect();
        let packed = batch(Codec::Lz4, &[(Some("k"), &noise)]);
        let core = look.cores.borrow()[0].clone();
        let topic_id = core.image().topic(TOPIC).unwrap().id;
        let append = AppendBatch {
            topic_id,
            partition: 0,
            records: packed.clone(),
            version: 9,
            frame_bytes: packed.len(),
        };
        let told = Rc::new(RefCell::new(None));
        let (place, held) = (told.clone(), core.clone());
        core.env.spawn(async move {
            // As many connections would: all are there before the first is unpacked.
            let batches = (0..180).map(|_| append.clone()).collect();
            let wish = Wish { acks: Acks::All, timeout_ms: 30_000 };
            let asked = Append { wish, client_id: "it".into(), batches };
            let asked = held.ask(held.shard, asked);
            assert!((120 * MIB..=128 * MIB).contains(&look.used_bytes("line")));
            place.replace(Some((asked.told().await.unwrap(), look)));
        });
        while told.borrow().is_none() {
            env.sleep_ms(1).await;
        }
        let (told, look) = told.take().unwrap();
        let errors = |code| told.iter().filter(|told| told.error == code).count();
        let (stored, sent_away) = (errors(ErrorCode::None), errors(ErrorCode::NotEnoughReplicas));
        assert_eq!((stored, sent_away), (128 * MIB / packed.len(), 180 - stored));
        assert_eq!((look.used_bytes("line"), look.used_bytes("unpack")), (0, 0));
    });
}

#[test]
fn a_writer_that_stops_inside_a_frame_holds_up_others_for_a_minute_at_most() {
    run(&[], |env, look| async move {
        let mut stalled = Vec::new();
        for _ in 0..3 {
            let mut client = connect(&env).await;
            let announced = (90 * MIB as i32).to_be_bytes();
            client.send_bytes(vec![Bytes::copy_from_slice(&announced)]).await.unwrap();
            stalled.push(client);
        }
        env.sleep_ms(1_000).await;
        assert_eq!(look.used_bytes("receive"), 2 * 90 * MIB, "the third waits");
        // Behind the third in line; small ones need nothing of the account.
        let before = env.now();
        let mut client = connect(&env).await;
        let told = produce(&mut client, batch(Codec::None, &[(None, &[7; 100])])).await;
        assert_eq!((told.error_code, env.now().0 - before.0 < 1_000_000_000), (0, true));
        client
            .send(&produce_request(batch(Codec::None, &[(None, &[7; 500 * KIB])])), 9)
            .await
            .unwrap();
        env.sleep_ms(PATIENCE_MS).await;
        let told: ProduceResponse = client.receive().await.unwrap();
        assert_eq!(told.responses[0].partition_responses[0].error_code, 0);
        env.sleep_ms(PATIENCE_MS).await;
        assert_eq!((look.used_bytes("receive"), look.connections()), (0, 1));
    });
}

#[test]
fn requests_of_all_sizes_that_are_under_way_together_are_answered_in_order() {
    run(&[], |env, look| async move {
        let mut client = connect(&env).await;
        // Around what a receive chunk holds and what is charged, and far from it.
        let sizes = [1, 100, 4 * KIB, 16 * KIB, 40 * KIB, 64 * KIB, 65 * KIB, 300 * KIB, 20, 1_000];
        let near = (0..40).map(|at| 64 * KIB - 200 + 10 * at);
        let all: Vec<usize> = sizes.into_iter().chain(near).chain(sizes).collect();
        let mut next = 0;
        for under_way in all.chunks(5) {
            for bytes in under_way {
                let value = vec![*bytes as u8; *bytes];
                let request = produce_request(batch(Codec::None, &[(None, &value)]));
                client.send(&request, 9).await.unwrap();
            }
            for _ in under_way {
                let told: ProduceResponse = client.receive().await.unwrap();
                let told = &told.responses[0].partition_responses[0];
                assert_eq!((told.error_code, told.base_offset), (0, next));
                next += 1;
            }
        }
        assert_eq!((look.used_bytes("receive"), next), (0, all.len() as i64));
    });
}

/// A batch of an idempotent producer with as many records as `values`.
fn numbered(first_sequence: i32, values: usize, value: &[u8]) -> Bytes {
    let producer = Some((ProducerId(7), ProducerEpoch(0), first_sequence));
    let mut builder = BatchBuilder::new(&BatchSpec { producer, ..BatchSpec::default() });
    for at in 0..values {
        builder.push(Offset(at as i64), 1, None, Some(value), []).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn large_requests_are_checked_bit_by_bit_and_their_batches_keep_their_order() {
    run(&[], |env, look| async move {
        let mut client = connect(&env).await;
        let (mut sequence, mut counts) = (0, Vec::new());
        for _ in 0..3 {
            let mut request = produce_request(Bytes::new());
            let all = &mut request.topic_data[0].partition_data;
            all.clear();
            for at in 0..24 {
                // A worker walks over many small records; large ones are checked on the shard, each
                // in a turn of its own; and several small batches in one.
                let (values, value) = match at % 4 {
                    0 => (50_000, &[][..]),
                    1 => (1, &[7; 500 * KIB][..]),
                    _ => (3, &[8; 100][..]),
                };
                let batch = numbered(sequence, values, value);
                let records = Some(Records(vec![batch]));
                all.push(PartitionProduceData { index: 0, records });
                sequence += values as i32;
                counts.push(values as i64);
            }
            client.send(&request, 9).await.unwrap();
        }
        let (mut next, mut counts) = (0, counts.into_iter());
        for _ in 0..3 {
            let told: ProduceResponse = client.receive().await.unwrap();
            for told in &told.responses[0].partition_responses {
                assert_eq!((told.error_code, told.base_offset), (0, next), "{told:?}");
                next += counts.next().unwrap();
            }
        }
        assert_eq!(counts.next(), None);
        env.sleep_ms(10).await;
        assert_eq!((look.used_bytes("receive"), look.used_bytes("line")), (0, 0));
    });
}

#[test]
fn a_writer_that_stops_inside_a_charged_frame_loses_its_connection() {
    run(&[], |env, look| async move {
        let mut stalled = connect(&env).await;
        let announced = (40 * KIB as i32).to_be_bytes();
        stalled.send_bytes(vec![Bytes::copy_from_slice(&announced)]).await.unwrap();
        env.sleep_ms(1_000).await;
        assert_eq!(look.used_bytes("receive"), 40 * KIB);
        env.sleep_ms(PATIENCE_MS).await;
        assert_eq!((look.used_bytes("receive"), look.connections()), (0, 0));
    });
}

#[test]
fn a_fetch_whose_limits_are_reached_does_not_wait_for_min_bytes() {
    run(&[], |env, _| async move {
        fill(&env, 3).await;
        let mut client = connect(&env).await;
        let before = env.now();
        // One batch fits the partition's limit; the least that is asked for is more.
        let found = fetch(&mut client, &fetch_request(50 * MIB, MIB, MIB)).await;
        let bytes: usize = found.records.unwrap().0.iter().map(Bytes::len).sum();
        assert_eq!(bytes / (900 * KIB), 1);
        assert!(env.now().0 - before.0 < 1_000_000_000);
        let found = fetch(&mut client, &fetch_request(50 * MIB, 20 * MIB, 50 * MIB)).await;
        assert_eq!(found.high_watermark, 3);
        assert!(30_000_000_000 <= env.now().0 - before.0, "everything there is less: it waits");
    });
}

/// A batch with a right checksum over a body that `change` has damaged.
fn forged(batch: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let header = Header::decode(batch).unwrap();
    let mut body = batch[logmill::record::HEADER_BYTES..].to_vec();
    change(&mut body);
    let length = (logmill::record::HEADER_BYTES - 12 + body.len()) as i32;
    let header = Header { batch_length: length, ..header };
    [&header.encode_with_crc(&body)[..], &body].concat().into()
}

#[test]
fn a_batch_that_is_not_what_it_says_is_refused_and_nothing_of_it_is_stored() {
    run(&[], |env, _| async move {
        let mut client = connect(&env).await;
        let good = batch(Codec::None, &[(None, b"one"), (Some("k"), b"two"), (None, b"three")]);
        let bad = [
            forged(&good, |body| body[3] ^= 0x55),
            forged(&good, |body| body.truncate(body.len() - 1)),
            forged(&good, |body| body.push(0)),
            forged(&good, |body| body.fill(0x80)),
        ];
        for (at, bad) in bad.into_iter().enumerate() {
            let told = produce(&mut client, bad).await;
            assert_eq!((told.error_code, told.base_offset), (87, -1), "{at}: {told:?}");
            assert!(told.error_message.is_some(), "{at}");
        }
        let told = produce(&mut client, forged(&good, |_| {})).await;
        assert_eq!((told.error_code, told.base_offset), (0, 0), "{told:?}");
    });
}

#[test]
fn a_compacted_topic_names_the_records_without_keys_in_every_codec() {
    run(&[("cleanup.policy", "compact")], |env, look| async move {
        let mut client = connect(&env).await;
        let mut next = 0;
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bad = batch(codec, &[(Some("a"), b"1"), (None, b"2"), (Some("c"), b"3")]);
            let told = produce(&mut client, bad).await;
            let rows: Vec<i32> = told.record_errors.iter().map(|row| row.batch_index).collect();
            assert_eq!((told.error_code, rows), (87, vec![1]), "{codec:?}");
            let good = batch(codec, &[(Some("a"), b"1"), (Some("b"), &[0; 20_000])]);
            let told = produce(&mut client, good).await;
            assert_eq!((told.error_code, told.base_offset), (0, next), "{codec:?}");
            next += 2;
        }
        // More comes out than the usual ratio, and more than one batch may have.
        for (value_bytes, error) in [(3 * MIB, 0), (65 * MIB, 87)] {
            let told =
                produce(&mut client, batch(Codec::Zstd, &[(Some("z"), &vec![0; value_bytes])]))
                    .await;
            assert_eq!(told.error_code, error, "{value_bytes}: {told:?}");
        }
        assert_eq!(look.used_bytes("unpack"), 0);
    });
}
