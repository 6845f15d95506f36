//! The ends of a replica and its high watermark, as plain numbers.
//!
//! Owns: what is safe, stable and readable. Leaves to others: making it so (`writer`, `journal`).
//! Invariant: `log_start <= high_watermark <= safe_end <= log_end`, `stable_end <= safe_end`, and
//! none of them ever goes down while the log is open.
//! Start reading at: [`Progress::appended`], then [`Progress::settle`].
use std::collections::VecDeque;

use crate::model::Offset;

/// What must be true of a record before anybody may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The process may die: the page cache or the journal has it.
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
    /// The partition's own files have everything below, in the page cache at least.
    pub written_end: Offset,
    /// The partition's own files have everything below, durably.
    pub synced_end: Offset,
    /// What is in the journal is so without a gap from here ...
    journal_from: Offset,
    /// ... to here.
    journaled_end: Offset,
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
            written_end: end,
            synced_end: end,
            journal_from: end,
            journaled_end: end,
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

    /// Notes that batches from the log's end on go to the journal.
    pub fn enters_journal(&mut self) {
        self.journal_from = self.log_end;
        self.journaled_end = self.log_end;
    }

    /// Where what goes to the journal began, when it last did.
    pub fn journal_from(&self) -> Offset {
        self.journal_from
    }

    /// Notes that the partition's files have everything below `end`.
    pub fn written(&mut self, end: Offset) {
        assert!(self.written_end <= end && end <= self.log_end);
        self.written_end = end;
        self.settle();
    }

    /// Notes that the partition's files have everything below `end` durably.
    pub fn synced(&mut self, end: Offset) {
        assert!(end <= self.written_end);
        self.synced_end = self.synced_end.max(end);
        self.settle();
    }

    /// Notes that the journal has everything below `end` from where the log entered it.
    ///
    /// A write that began before the log left the journal and entered it again changes nothing.
    pub fn journaled(&mut self, end: Offset) {
        assert!(end <= self.log_end);
        if self.journal_from < end {
            self.journaled_end = self.journaled_end.max(end);
            self.settle();
        }
    }

    /// Durability is a prefix property: what the journal has counts once the files have all that
    /// is before it.
    fn settle(&mut self) {
        let reach = |files: Offset| {
            if self.journal_from <= files { files.max(self.journaled_end) } else { files }
        };
        self.safe_end = self.safe_end.max(reach(self.written_end));
        self.stable_end = self.stable_end.max(reach(self.synced_end));
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
        assert!(self.stable_end <= self.safe_end && self.high_watermark <= self.safe_end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_counts_once_the_files_have_what_is_before_it() {
        let mut progress = Progress::new(Offset(0), Offset(0));
        progress.appended(Offset(10), Need::Safe);
        progress.written(Offset(10));
        progress.enters_journal();
        progress.appended(Offset(20), Need::Stable);
        progress.journaled(Offset(20));
        // Ten records lie in the page cache alone.
        assert_eq!((progress.safe_end, progress.stable_end), (Offset(20), Offset(0)));
        assert_eq!(progress.high_watermark, Offset(10));
        progress.synced(Offset(10));
        assert_eq!((progress.safe_end, progress.stable_end), (Offset(20), Offset(20)));
        assert_eq!(progress.high_watermark, Offset(20));
    }

    #[test]
    fn what_was_journaled_before_a_pause_does_not_vouch_for_what_came_in_it() {
        let mut progress = Progress::new(Offset(0), Offset(0));
        progress.enters_journal();
        progress.appended(Offset(10), Need::Stable);
        progress.journaled(Offset(10));
        progress.appended(Offset(20), Need::Safe);
        progress.enters_journal();
        progress.appended(Offset(30), Need::Stable);
        progress.journaled(Offset(30));
        assert_eq!((progress.safe_end, progress.stable_end), (Offset(10), Offset(10)));
        progress.written(Offset(20));
        assert_eq!((progress.safe_end, progress.stable_end), (Offset(30), Offset(10)));
        progress.synced(Offset(20));
        assert_eq!((progress.stable_end, progress.high_watermark), (Offset(30), Offset(30)));
    }
}
