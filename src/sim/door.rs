//! The thread-safe side of a simulated process: knocks from outside, sockets lost on the way.
//!
//! Owns: what came in since the world last looked. It is read at the next turn of any shard.
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::env::Fd;
use crate::env::op::{Body, IoError, OutsideReply};
use crate::env::outside::{Door, Knocked, OUTSIDE_MAX};
use crate::model::ShardId;

#[derive(Default)]
struct State {
    knocks: Vec<(ShardId, Body, OutsideReply)>,
    closing: Vec<Fd>,
    /// Per shard: knocks that were not taken out of its inbox.
    waiting: Vec<usize>,
    stopped: bool,
}

pub struct SimDoor(Mutex<State>);

impl SimDoor {
    pub fn new(shards: u16) -> Self {
        Self(Mutex::new(State { waiting: vec![0; usize::from(shards)], ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) -> (Vec<(ShardId, Body, OutsideReply)>, Vec<Fd>) {
        let mut state = self.state();
        (std::mem::take(&mut state.knocks), std::mem::take(&mut state.closing))
    }

    pub fn is_quiet(&self) -> bool {
        let state = self.state();
        state.knocks.is_empty() && state.closing.is_empty()
    }

    /// The process is gone: nobody answers.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        let knocks = std::mem::take(&mut state.knocks);
        drop(state);
        for (_, _, reply) in knocks {
            reply(Err(IoError::Stopped));
        }
    }
}

impl Door for SimDoor {
    fn knock(&self, to: ShardId, body: Body, reply: OutsideReply) -> Result<(), Knocked> {
        let mut state = self.state();
        let waiting = state.waiting.get(usize::from(to.0)).copied();
        let error = match waiting {
            None => Some(IoError::Stopped),
            Some(_) if state.stopped => Some(IoError::Stopped),
            Some(waiting) if OUTSIDE_MAX <= waiting => Some(IoError::Busy),
            Some(_) => None,
        };
        if let Some(error) = error {
            return Err(Knocked { error, reply });
        }
        state.waiting[usize::from(to.0)] += 1;
        state.knocks.push((to, body, reply));
        Ok(())
    }

    fn taken(&self, shard: ShardId) {
        self.state().waiting[usize::from(shard.0)] -= 1;
    }

    fn close(&self, fd: Fd) {
        self.state().closing.push(fd);
    }
}
