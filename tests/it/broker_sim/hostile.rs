//! Hundreds of thousands of hostile frames against the whole broker, beside an honest client.
//!
//! Owns: sending them, comparing what follows with what is due; the honest client's work; what
//! must be given back when all are gone.
//! Leaves to others: the frames and what is due (`frames`).
//! Invariant: a frame counts once its fate is known: an answer that decodes, a closed connection.
//! Start reading at: [`hostile_frames_get_what_is_due_and_harm_nobody`].
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use logmill::base::{Bytes, Rng};
use logmill::env::Env;
use logmill::model::{Offset, TopicId};
use logmill::observe::MemoryMetrics;
use logmill::record::{BatchBuilder, BatchSpec};
use logmill::sim::{ADDRESS, ClientError, Faults, KafkaClient, SimBroker, World, each_seed};
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::FetchResponse;
use logmill::wire::generated::find_coordinator_request::FindCoordinatorRequest;
use logmill::wire::generated::find_coordinator_response::FindCoordinatorResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::ProduceResponse;
use logmill::wire::protocol::decode_response_header;

use super::HANGS_MS;
use super::clients::found_in;
use super::frames::{
    Due, Frames, Origin, Served, TARGET, TARGET_PARTITIONS, broken_stream, due, framed, requests,
};
use crate::goldens::file::Golden;
use crate::harness::{Tier, skipped_below, tier};

/// Worlds of one run, and frames in each.
const WORLDS: u64 = 16;
const WORLD_FRAMES: u64 = 12_600;
/// Connections at a time.
const ATTACKERS: u64 = 4;
/// Frames that are sent at once.
const BURST_MAX: usize = 12;
/// One record of the honest client for so many hostile frames.
const HONEST_EVERY: u64 = 40;
/// What peers decide about is charged to one of these.
const ACCOUNTS: [&str; 3] = ["receive", "unpack", "send"];
const KEPT: &str = "kept";
/// Requests that may wait: Fetch, JoinGroup, SyncGroup; and how long we wait with them.
const WAITING_KEYS: [i16; 3] = [1, 11, 14];
const WAIT_MS_MAX: u64 = 400;
/// Connections that each attacker leaves open inside a frame.
const HALF_OPEN_MAX: usize = 2;
/// What reaches the decoder of each key in each world, and what it takes for a request.
const REACHED_MIN: u64 = 150;
const READ_MIN: u64 = 25;
/// Simulated time after which everything that waits has given up: the longest session.
const SETTLED_MS: u64 = 2_000_000;

const _: () = assert!(200_000 <= WORLDS * WORLD_FRAMES, "what is promised");

/// What became of the frames of one key.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// Its decoder refused them, and the connection closed.
    refused: u64,
    answered: u64,
    /// Read, and by its own wish not answered.
    silent: u64,
    /// Read, and still waiting when the client went away.
    waited: u64,
}

impl Fate {
    fn read(&self) -> u64 {
        self.answered + self.silent + self.waited
    }
}

#[derive(Default)]
struct Tally {
    fates: BTreeMap<usize, Fate>,
    /// Closed before any decoder of a body was reached.
    headless: u64,
    origins: BTreeMap<Origin, u64>,
    streams: u64,
    kept: u64,
    /// Most that each account held at a time.
    bytes_peak: [i64; ACCOUNTS.len()],
    broken: Vec<String>,
}

impl Tally {
    fn frames(&self) -> u64 {
        self.origins.values().sum()
    }

    fn add(&mut self, other: &Self) {
        for (served, fate) in &other.fates {
            let sum = self.fates.entry(*served).or_default();
            sum.refused += fate.refused;
            sum.answered += fate.answered;
            sum.silent += fate.silent;
            sum.waited += fate.waited;
        }
        for (origin, count) in &other.origins {
            *self.origins.entry(*origin).or_default() += count;
        }
        self.headless += other.headless;
        self.streams += other.streams;
        self.kept += other.kept;
        for (peak, other) in self.bytes_peak.iter_mut().zip(other.bytes_peak) {
            *peak = (*peak).max(other);
        }
    }
}

struct Sent {
    frame: Bytes,
    origin: Origin,
    due: Due,
}

