//! What clients were told and what they saw; and what must therefore be so.
//!
//! Owns: every promise of the broker, and the sentences that say which one is broken.
//! Leaves to others: asking the broker (`clients`, `audit`).
//! Invariant: a record's text is unique; its first letter says who wrote it, see [`Writer`].
//! Start reading at: [`Model::check_log`].
use std::collections::{BTreeMap, BTreeSet};

use logmill::sim::Death;

/// Partitions of the topic that is written.
pub const PARTITIONS: i32 = 4;
pub const TOPIC: &str = "events";

/// Who wrote a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// acks=all, idempotent, repeats until it is answered.
    Idempotent,
    /// acks=all, says everything once.
    Plain,
    /// acks=1, once.
    Leader,
    /// acks=0.
    Unanswered,
}

impl Writer {
    pub fn letter(self) -> char {
        match self {
            Self::Idempotent => 'i',
            Self::Plain => 'p',
            Self::Leader => 'w',
            Self::Unanswered => 'z',
        }
    }

    pub fn of(text: &str) -> Self {
        match text.as_bytes().first() {
            Some(b'i') => Self::Idempotent,
            Some(b'p') => Self::Plain,
            Some(b'w') => Self::Leader,
            _ => Self::Unanswered,
        }
    }

    pub fn is_acks_all(self) -> bool {
        matches!(self, Self::Idempotent | Self::Plain)
    }
}

/// One record as a consumer got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub offset: i64,
    pub epoch: i32,
    pub text: String,
}

/// Offsets of one group in one partition.
#[derive(Clone, Debug, Default)]
pub struct Commits {
    /// The newest that was answered, or read.
    held: Option<i64>,
    /// Sent and not answered, with the time; or answered with an error, which leaves it open.
    open: BTreeMap<i64, u64>,
}

/// After so much simulated time a commit whose connection broke is written, or never will be.
const COMMIT_LATE_NS: u64 = 5_000_000;

impl Commits {
    pub fn sends(&mut self, offset: i64, now_ns: u64) {
        self.open.insert(offset, now_ns);
    }

    /// An answer without an error to what was sent at `sent_ns`: nothing older comes after it.
    pub fn answered(&mut self, offset: i64, sent_ns: u64) {
        self.open.remove(&offset);
        self.open.retain(|_, sent| sent_ns < *sent + COMMIT_LATE_NS);
        self.held = Some(offset);
    }

    /// Somebody reads it: from now on it is there as if it were answered.
    fn reads(&mut self, found: i64) -> Result<(), String> {
        if self.held.unwrap_or(-1) != found && !self.open.contains_key(&found) {
            return Err(format!("{found}, expected {self:?}"));
        }
        self.open.remove(&found);
        self.held = Some(found).filter(|found| 0 <= *found);
        Ok(())
    }
}

type Place = (i32, i64);

#[derive(Clone, Default)]
pub struct Model {
    /// Must be there for ever: answered with acks=all, or found after a recovery.
    stable: BTreeMap<Place, String>,
    /// Must survive the process: answered with acks=1.
    safe: BTreeMap<Place, String>,
    /// What consumers saw.
    seen: BTreeMap<Place, (i32, String)>,
    /// Partition, epoch, offset: names one record for ever, also across truncations (KIP-320).
    named: BTreeMap<(i32, i32, i64), String>,
    sent: BTreeSet<String>,
    pub commits: BTreeMap<(usize, i32), Commits>,
    /// Leader epoch of each partition in the last life.
    pub epochs: [i32; PARTITIONS as usize],
    /// Promises that were broken.
    pub broken: Vec<String>,
    /// Requests answered, and those that have no answer sent.
    pub ops: u64,
    /// The node is being stopped: its last answers may be refusals.
    pub stopping: bool,
    /// Producers send nothing new, so that everything sent must come to an answer.
    pub resting: bool,
    pub lost_to_cuts: u64,
}

impl Model {
    pub fn fail(&mut self, sentence: String) {
        // The first few say it; a log that is gone would fill pages.
        if self.broken.len() < 20 {
            self.broken.push(sentence);
        }
    }

    pub fn sends(&mut self, text: &str) {
        self.sent.insert(text.to_owned());
    }

    /// An answer without an error to a record at `offset`.
    pub fn answered(&mut self, partition: i32, offset: i64, text: &str) {
        let map = match Writer::of(text).is_acks_all() {
            true => &mut self.stable,
            false => &mut self.safe,
        };
        let before = map.insert((partition, offset), text.to_owned());
        if let Some(before) = before.filter(|before| before != text) {
            self.fail(format!("{partition}@{offset} is given to {before} and to {text}"));
        }
    }

    /// A consumer got a record.
    pub fn sees(&mut self, partition: i32, found: &Found) {
        let Found { offset, epoch, text } = found;
        if !self.sent.contains(text) {
            self.fail(format!("{partition}@{offset} holds {text:?}, which nobody sent"));
        }
        let seen = self.seen.insert((partition, *offset), (*epoch, text.clone()));
        if let Some((_, before)) = seen.filter(|(_, before)| before != text) {
            self.fail(format!("{partition}@{offset} was {before} and is {text} now"));
        }
        let named = self.named.insert((partition, *epoch, *offset), text.clone());
        if let Some(before) = named.filter(|before| before != text) {
            let what = format!("{partition}@{offset} of epoch {epoch}");
            self.fail(format!("{what} was {before} and is {text} now: the same name for both"));
        }
    }

    /// Where the log of `partition` ended at the last start.
    pub fn end_of(&self, partition: i32) -> i64 {
        let of_it = self.stable.range((partition, 0)..(partition + 1, 0));
        of_it.map(|((_, offset), _)| offset + 1).max().unwrap_or(0)
    }

