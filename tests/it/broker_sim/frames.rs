//! Frames that no honest client sends, and what a broker must do with each.
//!
//! Owns: damaged goldens, damaged requests about things that exist, bodies and headers without
//! sense, lengths that lie; reading each as the broker will, to know what is due.
//! Leaves to others: sending them (`hostile`), how goldens are damaged (`goldens`).
//! Invariant: what is due follows from the bytes alone.
//! Start reading at: [`Frames::next`], [`due`].
use std::sync::Arc;

use logmill::api::ADVERTISED;
use logmill::base::{Bytes, Rng, crc32c};
use logmill::model::{Offset, TopicId};
use logmill::record::{BatchBuilder, BatchSpec};
use logmill::wire::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use logmill::wire::generated::delete_topics_request::DeleteTopicsRequest;
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use logmill::wire::generated::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use logmill::wire::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::protocol::{decode_request_header, encode_whole};
use logmill::wire::{Api, Codec, Message, Reader, WireError, Writer};

use crate::goldens::file::{Damage, Golden, load};

/// The topic that hostile requests may do to what they like.
pub const TARGET: &str = "target";
pub const TARGET_PARTITIONS: i32 = 3;
const PRODUCE: i16 = 0;
const API_VERSIONS: i16 = 18;
/// From these on a topic is named by its id.
const PRODUCE_BY_ID: i16 = 13;
const FETCH_BY_ID: i16 = 13;
/// Bytes of a batch in front of what its checksum covers, and where that stands.
const UNCHECKED_BYTES: usize = 21;
const CRC_AT: usize = 17;

/// A key that is served, with its codecs.
pub struct Served {
    pub api: &'static Api,
    pub low: i16,
    pub high: i16,
    request: &'static Codec,
    response: &'static Codec,
}

impl Served {
    pub fn all() -> Vec<Self> {
        let codec = |name: String| Codec::find(&name).expect("an API has both messages");
        let known = ADVERTISED.iter().map(|row| (row.low, row.high, Api::find(row.key)));
        let served = known.map(|(low, high, api)| {
            let api = api.expect("what is served is known");
            let request = codec(format!("{}Request", api.name));
            let response = codec(format!("{}Response", api.name));
            Self { api, low, high, request, response }
        });
        served.collect()
    }

    /// Errors: what an answer lacks to be one of that version.
    pub fn read_answer(&self, body: &Bytes, version: i16) -> Result<(), String> {
        self.response.recode(body, version).map(drop).map_err(|error| error.to_string())
    }
}

/// What must follow a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The connection closes without an answer; `reached` is the decoder that refused the body.
    Closed { reached: Option<usize> },
    /// An answer of this version to this correlation id, of the served key at this place.
    Answer { served: usize, version: i16, correlation_id: i32 },
    /// No answer by the wish of the client: a Produce with acks=0.
    Silence { served: usize },
}

/// Reads a frame as the broker reads it.
pub fn due(all: &[Served], frame: &Bytes) -> Due {
    let closed = Due::Closed { reached: None };
    let Ok((header, reader)) = decode_request_header(frame) else { return closed };
    let (key, version) = (header.request_api_key, header.request_api_version);
    let correlation_id = header.correlation_id;
    let Some(served) = all.iter().position(|served| served.api.key == key) else { return closed };
    let of = &all[served];
    if !(of.low..=of.high).contains(&version) {
        // A client may ask in a version to come what the versions are.
        let answer = Due::Answer { served, version: 0, correlation_id };
        return if key == API_VERSIONS { answer } else { closed };
    }
    let body = reader.rest();
    match of.request.recode(&body, version) {
        // What is left over behind the body is passed over.
        Ok(_) | Err(WireError::Trailing { .. }) => (),
        Err(_) => return Due::Closed { reached: Some(served) },
    }
    if key == PRODUCE && wants_no_answer(&body, version) {
        return Due::Silence { served };
    }
    Due::Answer { served, version, correlation_id }
}

