//! Fetch (key 1): bytes of partitions as they are stored, now or when enough have come.
//!
//! Owns: the wait for `min_bytes`, the byte budget over partitions, the shape of the response.
//! Every fetch is full: session id 0 says that this broker keeps no sessions (KIP-227).
//! Leaves to others: reading and watching partitions (`shard::fetch`).
//! Source: KafkaApis#handleFetchRequest, ReplicaManager#fetchMessages; KIP-74, KIP-320, KIP-516.
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::cluster::TopicImage;
use crate::env::Instant;
use crate::log::FirstBatch;
use crate::model::{ErrorCode, ShardId};
use crate::shard::Core;
use crate::shard::ask::{Asked, first_of};
use crate::shard::budget::Permit;
use crate::shard::fetch::{Isolation, Read, ReadPartition, ReadTold, Watch, WatchPartition};
use crate::wire::Records;
use crate::wire::generated::fetch_request::{FetchRequest, FetchTopic};
use crate::wire::generated::fetch_response::{
    EpochEndOffset, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};

const TOPIC_ID_VERSION: i16 = 13;
/// `isolation_level` of a consumer that reads committed transactions only.
const READ_COMMITTED: i8 = 1;
const LEADER_HINT_VERSION: i16 = 16;
/// Ends a session, or asks for none.
const FINAL_EPOCH: i32 = -1;

/// A first look at the partitions takes so much from each shard, or one batch; most find less.
const LOOK_BYTES: usize = 64 * 1024;
/// What a client gets in place of more while slow readers hold the account.
const FALLBACK_BYTES: usize = 1024 * 1024;

/// Then the partitions are looked at again.
const WATCH_MS_MAX: u64 = 1_000;

/// One partition that can be read: its places in the request, and where it lives.
struct Wanted {
    place: (usize, usize),
    shard: ShardId,
    read: ReadPartition,
}

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: FetchRequest = request.body()?;
    let version = request.version;
    // Session id 0 goes out with every answer, so only a client of another broker knows one.
    if body.session_id != 0 && body.session_epoch != FINAL_EPOCH {
        let error_code = ErrorCode::FetchSessionIdNotFound.code();
        return request.respond(&FetchResponse { error_code, ..Default::default() });
    }
    let core = request.core.clone();
    // A large request for which there is no room to wait is answered with what is there.
    let wait_ms = if request.park() { body.max_wait_ms.max(0) as u64 } else { 0 };
    let deadline = core.env.now().plus_ms(wait_ms);
    let bytes_max = body.max_bytes.clamp(0, core.config.fetch_bytes_max as i32) as usize;
    let bytes_min = (body.min_bytes.max(0) as usize).min(bytes_max);
    let isolation = match body.isolation_level {
        READ_COMMITTED => Isolation::Committed,
        _ => Isolation::Uncommitted,
    };
    let mut response = loop {
        let look = Look { core: &core, body: &body, version, isolation };
        let small = look.read(bytes_max.min(LOOK_BYTES)).await?;
        let found = match small.more && LOOK_BYTES < bytes_max {
            true => look.read_more(bytes_max, small).await?,
            false => small.charged(&core),
        };
        let late = deadline <= core.env.now();
        // More would not fit, so waiting for `min_bytes` helps nobody.
        let enough = found.answer_now || found.more || bytes_min <= found.bytes;
        if enough || late || found.wanted.is_empty() {
            request.note_data(found.wanted.iter().map(|wanted| wanted.shard));
            break found.respond(&mut request);
        }
        let watched = found.watched();
        drop(found);
        wait(&core, watched, deadline).await;
    };
    if LEADER_HINT_VERSION <= version {
        hint_leader(&core, &mut response);
    }
    request.respond(&response)
}

/// One Fetch, as often as it is looked at.
struct Look<'a> {
    core: &'a Rc<Core>,
    body: &'a FetchRequest,
    version: i16,
    isolation: Isolation,
}

/// What one look found.
struct Found {
    response: FetchResponse,
    wanted: Vec<Wanted>,
    /// Of each that was wanted.
    told: Vec<ReadTold>,
    bytes: usize,
    /// A limit cut it short.
    more: bool,
    /// Some partition has something else to say than records.
    answer_now: bool,
    permit: Option<Permit>,
}

impl Found {
    /// With its records charged, whatever the account has: it is small, or was charged before.
    fn charged(mut self, core: &Rc<Core>) -> Self {
        self.permit = (0 < self.bytes).then(|| core.sending.charge(self.bytes));
        self
    }

