//! The bytes of a journal: two slots at its front, then blocks, one per durable write.
//!
//! Owns: encoding, decoding, what makes a block believable.
//! Leaves to others: where blocks go (`writer`), what a whole journal says (`replay`).
//! Invariant: a block says by its checksum of which journal it is, and names its start's salt, its
//! number and the block before it; so neither a block of another journal, of an earlier lap or
//! start, nor bytes that a client chose pass for one.
//! Start reading at: [`Slot`], [`BlockHead`], [`EntryHead`]. All numbers are little-endian.
use crate::base::aligned::ALIGN_BYTES;
use crate::base::{crc32c, crc32c_append};
use crate::model::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use crate::record::HEADER_BYTES;

/// Blocks and slots begin at multiples of this.
pub const UNIT_BYTES: u64 = ALIGN_BYTES as u64;
/// Both slots; blocks come behind.
pub const FRONT_BYTES: u64 = 2 * UNIT_BYTES;
/// Raised by every change that an older broker could not read. Only this one is read: a stop in
/// order leaves nothing in a journal.
pub const VERSION: u16 = 2;

/// Largest journal; what a file says beyond it is damage.
pub const FILE_BYTES_MAX: u64 = 4 << 30;
/// No journal lives so long that its counts get there.
const COUNT_MAX: u64 = u64::MAX / 2;

const SLOT_MAGIC: u64 = u64::from_le_bytes(*b"LogmillJ");
const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"LMJb");

pub const SLOT_BYTES: usize = 72;
pub const BLOCK_HEAD_BYTES: usize = 40;
pub const ENTRY_HEAD_BYTES: usize = 64;

/// Where the next believable block must be, and how it must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Byte position in the file.
    pub at: u64,
    /// Its number; counts all blocks since the journal was begun.
    pub sequence: u64,
    /// Checksum of the block before.
    pub before: u32,
}

/// What the front of the file says: the oldest block that recovery needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Of the journal, from its making on: no other one has it.
    pub journal: u64,
    /// The slot with the larger one counts.
    pub generation: u64,
    /// Of this start: no block of another start carries it.
    pub salt: u64,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    pub tail: Point,
}

/// What a slot's bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotFound {
    Valid(Slot),
    /// Never written, or torn.
    Nothing,
    /// Written by a broker that knows another version.
    Other(u16),
}

