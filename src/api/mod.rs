//! Kafka's API: one file per key, and what finds the handler of a request.
//!
//! Owns: which keys and versions are advertised, when a connection is closed instead of answered.
//! Leaves to others: partitions, groups and metadata (`shard`), codecs (`wire`).
//! Start reading at: [`dispatch`], then any `kNN_*.rs`.
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Bytes;
use crate::model::{ErrorCode, ShardId};
use crate::shard::Core;
use crate::shard::budget::Permit;
use crate::wire::protocol::{Framed, decode_request_header, frame_response};
use crate::wire::{Api, Message, Reader, WireError};

mod connection;
mod frames;
mod journals;
mod k00_produce;
mod k01_fetch;
mod k02_list_offsets;
mod k03_metadata;
mod k08_offset_commit;
mod k09_offset_fetch;
mod k10_find_coordinator;
mod k11_join_group;
mod k12_heartbeat;
mod k13_leave_group;
mod k14_sync_group;
mod k15_describe_groups;
mod k16_list_groups;
mod k18_api_versions;
mod k19_create_topics;
mod k20_delete_topics;
mod k21_delete_records;
mod k22_init_producer_id;
mod k23_offset_for_leader_epoch;
mod k32_describe_configs;
mod k35_describe_log_dirs;
mod k37_create_partitions;
mod k44_incremental_alter_configs;
mod k46_list_partition_reassignments;
mod k60_describe_cluster;
mod k75_describe_topic_partitions;
mod leading;
mod moving;
pub mod node;
mod operations;
mod route;
mod versions;

pub use connection::serve;
use frames::Frame;
use moving::Pull;
pub use versions::ADVERTISED;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Client {
    /// Address and port of the other end.
    pub peer: Arc<str>,
    /// Address alone, as group descriptions show it with a slash before it.
    pub host: Arc<str>,
}

