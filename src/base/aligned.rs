//! A buffer whose address and length suit direct I/O.
//!
//! Owns: alignment. Invariant: the bytes begin at a multiple of [`ALIGN_BYTES`]; the buffer never
//! grows, so they stay there.

/// Direct I/O wants addresses, positions and lengths that are multiples of the device's logical
/// block; 4 KiB suits all devices of today.
pub const ALIGN_BYTES: usize = 4_096;

/// Bytes for a direct write; see [`ALIGN_BYTES`].
pub struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl AlignedBuf {
    /// An empty buffer for up to `capacity` bytes, rounded up to [`ALIGN_BYTES`].
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.next_multiple_of(ALIGN_BYTES);
        let mut memory = Vec::<u8>::with_capacity(capacity + ALIGN_BYTES);
        let start = memory.as_ptr().align_offset(ALIGN_BYTES);
        memory.resize(start, 0);
        Self { memory, start, capacity }
    }

    /// Bytes that it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn clear(&mut self) {
        self.memory.truncate(self.start);
    }

    /// Appends; the caller keeps within the capacity.
    pub fn extend(&mut self, bytes: &[u8]) {
        assert!(self.as_slice().len() + bytes.len() <= self.capacity, "a buffer does not grow");
        self.memory.extend_from_slice(bytes);
    }

    /// Appends zeroes; the caller keeps within the capacity.
    pub fn extend_zeroes(&mut self, bytes: usize) {
        assert!(self.as_slice().len() + bytes <= self.capacity, "a buffer does not grow");
        self.memory.resize(self.memory.len() + bytes, 0);
    }

    /// Fills up with zeroes to the next multiple of [`ALIGN_BYTES`].
    pub fn pad(&mut self) {
        let bytes = self.as_slice().len().next_multiple_of(ALIGN_BYTES);
        self.memory.resize(self.start + bytes, 0);
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_begin_at_a_multiple_of_the_alignment_and_stay_there() {
        for capacity in [1, 4_096, 5_000, 1 << 20] {
            let mut buf = AlignedBuf::with_capacity(capacity);
            let address = buf.as_slice().as_ptr().addr();
            assert!(address.is_multiple_of(ALIGN_BYTES));
            assert!(capacity <= buf.capacity());
            buf.extend(&vec![7; capacity]);
            buf.pad();
            assert_eq!(buf.as_slice().as_ptr().addr(), address);
            assert!(buf.as_slice().len().is_multiple_of(ALIGN_BYTES));
            assert_eq!(buf.as_slice()[..capacity], vec![7; capacity]);
            buf.clear();
            assert!(buf.as_slice().is_empty());
        }
    }
}
