//! Journals at a start: what they hold goes to the partitions' files, before any log is opened.
//!
//! Owns: which journal is believed for which partition, the recovery points after it, going on
//! while the node serves when the disk was full.
//! Leaves to others: the walks and the writing (`log::replay`), what a held log directory refuses
//! (`log`), opening the logs that waited (`shard::late`).
//! Invariant: a journal is emptied only after all it holds lies durably in files, and the recovery
//! points say so; until then nothing in its log directory is appended, nor removed that it holds;
//! a change of metadata waits for a bounded write of ours at the longest.
//! Start reading at: [`replay_all_journals`], then [`Unfinished::finish_in_time`].
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::api::node::BootError;
use crate::cluster::{ApplyError, Draft, Image, Planner};
use crate::env::IoError;
use crate::log::{DiskError, InJournals, JournalError, LastStop, LogPlace, Replayed, replay};
use crate::model::{DirectoryId, NodeId, Offset, PartitionIndex, TopicId, TopicPartition};
use crate::shard::Core;

type Key = (TopicId, PartitionIndex);

/// Partitions that stay offline because a journal still holds their batches, and the log directory
/// where that journal lies.
pub type Kept = BTreeMap<Key, DirectoryId>;

/// The files of a partition are not the log that this process serves.
const IN_USE: IoError = IoError::Errno(16);

/// Where partitions lie, and where the last process knew them.
struct Homes {
    core: Rc<Core>,
    known: Image,
    image: Image,
    /// The log directory whose journals are replayed.
    dir: Arc<str>,
    id: DirectoryId,
}

impl Homes {
    /// Log directory and topic's name of a partition whose batches this journal may hold.
    fn of(&self, (topic_id, partition): Key) -> Option<(&Arc<str>, Arc<str>)> {
        let node = self.core.identity.node_id;
        let topic = self.image.topic_by_id(topic_id)?;
        let lies_in = topic.partition(partition)?.directory_on(node);
        let is_believed = is_believed(&self.known, (topic_id, partition), (node, self.id));
        Some((self.core.dir_path(lies_in).filter(|_| is_believed)?, topic.name.clone()))
    }

    fn place(&self, key: Key) -> Option<LogPlace> {
        let (dir, topic) = self.of(key)?;
        let (topic_id, partition) = key;
        Some(LogPlace { dir: dir.to_string(), topic: topic.to_string(), topic_id, partition })
    }

    /// Whether a partition was not moved to another log directory.
    fn stays(&self, key: Key) -> bool {
        self.of(key).is_some_and(|(dir, _)| *dir == self.dir)
    }

    /// Why logs cannot be opened whose files have no room. Where the metadata does not know it a
    /// log is opened by the next start only, whatever room there is.
    fn bars(&self, waiting: &BTreeMap<Key, DiskError>) -> BTreeMap<Key, DiskError> {
        let bar = |(key, full): (&Key, &DiskError)| {
            let path = &full.path;
            let moved = || DiskError::new("open before the next start", path, IN_USE);
            (*key, if self.stays(*key) { full.clone() } else { moved() })
        };
        waiting.iter().map(bar).collect()
    }
}

/// Whether a journal in that log directory may hold batches of a partition.
///
/// It is believed where the last process knew the partition: what others hold of it is older than
/// what was appended since. Of one that this start takes over from Apache Kafka none is believed.
fn is_believed(
    known: &Image,
    (topic_id, partition): Key,
    (node, dir): (NodeId, DirectoryId),
) -> bool {
    let before = known.topic_by_id(topic_id).and_then(|topic| topic.partition(partition));
    before.is_some_and(|before| before.directory_on(node) == dir)
}

/// Journals of one log directory that a full disk keeps from being emptied.
pub struct Unfinished {
    homes: Homes,
    replayed: Replayed,
    /// What was free when it did not suffice.
    free_bytes: u64,
}

