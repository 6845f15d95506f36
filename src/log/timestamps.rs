//! ListOffsets by time: the first record at or after a timestamp, and the one with the largest.
//!
//! Owns: the search. Leaves to others: sentinels like -1 and -2 (`api`).
//! Invariant: only what is below the caller's bound is found.
//! Start reading at: [`Log::offset_for_timestamp`].
//! Source: Kafka `UnifiedLog#fetchOffsetByTimestamp`, `LogSegment#findOffsetByTimestamp`.
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{IoError, yield_now};
use crate::log::index::TimeIndex;
use crate::log::names::{TIME_INDEX, file_path};
use crate::log::scan::{Check, Scanner, Walked};
use crate::log::segment::MaxTimestamp;
use crate::log::{DiskError, FirstBatch, Life, Log};
use crate::model::{ErrorCode, LeaderEpoch, Offset};
use crate::record::{Codec, Header, RecordError, Records};

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampHit {
    pub offset: Offset,
    pub timestamp: i64,
    pub leader_epoch: LeaderEpoch,
}

/// Why the search failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TimestampError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{path} is damaged at byte {position}: {why}")]
    Corrupt { path: String, position: u64, why: &'static str },
    #[error("batch at offset {base}: {source}")]
    Records { base: Offset, source: RecordError },
}

impl From<&TimestampError> for ErrorCode {
    fn from(error: &TimestampError) -> Self {
        match error {
            TimestampError::Disk(error) => error.into(),
            TimestampError::Corrupt { .. } | TimestampError::Records { .. } => Self::CorruptMessage,
        }
    }
}

/// Batches in memory that are looked at before other tasks of the shard run.
const TURN_BATCHES: usize = 512;
/// Uncompressed batches up to this size are decoded on the shard.
pub(super) const INLINE_BYTES_MAX: usize = 64 << 10;

/// Whether a record that is later than the time sought will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Later {
    Too,
    No,
}

/// What a search looks for.
#[derive(Clone, Copy)]
struct Sought {
    timestamp: i64,
    later: Later,
}

impl Sought {
    fn is(&self, timestamp: i64) -> bool {
        match self.later {
            Later::Too => self.timestamp <= timestamp,
            Later::No => self.timestamp == timestamp,
        }
    }
}

/// One segment as the search sees it.
struct Candidate {
    base: Offset,
    end: Offset,
    max: MaxTimestamp,
    time_index: Option<Rc<TimeIndex>>,
}

