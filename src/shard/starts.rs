//! Log start offsets on disk: `log-start-offset-checkpoint` of each log directory.
//!
//! Owns: gathering them from all shards on shard 0, writing the files, what they said at the start.
//! Leaves to others: moving them (`log`), who needs them on disk (`delete_records`).
//! Invariant: one writer per file; a write serves everybody who asked before it began; no line of a
//! deleted topic is there when a topic of the same name can be created, else the new one's records
//! would pass for deleted ones.
//! Start reading at: [`KeepStarts`].
//! Source: Kafka `LogManager#checkpointLogStartOffsets`.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{Image, TopicImage};
use crate::env::local::Notify;
use crate::log::checkpoint::{CheckpointLine, LOG_START_OFFSETS, read_offsets, write_offsets};
use crate::model::{DirectoryId, ErrorCode, Offset, PartitionIndex, ShardId, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::dirs::LogDirectory;
use crate::shard::partition::Partition;

type Place = (TopicId, PartitionIndex);

/// One line, and the name that it has in the file.
type Line = (Arc<str>, Offset);

/// The files of all log directories.
#[derive(Default)]
pub struct StartKeepers(RefCell<BTreeMap<Arc<str>, Rc<StartKeeper>>>);

impl StartKeepers {
    fn of(&self, dir: &Arc<str>) -> Rc<StartKeeper> {
        let mut all = self.0.borrow_mut();
        let fresh = || Rc::new(StartKeeper { dir: dir.clone(), ..StartKeeper::default() });
        all.entry(dir.clone()).or_insert_with(fresh).clone()
    }

    fn all(&self) -> Vec<Rc<StartKeeper>> {
        self.0.borrow().values().cloned().collect()
    }
}

/// One file as shard 0 knows it, and those who wait for the next write.
#[derive(Default)]
struct StartKeeper {
    dir: Arc<str>,
    listed: RefCell<BTreeMap<Place, Line>>,
    /// The file may say something else than `listed`.
    stale: Cell<bool>,
    /// Nobody knows what the file says: the disk did not tell.
    unread: Cell<bool>,
    runs: Cell<bool>,
    /// Numbers of writes: wanted, begun, ended, and the last that went well.
    wanted: Cell<u64>,
    begun: Cell<u64>,
    ended: Cell<u64>,
    done: Cell<u64>,
    notice: Notify,
}

/// Asks shard 0 to write the log starts of all shards in a log directory as they are now; answered
/// when a power cut takes none of them.
#[derive(Clone)]
pub struct KeepStarts {
    pub dir: Arc<str>,
}

impl Ask for KeepStarts {
    /// Errors: `KafkaStorageError`.
    type Told = Result<(), ErrorCode>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let (core, keeper) = (core.clone(), core.starts.of(&self.dir));
        Box::pin(async move { keep(&core, &keeper).await })
    }
}

/// The log starts of one shard that the file must name.
#[derive(Clone)]
struct ListStarts {
    dir: Arc<str>,
    /// Partitions that the file names: they are told about in any case.
    listed: Arc<BTreeSet<Place>>,
}

/// `None`: the first segment's name says it.
type Row = (Place, Arc<str>, Option<Offset>);

impl Ask for ListStarts {
    /// The version of the shard's image, and its rows.
    type Told = (u64, Vec<Row>);

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let mut rows = Vec::new();
        let is_here = |one: &Rc<Partition>| one.dir.as_ref() == Some(&self.dir);
        for partition in core.partitions().into_iter().filter(is_here) {
            let place = (partition.topic_id, partition.index());
            // Of a partition that is offline the file's own line stays.
            let Ok(log) = partition.log() else { continue };
            let line = log.start_line();
            if line.is_some() || self.listed.contains(&place) {
                rows.push((place, partition.name.topic.clone(), line));
            }
        }
        Box::pin(std::future::ready((core.image().version(), rows)))
    }
}

