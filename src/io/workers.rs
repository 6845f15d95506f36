//! A few threads for what would hold up a shard: compiling, compressing, freeing, removing.
//!
//! Owns: the threads and their one queue. The queue holds at most what callers wait for, plus
//! things to drop. Invariant: a panic in a job ends the job, not the worker.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Task> {
        let mut queue = self.queue();
        loop {
            if queue.stopped {
                return None;
            }
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Workers {
    /// Starts `count` threads named `name` and a number.
    pub fn start(name: &str, count: usize) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let mut workers = Self { shared: shared.clone(), threads: Vec::new() };
        for number in 0..count.max(1) {
            let shared = shared.clone();
            let name = format!("{name}-{number}");
            let thread = std::thread::Builder::new().name(name).spawn(move || {
                while let Some(task) = shared.next() {
                    // Jobs that can fail carry their panic back to their caller themselves.
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
                }
            })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    pub fn push(&self, task: Task) {
        self.shared.queue().tasks.push_back(task);
        self.shared.changed.notify_one();
    }
}

impl Drop for Workers {
    /// Waits for the jobs that run; forgets those that do not yet.
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.stopped = true;
        let forgotten = std::mem::take(&mut queue.tasks);
        drop(queue);
        self.shared.changed.notify_all();
        drop(forgotten);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
