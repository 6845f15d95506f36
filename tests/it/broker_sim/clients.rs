//! Clients at work: producers of all kinds, consumers, and one that commits offsets.
//!
//! Owns: what is sent, what is repeated after a broken connection, noting what was answered.
//! Leaves to others: what follows from it (`model`), the whole log after a start (`audit`).
//! Invariant: an error of the broker that no stop explains is noted as a broken promise.
//! Start reading at: [`start`].
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::env::{Env, Instant, TaskId};
use logmill::log::Ends;
use logmill::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use logmill::record::{BatchBuilder, BatchSpec, Codec, Header, Records};
use logmill::shard::Core;
use logmill::sim::{ADDRESS, ClientError, KafkaClient};
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::{FetchResponse, PartitionData};
use logmill::wire::generated::init_producer_id_request::InitProducerIdRequest;
use logmill::wire::generated::init_producer_id_response::InitProducerIdResponse;
use logmill::wire::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use logmill::wire::generated::offset_commit_response::OffsetCommitResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::ProduceResponse;

use super::audit::committed;
use super::model::{Found, Model, PARTITIONS, TOPIC, Writer};
use super::passing::{NAMES, Passing, litter_for_ever, pass_for_ever};
use super::workers::{WORKERS, Workers, work_for_ever};

pub const GROUPS: usize = 2;
/// What an idempotent Kafka producer keeps in flight.
const FLIGHTS_MAX: usize = 5;
/// Errors of a coordinator that is not there yet.
pub const COORDINATOR_ERRORS: [i16; 3] = [14, 15, 16];

/// Where clients work.
#[derive(Clone)]
pub struct Site {
    pub env: Env,
    pub model: Rc<RefCell<Model>>,
    pub cores: Rc<RefCell<Vec<Rc<Core>>>>,
    pub topic_id: TopicId,
    /// Settings of the topic.
    pub configs: &'static [(&'static str, &'static str)],
}

impl Site {
    pub fn below(&self, bound: u64) -> u64 {
        self.env.random() % bound
    }

    pub async fn pause(&self, ns_max: u64) {
        self.env.sleep_until(Instant(self.env.now().0 + 1 + self.below(ns_max))).await;
    }

    /// Notes what is no broken connection; then the connection is done with either way.
    pub fn note(&self, who: &str, error: &ClientError) {
        let mut model = self.model.borrow_mut();
        if !error.is_disconnect() {
            model.fail(format!("{who}: {error}"));
        }
    }

    pub fn did(&self) {
        self.model.borrow_mut().ops += 1;
    }

    /// An error that an answer holds: a broken promise, unless the node stops.
    pub fn refused(&self, what: &str, error: i16) -> ClientError {
        let mut model = self.model.borrow_mut();
        if !model.stopping {
            model.fail(format!("{what}: error {error}"));
        }
        ClientError::Ended
    }

    /// The ends of a partition at this moment.
    fn ends(&self, partition: i32) -> Option<Ends> {
        let cores = self.cores.borrow();
        let mut found = cores.iter().filter_map(|core| core.partition(self.topic_id, partition));
        found.next().and_then(|partition| partition.log().ok()).map(|log| log.ends())
    }
}

/// What clients keep when the node or a connection goes.
#[derive(Default)]
pub struct Memory {
    pub producers: Vec<Rc<RefCell<Producer>>>,
    pub positions: Vec<Rc<RefCell<[i64; PARTITIONS as usize]>>>,
    pub workers: Rc<RefCell<Workers>>,
    pub passing: [Rc<RefCell<Passing>>; NAMES],
}

impl Memory {
    /// Requests of producers that have no answer.
    pub fn unanswered(&self) -> usize {
        self.producers.iter().map(|producer| producer.borrow().flights.len()).sum()
    }

    pub fn new() -> Self {
        let writers = [
            Writer::Idempotent,
            Writer::Idempotent,
            Writer::Plain,
            Writer::Leader,
            Writer::Unanswered,
        ];
        let new = |(id, writer)| Rc::new(RefCell::new(Producer::new(id, writer)));
        let producers = writers.into_iter().enumerate().map(new).collect();
        let positions = vec![Rc::default(), Rc::default()];
        Self { producers, positions, workers: Rc::default(), passing: Default::default() }
    }
}

