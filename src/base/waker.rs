//! Wakers without memory: the waker's data word is (thread, lane, task), cloning one costs nothing.
//!
//! Owns: the ready queue of each executor on this thread, one entry per task at most.
//! Invariant: an executor's wakers are only used on its thread; another thread sends mail instead,
//! and a waker that strayed there panics with that sentence rather than waking somebody else.
#![allow(unsafe_code)]
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Names one executor among those of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u16);

#[derive(Default)]
struct Ready {
    queue: VecDeque<u32>,
    queued: Vec<bool>,
}

/// Tells threads apart; wraps after 65,536 threads, which costs a check, not soundness.
static THREADS: AtomicU16 = AtomicU16::new(0);

thread_local! {
    static READY: RefCell<Vec<Option<Ready>>> = const { RefCell::new(Vec::new()) };
    static THREAD: u16 = THREADS.fetch_add(1, Relaxed);
}

/// Opens a ready queue on this thread.
pub fn open() -> Lane {
    READY.with_borrow_mut(|all| {
        let free = all.iter().position(Option::is_none).unwrap_or_else(|| {
            all.push(None);
            all.len() - 1
        });
        all[free] = Some(Ready::default());
        Lane(u16::try_from(free).expect("few executors per thread"))
    })
}

/// Closes a ready queue; late wakes through its wakers do nothing.
pub fn close(lane: Lane) {
    READY.with_borrow_mut(|all| all[usize::from(lane.0)] = None);
}

/// Queues `task` unless it is queued already.
pub fn push(lane: Lane, task: u32) {
    READY.with_borrow_mut(|all| {
        let Some(ready) = all.get_mut(usize::from(lane.0)).and_then(Option::as_mut) else { return };
        let index = task as usize;
        if ready.queued.len() <= index {
            ready.queued.resize(index + 1, false);
        }
        if !std::mem::replace(&mut ready.queued[index], true) {
            ready.queue.push_back(task);
        }
    });
}

/// Takes the task that `choose` picks out of the queue's length; `None` when nothing is ready.
pub fn pop(lane: Lane, choose: impl FnOnce(usize) -> usize) -> Option<u32> {
    READY.with_borrow_mut(|all| {
        let ready = all[usize::from(lane.0)].as_mut()?;
        let len = ready.queue.len();
        let task = if len == 0 { None } else { ready.queue.remove(choose(len)) }?;
        ready.queued[task as usize] = false;
        Some(task)
    })
}

/// Tasks that wait to be polled.
pub fn ready_len(lane: Lane) -> usize {
    READY.with_borrow(|all| {
        all.get(usize::from(lane.0)).and_then(Option::as_ref).map_or(0, |ready| ready.queue.len())
    })
}

const VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| {});

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let word = data.addr() as u64;
    let thread = (word >> 48) as u16;
    assert_eq!(thread, THREAD.with(|own| *own), "a waker left its thread; send mail instead");
    push(Lane((word >> 32) as u16), word as u32);
}

/// The waker of one task of one executor of this thread.
pub fn waker(lane: Lane, task: u32) -> Waker {
    let thread = THREAD.with(|own| u64::from(*own));
    let word = (thread << 48) | (u64::from(lane.0) << 32) | u64::from(task);
    let data = std::ptr::without_provenance(word as usize);
    // SAFETY: the functions of `VTABLE` never dereference `data`, it is a number; so cloning,
    // dropping and using it after the task ended (a spurious poll at most) are all sound.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}
