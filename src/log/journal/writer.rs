//! Writing blocks: what came while the last one was under way goes in the next.
//!
//! Owns: the one write in flight, doing it again where a full disk did not take it.
//! Leaves to others: space in the journal (`checkpoint`), answers (`Log`).
//! Invariant: one block is in flight at a time; logs hear of their entries in the order given.
//! Start reading at: [`Writer::run`].
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::aligned::AlignedBuf;
use crate::env::File;
use crate::log::journal::format::{
    BLOCK_HEAD_BYTES, BlockHead, ENTRY_HEAD_BYTES, Slot, UNIT_BYTES,
};
use crate::log::journal::{Entry, Journal, Live, Phase};
use crate::log::{DiskError, add};

/// Bytes of one block at most; more waits for the next.
const BLOCK_BYTES_MAX: usize = 1 << 20;
/// And this share of the journal.
const BLOCK_SHARE: usize = 4;
/// Bytes of a fresh buffer for blocks, at least; it is kept for the next.
const BUF_BYTES: usize = 64 << 10;

/// Entries that go in one block.
struct Turn {
    entries: Vec<Entry>,
    bytes: usize,
}

/// The one that writes; what still waits goes with it, and with that the hold on its logs.
pub(super) struct Writer(pub Rc<Journal>);

impl Drop for Writer {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut self.0.state.borrow_mut().pending);
        drop(waiting);
    }
}

impl Writer {
    /// Writes until nothing waits.
    pub async fn run(self) {
        let journal = &self.0;
        while let Some(turn) = journal.next_turn() {
            if let Err(error) = journal.write(turn).await {
                journal.fail(error);
            }
        }
        journal.changed.notify_all();
    }
}

impl Journal {
    fn next_turn(&self) -> Option<Turn> {
        let mut state = self.state.borrow_mut();
        let bytes_max = BLOCK_BYTES_MAX.min(self.file_bytes as usize / BLOCK_SHARE);
        let mut turn = Turn { entries: Vec::new(), bytes: BLOCK_HEAD_BYTES };
        while let Some(entry) = state.pending.front() {
            let bytes = ENTRY_HEAD_BYTES + entry.head.bytes as usize;
            if !turn.entries.is_empty() && bytes_max < turn.bytes + bytes {
                break;
            }
            turn.bytes += bytes;
            state.pending_bytes -= bytes - ENTRY_HEAD_BYTES;
            let state = &mut *state;
            turn.entries.push(state.pending.pop_front().expect("just seen"));
        }
        state.writes = !turn.entries.is_empty();
        state.writes.then_some(turn)
    }

    async fn write(self: &Rc<Self>, turn: Turn) -> Result<(), DiskError> {
        let bytes = (turn.bytes as u64).next_multiple_of(UNIT_BYTES);
        let (buf, at, crc) = loop {
            let (file, at) = self.place(bytes, &turn.entries).await?;
            let (buf, crc) = self.build(&turn);
            match self.files.write_durably(&file, &self.path, at, buf).await {
                Ok(buf) => break (buf, at, crc),
                Err(error) if error.is_full() => self.await_room(error, &turn.entries).await,
                Err(error) => return Err(error),
            }
        };
        add(&self.counters.journal_writes_total, 1);
        add(&self.counters.journal_bytes_total, bytes);
        let is_due = {
            let mut state = self.state.borrow_mut();
            state.buf = Some(buf);
            (state.blocked, state.stuck) = (false, None);
            state.ring.advance(at, bytes, crc);
            state.written += turn.entries.len() as u64;
            for entry in &turn.entries {
                let key = (entry.head.topic_id, entry.head.partition);
                let live = Live { log: Rc::downgrade(&entry.log), end: entry.head.end };
                state.live.insert(key, live);
            }
            let (now, ring, tail) = (self.env.now(), state.ring, state.slot.tail.at);
            state.pace.is_due(ring.live_bytes(tail), ring.area_bytes(), now)
        };
        self.answer(&turn.entries);
        if is_due {
            self.start_checkpoint();
        } else {
            self.start_timer();
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Each log hears once of the last of its entries.
    fn answer(&self, entries: &[Entry]) {
        let mut entries = entries.iter().peekable();
        while let Some(entry) = entries.next() {
            if entries.peek().is_none_or(|next| !Rc::ptr_eq(&next.log, &entry.log)) {
                entry.log.journaled(entry.head.end);
            }
        }
    }

    /// Waits for space for these entries.
    async fn place(
        self: &Rc<Self>,
        bytes: u64,
        entries: &[Entry],
    ) -> Result<(File, u64), DiskError> {
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            let placed = {
                let state = self.state.borrow();
                let Phase::Ready(file) = &state.phase else {
                    unreachable!("only a ready journal takes entries")
                };
                state.ring.place(bytes, state.slot.tail.at).map(|at| (file.clone(), at))
            };
            if let Some(placed) = placed {
                return Ok(placed);
            }
            add(&self.counters.journal_full_total, 1);
            let changed = self.changed.changed();
            self.start_checkpoint();
            if self.state.borrow().held.is_some() {
                self.block(entries);
            }
            changed.await;
        }
    }

    /// Waits until the disk may take a block: where nothing is written in place (copy on write),
    /// a full one has no room for what it overwrites, either.
    async fn await_room(&self, error: DiskError, entries: &[Entry]) {
        self.state.borrow_mut().stuck = Some(error);
        self.block(entries);
        self.changed.notify_all();
        self.room.next_look().await;
    }

    /// Lets the logs of all that waits go by their files: a full disk holds the journal up, and
    /// only one of them need be the cause.
    fn block(&self, entries: &[Entry]) {
        let mut state = self.state.borrow_mut();
        if std::mem::replace(&mut state.blocked, true) {
            return;
        }
        let waiting = entries.iter().chain(&state.pending);
        let logs: BTreeMap<_, _> =
            waiting.map(|entry| (Rc::as_ptr(&entry.log), entry.log.clone())).collect();
        drop(state);
        tracing::warn!(path = %self.path, "the journal is full and waits for room: files serve");
        logs.into_values().for_each(|log| log.leave_journal());
    }

    /// One block with all entries of a turn, and its checksum.
    fn build(&self, turn: &Turn) -> (AlignedBuf, u32) {
        let (mut buf, Slot { journal, salt, .. }, point) = {
            let mut state = self.state.borrow_mut();
            let buf = state.buf.take().filter(|buf| turn.bytes <= buf.capacity());
            let fresh = || AlignedBuf::with_capacity(turn.bytes.max(BUF_BYTES));
            (buf.unwrap_or_else(fresh), state.slot, state.ring.head)
        };
        let mut head = BlockHead {
            salt,
            sequence: point.sequence,
            before: point.before,
            entries: turn.entries.len() as u32,
            bytes: turn.bytes as u32,
            crc: 0,
        };
        buf.clear();
        buf.extend(&head.encode());
        for entry in &turn.entries {
            buf.extend(&entry.head.encode());
            entry.slices.iter().for_each(|slice| buf.extend(slice));
        }
        let content = &buf.as_slice()[BLOCK_HEAD_BYTES..];
        head.crc = head.checksum(journal, content).expect("made of whole entries");
        buf.as_mut_slice()[..BLOCK_HEAD_BYTES].copy_from_slice(&head.encode());
        (buf, head.crc)
    }
}
