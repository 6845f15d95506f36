//! Waiting for what another process does: looking again until it is so, and giving up.
//!
//! Owns: the pause between two looks; the only place in `tests/it` that sleeps.
//! Leaves to others: what is waited for, and for how long.
//! Start reading at: [`Wait`].
use std::time::{Duration, Instant};

/// What a machine under load may take for what is done at once.
pub const SOON: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A wait that ends in time: `while !done { wait.again(|| …) }`.
pub struct Wait {
    begun: Instant,
    within: Duration,
}

impl Wait {
    pub fn for_at_most(within: Duration) -> Self {
        Self { begun: Instant::now(), within }
    }

    /// Pauses before the next look; fails with the words of `late` when it has taken too long.
    #[track_caller]
    pub fn again(&self, late: impl FnOnce() -> String) {
        assert!(self.begun.elapsed() < self.within, "not within {:?}: {}", self.within, late());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets time pass where a length of time is what a test is about; nothing is waited for.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
