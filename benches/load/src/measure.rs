//! Latencies of a run, and when what is due.
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::Failed;

const LATENCY_NS_MAX: u64 = 600 * 1_000_000_000;
const DIGITS: u8 = 3;

/// How long things took, from the moment when they were due.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    pub fn new() -> Result<Self, Failed> {
        Ok(Self(Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, DIGITS)?))
    }

    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(LATENCY_NS_MAX));
    }

    pub fn add(&mut self, other: &Self) -> Result<(), Failed> {
        Ok(self.0.add(&other.0)?)
    }

    /// Puts `p50_ms`, `p99_ms`, `p999_ms` and `max_ms` into the line; nothing when there are none.
    pub fn put_into(&self, line: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        let ms = |ns: u64| json!(ns as f64 / 1e6);
        for (name, quantile) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999)] {
            line[name] = ms(self.0.value_at_quantile(quantile));
        }
        line["max_ms"] = ms(self.0.max());
    }
}

/// Makes sleeps end when they should: the kernel lets them last 50 µs longer by default.
///
/// Called before threads start, which inherit it.
pub fn wake_exactly() -> Result<(), Failed> {
    Ok(std::fs::write("/proc/self/timerslack_ns", "1")?)
}

pub fn sleep_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}
