//! Breaker: stops calling a plugin that keeps failing, and tries it again with one probe.
//!
//! Owns: when a call may go through. Reads no clock and rolls no dice: time comes in as `now_ms`,
//! jitter as `jitter_ms`.

/// Failures within [`WINDOW_MS`] that open the breaker.
pub const FAILURES_MAX: usize = 3;
pub const WINDOW_MS: u64 = 10_000;
pub const OPEN_MS_MIN: u64 = 1_000;
pub const OPEN_MS_MAX: u64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until_ms: u64,
    },
    /// One probe is under way.
    Probing,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Pass,
    /// This call is the probe: the others wait for its outcome.
    Probe,
    Refuse {
        wait_ms: u64,
    },
}

/// One per binding and shard.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures_ms: Vec<u64>,
    open_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, failures_ms: Vec::new(), open_ms: OPEN_MS_MIN }
    }
}

impl Breaker {
    pub fn ask(&mut self, now_ms: u64) -> Gate {
        match self.state {
            State::Closed => Gate::Pass,
            State::Open { until_ms } if until_ms <= now_ms => {
                self.state = State::Probing;
                Gate::Probe
            }
            State::Open { until_ms } => Gate::Refuse { wait_ms: until_ms - now_ms },
            State::Probing => Gate::Refuse { wait_ms: 0 },
        }
    }

    /// Whether calls are refused now, and for how long.
    pub fn open_for_ms(&self, now_ms: u64) -> Option<u64> {
        match self.state {
            State::Closed => None,
            State::Open { until_ms } => Some(until_ms.saturating_sub(now_ms)),
            State::Probing => Some(0),
        }
    }

    pub fn succeeded(&mut self) {
        if self.state == State::Probing {
            *self = Self::default();
        }
    }

    /// Returns whether this failure opened the breaker. `ran_ms`: how long the failed call ran.
    /// That time does not count: a plugin that loops for longer than the window would else never
    /// fail often enough in it.
    pub fn failed(&mut self, now_ms: u64, ran_ms: u64, jitter_ms: u64) -> bool {
        match self.state {
            State::Probing => {
                self.open_ms = (self.open_ms * 2).min(OPEN_MS_MAX);
                self.state = State::Open { until_ms: now_ms + self.open_ms + jitter_ms };
                true
            }
            State::Closed => {
                for at_ms in &mut self.failures_ms {
                    *at_ms = at_ms.saturating_add(ran_ms).min(now_ms);
                }
                self.failures_ms.retain(|&at_ms| now_ms < at_ms + WINDOW_MS);
                self.failures_ms.push(now_ms);
                if self.failures_ms.len() < FAILURES_MAX {
                    return false;
                }
                self.failures_ms.clear();
                self.state = State::Open { until_ms: now_ms + self.open_ms + jitter_ms };
                true
            }
            // A call that was let through before the breaker opened.
            State::Open { .. } => false,
        }
    }

    /// The probe was given up (client gone, swap) without an outcome: the next call probes.
    pub fn abandoned(&mut self, now_ms: u64) {
        if self.state == State::Probing {
            self.state = State::Open { until_ms: now_ms };
        }
    }
}