/// Starts all clients.
pub fn start(site: &Site, memory: &Memory) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for producer in &memory.producers {
        tasks.push(site.env.spawn(produce_for_ever(site.clone(), producer.clone())));
    }
    for positions in &memory.positions {
        tasks.push(site.env.spawn(consume_for_ever(site.clone(), positions.clone())));
    }
    tasks.push(site.env.spawn(commit_for_ever(site.clone())));
    memory.workers.borrow_mut().begin_life();
    for at in 0..WORKERS {
        tasks.push(site.env.spawn(work_for_ever(site.clone(), memory.workers.clone(), at)));
    }
    for (at, passing) in memory.passing.iter().enumerate() {
        tasks.push(site.env.spawn(pass_for_ever(site.clone(), passing.clone(), at)));
    }
    tasks.push(site.env.spawn(litter_for_ever(site.clone())));
    tasks
}

struct Part {
    partition: i32,
    texts: Vec<String>,
    batch: Bytes,
}

pub struct Producer {
    id: usize,
    writer: Writer,
    identity: Option<(ProducerId, ProducerEpoch)>,
    sequences: [i32; PARTITIONS as usize],
    connections: u64,
    numbers: u64,
    /// Sent and not answered, oldest first.
    flights: VecDeque<Rc<Vec<Part>>>,
}

impl Producer {
    fn new(id: usize, writer: Writer) -> Self {
        let (identity, sequences) = (None, [0; PARTITIONS as usize]);
        let (connections, numbers, flights) = (0, 0, VecDeque::new());
        Self { id, writer, identity, sequences, connections, numbers, flights }
    }

    fn next_texts(&mut self, count: u64) -> Vec<String> {
        let letter = self.writer.letter();
        let mut next = || {
            self.numbers += 1;
            match self.writer {
                Writer::Idempotent => format!("{letter}{}-{}", self.id, self.numbers),
                _ => format!("{letter}{}.{}-{}", self.id, self.connections, self.numbers),
            }
        };
        (0..count).map(|_| next()).collect()
    }
}

/// A batch whose records hold these texts and some weight.
fn batch(site: &Site, texts: &[String], spec: &BatchSpec) -> Bytes {
    let mut builder = BatchBuilder::new(spec);
    for (at, text) in texts.iter().enumerate() {
        let weight = "x".repeat(site.below(120) as usize);
        let value = format!("{text} {weight}");
        let now_ms = site.env.wall_ms();
        let key = Some(text.as_bytes());
        builder
            .push(Offset(at as i64), now_ms, key, Some(value.as_bytes()), [])
            .expect("small records");
    }
    builder.finish().expect("small records")
}

fn next_request(site: &Site, producer: &mut Producer) -> Vec<Part> {
    let first = site.below(PARTITIONS as u64) as i32;
    let count = 1 + site.below(2) as i32;
    let mut parts = Vec::new();
    for at in 0..count {
        let partition = (first + at) % PARTITIONS;
        let texts = producer.next_texts(1 + site.below(3));
        let sequence = &mut producer.sequences[partition as usize];
        let codec = if site.below(8) == 0 { Codec::Snappy } else { Codec::None };
        let producer = producer.identity.map(|(id, epoch)| (id, epoch, *sequence));
        let spec =
            BatchSpec { producer, codec, leader_epoch: LeaderEpoch(-1), ..BatchSpec::default() };
        let batch = batch(site, &texts, &spec);
        *sequence += texts.len() as i32;
        let mut model = site.model.borrow_mut();
        texts.iter().for_each(|text| model.sends(text));
        parts.push(Part { partition, texts, batch });
    }
    parts
}

