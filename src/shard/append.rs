//! Appending: from a client's batch to its acknowledgement, on the shard of the partition.
//!
//! Owns: the order of checks, the partitioner's say, the wait for what `acks` asks for.
//! Leaves to others: offsets, producer state and durability (`log`), deciding (`plugin`).
//! Invariant: batches of one partition are appended in the order in which they arrived, also when
//! a partitioner takes its time over one of them; what takes long to check is checked by a worker.
//! Source: ReplicaManager#appendRecords, LogValidator.
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Bytes;
use crate::config::TopicSettings;
use crate::env::local::oneshot;
use crate::env::{Env, Instant};
use crate::log::{AppendError, Appended};
use crate::model::{ErrorCode, PartitionIndex, TopicId};
use crate::record::{
    BatchError, CheckedBatch, Codec, Header, Limits, RECORD_BYTES_MIN, TimestampRule, Zstd,
};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::partition::{Partition, timestamp_type};
use crate::shard::repack::{Repacked, packing};
use crate::shard::unpack::{RecordRules, check_plain};

pub use crate::log::Acks;

/// Error texts name at most so many records.
pub const RECORD_ERRORS_MAX: usize = 1_000;
/// A batch whose checks take longer goes to a worker: more than 1 MiB, or many small records.
const ASIDE_NS: usize = 600_000;
/// From here a client may send zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;

/// Batches of one Produce request for partitions of one shard.
pub struct Append {
    pub wish: Wish,
    pub client_id: Arc<str>,
    pub batches: Vec<AppendBatch>,
}

/// What a Produce request asks of the answer to each of its batches.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub acks: Acks,
    /// How long acks=all may take from the append on. As in Kafka nothing else is timed.
    pub timeout_ms: u64,
}

impl Wish {
    /// The end of the wait for a batch that was just appended; `None`: there is none.
    fn begin(self, env: &Env) -> Option<(Env, Instant)> {
        (self.acks == Acks::All).then(|| (env.clone(), env.now().plus_ms(self.timeout_ms)))
    }
}

#[derive(Clone)]
pub struct AppendBatch {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    pub records: Bytes,
    /// Of the Produce request; zstd needs 7.
    pub version: i16,
    /// Of the memory that `records` is a slice of, and keeps.
    pub frame_bytes: usize,
}

/// What Produce answers for one partition.
#[derive(Debug, Default)]
pub struct AppendTold {
    pub error: ErrorCode,
    pub message: Option<String>,
    /// -1 when nothing was appended.
    pub base_offset: i64,
    /// -1 unless the topic stamps its own time.
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    /// Index of a record in its batch, and what is wrong with it.
    pub record_errors: Vec<(i32, String)>,
}

impl AppendBatch {
    /// Nanoseconds that its checks and its place in the log take, roughly and at most: some for
    /// each batch, its checksum and perhaps a copy, and a walk over records that are not packed.
    pub fn check_ns(&self) -> usize {
        let header = Header::decode(&self.records);
        let plain = header.filter(|header| header.codec() == Some(Codec::None));
        let records = plain.map_or(0, |header| usize::try_from(header.record_count).unwrap_or(0));
        let records = records.min(self.records.len() / RECORD_BYTES_MIN);
        1_000 + self.records.len() / 3 + 13 * records
    }
}

impl AppendTold {
    pub fn failed(error: ErrorCode, message: impl Into<String>) -> Self {
        let message = Some(message.into()).filter(|text| !text.is_empty());
        Self {
            error,
            message,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
        }
    }
}

impl Ask for Append {
    type Told = Vec<AppendTold>;

    fn start_ns(&self) -> usize {
        let ns = |batch: &AppendBatch| batch.check_ns().min(ASIDE_NS);
        self.batches.iter().map(ns).sum()
    }

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let Self { wish, client_id, batches } = self;
        let start = |batch| append(core, wish, &client_id, batch);
        let started: Vec<_> = batches.into_iter().map(start).collect();
        Box::pin(async move {
            let mut told = Vec::with_capacity(started.len());
            for work in started {
                told.push(work.await);
            }
            told
        })
    }
}

fn ready(told: AppendTold) -> Work<AppendTold> {
    Box::pin(std::future::ready(told))
}