/// What the tasks of one world share.
struct Siege {
    env: Env,
    all: Arc<Vec<Served>>,
    /// Of the node, by [`ACCOUNTS`].
    accounts: [MemoryMetrics; ACCOUNTS.len()],
    tally: RefCell<Tally>,
    goal: u64,
    target: Cell<TopicId>,
    /// Tasks that are at work.
    working: Cell<u64>,
}

impl Siege {
    fn is_over(&self) -> bool {
        let tally = self.tally.borrow();
        self.goal <= tally.frames() || !tally.broken.is_empty()
    }

    fn fail(&self, sentence: String) {
        self.tally.borrow_mut().broken.push(sentence);
    }

    /// No account goes above its bound.
    fn look_at_memory(&self) {
        let peaks = &mut self.tally.borrow_mut().bytes_peak;
        for ((name, account), peak) in ACCOUNTS.iter().zip(&self.accounts).zip(peaks) {
            let (used, bound) = (account.used_bytes.get(), account.bound_bytes.get());
            *peak = (*peak).max(used);
            assert!(0 <= used && used <= bound, "{name} holds {used} bytes, the bound is {bound}");
        }
    }

    fn fail_at(&self, sent: &Sent, what: &str) {
        self.fail(format!("{what}: {:?} {:02x?}", sent.due, &sent.frame[..]));
    }

    fn count(&self, sent: &Sent, note: impl FnOnce(&mut Fate)) {
        let mut tally = self.tally.borrow_mut();
        *tally.origins.entry(sent.origin).or_default() += 1;
        let served = match sent.due {
            Due::Closed { reached } => reached,
            Due::Answer { served, .. } | Due::Silence { served } => Some(served),
        };
        match served {
            Some(served) => note(tally.fates.entry(served).or_default()),
            None => tally.headless += 1,
        }
    }
}

/// One hostile client: bursts, each on a connection of its own.
async fn attack(siege: Rc<Siege>, mut frames: Frames) {
    let (mut waiting, mut half_open) = (VecDeque::new(), VecDeque::new());
    while !siege.is_over() {
        if frames.rng.chance(15) {
            stream(&siege, &mut frames.rng, &mut half_open).await;
            continue;
        }
        while waiting.len() < BURST_MAX {
            let (frame, origin) = frames.next();
            let due = due(&siege.all, &frame);
            waiting.push_back(Sent { frame, origin, due });
        }
        burst(&siege, &mut waiting, &mut frames.rng).await;
    }
    siege.working.set(siege.working.get() - 1);
}

/// Bytes that never become a request: the connection closes and nothing else happens. Some do not
/// end in time, so that connections inside a frame are always there.
async fn stream(siege: &Siege, rng: &mut Rng, half_open: &mut VecDeque<KafkaClient>) {
    let Ok(mut client) = KafkaClient::connect(&siege.env, ADDRESS, "").await else {
        return siege.fail("a connection is refused".to_owned());
    };
    let bytes = broken_stream(rng);
    let said = format!("{bytes:02x?}");
    // A refusal may come before all is sent.
    let sent = client.send_bytes(vec![bytes.into()]).await;
    siege.tally.borrow_mut().streams += 1;
    if sent.is_ok() && rng.chance(500) {
        half_open.push_back(client);
        half_open.drain(..half_open.len().saturating_sub(HALF_OPEN_MAX));
        return;
    }
    let ended = if sent.is_ok() { client.end().await } else { sent };
    match client.receive_frame().await {
        Err(error) if error.is_disconnect() => {}
        other => siege.fail(format!("a broken stream gets {other:?} after {ended:?}: {said}")),
    }
}

/// Sends frames up to the first that ends a connection, and takes what is due for each.
async fn burst(siege: &Siege, waiting: &mut VecDeque<Sent>, rng: &mut Rng) {
    let last = waiting.iter().position(|sent| !matches!(sent.due, Due::Answer { .. }));
    let count = last.map_or(waiting.len(), |last| last + 1);
    let Ok(mut client) = KafkaClient::connect(&siege.env, ADDRESS, "").await else {
        return siege.fail("a connection is refused".to_owned());
    };
    let bytes = waiting.iter().take(count).flat_map(|sent| framed(&sent.frame)).collect();
    let sent = client.send_bytes(bytes).await;
    let is_closed = matches!(sent, Err(ref error) if error.is_disconnect());
    let ends = matches!(waiting[count - 1].due, Due::Silence { .. });
    if ends && !is_closed {
        let _ = client.end().await;
    }
    // Some go away without a look at what they get.
    if rng.chance(20) {
        waiting.drain(..count);
        return;
    }
    for _ in 0..count {
        let sent = waiting.pop_front().expect("as many as were sent");
        let at = siege.env.now().plus_ms(WAIT_MS_MAX);
        let got = siege.env.until(at, client.receive_frame()).await;
        if !take(siege, &sent, got) {
            return;
        }
    }
}

