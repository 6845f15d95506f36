//! Fences: before segments are removed or replaced, the journal must have let go of them.
//!
//! Owns: what of a log the journal may still hold. Leaves to others: checkpoints.
//! Invariant: below [`Fence::clear`] no block that recovery would read has a batch of the log, so
//! nothing writes such a batch into a file that is gone or another one.
use crate::log::{DiskError, Log};
use crate::model::Offset;

/// Which batches of a log the journal may hold: those from `clear` to `pushed`.
#[derive(Clone, Copy, Debug)]
pub struct Fence {
    clear: Offset,
    pushed: Offset,
}

impl Fence {
    /// A log that was just opened; journals of an earlier process still hold it from `held` on.
    pub fn opened(held: Option<Offset>, end: Offset) -> Self {
        Self { clear: held.map_or(end, |from| from.min(end)), pushed: end }
    }

    /// Notes that a batch at `base` that ends at `end` goes to the journal.
    pub fn push(&mut self, base: Offset, end: Offset) {
        if self.pushed <= self.clear {
            self.clear = base;
        }
        self.pushed = end;
    }

    /// Behind the last batch that went to the journal.
    pub fn pushed(&self) -> Offset {
        self.pushed
    }

    /// Notes that recovery reads no block with batches below `end`.
    pub fn cleared(&mut self, end: Offset) {
        self.clear = self.clear.max(end);
    }

    /// Notes that recovery reads no block with batches of the log.
    pub fn cleared_all(&mut self) {
        self.cleared(self.pushed);
    }

    /// Whether recovery may read a block with a batch below `end`.
    pub fn holds_below(&self, end: Offset) -> bool {
        self.clear < self.pushed && self.clear < end
    }
}

impl Log {
    /// Waits until no recovery would write a batch below `end` again.
    ///
    /// Errors: also a full disk that holds the journal up, be it by another log.
    pub(in crate::log) async fn fenced(&self, end: Offset) -> Result<(), DiskError> {
        loop {
            let fence = self.state.borrow().behind.fence;
            if !fence.holds_below(end) {
                return Ok(());
            }
            self.home.journal.checkpoint().await?;
            self.state.borrow_mut().behind.fence.cleared(fence.pushed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_checkpoint_has_not_passed_is_held() {
        let mut fence = Fence::opened(None, Offset(5));
        assert!(!fence.holds_below(Offset(9)));
        fence.push(Offset(7), Offset(9));
        fence.push(Offset(9), Offset(12));
        assert!(!fence.holds_below(Offset(7)));
        assert!(fence.holds_below(Offset(8)));
        fence.cleared(Offset(9));
        assert!(!fence.holds_below(Offset(9)) && fence.holds_below(Offset(10)));
        fence.cleared(Offset(12));
        assert!(!fence.holds_below(Offset(99)));
        fence.push(Offset(20), Offset(21));
        assert!(!fence.holds_below(Offset(20)) && fence.holds_below(Offset(21)));
    }
}