/// Replays the journals of every log directory; one where that cannot be done fails.
///
/// `known` is what the last process knew, `image` says what lies where now. Log directories where
/// the disk is too full for it are held, and come back to be finished.
pub async fn replay_all_journals(
    core: &Rc<Core>,
    known: &Image,
    image: &Image,
) -> Result<(Kept, Vec<Unfinished>), BootError> {
    let last = |ended_cleanly| if ended_cleanly { LastStop::InOrder } else { LastStop::Unknown };
    let dirs = core.online_dirs().map(|(dir, id)| (dir.path.clone(), id, last(dir.ended_cleanly)));
    let dirs: Vec<_> = dirs.collect();
    let (mut kept, mut unfinished) = (Kept::new(), Vec::new());
    for (dir, id, last) in dirs {
        let homes = Homes {
            core: core.clone(),
            known: known.clone(),
            image: image.clone(),
            dir: dir.clone(),
            id,
        };
        let error = match Unfinished::begin(homes, last, &mut kept).await {
            Ok(left) => {
                unfinished.extend(left);
                continue;
            }
            Err(error) => error,
        };
        if core.identity.log_dirs.len() == 1 || dir == core.identity.data_dir {
            return Err(BootError::Journal(error));
        }
        let failed = fail(core, &dir, &error);
        let moved = moved_out(core, known, image, id);
        kept.extend(moved.iter().map(|key| (*key, id)));
        core.bar_logs(&moved.into_iter().map(|key| (key, failed.clone())).collect()).await;
    }
    Ok((kept, unfinished))
}

/// A log directory whose journals cannot be read or written any more.
fn fail(core: &Core, dir: &Arc<str>, error: &JournalError) -> DiskError {
    tracing::error!(%dir, %error, "the journals cannot be replayed");
    let failed = DiskError::new("replay the journals in", dir, IoError::EIO);
    core.logs.dir(dir).fail(&failed);
    failed
}

/// Partitions that lay in a log directory when the last process ended and lie elsewhere now.
fn moved_out(core: &Core, known: &Image, image: &Image, id: DirectoryId) -> Vec<Key> {
    let node = core.identity.node_id;
    let mut moved = Vec::new();
    for topic in known.topics() {
        for (index, partition) in (0..).zip(topic.partitions.iter()) {
            let now = image.topic_by_id(topic.id).and_then(|topic| topic.partition(index));
            let left = now.is_some_and(|now| now.directory_on(node) != id);
            if left && partition.directory_on(node) == id {
                moved.push((topic.id, index));
            }
        }
    }
    moved
}

/// The metadata goes on to know a partition where the journal with its batches lies: from no other
/// place would the next start believe that journal.
pub fn wait_for_journals(core: &Core, draft: &mut Draft, kept: &Kept) -> Result<(), ApplyError> {
    let planner = Planner::new(draft.image(), &core.config);
    if let Some(command) = planner.assign_directories(kept) {
        draft.push(command, core.env.wall_ms())?;
    }
    Ok(())
}

