//! Logs that a full disk keeps from being opened: they are opened when it has room.
//!
//! Owns: trying again, one log after the other, while there are such logs; whose files a try is at.
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
use crate::model::{PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::groups::OFFSETS_TOPIC;
use crate::shard::images::{Missing, Opened};
use crate::shard::partition::{Partition, log_config};

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

impl LateLogs {
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

#[derive(Clone)]
struct Late {
    partition: Rc<Partition>,
    opened: Opened,
}

/// What a try came to.
enum Tried {
    /// Open, deleted meanwhile, or offline for another reason.
    Over,
    StillFull,
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
        loop {
            let before = home.room.free_bytes().await;
            home.room.roomier(before).await;
            loop {
                let next = self.late.lines.borrow().get(dir).and_then(|line| line.front().cloned());
                let Some(late) = next else {
                    self.late.lines.borrow_mut().remove(dir);
                    tracing::info!(%dir, "no log waits to be opened any more");
                    return;
                };
                let tried = self.try_late(dir, &late).await;
                let mut all = self.late.lines.borrow_mut();
                let line = all.get_mut(dir).expect("only this task removes it");
                let late = line.pop_front().expect("just seen");
                if let Tried::StillFull = tried {
                    // Another is the first next time: what this one wants may be special.
                    line.push_back(late);
                    break;
                }
            }
        }
    }

    async fn try_late(self: &Rc<Self>, dir: &Arc<str>, late: &Late) -> Tried {
        let partition = &late.partition;
        let key = (partition.topic_id, partition.index());
        // From here on a deletion waits; one that has begun is seen here.
        let _claim = self.late.claim(key);
        let image = self.image();
        let topic = image.topic_by_id(key.0).filter(|_| self.has(partition)).cloned();
        let Some(topic) = topic else { return Tried::Over };
        let points = self.read_recovery_points(std::slice::from_ref(dir)).await;
        let missing = Missing { topic, index: key.1, settings: partition.settings() };
        let opened = match self.open_log(&image, &missing, &late.opened, &points).await {
            (_, Err(error)) if error.is_full => return Tried::StillFull,
            (_, Err(error)) => Err(error.text),
            (_, Ok(log)) => {
                self.logs.confirm(std::slice::from_ref(&log)).await;
                log.offline().map_or(Ok(log), |error| Err(error.to_string()))
            }
        };
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
        Tried::Over
    }

    fn has(&self, partition: &Rc<Partition>) -> bool {
        let key: Key = (partition.topic_id, partition.index());
        self.partition(key.0, key.1).is_some_and(|now| Rc::ptr_eq(&now, partition))
    }
}
