//! Files and directories on their way out: renamed already, removed when their delay is over.
//!
//! Owns: what waits, and one task per delay while something does.
//! Leaves to others: renaming (`removal`, `owner`), what a crash left over (`recovery`, the shard).
//! Invariant: nobody waits for a removal; one for which a full disk has no room, as may be where
//! nothing is written in place, is tried again and again, another that fails is left to the next
//! start.
//! Start reading at: [`Graveyard::bury`].
//! Source: Kafka `LocalLog#deleteSegmentFiles`, `LogManager#deleteLogs`.
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::env::{Env, Instant, IoError};

/// What is left of something that has its last name.
#[derive(Debug)]
pub enum Remains {
    File(String),
    Directory(String),
}

/// Time until the next try after a full disk.
const RETRY_MS: u64 = 10_000;

/// Those of one delay leave in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    First { delay_ms: u64 },
    Again,
}

#[derive(Clone, Default)]
pub struct Graveyard(Rc<RefCell<BTreeMap<Line, VecDeque<(Instant, Remains)>>>>);

impl Graveyard {
    /// Removes these when `delay_ms` is over, in the background.
    pub fn bury(&self, env: &Env, delay_ms: u64, remains: Vec<Remains>) {
        self.put(env, Line::First { delay_ms }, remains);
    }

    fn put(&self, env: &Env, line: Line, remains: Vec<Remains>) {
        if remains.is_empty() {
            return;
        }
        let delay_ms = match line {
            Line::First { delay_ms } => delay_ms,
            Line::Again => RETRY_MS,
        };
        let due = env.now().plus_ms(delay_ms);
        let mut waiting = self.0.borrow_mut();
        let task_runs = waiting.contains_key(&line);
        waiting.entry(line).or_default().extend(remains.into_iter().map(|one| (due, one)));
        if !task_runs {
            let (graveyard, held) = (self.clone(), env.clone());
            env.spawn(async move { graveyard.empty(&held, line).await });
        }
    }

    async fn empty(&self, env: &Env, line: Line) {
        loop {
            let next = {
                let mut waiting = self.0.borrow_mut();
                let next = waiting.get(&line).and_then(|line| line.front());
                let next = next.map(|(due, _)| *due);
                if next.is_none() {
                    waiting.remove(&line);
                }
                next
            };
            let Some(due) = next else { return };
            env.sleep_until(due).await;
            let gone = {
                let mut waiting = self.0.borrow_mut();
                waiting.get_mut(&line).and_then(|line| line.pop_front())
            };
            if let Some((_, remains)) = gone {
                self.remove(env, line, remains).await;
            }
        }
    }

    async fn remove(&self, env: &Env, line: Line, remains: Remains) {
        let (path, removed) = match &remains {
            Remains::File(path) => (path, env.remove_file(path).await),
            Remains::Directory(path) => (path, env.remove_dir_all(path).await),
        };
        match removed {
            // The directory around it was deleted meanwhile.
            Ok(()) | Err(IoError::NotFound) => {}
            Err(IoError::NoSpace) => {
                if line != Line::Again {
                    tracing::warn!("{path} cannot be removed yet: the disk is full");
                }
                self.put(env, Line::Again, vec![remains]);
            }
            Err(error) => {
                tracing::warn!(%error, "{path} cannot be removed; the next start tries again");
            }
        }
    }
}
