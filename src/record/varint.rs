//! Zigzag varints, as records inside a batch use them.
//!
//! Owns: reading with every length checked, writing. Leaves to others: what the numbers mean.
//! Invariant: a read never goes past the slice and never takes more than 5 or 10 bytes.
//! Source: Kafka protocol guide, "Varint" (protocol buffers' zigzag form).
use crate::record::RecordError;

/// Reads a 64-bit zigzag number at `*at` and moves `at` behind it.
pub fn read_long(bytes: &[u8], at: &mut usize) -> Result<i64, RecordError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at).ok_or(RecordError::Cut { at: *at })?;
        *at += 1;
        if shift == 63 && 1 < byte {
            return Err(RecordError::Varint { at: *at });
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(RecordError::Varint { at: *at })
}

/// Reads a 32-bit zigzag number.
pub fn read_int(bytes: &[u8], at: &mut usize) -> Result<i32, RecordError> {
    let start = *at;
    let value = read_long(bytes, at)?;
    if 5 < *at - start {
        return Err(RecordError::Varint { at: start });
    }
    i32::try_from(value).map_err(|_| RecordError::Varint { at: start })
}

pub fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while 0x7f < left {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

pub fn write_int(out: &mut Vec<u8>, value: i32) {
    write_long(out, i64::from(value));
}

/// Bytes that [`write_long`] takes.
pub fn long_bytes(value: i64) -> usize {
    let left = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (left | 1).leading_zeros() as usize).div_ceil(7)
}