/// Why a connection is closed instead of answered.
#[derive(Debug, thiserror::Error)]
pub enum Close {
    #[error(transparent)]
    Frame(#[from] frames::FrameError),
    #[error("request cannot be read: {0}")]
    Malformed(#[from] WireError),
    /// Our own fault: the answer has something that this version cannot say.
    #[error("the answer cannot be written: {0}")]
    Unanswerable(WireError),
    #[error("request of API key {key} version {version}, which is not supported")]
    Unsupported { key: i16, version: i16 },
    #[error("a Produce with acks=0 failed: {0}")]
    Unacknowledged(String),
    #[error("{0}")]
    There(String),
    #[error("another shard cannot be reached")]
    Shard,
    #[error("idle for connections.max.idle.ms")]
    Idle,
    #[error("the other end is gone")]
    Gone,
}

/// Who makes the broker hold memory moves so much within that time, or loses the connection.
const PACE_BYTES: usize = 1024 * 1024;
const PACE_MS: u64 = 60_000;

/// A waiting request is charged with so many times its bytes.
const PARKED_RATIO: usize = 4;

type Work = Pin<Box<dyn Future<Output = Result<Option<Vec<Bytes>>, Close>>>>;

/// What the memory of a response is charged to, until it is sent.
type Held = Rc<RefCell<Option<Permit>>>;

/// The answer to one request, at work or waiting for its turn.
pub struct Answer {
    work: Work,
    started: bool,
    _held: Held,
    /// Of a Produce that has started: given back when it is answered.
    _frame_permit: Option<Permit>,
    /// Of a large Produce that has started.
    rest: Option<k00_produce::Rest>,
}

impl Answer {
    fn in_turn(work: impl Future<Output = Result<Option<Vec<Bytes>>, Close>> + 'static) -> Self {
        Self {
            work: Box::pin(work),
            started: false,
            _held: Held::default(),
            _frame_permit: None,
            rest: None,
        }
    }

    /// What had to happen in the order of arrival has happened, but for the rest.
    fn started(produce: k00_produce::Started, frame_permit: Option<Permit>) -> Self {
        let k00_produce::Started { rest, work } = produce;
        Self { work, started: true, _held: Held::default(), _frame_permit: frame_permit, rest }
    }

    /// What must still happen before the next request of the connection is started.
    pub fn take_rest(&mut self) -> Option<k00_produce::Rest> {
        self.rest.take()
    }

    pub fn is_started(&self) -> bool {
        self.started
    }

    /// The response as slices to send; `None` when the client wants none (acks=0).
    ///
    /// What they are charged to is given back when the answer is dropped.
    pub async fn finish(&mut self) -> Result<Option<Vec<Bytes>>, Close> {
        self.work.as_mut().await
    }
}

/// One request with its header read; `reader` stands at the body.
pub struct Request {
    pub core: Rc<Core>,
    pub client: Client,
    pub key: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
    /// The whole frame, for a handler that lets another shard answer.
    pub frame: Bytes,
    /// What whoever keeps a part of `frame` keeps in memory.
    pub frame_memory_bytes: usize,
    /// Of the connection that it came on; `None` on a shard that only answers for another.
    pull: Option<Rc<Pull>>,
    reader: Reader,
    held: Held,
    /// Of a large frame: its part of the receive account.
    frame_permit: Option<Permit>,
}

impl Request {
    /// Reads the header and checks that key and version are advertised.
    pub fn parse(core: &Rc<Core>, client: &Client, frame: Bytes) -> Result<Self, Close> {
        let (header, reader) = decode_request_header(&frame)?;
        let (key, version) = (header.request_api_key, header.request_api_version);
        let known = versions::is_advertised(key, version) || key == k18_api_versions::KEY;
        if !known {
            return Err(Close::Unsupported { key, version });
        }
        Ok(Self {
            core: core.clone(),
            client: client.clone(),
            key,
            version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
            frame_memory_bytes: frame.len(),
            frame,
            pull: None,
            reader,
            held: Held::default(),
            frame_permit: None,
        })
    }

    /// Says how much memory the frame is a part of, and whose it is.
    fn within(self, frame_memory_bytes: usize, pull: Rc<Pull>) -> Self {
        Self { frame_memory_bytes, pull: Some(pull), ..self }
    }

    /// Notes on which shards the data lies that it is about.
    fn note_data(&self, shards: impl Iterator<Item = ShardId>) {
        if let Some(pull) = &self.pull {
            pull.note(shards);
        }
    }

    /// Reads the body. What is left over behind it is passed over as by Kafka: librdkafka (2.16)
    /// sends three bytes too many when it asks for all topics.
    pub fn body<M: Message>(&mut self) -> Result<M, Close> {
        Ok(M::decode(&mut self.reader, self.version)?)
    }

    /// Lets go of a large frame before its request waits for others, so that who waits takes
    /// nothing from those who send. False: too much waits already, this one must not.
    ///
    /// What was decoded may be larger than its bytes, so these are charged several times.
    pub fn park(&mut self) -> bool {
        if let Some(permit) = self.frame_permit.take() {
            let bytes = self.frame.len().saturating_mul(PARKED_RATIO);
            let Some(parked) = self.core.parking.try_take(bytes) else {
                self.frame_permit = Some(permit);
                return false;
            };
            self.frame_permit = Some(parked);
        }
        self.frame = Bytes::new();
        self.reader = Reader::new(Bytes::new());
        true
    }

    /// Keeps a permit until the response is sent.
    pub fn hold(&self, permit: Permit) {
        self.held.replace(Some(permit));
    }

    /// The framed response; its errors are counted.
    pub fn respond<M: Message>(&self, body: &M) -> Result<Option<Vec<Bytes>>, Close> {
        let (key, version) = (self.key, self.version);
        let api = Api::find(key).ok_or(Close::Unsupported { key, version })?;
        self.respond_as(body, api.response_header_version(version), version)
    }

    /// As [`Request::respond`], in another layout than that of the request's version.
    fn respond_as<M: Message>(
        &self,
        body: &M,
        header_version: i16,
        version: i16,
    ) -> Result<Option<Vec<Bytes>>, Close> {
        let framed = frame_response(self.correlation_id, header_version, body, version);
        let Framed { slices, errors } = framed.map_err(|error| {
            let api = Api::find(self.key).map_or("unknown", |api| api.name);
            tracing::error!(api, version, peer = %self.client.peer, %error, "no answer");
            Close::Unanswerable(error)
        })?;
        for (code, times) in errors {
            let error = ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
            self.core.metrics.count_errors(self.key, error, times);
        }
        Ok(Some(slices))
    }
}

/// Starts a request, or only notes it when its turn comes later.
///
/// `eager`: every request before it is a Produce at work, so a Produce may start too.
pub fn dispatch(
    core: &Rc<Core>,
    client: &Client,
    pull: &Rc<Pull>,
    frame: Frame,
    eager: bool,
) -> Answer {
    let Frame { bytes: frame, memory_bytes, permit } = frame;
    let is_produce = frame.starts_with(&k00_produce::KEY.to_be_bytes());
    let (core, client, pull) = (core.clone(), client.clone(), pull.clone());
    if is_produce && eager {
        let request = Request::parse(&core, &client, frame);
        let request = request.map(|request| request.within(memory_bytes, pull));
        return match request.and_then(k00_produce::start) {
            Ok(produce) => Answer::started(produce, permit),
            Err(close) => Answer::in_turn(async { Err(close) }),
        };
    }
    let held = Held::default();
    let kept = held.clone();
    let answer = Answer::in_turn(async move {
        let mut request = Request::parse(&core, &client, frame)?.within(memory_bytes, pull);
        request.held = kept;
        request.frame_permit = permit;
        let (key, start) = (request.key, core.env.now());
        let result = perform(request).await;
        core.metrics.count_request(key, ErrorCode::None, core.env.now().0 - start.0);
        result
    });
    Answer { _held: held, ..answer }
}

/// Runs the handler of a request on this shard. Changes of metadata run on shard 0.
pub async fn perform(request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let first = ShardId(0);
    match request.key {
        0 => k00_produce::handle(request).await,
        1 => k01_fetch::handle(request).await,
        2 => k02_list_offsets::handle(request).await,
        3 => k03_metadata::handle(request).await,
        8 => k08_offset_commit::handle(request).await,
        9 => k09_offset_fetch::handle(request).await,
        10 => k10_find_coordinator::handle(request).await,
        11 => k11_join_group::handle(request).await,
        12 => k12_heartbeat::handle(request).await,
        13 => k13_leave_group::handle(request).await,
        14 => k14_sync_group::handle(request).await,
        15 => k15_describe_groups::handle(request).await,
        16 => k16_list_groups::handle(request).await,
        18 => k18_api_versions::handle(request).await,
        19 | 20 | 37 | 44 if request.core.shard != first => route::to(first, request).await,
        19 => k19_create_topics::handle(request).await,
        20 => k20_delete_topics::handle(request).await,
        21 => k21_delete_records::handle(request).await,
        22 => k22_init_producer_id::handle(request).await,
        23 => k23_offset_for_leader_epoch::handle(request).await,
        32 => k32_describe_configs::handle(request).await,
        35 => k35_describe_log_dirs::handle(request).await,
        37 => k37_create_partitions::handle(request).await,
        44 => k44_incremental_alter_configs::handle(request).await,
        46 => k46_list_partition_reassignments::handle(request).await,
        60 => k60_describe_cluster::handle(request).await,
        75 => k75_describe_topic_partitions::handle(request).await,
        key => Err(Close::Unsupported { key, version: request.version }),
    }
}
