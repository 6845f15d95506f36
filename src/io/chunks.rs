//! The receive chunks that one io_uring holds: in a provided-buffer ring, or in a list without it.
//!
//! Owns: the ring's page. The chunks themselves belong to [`Pool`], which moves them.
//! Invariant: an id is in the kernel's ring exactly while the pool says that the driver holds it.
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::{Submitter, types::BufRingEntry};

use crate::env::pool::{Chunk, Pool};

pub const GROUP: u16 = 0;
const PAGE_BYTES: usize = 4_096;

/// Where a shard's free chunks wait.
pub enum Chunks {
    Ring(ChunkRing),
    /// Without provided buffers this driver receives by itself, into chunks of this list.
    List {
        pool: Pool,
        free: Vec<u16>,
    },
}

impl Chunks {
    pub fn list(pool: Pool) -> Self {
        Self::List { pool, free: Vec::new() }
    }

    /// Takes back the chunks that readers dropped.
    pub fn take_back(&mut self) {
        match self {
            Self::Ring(ring) => ring.give_returned(),
            Self::List { pool, free } => pool.take_returned(free),
        }
    }
}

pub struct ChunkRing {
    entries: *mut BufRingEntry,
    layout: Layout,
    tail: u16,
    pool: Pool,
    returned: Vec<u16>,
}

impl ChunkRing {
    pub fn register(submitter: &Submitter<'_>, pool: Pool) -> std::io::Result<Self> {
        let bytes = usize::from(pool.chunks) * size_of::<BufRingEntry>();
        let layout = Layout::from_size_align(bytes, PAGE_BYTES).expect("a small ring");
        // SAFETY: the layout has a size above 0.
        let entries = unsafe { alloc_zeroed(layout) }.cast::<BufRingEntry>();
        if entries.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the page lives until `unregister`, which tells the kernel before freeing it.
        let registered = unsafe {
            submitter.register_buf_ring_with_flags(entries as u64, pool.chunks, GROUP, 0)
        };
        let mut ring = Self { entries, layout, tail: 0, pool, returned: Vec::new() };
        if let Err(error) = registered {
            ring.free();
            return Err(error);
        }
        ring.give_returned();
        Ok(ring)
    }

    /// Hands chunks that readers dropped back to the kernel.
    fn give_returned(&mut self) {
        self.pool.take_returned(&mut self.returned);
        if self.returned.is_empty() {
            return;
        }
        for id in self.returned.drain(..) {
            let at = usize::from(self.tail & (self.pool.chunks - 1));
            // SAFETY: `at` is inside the ring; the kernel reads entries only below the tail, which
            // moves after the loop. The setters leave the tail, which lies in entry 0, alone.
            let entry = unsafe { &mut *self.entries.add(at) };
            entry.set_addr(self.pool.address(id) as u64);
            entry.set_len(self.pool.chunk_bytes as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
        }
        // SAFETY: `tail` points into the page that we own; the kernel reads it atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Takes a chunk that the kernel filled with `result` bytes (or picked and left empty).
    pub fn take(&self, id: u16, result: i32) -> Chunk {
        let len = usize::try_from(result).unwrap_or(0);
        assert!(len <= self.pool.chunk_bytes);
        // SAFETY: the kernel wrote `len` bytes from the start of the chunk and gave it back.
        self.pool.take(id, |bytes| unsafe { bytes.set_len(len) })
    }

    pub fn unregister(&mut self, submitter: &Submitter<'_>) {
        submitter.unregister_buf_ring(GROUP).expect("it was registered");
        self.free();
    }

    fn free(&mut self) {
        // SAFETY: allocated with this layout, freed once: by a failed `register` or `unregister`.
        unsafe { dealloc(self.entries.cast(), self.layout) };
    }
}
