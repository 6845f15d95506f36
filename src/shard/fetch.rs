//! Reading partitions for Fetch, and waiting until there is more, on the shard of the partitions.
//!
//! Owns: leader epoch checks, divergence (KIP-320), what may be read (below the high watermark).
//! Leaves to others: finding bytes (`log`), budgets over shards and topics (`api::k01_fetch`).
//! Source: ReplicaManager#readFromLog, Partition#fetchRecords.
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{Instant, Rests};
use crate::log::{FirstBatch, ReadError};
use crate::model::{ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::ask::first_of;
use crate::shard::ask::{Ask, Work};
use crate::shard::partition::Partition;

/// Partitions of one Fetch that are looked at before other tasks of the shard run.
const PARTITIONS_PER_TURN: usize = 128;

#[derive(Clone, Debug)]
pub struct ReadPartition {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    /// -1: not checked.
    pub current_leader_epoch: i32,
    /// Epoch of the last record that the client has; -1: not checked.
    pub last_fetched_epoch: i32,
    pub fetch_offset: i64,
    pub bytes_max: usize,
}

/// How far a consumer may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    Uncommitted,
    /// Up to the first open transaction.
    Committed,
}

/// Reads partitions of one shard, in order, at most `bytes_max` together.
pub struct Read {
    pub bytes_max: usize,
    /// Of the first partition that has records.
    pub first: FirstBatch,
    pub isolation: Isolation,
    pub partitions: Vec<ReadPartition>,
}

#[derive(Debug)]
pub struct ReadTold {
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// Epoch and its end, where the client's log left ours.
    pub diverging: Option<(i32, i64)>,
    pub leader: (NodeId, LeaderEpoch),
    pub records: Vec<Bytes>,
    /// Of `records`.
    pub bytes: usize,
    /// A limit of bytes cut the records short: who asks again gets more at once.
    pub more: bool,
    /// Where to go on.
    pub next_offset: i64,
}

impl ReadTold {
    fn failed(error: ErrorCode, leader: (NodeId, LeaderEpoch)) -> Self {
        Self {
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging: None,
            leader,
            records: Vec::new(),
            bytes: 0,
            more: false,
            next_offset: -1,
        }
    }

    /// Keeps the offsets and drops the records: they do not fit the response any more.
    pub fn withhold(&mut self, fetch_offset: i64) {
        self.more |= 0 < self.bytes;
        self.records.clear();
        self.bytes = 0;
        self.next_offset = fetch_offset;
    }

    /// Adds what a read from `next_offset` on told. One that failed changes nothing: who asks again
    /// hears of it.
    pub fn extend(&mut self, rest: Self) {
        if rest.error.is_error() || rest.diverging.is_some() {
            return;
        }
        self.high_watermark = self.high_watermark.max(rest.high_watermark);
        self.last_stable_offset = self.last_stable_offset.max(rest.last_stable_offset);
        self.records.extend(rest.records);
        self.bytes += rest.bytes;
        (self.more, self.next_offset) = (rest.more, rest.next_offset);
    }
}

impl Ask for Read {
    type Told = Vec<ReadTold>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            let mut left = self.bytes_max;
            let mut told = Vec::with_capacity(self.partitions.len());
            let mut first = self.first;
            let mut rests = Rests::every(PARTITIONS_PER_TURN);
            for wanted in &self.partitions {
                let read = read(&core, wanted, left, first, self.isolation).await;
                left = left.saturating_sub(read.bytes);
                if 0 < read.bytes {
                    first = FirstBatch::IfItFits;
                }
                told.push(read);
                rests.after(1).await;
            }
            told
        })
    }
}

