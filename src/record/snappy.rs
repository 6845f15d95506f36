//! Snappy as Kafka uses it: the xerial stream of the Java library; some clients send raw blocks.
//!
//! Owns: the stream's framing. Leaves to others: the block format (the `snap` crate).
//! Invariant: the bound is checked from each block's announced size before memory is taken.
//! Source: org.xerial.snappy `SnappyOutputStream`: magic, version 1, compatible 1, then blocks
//! with a 4-byte big-endian length.
use crate::record::{Codec, CodecError};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const STREAM_HEADER_BYTES: usize = 16;
/// What the Java library cuts the input into.
const BLOCK_BYTES: usize = 32 * 1024;

pub fn compress(body: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(STREAM_HEADER_BYTES + body.len() / 2);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in body.chunks(BLOCK_BYTES) {
        let packed = encoder.compress_vec(block).map_err(broken)?;
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

pub fn decompress(body: &[u8], out_bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    if !body.starts_with(MAGIC) {
        append_block(body, out_bytes_max, &mut out)?;
        return Ok(out);
    }
    let mut rest = body.get(STREAM_HEADER_BYTES..).ok_or_else(|| broken("cut stream header"))?;
    while !rest.is_empty() {
        let (length, behind) =
            rest.split_first_chunk::<4>().ok_or_else(|| broken("cut block length"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = behind.get(..length).ok_or_else(|| broken("cut block"))?;
        append_block(block, out_bytes_max, &mut out)?;
        rest = &behind[length..];
    }
    Ok(out)
}

fn append_block(block: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let length = snap::raw::decompress_len(block).map_err(broken)?;
    let before = out.len();
    if max - before < length {
        return Err(CodecError::TooLarge { max });
    }
    // Snappy packs at most 64 bytes into 3; a larger claim is a lie, and costs no memory.
    if block.len().saturating_mul(32) < length {
        return Err(broken("announced size is not possible"));
    }
    out.resize(before + length, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[before..]);
    out.truncate(before + written.map_err(broken)?);
    Ok(())
}

fn broken(why: impl std::fmt::Display) -> CodecError {
    CodecError::Broken { codec: Codec::Snappy, why: why.to_string() }
}