async fn keep(core: &Rc<Core>, keeper: &Rc<StartKeeper>) -> Result<(), ErrorCode> {
    // One that has begun may have asked the shards before the caller's log moved.
    let ticket = keeper.begun.get() + 1;
    keeper.wanted.set(keeper.wanted.get().max(ticket));
    if !keeper.runs.replace(true) {
        // A task of its own: the caller's connection may end at any moment.
        let (core, keeper) = (core.clone(), keeper.clone());
        core.env.clone().spawn(async move { run(&core, &keeper).await });
    }
    while keeper.ended.get() < ticket {
        keeper.notice.changed().await;
    }
    if keeper.done.get() < ticket { Err(ErrorCode::KafkaStorageError) } else { Ok(()) }
}

async fn run(core: &Rc<Core>, keeper: &StartKeeper) {
    while keeper.begun.get() < keeper.wanted.get() {
        let number = keeper.begun.get() + 1;
        keeper.begun.set(number);
        match write(core, keeper).await {
            Ok(()) => keeper.done.set(number),
            Err(error) => {
                tracing::error!(error, "{}/{LOG_START_OFFSETS} was not written", keeper.dir);
            }
        }
        keeper.ended.set(number);
        keeper.notice.notify_all();
    }
    keeper.runs.set(false);
}

/// Reads what could not be read when the process began: its lines must not go unseen.
async fn read_late(core: &Core, keeper: &StartKeeper) -> Result<(), String> {
    let is_it = |(dir, _): &(&LogDirectory, DirectoryId)| dir.path == keeper.dir;
    let Some((_, id)) = core.online_dirs().find(is_it) else { return Ok(()) };
    let lines = read_offsets(&core.env, &keeper.dir, LOG_START_OFFSETS).await;
    let lines = lines.map_err(|error| error.to_string())?;
    core.adopt_starts(keeper, id, &core.image(), &lines.unwrap_or_default());
    keeper.unread.set(false);
    Ok(())
}

async fn write(core: &Rc<Core>, keeper: &StartKeeper) -> Result<(), String> {
    if keeper.unread.get() {
        read_late(core, keeper).await?;
    }
    let mut lines = keeper.listed.borrow().clone();
    let listed = Arc::new(lines.keys().copied().collect());
    let ask = ListStarts { dir: keeper.dir.clone(), listed };
    let told = core.ask_all(&ask).await.map_err(|error| error.to_string())?;
    let image = core.image();
    lines.retain(|(topic, _), _| image.topic_by_id(*topic).is_some());
    for (version, rows) in told {
        for (place, topic, line) in rows {
            // A shard may not know yet of a deletion, or already of a topic that is new to us.
            let is_gone = version <= image.version() && image.topic_by_id(place.0).is_none();
            match line.filter(|_| !is_gone) {
                Some(start) => drop(lines.insert(place, (topic, start))),
                None => drop(lines.remove(&place)),
            }
        }
    }
    if !keeper.stale.get() && lines == *keeper.listed.borrow() {
        return Ok(());
    }
    keeper.stale.set(true);
    let mut text: Vec<CheckpointLine> = Vec::with_capacity(lines.len());
    for ((_, partition), (topic, offset)) in &lines {
        let (topic, partition, offset) = (topic.to_string(), *partition, *offset);
        text.push(CheckpointLine { topic, partition, offset });
    }
    let written = write_offsets(&core.logs.files(), &keeper.dir, LOG_START_OFFSETS, &text).await;
    written.map_err(|error| error.to_string())?;
    keeper.listed.replace(lines);
    keeper.stale.set(false);
    Ok(())
}