async fn read(
    core: &Rc<Core>,
    wanted: &ReadPartition,
    left: usize,
    first: FirstBatch,
    isolation: Isolation,
) -> ReadTold {
    let nobody = (NodeId(-1), LeaderEpoch(-1));
    let Some(partition) = core.partition(wanted.topic_id, wanted.partition) else {
        return ReadTold::failed(ErrorCode::UnknownTopicOrPartition, nobody);
    };
    let leader = (core.identity.node_id, partition.leader_epoch.get());
    let log = match check_epoch(&partition, wanted.current_leader_epoch) {
        Ok(log) => log,
        Err(error) => return ReadTold::failed(error, leader),
    };
    let ends = log.ends();
    let mut told = ReadTold {
        high_watermark: ends.high_watermark.0,
        last_stable_offset: ends.last_stable_offset.0,
        log_start_offset: ends.log_start.0,
        next_offset: wanted.fetch_offset,
        ..ReadTold::failed(ErrorCode::None, leader)
    };
    let from = Offset(wanted.fetch_offset);
    if 0 <= wanted.last_fetched_epoch {
        let known = log.end_offset_for(LeaderEpoch(wanted.last_fetched_epoch));
        let Some((epoch, end)) = known else {
            return ReadTold::failed(ErrorCode::OffsetOutOfRange, leader);
        };
        if epoch.0 < wanted.last_fetched_epoch || end < from {
            told.diverging = Some((epoch.0, end.0));
            return told;
        }
    }
    if from < ends.log_start || ends.log_end < from {
        return ReadTold::failed(ErrorCode::OffsetOutOfRange, leader);
    }
    let bytes_max = wanted.bytes_max.min(left);
    let upper = match isolation {
        Isolation::Uncommitted => ends.high_watermark,
        Isolation::Committed => ends.last_stable_offset,
    };
    // Of a log that is offline there will be no more: who waits for it should know.
    if let Some(error) = log.offline().filter(|_| upper <= from) {
        return ReadTold::failed(ErrorCode::from(&error), leader);
    }
    told.more = from < upper;
    if !told.more || (bytes_max == 0 && first == FirstBatch::IfItFits) {
        return told;
    }
    match log.read(from, bytes_max, first, upper).await {
        Ok(found) => {
            told.bytes = found.slices.iter().map(Bytes::len).sum();
            told.records = found.slices;
            // Nothing comes behind the end of a log that is offline: nobody waits for it.
            (told.more, told.next_offset) = (found.more || log.offline().is_some(), found.next.0);
            told
        }
        Err(error) => {
            let code = ErrorCode::from(&error);
            // A log that is offline has said so once.
            let is_told = matches!(error, ReadError::OutOfRange { .. } | ReadError::Offline(_));
            if !is_told && code != ErrorCode::NotLeaderOrFollower {
                tracing::error!(partition = %partition.name, %error, "read failed");
            }
            ReadTold::failed(code, leader)
        }
    }
}

/// The log, when the client's idea of the leader epoch is ours.
pub fn check_epoch(
    partition: &Partition,
    current_leader_epoch: i32,
) -> Result<Rc<crate::log::Log>, ErrorCode> {
    let ours = partition.leader_epoch.get().0;
    if 0 <= current_leader_epoch && current_leader_epoch < ours {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if ours < current_leader_epoch {
        return Err(ErrorCode::UnknownLeaderEpoch);
    }
    partition.log()
}

#[derive(Clone, Debug)]
pub struct WatchPartition {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    /// Ends when the high watermark is above this.
    pub readable_above: i64,
}

/// Waits until one of the partitions can be read further, or until the clock shows `until`.
pub struct Watch {
    pub until: Instant,
    pub partitions: Vec<WatchPartition>,
}

impl Ask for Watch {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let env = core.env.clone();
        let mut all: Vec<Work<()>> = Vec::with_capacity(self.partitions.len() + 1);
        for watched in self.partitions {
            // A partition that is gone ends the wait: the next read says so.
            let Some(partition) = core.partition(watched.topic_id, watched.partition) else {
                return Box::pin(std::future::ready(()));
            };
            let Ok(log) = partition.log() else { return Box::pin(std::future::ready(())) };
            all.push(Box::pin(async move {
                log.watch_beyond(Offset(watched.readable_above)).await;
            }));
        }
        all.push(Box::pin(async move { env.sleep_until(self.until).await }));
        Box::pin(first_of(all))
    }
}