impl Unfinished {
    /// Brings the partitions' files up to what the journals hold; `None` when that is done.
    async fn begin(
        homes: Homes,
        last: LastStop,
        kept: &mut Kept,
    ) -> Result<Option<Self>, JournalError> {
        let core = homes.core.clone();
        let place_of = |topic, partition| homes.place((topic, partition));
        let mut replayed = replay(&core.logs, &homes.dir, last, place_of).await?;
        core.logs.remove_soon(replayed.take_litter(core.shards));
        core.bar_logs(&replayed.failed).await;
        core.bar_logs(&homes.bars(&replayed.waiting)).await;
        let image = homes.image.clone();
        let mut one = Self { homes, replayed, free_bytes: 0 };
        let ended = one.end(&image).await;
        let out = one.replayed.failed.keys().chain(one.replayed.waiting.keys());
        kept.extend(out.map(|key| (*key, one.homes.id)));
        match ended {
            Ok(()) => Ok(None),
            Err(error) if error.is_full() => {
                one.free_bytes = core.logs.dir(&one.homes.dir).room.free_bytes().await;
                one.hold(&error).await;
                Ok(Some(one))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Notes in the recovery points what is stable now, and empties the journals.
    ///
    /// `image` says which topics there are now. Errors: also while something waits for room, and
    /// then what.
    async fn end(&mut self, image: &Image) -> Result<(), DiskError> {
        let (core, replayed) = (self.homes.core.clone(), &mut self.replayed);
        if let Some(error) = replayed.waiting.values().next() {
            return Err(error.clone());
        }
        let ends = replayed.stable.iter().filter_map(|(key, end)| {
            // The name of one that is gone may be another's: there it would speak of lost batches.
            image.topic_by_id(key.0)?;
            let (dir, topic) = self.homes.of(*key)?;
            Some((dir.clone(), TopicPartition { topic, partition: key.1 }, *end))
        });
        core.raise_recovery_points(ends).await?;
        if replayed.batches != 0 || replayed.forgotten != 0 {
            tracing::info!(
                batches = replayed.batches,
                bytes = replayed.bytes,
                forgotten = replayed.forgotten,
                "replayed {} journals",
                replayed.journals.len()
            );
        }
        replayed.empty(&core.logs.files(), core.shards).await
    }

    /// Lets nothing change in the log directory that a second replay could not stand.
    async fn hold(&self, error: &DiskError) {
        let (dir, replayed) = (&self.homes.dir, &self.replayed);
        tracing::warn!(
            %dir, %error, partitions = replayed.waiting.len(),
            "the disk is full: journals wait for room, nothing is appended here until there is"
        );
        let held = replayed.stable.iter().filter(|(key, _)| self.homes.stays(**key));
        let held = held.map(|(key, stable_end)| {
            let from = replayed.first.get(key).copied().unwrap_or(Offset(0));
            (*key, InJournals { from, stable_end: *stable_end })
        });
        self.homes.core.hold_dir(dir, error, held.collect()).await;
    }

    /// Tries again whenever there may be room, until the journals are empty; then everything in the
    /// log directory goes on.
    pub async fn finish_in_time(mut self) {
        let (core, dir) = (self.homes.core.clone(), self.homes.dir.clone());
        let held: Vec<Key> = self.replayed.stable.keys().copied().collect();
        // Where the metadata does not know it a partition is opened by the next start only.
        let waiting = self.replayed.waiting.keys().copied();
        let waiting: Vec<Key> = waiting.filter(|key| self.homes.stays(*key)).collect();
        let home = core.logs.dir(&dir);
        loop {
            home.room.roomier(self.free_bytes).await;
            self.free_bytes = home.room.free_bytes().await;
            if home.failure().is_some() {
                return;
            }
            match self.try_again().await {
                Ok(()) => break,
                Err(JournalError::Disk(error)) if error.is_full() => {}
                Err(error) => return drop(fail(&core, &dir, &error)),
            }
        }
        let failed = &self.replayed.failed;
        let open: Vec<Key> = waiting.into_iter().filter(|key| !failed.contains_key(key)).collect();
        core.release_dir(&dir, open, held).await;
        tracing::info!(%dir, "the disk has room again: the journals are in their files");
    }

    async fn try_again(&mut self) -> Result<(), JournalError> {
        let core = self.homes.core.clone();
        let controller = core.controller().expect("the start is over");
        let (homes, replayed) = (&self.homes, &mut self.replayed);
        // While files are written no topic is deleted, and no other one gets its name. Reading the
        // journals, which takes longer, keeps nobody waiting.
        let settle = async || {
            let (still, image) = (controller.still().await, core.image());
            move |topic: TopicId, partition| {
                let _ = &still;
                image.topic_by_id(topic)?;
                homes.place((topic, partition))
            }
        };
        replayed.again(&core.logs, settle).await?;
        core.bar_logs(&replayed.failed).await;
        let _still = controller.still().await;
        let image = core.image();
        Ok(self.end(&image).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Command, LogDirSeed, NewTopic};
    use crate::config::load;

    #[test]
    fn a_journal_is_believed_only_where_the_last_process_knew_the_partition() {
        let config = load(None, &["log.dirs=/a,/b".to_owned()], "host").unwrap().config;
        let [a, b, topic, other] = [1, 2, 3, 4].map(|byte| TopicId([byte; 16]));
        let mut draft = Draft::new(&Image::empty(), 1);
        let dirs = [(a, "/a"), (b, "/b")];
        let dirs = dirs.map(|(id, name)| LogDirSeed { id, name: name.to_owned() });
        let planner = Planner::new(draft.image(), &config);
        let register = planner.register_broker(other, a, dirs.into(), Vec::new());
        draft.push(register, 0).unwrap();
        let planner = Planner::new(draft.image(), &config);
        let place = planner.place(1).unwrap();
        draft.push(place, 0).unwrap();
        let planner = Planner::new(draft.image(), &config);
        let new = NewTopic { partitions: 2, ..NewTopic::with_defaults("flights") };
        let seed = planner.create_topic(&new, topic).unwrap();
        draft.push(Command::CreateTopic(seed), 0).unwrap();
        let known = draft.image();
        let node = config.node_id;
        let home = known.topic_by_id(topic).unwrap().partitions[0].directory_on(node);
        let elsewhere = if home == a { b } else { a };
        assert!(is_believed(known, (topic, 0), (node, home)));
        assert!(!is_believed(known, (topic, 0), (node, elsewhere)));
        assert!(!is_believed(known, (topic, 9), (node, home)), "no such partition");
        assert!(!is_believed(known, (other, 0), (node, home)), "no such topic");
        assert!(!is_believed(&Image::empty(), (topic, 0), (node, home)), "taken over just now");
    }
}
