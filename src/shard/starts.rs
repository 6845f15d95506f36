//! Log start offsets on disk: `log-start-offset-checkpoint` of the data directory.
//!
//! Owns: gathering them from all shards on shard 0, writing the file, what it said at the start.
//! Leaves to others: moving them (`log`), who needs them on disk (`delete_records`).
//! Invariant: one writer; a write serves everybody who asked before it began; no line of a deleted
//! topic is there when a topic of the same name can be created, else the new one's records would
//! pass for deleted ones.
//! Start reading at: [`KeepStarts`].
//! Source: Kafka `LogManager#checkpointLogStartOffsets`.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{Image, TopicImage};
use crate::env::local::Notify;
use crate::log::checkpoint::{CheckpointLine, LOG_START_OFFSETS, read_offsets, write_offsets};
use crate::model::{ErrorCode, Offset, PartitionIndex, ShardId, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};

type Place = (TopicId, PartitionIndex);

/// One line, and the name that it has in the file.
type Line = (Arc<str>, Offset);

/// The file as shard 0 knows it, and those who wait for the next write.
#[derive(Default)]
pub struct StartKeeper {
    listed: RefCell<BTreeMap<Place, Line>>,
    /// The file may say something else than `listed`.
    stale: Cell<bool>,
    runs: Cell<bool>,
    /// Numbers of writes: wanted, begun, ended, and the last that went well.
    wanted: Cell<u64>,
    begun: Cell<u64>,
    ended: Cell<u64>,
    done: Cell<u64>,
    notice: Notify,
}

/// Asks shard 0 to write the log starts of all shards as they are now; answered when a power cut
/// takes none of them.
#[derive(Clone, Copy)]
pub struct KeepStarts;

impl Ask for KeepStarts {
    /// Errors: `KafkaStorageError`.
    type Told = Result<(), ErrorCode>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move { keep(&core).await })
    }
}

/// The log starts of one shard that the file must name.
#[derive(Clone)]
struct ListStarts {
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
        for partition in core.partitions() {
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

async fn keep(core: &Rc<Core>) -> Result<(), ErrorCode> {
    let keeper = &core.starts;
    // One that has begun may have asked the shards before the caller's log moved.
    let ticket = keeper.begun.get() + 1;
    keeper.wanted.set(keeper.wanted.get().max(ticket));
    if !keeper.runs.replace(true) {
        // A task of its own: the caller's connection may end at any moment.
        let held = core.clone();
        core.env.spawn(async move { run(&held).await });
    }
    while keeper.ended.get() < ticket {
        keeper.notice.changed().await;
    }
    if keeper.done.get() < ticket { Err(ErrorCode::KafkaStorageError) } else { Ok(()) }
}

async fn run(core: &Rc<Core>) {
    let keeper = &core.starts;
    while keeper.begun.get() < keeper.wanted.get() {
        let number = keeper.begun.get() + 1;
        keeper.begun.set(number);
        match write(core).await {
            Ok(()) => keeper.done.set(number),
            Err(error) => tracing::error!(error, "{LOG_START_OFFSETS} was not written"),
        }
        keeper.ended.set(number);
        keeper.notice.notify_all();
    }
    keeper.runs.set(false);
}

async fn write(core: &Rc<Core>) -> Result<(), String> {
    let keeper = &core.starts;
    let mut lines = keeper.listed.borrow().clone();
    let listed = Arc::new(lines.keys().copied().collect());
    let told = core.ask_all(&ListStarts { listed }).await.map_err(|error| error.to_string())?;
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
    let dir = &core.identity.data_dir;
    let written = write_offsets(&core.env, dir, LOG_START_OFFSETS, &text).await;
    written.map_err(|error| error.to_string())?;
    keeper.listed.replace(lines);
    keeper.stale.set(false);
    Ok(())
}

impl Core {
    /// Reads what the process before this one left; every shard does, for the logs that it opens.
    pub(super) async fn read_starts(&self, image: &Image) {
        let dir = self.identity.data_dir.clone();
        let lines = match read_offsets(&self.env, &dir, LOG_START_OFFSETS).await {
            Ok(Some(lines)) => lines,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "deleted records may come back");
                return;
            }
        };
        if self.shard == ShardId(0) {
            let mut listed = self.starts.listed.borrow_mut();
            for line in &lines {
                match image.topic(&line.topic) {
                    Some(topic) => {
                        let line_now = (topic.name.clone(), line.offset);
                        listed.insert((topic.id, line.partition), line_now);
                    }
                    None => self.starts.stale.set(true),
                }
            }
        }
        self.logs.list_starts(&dir, lines);
    }

    /// Takes lines of deleted topics out of the file; on shard 0.
    pub async fn tidy_starts(self: &Rc<Self>) {
        if self.starts.stale.get() && keep(self).await.is_err() {
            tracing::error!("lines of deleted topics stay in {LOG_START_OFFSETS}");
        }
    }

    /// Takes the lines of topics that were just deleted out of the file; on shard 0.
    pub(super) async fn forget_starts(self: &Rc<Self>, gone: &[Arc<TopicImage>]) {
        let is_listed = |topic: &Arc<TopicImage>| {
            let (first, last) = ((topic.id, 0), (topic.id, PartitionIndex::MAX));
            self.starts.listed.borrow().range(first..=last).next().is_some()
        };
        if gone.iter().any(is_listed) {
            self.starts.stale.set(true);
            self.tidy_starts().await;
        }
    }
}

/// Drops lines whose segments are gone and tries again what failed; on shard 0, for ever.
pub async fn keep_from_time_to_time(core: Rc<Core>) {
    let interval_ms = core.config.start_checkpoint_ms.max(1);
    loop {
        core.env.sleep_ms(interval_ms).await;
        if core.starts.stale.get() || !core.starts.listed.borrow().is_empty() {
            // What fails is in the log by now.
            let _ = keep(&core).await;
        }
    }
}
