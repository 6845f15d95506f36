//! Logs that a full disk keeps from being opened: they are opened when it has room.
//!
//! Owns: trying again, one log after the other, while there are such logs.
//! Leaves to others: what a start writes for a log (`log`), when there may be room (`log::room`),
//! journals that wait for it too (the node).
//! Invariant: a partition is offline until its log is whole; one that was deleted meanwhile is
//! forgotten; a node whose logs are all open has no timer here.
//! Start reading at: [`Core::open_later`].
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::model::{PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::groups::OFFSETS_TOPIC;
use crate::shard::images::{Missing, Opened};
use crate::shard::partition::{Partition, log_config};

/// By log directory; each that is here has a task.
#[derive(Default)]
pub struct LateLogs(RefCell<BTreeMap<Arc<str>, VecDeque<Late>>>);

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
        let mut all = self.late.0.borrow_mut();
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
                let next = self.late.0.borrow().get(dir).and_then(|line| line.front().cloned());
                let Some(late) = next else {
                    self.late.0.borrow_mut().remove(dir);
                    tracing::info!(%dir, "no log waits to be opened any more");
                    return;
                };
                let tried = self.try_late(dir, &late).await;
                let mut all = self.late.0.borrow_mut();
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
        if !self.has(partition) {
            return Tried::Over;
        }
        let image = self.image();
        let Some(topic) = image.topic_by_id(key.0).cloned() else { return Tried::Over };
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
        // It may have been deleted beside this.
        if !self.has(partition) {
            return Tried::Over;
        }
        match &opened {
            Ok(log) => {
                log.set_leader_epoch(partition.leader_epoch.get());
                log.set_config(log_config(&partition.settings(), &self.config));
                tracing::info!(partition = %partition.name, "opened: the disk has room again");
            }
            Err(why) => tracing::error!(partition = %partition.name, why, "partition is offline"),
        }
        partition.set_log(opened);
        if *partition.name.topic == *OFFSETS_TOPIC {
            self.groups.open(self, partition);
        }
        Tried::Over
    }

    fn has(&self, partition: &Rc<Partition>) -> bool {
        let key: (TopicId, PartitionIndex) = (partition.topic_id, partition.index());
        self.partition(key.0, key.1).is_some_and(|now| Rc::ptr_eq(&now, partition))
    }
}
