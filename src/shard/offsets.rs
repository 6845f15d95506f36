//! Offsets by timestamp and ends of leader epochs, on the shard of the partition.
//!
//! Owns: what the special timestamps mean, and from which version on. Leaves to others: the search
//! (`log`).
//! Source: Partition#fetchOffsetForTimestamp, LeaderEpochFileCache#endOffsetFor.
use std::rc::Rc;

use crate::model::{ErrorCode, LeaderEpoch, PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::fetch::{Isolation, check_epoch};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Whether a version of ListOffsets has this timestamp; the special ones came one by one.
pub fn is_known_timestamp(timestamp: i64, version: i16) -> bool {
    let lowest = match timestamp {
        0.. | LATEST | EARLIEST => 1,
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => return false,
    };
    lowest <= version
}

#[derive(Clone, Debug)]
pub struct OffsetFor {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    /// -1: not checked.
    pub current_leader_epoch: i32,
    /// Milliseconds, or one of the special values.
    pub timestamp: i64,
    /// Up to where offsets count: the high watermark, or the last stable offset.
    pub isolation: Isolation,
}

/// Looks up offsets by timestamp, for partitions of one shard.
pub struct Offsets(pub Vec<OffsetFor>);

#[derive(Clone, Debug)]
pub struct OffsetTold {
    pub error: ErrorCode,
    pub timestamp: i64,
    pub offset: i64,
    pub leader_epoch: i32,
}

impl OffsetTold {
    pub fn failed(error: ErrorCode) -> Self {
        Self { error, timestamp: -1, offset: -1, leader_epoch: -1 }
    }

    fn at(offset: i64, leader_epoch: LeaderEpoch) -> Self {
        Self { offset, leader_epoch: leader_epoch.0, ..Self::failed(ErrorCode::None) }
    }
}

impl Ask for Offsets {
    type Told = Vec<OffsetTold>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            let mut told = Vec::with_capacity(self.0.len());
            for ask in &self.0 {
                told.push(offset_for(&core, ask).await.unwrap_or_else(OffsetTold::failed));
            }
            told
        })
    }
}

async fn offset_for(core: &Rc<Core>, ask: &OffsetFor) -> Result<OffsetTold, ErrorCode> {
    let partition = core.partition(ask.topic_id, ask.partition);
    let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let log = check_epoch(&partition, ask.current_leader_epoch)?;
    let ends = log.ends();
    let readable = match ask.isolation {
        Isolation::Uncommitted => ends.high_watermark,
        Isolation::Committed => ends.last_stable_offset,
    };
    let found = match ask.timestamp {
        LATEST => return Ok(OffsetTold::at(readable.0, partition.leader_epoch.get())),
        EARLIEST | EARLIEST_LOCAL => {
            return Ok(OffsetTold::at(
                ends.log_start.0,
                log.epoch_of(ends.log_start).unwrap_or_default(),
            ));
        }
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => {
            return Ok(OffsetTold::at(-1, LeaderEpoch(-1)));
        }
        MAX_TIMESTAMP => log.max_timestamp(readable).await,
        timestamp if 0 <= timestamp => log.offset_for_timestamp(timestamp, readable).await,
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    let found = found.map_err(|error| {
        tracing::error!(partition = %partition.name, %error, "search by timestamp failed");
        ErrorCode::from(&error)
    })?;
    Ok(found.map_or(OffsetTold::failed(ErrorCode::None), |found| OffsetTold {
        error: ErrorCode::None,
        timestamp: found.timestamp,
        offset: found.offset.0,
        leader_epoch: found.leader_epoch.0,
    }))
}

#[derive(Clone, Debug)]
pub struct EpochFor {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    /// -1: not checked.
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

/// Looks up where leader epochs end, for partitions of one shard.
pub struct Epochs(pub Vec<EpochFor>);

/// The epoch found and the offset at which it ends; -1 and -1: not known.
pub type EpochTold = Result<(LeaderEpoch, i64), ErrorCode>;

impl Ask for Epochs {
    type Told = Vec<EpochTold>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let find = |ask: &EpochFor| {
            let partition = core.partition(ask.topic_id, ask.partition);
            let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let log = check_epoch(&partition, ask.current_leader_epoch)?;
            let known = log.end_offset_for(LeaderEpoch(ask.leader_epoch));
            Ok(known.map_or((LeaderEpoch(-1), -1), |(epoch, end)| (epoch, end.0)))
        };
        let told: Vec<EpochTold> = self.0.iter().map(find).collect();
        Box::pin(std::future::ready(told))
    }
}