    fn respond(self, request: &mut Request) -> FetchResponse {
        let Self { mut response, wanted, told, permit, .. } = self;
        permit.into_iter().for_each(|permit| request.hold(permit));
        for (wanted, told) in wanted.iter().zip(told) {
            let (topic, partition) = wanted.place;
            fill(&mut response.responses[topic].partitions[partition], told, request.version);
        }
        response
    }

    /// The partitions that can be read, and what each must exceed to be looked at again.
    fn watched(&self) -> BTreeMap<ShardId, Vec<WatchPartition>> {
        let mut by_shard: BTreeMap<ShardId, Vec<WatchPartition>> = BTreeMap::new();
        for (wanted, told) in self.wanted.iter().zip(&self.told) {
            let read = &wanted.read;
            by_shard.entry(wanted.shard).or_default().push(WatchPartition {
                topic_id: read.topic_id,
                partition: read.partition,
                readable_above: read.fetch_offset.max(told.high_watermark),
            });
        }
        by_shard
    }

    /// Where the partitions go on that have more than was read, with what the client takes of it.
    fn rest(&self) -> Vec<(usize, Wanted)> {
        let mut rest = Vec::new();
        for (at, (wanted, told)) in self.wanted.iter().zip(&self.told).enumerate() {
            let bytes_max = wanted.read.bytes_max.saturating_sub(told.bytes);
            if told.more && (0 < bytes_max || self.bytes == 0) {
                let read = ReadPartition {
                    fetch_offset: told.next_offset,
                    // It was checked, and says nothing about what comes behind.
                    last_fetched_epoch: -1,
                    bytes_max,
                    ..wanted.read.clone()
                };
                rest.push((at, Wanted { read, ..*wanted }));
            }
        }
        rest
    }
}

impl Look<'_> {
    async fn read(&self, bytes_max: usize) -> Result<Found, Close> {
        let (response, wanted) = plan(self.core, self.body, self.version);
        let planned = response.responses.iter().flat_map(|topic| &topic.partitions);
        let mut answer_now = planned.clone().any(|partition| partition.error_code != 0);
        let first = FirstBatch::Always;
        let told = read(self.core, &wanted, bytes_max, first, self.isolation).await?;
        let (mut bytes, mut more) = (0, false);
        for told in &told {
            answer_now |= told.error.is_error() || told.diverging.is_some();
            more |= told.more;
            bytes += told.bytes;
        }
        Ok(Found { response, wanted, told, bytes, more, answer_now, permit: None })
    }

    /// Reads on as far as the client takes it, when the memory can be charged before; else less:
    /// so slow readers make others' answers small, not late.
    async fn read_more(&self, bytes_max: usize, mut found: Found) -> Result<Found, Close> {
        let (places, rest): (Vec<usize>, Vec<Wanted>) = found.rest().into_iter().unzip();
        if rest.is_empty() {
            return Ok(found.charged(self.core));
        }
        let mut by_shard: BTreeMap<ShardId, usize> = BTreeMap::new();
        for wanted in &rest {
            let sum = by_shard.entry(wanted.shard).or_default();
            *sum = sum.saturating_add(wanted.read.bytes_max);
        }
        for bytes_max in [bytes_max, bytes_max.min(FALLBACK_BYTES)] {
            let left = bytes_max.saturating_sub(found.bytes);
            let need = by_shard.values().map(|sum| *sum.min(&left)).sum();
            let Some(permit) = self.core.sending.try_take(need) else { continue };
            let first = match found.bytes {
                0 => FirstBatch::Always,
                _ => FirstBatch::IfItFits,
            };
            let told = read(self.core, &rest, left, first, self.isolation).await?;
            for (place, told) in places.into_iter().zip(told) {
                found.bytes += told.bytes;
                found.told[place].extend(told);
            }
            found.more = found.told.iter().any(|told| told.more);
            drop(permit);
            break;
        }
        Ok(found.charged(self.core))
    }
}