impl Log {
    /// First record with a timestamp at or after `timestamp`, if it lies below `upper`.
    pub async fn offset_for_timestamp(
        &self,
        timestamp: i64,
        upper: Offset,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        for candidate in self.candidates()? {
            if candidate.max.timestamp < timestamp {
                continue;
            }
            match self.search_from(&candidate, timestamp, upper).await {
                Ok(None) => {}
                Err(error) if self.was_removed(&candidate, &error) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// First record of one segment at or after `timestamp`.
    async fn search_from(
        &self,
        candidate: &Candidate,
        timestamp: i64,
        upper: Offset,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        let times = match &candidate.time_index {
            Some(times) => times.clone(),
            None => self.load_time_index(candidate.base).await?,
        };
        let from = Offset(candidate.base.0 + i64::from(times.floor(timestamp)));
        let sought = Sought { timestamp, later: Later::Too };
        self.search(from, upper.min(candidate.end), sought).await
    }

    /// Whether a file is missing because its segment went since the search began.
    fn was_removed(&self, candidate: &Candidate, error: &TimestampError) -> bool {
        let missing = matches!(error, TimestampError::Disk(e) if e.source == IoError::NotFound);
        missing && candidate.end <= self.ends().log_start
    }

    /// First record that has the largest timestamp below `upper`; `None` for an empty log.
    pub async fn max_timestamp(
        &self,
        upper: Offset,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        loop {
            let candidates = self.candidates()?.into_iter();
            // Of equal ones the first.
            let best = candidates.rev().max_by_key(|candidate| candidate.max.timestamp);
            let Some(best) = best else { return Ok(None) };
            let max = best.max;
            let sought = Sought { timestamp: max.timestamp, later: Later::No };
            match self.search(max.offset, upper.min(best.end), sought).await {
                Err(error) if self.was_removed(&best, &error) => {}
                found => return found,
            }
        }
    }

    fn candidates(&self) -> Result<Vec<Candidate>, DiskError> {
        let state = self.state.borrow();
        // One that failed still has what it had; one that was deleted has nothing.
        if let Life::Offline(error) = &state.life
            && error.source == IoError::Stopped
        {
            return Err(error.clone());
        }
        let mut out = Vec::new();
        let log_start = state.progress.log_start;
        for closed in state.closed.values().filter(|closed| log_start < closed.end) {
            let Some(max) = closed.max_timestamp else { continue };
            let time_index = closed.pinned.borrow().as_ref().map(|(_, times)| times.clone());
            out.push(Candidate { base: closed.base, end: closed.end, max, time_index });
        }
        if let Some(max) = state.active.max_timestamp {
            let (base, end) = (state.active.base, state.progress.log_end);
            let time_index = Some(state.active.time_index.clone());
            out.push(Candidate { base, end, max, time_index });
        }
        Ok(out)
    }

    async fn load_time_index(&self, base: Offset) -> Result<Rc<TimeIndex>, DiskError> {
        let path = file_path(&self.dir, base, TIME_INDEX);
        let content = self.files.read_whole(&path).await?.unwrap_or_default();
        // A damaged index costs a longer walk, no wrong answer.
        Ok(Rc::new(TimeIndex::decode(&content).unwrap_or_default()))
    }

    /// Looks through batches from the one that holds `from`: in files what is there, in memory what
    /// is not yet. So neither a full disk nor who asks for the newest waits for a write.
    async fn search(
        &self,
        from: Offset,
        upper: Offset,
        sought: Sought,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        let upper = upper.min(self.state.borrow().progress.safe_end);
        let (mut next, mut looked_at) = (from, 0);
        while next < upper {
            let written = self.written_end().min(upper);
            if next < written {
                if let Some(hit) = self.search_file(next, written, sought).await? {
                    return Ok(Some(hit));
                }
                next = written;
                continue;
            }
            let Some(found) = self.tail.read(next, 1, FirstBatch::Always, upper) else {
                // Too much came at once for the memory.
                self.written_to(upper).await?;
                if let Some(error) = self.offline() {
                    return Err(error.into());
                }
                continue;
            };
            let Some(header) = found.slices.first().and_then(|head| Header::decode(head)) else {
                return Ok(None);
            };
            if sought.timestamp <= header.max_timestamp {
                let bytes = Bytes::from(found.slices.concat());
                if let Some(hit) = self.look_into(header, bytes, sought).await? {
                    return Ok(Some(hit));
                }
            }
            next = found.next;
            looked_at += 1;
            if looked_at % TURN_BATCHES == 0 {
                yield_now().await;
            }
        }
        Ok(None)
    }

    /// Walks one segment's file, which has everything below `written`.
    async fn search_file(
        &self,
        from: Offset,
        written: Offset,
        sought: Sought,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        let view = self.view(from).await?;
        let range = view.position..view.bytes;
        let mut scan =
            Scanner::new(&self.files, view.file, &view.path, range, view.base, Check::Shape);
        let mut next = view.base;
        while next < written {
            match scan.next().await? {
                Walked::End => break,
                Walked::Bad { position, why } => {
                    return Err(TimestampError::Corrupt { path: view.path.clone(), position, why });
                }
                Walked::Batch { header, bytes, .. } => {
                    next = header.next_offset();
                    if written < next {
                        break;
                    }
                    if let Some(hit) = self.look_into(header, bytes, sought).await? {
                        return Ok(Some(hit));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The first record of a batch that is sought; decodes only what can have it.
    async fn look_into(
        &self,
        header: Header,
        bytes: Bytes,
        sought: Sought,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        let log_start = self.state.borrow().progress.log_start;
        let reaches = sought.timestamp <= header.max_timestamp && log_start < header.next_offset();
        if !reaches || header.is_control() {
            return Ok(None);
        }
        let records = self
            .decode(header, bytes)
            .await
            .map_err(|source| TimestampError::Records { base: header.base_offset, source })?;
        let mut rows = records.rows.iter();
        let hit = rows.find(|row| log_start <= row.offset && sought.is(row.timestamp));
        Ok(hit.map(|row| TimestampHit {
            offset: row.offset,
            timestamp: row.timestamp,
            leader_epoch: header.leader_epoch,
        }))
    }

    /// Decodes a batch: compressed and large ones on a worker, so that the turn stays short.
    pub(super) async fn decode(
        &self,
        header: Header,
        bytes: Bytes,
    ) -> Result<Records, RecordError> {
        let max = self.state.borrow().config.decompressed_bytes_max;
        if header.codec() == Some(Codec::None) && bytes.len() <= INLINE_BYTES_MAX {
            return Records::decode(&bytes, max);
        }
        self.host.env.work(move || Records::decode(&bytes, max)).await
    }
}
