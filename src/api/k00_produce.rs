//! Produce (key 0): appends one batch per partition at its leader.
//!
//! Owns: what is checked before a partition is asked, and the shape of the response.
//! Leaves to others: batch checks, partitioner, append and acknowledgement (`shard::append`).
//! Invariant: every partition has its place in the order of arrival before the next request of the
//! connection is started; what is checked at one stretch fits into a turn.
//! Start reading at: [`start`].
//! Source: KafkaApis#handleProduceRequest; KIP-951 for the leader hints, KIP-516 for topic ids.
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::api::{Close, Request, Work};
use crate::base::Bytes;
use crate::cluster::TopicImage;
use crate::env::local::{Receiver, Sender, oneshot};
use crate::env::yield_now;
use crate::model::{ErrorCode, ShardId};
use crate::shard::Core;
use crate::shard::append::{Acks, Append, AppendBatch, AppendTold, Wish};
use crate::shard::ask::{Asked, STRETCH_NS};
use crate::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use crate::wire::generated::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};

pub const KEY: i16 = 0;
/// From here topics are named by id.
const TOPIC_ID_VERSION: i16 = 13;
/// Only this client may write to internal topics, as in Kafka.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// A client that sends less, such as 0, still gets an answer from Kafka with one replica, where
/// acks=all waits for nobody. Here it waits for the disk.
const TIMEOUT_MS_MIN: u64 = 1_000;

/// Of the texts about single records in one response.
const RECORD_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Where the answer of one batch goes: topic and partition by their place in the request.
type Place = (usize, usize);

/// A request whose first batches have been handed to the shards of their partitions.
pub struct Started {
    /// The others: they must follow before the next request of the connection is started.
    pub rest: Option<Rest>,
    /// Waits for what `acks` asks for.
    pub work: Work,
}

/// Appends all that a request brings, and waits for what `acks` asks for.
pub async fn handle(request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let Started { rest, work } = start(request)?;
    if let Some(mut rest) = rest {
        yield_now().await;
        while rest.go_on() {
            yield_now().await;
        }
    }
    work.await
}

/// Starts the appends of a request, in order: as many as fit into a turn.
pub fn start(mut request: Request) -> Result<Started, Close> {
    let body: ProduceRequest = request.body()?;
    let started = request.core.env.now();
    let wants_answer = body.acks != 0;
    let mut response = skeleton(&body);
    let portions = match acks(body.acks) {
        _ if body.transactional_id.is_some() => {
            let text = "transactions are not supported yet: unset transactional.id";
            fail_all(&mut response, ErrorCode::InvalidTxnState, Some(text));
            None
        }
        None => {
            fail_all(&mut response, ErrorCode::InvalidRequiredAcks, None);
            None
        }
        Some(acks) => Some(portions(&request, body, acks, &mut response)),
    };
    let (asked, rest, later) = match portions {
        Some(portions) => begin(&request.core, portions),
        None => (Vec::new(), None, None),
    };
    let work = Box::pin(async move {
        let asked = match later {
            Some(later) => later.await.ok_or(Close::Shard)?,
            None => asked,
        };
        let mut texts_left = RECORD_TEXT_BYTES_MAX;
        for (places, answer) in asked {
            let told = answer.told().await.map_err(|_| Close::Shard)?;
            for ((topic, partition), told) in places.into_iter().zip(told) {
                let place = &mut response.responses[topic].partition_responses[partition];
                fill(place, told, &mut texts_left);
            }
        }
        let nanos = request.core.env.now().0 - started.0;
        request.core.metrics.count_request(KEY, ErrorCode::None, nanos);
        if wants_answer {
            return request.respond(&response);
        }
        match first_error(&response) {
            Some(error) => {
                // Nobody gets it; its errors are counted as those of every answer.
                request.respond(&response)?;
                Err(Close::Unacknowledged(error))
            }
            None => Ok(None),
        }
    });
    Ok(Started { rest, work })
}

/// Batches of one shard that are checked at one stretch.
struct Portion {
    shard: ShardId,
    places: Vec<Place>,
    batches: Vec<AppendBatch>,
    check_ns: usize,
}

/// All batches of a request, those of one shard in the order of the request.
struct Portions {
    wish: Wish,
    client_id: Arc<str>,
    left: VecDeque<Portion>,
    /// They are one portion for each shard.
    fit: bool,
}

impl Portions {
    fn ask_next(&mut self, core: &Rc<Core>) -> Option<AskedOf> {
        let Portion { shard, places, batches, .. } = self.left.pop_front()?;
        let append = Append { wish: self.wish, client_id: self.client_id.clone(), batches };
        Some((places, core.ask(shard, append)))
    }
}

/// The batches of a request that did not fit into the turn in which it came.
pub struct Rest {
    core: Rc<Core>,
    portions: Portions,
    asked: Asks,
    all: Option<Sender<Asks>>,
}

impl Rest {
    /// Hands on as many as fit into a turn; false: that was all.
    pub fn go_on(&mut self) -> bool {
        self.asked.extend(self.portions.ask_next(&self.core));
        let goes_on = !self.portions.left.is_empty();
        if !goes_on && let Some(all) = self.all.take() {
            all.send(std::mem::take(&mut self.asked));
        }
        goes_on
    }
}

