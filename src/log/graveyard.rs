//! Files and directories on their way out: renamed already, removed when their delay is over.
//!
//! Owns: what waits, and one task per delay while something does.
//! Leaves to others: renaming (`removal`, `owner`), what a crash left over (`recovery`, the shard).
//! Invariant: nobody waits for a removal; one that fails is left to the next start.
//! Start reading at: [`Graveyard::bury`].
//! Source: Kafka `LocalLog#deleteSegmentFiles`, `LogManager#deleteLogs`.
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::env::{Env, Instant, IoError};

/// What is left of something that has its last name.
pub enum Remains {
    File(String),
    Directory(String),
}

/// By delay, because those of one delay leave in the order in which they came.
#[derive(Clone, Default)]
pub struct Graveyard(Rc<RefCell<BTreeMap<u64, VecDeque<(Instant, Remains)>>>>);

impl Graveyard {
    /// Removes these when `delay_ms` is over, in the background.
    pub fn bury(&self, env: &Env, delay_ms: u64, remains: Vec<Remains>) {
        if remains.is_empty() {
            return;
        }
        let due = env.now().plus_ms(delay_ms);
        let mut waiting = self.0.borrow_mut();
        let task_runs = waiting.contains_key(&delay_ms);
        let line = waiting.entry(delay_ms).or_default();
        line.extend(remains.into_iter().map(|one| (due, one)));
        if !task_runs {
            let (graveyard, held) = (self.clone(), env.clone());
            env.spawn(async move { graveyard.empty(&held, delay_ms).await });
        }
    }

    async fn empty(&self, env: &Env, delay_ms: u64) {
        loop {
            let next = {
                let mut waiting = self.0.borrow_mut();
                let next = waiting.get(&delay_ms).and_then(|line| line.front());
                let next = next.map(|(due, _)| *due);
                if next.is_none() {
                    waiting.remove(&delay_ms);
                }
                next
            };
            let Some(due) = next else { return };
            env.sleep_until(due).await;
            let gone = {
                let mut waiting = self.0.borrow_mut();
                waiting.get_mut(&delay_ms).and_then(|line| line.pop_front())
            };
            if let Some((_, remains)) = gone {
                remove(env, remains).await;
            }
        }
    }
}

async fn remove(env: &Env, remains: Remains) {
    let (path, removed) = match &remains {
        Remains::File(path) => (path, env.remove_file(path).await),
        Remains::Directory(path) => (path, env.remove_dir_all(path).await),
    };
    match removed {
        // The directory around it was deleted meanwhile.
        Ok(()) | Err(IoError::NotFound) => {}
        Err(error) => {
            tracing::warn!(%error, "{path} cannot be removed; the next start tries again");
        }
    }
}