/// The response with a place for each partition, and the partitions that can be read.
fn plan(core: &Core, body: &FetchRequest, version: i16) -> (FetchResponse, Vec<Wanted>) {
    let image = core.image();
    let mut wanted = Vec::new();
    let mut responses = Vec::with_capacity(body.topics.len());
    for (topic_at, topic) in body.topics.iter().enumerate() {
        let found = if TOPIC_ID_VERSION <= version {
            image.topic_by_id(topic.topic_id).map(|topic| &**topic).ok_or(ErrorCode::UnknownTopicId)
        } else {
            image
                .topic(&topic.topic)
                .map(|topic| &**topic)
                .ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        responses.push(plan_topic(found, topic, topic_at, &mut wanted));
    }
    (FetchResponse { responses, ..Default::default() }, wanted)
}

fn plan_topic(
    found: Result<&TopicImage, ErrorCode>,
    topic: &FetchTopic,
    topic_at: usize,
    wanted: &mut Vec<Wanted>,
) -> FetchableTopicResponse {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for (at, partition) in topic.partitions.iter().enumerate() {
        let placed = found.and_then(|topic| {
            let placed = topic.partition(partition.partition);
            placed.map(|p| (topic.id, p.shard)).ok_or(ErrorCode::UnknownTopicOrPartition)
        });
        partitions.push(PartitionData {
            partition_index: partition.partition,
            error_code: placed.err().unwrap_or_default().code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            preferred_read_replica: -1,
            records: Some(Records::default()),
            ..Default::default()
        });
        let Ok((topic_id, shard)) = placed else { continue };
        wanted.push(Wanted {
            place: (topic_at, at),
            shard,
            read: ReadPartition {
                topic_id,
                partition: partition.partition,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
                fetch_offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes.max(0) as usize,
            },
        });
    }
    FetchableTopicResponse { topic: topic.topic.clone(), topic_id: topic.topic_id, partitions }
}

/// Reads all partitions, in the order of the request, within one budget.
///
/// Shards read side by side, each with the whole budget; the first data in the order of the request
/// wins, and the first partition with data may exceed the budget by one batch (KIP-74).
async fn read(
    core: &Rc<Core>,
    wanted: &[Wanted],
    bytes_max: usize,
    first: FirstBatch,
    isolation: Isolation,
) -> Result<Vec<ReadTold>, Close> {
    let mut by_shard: BTreeMap<ShardId, (Vec<usize>, Vec<ReadPartition>)> = BTreeMap::new();
    for (at, wanted) in wanted.iter().enumerate() {
        let (places, reads) = by_shard.entry(wanted.shard).or_default();
        places.push(at);
        reads.push(wanted.read.clone());
    }
    let ask = |(shard, (places, partitions))| -> (Vec<usize>, Asked<Vec<ReadTold>>) {
        (places, core.ask(shard, Read { bytes_max, first, isolation, partitions }))
    };
    let asked: Vec<_> = by_shard.into_iter().map(ask).collect();
    let mut all: Vec<Option<ReadTold>> = wanted.iter().map(|_| None).collect();
    for (places, answer) in asked {
        let told = answer.told().await.map_err(|_| Close::Shard)?;
        for (place, told) in places.into_iter().zip(told) {
            all[place] = Some(told);
        }
    }
    let mut left = bytes_max;
    let mut first = first == FirstBatch::Always;
    let budgeted = all.into_iter().zip(wanted).map(|(told, wanted)| {
        let mut told = told.expect("every partition was asked for");
        if left < told.bytes && !first {
            told.withhold(wanted.read.fetch_offset);
        }
        first &= told.bytes == 0;
        left = left.saturating_sub(told.bytes);
        told
    });
    Ok(budgeted.collect())
}

/// Waits until a partition has more than it had, or the deadline.
async fn wait(core: &Rc<Core>, watched: BTreeMap<ShardId, Vec<WatchPartition>>, deadline: Instant) {
    // A watch on another shard outlives a wait that ends early: so none lives long.
    let until = deadline.min(core.env.now().plus_ms(WATCH_MS_MAX));
    let watch = |(shard, partitions)| {
        let asked = core.ask(shard, Watch { until, partitions });
        Box::pin(async move {
            let _ = asked.told().await;
        }) as crate::shard::ask::Work<()>
    };
    first_of(watched.into_iter().map(watch).collect()).await;
}

fn fill(place: &mut PartitionData, told: ReadTold, version: i16) {
    place.error_code = told.error.code();
    place.high_watermark = told.high_watermark;
    place.last_stable_offset = told.last_stable_offset;
    place.log_start_offset = told.log_start_offset;
    place.records = Some(Records(told.records));
    if let Some((epoch, end_offset)) = told.diverging {
        place.diverging_epoch = EpochEndOffset { epoch, end_offset };
    }
    let fenced =
        matches!(told.error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
    if fenced && LEADER_HINT_VERSION <= version {
        place.current_leader =
            LeaderIdAndEpoch { leader_id: told.leader.0.0, leader_epoch: told.leader.1.0 };
    }
}

/// Names the endpoint of the leaders that the response mentions (KIP-951).
fn hint_leader(core: &Core, response: &mut FetchResponse) {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    if partitions.clone().any(|partition| 0 <= partition.current_leader.leader_id) {
        let (identity, (host, port)) = (&core.identity, core.endpoint());
        response.node_endpoints = vec![NodeEndpoint {
            node_id: identity.node_id.0,
            host,
            port,
            rack: core.config.rack.clone(),
        }];
    }
}
