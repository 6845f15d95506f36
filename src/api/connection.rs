//! One client connection: frames in, answers out in the order of the frames.
//!
//! Owns: the order of answers, how many requests of one connection may be under way, and what ends
//! a connection.
//! Invariant: a request other than Produce starts only when every answer before it is written;
//! Produce starts as soon as it arrives while all requests ahead of it are Produce too, so that
//! one durable write serves several of them (idempotent clients keep five in flight).
//! Start reading at: [`serve`].
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

use tracing::{debug, error, info};

use crate::api::frames::{Frame, FrameReader, Unread};
use crate::api::moving::Pull;
use crate::api::node::Connection;
use crate::api::{Answer, Client, Close, PACE_BYTES, PACE_MS, dispatch};
use crate::base::Bytes;
use crate::env::local::Notify;
use crate::env::net::Socket;
use crate::env::{Spawner, TaskId, yield_now};
use crate::model::ShardId;
use crate::shard::Core;

/// Requests of one connection that are read and not yet answered; then its socket is not read.
const PENDING_MAX: usize = 32;
/// Their bytes together.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long answers go on after the peer's end of stream.
const HALF_CLOSED_MS_MAX: u64 = 10_000;

/// Slices of answers that go out together: small ones, so that this bounds the bytes too.
const TOGETHER_SLICES_MAX: usize = 32;

struct Pending {
    answer: Answer,
    bytes: usize,
}

/// What an answer comes to.
type Told = Result<Option<Vec<Bytes>>, Close>;

/// Ends a task when dropped; one that has ended already is left alone.
struct Ending(Spawner, TaskId);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort(self.1);
    }
}

#[derive(Default)]
struct Queue {
    pending: RefCell<VecDeque<Pending>>,
    /// Of all requests that are not yet answered, the one at work included.
    count: Cell<usize>,
    bytes: Cell<usize>,
    /// How many of them run only when their turn comes.
    in_turn: Cell<usize>,
    /// Nothing more will be pushed.
    ended: Cell<bool>,
    /// Nothing more is written.
    left: Cell<bool>,
    filled: Notify,
    drained: Notify,
}

impl Queue {
    fn is_full(&self) -> bool {
        PENDING_MAX <= self.count.get() || PENDING_BYTES_MAX <= self.bytes.get()
    }

    fn push(&self, answer: Answer, bytes: usize) {
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
        self.in_turn.set(self.in_turn.get() + usize::from(!answer.is_started()));
        self.pending.borrow_mut().push_back(Pending { answer, bytes });
        self.filled.notify_all();
    }

    /// Waits until no answer will be written any more.
    async fn ended(&self) {
        while !self.ended.get() {
            self.filled.changed().await;
        }
    }

    /// Waits until everything that was asked is answered, or nothing more will be.
    async fn empty(&self) {
        while 0 < self.count.get() {
            self.drained.changed().await;
        }
    }

    /// Waits until who writes the answers is done with the socket.
    async fn left(&self) {
        while !self.left.get() {
            self.drained.changed().await;
        }
    }

    fn answered(&self, bytes: usize, started: bool) {
        self.count.set(self.count.get() - 1);
        self.bytes.set(self.bytes.get() - bytes);
        self.in_turn.set(self.in_turn.get() - usize::from(!started));
        self.drained.notify_all();
    }
}

/// How reading requests ended in order.
enum End {
    /// The peer closed its sending half.
    Closed,
    /// The connection goes on at another shard; everything it asked is answered.
    Moves(ShardId, Unread),
}

