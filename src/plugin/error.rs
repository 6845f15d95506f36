//! Why a plugin gave no answer.

use crate::plugin::log_gate::escaped;

/// The plugin says no: rows that belong nowhere. No rows: the whole batch is at fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Escaped and cut: it goes to clients.
    pub message: String,
    /// Ascending indexes into the batch.
    pub rows: Vec<u32>,
}

/// Why there is no decision. What follows is up to the binding's failure policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing failed: no version is live, or its code is still being made.
    #[error("not ready: {0}")]
    NotReady(String),
    #[error("it failed repeatedly and is tried again in {wait_ms} ms")]
    BreakerOpen { wait_ms: u64 },
    /// Too many calls wait for this plugin on this shard, or this one waited too long.
    #[error("calls come faster than the plugin answers within its share of the processor")]
    Busy,
    /// The plugin refused its settings.
    #[error("it refused its settings: {0}")]
    Init(String),
    /// The plugin's considered answer is no.
    #[error("{}", .0.message)]
    Refused(Fault),
    #[error("malformed answer: {0}")]
    Malformed(String),
    #[error("it ran {used_ms} ms without an answer, which is its budget")]
    Budget { used_ms: u64 },
    #[error("no answer before the request's time was over")]
    Wall,
    #[error("it wanted more than {} MiB of memory", super::world::MEMORY_BYTES_MAX >> 20)]
    Memory,
    #[error("trap: {0}")]
    Trap(String),
}

impl CallError {
    /// One word for metrics; never text of the plugin.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotReady(_) => "not_ready",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Busy => "busy",
            Self::Init(_) => "init",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
            Self::Budget { .. } => "budget",
            Self::Wall => "wall",
            Self::Memory => "memory",
            Self::Trap(_) => "trap",
        }
    }

    /// Whether the plugin broke its promise: the instance is thrown away, the breaker counts it.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Init(_)
            | Self::Malformed(_)
            | Self::Budget { .. }
            | Self::Wall
            | Self::Memory
            | Self::Trap(_) => true,
            Self::NotReady(_) | Self::BreakerOpen { .. } | Self::Busy | Self::Refused(_) => false,
        }
    }

    /// The plugin's own text, made fit for logs and clients.
    pub fn init(text: &str) -> Self {
        Self::Init(escaped(text))
    }
}
