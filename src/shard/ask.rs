//! Questions between shards: typed requests over the seam's mail.
//!
//! Owns: how a question finds the code that answers it on the other shard.
//! Invariant: what must happen in the order of arrival happens in [`Ask::start`], before the future
//! that it returns is polled; mail is FIFO per pair of shards, so the order per connection and
//! partition is kept.
use std::any::Any;
use std::pin::Pin;
use std::rc::Rc;

use crate::env::{Call, Inbox, Rests};
use crate::model::ShardId;
use crate::shard::Core;

pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// Plain data that another shard (one day: another broker) answers.
pub trait Ask: Send + 'static {
    type Told: Send + 'static;

    /// Does what must happen now; the future does the waiting.
    fn start(self, core: &Rc<Core>) -> Work<Self::Told>;

    /// Nanoseconds that `start` takes, roughly, where they count.
    fn start_ns(&self) -> usize {
        0
    }
}

/// Nanoseconds of questions that are started at one stretch.
pub const STRETCH_NS: usize = 200_000;

/// The other shard stopped before it answered.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the shard that was asked has stopped")]
pub struct Unanswered;

/// A question whose type is forgotten, as it lies in a letter.
trait Sealed: Send {
    fn open(self: Box<Self>, core: &Rc<Core>) -> Work<Box<dyn Any + Send>>;

    fn start_ns(&self) -> usize;
}

impl<A: Ask> Sealed for A {
    fn open(self: Box<Self>, core: &Rc<Core>) -> Work<Box<dyn Any + Send>> {
        let work = (*self).start(core);
        Box::pin(async move { Box::new(work.await) as Box<dyn Any + Send> })
    }

    fn start_ns(&self) -> usize {
        Ask::start_ns(self)
    }
}

/// An answer on its way; the question has already started or lies in the other shard's box.
pub enum Asked<T> {
    Here(Work<T>),
    There(Call),
}

impl<T: 'static> Asked<T> {
    pub async fn told(self) -> Result<T, Unanswered> {
        match self {
            Self::Here(work) => Ok(work.await),
            Self::There(reply) => {
                let told = reply.await.map_err(|_| Unanswered)?;
                Ok(*told.downcast::<T>().expect("an answer has the type of its question"))
            }
        }
    }
}

impl Core {
    /// Asks a shard, this one included. Starts (or posts) at once, not when awaited.
    pub fn ask<A: Ask>(self: &Rc<Self>, to: ShardId, ask: A) -> Asked<A::Told> {
        if to == self.shard {
            return Asked::Here(ask.start(self));
        }
        Asked::There(self.env.call(to, sealed(ask)))
    }

    /// Asks every shard in turn of number, this one included.
    pub async fn ask_all<A: Ask + Clone>(
        self: &Rc<Self>,
        ask: &A,
    ) -> Result<Vec<A::Told>, Unanswered> {
        let shards = (0..self.shards).map(ShardId);
        let asked: Vec<_> = shards.map(|shard| self.ask(shard, ask.clone())).collect();
        let mut told = Vec::with_capacity(asked.len());
        for answer in asked {
            told.push(answer.told().await?);
        }
        Ok(told)
    }
}

/// A question as the body of a letter.
pub fn sealed<A: Ask>(ask: A) -> Box<dyn Any + Send> {
    let sealed: Box<dyn Sealed> = Box::new(ask);
    Box::new(sealed)
}

/// Answers letters for ever.
pub async fn serve_inbox(core: Rc<Core>, mut inbox: Inbox) {
    let mut rests = Rests::every(STRETCH_NS);
    loop {
        let mut request = inbox.next().await;
        let body = request.take_body();
        let sealed = body.downcast::<Box<dyn Sealed>>().expect("only questions are mailed");
        let start_ns = sealed.start_ns();
        let work = sealed.open(&core);
        core.env.spawn(async move { request.answer(work.await) });
        rests.after(start_ns).await;
    }
}

/// Waits for the first of several; the others are dropped.
pub async fn first_of(mut all: Vec<Work<()>>) {
    std::future::poll_fn(|cx| {
        let ready = all.iter_mut().any(|one| one.as_mut().poll(cx).is_ready());
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
