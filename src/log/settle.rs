//! Settling: what makes the next recovery short although the active segment is long.
//!
//! Owns: writing index entries and a producer snapshot of the segment that still grows.
//! Leaves to others: when (the shard, before it records recovery points), using it (`recovery`).
//! Invariant: a snapshot inside of a segment is written only after all index entries below it are
//! durable; the index files of a growing segment are a prefix of what memory holds.
//! Start reading at: [`Log::settle`].
use std::ops::Range;

use crate::base::Bytes;
use crate::env::OpenHow;
use crate::log::append::Ack;
use crate::log::disk::ROWS_AT_ONCE;
use crate::log::index::{OFFSET_ENTRY_BYTES, OffsetIndex, TIME_ENTRY_BYTES, TimeIndex};
use crate::log::names::{INDEX, TIME_INDEX, file_path};
use crate::log::producers::ProducersView;
use crate::log::segment::Active;
use crate::log::{DiskError, Life, Log};
use crate::model::Offset;

/// How much of a growing segment its index files describe, durably.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    base: Offset,
    index_entries: usize,
    time_entries: usize,
    bytes: u64,
}

impl Settled {
    /// Nothing: the segment has no index files, or none that count.
    pub fn nothing(base: Offset) -> Self {
        Self { base, ..Self::default() }
    }

    /// All that memory knows of the segment.
    pub fn all(active: &Active) -> Self {
        Self {
            base: active.base,
            index_entries: active.index.entries.len(),
            time_entries: active.time_index.entries.len(),
            bytes: active.bytes,
        }
    }
}

/// What one round writes, taken at one moment.
struct Round {
    from: Settled,
    to: Settled,
    end: Offset,
    producers: ProducersView,
}

/// Entries that an index file is to be extended by.
struct Grown {
    path: String,
    /// Of its segment.
    base: Offset,
    entries: Range<usize>,
    entry_bytes: usize,
}

/// While it lives the segment's files are not finished by anybody else.
struct Hold<'a>(&'a Log);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().settling = None;
        self.0.quiet.notify_all();
    }
}

impl Log {
    /// Makes recovery of the active segment start here, when it grew by `grown_bytes_min` since
    /// that was done last: flushes it, then writes its index entries and a producer snapshot.
    ///
    /// Errors: the disk's; the log is offline then, unless the disk is full.
    pub async fn settle(&self, grown_bytes_min: u64) -> Result<(), DiskError> {
        let Some(round) = self.settling_round(grown_bytes_min) else { return Ok(()) };
        self.start_sync_if_due(&mut self.state.borrow_mut());
        Ack::stable(self.rc(), round.end).await?;
        {
            let mut state = self.state.borrow_mut();
            // Meanwhile it may have been closed, which does the same.
            let is_active = state.active.base == round.to.base;
            // A snapshot says that all files below are complete; a full disk puts them off.
            let is_complete = state.active.base <= state.on_disk.finished_end;
            if !is_active
                || !is_complete
                || !matches!(state.life, Life::Open)
                || state.settling.is_some()
            {
                return Ok(());
            }
            state.settling = Some(round.to.base);
        }
        let hold = Hold(self);
        let to = round.to;
        let written = self.write_settled(&round).await;
        round.producers.discard(&self.host.env);
        match &written {
            Ok(true) => self.state.borrow_mut().settled = to,
            // Closed meanwhile: that writes all of it.
            Ok(false) => {}
            Err(error) if error.is_full() => {
                tracing::warn!(partition = %self.dir, %error, "recovery would read more: later");
            }
            Err(error) => self.fail(error.clone()),
        }
        drop(hold);
        written.map(drop)
    }

    fn settling_round(&self, grown_bytes_min: u64) -> Option<Round> {
        let mut state = self.state.borrow_mut();
        let (active, settled) = (&state.active, state.settled);
        let from = match settled.base == active.base {
            true => settled,
            false => Settled::nothing(active.base),
        };
        let grown = active.bytes - from.bytes;
        if !matches!(state.life, Life::Open) || grown < grown_bytes_min.max(1) {
            return None;
        }
        let end = state.progress.log_end;
        let round =
            Round { from, to: Settled::all(active), end, producers: state.producers.view() };
        state.want_stable = state.want_stable.max(end);
        Some(round)
    }

    /// False: the segment was closed meanwhile.
    async fn write_settled(&self, round: &Round) -> Result<bool, DiskError> {
        let (base, from, to) = (round.to.base, round.from, round.to);
        let index = Grown {
            path: file_path(&self.dir, base, INDEX),
            base,
            entries: from.index_entries..to.index_entries,
            entry_bytes: OFFSET_ENTRY_BYTES,
        };
        let put = |active: &Active, entries: Range<usize>, out: &mut Vec<u8>| {
            OffsetIndex::encode_into(&active.index.entries[entries], out);
        };
        let time_index = Grown {
            path: file_path(&self.dir, base, TIME_INDEX),
            base,
            entries: from.time_entries..to.time_entries,
            entry_bytes: TIME_ENTRY_BYTES,
        };
        let put_times = |active: &Active, entries: Range<usize>, out: &mut Vec<u8>| {
            TimeIndex::encode_into(&active.time_index.entries[entries], out);
        };
        if !self.extend_index(index, put).await?
            || !self.extend_index(time_index, put_times).await?
        {
            return Ok(false);
        }
        if from.bytes == 0 {
            self.files.sync_dir(&self.dir).await?;
        }
        self.write_snapshot(round.end, &round.producers).await?;
        self.files.sync_dir(&self.dir).await?;
        Ok(true)
    }

    /// Writes new entries of an index of the active segment, bit by bit; false: that was closed.
    async fn extend_index(
        &self,
        grown: Grown,
        put: impl Fn(&Active, Range<usize>, &mut Vec<u8>),
    ) -> Result<bool, DiskError> {
        let Grown { path, base, entries, entry_bytes } = grown;
        let how = if entries.start == 0 { OpenHow::Create } else { OpenHow::ReadWrite };
        let file = self.files.open(&path, how).await?;
        for first in entries.clone().step_by(ROWS_AT_ONCE) {
            let mut content = Vec::new();
            {
                let active = &self.state.borrow().active;
                if active.base != base {
                    return Ok(false);
                }
                put(active, first..entries.end.min(first + ROWS_AT_ONCE), &mut content);
            }
            let at = (first * entry_bytes) as u64;
            self.files.write(&file, &path, at, vec![Bytes::from(content)]).await?;
        }
        if entries.start == 0 {
            self.files.truncate(&file, &path, (entries.end * entry_bytes) as u64).await?;
        }
        self.files.sync(&file, &path).await?;
        Ok(true)
    }

    /// Waits until nobody writes index files of the segment at `base` while it grows.
    pub(super) async fn unhindered(&self, base: Offset) {
        while self.state.borrow().settling == Some(base) {
            self.quiet.changed().await;
        }
    }
}
