//! The real driver: one io_uring per shard, one `io_uring_enter` per turn.
//!
//! Owns: settings, the node that shards share (post office, workers, clock), building a shard.
//! Leaves to others: turns (`ring`), what an operation looks like to the kernel (`entry`), receive
//! chunks (`chunks`), mail between threads (`office`), what the kernel offers (`probe`).
//! Invariant: memory that the kernel may touch is owned here until its last completion is reaped.
//! Start reading at: [`Node::start`], then [`ring::Uring`].
#![allow(unsafe_code)]
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::env::exec::{Order, Shard};
use crate::env::pool::Pool;
use crate::env::recycle::Recycler;
use crate::env::seam::{Seam, Setup};
use crate::env::{Env, Instant, Outside};
use crate::model::ShardId;
pub use features::{Feature, Features};
use office::Office;
pub use probe::{Found, Report, RingError, probe};
pub use ring::Stats;
use workers::Workers;

mod chunks;
mod entry;
mod features;
pub mod machine;
mod office;
pub mod offline;
mod plain;
mod probe;
mod ring;
mod workers;

/// How each shard's ring is built.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Submission entries; the completion queue holds eight times as many.
    pub entries: u32,
    /// Receive chunks per shard; a power of two.
    pub chunks: u16,
    pub chunk_bytes: usize,
    /// Writes up to this size are done by `pwritev` on this thread: ext4 takes no buffered write
    /// asynchronously, so the ring would hand each to a worker thread.
    pub inline_write_bytes_max: usize,
    /// Reads up to this size are first tried from the page cache without the ring.
    pub inline_read_bytes_max: usize,
    /// Freed frame buffers that a shard keeps for the next frames.
    pub recycled_bytes_max: usize,
    /// Threads for short jobs, and as many for long ones, of the whole node.
    pub workers: usize,
    /// Optional ring features that may be used; those that the kernel lacks are left out.
    pub features: Features,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            entries: 256,
            chunks: 64,
            chunk_bytes: 64 * 1024,
            inline_write_bytes_max: 128 * 1024,
            inline_read_bytes_max: 128 * 1024,
            recycled_bytes_max: 32 * 1024 * 1024,
            workers: 4,
            features: Features::ALL,
        }
    }
}

/// What all shards of this process share below the seam.
pub struct Node {
    pub(crate) office: Arc<Office>,
    /// Short jobs, that clients wait for.
    pub(crate) workers: Workers,
    /// Guests, and the compilation of their code: nothing short waits behind them.
    pub(crate) long_workers: Workers,
    /// Removes files: must not wait behind a long computation.
    pub(crate) remover: Workers,
    /// Syncs file systems: seconds, of which nobody else should wait any.
    pub(crate) syncer: Workers,
    pub(crate) settings: Settings,
    /// What the kernel has and the settings allow.
    pub(crate) features: Features,
    pub(crate) started: std::time::Instant,
}

impl Node {
    /// Looks at the kernel and starts the workers.
    ///
    /// Errors: why there is no io_uring here, and what to do about it.
    pub fn start(shards: u16, settings: Settings) -> Result<Arc<Self>, RingError> {
        let features = probe()?.features().and(settings.features).consistent();
        let office = Office::new(shards).map_err(RingError::from_io)?;
        let threads = |name, count| Workers::start(name, count).map_err(RingError::from_io);
        let workers = threads("logmill-work", settings.workers)?;
        let long_workers = threads("logmill-long", settings.workers)?;
        let remover = threads("logmill-rm", 1)?;
        let syncer = threads("logmill-sync", 1)?;
        Ok(Arc::new(Self {
            office,
            workers,
            long_workers,
            remover,
            syncer,
            settings,
            features,
            started: std::time::Instant::now(),
        }))
    }

    /// Builds one shard. Call it on the thread that will run the shard, once per id.
    pub fn shard(self: &Arc<Self>, id: ShardId) -> Result<Shard, RingError> {
        self.shard_with_stats(id).map(|(shard, _)| shard)
    }

    /// [`Node::shard`], with the counters of its ring.
    pub fn shard_with_stats(
        self: &Arc<Self>,
        id: ShardId,
    ) -> Result<(Shard, Rc<Stats>), RingError> {
        let pool = Pool::new(self.settings.chunks, self.settings.chunk_bytes);
        let stats = Rc::new(Stats::default());
        let driver = ring::Uring::new(id, pool.clone(), self.clone(), stats.clone())
            .map_err(RingError::from_io)?;
        let seam = Seam::new(Setup {
            shard: id,
            pool,
            recycler: Recycler::new(self.settings.recycled_bytes_max),
            door: self.office.clone(),
            random_seed: random_seed(),
            now: self.now(),
            wall_ms: wall_ms(),
        });
        Ok((Shard::new(Rc::new(seam), Order::Fifo, Box::new(driver)), stats))
    }

    /// A handle for threads without a ring.
    pub fn outside(&self) -> Outside {
        Outside::new(self.office.clone())
    }

    pub(crate) fn now(&self) -> Instant {
        Instant(self.started.elapsed().as_nanos() as u64)
    }
}

pub(crate) fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Eight bytes of the kernel's randomness; from the clock where that is refused.
fn random_seed() -> u64 {
    let mut seed = 0u64;
    // SAFETY: eight bytes of a local are written.
    let got = unsafe { libc::getrandom((&raw mut seed).cast(), 8, 0) };
    if got == 8 { seed } else { wall_ms() as u64 ^ u64::from(std::process::id()) << 32 }
}

/// Runs one future on a fresh single shard; for tests and tools.
pub fn block_on<F: Future<Output = ()> + 'static>(
    settings: Settings,
    start: impl FnOnce(Env) -> F,
) -> Result<(), RingError> {
    let node = Node::start(1, settings)?;
    let mut shard = node.shard(ShardId(0))?;
    let future = start(shard.env());
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    shard.env().spawn(async move {
        future.await;
        flag.set(true);
    });
    shard.run_until(|| done.get());
    Ok(())
}

#[cfg(test)]
mod tests;
