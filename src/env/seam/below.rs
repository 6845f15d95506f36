//! The lower half of the seam: what a driver calls to move operations out and results in.
//!
//! Owns: the life of a stream as results arrive: back-pressure, starvation, arming again.
//! Invariant: wakers run and results drop only after the table is no longer borrowed.
use std::collections::VecDeque;

use crate::env::op::{Done, Instant, IoError, Many, Memory, Token};
use crate::env::seam::{
    Core, Phase, STREAM_EVENTS_MAX, STREAM_EVENTS_SHORT_MAX, Seam, Stream, Work,
};

/// What becomes of one result of a stream.
struct Verdict {
    wanted: bool,
    starved: bool,
    stop: bool,
}

impl Stream {
    fn judge(&mut self, done: &Done, more: bool, unread: usize, unread_max: usize) -> Verdict {
        let mut verdict = Verdict { wanted: true, starved: false, stop: false };
        let receive = matches!(self.op, Many::Receive(_));
        match done.result {
            Err(IoError::Canceled) => verdict.wanted = false,
            Err(IoError::NoBuffers) if receive => {
                (verdict.wanted, verdict.starved) = (false, true);
            }
            // A listener outlives the failure of one accept; the next read arms it again.
            Err(_) if matches!(self.op, Many::Accept(_)) => {}
            Err(_) => self.phase = Phase::Ended,
            Ok(0) if receive => (verdict.wanted, self.phase) = (false, Phase::Ended),
            Ok(_) => {}
        }
        if self.phase == Phase::Ended {
            return verdict;
        }
        if !more {
            self.phase = if verdict.starved { Phase::Starved } else { Phase::Idle };
        } else if unread_max <= unread + 1 && self.op != Many::Mail && self.phase == Phase::Armed {
            // Back-pressure: the reader is slow, so the kernel must stop filling chunks.
            self.phase = Phase::Stopping;
            verdict.stop = true;
        }
        verdict
    }
}

/// Calls from below: a driver moves operations out and results in.
impl Seam {
    pub fn set_now(&self, now: Instant) {
        assert!(self.now.get() <= now, "the monotonic clock went back");
        self.now.set(now);
    }

    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.wall_ms.set(wall_ms);
    }

    /// Runs what must happen before a turn that may block.
    pub fn run_before_sleep(&self) {
        let hook = self.before_sleep.borrow().clone();
        if let Some(hook) = hook {
            hook();
        }
    }

    /// Moves out what was submitted, canceled and written, in order.
    pub fn take_work(&self, work: &mut Work) {
        let mut core = self.core.borrow_mut();
        let Core { work: waiting, post, .. } = &mut *core;
        post.flush_credits(self.shard, &mut waiting.letters);
        work.submitted.append(&mut waiting.submitted);
        work.cancels.append(&mut waiting.cancels);
        work.letters.append(&mut waiting.letters);
    }

    pub fn has_work(&self) -> bool {
        let core = self.core.borrow();
        let Work { submitted, cancels, letters } = &core.work;
        !submitted.is_empty()
            || !cancels.is_empty()
            || !letters.is_empty()
            || core.post.owes_credits()
    }

    /// Hands one result up. `more` is false when the driver has let go of the operation.
    ///
    /// A descriptor that nobody wants any more is closed with the next work.
    pub fn deliver(&self, token: Token, mut done: Done, more: bool) {
        let mut core = self.core.borrow_mut();
        let Some(slot) = core.slot(token) else { return };
        assert!(slot.back, "the driver delivers only what it holds");
        slot.back = more;
        if !slot.front {
            if slot.makes_fd
                && let Ok(fd) = done.result
            {
                core.close(fd);
            }
            core.free_when_unheld(token);
            drop(core);
            return;
        }
        let mut verdict = Verdict { wanted: true, starved: false, stop: false };
        if let Some(stream) = slot.stream.as_mut() {
            let short = matches!(done.memory, Memory::Chunk(_)) && self.pool.is_short();
            if short && let Memory::Chunk(chunk) = done.memory {
                // An unread stream must not keep the pool from the others.
                done.memory = Memory::Chunk(chunk.into_own_memory());
            }
            let unread_max = if short { STREAM_EVENTS_SHORT_MAX } else { STREAM_EVENTS_MAX };
            verdict = stream.judge(&done, more, slot.done.len(), unread_max);
        }
        let waker = slot.waker.take();
        if verdict.wanted {
            slot.done.push_back(done);
        }
        if verdict.starved && !more {
            core.starved.push_back(token);
        }
        if verdict.stop {
            core.work.cancels.push(token);
        }
        drop(core);
        if let Some(waker) = waker {
            self.woke.set(true);
            waker.wake();
        }
    }

    /// Whether a result woke a task since this was asked last; then a turn must not sleep.
    pub fn take_woke(&self) -> bool {
        self.woke.replace(false)
    }

    /// Arms again every stream that ran out of chunks. Call each turn, before `take_work`.
    ///
    /// All of them, and by what is free, not by what came back: a chunk may go to a stream that
    /// does not use it (it ended, or has no data), and nobody would arm the next one.
    pub fn feed_starved(&self) {
        let mut core = self.core.borrow_mut();
        if core.starved.is_empty() || self.pool.held() == usize::from(self.pool.chunks) {
            return;
        }
        let mut starved: VecDeque<Token> = std::mem::take(&mut core.starved);
        while let Some(token) = starved.pop_front() {
            let stream = core.slot(token).and_then(|slot| slot.stream.as_mut()).expect("alive");
            if stream.paused {
                stream.phase = Phase::Idle;
            } else {
                core.arm(token);
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.borrow().timers.keys().next().map(|key| key.0)
    }

    /// Finishes the timers that are due, earliest first; says how many.
    pub fn fire_timers(&self) -> usize {
        let mut fired = 0;
        loop {
            let mut core = self.core.borrow_mut();
            let Some(first) = core.timers.first_entry() else { return fired };
            if self.now.get() < first.key().0 {
                return fired;
            }
            let token = first.remove();
            drop(core);
            self.deliver(token, Done::bare(Ok(0)), false);
            fired += 1;
        }
    }

    /// Operations that a driver holds or should perform; 0 means quiet.
    pub fn in_flight(&self) -> usize {
        let core = self.core.borrow();
        core.slots.iter().filter(|slot| slot.back && !slot.local).count()
    }
}