    /// Newest epoch of a record that was seen in `partition`.
    pub fn epoch_seen(&self, partition: i32) -> Option<i32> {
        let of_it = self.seen.range((partition, 0)..(partition + 1, 0));
        of_it.map(|(_, (epoch, _))| *epoch).max()
    }

    /// What was seen of that epoch from `end` on must be gone; below it, it must be there.
    pub fn check_epoch_end(&mut self, partition: i32, epoch: i32, end: i64, log: &[Found]) {
        let end_of_log = log.len() as i64;
        if end < 0 || end_of_log < end {
            self.fail(format!("{partition}: epoch {epoch} ends at {end}, the log at {end_of_log}"));
            return;
        }
        let of_it = self.seen.range((partition, 0)..(partition + 1, 0));
        let lies =
            of_it.filter(|(_, (seen, _))| *seen == epoch).find(|((_, offset), (_, text))| {
                let is_there = log.get(*offset as usize).is_some_and(|found| found.text == *text);
                is_there != (*offset < end)
            });
        if let Some(((_, offset), (_, text))) = lies {
            let sentence = format!(
                "{partition}@{offset} {text} was seen in epoch {epoch}, which ends at {end}, but \
                 it is there or gone against that"
            );
            self.fail(sentence);
        }
    }

    /// Everything about one partition's whole log after a start. `death`: what came before it,
    /// `None` for a stop in order.
    pub fn check_log(&mut self, partition: i32, log: &[Found], death: Option<Death>) {
        self.check_form(partition, log);
        let end = log.len() as i64;
        let of_it = (partition, 0)..(partition + 1, 0);
        let at = |offset: i64| log.get(offset as usize).map(|found| &found.text);
        let mut broken = Vec::new();
        for ((_, offset), text) in self.stable.range(of_it.clone()) {
            if at(*offset) != Some(text) {
                broken.push(format!("acks=all: {text} at {partition}@{offset} is lost"));
            }
        }
        let power = death == Some(Death::PowerCut);
        for ((_, offset), text) in self.safe.range(of_it.clone()) {
            match at(*offset) {
                Some(found) if found == text => {}
                None if power => self.lost_to_cuts += 1,
                other => broken.push(format!(
                    "acks=1: {text} at {partition}@{offset} is {other:?} after {death:?}"
                )),
            }
        }
        for ((_, offset), (_, text)) in self.seen.range(of_it) {
            match at(*offset) {
                Some(found) if found == text => {}
                None if power && !Writer::of(text).is_acks_all() => {}
                other => broken.push(format!(
                    "{text} was read at {partition}@{offset} and is {other:?} after {death:?}"
                )),
            }
        }
        broken.into_iter().for_each(|sentence| self.fail(sentence));
        self.safe.retain(|(of, offset), _| *of != partition || *offset < end);
        self.seen.retain(|(of, offset), _| *of != partition || *offset < end);
        // Recovery has made all of this readable, so none of it may go any more.
        for found in log {
            self.stable.insert((partition, found.offset), found.text.clone());
        }
    }

    /// Damage may have taken everything from `from` on, nobody can tell; the log ends at `end`.
    /// How many acknowledged records went.
    pub fn spare(&mut self, partition: i32, from: i64, end: i64) -> u64 {
        let gone = self.stable.range((partition, end.max(from))..(partition + 1, 0)).count();
        let stays = |of: i32, offset: i64| of != partition || offset < from;
        self.stable.retain(|(of, offset), _| stays(*of, *offset));
        self.safe.retain(|(of, offset), _| stays(*of, *offset));
        self.seen.retain(|(of, offset), _| stays(*of, *offset));
        gone as u64
    }

    /// No gaps, nothing twice, acks=0 in the order in which it was sent, epochs ascend.
    fn check_form(&mut self, partition: i32, log: &[Found]) {
        let mut texts = BTreeSet::new();
        let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut epoch, mut broken) = (-1, Vec::new());
        for (at, found) in log.iter().enumerate() {
            let Found { offset, text, .. } = found;
            if *offset != at as i64 {
                broken.push(format!("{partition}: record {at} has offset {offset}"));
            }
            if !texts.insert(text) {
                broken.push(format!("{partition}@{offset}: {text} is there twice"));
            }
            if !self.sent.contains(text) {
                broken.push(format!("{partition}@{offset}: {text:?} was never sent"));
            }
            if found.epoch < epoch {
                broken.push(format!("{partition}@{offset}: epoch {} after {epoch}", found.epoch));
            }
            epoch = found.epoch;
            // Connection and number: between two connections there is no order.
            let (sender, number) = text.rsplit_once('-').unwrap_or((text, "0"));
            let number = number.parse().unwrap_or(0);
            let before = newest.insert(sender, number);
            if before.is_some_and(|before| number <= before) {
                broken.push(format!("{partition}@{offset}: {text} comes after {before:?}"));
            }
        }
        broken.into_iter().for_each(|sentence| self.fail(sentence));
    }

    /// What a client reads as a group's committed offset.
    pub fn reads_commit(&mut self, group: usize, partition: i32, found: i64) {
        let commits = self.commits.entry((group, partition)).or_default();
        if let Err(what) = commits.reads(found) {
            self.fail(format!("group {group} has in {partition} {what}"));
        }
    }

    /// As [`Model::reads_commit`], after a start: what was open and is not there never will be.
    pub fn check_commit(&mut self, group: usize, partition: i32, found: i64) {
        self.reads_commit(group, partition, found);
        self.commits.entry((group, partition)).or_default().open.clear();
    }
}
