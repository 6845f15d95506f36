//! What the broker tells about itself: metrics and log lines.
//!
//! Owns: the names of all metric families (API from 0.1 on), their labels, the form of a log line,
//! the clock of a thread's processor time.
//! Leaves to others: when to count, and how the numbers leave the process (`admin`).
//! Invariant: every label value comes from a bounded set; never from a client id or plugin text.
//! Start reading at: [`Metrics`], then [`start_logging`].

mod api_name;
mod lines;
mod metrics;
mod seconds;
#[cfg(test)]
mod tests;
mod thread_time;

pub use api_name::{API_KEYS_MAX, api_name};
pub use lines::{LoggingError, start_logging};
pub use metrics::{
    ApiMetrics, CompactionMetrics, CompactionOutcome, ConnectionMetrics, FetchMetrics, LogMetrics,
    MemoryMetrics, Metrics, PluginMetrics, ProduceMetrics, RemovalReason, TopicVerdicts,
};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use seconds::SecondsHistogram;
pub use thread_time::thread_cpu_ns;