/// Hands on what fits into this turn.
fn begin(core: &Rc<Core>, mut portions: Portions) -> (Asks, Option<Rest>, Option<Receiver<Asks>>) {
    let count = if portions.fit { portions.left.len() } else { 1 };
    let asked: Asks = (0..count).filter_map(|_| portions.ask_next(core)).collect();
    if portions.fit {
        return (asked, None, None);
    }
    let (sender, receiver) = oneshot();
    let rest = Rest { core: core.clone(), portions, asked, all: Some(sender) };
    (Vec::new(), Some(rest), Some(receiver))
}

/// `None`: not one of Kafka's.
fn acks(wire: i16) -> Option<Acks> {
    match wire {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    }
}

/// One place per partition of the request, in its order.
fn skeleton(body: &ProduceRequest) -> ProduceResponse {
    let responses = body.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partition_responses: (topic.partition_data.iter())
            .map(|partition| PartitionProduceResponse {
                index: partition.index,
                base_offset: -1,
                ..Default::default()
            })
            .collect(),
    });
    ProduceResponse { responses: responses.collect(), ..Default::default() }
}

fn fail_all(response: &mut ProduceResponse, error: ErrorCode, text: Option<&str>) {
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            partition.error_code = error.code();
            partition.error_message = text.map(str::to_owned);
        }
    }
}

/// The places of some batches, and what is told of them.
type AskedOf = (Vec<Place>, Asked<Vec<AppendTold>>);
type Asks = Vec<AskedOf>;

/// Puts every batch into a portion for the shard of its partition; what cannot be handed over
/// fails in place.
fn portions(
    request: &Request,
    body: ProduceRequest,
    acks: Acks,
    response: &mut ProduceResponse,
) -> Portions {
    let client_id: Arc<str> = request.client_id.as_deref().unwrap_or("").into();
    let timeout_ms = u64::try_from(body.timeout_ms).unwrap_or(0).max(TIMEOUT_MS_MIN);
    let wish = Wish { acks, timeout_ms };
    let image = request.core.image();
    let mut full = VecDeque::new();
    let mut open: BTreeMap<ShardId, Portion> = BTreeMap::new();
    for (topic_at, data) in body.topic_data.into_iter().enumerate() {
        let topic = find(&image, &data, request.version);
        let internal = topic.is_ok_and(|topic| topic.is_internal());
        for (partition_at, partition) in data.partition_data.into_iter().enumerate() {
            let found = topic.and_then(|topic| {
                if internal && request.client_id.as_deref() != Some(ADMIN_CLIENT_ID) {
                    return Err(ErrorCode::InvalidTopicException);
                }
                batch(topic, partition, request)
            });
            match found {
                Ok((shard, batch)) => {
                    let portion = open.entry(shard).or_insert_with(|| Portion::new(shard));
                    full.extend(portion.add((topic_at, partition_at), batch));
                }
                Err(error) => {
                    let place = &mut response.responses[topic_at].partition_responses[partition_at];
                    place.error_code = error.code();
                }
            }
        }
    }
    request.note_data(open.keys().copied());
    let fit = full.is_empty();
    full.extend(open.into_values());
    Portions { wish, client_id, left: full, fit }
}

impl Portion {
    fn new(shard: ShardId) -> Self {
        Self { shard, places: Vec::new(), batches: Vec::new(), check_ns: 0 }
    }

    /// Adds a batch; gives what was there before when both are too much for one turn.
    fn add(&mut self, place: Place, batch: AppendBatch) -> Option<Self> {
        let check_ns = batch.check_ns();
        let is_full = !self.batches.is_empty() && STRETCH_NS < self.check_ns + check_ns;
        let before = is_full.then(|| std::mem::replace(self, Self::new(self.shard)));
        self.places.push(place);
        self.batches.push(batch);
        self.check_ns += check_ns;
        before
    }
}

fn find<'a>(
    image: &'a crate::cluster::Image,
    data: &TopicProduceData,
    version: i16,
) -> Result<&'a TopicImage, ErrorCode> {
    if TOPIC_ID_VERSION <= version {
        image.topic_by_id(data.topic_id).map(|topic| &**topic).ok_or(ErrorCode::UnknownTopicId)
    } else {
        image.topic(&data.name).map(|topic| &**topic).ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

fn batch(
    topic: &TopicImage,
    data: PartitionProduceData,
    request: &Request,
) -> Result<(ShardId, AppendBatch), ErrorCode> {
    let placed = topic.partition(data.index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    // A decoded field is one slice of the frame.
    let records = data.records.and_then(|mut records| records.0.pop()).unwrap_or_default();
    let batch = AppendBatch {
        topic_id: topic.id,
        partition: data.index,
        records,
        version: request.version,
        frame_bytes: request.frame_memory_bytes,
    };
    Ok((placed.shard, batch))
}

fn fill(place: &mut PartitionProduceResponse, told: AppendTold, texts_left: &mut usize) {
    place.error_code = told.error.code();
    place.base_offset = told.base_offset;
    place.log_append_time_ms = told.log_append_time_ms;
    place.log_start_offset = told.log_start_offset;
    place.error_message = told.message;
    let within = |(_, text): &(i32, String)| {
        let fits = text.len() <= *texts_left;
        *texts_left = texts_left.saturating_sub(text.len());
        fits
    };
    place.record_errors = (told.record_errors.into_iter().take_while(within))
        .map(|(batch_index, text)| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: Some(text),
        })
        .collect();
}

fn first_error(response: &ProduceResponse) -> Option<String> {
    let topics = response.responses.iter();
    let mut errors = topics.flat_map(|topic| {
        let failed = topic.partition_responses.iter().filter(|p| p.error_code != 0);
        failed.map(|p| format!("{}-{}: error {}", topic.name, p.index, p.error_code))
    });
    errors.next()
}