impl Core {
    /// Reads what the process before this one left; every shard does, for the logs that it opens.
    pub(super) async fn read_starts(&self, image: &Image) {
        let dirs: Vec<_> = self.online_dirs().map(|(dir, id)| (dir.path.clone(), id)).collect();
        for (dir, id) in dirs {
            let lines = match read_offsets(&self.env, &dir, LOG_START_OFFSETS).await {
                Ok(Some(lines)) => lines,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, "deleted records may come back");
                    if self.shard == ShardId(0) {
                        self.starts.of(&dir).unread.set(true);
                    }
                    continue;
                }
            };
            if self.shard == ShardId(0) {
                self.adopt_starts(&self.starts.of(&dir), id, image, &lines);
            }
            self.logs.list_starts(&dir, lines);
        }
    }

    /// Takes over the lines of partitions that lie in the keeper's directory.
    fn adopt_starts(
        &self,
        keeper: &StartKeeper,
        id: DirectoryId,
        image: &Image,
        lines: &[CheckpointLine],
    ) {
        let node = self.identity.node_id;
        let mut listed = keeper.listed.borrow_mut();
        for line in lines {
            let topic = image.topic(&line.topic).filter(|topic| {
                topic.partition(line.partition).is_some_and(|one| one.directory_on(node) == id)
            });
            match topic {
                Some(topic) => {
                    let line_now = (topic.name.clone(), line.offset);
                    listed.insert((topic.id, line.partition), line_now);
                }
                None => keeper.stale.set(true),
            }
        }
    }

    /// Takes lines of deleted topics out of the files; on shard 0.
    pub async fn tidy_starts(self: &Rc<Self>) {
        for keeper in self.starts.all() {
            if keeper.stale.get() && keep(self, &keeper).await.is_err() {
                let dir = &keeper.dir;
                tracing::error!("lines of deleted topics stay in {dir}/{LOG_START_OFFSETS}");
            }
        }
    }

    /// Makes sure that no line is left of a topic that had this name before; on shard 0, before a
    /// topic of this name is there.
    ///
    /// Errors: a file that still has one, with the reason why nobody can rule that out.
    pub(super) async fn free_starts(self: &Rc<Self>, topic: &str) -> Result<(), String> {
        for keeper in self.starts.all() {
            let works = self.logs.dir(&keeper.dir).failure().is_none();
            let may_differ = keeper.stale.get() || keeper.unread.get();
            if !works || !may_differ || keep(self, &keeper).await.is_ok() {
                continue;
            }
            let path = format!("{}/{LOG_START_OFFSETS}", keeper.dir);
            match read_offsets(&self.env, &keeper.dir, LOG_START_OFFSETS).await {
                Ok(lines) if lines.iter().flatten().all(|line| line.topic != topic) => (),
                Ok(_) => return Err(namesake_in(&path, topic)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Takes the lines of topics that were just deleted out of the files; on shard 0.
    pub(super) async fn forget_starts(self: &Rc<Self>, gone: &[Arc<TopicImage>]) {
        for keeper in self.starts.all() {
            let is_listed = |topic: &Arc<TopicImage>| {
                let (first, last) = ((topic.id, 0), (topic.id, PartitionIndex::MAX));
                keeper.listed.borrow().range(first..=last).next().is_some()
            };
            if gone.iter().any(is_listed) {
                keeper.stale.set(true);
            }
        }
        self.tidy_starts().await;
    }
}

/// Why a topic cannot be created: a line in that file may be of a topic that had its name before.
pub fn namesake_in(path: &str, topic: &str) -> String {
    format!("{path} cannot be written and may have a line of a deleted topic {topic} still")
}

/// Drops lines whose segments are gone and tries again what failed; on shard 0, for ever.
pub async fn keep_from_time_to_time(core: Rc<Core>) {
    let interval_ms = core.config.start_checkpoint_ms.max(1);
    loop {
        core.env.sleep_ms(interval_ms).await;
        for keeper in core.starts.all() {
            let works = core.logs.dir(&keeper.dir).failure().is_none();
            if works && (keeper.stale.get() || !keeper.listed.borrow().is_empty()) {
                // What fails is in the log by now.
                let _ = keep(&core, &keeper).await;
            }
        }
    }
}