fn produce_request(site: &Site, writer: Writer, parts: &[Part]) -> (ProduceRequest, i16) {
    let version = [3, 7, 9, 12, 13][site.below(5) as usize];
    let acks = match writer {
        Writer::Idempotent | Writer::Plain => -1,
        Writer::Leader => 1,
        Writer::Unanswered => 0,
    };
    let partition_data = parts.iter().map(|part| PartitionProduceData {
        index: part.partition,
        records: Some(part.batch.clone().into()),
    });
    let mut topic =
        TopicProduceData { partition_data: partition_data.collect(), ..Default::default() };
    match version {
        13 => topic.topic_id = site.topic_id,
        _ => topic.name = TOPIC.to_owned(),
    }
    let topic_data = vec![topic];
    (ProduceRequest { acks, timeout_ms: 30_000, topic_data, ..Default::default() }, version)
}

async fn produce_for_ever(site: Site, producer: Rc<RefCell<Producer>>) {
    loop {
        site.pause(500_000).await;
        let id = producer.borrow().id;
        match KafkaClient::connect(&site.env, ADDRESS, "producer").await {
            Ok(client) => {
                if let Err(error) = produce(&site, &producer, client).await {
                    site.note(&format!("producer {id}"), &error);
                }
            }
            Err(_) => site.pause(2_000_000).await,
        }
    }
}

/// Produces on one connection until it breaks.
async fn produce(
    site: &Site,
    producer: &Rc<RefCell<Producer>>,
    mut client: KafkaClient,
) -> Result<(), ClientError> {
    let writer = producer.borrow().writer;
    producer.borrow_mut().connections += 1;
    if writer == Writer::Idempotent {
        identify(site, producer, &mut client).await?;
        let again: Vec<_> = producer.borrow().flights.iter().cloned().collect();
        for parts in again {
            let (request, version) = produce_request(site, writer, &parts);
            client.send(&request, version).await?;
        }
    } else {
        producer.borrow_mut().flights.clear();
    }
    loop {
        let flights = producer.borrow().flights.len();
        let rests = site.model.borrow().resting;
        if rests && flights == 0 {
            site.pause(1_000_000).await;
            continue;
        }
        if !rests && (flights == 0 || (flights < FLIGHTS_MAX && site.below(1_000) < 550)) {
            if site.below(3) == 0 {
                site.pause(400_000).await;
            }
            let parts = Rc::new(next_request(site, &mut producer.borrow_mut()));
            let (request, version) = produce_request(site, writer, &parts);
            if writer == Writer::Unanswered {
                client.send_only(&request, version).await?;
                site.did();
                site.pause(800_000).await;
                continue;
            }
            producer.borrow_mut().flights.push_back(parts);
            client.send(&request, version).await?;
            continue;
        }
        let answer: ProduceResponse = client.receive().await?;
        site.did();
        let parts = producer.borrow().flights[0].clone();
        check_produced(site, &parts, &answer)?;
        producer.borrow_mut().flights.pop_front();
    }
}

fn check_produced(
    site: &Site,
    parts: &[Part],
    answer: &ProduceResponse,
) -> Result<(), ClientError> {
    let answers = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let answers: Vec<_> = answers.collect();
    if answers.len() != parts.len() {
        return Err(site.refused("produce: partitions are missing", answers.len() as i16));
    }
    let mut refused = None;
    for (part, answer) in parts.iter().zip(answers) {
        if answer.error_code != 0 || answer.index != part.partition || answer.base_offset < 0 {
            let text = answer.error_message.as_deref().unwrap_or("");
            let what = format!("produce {:?} to {}: {text}", part.texts, part.partition);
            refused = Some(site.refused(&what, answer.error_code));
            continue;
        }
        let mut model = site.model.borrow_mut();
        for (at, text) in part.texts.iter().enumerate() {
            model.answered(part.partition, answer.base_offset + at as i64, text);
        }
    }
    refused.map_or(Ok(()), Err)
}

async fn identify(
    site: &Site,
    producer: &Rc<RefCell<Producer>>,
    client: &mut KafkaClient,
) -> Result<(), ClientError> {
    if producer.borrow().identity.is_some() {
        return Ok(());
    }
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let answer: InitProducerIdResponse = client.ask(&request, 4).await?;
    site.did();
    if answer.error_code != 0 {
        return Err(site.refused("InitProducerId", answer.error_code));
    }
    let identity = (ProducerId(answer.producer_id), ProducerEpoch(answer.producer_epoch));
    producer.borrow_mut().identity = Some(identity);
    Ok(())
}

