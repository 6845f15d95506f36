//! Idempotent producers that change the codec from batch to batch, into a compacted topic.
//!
//! A compressed batch waits in its partition's line while a worker looks for its keys; a plain one
//! need not. Owns: the order of the batches of one producer through both ways.
//! Leaves to others: faults and crashes (`broker_sim`), what is refused (`bounds`).
//! Start reading at: [`one_world`].
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use logmill::base::{Bytes, Rng};
use logmill::env::Env;
use logmill::model::{Offset, ProducerEpoch, ProducerId};
use logmill::record::{BatchBuilder, BatchSpec, Codec};
use logmill::sim::{Faults, KafkaClient, SimBroker, World, each_seed};
use logmill::wire::generated::init_producer_id_request::InitProducerIdRequest;
use logmill::wire::generated::init_producer_id_response::InitProducerIdResponse;
use logmill::wire::generated::produce_response::ProduceResponse;

use crate::harness::sim::{connect, create, produce_request};

const SEEDS: u64 = 20;
const PRODUCERS: u64 = 3;
const BATCHES: u32 = 100;
/// Requests of one producer under way; Kafka's clients have as many.
const FLYING_MAX: usize = 5;
const HANGS_MS: u64 = 600_000;
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// One producer: where it is, and what it was told.
struct Producer {
    client: KafkaClient,
    id: (ProducerId, ProducerEpoch),
    dice: Rng,
    sequence: i32,
    /// Records of the batches under way.
    flying: VecDeque<i32>,
    /// Behind the last batch that was told.
    end: i64,
    stored: i64,
}

impl Producer {
    async fn connect(env: &Env, dice: Rng) -> Self {
        let mut client = connect(env).await;
        let request = InitProducerIdRequest {
            transactional_id: None,
            producer_id: -1,
            producer_epoch: -1,
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let told: InitProducerIdResponse = client.ask(&request, 4).await.expect("an answer");
        assert_eq!(told.error_code, 0, "{told:?}");
        let id = (ProducerId(told.producer_id), ProducerEpoch(told.producer_epoch));
        Self { client, id, dice, sequence: 0, flying: VecDeque::new(), end: 0, stored: 0 }
    }

    fn next_batch(&mut self) -> Bytes {
        // Half of them plain, so that each way follows the other.
        let codec = match self.dice.chance(500) {
            true => Codec::None,
            false => CODECS[self.dice.below(CODECS.len() as u64) as usize],
        };
        let producer = Some((self.id.0, self.id.1, self.sequence));
        let mut builder = BatchBuilder::new(&BatchSpec { codec, producer, ..Default::default() });
        let count = 1 + self.dice.below(4) as i32;
        for at in 0..count {
            let text = format!("{}-{}", self.id.0.0, self.sequence + at);
            let text = Some(text.as_bytes());
            builder.push(Offset(i64::from(at)), 1, text, text, []).expect("a small record");
        }
        self.sequence += count;
        self.flying.push_back(count);
        builder.finish().expect("a small batch")
    }

    async fn send(&mut self) {
        let request = produce_request(self.next_batch());
        self.client.send(&request, 9).await.expect("a connection");
    }

    /// The next answer: no error, and behind the batch before.
    async fn take(&mut self) {
        let told: ProduceResponse = self.client.receive().await.expect("an answer");
        let told = &told.responses[0].partition_responses[0];
        assert_eq!(told.error_code, 0, "behind {} records: {told:?}", self.stored);
        assert!(self.end <= told.base_offset, "{} <= {}", self.end, told.base_offset);
        let count = i64::from(self.flying.pop_front().expect("one is under way"));
        self.stored += count;
        self.end = told.base_offset + count;
    }

    async fn work(mut self) -> (i64, i64) {
        for _ in 0..BATCHES {
            self.send().await;
            let keep = self.dice.below(FLYING_MAX as u64) as usize;
            while self.flying.len() == FLYING_MAX || keep < self.flying.len() {
                self.take().await;
            }
        }
        while !self.flying.is_empty() {
            self.take().await;
        }
        (self.stored, self.end)
    }
}

fn one_world(seed: u64) {
    let faults = Faults {
        delay_ns_max: 200_000,
        mail_delay_ns_max: 200_000,
        short_per_1000: 50,
        ..Faults::NONE
    };
    let mut broker = SimBroker::new(World::new(seed, faults), &[]);
    broker.start(1 + (seed % 3) as u16);
    broker.served(HANGS_MS).expect("it starts");
    let env = broker.clients();
    let (told, ready) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(false)));
    let (held, flag) = (env.clone(), ready.clone());
    env.spawn(async move {
        create(&held, &[("cleanup.policy", "compact")]).await;
        flag.set(true);
    });
    assert!(broker.run_until(HANGS_MS, || ready.get()), "no topic");
    for number in 0..PRODUCERS {
        let (held, told) = (env.clone(), told.clone());
        env.spawn(async move {
            let dice = Rng::new(seed << 8 | number);
            let work = Producer::connect(&held, dice).await.work().await;
            told.borrow_mut().push(work);
        });
    }
    let count = PRODUCERS as usize;
    let cores = broker.cores();
    let unpacking = cores.borrow()[0].metrics.memory("unpack");
    let peak = Cell::new(0);
    let done = broker.run_until(HANGS_MS, || {
        peak.set(unpacking.used_bytes.get().max(peak.get()));
        told.borrow().len() == count
    });
    assert!(done, "a producer hangs");
    let stored: i64 = told.borrow().iter().map(|(stored, _)| stored).sum();
    let end = told.borrow().iter().map(|(_, end)| *end).max();
    assert_eq!(end, Some(stored), "each record is there once");
    assert!((1..=unpacking.bound_bytes.get()).contains(&peak.get()), "{} bytes", peak.get());
    assert_eq!(unpacking.used_bytes.get(), 0, "what was unpacked is given back");
}

#[test]
fn batches_of_one_producer_keep_their_order_whatever_their_codecs() {
    each_seed(SEEDS, one_world);
}
