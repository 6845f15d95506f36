//! A walk over one journal: block after block from its tail on, each believed only if it fits.
//!
//! Owns: where a journal ends, and whether that end is torn or damaged.
//! Leaves to others: what becomes of the batches (`replay`), bytes (`format`).
//! Invariant: at most one block is in memory; every batch that comes out has its own checksum and
//! is the one that its entry says.
//! Start reading at: [`Walk::open`], then [`Walk::next`].
use crate::base::Bytes;
use crate::env::{File, OpenHow};
use crate::log::disk::{DiskError, Files};
use crate::log::journal::format::{
    BLOCK_HEAD_BYTES, BlockHead, ENTRY_HEAD_BYTES, EntryHead, FRONT_BYTES, Point, SLOT_BYTES, Slot,
    SlotFound, UNIT_BYTES, VERSION,
};
use crate::log::journal::make::newest_slot;
use crate::log::journal::replay::JournalError;
use crate::record::{Scanned, crc_holds, next_batch};

pub struct Walk<'a> {
    files: &'a Files,
    path: &'a str,
    file: File,
    file_bytes: u64,
    pub slot: Slot,
    /// Where the next block belongs. It may be set to where a walk over the same journal was.
    pub point: Point,
}

/// A believable block.
pub struct Block {
    entries: u32,
    content: Bytes,
}

impl Block {
    pub fn bytes(&self) -> usize {
        self.content.len()
    }

    /// Its batches, in order; each keeps the whole block in memory.
    pub fn entries(&self) -> impl Iterator<Item = (EntryHead, Bytes)> {
        let mut at = 0;
        (0..self.entries).map(move |_| {
            let head = EntryHead::decode(&self.content[at..]).expect("the block was checked");
            let batch = at + ENTRY_HEAD_BYTES;
            at = batch + head.bytes as usize;
            (head, self.content.slice(batch..at))
        })
    }
}

impl<'a> Walk<'a> {
    /// `None`: the file was never finished, so nothing was ever in it.
    pub async fn open(files: &'a Files, path: &'a str) -> Result<Option<Self>, JournalError> {
        let file = files.open(path, OpenHow::Read).await?;
        let file_bytes = files.bytes(&file, path).await?;
        let front = files.read(&file, path, 0, FRONT_BYTES.min(file_bytes) as usize).await?;
        for at in [0, UNIT_BYTES as usize] {
            let bytes = front.get(at..at + SLOT_BYTES).unwrap_or_default();
            if let SlotFound::Other(version) = Slot::decode(bytes) {
                let (path, known) = (path.to_owned(), VERSION);
                return Err(match version < known {
                    true => JournalError::Older { path, version, known },
                    false => JournalError::Newer { path, version, known },
                });
            }
        }
        match newest_slot(&front) {
            Some(slot) if file_bytes < slot.file_bytes => {
                let (path, want) = (path.to_owned(), slot.file_bytes);
                Err(JournalError::Short { path, bytes: file_bytes, want })
            }
            Some(slot) => {
                let point = slot.tail;
                Ok(Some(Self { files, path, file, file_bytes, slot, point }))
            }
            None if front.iter().all(|byte| *byte == 0) => Ok(None),
            None => Err(JournalError::NoSlot { path: path.to_owned() }),
        }
    }

    /// The next believable block.
    pub async fn next(&mut self) -> Result<Option<Block>, DiskError> {
        let point = self.point;
        // A block that did not fit behind the one before lies at the front.
        let mut block = self.block(point, point.at).await?;
        if block.is_none() && point.at != FRONT_BYTES {
            block = self.block(point, FRONT_BYTES).await?;
        }
        let Some((head, at, content)) = block else { return Ok(None) };
        let bytes = u64::from(head.bytes).next_multiple_of(UNIT_BYTES);
        self.point = Point { at: at + bytes, sequence: point.sequence + 1, before: head.crc };
        Ok(Some(Block { entries: head.entries, content }))
    }

    /// The block that belongs at a point, if it lies whole at `at`.
    async fn block(
        &self,
        point: Point,
        at: u64,
    ) -> Result<Option<(BlockHead, u64, Bytes)>, DiskError> {
        if self.file_bytes < at + UNIT_BYTES {
            return Ok(None);
        }
        let front = self.files.read(&self.file, self.path, at, BLOCK_HEAD_BYTES).await?;
        let Some(head) = BlockHead::decode(&front) else { return Ok(None) };
        let expected = head.salt == self.slot.salt
            && head.sequence == point.sequence
            && head.before == point.before
            && BLOCK_HEAD_BYTES <= head.bytes as usize
            && at + u64::from(head.bytes) <= self.file_bytes;
        if !expected {
            return Ok(None);
        }
        let bytes = head.bytes as usize;
        let block = self.files.read(&self.file, self.path, at, bytes).await?;
        if block.len() < bytes {
            return Ok(None);
        }
        let content = block.slice(BLOCK_HEAD_BYTES..);
        let whole = head.checksum(self.slot.journal, &content) == Some(head.crc)
            && batches_hold(&head, &content);
        Ok(whole.then_some((head, at, content)))
    }