fn append(
    core: &Rc<Core>,
    wish: Wish,
    client_id: &Arc<str>,
    batch: AppendBatch,
) -> Work<AppendTold> {
    let Some(partition) = core.partition(batch.topic_id, batch.partition) else {
        return ready(AppendTold::failed(ErrorCode::NotLeaderOrFollower, ""));
    };
    let settings = partition.settings();
    if is_checked_aside(&batch) {
        return in_line(core, wish, client_id, partition, Arrived::Aside(batch));
    }
    let checked = match check(&settings, core.env.wall_ms(), batch) {
        Ok(checked) => checked,
        Err(told) => return ready(told),
    };
    let waits = looks_inside(&settings, &checked) || packing(&settings, &checked).is_some();
    if !waits && !partition.turnstile.is_busy() {
        let put = put(core, &partition, checked, wish.acks);
        return Box::pin(acknowledged(partition, put, wish.begin(&core.env)));
    }
    // In the line the batch outlives its request, and perhaps its connection.
    in_line(core, wish, client_id, partition, Arrived::Checked(checked.out_of_frame()))
}

/// A batch as it comes into the line of its partition.
enum Arrived {
    Checked(CheckedBatch),
    /// A worker checks it.
    Aside(AppendBatch),
}

impl Arrived {
    fn len_bytes(&self) -> usize {
        match self {
            Self::Checked(checked) => checked.len_bytes(),
            Self::Aside(batch) => batch.records.len(),
        }
    }

    async fn checked(
        self,
        env: &Env,
        settings: Arc<TopicSettings>,
    ) -> Result<CheckedBatch, AppendTold> {
        match self {
            Self::Checked(checked) => Ok(checked),
            Self::Aside(batch) => {
                let now_ms = env.wall_ms();
                env.work(move || check(&settings, now_ms, batch).map(CheckedBatch::out_of_frame))
                    .await
            }
        }
    }
}

/// Whether checking a batch takes so long that a worker does it.
fn is_checked_aside(batch: &AppendBatch) -> bool {
    ASIDE_NS < batch.check_ns()
}

/// Appends a batch when its turn has come.
fn in_line(
    core: &Rc<Core>,
    wish: Wish,
    client_id: &Arc<str>,
    partition: Rc<Partition>,
    arrived: Arrived,
) -> Work<AppendTold> {
    let Some(lined) = core.lining.try_take(arrived.len_bytes()) else {
        let text = "too many batches wait for partitioners and workers";
        return ready(AppendTold::failed(ErrorCode::NotEnoughReplicas, text));
    };
    let turn = partition.turnstile.enter();
    let (sender, receiver) = oneshot();
    let (held, client_id) = (core.clone(), client_id.clone());
    // A task of its own: whoever has a place in the line must move on, also while nobody waits for
    // this answer yet because another one comes first.
    core.env.spawn(async move {
        let settings = partition.settings();
        let has_keys = HasKeys(settings.cleanup.compact);
        let checked = arrived.checked(&held.env, settings).await;
        turn.called().await;
        let put = match checked {
            Ok(checked) => {
                settle(&held, &partition, (checked, has_keys), wish.acks, &client_id).await
            }
            Err(told) => Err(told),
        };
        drop(turn);
        drop(lined);
        sender.send(acknowledged(partition, put, wish.begin(&held.env)).await);
    });
    Box::pin(async move {
        let gone = || AppendTold::failed(ErrorCode::NotLeaderOrFollower, "the shard stops");
        receiver.await.unwrap_or_else(gone)
    })
}

/// Whether the records of a plain batch were seen to have keys.
#[derive(Clone, Copy)]
pub struct HasKeys(pub bool);

/// The batch in the codec of its topic, judged by its partitioner, and appended.
async fn settle(
    core: &Rc<Core>,
    partition: &Partition,
    (checked, has_keys): (CheckedBatch, HasKeys),
    acks: Acks,
    client_id: &Arc<str>,
) -> Result<Appended, AppendTold> {
    let repacked = core.repack(partition, &checked).await?;
    let (kept, unpacked, _held) = match repacked {
        Some(Repacked { batch, unpacked, held }) => (batch, Some(unpacked), Some(held)),
        None => (checked.clone(), None, None),
    };
    core.decide(partition, (&checked, has_keys), unpacked, client_id).await?;
    put(core, partition, kept, acks)
}

/// Whether a plugin or an unpacked batch must be waited for before it gets offsets.
pub fn looks_inside(settings: &TopicSettings, batch: &CheckedBatch) -> bool {
    settings.partitioner.is_some() || packs_keys(settings, batch)
}

