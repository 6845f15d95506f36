//! Work for other threads: long computations and expensive drops leave the shard.
//!
//! Owns: the futures of such work. Leaves to others: the threads (`io`); the simulator runs the
//! closure at a later moment of its choice, on the one thread it has.
use std::any::Any;

use crate::env::op::{Lane, Memory, Op};
use crate::env::{Env, IoError};

type Outcome<T> = Result<T, Box<dyn Any + Send>>;

impl Env {
    /// Runs `work` on a worker thread and gives its result; a panic in it continues here.
    ///
    /// Dropping the future does not stop the work; its result is dropped where it comes back.
    /// Errors: [`IoError::Stopped`] when the workers have stopped.
    pub async fn try_work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IoError> {
        self.work_in(Lane::Short, work).await
    }

    async fn work_in<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IoError> {
        let job = Box::new(move || -> Box<dyn Any + Send> {
            let run = std::panic::AssertUnwindSafe(work);
            let outcome: Outcome<T> = std::panic::catch_unwind(run);
            Box::new(outcome)
        });
        let done = self.submit(Op::Work { job, lane }).await;
        done.result?;
        let Memory::Any(outcome) = done.memory else { panic!("work has a result") };
        let outcome = outcome.downcast::<Outcome<T>>().expect("the type that went in");
        Ok(outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    /// [`Env::try_work`] for code that runs only while the node does.
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.try_work(work).await.expect("workers stop after the shards")
    }

    /// As [`Env::work`], for what may take seconds: guests and the compilation of their code. It
    /// waits behind its like only, and nothing short waits behind it.
    pub async fn long_work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.work_in(Lane::Long, work).await.expect("workers stop after the shards")
    }

    /// Drops `thing` on a worker thread: freeing much memory takes milliseconds.
    pub fn discard(&self, thing: impl Send + 'static) {
        self.seam.submit_detached(Op::Discard { thing: Box::new(thing) });
    }
}
