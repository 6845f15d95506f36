//! ListOffsets by time: the first record at or after a timestamp, and the one with the largest.
//!
//! Owns: the search. Leaves to others: sentinels like -1 and -2 (`api`).
//! Invariant: only what is below the caller's bound is found.
//! Start reading at: [`Log::offset_for_timestamp`].
//! Source: Kafka `UnifiedLog#fetchOffsetByTimestamp`, `LogSegment#findOffsetByTimestamp`.
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::IoError;
use crate::log::index::TimeIndex;
use crate::log::names::{TIME_INDEX, file_path};
use crate::log::scan::{Check, Scanner, Walked};
use crate::log::segment::MaxTimestamp;
use crate::log::{DiskError, Life, Log};
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
            TimestampError::Disk(_) => Self::KafkaStorageError,
            TimestampError::Corrupt { .. } | TimestampError::Records { .. } => Self::CorruptMessage,
        }
    }
}

/// Uncompressed batches up to this size are decoded on the shard.
pub(super) const INLINE_BYTES_MAX: usize = 64 << 10;

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
        let wanted = |row: &crate::record::Row| timestamp <= row.timestamp;
        self.search(from, upper.min(candidate.end), timestamp, wanted).await
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
            let wanted = |row: &crate::record::Row| row.timestamp == max.timestamp;
            let stop = upper.min(best.end);
            match self.search(max.offset, stop, max.timestamp, wanted).await {
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

    /// Walks batches from the one that holds `from`; decodes those that reach `timestamp`.
    async fn search(
        &self,
        from: Offset,
        upper: Offset,
        timestamp: i64,
        wanted: impl Fn(&crate::record::Row) -> bool,
    ) -> Result<Option<TimestampHit>, TimestampError> {
        let (upper, log_start) = {
            let state = self.state.borrow();
            (upper.min(state.progress.safe_end), state.progress.log_start)
        };
        if upper <= from {
            return Ok(None);
        }
        match self.offline() {
            Some(error) if self.written_end() < upper => return Err(error.into()),
            Some(_) => {}
            None => self.written_to(upper).await?,
        }
        let view = self.view(from).await?;
        let range = view.position..view.bytes;
        let mut scan =
            Scanner::new(&self.files, view.file, &view.path, range, view.base, Check::Shape);
        let mut next = view.base;
        while next < upper {
            match scan.next().await? {
                Walked::End => break,
                Walked::Bad { position, why } => {
                    return Err(TimestampError::Corrupt { path: view.path.clone(), position, why });
                }
                Walked::Batch { header, bytes, .. } => {
                    next = header.next_offset();
                    let reaches = timestamp <= header.max_timestamp && log_start < next;
                    if !reaches || header.is_control() || upper < next {
                        continue;
                    }
                    let records = self.decode(header, bytes).await.map_err(|source| {
                        TimestampError::Records { base: header.base_offset, source }
                    })?;
                    let hit =
                        records.rows.iter().find(|row| log_start <= row.offset && wanted(row));
                    if let Some(row) = hit {
                        return Ok(Some(TimestampHit {
                            offset: row.offset,
                            timestamp: row.timestamp,
                            leader_epoch: header.leader_epoch,
                        }));
                    }
                }
            }
        }
        Ok(None)
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
