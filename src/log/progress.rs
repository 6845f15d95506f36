//! The three ends of a replica and its high watermark, as plain numbers.
//!
//! Owns: what is safe, stable and readable. Leaves to others: making it so (`writer`, `sync`).
//! Invariant: `log_start <= high_watermark <= safe_end <= log_end`, `stable_end <= safe_end`, and
//! none of them ever goes down while the log is open.
//! Start reading at: [`Progress::appended`], then [`Progress::rise`].
use std::collections::VecDeque;

use crate::model::Offset;

/// What must be true of a record before anybody may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The process may die: the page cache has it.
    Safe,
    /// The power may fail: the device has it.
    Stable,
}

/// The ends of a log; each is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub log_start: Offset,
    /// Behind the last record that has an offset.
    pub log_end: Offset,
    /// Below it, records survive the process.
    pub safe_end: Offset,
    /// Below it, records survive a power cut.
    pub stable_end: Offset,
    /// Below it, records may be read.
    pub high_watermark: Offset,
    /// Below it, no transaction is open.
    pub last_stable_offset: Offset,
}

#[derive(Debug)]
pub struct Progress {
    pub log_start: Offset,
    pub log_end: Offset,
    pub safe_end: Offset,
    pub stable_end: Offset,
    pub high_watermark: Offset,
    /// Appended and not yet readable: where each run ends and what it needs.
    pending: VecDeque<(Offset, Need)>,
}

impl Progress {
    /// A log whose whole content is stable.
    pub fn new(log_start: Offset, end: Offset) -> Self {
        assert!(log_start <= end);
        Self {
            log_start,
            log_end: end,
            safe_end: end,
            stable_end: end,
            high_watermark: end,
            pending: VecDeque::new(),
        }
    }

    /// Everything below `start` is gone for readers from now on; says whether it was not before.
    pub fn raise_start(&mut self, start: Offset) -> bool {
        assert!(start <= self.high_watermark, "start {start}, readable {}", self.high_watermark);
        let rises = self.log_start < start;
        self.log_start = self.log_start.max(start);
        rises
    }

    pub fn appended(&mut self, end: Offset, need: Need) {
        assert!(self.log_end < end);
        self.log_end = end;
        match self.pending.back_mut() {
            Some((last, same)) if *same == need => *last = end,
            _ => self.pending.push_back((end, need)),
        }
    }

    /// Notes that the page cache has everything below `end`; says whether more can be read.
    pub fn safe(&mut self, end: Offset) -> bool {
        assert!(self.safe_end <= end && end <= self.log_end);
        self.safe_end = end;
        self.rise()
    }

    /// Notes that the device has everything below `end`; says whether more can be read.
    pub fn stable(&mut self, end: Offset) -> bool {
        assert!(self.stable_end <= end && end <= self.safe_end);
        self.stable_end = end;
        self.rise()
    }

    /// The high watermark is the longest prefix in which every record has what it needs.
    fn rise(&mut self) -> bool {
        let before = self.high_watermark;
        while let Some((end, need)) = self.pending.front().copied() {
            let reached = match need {
                Need::Safe => self.safe_end,
                Need::Stable => self.stable_end,
            };
            self.high_watermark = self.high_watermark.max(end.min(reached));
            if reached < end {
                break;
            }
            self.pending.pop_front();
        }
        assert!(self.high_watermark <= self.safe_end);
        before < self.high_watermark
    }
}