impl Slot {
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut out = [0; SLOT_BYTES];
        out[..8].copy_from_slice(&SLOT_MAGIC.to_le_bytes());
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.generation.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        out[32..40].copy_from_slice(&self.file_bytes.to_le_bytes());
        out[40..48].copy_from_slice(&self.tail.at.to_le_bytes());
        out[48..56].copy_from_slice(&self.tail.sequence.to_le_bytes());
        out[56..60].copy_from_slice(&self.tail.before.to_le_bytes());
        out[60..68].copy_from_slice(&self.journal.to_le_bytes());
        let crc = crc32c(&out[..68]);
        out[68..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> SlotFound {
        let Some(bytes) = bytes.get(..SLOT_BYTES) else { return SlotFound::Nothing };
        if u64_at(bytes, 0) != SLOT_MAGIC {
            return SlotFound::Nothing;
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        // Of an older one the bytes are known: what differs is damage.
        let is_older = version == 1 && crc32c(&bytes[..60]) == u32_at(bytes, 60);
        if VERSION < version || is_older {
            return SlotFound::Other(version);
        }
        if version != VERSION || crc32c(&bytes[..68]) != u32_at(bytes, 68) {
            return SlotFound::Nothing;
        }
        let slot = Self {
            journal: u64_at(bytes, 60),
            generation: u64_at(bytes, 16),
            salt: u64_at(bytes, 24),
            file_bytes: u64_at(bytes, 32),
            tail: Point {
                at: u64_at(bytes, 40),
                sequence: u64_at(bytes, 48),
                before: u32_at(bytes, 56),
            },
        };
        if slot.is_sound() { SlotFound::Valid(slot) } else { SlotFound::Nothing }
    }

    /// Whether a journal of ours can say so: the tail lies in the file, and counts go on from here.
    fn is_sound(&self) -> bool {
        let tail = &self.tail;
        self.file_bytes.is_multiple_of(UNIT_BYTES)
            && tail.at.is_multiple_of(UNIT_BYTES)
            && (FRONT_BYTES..=self.file_bytes).contains(&tail.at)
            && self.file_bytes <= FILE_BYTES_MAX
            && 0 < tail.sequence
            && tail.sequence.max(self.generation) < COUNT_MAX
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The front of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    pub salt: u64,
    pub sequence: u64,
    /// Checksum of the block before.
    pub before: u32,
    pub entries: u32,
    /// Bytes of the block without its padding.
    pub bytes: u32,
    /// Over the journal's number, the rest of this, every entry's head and every batch's header;
    /// the batches' own checksums cover their records.
    pub crc: u32,
}

impl BlockHead {
    pub fn encode(&self) -> [u8; BLOCK_HEAD_BYTES] {
        let mut out = [0; BLOCK_HEAD_BYTES];
        out[..4].copy_from_slice(&BLOCK_MAGIC.to_le_bytes());
        out[4..8].copy_from_slice(&self.crc.to_le_bytes());
        out[8..16].copy_from_slice(&self.salt.to_le_bytes());
        out[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        out[24..28].copy_from_slice(&self.before.to_le_bytes());
        out[28..32].copy_from_slice(&self.entries.to_le_bytes());
        out[32..36].copy_from_slice(&self.bytes.to_le_bytes());
        out
    }

    /// `None`: these bytes begin no block.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..BLOCK_HEAD_BYTES)?;
        if u32_at(bytes, 0) != BLOCK_MAGIC {
            return None;
        }
        Some(Self {
            crc: u32_at(bytes, 4),
            salt: u64_at(bytes, 8),
            sequence: u64_at(bytes, 16),
            before: u32_at(bytes, 24),
            entries: u32_at(bytes, 28),
            bytes: u32_at(bytes, 32),
        })
    }

    /// The checksum of a block of a journal whose content (all behind this head, unpadded) is
    /// `content`.
    ///
    /// `None`: the entries do not tile the content.
    pub fn checksum(&self, journal: u64, content: &[u8]) -> Option<u32> {
        let head = Self { crc: 0, ..*self }.encode();
        let mut crc = crc32c_append(crc32c(&journal.to_le_bytes()), &head);
        let mut at = 0;
        for _ in 0..self.entries {
            let entry = EntryHead::decode(content.get(at..)?)?;
            let covered = ENTRY_HEAD_BYTES + HEADER_BYTES;
            crc = crc32c_append(crc, content.get(at..at + covered)?);
            at += ENTRY_HEAD_BYTES + entry.bytes as usize;
        }
        (at == content.len()).then_some(crc)
    }
}

/// Says where a batch belongs; the batch follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    pub leader_epoch: LeaderEpoch,
    /// Base offset of the segment that holds the batch.
    pub segment: Offset,
    /// Byte position in that segment's file.
    pub position: u32,
    /// Bytes of the batch.
    pub bytes: u32,
    pub base_offset: Offset,
    /// Behind the batch's last record.
    pub end: Offset,
    /// Below it everything of the partition was stable before this block was written.
    pub stable_end: Offset,
}

impl EntryHead {
    pub fn encode(&self) -> [u8; ENTRY_HEAD_BYTES] {
        let mut out = [0; ENTRY_HEAD_BYTES];
        out[..16].copy_from_slice(&self.topic_id.0);
        out[16..20].copy_from_slice(&self.partition.to_le_bytes());
        out[20..24].copy_from_slice(&self.leader_epoch.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.segment.0.to_le_bytes());
        out[32..36].copy_from_slice(&self.position.to_le_bytes());
        out[36..40].copy_from_slice(&self.bytes.to_le_bytes());
        out[40..48].copy_from_slice(&self.base_offset.0.to_le_bytes());
        out[48..56].copy_from_slice(&self.end.0.to_le_bytes());
        out[56..64].copy_from_slice(&self.stable_end.0.to_le_bytes());
        out
    }

    /// `None`: no batch can be like that.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..ENTRY_HEAD_BYTES)?;
        let offset_at = |at| Offset(u64_at(bytes, at) as i64);
        let head = Self {
            topic_id: TopicId(bytes[..16].try_into().expect("sixteen bytes")),
            partition: u32_at(bytes, 16) as PartitionIndex,
            leader_epoch: LeaderEpoch(u32_at(bytes, 20) as i32),
            segment: offset_at(24),
            position: u32_at(bytes, 32),
            bytes: u32_at(bytes, 36),
            base_offset: offset_at(40),
            end: offset_at(48),
            stable_end: offset_at(56),
        };
        let sound = 0 <= head.partition
            && Offset(0) <= head.segment
            && head.segment <= head.base_offset
            && head.base_offset < head.end
            && HEADER_BYTES <= head.bytes as usize;
        sound.then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_says_what_a_journal_can_say_or_counts_for_nothing() {
        let right = Slot::begin(9, 1, 7, FRONT_BYTES + 8 * UNIT_BYTES);
        assert_eq!(Slot::decode(&right.encode()), SlotFound::Valid(right));
        let tail = |at, sequence| Slot { tail: Point { at, sequence, before: 0 }, ..right };
        for wrong in [
            tail(0, 1),
            tail(FRONT_BYTES + 1, 1),
            tail(right.file_bytes + UNIT_BYTES, 1),
            tail(u64::MAX - UNIT_BYTES + 1, 1),
            tail(FRONT_BYTES, 0),
            tail(FRONT_BYTES, u64::MAX),
            Slot { generation: u64::MAX, ..right },
            Slot { file_bytes: FILE_BYTES_MAX + UNIT_BYTES, ..right },
        ] {
            assert_eq!(Slot::decode(&wrong.encode()), SlotFound::Nothing, "{wrong:?}");
        }
        let of_version = |version: u16| {
            let mut other = right.encode();
            other[8..10].copy_from_slice(&version.to_le_bytes());
            other
        };
        assert_eq!(Slot::decode(&of_version(VERSION + 1)), SlotFound::Other(VERSION + 1));
        let mut older = of_version(1);
        assert_eq!(Slot::decode(&older), SlotFound::Nothing, "a bit of the version is wrong");
        let crc = crc32c(&older[..60]);
        older[60..64].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Slot::decode(&older), SlotFound::Other(1));
    }
}
