//! Waiting inside one shard without an operation: a typed one-shot channel and a notice board.
//!
//! Owns: [`oneshot`] and [`Notify`]. Nothing here crosses threads or touches a driver.
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

struct Shared<T> {
    value: Option<T>,
    sender_gone: bool,
    waker: Option<Waker>,
}

/// Gives one value to the [`Receiver`]; dropping it unused ends the wait with `None`.
pub struct Sender<T>(Rc<RefCell<Shared<T>>>);

/// A future of the value, `None` when the sender was dropped.
#[must_use = "nobody else gets the value"]
pub struct Receiver<T>(Rc<RefCell<Shared<T>>>);

pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Shared { value: None, sender_gone: false, waker: None };
    let shared = Rc::new(RefCell::new(shared));
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    pub fn send(self, value: T) {
        self.0.borrow_mut().value = Some(value);
    }

    /// Whether nobody waits any more.
    pub fn is_abandoned(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.sender_gone = true;
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut shared = self.0.borrow_mut();
        if let Some(value) = shared.value.take() {
            return Poll::Ready(Some(value));
        }
        if shared.sender_gone {
            return Poll::Ready(None);
        }
        shared.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Something changed: wakes everybody who waits, and remembers nothing for those who come later.
///
/// Look at the state, then make the [`Notified`], then await it: no change falls in between,
/// because a shard has one thread.
#[derive(Clone, Default)]
pub struct Notify(Rc<Board>);

#[derive(Default)]
struct Board {
    changes: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

/// A future that ends with the first change after it was made.
pub struct Notified {
    board: Rc<Board>,
    seen: u64,
}

impl Notify {
    pub fn notify_all(&self) {
        self.0.changes.set(self.0.changes.get() + 1);
        for waker in self.0.waiting.take() {
            waker.wake();
        }
    }

    pub fn changed(&self) -> Notified {
        Notified { board: self.0.clone(), seen: self.0.changes.get() }
    }
}

impl Future for Notified {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.seen < self.board.changes.get() {
            return Poll::Ready(());
        }
        let mut waiting = self.board.waiting.borrow_mut();
        // A future that is polled often must not fill the board.
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
