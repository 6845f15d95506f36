//! Where compaction of each partition has come to, durably: Kafka's `cleaner-offset-checkpoint`.
//!
//! Owns: the file of each log directory, which shard 0 alone writes, and its lines.
//! Leaves to others: the file's format (`log::checkpoint`), moving a boundary (`compaction`).
//! Invariant: a line is written only after what it says is durable in the log; one that is lost
//! or behind costs work, never records; no line of a deleted topic is there when one of its name
//! can be created.
//! Start reading at: [`NoteCleaned`].
//! Source: Kafka `LogCleanerManager#updateCheckpoints`.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::Image;
use crate::log::checkpoint::{CLEANER_OFFSETS, CheckpointLine, read_offsets, write_offsets};
use crate::model::{Offset, PartitionIndex, TopicId, TopicPartition};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::partition::Turnstile;
use crate::shard::starts::namesake_in;

/// Clean boundaries by log directory, topic name and partition, as the files give them.
pub type Boundaries = BTreeMap<(Arc<str>, String, PartitionIndex), Offset>;

type Lines = BTreeMap<(TopicId, PartitionIndex), CheckpointLine>;

/// What shard 0 knows of all partitions.
#[derive(Default)]
pub struct Checkpoint {
    /// By log directory.
    lines: RefCell<BTreeMap<Arc<str>, Lines>>,
    /// What the files say, in order, as far as the disk tells.
    on_disk: RefCell<BTreeMap<Arc<str>, Vec<CheckpointLine>>>,
    changes: Cell<u64>,
    written: Cell<u64>,
    line: Turnstile,
}

impl Checkpoint {
    /// Takes over what a file said, as far as it is about partitions of this image.
    fn adopt(&self, dir: &Arc<str>, mut found: Vec<CheckpointLine>, image: &Image) {
        let mut lines = self.lines.borrow_mut();
        for line in &found {
            let Some(topic) = image.topic(&line.topic) else { continue };
            let place = (topic.id, line.partition);
            lines.entry(dir.clone()).or_default().insert(place, line.clone());
        }
        found.sort_unstable();
        self.on_disk.borrow_mut().insert(dir.clone(), found);
    }

    /// Drops the lines of a deleted topic; true when there were any.
    fn forget(&self, topic: TopicId) -> bool {
        let mut lines = self.lines.borrow_mut();
        let count = |all: &BTreeMap<_, Lines>| all.values().map(Lines::len).sum::<usize>();
        let before = count(&lines);
        lines.values_mut().for_each(|of_dir| of_dir.retain(|(id, _), _| *id != topic));
        let changed = count(&lines) < before;
        self.changes.set(self.changes.get() + u64::from(changed));
        changed
    }
}

/// Tells shard 0 how far a partition is compacted. Answered when that is written down.
#[derive(Clone)]
pub struct NoteCleaned {
    pub dir: Arc<str>,
    pub topic_id: TopicId,
    pub name: TopicPartition,
    pub end: Offset,
}

impl Ask for NoteCleaned {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let checkpoint = &core.clean_checkpoint;
        // A topic that was deleted meanwhile has no line any more.
        if core.image().topic_by_id(self.topic_id).is_some() {
            let (topic, partition) = (self.name.topic.to_string(), self.name.partition);
            let line = CheckpointLine { topic, partition, offset: self.end };
            let mut lines = checkpoint.lines.borrow_mut();
            lines.entry(self.dir).or_default().insert((self.topic_id, partition), line);
            checkpoint.changes.set(checkpoint.changes.get() + 1);
        }
        let core = core.clone();
        Box::pin(async move { core.write_boundaries().await })
    }
}

impl Core {
    /// What the log directories say; nothing where there is no such file or it is damaged.
    pub(super) async fn read_boundaries(&self, image: &Image) -> Boundaries {
        let dirs: Vec<_> = self.online_dirs().map(|(dir, _)| dir.path.clone()).collect();
        let mut found = Boundaries::new();
        for dir in dirs {
            let lines = match read_offsets(&self.env, &dir, CLEANER_OFFSETS).await {
                Ok(lines) => lines.unwrap_or_default(),
                Err(error) => {
                    tracing::warn!(%error, "compaction begins at the start of every log");
                    continue;
                }
            };
            let entry = |line: &CheckpointLine| {
                ((dir.clone(), line.topic.clone(), line.partition), line.offset)
            };
            found.extend(lines.iter().map(entry));
            if self.shard.0 == 0 {
                self.clean_checkpoint.adopt(&dir, lines, image);
            }
        }
        found
    }

    /// Makes sure that no line is left of a topic that had this name before; on shard 0, before a
    /// topic of this name is there.
    ///
    /// Errors: a file that may still have one.
    pub(super) async fn free_boundaries(&self, topic: &str) -> Result<(), String> {
        {
            let turn = self.clean_checkpoint.line.enter();
            turn.called().await;
            if self.namesakes_boundaries(topic).is_none() {
                return Ok(());
            }
        }
        let changes = &self.clean_checkpoint.changes;
        changes.set(changes.get() + 1);
        self.write_boundaries().await;
        self.namesakes_boundaries(topic).map_or(Ok(()), |path| Err(namesake_in(&path, topic)))
    }

    /// A file in a log directory that works with a line of this topic, as far as anybody knows.
    fn namesakes_boundaries(&self, topic: &str) -> Option<String> {
        let on_disk = self.clean_checkpoint.on_disk.borrow();
        let has = |lines: &Vec<CheckpointLine>| lines.iter().any(|line| line.topic == topic);
        let (dir, _) =
            self.online_dirs().find(|(dir, _)| on_disk.get(&dir.path).is_none_or(has))?;
        Some(format!("{}/{CLEANER_OFFSETS}", dir.path))
    }

    /// Drops a deleted topic's boundaries; a topic created under its name begins at its start.
    pub(super) fn forget_boundaries(self: &Rc<Self>, topic: TopicId) {
        if self.clean_checkpoint.forget(topic) {
            let core = self.clone();
            self.env.spawn(async move { core.write_boundaries().await });
        }
    }

    /// Writes all lines, unless somebody who came later did it already.
    async fn write_boundaries(&self) {
        let checkpoint = &self.clean_checkpoint;
        let wanted = checkpoint.changes.get();
        let turn = checkpoint.line.enter();
        turn.called().await;
        if wanted <= checkpoint.written.get() {
            return;
        }
        let now = checkpoint.changes.get();
        let dirs: Vec<_> = self.online_dirs().map(|(dir, _)| dir.path.clone()).collect();
        let mut is_written = true;
        for dir in dirs {
            let mut lines: Vec<_> = match checkpoint.lines.borrow().get(&dir) {
                Some(lines) => lines.values().cloned().collect(),
                None => Vec::new(),
            };
            lines.sort_unstable();
            if checkpoint.on_disk.borrow().get(&dir) == Some(&lines) {
                continue;
            }
            match write_offsets(&self.logs.files(), &dir, CLEANER_OFFSETS, &lines).await {
                Ok(()) => drop(checkpoint.on_disk.borrow_mut().insert(dir, lines)),
                // The next pass writes it again; until then a restart cleans more than it must.
                Err(error) => {
                    tracing::warn!(%error, "clean boundaries are not written down");
                    is_written = false;
                }
            }
        }
        if is_written {
            checkpoint.written.set(now);
        }
    }
}
