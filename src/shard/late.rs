//! Logs that a full disk keeps from being opened: they are opened when it has room.
//!
//! Owns: trying again, more at once the better it goes, while there are such logs; whose files a
//! try is at.
//! Leaves to others: what a start writes for a log (`log`), when there may be room (`log::room`),
//! journals that wait for it too (the node).
//! Invariant: a partition is offline until its log is whole; one that was deleted meanwhile is
//! forgotten, and its files are nobody else's before a try has ended that works on them; a node
//! whose logs are all open has no timer here.
//! Start reading at: [`Core::open_later`].
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::env::local::Notify;
use crate::log::{Log, LogHost};
use crate::model::{PartitionIndex, TopicId};
use crate::shard::groups::OFFSETS_TOPIC;
use crate::shard::images::{Missing, Opened};
use crate::shard::partition::{Partition, log_config};
use crate::shard::together::together;
use crate::shard::{Core, LOGS_AT_ONCE};

type Key = (TopicId, PartitionIndex);

/// See the module.
#[derive(Default)]
pub struct LateLogs {
    /// By log directory; each that is here has a task.
    lines: RefCell<BTreeMap<Arc<str>, VecDeque<Late>>>,
    /// Partitions whose files are read and written at this moment.
    claimed: RefCell<BTreeSet<Key>>,
    released: Notify,
}

/// The right to a partition's files.
struct Claim<'a>(&'a LateLogs, Key);

struct Late {
    partition: Rc<Partition>,
    opened: Opened,
}

impl Late {
    fn key(&self) -> Key {
        (self.partition.topic_id, self.partition.index())
    }
}

impl LateLogs {
    /// Takes those that are tried next, but none that waits for a journal; `None`: nobody waits,
    /// and the task of the directory is over.
    fn next_of(&self, dir: &str, count: usize, host: &LogHost) -> Option<Vec<Late>> {
        let mut all = self.lines.borrow_mut();
        let line = all.get_mut(dir).filter(|line| !line.is_empty());
        let Some(line) = line else {
            all.remove(dir);
            return None;
        };
        let mut group = Vec::new();
        for _ in 0..line.len() {
            if group.len() == count {
                break;
            }
            let late = line.pop_front().expect("there are so many");
            match host.waits_for_journal(&late.key()) {
                true => line.push_back(late),
                false => group.push(late),
            }
        }
        Some(group)
    }

    fn put_back(&self, dir: &str, late: Vec<Late>) {
        let mut all = self.lines.borrow_mut();
        all.get_mut(dir).expect("only its task removes it").extend(late);
    }

    fn claim(&self, key: Key) -> Claim<'_> {
        let is_first = self.claimed.borrow_mut().insert(key);
        assert!(is_first, "one task per log directory");
        Claim(self, key)
    }

    /// Waits until nobody opens the log of a partition that the shard does not have any more; no
    /// later try begins.
    pub(super) async fn end_of_try(&self, key: Key) {
        while self.claimed.borrow().contains(&key) {
            self.released.changed().await;
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Self(logs, key) = self;
        logs.claimed.borrow_mut().remove(key);
        logs.released.notify_all();
    }
}

impl Core {
    /// Opens the log of a partition of this shard as soon as the disk of its directory has room.
    pub(super) fn open_later(self: &Rc<Self>, partition: &Rc<Partition>, opened: &Opened) {
        let Some(dir) = &partition.dir else { return };
        let late = Late { partition: partition.clone(), opened: opened.clone() };
        let mut all = self.late.lines.borrow_mut();
        let has_task = all.contains_key(dir);
        all.entry(dir.clone()).or_default().push_back(late);
        if !has_task {
            let (core, dir) = (self.clone(), dir.clone());
            self.env.spawn(async move { core.open_in_time(&dir).await });
        }
    }

    async fn open_in_time(self: &Rc<Self>, dir: &Arc<str>) {
        let home = self.logs.dir(dir);
        tracing::warn!(%dir, "the disk is full: logs wait for room before they can be opened");
        // Little room may suffice for one log, and for none of many that are opened side by side.
        let mut at_once = 1;
        loop {
            let before = home.room.free_bytes().await;
            home.room.roomier(before).await;
            loop {
                let Some(group) = self.late.next_of(dir, at_once, &self.logs) else {
                    tracing::info!(%dir, "no log waits to be opened any more");
                    return;
                };
                if group.is_empty() {
                    break;
                }
                let still_late = self.open_group(dir, group).await;
                if still_late.is_empty() {
                    at_once = (2 * at_once).min(LOGS_AT_ONCE);
                    continue;
                }
                at_once = 1;
                // Others are the first next time: what these want may be special.
                self.late.put_back(dir, still_late);
                break;
            }
        }
    }

    /// Tries to open logs of one directory, side by side and with one sync for all; gives those
    /// that have no room still.
    async fn open_group(self: &Rc<Self>, dir: &Arc<str>, mut group: Vec<Late>) -> Vec<Late> {
        group.retain(|late| self.has(&late.partition));
        // From here on deletions wait; those that have begun are seen here.
        let image = self.image();
        let _claims: Vec<_> = group.iter().map(|late| self.late.claim(late.key())).collect();
        let points = Rc::new(self.read_recovery_points(std::slice::from_ref(dir)).await);
        let tried = Rc::new(RefCell::new(Vec::with_capacity(group.len())));
        let (core, into) = (self.clone(), tried.clone());
        together(&self.env, group, LOGS_AT_ONCE, move |late| {
            let (core, into) = (core.clone(), into.clone());
            let (image, points) = (image.clone(), points.clone());
            async move {
                let (topic_id, index) = late.key();
                let Some(topic) = image.topic_by_id(topic_id).cloned() else { return };
                let missing = Missing { topic, index, settings: late.partition.settings() };
                let (_, log) = core.open_log(&image, &missing, &late.opened, &points).await;
                into.borrow_mut().push((late, log));
            }
        })
        .await;
        let tried = tried.take();
        let logs: Vec<Rc<Log>> =
            tried.iter().filter_map(|(_, log)| log.as_ref().ok()).cloned().collect();
        self.logs.confirm(&logs).await;
        let mut still_late = Vec::new();
        for (late, log) in tried {
            match log {
                Err(error) if error.is_full => still_late.push(late),
                Err(error) => self.end_late(&late.partition, Err(error.text)),
                Ok(log) => {
                    let confirmed = log.offline().map_or(Ok(log), |error| Err(error.to_string()));
                    self.end_late(&late.partition, confirmed);
                }
            }
        }
        still_late
    }

    /// A log is open, or offline for another reason.
    fn end_late(self: &Rc<Self>, partition: &Rc<Partition>, opened: Result<Rc<Log>, String>) {
        match &opened {
            Ok(log) => {
                log.set_leader_epoch(partition.leader_epoch.get());
                log.set_config(log_config(&partition.settings(), &self.config));
                tracing::info!(partition = %partition.name, "opened: the disk has room again");
            }
            Err(why) => tracing::error!(partition = %partition.name, why, "partition is offline"),
        }
        // A deletion that waits finds the log, and ends it in order.
        partition.set_log(opened);
        if self.has(partition) && *partition.name.topic == *OFFSETS_TOPIC {
            self.groups.open(self, partition);
        }
    }

    fn has(&self, partition: &Rc<Partition>) -> bool {
        let key: Key = (partition.topic_id, partition.index());
        self.partition(key.0, key.1).is_some_and(|now| Rc::ptr_eq(&now, partition))
    }
}