type Positions = Rc<RefCell<[i64; PARTITIONS as usize]>>;

async fn consume_for_ever(site: Site, positions: Positions) {
    loop {
        site.pause(500_000).await;
        match KafkaClient::connect(&site.env, ADDRESS, "consumer").await {
            Ok(client) => {
                if let Err(error) = consume(&site, &positions, client).await {
                    site.note("consumer", &error);
                }
            }
            Err(_) => site.pause(2_000_000).await,
        }
    }
}

/// A full fetch of these partitions and positions.
pub fn fetch_request(
    site: &Site,
    version: i16,
    wanted: &[(i32, i64)],
    max_wait_ms: i32,
    bytes_max: i32,
) -> FetchRequest {
    let partitions = wanted.iter().map(|(partition, fetch_offset)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        partition_max_bytes: bytes_max,
        ..Default::default()
    });
    let mut topic = FetchTopic { partitions: partitions.collect(), ..Default::default() };
    match version {
        13.. => topic.topic_id = site.topic_id,
        _ => topic.topic = TOPIC.to_owned(),
    }
    let (min_bytes, max_bytes) = (1, 4 * bytes_max);
    FetchRequest { max_wait_ms, min_bytes, max_bytes, topics: vec![topic], ..Default::default() }
}

async fn consume(
    site: &Site,
    positions: &Positions,
    mut client: KafkaClient,
) -> Result<(), ClientError> {
    loop {
        let count = 1 + site.below(PARTITIONS as u64) as i32;
        let first = site.below(PARTITIONS as u64) as i32;
        if site.below(25) == 0 {
            let mut positions = positions.borrow_mut();
            let position = &mut positions[first as usize];
            *position -= site.below(20).min(*position as u64) as i64;
        }
        let wanted: Vec<_> = (0..count)
            .map(|at| (first + at) % PARTITIONS)
            .map(|partition| (partition, positions.borrow()[partition as usize]))
            .collect();
        let version = [4, 7, 11, 12, 13, 16, 18][site.below(7) as usize];
        let bytes_max = 200 + site.below(4_000) as i32;
        let request = fetch_request(site, version, &wanted, 1 + site.below(4) as i32, bytes_max);
        let answer: FetchResponse = client.ask(&request, version).await?;
        site.did();
        if answer.error_code != 0 {
            return Err(site.refused("fetch", answer.error_code));
        }
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            let partition = data.partition_index;
            let from = positions.borrow()[partition as usize];
            if data.error_code != 0 {
                let what = format!("fetch of {partition} from {from}");
                return Err(site.refused(&what, data.error_code));
            }
            let found = check_fetched(site, from, data);
            if let Some(last) = found.last() {
                positions.borrow_mut()[partition as usize] = last.offset + 1;
            }
        }
        site.pause(1_500_000).await;
    }
}

/// Notes what a consumer got, and compares it with what the log may show at this moment.
fn check_fetched(site: &Site, from: i64, data: &PartitionData) -> Vec<Found> {
    let partition = data.partition_index;
    let found = match found_in(data, from) {
        Ok(found) => found,
        Err(sentence) => {
            site.model.borrow_mut().fail(format!("fetch of {partition} from {from}: {sentence}"));
            return Vec::new();
        }
    };
    let ends = site.ends(partition);
    let mut model = site.model.borrow_mut();
    if let Some(ends) = ends {
        let in_order = ends.log_start <= ends.high_watermark
            && ends.high_watermark <= ends.safe_end
            && ends.stable_end <= ends.safe_end
            && ends.safe_end <= ends.log_end;
        if !in_order || ends.high_watermark.0 < data.high_watermark {
            model.fail(format!("{partition}: {ends:?}, told {}", data.high_watermark));
        }
    }
    for found in &found {
        model.sees(partition, found);
        let Found { offset, text, .. } = found;
        if data.high_watermark <= *offset {
            model.fail(format!("{partition}@{offset} lies above {}", data.high_watermark));
        }
        let stable = ends.map_or(i64::MAX, |ends| ends.stable_end.0);
        if Writer::of(text).is_acks_all() && stable <= *offset {
            model.fail(format!("{partition}@{offset} {text} is readable before it is stable"));
        }
    }
    found
}

