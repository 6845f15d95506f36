//! A driver without a ring, for tools that look at files while no broker runs.
//!
//! Owns: performing file operations here and now, for real or as a rehearsal.
//! Leaves to others: what a rehearsal remembers (`stage`), plain system calls (`plain`).
//! Invariant: a rehearsal changes nothing on the disk; what it read later is what a real run would
//! have read.
//! Start reading at: [`block_on`].
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Bytes;
use crate::env::driver::{Driver, Wait};
use crate::env::exec::{Order, Shard};
use crate::env::op::{Body, Done, IoError, Memory, Op, OutsideReply};
use crate::env::outside::{Door, Knocked};
use crate::env::pool::Pool;
use crate::env::recycle::Recycler;
use crate::env::seam::{Seam, Setup, Work};
use crate::env::{Env, Fd, Instant};
use crate::io::wall_ms;
use crate::model::ShardId;
use stage::Stage;

mod stage;

/// Whether files change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    Real,
    /// Everything is told to have happened, and nothing did.
    Rehearsal,
}

/// Runs one future over files alone; sockets are refused. Gives its result.
pub fn block_on<T: 'static, F: Future<Output = T> + 'static>(
    run: Run,
    start: impl FnOnce(Env) -> F,
) -> T {
    let started = std::time::Instant::now();
    let pool = Pool::new(1, 4_096);
    let seam = Seam::new(Setup {
        shard: ShardId(0),
        pool,
        recycler: Recycler::new(32 << 20),
        door: Arc::new(Closed),
        random_seed: super::random_seed(),
        now: Instant(0),
        wall_ms: wall_ms(),
    });
    let driver = Offline { started, stage: Stage::new(run), work: Work::default() };
    let mut shard = Shard::new(Rc::new(seam), Order::Fifo, Box::new(driver));
    let env = shard.env();
    let result = Rc::new(RefCell::new(None));
    let (place, done) = (result.clone(), Rc::new(Cell::new(false)));
    let (future, flag) = (start(env.clone()), done.clone());
    env.spawn(async move {
        place.replace(Some(future.await));
        flag.set(true);
    });
    shard.run_until(|| done.get());
    result.take().expect("set before the flag")
}

/// Nobody is outside of a tool.
struct Closed;

impl Door for Closed {
    fn knock(&self, _: ShardId, _: Body, reply: OutsideReply) -> Result<(), Knocked> {
        Err(Knocked { error: IoError::Stopped, reply })
    }

    fn taken(&self, _: ShardId) {}

    fn close(&self, _: Fd) {}
}

struct Offline {
    started: std::time::Instant,
    stage: Stage,
    work: Work,
}

impl Offline {
    fn perform(&mut self, op: Op) -> Done {
        match op {
            Op::Path(op) => self.stage.path(&op),
            Op::Close { fd } => {
                self.stage.close(fd);
                Done::bare(Ok(0))
            }
            Op::WriteAt { file, at, data } => {
                let result = self.stage.write(file, at, &data);
                Done { result, memory: Memory::Slices(data) }
            }
            Op::ReadAt { file, at, mut buf, want, .. } => {
                let result = self.stage.read(file, at, &mut buf, want);
                Done { result, memory: Memory::Buf(buf) }
            }
            // No broker runs whose pages could be displaced.
            Op::DropCached { .. } | Op::StartWriteBack { .. } => Done::bare(Ok(0)),
            Op::SyncData { file } => Done::bare(self.stage.sync(file)),
            Op::WriteDurably { file, at, data, from } => {
                let rest = Bytes::copy_from_slice(&data.as_slice()[from..]);
                let written = self.stage.write(file, at, &[rest]);
                let result = written.and_then(|bytes| self.stage.sync(file).map(|_| bytes));
                Done { result, memory: Memory::Aligned(data) }
            }
            Op::SyncFileSystem { file } => Done::bare(self.stage.sync_file_system(file)),
            Op::Work { job, .. } => Done { result: Ok(0), memory: Memory::Any(job()) },
            Op::Discard { thing } => {
                drop(thing);
                Done::bare(Ok(0))
            }
            _ => Done::bare(Err(IoError::Errno(libc::ENOSYS))),
        }
    }
}

impl Driver for Offline {
    fn turn(&mut self, seam: &Seam, _wait: Wait) -> bool {
        let mut work = std::mem::take(&mut self.work);
        seam.take_work(&mut work);
        let mut submitted: VecDeque<_> = work.submitted.drain(..).collect();
        while let Some((token, op)) = submitted.pop_front() {
            let done = self.perform(op);
            seam.deliver(token, done, false);
        }
        // What was performed needs no cancel, and there is nobody to write to.
        work.cancels.clear();
        work.letters.clear();
        self.work = work;
        seam.set_now(Instant(self.started.elapsed().as_nanos() as u64));
        seam.set_wall_ms(wall_ms());
        seam.fire_timers();
        true
    }

    fn stop(&mut self, _seam: &Seam) {}

    fn slice_clock(&self) -> Option<u64> {
        None
    }

    fn thread_cpu_ns(&self) -> Option<u64> {
        None
    }
}