    /// [`Walk::next`] found no more: a torn block, or the end. A later block of the same start says
    /// that it was neither: each is written once the one before it is durable.
    pub async fn check_end(&self) -> Result<(), JournalError> {
        let end = self.point;
        let mut at = FRONT_BYTES;
        while at + UNIT_BYTES <= self.file_bytes {
            let want = (SEARCH_BYTES as u64).min(self.file_bytes - at) as usize;
            let bytes = self.files.read(&self.file, self.path, at, want).await?;
            let units = bytes.chunks_exact(UNIT_BYTES as usize);
            let heads = units.filter_map(BlockHead::decode);
            let later = heads
                .filter(|head| head.salt == self.slot.salt && end.sequence < head.sequence)
                .map(|head| head.sequence);
            if let Some(later) = later.min() {
                let (path, position, sequence) = (self.path.to_owned(), end.at, end.sequence);
                return Err(JournalError::Damaged { path, position, sequence, later });
            }
            if bytes.len() < want {
                break;
            }
            at += want as u64;
        }
        Ok(())
    }
}

/// Bytes of one read while looking for later blocks.
const SEARCH_BYTES: usize = 1 << 20;

/// Whether every batch of a block holds by its own checksum, and is the one that its entry says.
fn batches_hold(head: &BlockHead, content: &[u8]) -> bool {
    let mut at = 0;
    for _ in 0..head.entries {
        let Some(entry) = EntryHead::decode(&content[at..]) else { return false };
        at += ENTRY_HEAD_BYTES;
        let batch = &content[at..at + entry.bytes as usize];
        match next_batch(batch) {
            Scanned::Batch(header, bytes)
                if bytes == batch.len()
                    && header.base_offset == entry.base_offset
                    && header.next_offset() == entry.end
                    && header.leader_epoch == entry.leader_epoch
                    && crc_holds(&header, batch) => {}
            _ => return false,
        }
        at += batch.len();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeaderEpoch, Offset, TopicId};
    use crate::record::{BatchBuilder, BatchSpec};
    use crate::sim::{Faults, block_on};

    /// An entry and its batch.
    fn entry() -> (EntryHead, Vec<u8>) {
        let mut builder = BatchBuilder::new(&BatchSpec::default());
        builder.push(Offset(0), 1, None, Some(b"value"), []).unwrap();
        let batch = builder.finish().unwrap();
        let Scanned::Batch(header, bytes) = next_batch(&batch) else { panic!("a batch") };
        let right = EntryHead {
            topic_id: TopicId([7; 16]),
            partition: 0,
            leader_epoch: header.leader_epoch,
            segment: Offset(0),
            position: 0,
            bytes: bytes as u32,
            base_offset: header.base_offset,
            end: header.next_offset(),
            stable_end: Offset(0),
        };
        (right, batch.to_vec())
    }

    #[test]
    fn a_block_of_another_journal_is_not_believed() {
        let (entry, batch) = entry();
        let content = [&entry.encode()[..], &batch].concat();
        let slot = Slot::begin(7, 1, 9, FRONT_BYTES + 4 * UNIT_BYTES);
        let bytes = (BLOCK_HEAD_BYTES + content.len()) as u32;
        let mut head = BlockHead { salt: 9, sequence: 1, before: 0, entries: 1, bytes, crc: 0 };
        head.crc = head.checksum(slot.journal, &content).unwrap();
        let block = [&head.encode()[..], &content].concat();
        for (journal, found) in [(7, 1), (8, 0)] {
            let mut file = vec![0; slot.file_bytes as usize];
            file[..SLOT_BYTES].copy_from_slice(&Slot { journal, ..slot }.encode());
            let at = FRONT_BYTES as usize;
            file[at..at + block.len()].copy_from_slice(&block);
            block_on(1, Faults::NONE, move |env| async move {
                let files = Files::unwatched(&env);
                files.write_whole("a journal", file).await.unwrap();
                let mut walk = Walk::open(&files, "a journal").await.unwrap().unwrap();
                let block = walk.next().await.unwrap();
                assert_eq!(block.map_or(0, |block| block.entries().count()), found);
            });
        }
    }

    #[test]
    fn a_batch_that_is_not_the_one_of_its_entry_makes_a_block_unbelievable() {
        let (right, batch) = entry();
        let holds = |entry: EntryHead| {
            let head = BlockHead { salt: 1, sequence: 1, before: 0, entries: 1, bytes: 0, crc: 0 };
            let content = [&entry.encode()[..], &batch].concat();
            batches_hold(&head, &content)
        };
        assert!(holds(right));
        assert!(!holds(EntryHead { base_offset: Offset(1), end: Offset(2), ..right }));
        assert!(!holds(EntryHead { end: Offset(2), ..right }));
        let other = LeaderEpoch(right.leader_epoch.0 + 1);
        assert!(!holds(EntryHead { leader_epoch: other, ..right }));
    }
}
