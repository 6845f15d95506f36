//! Calls from threads without a ring: tokio, signals, tests.
//!
//! Owns: the handle that such a thread holds. Leaves to others: the bounded queue behind the door
//! and waking the shard (`io`, `sim`). What arrives is an ordinary request in the shard's inbox.
use std::sync::Arc;

use crate::env::op::{Body, Fd, IoError, OutsideReply};
use crate::model::ShardId;

/// Calls from outside that may wait untaken at one shard; more get [`IoError::Busy`].
pub const OUTSIDE_MAX: usize = 1_024;

/// The thread-safe side of a driver.
pub trait Door: Send + Sync {
    /// Queues a request for a shard's inbox and wakes it; gives the reply back when it cannot.
    fn knock(&self, to: ShardId, body: Body, reply: OutsideReply) -> Result<(), Knocked>;

    /// The shard took one such request out of its inbox.
    fn taken(&self, shard: ShardId);

    /// Closes a socket that was on its way to another shard and never got there.
    fn close(&self, fd: Fd);
}

/// Why a knock was not heard, with the reply that somebody must call.
pub struct Knocked {
    pub error: IoError,
    pub reply: OutsideReply,
}

/// A handle for threads without a ring.
#[derive(Clone)]
pub struct Outside {
    pub(crate) door: Arc<dyn Door>,
}

impl Outside {
    pub fn new(door: Arc<dyn Door>) -> Self {
        Self { door }
    }

    /// Puts a request into the inbox of shard `to`; `reply` is called exactly once.
    ///
    /// It runs on the shard's thread (or here, when the shard is stopped or its queue is full), so
    /// it must only hand the answer on.
    pub fn call(&self, to: ShardId, body: Body, reply: OutsideReply) {
        if let Err(Knocked { error, reply }) = self.door.knock(to, body, reply) {
            reply(Err(error));
        }
    }
}
