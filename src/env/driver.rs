//! What is below the seam: the one trait that the io_uring driver and the simulator implement.
//!
//! Owns: the contract of a turn. Implementations: `io` and `sim`.
use crate::env::seam::Seam;

/// Whether a turn may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Tasks are ready: only look.
    No,
    /// Sleep until a completion, a letter or the next timer.
    UntilEvent,
}

/// What a driver must do, once per turn. This is the whole interface below the seam.
pub trait Driver {
    /// Takes the turn's work from the seam, performs or submits it, delivers results.
    ///
    /// Says false when nothing can ever happen again (only a simulator knows).
    fn turn(&mut self, seam: &Seam, wait: Wait) -> bool;

    /// The shard's tasks are gone: starts the last work, refuses mail from now on.
    fn stop(&mut self, seam: &Seam);

    /// Nanoseconds by which the executor measures its slice; `None` when only polls bound it.
    fn slice_clock(&self) -> Option<u64>;

    /// Processor time of this thread in nanoseconds; `None` where turns are not measured.
    fn thread_cpu_ns(&self) -> Option<u64>;
}
