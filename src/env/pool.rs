//! The receive chunks of one shard: memory that waits with the driver or is held by a reader.
//!
//! Owns: the memory. A chunk *moves* between driver and reader, so neither can see the other's.
//! Invariant: `free + held == chunks`; a dropped [`Chunk`] is free again.
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

#[derive(Debug)]
struct Shelf {
    slots: Vec<Option<Vec<u8>>>,
    /// Ids that came back since the driver last looked.
    returned: Vec<u16>,
    held: usize,
}

#[derive(Clone, Debug)]
pub struct Pool {
    shelf: Rc<RefCell<Shelf>>,
    pub chunk_bytes: usize,
    pub chunks: u16,
}

impl Pool {
    pub fn new(chunks: u16, chunk_bytes: usize) -> Self {
        assert!(chunks.is_power_of_two());
        let slots = (0..chunks).map(|_| Some(Vec::with_capacity(chunk_bytes))).collect();
        let shelf = Shelf { slots, returned: (0..chunks).collect(), held: 0 };
        Self { shelf: Rc::new(RefCell::new(shelf)), chunk_bytes, chunks }
    }

    /// Ids that the driver may hand to the kernel again.
    pub fn take_returned(&self, out: &mut Vec<u16>) {
        out.append(&mut self.shelf.borrow_mut().returned);
    }

    /// Address of a chunk that the driver holds; stable until [`Pool::take`].
    pub fn address(&self, id: u16) -> *mut u8 {
        let mut shelf = self.shelf.borrow_mut();
        shelf.slots[usize::from(id)].as_mut().expect("the driver holds this chunk").as_mut_ptr()
    }

    /// Moves a chunk's memory out of the driver's hands; `fill` says what is in it.
    pub fn take(&self, id: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Chunk {
        let mut shelf = self.shelf.borrow_mut();
        let mut bytes = shelf.slots[usize::from(id)].take().expect("held once");
        shelf.held += 1;
        drop(shelf);
        bytes.clear();
        fill(&mut bytes);
        Chunk { bytes, home: Some((id, self.clone())) }
    }

    /// Chunks that readers hold, read or unread.
    pub fn held(&self) -> usize {
        self.shelf.borrow().held
    }

    /// Whether readers hold so many chunks that unread ones must not stay in the pool's memory.
    pub fn is_short(&self) -> bool {
        usize::from(self.chunks) < 2 * self.held()
    }
}

/// Received bytes; dropping it gives the pool its buffer back.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// `None` when the bytes were copied out because the pool was short.
    home: Option<(u16, Pool)>,
}

impl Chunk {
    /// Copies the bytes into memory of their own, so that the pool has its buffer back at once.
    pub(crate) fn into_own_memory(self) -> Self {
        Self { bytes: self.bytes.clone(), home: None }
    }
}

impl Deref for Chunk {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let Some((id, pool)) = self.home.take() else { return };
        let mut shelf = pool.shelf.borrow_mut();
        shelf.slots[usize::from(id)] = Some(std::mem::take(&mut self.bytes));
        shelf.returned.push(id);
        shelf.held -= 1;
    }
}