/// Whether keys that must be there are compressed.
pub fn packs_keys(settings: &TopicSettings, batch: &CheckedBatch) -> bool {
    settings.cleanup.compact && batch.header().codec() != Some(Codec::None)
}

/// Everything that can be said without offsets, without unpacking and without the partitioner.
fn check(
    settings: &TopicSettings,
    now_ms: i64,
    batch: AppendBatch,
) -> Result<CheckedBatch, AppendTold> {
    let zstd = if batch.version < ZSTD_VERSION { Zstd::Refused } else { Zstd::Allowed };
    let limits = Limits { batch_bytes_max: settings.message_bytes_max as usize, zstd };
    let frame_bytes = batch.frame_bytes;
    let refused =
        |error: BatchError| AppendTold::failed(ErrorCode::from(&error), error.to_string());
    let checked = CheckedBatch::parse(batch.records, &limits).map_err(refused)?;
    let checked = checked.within_frame_of(frame_bytes);
    if checked.header().is_transactional() {
        let text = "transactions are not supported yet";
        return Err(AppendTold::failed(ErrorCode::InvalidTxnState, text));
    }
    let is_kept = packing(settings, &checked).is_none();
    if is_kept && (settings.segment_bytes as usize) < checked.len_bytes() {
        return Err(AppendTold::failed(ErrorCode::RecordListTooLarge, ""));
    }
    let rules = record_rules(settings, now_ms);
    if checked.header().codec() == Some(Codec::None) {
        let largest = check_plain(&checked, &rules)?;
        return Ok(checked.with_max_timestamp(largest));
    }
    if let Some((rule, now_ms)) = &rules.times {
        checked.check_timestamps(rule, *now_ms).map_err(refused)?;
    }
    Ok(checked)
}

/// What the topic demands of each record of a batch that comes now.
pub fn record_rules(settings: &TopicSettings, now_ms: i64) -> RecordRules {
    let times = Some((timestamp_rule(settings), now_ms));
    RecordRules { needs_keys: settings.cleanup.compact, times }
}

fn timestamp_rule(settings: &TopicSettings) -> TimestampRule {
    TimestampRule {
        kind: timestamp_type(settings),
        before_max_ms: settings.timestamp_before_max_ms,
        after_max_ms: settings.timestamp_after_max_ms,
    }
}

/// Gives offsets and queues the write; nothing waits here.
fn put(
    core: &Core,
    partition: &Partition,
    checked: CheckedBatch,
    acks: Acks,
) -> Result<Appended, AppendTold> {
    let log = partition.log().map_err(|error| AppendTold::failed(error, ""))?;
    let (bytes, records) = (checked.len_bytes() as u64, checked.header().record_count as u64);
    let appended =
        log.append(&checked, acks, core.env.wall_ms()).map_err(|error: AppendError| {
            AppendTold::failed(ErrorCode::from(&error), error.to_string())
        })?;
    if !appended.duplicate {
        core.metrics.produce.bytes_total.inc_by(bytes);
        core.metrics.produce.records_total.inc_by(records);
    }
    Ok(appended)
}

/// Waits until the batch is as safe as its `acks` asks for; acks=all for so long at most. What was
/// not safe by then stays in the log all the same.
///
/// Source: ReplicaManager#maybeAddDelayedProduce, DelayedProduce.
async fn acknowledged(
    partition: Rc<Partition>,
    put: Result<Appended, AppendTold>,
    patience: Option<(Env, Instant)>,
) -> AppendTold {
    let appended = match put {
        Ok(appended) => appended,
        Err(told) => return told,
    };
    let told = AppendTold {
        base_offset: appended.base_offset.0,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start.0,
        ..AppendTold::failed(ErrorCode::None, "")
    };
    let acked = match patience {
        Some((env, late)) => env.until(late, appended.ack).await,
        None => Some(appended.ack.await),
    };
    match acked {
        None => AppendTold { error: ErrorCode::RequestTimedOut, ..told },
        Some(Ok(())) => told,
        Some(Err(error)) => {
            let code = ErrorCode::from(&error);
            // The directory says once that it is full.
            if code != ErrorCode::NotLeaderOrFollower && !error.is_full() {
                tracing::error!(partition = %partition.name, %error, "append is not safe");
            }
            AppendTold::failed(code, error.to_string())
        }
    }
}