/// Serves one connection until it ends, from either side, or goes on at the shard that this gives.
pub async fn serve(
    core: Rc<Core>,
    socket: Socket,
    client: Client,
    unread: Unread,
) -> Option<(ShardId, Connection)> {
    let queue = Rc::new(Queue::default());
    core.metrics.connections.open_connections.inc();
    let writer = core.env.spawn(write_answers(core.clone(), socket.clone(), queue.clone()));
    // However this ends, also when the shard stops.
    let _writer = Ending(core.env.spawner(), writer);
    let result = read_requests(&core, &socket, &client, &queue, unread).await;
    queue.ended.set(true);
    queue.filled.notify_all();
    let mut moves = None;
    match result {
        Err(close) => debug!(peer = %client.peer, reason = %close, "connection closed"),
        Ok(End::Closed) => {
            // What it asked before is still answered, in time.
            let at = core.env.now().plus_ms(HALF_CLOSED_MS_MAX);
            if core.env.until(at, queue.empty()).await.is_none() {
                debug!(peer = %client.peer, "half-closed, closed before its last answers");
            }
        }
        Ok(End::Moves(shard, unread)) => {
            queue.left().await;
            match socket.into_handle() {
                Ok(socket) => moves = Some((shard, Connection { socket, client, unread })),
                Err(_) => error!(peer = %client.peer, "a connection that moves is in use: closed"),
            }
        }
    }
    core.metrics.connections.open_connections.dec();
    moves
}

async fn read_requests(
    core: &Rc<Core>,
    socket: &Socket,
    client: &Client,
    queue: &Rc<Queue>,
    unread: Unread,
) -> Result<End, Close> {
    let bytes_max = core.config.request_bytes_max as usize;
    let (env, budget) = (core.env.clone(), core.receive.clone());
    let mut frames = FrameReader::new(env, socket.clone(), unread, bytes_max, budget);
    let pull = Rc::new(Pull::default());
    loop {
        if let Some(shard) = pull.target(core.shard) {
            queue.empty().await;
            if !queue.ended.get() {
                return Ok(End::Moves(shard, frames.into_unread().await?));
            }
        }
        while queue.is_full() && !queue.ended.get() {
            queue.drained.changed().await;
        }
        let frame = next_frame(core, &mut frames, queue).await?;
        let Some(frame) = frame else { return Ok(End::Closed) };
        if queue.ended.get() {
            return Err(Close::Gone);
        }
        let (bytes, eager) = (frame.bytes.len(), queue.in_turn.get() == 0);
        let mut answer = dispatch(core, client, &pull, frame, eager);
        let rest = answer.take_rest();
        queue.push(answer, bytes);
        if let Some(mut rest) = rest {
            yield_now().await;
            // Once nobody is answered any more, nothing accounts for its memory.
            while !queue.ended.get() && rest.go_on() {
                yield_now().await;
            }
        }
    }
}

/// The next frame, or the end of a connection that asks nothing and waits for nothing.
async fn next_frame(
    core: &Rc<Core>,
    frames: &mut FrameReader,
    queue: &Queue,
) -> Result<Option<Frame>, Close> {
    let mut next = std::pin::pin!(frames.next());
    let mut ended = std::pin::pin!(queue.ended());
    loop {
        let at = core.env.now().plus_ms(core.config.connections_idle_ms.max(0) as u64);
        let event = std::future::poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending => ended.as_mut().poll(cx).map(|()| None),
        });
        match core.env.until(at, event).await {
            Some(Some(frame)) => return Ok(frame?),
            Some(None) => return Err(Close::Gone),
            None if 0 < queue.count.get() => {}
            None => return Err(Close::Idle),
        }
    }
}

async fn write_answers(core: Rc<Core>, socket: Socket, queue: Rc<Queue>) {
    loop {
        let head = queue.pending.borrow_mut().pop_front();
        let Some(mut head) = head else {
            if queue.ended.get() {
                drop(socket);
                queue.left.set(true);
                queue.drained.notify_all();
                return;
            }
            queue.filled.changed().await;
            continue;
        };
        let first = head.answer.finish().await;
        let Ready { slices, answered, close } = ready_together(&queue, head, first).await;
        let mut goes_on = send(&core, &socket, slices).await;
        if let Some(close) = close.filter(|_| goes_on) {
            info!(reason = %close, "connection closed");
            goes_on = false;
        }
        if !goes_on {
            queue.ended.set(true);
            queue.filled.notify_all();
            queue.pending.borrow_mut().clear();
            queue.count.set(answered.len());
            let _ = core.env.shutdown_send(&socket).await;
        }
        for Pending { answer, bytes } in answered {
            queue.answered(bytes, answer.is_started());
        }
        if !goes_on {
            return;
        }
    }
}