/// Records of an answer from `from` on.
pub fn found_in(data: &PartitionData, from: i64) -> Result<Vec<Found>, String> {
    let slices = data.records.as_ref().map_or(&[][..], |records| &records.0);
    let bytes = Bytes::from(slices.concat());
    let (mut at, mut found, mut next) = (0, Vec::new(), None);
    while at < bytes.len() {
        let header = Header::decode(&bytes[at..]).ok_or("a header is cut")?;
        let total = header.total_bytes().ok_or("a batch without a length")?;
        if bytes.len() < at + total {
            return Err(format!("a batch of {total} bytes is cut"));
        }
        let batch = bytes.slice(at..at + total);
        if !logmill::record::crc_holds(&header, &batch) {
            return Err(format!("batch at {} has a wrong checksum", header.base_offset.0));
        }
        if next.is_some_and(|next| next != header.base_offset.0) {
            return Err(format!("batch at {} follows {next:?}", header.base_offset.0));
        }
        next = Some(header.next_offset().0);
        let records = Records::decode(&batch, 1 << 20).map_err(|error| error.to_string())?;
        for row in &records.rows {
            let value = String::from_utf8_lossy(records.value(row).unwrap_or(b"?")).into_owned();
            let text = value.split(' ').next().unwrap_or_default().to_owned();
            let (offset, epoch) = (row.offset.0, header.leader_epoch.0);
            if from <= offset {
                found.push(Found { offset, epoch, text });
            }
        }
        at += total;
    }
    match found.first() {
        Some(first) if first.offset != from => Err(format!("begins at {}", first.offset)),
        _ => Ok(found),
    }
}

pub fn group_name(group: usize) -> String {
    format!("readers-{group}")
}

async fn commit_for_ever(site: Site) {
    loop {
        site.pause(3_000_000).await;
        match KafkaClient::connect(&site.env, ADDRESS, "committer").await {
            Ok(client) => {
                if let Err(error) = commit(&site, client).await {
                    site.note("committer", &error);
                }
            }
            Err(_) => site.pause(2_000_000).await,
        }
    }
}

async fn commit(site: &Site, mut client: KafkaClient) -> Result<(), ClientError> {
    loop {
        site.pause(4_000_000).await;
        let group = site.below(GROUPS as u64) as usize;
        let offset = site.below(1_000_000) as i64;
        let partition = site.below(PARTITIONS as u64) as i32;
        let partitions = vec![OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: offset,
            ..Default::default()
        }];
        let topic =
            OffsetCommitRequestTopic { name: TOPIC.to_owned(), partitions, ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: group_name(group),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let key = (group, partition);
        if site.below(4) == 0 {
            look_at_commits(site, &mut client, group).await?;
        }
        let sent_ns = site.env.now().0;
        site.model.borrow_mut().commits.entry(key).or_default().sends(offset, sent_ns);
        let version = 2 + site.below(8) as i16;
        let answer: OffsetCommitResponse = client.ask(&request, version).await?;
        site.did();
        let error = answer.topics[0].partitions[0].error_code;
        let mut model = site.model.borrow_mut();
        let commits = model.commits.entry(key).or_default();
        // After an error it is not known: a coordinator that goes may have written it before.
        if error == 0 {
            commits.answered(offset, sent_ns);
        } else if !COORDINATOR_ERRORS.contains(&error) {
            drop(model);
            return Err(site.refused("commit", error));
        }
    }
}

async fn look_at_commits(
    site: &Site,
    client: &mut KafkaClient,
    group: usize,
) -> Result<(), ClientError> {
    let found = committed(client, site, group).await?;
    site.did();
    let mut model = site.model.borrow_mut();
    for (partition, offset) in found {
        model.reads_commit(group, partition, offset);
    }
    Ok(())
}
