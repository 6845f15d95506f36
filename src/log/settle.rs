//! Settling: what makes the next recovery short although the active segment is long.
//!
//! Owns: writing index entries and a producer snapshot of the segment that still grows.
//! Leaves to others: when (the shard, before it records recovery points), using it (`recovery`).
//! Invariant: a snapshot inside of a segment is written only after all index entries below it are
//! durable; the index files of a growing segment are a prefix of what memory holds.
//! Start reading at: [`Log::settle`].
use crate::base::Bytes;
use crate::env::OpenHow;
use crate::log::append::Ack;
use crate::log::index::{OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES};
use crate::log::names::{INDEX, TIME_INDEX, file_path};
use crate::log::segment::Active;
use crate::log::{DiskError, Life, Log, snapshot};
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
    index: Vec<u8>,
    time_index: Vec<u8>,
    snapshot: Vec<u8>,
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
        let written = self.write_settled(round).await;
        match &written {
            Ok(()) => self.state.borrow_mut().settled = to,
            Err(error) if error.is_full() => {
                tracing::warn!(partition = %self.dir, %error, "recovery would read more: later");
            }
            Err(error) => self.fail(error.clone()),
        }
        drop(hold);
        written
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
        let round = Round {
            from,
            to: Settled::all(active),
            end,
            index: active.index.encode().split_off(from.index_entries * OFFSET_ENTRY_BYTES),
            time_index: active.time_index.encode().split_off(from.time_entries * TIME_ENTRY_BYTES),
            snapshot: snapshot::encode(&state.producers),
        };
        state.want_stable = state.want_stable.max(end);
        Some(round)
    }

    async fn write_settled(&self, round: Round) -> Result<(), DiskError> {
        let (base, from) = (round.to.base, round.from);
        let at = (from.index_entries * OFFSET_ENTRY_BYTES) as u64;
        self.extend_index(&file_path(&self.dir, base, INDEX), at, round.index).await?;
        let at = (from.time_entries * TIME_ENTRY_BYTES) as u64;
        self.extend_index(&file_path(&self.dir, base, TIME_INDEX), at, round.time_index).await?;
        if from.bytes == 0 {
            self.files.sync_dir(&self.dir).await?;
        }
        self.write_snapshot(round.end, round.snapshot).await?;
        self.files.sync_dir(&self.dir).await
    }

    async fn extend_index(&self, path: &str, at: u64, entries: Vec<u8>) -> Result<(), DiskError> {
        if at == 0 {
            return self.files.write_whole(path, entries).await.map(drop);
        }
        let file = self.files.open(path, OpenHow::ReadWrite).await?;
        self.files.write(&file, path, at, vec![Bytes::from(entries)]).await?;
        self.files.sync(&file, path).await
    }

    /// Waits until nobody writes index files of the segment at `base` while it grows.
    pub(super) async fn unhindered(&self, base: Offset) {
        while self.state.borrow().settling == Some(base) {
            self.quiet.changed().await;
        }
    }
}
