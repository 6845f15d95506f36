//! A latency histogram that a shard updates without a lock.
//!
//! Owns: bucket bounds, counting. Leaves to others: the clock (durations come in as nanoseconds).
//! Invariant: an observation touches one bucket and one sum, both relaxed atomics; a scrape takes
//! its count from the buckets themselves, so `_count` and the `+Inf` bucket always agree.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

const NANOS_PER_SECOND: f64 = 1e9;

/// Bounds for requests, syncs and passes: 10 µs to 10 s.
pub(super) const REQUEST_BOUNDS_NS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// Bounds for plugin calls: 500 ns to 1 s.
pub(super) const CALL_BOUNDS_NS: &[u64] = &[
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    50_000_000,
    250_000_000,
    1_000_000_000,
];

/// Bounds for turns of a shard: 10 µs to 1 s.
const TURN_BOUNDS_NS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    4_000_000,
    8_000_000,
    16_000_000,
    64_000_000,
    250_000_000,
    1_000_000_000,
];

/// Counts durations; clones share the same counts.
#[derive(Clone, Debug)]
pub struct SecondsHistogram {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bounds_ns: &'static [u64],
    /// One per bound, and one for everything above the last.
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Default for SecondsHistogram {
    /// For requests, syncs and passes.
    fn default() -> Self {
        Self::requests()
    }
}

impl SecondsHistogram {
    pub(super) fn with_bounds(bounds_ns: &'static [u64]) -> Self {
        let counts = (0..=bounds_ns.len()).map(|_| AtomicU64::new(0)).collect();
        Self { inner: Arc::new(Inner { bounds_ns, counts, sum_ns: AtomicU64::new(0) }) }
    }

    pub(super) fn requests() -> Self {
        Self::with_bounds(REQUEST_BOUNDS_NS)
    }

    pub(super) fn calls() -> Self {
        Self::with_bounds(CALL_BOUNDS_NS)
    }

    pub(super) fn turns() -> Self {
        Self::with_bounds(TURN_BOUNDS_NS)
    }

    /// Counts one duration of `nanos` nanoseconds.
    pub fn observe_ns(&self, nanos: u64) {
        let bucket = self.inner.bounds_ns.partition_point(|bound| *bound < nanos);
        self.inner.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.inner.sum_ns.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Observations so far.
    pub fn count(&self) -> u64 {
        self.inner.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Upper bound in nanoseconds of the bucket in which the quantile lies; 0 without observations.
    ///
    /// `per_1000` is the quantile in thousandths: 990 is the 99th percentile. Above the last bound
    /// the answer is that last bound.
    pub fn quantile_ns(&self, per_1000: u64) -> u64 {
        let total = self.count();
        if total == 0 {
            return 0;
        }
        let rank = (total * per_1000).div_ceil(1000).max(1);
        let mut seen = 0;
        for (at, count) in self.inner.counts.iter().enumerate() {
            seen += count.load(Ordering::Relaxed);
            if rank <= seen {
                let last = self.inner.bounds_ns.len() - 1;
                return self.inner.bounds_ns[at.min(last)];
            }
        }
        *self.inner.bounds_ns.last().expect("bounds are a constant with entries")
    }
}

impl TypedMetric for SecondsHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for SecondsHistogram {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let bounds = self.inner.bounds_ns.iter().map(|ns| *ns as f64 / NANOS_PER_SECOND);
        let counts = self.inner.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> =
            bounds.chain(std::iter::once(f64::MAX)).zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.inner.sum_ns.load(Ordering::Relaxed) as f64 / NANOS_PER_SECOND;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
