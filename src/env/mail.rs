//! Mail between shards: requests take a credit of their origin, replies never wait.
//!
//! Owns: calls, the inbox, requests and their answers. Leaves to others: credits (`seam::post`).
//! Invariant: every request is answered: by [`Request::answer`], or with an error when it drops.
//! Order: first in, first out for each ordered pair of shards, also while waiting for credit.
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::env::op::{Body, LetterKind, Many, Memory, ReplyTo};
use crate::env::{Completion, Env, IoError, MultiCompletion};
use crate::model::ShardId;

/// The reader of a shard's mail; one per shard.
pub struct Inbox {
    stream: MultiCompletion,
    env: Env,
}

/// A request that waits for its answer.
pub struct Request {
    from: ShardId,
    body: Option<Body>,
    reply_to: Option<ReplyTo>,
    env: Env,
}

/// A call under way; dropping it forgets the answer, and the request if that was not sent yet.
#[must_use = "dropping a call forgets its answer"]
pub struct Call(Completion);

impl Env {
    /// Sends a request to a shard (this one too) and gives a future of the answer.
    ///
    /// It is sent, or queued behind earlier ones that wait for credit, before this returns.
    /// Errors: [`IoError::Stopped`] when that shard has stopped, [`IoError::Canceled`] when it
    /// dropped the request, or what it answered.
    pub fn call(&self, to: ShardId, body: Body) -> Call {
        Call(self.wait(self.seam.send_request(to, body)))
    }

    /// Opens this shard's inbox; panics when it is open already.
    pub fn inbox(&self) -> Inbox {
        Inbox { stream: self.submit_many(Many::Mail), env: self.clone() }
    }
}

impl Future for Call {
    type Output = Result<Body, IoError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|done| {
            done.result?;
            let Memory::Any(body) = done.memory else { panic!("a reply has a body") };
            Ok(body)
        })
    }
}

impl Inbox {
    /// The next request; its sender gets the credit back now, not with the answer.
    pub async fn next(&mut self) -> Request {
        let done = self.stream.next().await.expect("mail has no end");
        let Memory::Letter(letter) = done.memory else { panic!("mail is letters") };
        let LetterKind::Request { reply_to, body } = letter.kind else { panic!("requests only") };
        self.env.seam.note_taken(letter.from, &reply_to);
        let (body, reply_to, env) = (Some(body), Some(reply_to), self.env.clone());
        Request { from: letter.from, body, reply_to, env }
    }
}

impl Request {
    /// The shard that asked; a call from outside has the shard that it asked itself.
    pub fn from(&self) -> ShardId {
        self.from
    }

    /// Whether a thread without a ring asked.
    pub fn is_from_outside(&self) -> bool {
        matches!(self.reply_to, Some(ReplyTo::Outside(_)))
    }

    /// What was asked, to look at.
    pub fn body(&self) -> &(dyn Any + Send) {
        self.body.as_deref().expect("taken once")
    }

    /// Moves out what was asked; panics the second time.
    pub fn take_body(&mut self) -> Body {
        self.body.take().expect("taken once")
    }

    pub fn answer(mut self, body: Body) {
        self.finish(Ok(body));
    }

    pub fn refuse(mut self, error: IoError) {
        self.finish(Err(error));
    }

    fn finish(&mut self, result: Result<Body, IoError>) {
        match self.reply_to.take() {
            Some(ReplyTo::Slot(slot)) => self.env.seam.send_reply(self.from, slot, result),
            Some(ReplyTo::Outside(reply)) => reply(result),
            None => {}
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.finish(Err(IoError::Canceled));
    }
}