fn wants_no_answer(body: &Bytes, version: i16) -> bool {
    let read = ProduceRequest::decode(&mut Reader::new(body.clone()), version);
    read.is_ok_and(|request| request.acks == 0)
}

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A damaged golden.
    Golden,
    /// A request about the target, damaged or not.
    Aimed,
    /// A right header, and a body or a version without sense.
    Generated,
}

/// Requests as Kafka's own client wrote them, each with the place of its key in `all`, in
/// that order.
pub fn requests(all: &[Served]) -> Vec<(usize, Golden)> {
    let mut found = Vec::new();
    for golden in load(include_bytes!("../../goldens/messages.bin.gz")) {
        let is_of = |served: &Served| {
            served.request.name == golden.name
                && (served.low..=served.high).contains(&golden.version)
        };
        if let Some(at) = all.iter().position(is_of) {
            found.push((at, golden));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found
}

/// A source of frames; equal seeds give equal frames.
pub struct Frames {
    pub all: Arc<Vec<Served>>,
    pub goldens: Arc<Vec<(usize, Golden)>>,
    pub rng: Rng,
    pub target: TopicId,
}

impl Frames {
    /// One frame without its length, and where it comes from.
    pub fn next(&mut self) -> (Bytes, Origin) {
        let (frame, origin) = match self.rng.below(20) {
            0..12 => (self.damaged_golden(), Origin::Golden),
            12..17 => (self.aimed(), Origin::Aimed),
            _ => (self.generated(), Origin::Generated),
        };
        (frame.into(), origin)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.rng.below(of.len() as u64) as usize].clone()
    }

    /// Each key comes as often as any other, however many goldens it has.
    fn golden(&mut self) -> (usize, usize) {
        let key = self.rng.below(self.all.len() as u64) as usize;
        let first = self.goldens.partition_point(|(at, _)| *at < key);
        let end = self.goldens.partition_point(|(at, _)| *at <= key);
        (key, first + self.rng.below((end - first) as u64) as usize)
    }

    fn header(&mut self, api: &Api, version: i16) -> Vec<u8> {
        let mut frame = [api.key.to_be_bytes(), version.to_be_bytes()].concat();
        frame.extend((self.rng.next_u64() as i32).to_be_bytes());
        frame.extend([0, 1, b'x']);
        if api.request_header_version(version) == 2 {
            frame.push(0);
        }
        frame
    }

    /// Mostly a few bits of the body, so that the decoder and what follows it are reached.
    fn damaged_golden(&mut self) -> Vec<u8> {
        let (key, at) = self.golden();
        let (goldens, all) = (self.goldens.clone(), self.all.clone());
        let (golden, (_, other)) = (&goldens[at].1, &self.pick(&goldens));
        let mut frame = self.header(all[key].api, golden.version);
        let kind = self.rng.below(12);
        let mut damage = Damage { below: |count| self.rng.below(count) };
        match kind {
            0..8 => frame.extend(damage.value(&golden.bytes)),
            8..11 => frame.extend(damage.frame(&golden.bytes, &other.bytes)),
            _ => {
                frame.extend(&golden.bytes);
                return damage.frame(&frame, &other.bytes);
            }
        }
        frame
    }

    fn generated(&mut self) -> Vec<u8> {
        let all = self.all.clone();
        let served = &all[self.rng.below(all.len() as u64) as usize];
        let version = served.low + self.rng.below((served.high - served.low + 1) as u64) as i16;
        let mut frame = match self.rng.below(8) {
            // A version to come or gone, or any key at all.
            0 => {
                let version = self.pick(&[-1, i16::MIN, i16::MAX, served.low - 1, served.high + 1]);
                self.header(served.api, version)
            }
            1 => {
                let key = [self.rng.below(120) as i16 - 2, self.rng.next_u64() as i16];
                let key = self.pick(&key).to_be_bytes();
                [&key[..], &version.to_be_bytes(), &[0, 0, 0, 7, 0xff, 0xff, 0]].concat()
            }
            _ => self.header(served.api, version),
        };
        let kind = self.rng.below(4);
        let mut damage = Damage { below: |count| self.rng.below(count) };
        match kind {
            0 => frame = damage.noise(40),
            // What was never filled in, which is often a request.
            1 => match served.request.encode_default {
                encode if served.api.has_version(version) => {
                    frame.extend(encode(version).unwrap_or_default());
                }
                _ => {}
            },
            _ => frame.extend(damage.noise(60)),
        }
        frame
    }

    /// A request about what is there: half of them with a few bits flipped.
    fn aimed(&mut self) -> Vec<u8> {
        let damaged = self.rng.chance(500);
        let (key, version, body) = match self.rng.below(9) {
            0..3 => self.produce(),
            3 | 4 => self.fetch(),
            5 => self.list_offsets(),
            6 => self.commit(),
            7 => self.join(),
            _ => self.change_topics(),
        };
        let mut frame = self.header(Api::find(key).expect("it is served"), version);
        let mut damage = Damage { below: |count| self.rng.below(count) };
        frame.extend(if damaged { damage.value(&body) } else { body });
        frame
    }

    fn version_of(&mut self, key: i16) -> i16 {
        let served = self.all.iter().find(|served| served.api.key == key).expect("it is served");
        served.low + self.rng.below((served.high - served.low + 1) as u64) as i16
    }

    fn body<M: Message>(&mut self, message: &M, version: i16) -> (i16, i16, Vec<u8>) {
        let body = encode_whole(message, version).expect("a good request");
        (M::KEY, version, body.to_vec())
    }

    /// A batch with a few bits flipped; its checksum is often made right again.
    fn batch(&mut self) -> Vec<u8> {
        let mut builder = BatchBuilder::new(&BatchSpec::default());
        // A few are larger than what comes out of the ring.
        let bytes = if self.rng.chance(20) { 20_000 } else { self.rng.below(200) as usize };
        let value = vec![b'v'; bytes];
        for at in 0..=self.rng.below(3) as i64 {
            builder.push(Offset(at), 0, Some(b"key"), Some(&value), []).expect("a small record");
        }
        let mut batch = builder.finish().expect("a small batch").to_vec();
        if self.rng.chance(700) {
            batch = Damage { below: |count| self.rng.below(count) }.value(&batch);
        }
        if self.rng.chance(600) {
            let crc = crc32c(&batch[UNCHECKED_BYTES..]);
            batch[CRC_AT..UNCHECKED_BYTES].copy_from_slice(&crc.to_be_bytes());
        }
        batch
    }

    fn produce(&mut self) -> (i16, i16, Vec<u8>) {
        let version = self.version_of(PRODUCE);
        let count = 1 + self.rng.below(2);
        let mut partition_data = Vec::new();
        for _ in 0..count {
            let index = self.rng.below(TARGET_PARTITIONS as u64 + 1) as i32;
            let records = Some(Bytes::from(self.batch()).into());
            partition_data.push(PartitionProduceData { index, records });
        }
        let mut topic = TopicProduceData { partition_data, ..Default::default() };
        match version {
            PRODUCE_BY_ID.. => topic.topic_id = self.target,
            _ => topic.name = TARGET.to_owned(),
        }
        let (acks, timeout_ms) = (self.pick(&[-1, -1, -1, 1, 1, 0, 2]), 1_000);
        let topic_data = vec![topic];
        let request = ProduceRequest { acks, timeout_ms, topic_data, ..Default::default() };
        self.body(&request, version)
    }

    fn fetch(&mut self) -> (i16, i16, Vec<u8>) {
        let version = self.version_of(FetchRequest::KEY);
        let partitions = (0..TARGET_PARTITIONS).map(|partition| FetchPartition {
            partition,
            fetch_offset: self.rng.below(40) as i64 - 2,
            partition_max_bytes: self.rng.below(4_000) as i32,
            ..Default::default()
        });
        let mut topic = FetchTopic { partitions: partitions.collect(), ..Default::default() };
        match version {
            FETCH_BY_ID.. => topic.topic_id = self.target,
            _ => topic.topic = TARGET.to_owned(),
        }
        let (min_bytes, max_bytes) = (self.rng.below(2) as i32, 8_000);
        let topics = vec![topic];
        let request = FetchRequest { min_bytes, max_bytes, topics, ..Default::default() };
        self.body(&request, version)
    }

    fn list_offsets(&mut self) -> (i16, i16, Vec<u8>) {
        let version = self.version_of(ListOffsetsRequest::KEY);
        let partitions = (0..TARGET_PARTITIONS).map(|partition_index| ListOffsetsPartition {
            partition_index,
            timestamp: self.rng.below(10) as i64 - 6,
            ..Default::default()
        });
        let partitions = partitions.collect();
        let topics = vec![ListOffsetsTopic { name: TARGET.to_owned(), partitions }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        self.body(&request, version)
    }

    fn commit(&mut self) -> (i16, i16, Vec<u8>) {
        let version = self.version_of(OffsetCommitRequest::KEY);
        let partitions =
            (0..TARGET_PARTITIONS).map(|partition_index| OffsetCommitRequestPartition {
                partition_index,
                committed_offset: self.rng.next_u64() as i64,
                ..Default::default()
            });
        let partitions = partitions.collect();
        let mut topic = OffsetCommitRequestTopic { partitions, ..Default::default() };
        match version {
            10.. => topic.topic_id = self.target,
            _ => topic.name = TARGET.to_owned(),
        }
        let request = OffsetCommitRequest {
            group_id: format!("group-{}", self.rng.below(4)),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        self.body(&request, version)
    }

    fn join(&mut self) -> (i16, i16, Vec<u8>) {
        let version = self.version_of(JoinGroupRequest::KEY);
        let metadata = Bytes::from(Damage { below: |count| self.rng.below(count) }.noise(30));
        let name = self.pick(&["range", "roundrobin", ""]).to_owned();
        let request = JoinGroupRequest {
            group_id: format!("group-{}", self.rng.below(4)),
            session_timeout_ms: 6_000 + self.rng.below(4_000) as i32,
            rebalance_timeout_ms: -1,
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinGroupRequestProtocol { name, metadata }],
            ..Default::default()
        };
        self.body(&request, version)
    }

    /// Topics come and go.
    fn change_topics(&mut self) -> (i16, i16, Vec<u8>) {
        let name = format!("passing-{}", self.rng.below(6));
        if self.rng.chance(500) {
            let version = self.version_of(DeleteTopicsRequest::KEY).min(5);
            let topic_names = vec![name];
            let request = DeleteTopicsRequest { topic_names, timeout_ms: 1, ..Default::default() };
            return self.body(&request, version);
        }
        let version = self.version_of(CreateTopicsRequest::KEY);
        let topic = CreatableTopic {
            name,
            num_partitions: 1 + self.rng.below(4) as i32,
            replication_factor: 1,
            ..Default::default()
        };
        let topics = vec![topic];
        let request = CreateTopicsRequest { topics, timeout_ms: 1, ..Default::default() };
        self.body(&request, version)
    }
}

/// Bytes with which one connection begins and ends, none of them a whole frame that is due an
/// answer: lengths that lie, and frames that stop.
pub fn broken_stream(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(7) {
        0 => -1 - rng.below(1 << 31) as i32,
        1 => i32::MAX - rng.below(1 << 20) as i32,
        2 => 0,
        // Within the bound, and above what comes out of the ring.
        3 => 16_385 + rng.below(20_000_000) as i32,
        4 => return b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        5 => return Damage { below: |count| rng.below(count) }.noise(3),
        _ => 300 + rng.below(16_000) as i32,
    };
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(Damage { below: |count| rng.below(count) }.noise(200));
    bytes
}

/// A frame with its length in front.
pub fn framed(frame: &Bytes) -> [Bytes; 2] {
    let mut writer = Writer::new();
    writer.put(&(frame.len() as i32), 0).expect("a number");
    [writer.into_bytes(), frame.clone()]
}
