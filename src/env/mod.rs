//! A shard's whole outside world, for the code above: files, sockets, clocks, mail, workers.
//!
//! Owns: the futures of the seam, and the executor. No trait and no type parameter: the driver is
//! chosen where the shard is built, and the code here only ever sees [`seam::Seam`].
//! Leaves to others: the io_uring driver (`io`), the simulated one (`sim`).
//! Start reading at: [`Env`], then [`net`], [`disk`] and [`mail`]; below them [`seam`].
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

pub mod disk;
pub mod driver;
pub mod exec;
pub mod local;
pub mod mail;
pub mod net;
pub mod op;
pub mod outside;
pub mod pool;
pub mod recycle;
pub mod seam;
pub mod work;

pub use disk::File;
pub use exec::{Rests, Shard, Spawner, TaskId, TurnTime, yield_now};
pub use mail::{Call, Inbox, Request};
pub use net::{Accepting, Listener, Receiving, Socket, SocketHandle};
pub use op::{Body, DirEntry, Done, Fd, Instant, IoError, OpenHow, Space};
pub use outside::Outside;
pub use pool::Chunk;

use op::{Many, Op, Token};
use seam::Seam;

/// The outside world of one shard: cheap to clone, bound to the shard's thread.
#[derive(Clone)]
pub struct Env {
    pub(crate) seam: Rc<Seam>,
    spawner: Spawner,
}

impl Env {
    /// The shard that this is the world of.
    pub fn shard(&self) -> crate::model::ShardId {
        self.seam.shard
    }

    /// The monotonic clock: one reading per turn.
    pub fn now(&self) -> Instant {
        self.seam.now()
    }

    /// Milliseconds since 1970: one reading per turn. It jumps when somebody sets the clock.
    pub fn wall_ms(&self) -> i64 {
        self.seam.wall_ms()
    }

    /// A random number; in the simulator from the seed.
    pub fn random(&self) -> u64 {
        self.seam.random()
    }

    pub async fn sleep_until(&self, at: Instant) {
        self.wait(self.seam.sleep_until(at)).await;
    }

    pub async fn sleep_ms(&self, ms: u64) {
        self.sleep_until(self.now().plus_ms(ms)).await;
    }

    /// The future's result, or `None` when `at` came first; the future is dropped then.
    pub async fn until<F: Future>(&self, at: Instant, future: F) -> Option<F::Output> {
        let mut timer = std::pin::pin!(self.sleep_until(at));
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// A completion that another task of this shard finishes.
    pub fn promise(&self) -> (Completion, Promise) {
        let token = self.seam.promise();
        (self.wait(token), Promise { seam: self.seam.clone(), token: Some(token) })
    }

    /// Starts and aborts tasks of this shard.
    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.spawner.spawn(future)
    }

    /// A handle for threads without a ring.
    pub fn outside(&self) -> Outside {
        Outside::new(self.seam.door.clone())
    }

    /// Sets what runs on this thread right before a turn that may block (one hook; last wins).
    pub fn set_before_sleep(&self, hook: Box<dyn Fn()>) {
        self.seam.set_before_sleep(Rc::from(hook));
    }

    /// Operations below the seam; 0 means quiet. For tests and metrics.
    pub fn in_flight(&self) -> usize {
        self.seam.in_flight()
    }

    /// Receive chunks in readers' hands. For tests and metrics.
    pub fn chunks_held(&self) -> usize {
        self.seam.pool.held()
    }

    pub(crate) fn submit(&self, op: Op) -> Completion {
        self.wait(self.seam.submit(op))
    }

    pub(crate) fn wait(&self, token: Token) -> Completion {
        Completion { seam: self.seam.clone(), token }
    }

    pub(crate) fn submit_many(&self, op: Many) -> MultiCompletion {
        MultiCompletion { seam: self.seam.clone(), token: self.seam.submit_many(op) }
    }
}

/// The result of one operation. Dropping it cancels; the driver keeps the memory until it is done.
#[must_use = "dropping a completion cancels its operation"]
pub struct Completion {
    seam: Rc<Seam>,
    token: Token,
}

impl Future for Completion {
    type Output = Done;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        self.seam.poll(self.token, cx)
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.seam.abandon(self.token);
    }
}

/// The results of one multishot operation, at most a bounded number of them unread.
///
/// It arms itself again whenever the driver let go without an end: the reader was slow, chunks ran
/// out, or the kernel felt like it. The reader never sees any of that.
pub struct MultiCompletion {
    seam: Rc<Seam>,
    token: Token,
}

impl MultiCompletion {
    /// `None` at the end of the stream, and when a paused stream has been emptied.
    pub async fn next(&mut self) -> Option<Done> {
        std::future::poll_fn(|cx| self.seam.poll_many(self.token, cx)).await
    }

    pub fn pause(&mut self) {
        self.seam.pause(self.token);
    }

    pub fn resume(&mut self) {
        self.seam.resume(self.token);
    }
}

impl Drop for MultiCompletion {
    fn drop(&mut self) {
        self.seam.abandon(self.token);
    }
}

/// The other end of [`Env::promise`]; dropping it unkept finishes with [`IoError::Canceled`].
pub struct Promise {
    seam: Rc<Seam>,
    token: Option<Token>,
}

impl Promise {
    pub fn keep(mut self, result: Result<usize, IoError>) {
        let token = self.token.take().expect("kept once");
        self.seam.deliver(token, Done::bare(result), false);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.seam.deliver(token, Done::bare(Err(IoError::Canceled)), false);
        }
    }
}
