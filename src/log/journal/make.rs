//! Making a journal's file: every block written once, so that later writes change no metadata.
//!
//! Owns: the zeroes, the first slot. Leaves to others: what an old file holds (`replay`, which has
//! emptied it before any log opened).
//! Invariant: the file gets its name, durably, when all of it was written; partitions use their own
//! files until then. So whatever has the name has a slot, and no slot of another file comes back.
use std::rc::Rc;

use crate::base::aligned::AlignedBuf;
use crate::env::{File, IoError, OpenHow};
use crate::log::disk::{DiskError, Files};
use crate::log::journal::format::{FRONT_BYTES, SLOT_BYTES, Slot, SlotFound, UNIT_BYTES};
use crate::log::journal::ring::Ring;
use crate::log::journal::{Journal, Phase};
use crate::log::room::Promise;

/// Bytes of one write of zeroes.
const ZEROES_BYTES: usize = 1 << 20;
/// Behind the name of a file that is being made; a start removes it.
pub const UNFINISHED: &str = ".tmp";
/// Time until the next try after the disk was full.
const RETRY_MS: u64 = 10_000;

impl Journal {
    /// Opens or makes the file; then the journal is ready, or off for a reason that is logged.
    pub(super) async fn make(self: Rc<Self>) {
        let phase = match self.try_make().await {
            Ok((file, slot)) => {
                let mut state = self.state.borrow_mut();
                state.slot = slot;
                state.ring = Ring::begin(self.file_bytes);
                Phase::Ready(file)
            }
            Err(error) if error.source == IoError::NoSpace => {
                tracing::warn!(%error, "no journal yet: the disk is full");
                Phase::Absent { retry: self.env.now().plus_ms(RETRY_MS) }
            }
            Err(error) if error.is_loss() => return self.fail(error),
            Err(error) => {
                tracing::warn!(%error, "no journal: every partition is synced by itself");
                Phase::Off
            }
        };
        self.state.borrow_mut().phase = phase;
        self.changed.notify_all();
    }

    async fn try_make(&self) -> Result<(File, Slot), DiskError> {
        let old = self.old_slot().await?;
        let generation = old.map_or(0, |slot| slot.generation);
        let journal = old.map_or_else(|| self.env.random(), |slot| slot.journal);
        // Zero is what the zeroes say: no block must look like theirs.
        let salt = self.env.random() | 1;
        let slot = Slot::begin(journal, generation + 1, salt, self.file_bytes);
        if old.is_some() {
            let file = self.files.open(&self.path, OpenHow::Direct).await?;
            let slot = write_slots(&self.files, &file, &self.path, slot).await?;
            return Ok((file, slot));
        }
        let unfinished = format!("{}{UNFINISHED}", self.path);
        let made = self.make_as(&unfinished, slot).await;
        if made.is_err() {
            // What failed above is the reason that counts.
            let _ = self.files.remove(&unfinished).await;
        }
        made
    }

    /// Makes the file under another name; then it gets its own.
    async fn make_as(&self, unfinished: &str, slot: Slot) -> Result<(File, Slot), DiskError> {
        let promised = self.room.promise(self.file_bytes).await;
        let full = |_| DiskError::new("make", &self.path, IoError::NoSpace);
        let mut promise = promised.map_err(full)?;
        let file = self.files.open(unfinished, OpenHow::Direct).await?;
        self.fill(&file, unfinished, &mut promise).await?;
        let slot = write_slots(&self.files, &file, unfinished, slot).await?;
        self.files.rename(unfinished, &self.path).await?;
        self.files.sync_dir(&self.dir).await?;
        Ok((file, slot))
    }

    /// The slot of a file of this size that an earlier start made; `None`: make it anew.
    async fn old_slot(&self) -> Result<Option<Slot>, DiskError> {
        let Some(file) = self.files.open_if_there(&self.path).await? else { return Ok(None) };
        if self.files.bytes(&file, &self.path).await? != self.file_bytes {
            return Ok(None);
        }
        let front = self.files.read(&file, &self.path, 0, FRONT_BYTES as usize).await?;
        Ok(newest_slot(&front).filter(|slot| slot.file_bytes == self.file_bytes))
    }

    async fn fill(&self, file: &File, path: &str, room: &mut Promise) -> Result<(), DiskError> {
        self.files.truncate(file, path, 0).await?;
        let mut at = 0;
        let mut zeroes = AlignedBuf::with_capacity(ZEROES_BYTES);
        while at < self.file_bytes {
            let bytes = (self.file_bytes - at).min(ZEROES_BYTES as u64);
            zeroes.clear();
            zeroes.extend_zeroes(bytes as usize);
            zeroes = self.files.write_durably(file, path, at, zeroes).await?;
            at += bytes;
            room.keep(bytes);
        }
        Ok(())
    }
}

/// The slot that counts, of the first bytes of a file.
pub fn newest_slot(front: &[u8]) -> Option<Slot> {
    let slots = [0, UNIT_BYTES as usize].map(|at| front.get(at..at + SLOT_BYTES));
    let found = slots.into_iter().flatten().filter_map(|bytes| match Slot::decode(bytes) {
        SlotFound::Valid(slot) => Some(slot),
        SlotFound::Nothing | SlotFound::Other(_) => None,
    });
    found.max_by_key(|slot| slot.generation)
}

/// Writes a slot and then, as the next generation, its copy, which it gives: once both are durable
/// no damage to one brings the tail before back.
pub async fn write_slots(
    files: &Files,
    file: &File,
    path: &str,
    slot: Slot,
) -> Result<Slot, DiskError> {
    write_slot(files, file, path, slot).await?;
    let copy = Slot { generation: slot.generation + 1, ..slot };
    write_slot(files, file, path, copy).await?;
    Ok(copy)
}

/// Writes a slot, durably, where the one of the generation before it is not.
async fn write_slot(files: &Files, file: &File, path: &str, slot: Slot) -> Result<(), DiskError> {
    let mut buf = AlignedBuf::with_capacity(UNIT_BYTES as usize);
    buf.extend(&slot.encode());
    let at = slot.generation % 2 * UNIT_BYTES;
    files.write_durably(file, path, at, buf).await.map(drop)
}
