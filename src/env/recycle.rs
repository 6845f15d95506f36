//! Frame buffers that come back: fresh large allocations cost a page fault per 4 KiB.
//!
//! Owns: freed buffers of one shard, by size class, up to a bound of bytes.
//! Invariant: a shelved buffer has exactly its class's capacity and no owner.
//! Start reading at: [`Recycler::buf`], then [`Recycler::freeze`].
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::Bytes;

/// Smaller buffers are left to the allocator, which is good at them.
pub const RECYCLED_BYTES_MIN: usize = 4 * 1024;
/// Larger buffers go back to the system at once.
pub const RECYCLED_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Default)]
struct Shelf {
    classes: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
    bytes_max: usize,
}

/// Hands out buffers and takes them back, from any thread: frames cross shards by mail.
#[derive(Clone)]
pub struct Recycler(Arc<Mutex<Shelf>>);

/// A buffer that goes back to its shelf when the last [`Bytes`] of it drops.
struct Recycled {
    buf: Vec<u8>,
    home: Recycler,
}

impl Recycler {
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Shelf { bytes_max, ..Shelf::default() })))
    }

    /// An empty buffer that holds at least `want` bytes without growing.
    pub fn buf(&self, want: usize) -> Vec<u8> {
        if !(RECYCLED_BYTES_MIN..=RECYCLED_BYTES_MAX).contains(&want) {
            return Vec::with_capacity(want);
        }
        let class = class_of(want);
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shelf.classes.get_mut(&class).and_then(Vec::pop);
        if found.is_some() {
            shelf.bytes -= class;
        }
        drop(shelf);
        found.unwrap_or_else(|| Vec::with_capacity(class))
    }

    /// Makes a filled buffer immutable; its memory comes back here after its last reader.
    pub fn freeze(&self, buf: Vec<u8>) -> Bytes {
        if !is_class(buf.capacity()) {
            return Bytes::from(buf);
        }
        Bytes::from_owner(Recycled { buf, home: self.clone() })
    }

    /// Takes a buffer back; forgets it when it is of no class or the shelf is full.
    pub fn give(&self, mut buf: Vec<u8>) {
        let class = buf.capacity();
        if !is_class(class) {
            return;
        }
        buf.clear();
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.bytes + class <= shelf.bytes_max {
            shelf.bytes += class;
            shelf.classes.entry(class).or_default().push(buf);
        }
    }

    /// Bytes that wait to be used again.
    pub fn shelved_bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

/// Four classes per doubling, so that at most a fifth of a buffer is unused.
fn class_of(want: usize) -> usize {
    let step = (want.next_power_of_two() / 8).max(1);
    want.div_ceil(step) * step
}

fn is_class(capacity: usize) -> bool {
    (RECYCLED_BYTES_MIN..=RECYCLED_BYTES_MAX).contains(&capacity) && class_of(capacity) == capacity
}

impl AsRef<[u8]> for Recycled {
    fn as_ref(&self) -> &[u8] {
        &self.buf
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_buffer_comes_back_after_its_last_slice_and_keeps_its_capacity() {
        let recycler = Recycler::new(1 << 20);
        let mut buf = recycler.buf(100_000);
        let capacity = buf.capacity();
        assert!(100_000 <= capacity && capacity <= 125_000);
        buf.resize(100_000, 7);
        let bytes = recycler.freeze(buf);
        let slice = bytes.slice(5..9);
        drop(bytes);
        assert_eq!(recycler.shelved_bytes(), 0);
        drop(slice);
        assert_eq!(recycler.shelved_bytes(), capacity);
        let again = recycler.buf(99_000);
        assert_eq!((again.capacity(), again.len(), recycler.shelved_bytes()), (capacity, 0, 0));
    }

    #[test]
    fn the_shelf_is_bounded_and_foreign_sizes_are_left_alone() {
        let recycler = Recycler::new(100_000);
        for _ in 0..4 {
            recycler.give(Vec::with_capacity(class_of(40_000)));
        }
        assert_eq!(recycler.shelved_bytes(), 2 * class_of(40_000));
        recycler.give(Vec::with_capacity(100));
        assert_eq!(recycler.shelved_bytes(), 2 * class_of(40_000));
        for want in [16_384, 16_385, 20_000, 65_536, 1_048_580, RECYCLED_BYTES_MAX] {
            assert!(want <= class_of(want) && is_class(class_of(want)), "{want}");
        }
    }
}
