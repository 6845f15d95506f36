//! The newest batches of each log in memory, within one bound per shard.
//!
//! Owns: what is kept, and what goes first (the oldest of the shard).
//! Leaves to others: older data (`read`).
//! Invariant: a tail is contiguous up to the log's end; the ledger's sum equals what tails hold.
//! Start reading at: [`Tail::push`].
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use crate::base::Bytes;
use crate::log::{FirstBatch, Found};
use crate::model::Offset;
use crate::record::{Header, StoredBatch};

/// Memory that a kept batch costs apart from its bytes.
const BATCH_OVERHEAD_BYTES: usize = 160;

struct Kept {
    base: Offset,
    last: Offset,
    head: Bytes,
    body: Bytes,
    charge: usize,
}

#[derive(Default)]
struct Batches {
    kept: VecDeque<Kept>,
}

/// The sum over all tails of one shard.
pub struct TailLedger {
    bytes_max: usize,
    bytes: Cell<usize>,
    /// In the order of arrival: whose batch, and which.
    order: RefCell<VecDeque<(Weak<RefCell<Batches>>, Offset)>>,
    kept: Cell<usize>,
}

/// Entries of `order` whose batch is gone already, beyond as many as there are batches.
const STALE_MAX: usize = 1_024;

impl TailLedger {
    pub fn new(bytes_max: usize) -> Rc<Self> {
        Rc::new(Self {
            bytes_max,
            bytes: Cell::new(0),
            order: RefCell::default(),
            kept: Cell::new(0),
        })
    }

    pub fn held_bytes(&self) -> usize {
        self.bytes.get()
    }

    fn shrink(&self) {
        while self.bytes_max < self.bytes.get() {
            let Some((tail, base)) = self.order.borrow_mut().pop_front() else { return };
            let Some(tail) = tail.upgrade() else { continue };
            let mut batches = tail.borrow_mut();
            if batches.kept.front().is_some_and(|kept| kept.base == base) {
                let gone = batches.kept.pop_front().expect("just seen");
                self.release(gone.charge, 1);
            }
        }
        let mut order = self.order.borrow_mut();
        if 2 * self.kept.get() + STALE_MAX < order.len() {
            order.retain(|(tail, base)| {
                tail.upgrade().is_some_and(|tail| {
                    tail.borrow().kept.front().is_some_and(|front| front.base <= *base)
                })
            });
        }
    }

    fn release(&self, bytes: usize, batches: usize) {
        self.bytes.set(self.bytes.get() - bytes);
        self.kept.set(self.kept.get() - batches);
    }
}

/// The newest batches of one log.
pub struct Tail {
    batches: Rc<RefCell<Batches>>,
    ledger: Rc<TailLedger>,
}

impl Tail {
    pub fn new(ledger: Rc<TailLedger>) -> Self {
        Self { batches: Rc::default(), ledger }
    }

    /// Keeps a batch, whose body does not keep much other memory alive.
    pub fn push(&self, stored: &StoredBatch) {
        let bytes = stored.len_bytes();
        if self.ledger.bytes_max < bytes + BATCH_OVERHEAD_BYTES {
            // It would drive everything else out; and a gap must not stay behind it.
            self.clear();
            return;
        }
        let header: &Header = &stored.header;
        let charge = bytes + BATCH_OVERHEAD_BYTES;
        let (base, last) = (header.base_offset, header.last_offset());
        let kept =
            Kept { base, last, head: stored.head.clone(), body: stored.body.clone(), charge };
        self.batches.borrow_mut().kept.push_back(kept);
        self.ledger.bytes.set(self.ledger.bytes.get() + charge);
        self.ledger.kept.set(self.ledger.kept.get() + 1);
        self.ledger.order.borrow_mut().push_back((Rc::downgrade(&self.batches), base));
        self.ledger.shrink();
    }

    /// Whole batches from the one that holds `from`, or `None` when that is no longer here.
    ///
    /// Ends before `upper` and within `bytes_max`, but for a first batch by `rule`.
    pub fn read(
        &self,
        from: Offset,
        bytes_max: usize,
        rule: FirstBatch,
        upper: Offset,
    ) -> Option<Found> {
        let batches = self.batches.borrow();
        if from < batches.kept.front()?.base {
            return None;
        }
        let first = batches.kept.partition_point(|kept| kept.last < from);
        let mut out = Vec::new();
        let (mut bytes, mut next, mut more) = (0, from, false);
        for kept in batches.kept.range(first..) {
            let size = kept.head.len() + kept.body.len();
            let alone = out.is_empty() && rule == FirstBatch::Always;
            let full = !alone && bytes_max < bytes + size;
            if upper <= kept.last || full {
                more = kept.last < upper;
                break;
            }
            out.push(kept.head.clone());
            if !kept.body.is_empty() {
                out.push(kept.body.clone());
            }
            bytes += size;
            next = Offset(kept.last.0 + 1);
        }
        Some(Found { slices: out, next, more })
    }

    /// Forgets the batches below `offset`: compaction gave them another form.
    pub fn drop_below(&self, offset: Offset) {
        let mut batches = self.batches.borrow_mut();
        while batches.kept.front().is_some_and(|kept| kept.base < offset) {
            let gone = batches.kept.pop_front().expect("just seen");
            self.ledger.release(gone.charge, 1);
        }
    }

    pub fn clear(&self) {
        let gone = std::mem::take(&mut self.batches.borrow_mut().kept);
        let charge: usize = gone.iter().map(|kept| kept.charge).sum();
        self.ledger.release(charge, gone.len());
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.clear();
    }
}
