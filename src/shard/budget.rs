//! Memory budgets: an account that must be charged before memory is taken.
//!
//! Owns: how much of an account is used, and who waits for it.
//! Invariant: `used` never exceeds the bound, except for one permit larger than the whole bound,
//! which is given out alone.
use std::cell::Cell;
use std::rc::Rc;

use crate::env::local::Notify;
use crate::observe::MemoryMetrics;

pub struct Budget {
    bytes_max: usize,
    used: Cell<usize>,
    freed: Notify,
    metrics: MemoryMetrics,
}

/// A part of a budget; given back when dropped.
pub struct Permit {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Budget {
    pub fn new(bytes_max: usize, metrics: MemoryMetrics) -> Rc<Self> {
        metrics.bound_bytes.inc_by(bytes_max as i64);
        Rc::new(Self { bytes_max, used: Cell::new(0), freed: Notify::default(), metrics })
    }

    /// Waits until `bytes` fit.
    pub async fn take(self: &Rc<Self>, bytes: usize) -> Permit {
        while 0 < self.used.get() && self.bytes_max < self.used.get() + bytes {
            self.metrics.refusals_total.inc();
            self.freed.changed().await;
        }
        self.used.set(self.used.get() + bytes);
        self.metrics.used_bytes.inc_by(bytes as i64);
        Permit { budget: self.clone(), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let budget = &self.budget;
        budget.used.set(budget.used.get() - self.bytes);
        budget.metrics.used_bytes.dec_by(self.bytes as i64);
        budget.freed.notify_all();
    }
}
