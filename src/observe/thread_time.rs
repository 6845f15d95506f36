//! The processor time of the thread that asks, for metrics and for the slices of guests.
//!
//! Owns: reading that clock. Leaves to others: what a time may be (`env`, `plugin`).
#![allow(unsafe_code)]

/// Processor time of this thread so far, in nanoseconds: exact when the core is shared, a system
/// call a reading.
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call, which writes nothing else.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "every thread has a processor clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
