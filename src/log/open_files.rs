//! The files that logs of one shard keep open, at most a fixed number.
//!
//! Owns: which one is closed when another is opened: one that was not used since it was looked at
//! last. Leaves to others: opening (`writer`, `read`); whoever uses a file at that moment holds it.
//! Invariant: between two openings at most the bound's number of files is kept for later use.
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use crate::log::Log;
use crate::log::segment::Closed;

/// A kept file.
enum Kept {
    Active(Weak<Log>),
    Closed(Weak<Closed>),
}

pub struct OpenFiles {
    max: Cell<usize>,
    kept: RefCell<VecDeque<Kept>>,
}

impl OpenFiles {
    pub fn new(max: usize) -> Self {
        Self { max: Cell::new(max), kept: RefCell::default() }
    }

    pub fn set_max(&self, max: usize) {
        self.max.set(max);
    }

    /// Notes that a log keeps the file of its active segment open.
    pub fn keep_active(&self, log: Weak<Log>) {
        self.keep(Kept::Active(log));
    }

    /// Notes that a closed segment keeps its file and index.
    pub fn keep_closed(&self, segment: &Rc<Closed>) {
        self.keep(Kept::Closed(Rc::downgrade(segment)));
    }

    fn keep(&self, one: Kept) {
        let mut kept = self.kept.borrow_mut();
        kept.push_back(one);
        // Each that was used gets a second chance, so twice around is enough.
        let mut chances = 2 * kept.len();
        while self.max.get() < kept.len() && 0 < chances {
            chances -= 1;
            let Some(coldest) = kept.pop_front() else { return };
            if coldest.was_used() {
                kept.push_back(coldest);
            } else {
                coldest.close();
            }
        }
    }
}

impl Kept {
    /// Whether somebody used it since the last question.
    fn was_used(&self) -> bool {
        match self {
            Self::Active(log) => log.upgrade().is_some_and(|log| log.used_active()),
            Self::Closed(_) => false,
        }
    }

    fn close(self) {
        match self {
            Self::Active(log) => log.upgrade().into_iter().for_each(|log| log.close_active()),
            Self::Closed(segment) => {
                segment.upgrade().into_iter().for_each(|closed| drop(closed.warm.take()));
            }
        }
    }
}

impl Log {
    fn used_active(&self) -> bool {
        // Whoever notes a file has just let go of the state.
        self.state
            .try_borrow_mut()
            .is_ok_and(|mut state| std::mem::take(&mut state.on_disk.active_used))
    }

    /// The file is opened again by whom needs it; what is written and not synced stays so.
    fn close_active(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.on_disk.active = None;
        }
    }
}
