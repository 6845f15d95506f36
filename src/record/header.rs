//! The 61 bytes in front of every batch, and what its attribute bits say.
//!
//! Owns: the layout, the checksum's range, copying a header with other numbers in it.
//! Leaves to others: whether a batch is acceptable (`batch`), what its records say (`walk`).
//! Invariant: decode and encode are inverse; unknown attribute bits survive.
//! Start reading at: [`Header::decode`].
//! Source: Kafka protocol guide, "Record Batch".
use crate::base::crc32c;
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::record::Codec;

/// Bytes in front of the records.
pub const HEADER_BYTES: usize = 61;
/// Bytes in front of what `batch_length` counts.
pub const PREFIX_BYTES: usize = 12;
/// The checksum covers everything from here on.
pub const CRC_FROM: usize = 21;
/// The only format that is stored and served.
pub const MAGIC: i8 = 2;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// Who wrote the timestamps of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

/// All fields of a batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub base_offset: Offset,
    /// Bytes behind the first twelve.
    pub batch_length: i32,
    pub leader_epoch: LeaderEpoch,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub record_count: i32,
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a field lies within the header")
}

impl Header {
    /// Reads the fields; `None` when fewer than 61 bytes are there. Checks nothing else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        Some(Self {
            base_offset: Offset(i64::from_be_bytes(field(head, 0))),
            batch_length: i32::from_be_bytes(field(head, 8)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(head, 12))),
            magic: i8::from_be_bytes(field(head, 16)),
            crc: u32::from_be_bytes(field(head, 17)),
            attributes: i16::from_be_bytes(field(head, 21)),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, 35)),
            producer_id: ProducerId(i64::from_be_bytes(field(head, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(head, 51))),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            record_count: i32::from_be_bytes(field(head, 57)),
        })
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.base_offset.0.to_be_bytes());
        put(8, &self.batch_length.to_be_bytes());
        put(12, &self.leader_epoch.0.to_be_bytes());
        put(16, &self.magic.to_be_bytes());
        put(17, &self.crc.to_be_bytes());
        put(21, &self.attributes.to_be_bytes());
        put(23, &self.last_offset_delta.to_be_bytes());
        put(27, &self.base_timestamp.to_be_bytes());
        put(35, &self.max_timestamp.to_be_bytes());
        put(43, &self.producer_id.0.to_be_bytes());
        put(51, &self.producer_epoch.0.to_be_bytes());
        put(53, &self.base_sequence.to_be_bytes());
        put(57, &self.record_count.to_be_bytes());
        out
    }

    /// Encodes with the checksum over this header and `body`, whatever `self.crc` says.
    pub fn encode_with_crc(&self, body: &[u8]) -> [u8; HEADER_BYTES] {
        let mut head = self.encode();
        let crc = crc32c::crc32c_append(crc32c(&head[CRC_FROM..]), body);
        head[17..21].copy_from_slice(&crc.to_be_bytes());
        head
    }

    /// Bytes of the whole batch, or `None` when the length field cannot be true.
    pub fn total_bytes(&self) -> Option<usize> {
        let length = usize::try_from(self.batch_length).ok()?;
        (HEADER_BYTES - PREFIX_BYTES <= length).then_some(PREFIX_BYTES + length)
    }

    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }

    /// First offset behind this batch.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    pub fn codec_bits(&self) -> i16 {
        self.attributes & CODEC_MASK
    }

    pub fn codec(&self) -> Option<Codec> {
        Codec::from_id(self.codec_bits())
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn set_timestamp_type(&mut self, kind: TimestampType) {
        match kind {
            TimestampType::CreateTime => self.attributes &= !LOG_APPEND_TIME,
            TimestampType::LogAppendTime => self.attributes |= LOG_APPEND_TIME,
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// When tombstones of this batch may go (KIP-534); the base timestamp holds it.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    pub fn set_delete_horizon_ms(&mut self, at_ms: i64) {
        self.attributes |= DELETE_HORIZON;
        self.base_timestamp = at_ms;
    }

    pub fn set_codec(&mut self, codec: Codec) {
        self.attributes = (self.attributes & !CODEC_MASK) | codec.id();
    }

    pub fn set_transactional(&mut self) {
        self.attributes |= TRANSACTIONAL;
    }

    pub fn set_control(&mut self) {
        self.attributes |= CONTROL;
    }

    /// Whether a producer with an id wrote this batch.
    pub fn has_producer(&self) -> bool {
        0 <= self.producer_id.0
    }

    /// Sequence of the last record; it wraps from the largest number to 0.
    pub fn last_sequence(&self) -> i32 {
        sequence_plus(self.base_sequence, self.last_offset_delta)
    }

    /// Timestamp of a record whose delta is `delta`.
    pub fn timestamp(&self, delta: i64) -> i64 {
        match self.timestamp_type() {
            TimestampType::CreateTime => self.base_timestamp.wrapping_add(delta),
            TimestampType::LogAppendTime => self.max_timestamp,
        }
    }
}

/// Adds to a sequence number, wrapping from `i32::MAX` to 0; -1 (none) stays.
pub fn sequence_plus(sequence: i32, count: i32) -> i32 {
    if sequence < 0 {
        return sequence;
    }
    ((i64::from(sequence) + i64::from(count)) & i64::from(i32::MAX)) as i32
}
