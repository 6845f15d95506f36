//! Memory budgets: an account that must be charged before memory is taken.
//!
//! Owns: how much of an account is used, and who waits for it.
//! Invariant: `used` never exceeds the bound, except for one permit larger than the whole bound,
//! which is given out alone. Who waits is served in the order of asking: a large one is not
//! passed by small ones for ever.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::env::local::Notify;
use crate::observe::MemoryMetrics;

pub struct Budget {
    bytes_max: usize,
    used: Cell<usize>,
    /// By number of arrival.
    line: RefCell<BTreeMap<u64, Notify>>,
    tickets: Cell<u64>,
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
    called: Notify,
}

impl Budget {
    pub fn new(bytes_max: usize, metrics: MemoryMetrics) -> Rc<Self> {
        metrics.bound_bytes.inc_by(bytes_max as i64);
        Rc::new(Self {
            bytes_max,
            used: Cell::new(0),
            line: RefCell::default(),
            tickets: Cell::new(0),
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
            place.called.changed().await;
        }
        let permit = self.charge(bytes);
        drop(place);
        permit
    }

    /// Takes `bytes` when they fit now and nobody waits.
    pub fn try_take(self: &Rc<Self>, bytes: usize) -> Option<Permit> {
        if !self.line.borrow().is_empty() || !self.fits(bytes) {
            self.metrics.refusals_total.inc();
            return None;
        }
        Some(self.charge(bytes))
    }

    /// Notes memory that is taken already, also above the bound: for what is small, or cannot wait.
    pub fn charge(self: &Rc<Self>, bytes: usize) -> Permit {
        self.used.set(self.used.get() + bytes);
        self.metrics.used_bytes.inc_by(bytes as i64);
        Permit { budget: self.clone(), bytes }
    }

    fn fits(&self, bytes: usize) -> bool {
        let used = self.used.get();
        used == 0 || used.saturating_add(bytes) <= self.bytes_max
    }

    fn release(&self, bytes: usize) {
        self.used.set(self.used.get() - bytes);
        self.metrics.used_bytes.dec_by(bytes as i64);
        self.call_first();
    }

    /// Lets the first in line look again.
    fn call_first(&self) {
        let first = self.line.borrow().first_key_value().map(|(_, called)| called.clone());
        if let Some(called) = first {
            called.notify_all();
        }
    }
}

impl Permit {
    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.bytes -= over;
        self.budget.release(over);
    }
}

impl<'a> Place<'a> {
    fn last(budget: &'a Budget) -> Self {
        let (ticket, called) = (budget.tickets.get(), Notify::default());
        budget.tickets.set(ticket + 1);
        budget.line.borrow_mut().insert(ticket, called.clone());
        Self { budget, ticket, called }
    }

    fn is_first(&self) -> bool {
        let line = self.budget.line.borrow();
        line.first_key_value().is_some_and(|(first, _)| *first == self.ticket)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.line.borrow_mut().remove(&self.ticket);
        self.budget.call_first();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::observe::Metrics;

    #[test]
    fn who_waits_is_served_in_order_and_a_large_one_is_not_passed() {
        let metrics = Metrics::new().memory("test");
        let budget = Budget::new(100, metrics.clone());
        let mut cx = Context::from_waker(Waker::noop());
        let mut held = budget.try_take(70).unwrap();
        {
            let mut large = pin!(budget.take(90));
            let mut gone = Box::pin(budget.take(60));
            let mut small = pin!(budget.take(10));
            assert!(large.as_mut().poll(&mut cx).is_pending());
            assert!(gone.as_mut().poll(&mut cx).is_pending());
            assert!(small.as_mut().poll(&mut cx).is_pending(), "it would fit, but came later");
            assert!(budget.try_take(1).is_none());
            held.shrink(20);
            assert!(large.as_mut().poll(&mut cx).is_pending(), "110 of 100");
            held.shrink(10);
            let Poll::Ready(large) = large.as_mut().poll(&mut cx) else { panic!("it fits") };
            assert!(small.as_mut().poll(&mut cx).is_pending());
            drop(gone);
            drop(held);
            assert!(small.as_mut().poll(&mut cx).is_ready());
            drop(large);
        }
        assert_eq!(metrics.used_bytes.get(), 0);
        // More than there is at all: alone.
        let alone = budget.try_take(1_000).unwrap();
        assert!(budget.try_take(1).is_none());
        drop(alone);
        assert_eq!(metrics.used_bytes.get(), 0);
    }
}
