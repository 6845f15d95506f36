//! Record batches: made once, stamped with the time when latency counts.
//!
//! Owns: the layout of a batch v2 without keys, headers, compression or producer id.
//! Invariant: the checksum is right whenever the bytes leave.
//! Source: Kafka protocol guide, "Record Batch".
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Failed;

pub const HEADER_BYTES: usize = 61;
/// From the length field's end to the batch's end is what the length field counts.
const LENGTH_END: usize = 12;
const CRC_AT: usize = 17;
const CRC_END: usize = 21;
/// The time that a record was due, at the begin of its value.
const STAMP_BYTES: usize = 8;
/// What a record takes beside its value, at most.
const RECORD_OVERHEAD_MAX: usize = 21;

/// A batch that can be sent any number of times.
pub struct Batch {
    pub bytes: Vec<u8>,
    pub records: u64,
    stamp_at: usize,
}

impl Batch {
    /// As many records with values of `record_bytes` as `batch_bytes` holds, at least one.
    ///
    /// Errors: a value is too short for the time stamp.
    pub fn new(batch_bytes: usize, record_bytes: usize) -> Result<Self, Failed> {
        if record_bytes < STAMP_BYTES {
            return Err(format!("a record has at least {STAMP_BYTES} bytes").into());
        }
        let mut bytes = vec![0; HEADER_BYTES];
        let mut noise = Noise(1);
        let mut count = 0_i32;
        let mut stamp_at = 0;
        while count == 0 || bytes.len() + record_bytes + RECORD_OVERHEAD_MAX <= batch_bytes {
            // Attributes, time since the first, offset, no key; value; no headers.
            let mut head = vec![0, 0];
            put_varint(&mut head, count.into());
            put_varint(&mut head, -1);
            put_varint(&mut head, record_bytes.try_into()?);
            put_varint(&mut bytes, (head.len() + record_bytes + 1).try_into()?);
            bytes.extend_from_slice(&head);
            if count == 0 {
                stamp_at = bytes.len();
            }
            // Zeros say that nobody stamped it.
            bytes.extend_from_slice(&[0; STAMP_BYTES]);
            noise.fill(&mut bytes, record_bytes - STAMP_BYTES);
            bytes.push(0);
            count += 1;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_millis())?;
        let length: i32 = (bytes.len() - LENGTH_END).try_into()?;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        bytes[27..35].copy_from_slice(&now.to_be_bytes());
        bytes[35..43].copy_from_slice(&now.to_be_bytes());
        bytes[43..57].fill(0xff);
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        let mut batch = Self { bytes, records: count.unsigned_abs().into(), stamp_at };
        batch.seal();
        Ok(batch)
    }

    /// Writes when the first record was due, by [`now_ns`].
    pub fn stamp(&mut self, due_ns: u64) {
        self.bytes[self.stamp_at..][..STAMP_BYTES].copy_from_slice(&due_ns.to_be_bytes());
        self.seal();
    }

    fn seal(&mut self) {
        let crc = crc32c::crc32c(&self.bytes[CRC_END..]);
        self.bytes[CRC_AT..CRC_END].copy_from_slice(&crc.to_be_bytes());
    }
}

/// What a reader wants to know of a batch.
pub struct Seen {
    pub bytes: usize,
    pub base_offset: i64,
    pub next_offset: i64,
    pub records: u64,
    pub stamp_ns: Option<u64>,
}

/// The first batch in `bytes`; `None` when it is not whole.
pub fn look(bytes: &[u8]) -> Option<Seen> {
    let number = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = usize::try_from(number(8)?).ok()? + LENGTH_END;
    let batch = bytes.get(..length).filter(|batch| HEADER_BYTES <= batch.len())?;
    let base_offset = i64::from_be_bytes(batch[..8].try_into().ok()?);
    Some(Seen {
        bytes: length,
        base_offset,
        next_offset: base_offset + i64::from(number(23)?) + 1,
        records: u64::try_from(number(57)?).ok()?,
        stamp_ns: stamp_of(&batch[HEADER_BYTES..]),
    })
}

fn stamp_of(records: &[u8]) -> Option<u64> {
    let mut rest = records;
    take_varint(&mut rest)?;
    rest = rest.get(1..)?;
    take_varint(&mut rest)?;
    take_varint(&mut rest)?;
    let no_key = take_varint(&mut rest)? < 0;
    let long = STAMP_BYTES <= usize::try_from(take_varint(&mut rest)?).ok()?;
    let stamp = rest.get(..STAMP_BYTES).filter(|_| no_key && long)?;
    Some(u64::from_be_bytes(stamp.try_into().ok()?)).filter(|stamp| *stamp != 0)
}

/// Nanoseconds of the monotonic clock, which is the same in all processes of a machine.
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Bytes that no codec makes smaller.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, out: &mut Vec<u8>, count: usize) {
        let end = out.len() + count;
        while out.len() < end {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let left = end - out.len();
            out.extend_from_slice(&self.0.to_be_bytes()[..left.min(8)]);
        }
    }
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut left = (value << 1 ^ value >> 63).cast_unsigned();
    while 0x80 <= left {
        out.push(left as u8 & 0x7f | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn take_varint(from: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_long_as_asked_and_tells_its_stamp() {
        for (batch_bytes, record_bytes) in [(16_384, 1_024), (100, 1_024), (131_072, 100)] {
            let mut batch = Batch::new(batch_bytes, record_bytes).unwrap();
            assert_eq!(look(&batch.bytes).unwrap().stamp_ns, None);
            batch.stamp(42);
            let seen = look(&batch.bytes).unwrap();
            assert_eq!(seen.bytes, batch.bytes.len());
            assert_eq!(seen.records, batch.records);
            assert_eq!(seen.next_offset.cast_unsigned(), batch.records);
            assert_eq!(seen.stamp_ns, Some(42));
            assert!(batch.bytes.len() <= batch_bytes.max(record_bytes + 100));
            assert!(look(&batch.bytes[..batch.bytes.len() - 1]).is_none());
        }
    }
}
