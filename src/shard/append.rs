//! Appending: from a client's batch to its acknowledgement, on the shard of the partition.
//!
//! Owns: the order of checks, the partitioner's say, the wait for what `acks` asks for.
//! Leaves to others: offsets, producer state and durability (`log`), deciding (`plugin`).
//! Invariant: batches of one partition are appended in the order in which they arrived, also when
//! a partitioner takes its time over one of them.
//! Source: ReplicaManager#appendRecords, LogValidator.
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Bytes;
use crate::config::TopicSettings;
use crate::env::local::oneshot;
use crate::log::{AppendError, Appended};
use crate::model::{ErrorCode, PartitionIndex, TopicId};
use crate::record::{
    BatchError, CheckedBatch, Codec, Limits, RECORD_BYTES_MIN, Records, TimestampRule, Zstd,
};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::partition::{Partition, timestamp_type};

pub use crate::log::Acks;

/// Error texts name at most so many records.
pub const RECORD_ERRORS_MAX: usize = 1_000;
/// A batch that must be looked into may unpack to so much.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// From here a client may send zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;

/// Batches of one Produce request for partitions of one shard.
pub struct Append {
    pub acks: Acks,
    pub client_id: Arc<str>,
    pub batches: Vec<AppendBatch>,
}

pub struct AppendBatch {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    pub records: Bytes,
    /// Of the Produce request; zstd needs 7.
    pub version: i16,
    /// Of the request that `records` is a slice of, and keeps in memory.
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

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let Self { acks, client_id, batches } = self;
        let start = |batch| append(core, acks, &client_id, batch);
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
    acks: Acks,
    client_id: &Arc<str>,
    batch: AppendBatch,
) -> Work<AppendTold> {
    let Some(partition) = core.partition(batch.topic_id, batch.partition) else {
        return ready(AppendTold::failed(ErrorCode::NotLeaderOrFollower, ""));
    };
    let settings = partition.settings();
    let checked = match check(core, &settings, batch) {
        Ok(checked) => checked,
        Err(told) => return ready(told),
    };
    if settings.partitioner.is_none() && !partition.turnstile.is_busy() {
        let put = put(core, &partition, checked, acks);
        return Box::pin(acknowledged(partition, put));
    }
    let turn = partition.turnstile.enter();
    let (sender, receiver) = oneshot();
    let (held, client_id) = (core.clone(), client_id.clone());
    // A task of its own: whoever has a place in the line must move on, also while nobody waits for
    // this answer yet because another one comes first.
    core.env.spawn(async move {
        turn.called().await;
        let decided = held.decide(&partition, &checked, &client_id).await;
        let put = decided.and_then(|()| put(&held, &partition, checked, acks));
        drop(turn);
        sender.send(acknowledged(partition, put).await);
    });
    Box::pin(async move {
        let gone = || AppendTold::failed(ErrorCode::NotLeaderOrFollower, "the shard stops");
        receiver.await.unwrap_or_else(gone)
    })
}

/// Everything that can be said without offsets and without the partitioner.
fn check(
    core: &Core,
    settings: &TopicSettings,
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
    // Records are not looked into here; a count that cannot be true would still move the log's end.
    let header = checked.header();
    let count = header.record_count as usize;
    if header.codec() == Some(Codec::None)
        && checked.body().len() < count.saturating_mul(RECORD_BYTES_MIN)
    {
        let text = "the batch is too short for the records that it claims";
        return Err(AppendTold::failed(ErrorCode::InvalidRecord, text));
    }
    if (settings.segment_bytes as usize) < checked.len_bytes() {
        return Err(AppendTold::failed(ErrorCode::RecordListTooLarge, ""));
    }
    let rule = timestamp_rule(settings);
    checked.check_timestamps(&rule, core.env.wall_ms()).map_err(refused)?;
    if settings.cleanup.compact {
        check_keys(&checked)?;
    }
    Ok(checked)
}

fn timestamp_rule(settings: &TopicSettings) -> TimestampRule {
    TimestampRule {
        kind: timestamp_type(settings),
        before_max_ms: settings.timestamp_before_max_ms,
        after_max_ms: settings.timestamp_after_max_ms,
    }
}

/// A compacted topic takes no record without a key; the answer names those that lack one.
fn check_keys(checked: &CheckedBatch) -> Result<(), AppendTold> {
    let records = Records::decode(checked.bytes(), DECOMPRESSED_BYTES_MAX);
    let records =
        records.map_err(|error| AppendTold::failed(ErrorCode::InvalidRecord, error.to_string()))?;
    let keyless = records.rows.iter().enumerate().filter(|(_, row)| row.key.is_null());
    let text = "Compacted topic cannot accept message without key";
    let errors: Vec<(i32, String)> =
        keyless.map(|(at, _)| (at as i32, text.to_owned())).take(RECORD_ERRORS_MAX).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let told =
        AppendTold::failed(ErrorCode::InvalidRecord, "One or more records have been rejected");
    Err(AppendTold { record_errors: errors, ..told })
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

/// Waits until the batch is as safe as its `acks` asks for.
async fn acknowledged(partition: Rc<Partition>, put: Result<Appended, AppendTold>) -> AppendTold {
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
    match appended.ack.await {
        Ok(()) => told,
        Err(error) => {
            tracing::error!(partition = %partition.name, %error, "append is not safe");
            AppendTold::failed(ErrorCode::KafkaStorageError, error.to_string())
        }
    }
}
