//! The line from the tokio thread to the desk on shard 0.
//!
//! Owns: waiting for the answer, with a bound. Leaves to others: carrying the request to the shard.
//! Invariant: every question gets exactly one answer, also when the shard is gone or silent.
use std::sync::Arc;
use std::time::Duration;

use crate::shard::desk::{DeskAnswer, DeskError, DeskRequest};

/// Called once, on any thread, with the answer.
pub type DeskCallback = Box<dyn FnOnce(DeskAnswer) + Send>;

type Send_ = dyn Fn(DeskRequest, DeskCallback) + Send + Sync;

/// Asks shard 0; clones share the line.
#[derive(Clone)]
pub struct Desk {
    send: Arc<Send_>,
}

impl Desk {
    /// A line over `send`, which hands the request to shard 0 without waiting. A callback that is
    /// dropped counts as "the shard is gone".
    pub fn new(send: impl Fn(DeskRequest, DeskCallback) + Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send) }
    }

    /// Asks and waits at most `wait`.
    pub async fn ask(&self, request: DeskRequest, wait: Duration) -> DeskAnswer {
        let (answer_in, answer_out) = tokio::sync::oneshot::channel();
        let callback: DeskCallback = Box::new(move |answer| {
            // The asker may have given up; then nobody is left to tell.
            let _ = answer_in.send(answer);
        });
        (self.send)(request, callback);
        match tokio::time::timeout(wait, answer_out).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(DeskError::not_ready(
                "The broker is stopping and did not answer; try again when it is up.",
            )),
            Err(_) => Err(DeskError::not_ready(format!(
                "The broker did not answer within {} s; what was asked may still happen, look at \
                 the state before you ask again.",
                wait.as_secs_f64()
            ))),
        }
    }
}
