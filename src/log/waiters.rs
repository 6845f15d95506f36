//! Tasks that wait for an end to reach an offset, woken in order and only when it has.
//!
//! Owns: the wakers. Invariant: a future that ended or was dropped leaves nothing behind.
use std::collections::BTreeMap;
use std::task::Waker;

use crate::model::Offset;

#[derive(Default)]
pub struct Waiters {
    waiting: BTreeMap<(Offset, u64), Waker>,
    next: u64,
}

impl Waiters {
    /// Registers or renews a waker for `end`; the ticket names it.
    pub fn wait(&mut self, end: Offset, ticket: &mut Option<u64>, waker: &Waker) {
        let id = *ticket.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.waiting.insert((end, id), waker.clone());
    }

    pub fn forget(&mut self, end: Offset, ticket: u64) {
        self.waiting.remove(&(end, ticket));
    }

    /// Takes the wakers of all that wait for at most `reached`.
    pub fn take(&mut self, reached: Offset, out: &mut Vec<Waker>) {
        if self.waiting.first_key_value().is_none_or(|(key, _)| reached < key.0) {
            return;
        }
        let rest = self.waiting.split_off(&(reached, u64::MAX));
        out.extend(std::mem::replace(&mut self.waiting, rest).into_values());
    }

    pub fn take_all(&mut self, out: &mut Vec<Waker>) {
        out.extend(std::mem::take(&mut self.waiting).into_values());
    }
}