/// Compares what came with what is due; true when the connection may go on.
fn take(siege: &Siege, sent: &Sent, got: Option<Result<Bytes, ClientError>>) -> bool {
    match (sent.due, got) {
        (Due::Closed { .. }, Some(Err(error))) if error.is_disconnect() => {
            siege.count(sent, |fate| fate.refused += 1);
            false
        }
        (Due::Silence { .. }, Some(Err(error))) if error.is_disconnect() => {
            siege.count(sent, |fate| fate.silent += 1);
            false
        }
        (Due::Answer { served, version, correlation_id }, Some(Ok(frame))) => {
            let served = &siege.all[served];
            match check_answer(served, version, correlation_id, &frame) {
                Ok(()) => siege.count(sent, |fate| fate.answered += 1),
                Err(error) => siege.fail_at(sent, &format!("{}: {error}", served.api.name)),
            }
            true
        }
        (Due::Answer { served, .. }, None) if WAITING_KEYS.contains(&siege.all[served].api.key) => {
            siege.count(sent, |fate| fate.waited += 1);
            false
        }
        (_, got) => {
            siege.fail_at(sent, &format!("not due: {got:02x?}"));
            false
        }
    }
}

fn check_answer(
    served: &Served,
    version: i16,
    correlation_id: i32,
    frame: &Bytes,
) -> Result<(), String> {
    let header = decode_response_header(frame, served.api.key, version);
    let (header, reader) = header.map_err(|error| error.to_string())?;
    if header.correlation_id != correlation_id {
        return Err(format!("answer to {}, not {correlation_id}", header.correlation_id));
    }
    served.read_answer(&reader.rest(), version)
}

/// The honest client: every record that it was told of is there, as soon as it is told and later.
struct Honest {
    client: KafkaClient,
    /// Partition, offset, text; offsets are those of the answers.
    kept: [Vec<String>; 2],
}

impl Honest {
    async fn connect(env: &Env) -> Result<Self, ClientError> {
        let client = KafkaClient::connect(env, ADDRESS, "honest").await?;
        Ok(Self { client, kept: Default::default() })
    }

    async fn create(
        &mut self,
        name: &str,
        num_partitions: i32,
        policy: &str,
    ) -> Result<TopicId, ClientError> {
        let policy = CreatableTopicConfig {
            name: "cleanup.policy".to_owned(),
            value: Some(policy.to_owned()),
        };
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions,
            replication_factor: 1,
            configs: vec![policy],
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        let answer: CreateTopicsResponse = self.client.ask(&request, 7).await?;
        assert_eq!(answer.topics[0].error_code, 0, "{name}");
        Ok(answer.topics[0].topic_id)
    }

    /// One record with acks=all, and a look at it.
    async fn keep(&mut self, number: u64) -> Result<Result<(), String>, ClientError> {
        let index = (number % 2) as usize;
        let text = format!("k-{number}");
        let mut builder = BatchBuilder::new(&BatchSpec::default());
        builder.push(Offset(0), 0, None, Some(text.as_bytes()), []).expect("a small record");
        let records = Some(builder.finish().expect("a small batch").into());
        let partition_data = vec![PartitionProduceData { index: index as i32, records }];
        let topic = TopicProduceData { name: KEPT.into(), partition_data, ..Default::default() };
        let (acks, timeout_ms, topic_data) = (-1, 10_000, vec![topic]);
        let request = ProduceRequest { acks, timeout_ms, topic_data, ..Default::default() };
        let answer: ProduceResponse = self.client.ask(&request, 12).await?;
        let answer = &answer.responses[0].partition_responses[0];
        let want = self.kept[index].len() as i64;
        if (answer.error_code, answer.base_offset) != (0, want) {
            return Ok(Err(format!("{text} is not kept at {want}: {answer:?}")));
        }
        self.kept[index].push(text);
        self.look(index, want).await
    }