/// Answers that go out in one send.
#[derive(Default)]
struct Ready {
    slices: Vec<Bytes>,
    answered: Vec<Pending>,
    /// Why the last of them is not answered.
    close: Option<Close>,
}

/// The first answer, and those right behind it that are ready too.
async fn ready_together(queue: &Queue, first: Pending, told: Told) -> Ready {
    let mut ready = Ready::default();
    let mut next = Some((first, told));
    while let Some((pending, told)) = next.take() {
        match told {
            Ok(slices) => ready.slices.extend(slices.unwrap_or_default()),
            Err(close) => ready.close = Some(close),
        }
        ready.answered.push(pending);
        let is_full = TOGETHER_SLICES_MAX <= ready.slices.len();
        if ready.close.is_none() && !is_full {
            next = next_ready(queue).await;
        }
    }
    ready
}

/// The next answer, when it needs no further wait and does not wait for its turn.
async fn next_ready(queue: &Queue) -> Option<(Pending, Told)> {
    let mut pending = queue.pending.borrow_mut().pop_front_if(|next| next.answer.is_started())?;
    let told = {
        let mut finish = std::pin::pin!(pending.answer.finish());
        std::future::poll_fn(|cx| Poll::Ready(finish.as_mut().poll(cx))).await
    };
    match told {
        Poll::Ready(told) => Some((pending, told)),
        Poll::Pending => {
            queue.pending.borrow_mut().push_front(pending);
            None
        }
    }
}

/// Sends an answer piece by piece; false when the other end is gone or takes nothing any more.
async fn send(core: &Core, socket: &Socket, mut rest: Vec<Bytes>) -> bool {
    while !rest.is_empty() {
        let piece = take_front(&mut rest, PACE_BYTES);
        let at = core.env.now().plus_ms(PACE_MS);
        match core.env.until(at, core.env.send_all(socket, piece)).await {
            Some(Ok(())) => {}
            Some(Err(_)) => return false,
            None => {
                info!(ms = PACE_MS, "connection closed: its end takes no answer");
                return false;
            }
        }
    }
    true
}

/// Takes at most `bytes` from the front of the slices, in order.
fn take_front(slices: &mut Vec<Bytes>, bytes: usize) -> Vec<Bytes> {
    let mut left = bytes;
    let whole = slices.iter().take_while(|slice| {
        let fits = slice.len() <= left;
        left -= if fits { slice.len() } else { 0 };
        fits
    });
    let whole = whole.count();
    let behind = slices.split_off(whole);
    let mut front = std::mem::replace(slices, behind);
    if 0 < left
        && let Some(cut) = slices.first_mut()
    {
        front.push(cut.split_to(left));
    }
    front
}

#[test]
fn pieces_of_an_answer_are_the_answer() {
    let lengths = [3, 0, 7, 1, 0, 12, 2];
    let all: Vec<Bytes> = lengths.iter().map(|n| Bytes::from(vec![*n as u8; *n])).collect();
    for piece_bytes in 1..30 {
        let (mut rest, mut sent) = (all.clone(), Vec::new());
        while !rest.is_empty() {
            let piece = take_front(&mut rest, piece_bytes).concat();
            assert!(piece.len() <= piece_bytes);
            assert!(piece.len() == piece_bytes || rest.is_empty());
            sent.extend(piece);
        }
        assert_eq!(sent, all.concat());
    }
}
