//! Retention: which of a log's oldest segments go, and when.
//!
//! Owns: the rules of log start, size and time; rolling the active segment when it goes too.
//! Leaves to others: removing (`removal`), when to look (the shard).
//! Invariant: what goes is a prefix of whole segments below the high watermark; the last segment
//! stays while it is empty.
//! Start reading at: [`plan`], then [`Log::retain`].
//! Source: Kafka `UnifiedLog#deleteOldSegments`, `#deletableSegments`.
use crate::log::names::{LOG, file_path};
use crate::log::{DiskError, Life, Log, State};
use crate::model::Offset;
use crate::observe::RemovalReason;

/// What [`Log::retain`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many segments, and why.
    pub segments: Vec<(RemovalReason, u64)>,
    pub bytes: u64,
    /// Where the log begins then.
    pub log_start: Offset,
}

/// A segment as retention sees it.
#[derive(Clone, Copy, Debug)]
struct Row {
    base: Offset,
    end: Offset,
    bytes: u64,
    /// Largest timestamp of its records, else its file's last change; `None`: not known yet.
    largest_ms: Option<i64>,
    is_last: bool,
}

/// What decides, at one moment.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// `cleanup.policy` has `delete`; else only the log start counts.
    deletes: bool,
    retention_ms: i64,
    retention_bytes: i64,
    log_start: Offset,
    high_watermark: Offset,
    now_ms: i64,
}

/// What goes, from the oldest segment on.
#[derive(Clone, Debug, Default)]
struct Plan {
    removed: Removed,
    /// Where the last one that goes ends; `None`: all stay.
    end: Option<Offset>,
    takes_last: bool,
    /// The last change of this segment's file decides.
    asks_for: Option<Offset>,
}

/// Last change of the active segment's file: its base and size at the time, and when.
type ActiveChange = (Offset, u64, i64);

/// The oldest segments that break a limit; `bytes` is the size of all.
fn plan(rows: impl Iterator<Item = Row>, bytes: u64, limits: &Limits) -> Plan {
    let mut plan = Plan::default();
    let mut rows = rows.peekable();
    // Never past the high watermark, and an empty last segment stays.
    let may_go = |row: &Row| row.end <= limits.high_watermark && !(row.is_last && row.bytes == 0);
    let is_below = |row: &Row| !row.is_last && row.end <= limits.log_start;
    while let Some(row) = rows.next_if(|row| may_go(row) && is_below(row)) {
        plan.take(&row, RemovalReason::LogStart);
    }
    if !limits.deletes {
        return plan;
    }
    if let Ok(bytes_max) = u64::try_from(limits.retention_bytes) {
        let mut surplus = (bytes - plan.removed.bytes).checked_sub(bytes_max);
        while let Some(left) = surplus
            && let Some(row) = rows.next_if(|row| may_go(row) && row.bytes <= left)
        {
            surplus = Some(left - row.bytes);
            plan.take(&row, RemovalReason::Size);
        }
    }
    if limits.retention_ms < 0 {
        return plan;
    }
    while let Some(row) = rows.next_if(may_go) {
        let Some(largest_ms) = row.largest_ms else {
            plan.asks_for = Some(row.base);
            break;
        };
        // A timestamp of the future keeps its segment, and those behind it.
        if limits.now_ms.saturating_sub(largest_ms) <= limits.retention_ms {
            break;
        }
        plan.take(&row, RemovalReason::Time);
    }
    plan
}

impl Plan {
    fn take(&mut self, row: &Row, reason: RemovalReason) {
        match self.removed.segments.last_mut().filter(|(last, _)| *last == reason) {
            Some((_, count)) => *count += 1,
            None => self.removed.segments.push((reason, 1)),
        }
        self.removed.bytes += row.bytes;
        self.end = Some(row.end);
        self.takes_last = row.is_last;
    }
}

impl State {
    /// What goes of that which ends at or below `upper`.
    fn plan_removal(&self, now_ms: i64, change: Option<ActiveChange>, upper: Offset) -> Plan {
        let (active, log_end) = (&self.active, self.progress.log_end);
        let change = change.filter(|(base, ..)| *base == active.base);
        // Who has grown since was changed just now.
        let changed_ms =
            change.map(|(_, bytes, ms)| if bytes == active.bytes { ms } else { now_ms });
        let last = Row {
            base: active.base,
            end: log_end,
            bytes: active.bytes,
            largest_ms: active.max_timestamp.map(|max| max.timestamp).or(changed_ms),
            is_last: true,
        };
        let rows = self.closed.values().map(|closed| Row {
            base: closed.base,
            end: closed.end,
            bytes: closed.bytes,
            largest_ms: closed.max_timestamp.map(|max| max.timestamp).or(closed.changed_ms.get()),
            is_last: false,
        });
        let limits = Limits {
            deletes: self.config.deletes,
            retention_ms: self.config.retention_ms,
            retention_bytes: self.config.retention_bytes,
            log_start: self.progress.log_start,
            high_watermark: self.progress.high_watermark.min(upper),
            now_ms,
        };
        let bytes = active.bytes + self.closed.bytes();
        plan(rows.chain([last]), bytes, &limits)
    }
}

impl Log {
    /// Whether [`Log::retain`] may have something to do; looks at nothing but memory.
    pub fn has_expired(&self, now_ms: i64) -> bool {
        let state = self.state.borrow();
        let plan = state.plan_removal(now_ms, None, Offset(i64::MAX));
        matches!(state.life, Life::Open) && (plan.end.is_some() || plan.asks_for.is_some())
    }

    /// Removes the oldest segments that the log's settings do not keep any longer.
    ///
    /// Does nothing while a compaction runs: the next look will. On a full disk those go at least
    /// that nobody waits for. `now_ms` is the wall clock.
    /// Errors: the log is offline then, unless the disk is full.
    pub async fn retain(&self, now_ms: i64) -> Result<Removed, DiskError> {
        let Some(hold) = self.hold_segments() else { return Ok(Removed::default()) };
        let mut change = None;
        let mut plan = loop {
            let plan = self.plan_and_roll(now_ms, change);
            let Some(base) = plan.asks_for else { break plan };
            let changed_ms = self.changed_ms(base).await?.unwrap_or(now_ms);
            let state = self.state.borrow();
            match state.closed.get(&base) {
                Some(closed) => closed.changed_ms.set(Some(changed_ms)),
                None => change = Some((base, state.active.bytes, changed_ms)),
            }
        };
        if let Some(end) = plan.end {
            let below = self.releasable(end).await?;
            if below < end {
                plan = self.state.borrow().plan_removal(now_ms, change, below);
            }
        }
        if let Some(end) = plan.end {
            self.remove_segments(&hold, end).await?;
        }
        plan.removed.log_start = self.ends().log_start;
        Ok(plan.removed)
    }

    /// Closes the active segment at once when it goes, too: what is appended later must not.
    fn plan_and_roll(&self, now_ms: i64, change: Option<ActiveChange>) -> Plan {
        let mut state = self.state.borrow_mut();
        let plan = state.plan_removal(now_ms, change, Offset(i64::MAX));
        if plan.asks_for.is_none() && plan.takes_last {
            self.queue_roll(&mut state, self.host.env.wall_ms());
            drop(state);
            self.write_behind();
        }
        plan
    }

    /// When the file of a segment changed last; `None`: it is not there yet.
    async fn changed_ms(&self, base: Offset) -> Result<Option<i64>, DiskError> {
        self.files.changed_ms(&file_path(&self.dir, base, LOG)).await
    }
}
