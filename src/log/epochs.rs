//! Which leader epoch wrote from which offset on (KIP-101).
//!
//! Owns: the list, its file format, the answer to OffsetForLeaderEpoch.
//! Invariant: epochs and start offsets ascend.
//! Source: Kafka `LeaderEpochFileCache`, `LeaderEpochCheckpointFile`.
use crate::model::{LeaderEpoch, Offset};

/// An epoch and the first offset that it wrote, or would write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<EpochStart>,
}

impl EpochCache {
    /// Notes that `epoch` writes from `start` on; says whether the list changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch.0 < 0 || self.latest().is_some_and(|latest| epoch <= latest.epoch) {
            return false;
        }
        self.entries.retain(|entry| entry.start < start);
        self.entries.push(EpochStart { epoch, start });
        true
    }

    pub fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// Forgets what began at or behind `end`: that part of the log is gone.
    pub fn truncate_from(&mut self, end: Offset) {
        self.entries.retain(|entry| entry.start < end);
    }

    /// Forgets what ended at or below `start`: that part of the log is gone. The epoch that wrote
    /// `start`, or would write it, begins there now. Says whether the list changed.
    pub fn truncate_below(&mut self, start: Offset) -> bool {
        let behind = self.entries.partition_point(|entry| entry.start <= start);
        let Some(covers) = behind.checked_sub(1) else { return false };
        if covers == 0 && self.entries[0].start == start {
            return false;
        }
        self.entries.drain(..covers);
        self.entries[0].start = start;
        true
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let behind = self.entries.partition_point(|entry| entry.start <= offset);
        behind.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    /// Largest epoch at or below `epoch` and where it ended; `None`: we do not know that epoch.
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if epoch == latest.epoch {
            return Some((epoch, log_end));
        }
        if latest.epoch < epoch || epoch.0 < 0 {
            return None;
        }
        let behind = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries[behind].start;
        // Below the first known epoch the answer carries the question's own number.
        let floor = behind.checked_sub(1).map_or(epoch, |at| self.entries[at].epoch);
        Some((floor, end))
    }

    pub fn encode(&self) -> String {
        let mut out = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            out.push_str(&format!("{} {}\n", entry.epoch, entry.start));
        }
        out
    }

    pub fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()?.trim() != "0" {
            return None;
        }
        let count: usize = lines.next()?.trim().parse().ok()?;
        let mut entries: Vec<EpochStart> = Vec::new();
        for line in lines.filter(|line| !line.trim().is_empty()) {
            let (epoch, start) = line.trim().split_once(' ')?;
            let entry = EpochStart {
                epoch: LeaderEpoch(epoch.parse().ok()?),
                start: Offset(start.parse().ok()?),
            };
            let last = entries.last();
            if last.is_some_and(|last| entry.epoch <= last.epoch || entry.start < last.start) {
                return None;
            }
            entries.push(entry);
        }
        (entries.len() == count).then_some(Self { entries })
    }
}