    /// What lies in a partition from `from` on is what was kept.
    async fn look(&mut self, index: usize, from: i64) -> Result<Result<(), String>, ClientError> {
        let mut from = from;
        while (from as usize) < self.kept[index].len() {
            let partition = FetchPartition {
                partition: index as i32,
                fetch_offset: from,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            };
            let (topic, partitions) = (KEPT.to_owned(), vec![partition]);
            let topics = vec![FetchTopic { topic, partitions, ..Default::default() }];
            let (min_bytes, max_wait_ms) = (1, 1_000);
            let request = FetchRequest { min_bytes, max_wait_ms, topics, ..Default::default() };
            let answer: FetchResponse = self.client.ask(&request, 12).await?;
            let data = &answer.responses[0].partitions[0];
            let found = match found_in(data, from) {
                Ok(found) if data.error_code == 0 && !found.is_empty() => found,
                other => return Ok(Err(format!("{index}@{from}: {} {other:?}", data.error_code))),
            };
            for found in found {
                if self.kept[index].get(found.offset as usize) != Some(&found.text) {
                    return Ok(Err(format!("{index}@{}: {}", found.offset, found.text)));
                }
                from = found.offset + 1;
            }
        }
        Ok(Ok(()))
    }
}

/// Works as long as the siege goes on.
async fn stay_honest(siege: Rc<Siege>, place: Rc<Cell<Option<[Vec<String>; 2]>>>) {
    let mut honest = Honest::connect(&siege.env).await.expect("the node serves");
    let mut number = 0;
    while !siege.is_over() {
        if siege.tally.borrow().frames() < number * HONEST_EVERY {
            siege.env.sleep_ms(1).await;
            continue;
        }
        match honest.keep(number).await {
            Ok(Ok(())) => number += 1,
            Ok(Err(sentence)) => siege.fail(sentence),
            Err(error) => siege.fail(format!("honest: {error}")),
        }
    }
    siege.tally.borrow_mut().kept = number;
    place.set(Some(honest.kept));
    siege.working.set(siege.working.get() - 1);
}

fn one_world(seed: u64, all: &Arc<Vec<Served>>, goldens: &Arc<Vec<(usize, Golden)>>) -> Tally {
    let faults = Faults {
        delay_ns_max: 20_000,
        short_per_1000: 60,
        one_byte_per_1000: 10,
        disarm_per_1000: 20,
        ..Faults::NONE
    };
    let mut broker = SimBroker::new(World::new(seed, faults), &[]);
    broker.start(1 + (seed % 3) as u16);
    broker.served(HANGS_MS).expect("it starts");
    let metrics = broker.cores().borrow()[0].metrics.clone();
    let siege = Rc::new(Siege {
        env: broker.clients(),
        all: all.clone(),
        accounts: ACCOUNTS.map(|account| metrics.memory(account)),
        tally: RefCell::default(),
        goal: WORLD_FRAMES,
        target: Cell::new(TopicId::ZERO),
        working: Cell::new(ATTACKERS + 1),
    });
    prepare(&mut broker, &siege);
    broker.run_for(SETTLED_MS * 1_000_000);
    let at_rest = Resources::of(&broker);
    let mut dice = Rng::new(seed ^ 0xbad);
    for _ in 0..ATTACKERS {
        let (rng, target) = (Rng::new(dice.next_u64()), siege.target.get());
        let frames = Frames { all: all.clone(), goldens: goldens.clone(), rng, target };
        siege.env.spawn(attack(siege.clone(), frames));
    }
    let kept = Rc::new(Cell::new(None));
    siege.env.spawn(stay_honest(siege.clone(), kept.clone()));
    let (flag, end) = (siege.clone(), 1_000 * HANGS_MS);
    let over = broker.run_until(end, || {
        flag.look_at_memory();
        flag.working.get() == 0
    });
    let broken = siege.tally.borrow().broken.clone();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(over, "stuck at {} frames", siege.tally.borrow().frames());
    broker.run_for(SETTLED_MS * 1_000_000);
    assert_eq!(Resources::of(&broker), at_rest, "what the attackers took is given back");
    let kept = kept.take().expect("the honest client has ended");
    check_kept(&mut broker, &siege.env, kept.clone());
    assert!(broker.stop(HANGS_MS).expect("it stops"), "every log is closed");
    broker.start(1);
    broker.served(HANGS_MS).expect("it starts again");
    check_kept(&mut broker, &siege.env, kept);
    let tally = siege.tally.take();
    check_shares(all, &tally);
    tally
}

