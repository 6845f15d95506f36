//! Many pieces of work at once, but not all: so many are under way at one moment.
//!
//! Owns: how partitions are opened and closed side by side, so that the disk and the ring have
//! something to batch and memory stays bounded.
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use crate::env::Env;
use crate::env::local::Notify;

/// Does `work` on each item, in their order, `limit` at a time; ends when all are done.
pub async fn together<T: 'static, F: Future<Output = ()> + 'static>(
    env: &Env,
    items: Vec<T>,
    limit: usize,
    work: impl Fn(T) -> F + 'static,
) {
    let left = Rc::new(Cell::new(limit.min(items.len())));
    let (items, done) = (Rc::new(RefCell::new(items.into_iter())), Rc::new(Notify::default()));
    let work = Rc::new(work);
    for _ in 0..left.get() {
        let (items, work) = (items.clone(), work.clone());
        let (left, done) = (left.clone(), done.clone());
        env.spawn(async move {
            loop {
                let next = items.borrow_mut().next();
                let Some(item) = next else { break };
                work(item).await;
            }
            left.set(left.get() - 1);
            done.notify_all();
        });
    }
    while 0 < left.get() {
        done.changed().await;
    }
}
