//! Foundation: shared immutable bytes, checksums, a seeded generator.
//!
//! Owns: what every room may use. Imports no other room.
//! Invariant: bytes behind a [`Bytes`] never change; that is what lets the kernel read them.
pub mod aligned;
#[cfg(test)]
pub mod probe;
pub mod waker;

pub use bytes::Bytes;

/// Whether a slice of `bytes` is better copied than kept: it would keep `whole_bytes` in memory,
/// of which it is less than half.
pub fn pins_much(bytes: usize, whole_bytes: usize) -> bool {
    bytes * 2 < whole_bytes
}

/// CRC-32C (Castagnoli), as record batches and our own files carry it.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The checksum of what `crc` covers and `bytes` behind it.
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// Drops the first `count` bytes of a gathered write, so that only the unwritten rest remains.
pub fn advance_all(slices: &mut Vec<Bytes>, mut count: usize) {
    let mut whole = 0;
    for slice in slices.iter() {
        if count < slice.len() {
            break;
        }
        count -= slice.len();
        whole += 1;
    }
    slices.drain(..whole);
    if 0 < count {
        let first = slices.first_mut().expect("count is at most the sum of the slices");
        bytes::Buf::advance(first, count);
    }
}

/// SplitMix64: every choice of the simulator comes from one of these.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    pub fn chance(&mut self, per_1000: u64) -> bool {
        self.below(1_000) < per_1000
    }
}