/// Each decoder got its share, and goldens are the half of all.
fn check_shares(all: &[Served], tally: &Tally) {
    for (at, served) in all.iter().enumerate() {
        let fate = tally.fates.get(&at).copied().unwrap_or_default();
        let (reached, read) = (fate.refused + fate.read(), fate.read());
        let name = served.api.name;
        assert!(
            REACHED_MIN <= reached && READ_MIN <= read,
            "{name}: {reached} reached, {read} read"
        );
    }
    let goldens = tally.origins.get(&Origin::Golden).copied().unwrap_or_default();
    assert!(tally.frames() <= 2 * goldens, "only {goldens} of {} are goldens", tally.frames());
}

/// What a node holds for its clients.
#[derive(Debug, PartialEq, Eq)]
struct Resources {
    connections: i64,
    /// As the acceptor counts them, per shard.
    loads: Vec<u32>,
    /// Of each account.
    bytes: [i64; ACCOUNTS.len()],
    chunks: usize,
    tasks: usize,
}

impl Resources {
    fn of(broker: &SimBroker) -> Self {
        let cores = broker.cores();
        let cores = cores.borrow();
        let metrics = &cores[0].metrics;
        let loads = cores[0].connections.iter().map(|load| load.load(Ordering::Relaxed));
        Self {
            loads: loads.collect(),
            connections: metrics.connections.open_connections.get(),
            bytes: ACCOUNTS.map(|account| metrics.memory(account).used_bytes.get()),
            chunks: cores.iter().map(|core| core.env.chunks_held()).sum(),
            tasks: cores.iter().map(|core| core.env.spawner().live()).sum(),
        }
    }
}

/// Runs a future of a client to its end.
fn run_client(broker: &mut SimBroker, env: &Env, work: impl Future<Output = ()> + 'static) {
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    env.spawn(async move {
        work.await;
        flag.set(true);
    });
    assert!(broker.run_until(HANGS_MS, || done.get()), "a client hangs");
}

fn prepare(broker: &mut SimBroker, siege: &Rc<Siege>) {
    let held = siege.clone();
    run_client(broker, &siege.env, async move {
        let mut honest = Honest::connect(&held.env).await.expect("the node serves");
        honest.create(KEPT, 2, "delete").await.expect("an answer");
        // Compressed batches for it are unpacked.
        let target = honest.create(TARGET, TARGET_PARTITIONS, "compact").await;
        held.target.set(target.expect("an answer"));
        let coordinator_keys = vec!["group-0".to_owned()];
        let request = FindCoordinatorRequest { coordinator_keys, ..Default::default() };
        let _: FindCoordinatorResponse = honest.client.ask(&request, 4).await.expect("an answer");
    });
}

fn check_kept(broker: &mut SimBroker, env: &Env, kept: [Vec<String>; 2]) {
    let held = env.clone();
    run_client(broker, env, async move {
        let mut honest = Honest::connect(&held).await.expect("the node serves");
        honest.kept = kept;
        for index in 0..2 {
            let looked = honest.look(index, 0).await.expect("answers");
            looked.expect("what was kept is there");
        }
    });
}

#[test]
fn hostile_frames_get_what_is_due_and_harm_nobody() {
    if skipped_below(Tier::Test, "hostile frames") {
        return;
    }
    let worlds = if tier() == Tier::All { 4 * WORLDS } else { WORLDS };
    let all = Arc::new(Served::all());
    let goldens = Arc::new(requests(&all));
    let sum = RefCell::new(Tally::default());
    each_seed(worlds, |seed| sum.borrow_mut().add(&one_world(seed, &all, &goldens)));
    report(&all, &sum.borrow());
}

fn report(all: &[Served], sum: &Tally) {
    let frames = sum.frames();
    for (served, fate) in &sum.fates {
        let (name, reached) = (all[*served].api.name, fate.refused + fate.read());
        let share = reached as f64 * 100.0 / frames as f64;
        println!("{name}: {reached} frames ({share:.1} %) reach its decoder, {fate:?}");
    }
    let Tally { headless, streams, kept, bytes_peak, origins, .. } = sum;
    println!("{frames} frames: {origins:?}; {headless} without a header of ours");
    println!("{streams} broken streams; {ACCOUNTS:?} held {bytes_peak:?} bytes at most");
    println!("{kept} records of the honest client");
}
