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

use tracing::{debug, info};

use crate::api::frames::{Frame, FrameReader};
use crate::api::{Answer, Client, Close, dispatch};
use crate::env::local::Notify;
use crate::env::net::Socket;
use crate::shard::Core;
use crate::shard::budget::Permit;

/// Requests of one connection that are read and not yet answered; then its socket is not read.
const PENDING_MAX: usize = 32;
/// Their bytes together.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long answers go on after the peer's end of stream.
const HALF_CLOSED_MS_MAX: u64 = 10_000;

struct Pending {
    answer: Answer,
    bytes: usize,
    /// Held until the answer is written.
    _permit: Option<Permit>,
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
    filled: Notify,
    drained: Notify,
}

impl Queue {
    fn is_full(&self) -> bool {
        PENDING_MAX <= self.count.get() || PENDING_BYTES_MAX <= self.bytes.get()
    }

    fn push(&self, answer: Answer, bytes: usize, permit: Option<Permit>) {
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
        self.in_turn.set(self.in_turn.get() + usize::from(!answer.is_started()));
        self.pending.borrow_mut().push_back(Pending { answer, bytes, _permit: permit });
        self.filled.notify_all();
    }

    fn answered(&self, bytes: usize, started: bool) {
        self.count.set(self.count.get() - 1);
        self.bytes.set(self.bytes.get() - bytes);
        self.in_turn.set(self.in_turn.get() - usize::from(!started));
        self.drained.notify_all();
    }
}

/// Serves one connection until it ends, from either side.
pub async fn serve(core: Rc<Core>, socket: Socket, client: Client) {
    let queue = Rc::new(Queue::default());
    core.metrics.connections.open_connections.inc();
    let writer = core.env.spawn(write_answers(core.clone(), socket.clone(), queue.clone()));
    let result = read_requests(&core, &socket, &client, &queue).await;
    queue.ended.set(true);
    queue.filled.notify_all();
    if let Err(close) = result {
        debug!(peer = %client.peer, reason = %close, "connection closed");
        core.env.spawner().abort(writer);
    } else {
        // The peer closed its sending half: what it asked before is still answered, in time.
        let at = core.env.now().plus_ms(HALF_CLOSED_MS_MAX);
        let answered = async {
            while 0 < queue.count.get() {
                queue.drained.changed().await;
            }
        };
        if core.env.until(at, answered).await.is_none() {
            core.env.spawner().abort(writer);
        }
    }
    core.metrics.connections.open_connections.dec();
}

async fn read_requests(
    core: &Rc<Core>,
    socket: &Socket,
    client: &Client,
    queue: &Rc<Queue>,
) -> Result<(), Close> {
    let bytes_max = core.config.request_bytes_max as usize;
    let budget = core.receive.clone();
    let mut frames = FrameReader::new(core.env.clone(), socket.clone(), bytes_max, budget);
    loop {
        while queue.is_full() && !queue.ended.get() {
            queue.drained.changed().await;
        }
        let Some(frame) = next_frame(core, &mut frames, queue).await? else { return Ok(()) };
        if queue.ended.get() {
            return Err(Close::Gone);
        }
        let (bytes, eager) = (frame.bytes.len(), queue.in_turn.get() == 0);
        queue.push(dispatch(core, client, frame.bytes, eager), bytes, frame.permit);
    }
}

/// The next frame, or the end of a connection that asks nothing and waits for nothing.
async fn next_frame(
    core: &Rc<Core>,
    frames: &mut FrameReader,
    queue: &Queue,
) -> Result<Option<Frame>, Close> {
    let mut next = std::pin::pin!(frames.next());
    loop {
        let at = core.env.now().plus_ms(core.config.connections_idle_ms.max(0) as u64);
        match core.env.until(at, next.as_mut()).await {
            Some(frame) => return Ok(frame?),
            None if 0 < queue.count.get() => {}
            None => return Err(Close::Idle),
        }
    }
}

async fn write_answers(core: Rc<Core>, socket: Socket, queue: Rc<Queue>) {
    loop {
        let head = queue.pending.borrow_mut().pop_front();
        let Some(Pending { answer, bytes, _permit }) = head else {
            if queue.ended.get() {
                return;
            }
            queue.filled.changed().await;
            continue;
        };
        let started = answer.is_started();
        let sent = match answer.finish().await {
            Ok(Some(slices)) => core.env.send_all(&socket, slices).await.is_ok(),
            Ok(None) => true,
            Err(close) => {
                info!(reason = %close, "connection closed");
                false
            }
        };
        if !sent {
            queue.ended.set(true);
            queue.pending.borrow_mut().clear();
            queue.count.set(1);
            let _ = core.env.shutdown_send(&socket).await;
        }
        queue.answered(bytes, started);
        if !sent {
            return;
        }
    }
}
