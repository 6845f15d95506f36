//! Memory budgets: an account that must be charged before memory is taken.
//!
//! Owns: how much of an account is used, and who waits for it.
//! Invariant: `used` never exceeds the bound, except for one permit larger than the whole bound,
//! which is given out alone. Who waits is served in the order of asking: a large one is not
//! passed by small ones for ever.
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::env::local::Notify;
use crate::observe::MemoryMetrics;

pub struct Budget {
    bytes_max: usize,
    used: Cell<usize>,
    line: RefCell<VecDeque<u64>>,
    tickets: Cell<u64>,
    changed: Notify,
    metrics: MemoryMetrics,
}

/// A part of a budget; given back when dropped.
pub struct Permit {
    budget: Rc<Budget>,
    bytes: usize,
}

/// A place in the line of those who wait; left when dropped.
struct Place<'a> {
    budget: &'a Budget,
    ticket: u64,
}

impl Budget {
    pub fn new(bytes_max: usize, metrics: MemoryMetrics) -> Rc<Self> {
        metrics.bound_bytes.inc_by(bytes_max as i64);
        Rc::new(Self {
            bytes_max,
            used: Cell::new(0),
            line: RefCell::default(),
            tickets: Cell::new(0),
            changed: Notify::default(),
            metrics,
        })
    }

    /// Waits until `bytes` fit and everybody who asked before has been served.
    pub async fn take(self: &Rc<Self>, bytes: usize) -> Permit {
        if let Some(permit) = self.try_take(bytes) {
            return permit;
        }
        let place = Place::last(self);
        while !place.is_first() || !self.fits(bytes) {
            self.changed.changed().await;
        }
        drop(place);
        self.charge(bytes)
    }

    /// Takes `bytes` when they fit now and nobody waits.
    pub fn try_take(self: &Rc<Self>, bytes: usize) -> Option<Permit> {
        if !self.line.borrow().is_empty() || !self.fits(bytes) {
            self.metrics.refusals_total.inc();
            return None;
        }
        Some(self.charge(bytes))
    }

    fn fits(&self, bytes: usize) -> bool {
        let used = self.used.get();
        used == 0 || used.saturating_add(bytes) <= self.bytes_max
    }

    fn charge(self: &Rc<Self>, bytes: usize) -> Permit {
        self.used.set(self.used.get() + bytes);
        self.metrics.used_bytes.inc_by(bytes as i64);
        Permit { budget: self.clone(), bytes }
    }
}

impl<'a> Place<'a> {
    fn last(budget: &'a Budget) -> Self {
        let ticket = budget.tickets.get();
        budget.tickets.set(ticket + 1);
        budget.line.borrow_mut().push_back(ticket);
        Self { budget, ticket }
    }

    fn is_first(&self) -> bool {
        self.budget.line.borrow().front() == Some(&self.ticket)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.line.borrow_mut().retain(|ticket| *ticket != self.ticket);
        self.budget.changed.notify_all();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let budget = &self.budget;
        budget.used.set(budget.used.get() - self.bytes);
        budget.metrics.used_bytes.dec_by(self.bytes as i64);
        budget.changed.notify_all();
    }
}
