//! Applying an image: a shard opens, changes and drops partitions until it holds what is named.
//!
//! Owns: the difference between two images as this shard sees it.
//! Leaves to others: making images (`cluster`, `controller`), files (`log`), opening again what a
//! full disk kept closed (`late`).
//! Invariant: an image is visible on a shard only after every partition of it is open there (or
//! known to be offline), so nobody finds a topic without its partitions.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{Image, TopicImage};
use crate::config::{BrokerValues, Overrides, TopicSettings};
use crate::env::Rests;
use crate::group::Changed;
use crate::log::{DiskError, Log, LogError, LogPlace, Start, evict};
use crate::model::{NodeId, Offset, PartitionIndex, ShardId, TopicId, TopicPartition};
use crate::shard::ask::{Ask, Work};
use crate::shard::boundaries::Boundaries;
use crate::shard::census::Findings;
use crate::shard::groups::OFFSETS_TOPIC;
use crate::shard::partition::{Partition, delete_delay_ms, log_config};
use crate::shard::recovery_points::Points;
use crate::shard::sweep::LeftBehind;
use crate::shard::together::together;
use crate::shard::{Core, LOGS_AT_ONCE};

/// What lies in the directories of partitions that an image brings.
#[derive(Clone, Debug)]
pub enum Opened {
    /// Nothing: the topic was just created.
    New,
    /// What the process before this one left.
    Found(Arc<Findings>),
}

/// Brings a shard to an image.
#[derive(Clone)]
pub struct Apply {
    pub image: Arc<Image>,
    pub opened: Opened,
}

/// A partition that an image names and the shard does not have yet.
pub(super) struct Missing {
    pub topic: Arc<TopicImage>,
    pub index: PartitionIndex,
    pub settings: Arc<TopicSettings>,
}

/// What holds under an image for topics with these settings: found out once for all that have the
/// same.
struct Settled {
    values: BrokerValues,
    known: BTreeMap<Arc<Overrides>, Arc<TopicSettings>>,
}

impl Settled {
    /// With the work that it took.
    fn of(&mut self, topic: &TopicImage) -> (Arc<TopicSettings>, usize) {
        if let Some(settings) = self.known.get(&topic.configs) {
            return (settings.clone(), 0);
        }
        let settings = Arc::new(TopicSettings::effective(&self.values, &topic.configs));
        self.known.insert(topic.configs.clone(), settings.clone());
        (settings, SETTINGS_WORK)
    }
}

/// Partitions that are brought to an image before other tasks of the shard run.
const PARTITIONS_PER_TURN: usize = 128;
/// Finding out what holds for a topic is as much work as so many partitions.
const SETTINGS_WORK: usize = 16;

/// Why a log is not open.
pub(super) struct NotOpen {
    pub text: String,
    /// It may be when the disk has room.
    pub is_full: bool,
}

/// Whether a log may be opened when the disk has room.
#[derive(Clone, Copy)]
struct IsLate(bool);

/// A log and its directory, which may be known also when the log is not open.
type OpenedLog = (Option<Arc<str>>, Result<Rc<Log>, NotOpen>);

impl Ask for Apply {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let core = core.clone();
        Box::pin(async move { core.apply(self.image, self.opened).await })
    }
}

impl Core {
    async fn apply(self: &Rc<Self>, image: Arc<Image>, opened: Opened) {
        let before = self.image();
        let changes = image.topic_changes(&before);
        // A setting of the broker may be any topic's default.
        let all = values_differ(&before, &image, self.identity.node_id);
        let changed: Vec<Arc<TopicImage>> =
            if all { image.topics().cloned().collect() } else { changes.changed };
        if let Opened::Found(_) = opened {
            self.read_starts(&image).await;
        }
        let mut missing = Vec::new();
        let values = image.broker_values(&self.config.values, self.identity.node_id);
        let mut settled = Settled { values, known: BTreeMap::new() };
        let mut rests = Rests::every(PARTITIONS_PER_TURN);
        for topic in &changed {
            for (index, placed) in topic.partitions.iter().enumerate() {
                // Images come one after the other, so nothing else changes partitions meanwhile.
                rests.after(1).await;
                if placed.shard != self.shard {
                    continue;
                }
                let index = index as PartitionIndex;
                let partition = self.partition(topic.id, index);
                if let Some(partition) = &partition {
                    self.follow_epoch(partition, topic);
                    if !all && partition.is_configured_by(&topic.configs) {
                        continue;
                    }
                }
                let (settings, work) = settled.of(topic);
                match partition {
                    Some(partition) => self.configure(&partition, topic, settings),
                    None => missing.push(Missing { topic: topic.clone(), index, settings }),
                }
                rests.after(work).await;
            }
        }
        self.open_all(&image, missing, opened).await;
        let before = self.image.replace(image.clone());
        self.plugins.follow(self, &image);
        self.tell_groups(&before, &image, &changes.gone);
        self.drop_deleted(&changes.gone).await;
    }

    /// Opens partitions, many at once.
    async fn open_all(self: &Rc<Self>, image: &Arc<Image>, missing: Vec<Missing>, opened: Opened) {
        let (points, cleaned) = match &opened {
            Opened::New => (Rc::default(), Rc::default()),
            Opened::Found(findings) => {
                let dirs = self.online_dirs().filter(|(dir, _)| findings.needs_points(dir));
                let dirs: Vec<_> = dirs.map(|(dir, _)| dir.path.clone()).collect();
                let points = self.read_recovery_points(&dirs).await;
                (Rc::new(points), Rc::new(self.read_boundaries(image).await))
            }
        };
        let (core, image, how) = (self.clone(), image.clone(), opened.clone());
        let found = Rc::<RefCell<Vec<(Rc<Partition>, IsLate)>>>::default();
        let into = found.clone();
        together(&self.env, missing, LOGS_AT_ONCE, move |missing| {
            let (core, image, into) = (core.clone(), image.clone(), into.clone());
            let (points, cleaned, opened) = (points.clone(), cleaned.clone(), how.clone());
            async move {
                let (partition, is_late) = core.load(&image, &missing, &opened, &points).await;
                if let Some(dir) = &partition.dir
                    && let Some(end) = boundary_of(&cleaned, dir, &partition.name)
                {
                    partition.cleaned_end.set(end);
                }
                into.borrow_mut().push((partition, is_late));
            }
        })
        .await;
        let found = found.take();
        let logs: Vec<Rc<Log>> = found.iter().filter_map(|(one, _)| one.log().ok()).collect();
        self.logs.confirm(&logs).await;
        let mut rests = Rests::every(PARTITIONS_PER_TURN);
        for (partition, IsLate(is_late)) in found {
            rests.after(1).await;
            if is_late {
                self.open_later(&partition, &opened);
            }
            let key = (partition.topic_id, partition.index());
            self.partitions.borrow_mut().insert(key, partition.clone());
            if *partition.name.topic == *OFFSETS_TOPIC {
                self.groups.open(self, &partition);
            }
        }
    }

    /// It changes while a node runs when a log directory fails.
    fn follow_epoch(&self, partition: &Partition, topic: &TopicImage) {
        let epoch = topic.partition(partition.index()).map(|one| one.leader_epoch);
        if let Some(epoch) = epoch.filter(|epoch| partition.leader_epoch.get() < *epoch) {
            partition.leader_epoch.set(epoch);
            if let Ok(log) = partition.log() {
                log.set_leader_epoch(epoch);
            }
        }
    }

    fn configure(&self, partition: &Partition, topic: &TopicImage, settings: Arc<TopicSettings>) {
        if let Ok(log) = partition.log() {
            log.set_config(log_config(&settings, &self.config));
        }
        partition.configure(topic.configs.clone(), settings);
    }

    /// Groups whose assignor is another one now start a new generation.
    fn tell_groups(&self, before: &Image, image: &Image, gone_topics: &[Arc<TopicImage>]) {
        let mut changed = Vec::new();
        for plugin in image.plugins() {
            let known = before.plugin(&plugin.name);
            if known.is_some_and(|known| known.generation != plugin.generation) {
                changed.push(Changed::Plugin(plugin.name.clone()));
            }
        }
        for (group, configs) in image.groups() {
            if before.group_configs(group).is_none_or(|known| !Arc::ptr_eq(known, configs)) {
                changed.push(Changed::Group(group.clone()));
            }
        }
        let gone = before.groups().filter(|(group, _)| image.group_configs(group).is_none());
        changed.extend(gone.map(|(group, _)| Changed::Group(group.clone())));
        let gone: Vec<_> = gone_topics.iter().map(|topic| (topic.name.clone(), topic.id)).collect();
        for shard in self.groups.all() {
            if !gone.is_empty() {
                shard.feed(|groups, turn| groups.on_topics_deleted(turn, &gone));
            }
            for change in &changed {
                shard.feed(|groups, turn| groups.on_assignor_changed(turn, change));
            }
        }
    }

    /// A partition whose log nobody may use before it is confirmed.
    async fn load(
        &self,
        image: &Image,
        missing: &Missing,
        opened: &Opened,
        points: &Points,
    ) -> (Rc<Partition>, IsLate) {
        let Missing { topic, index, settings } = missing;
        let name = TopicPartition { topic: topic.name.clone(), partition: *index };
        let epoch = topic.partitions[*index as usize].leader_epoch;
        let configs = (topic.configs.clone(), settings.clone());
        let (dir, log) = self.open_log(image, missing, opened, points).await;
        let is_late = log.as_ref().is_err_and(|error| error.is_full);
        let log = log.map_err(|NotOpen { text: why, is_full }| {
            match is_full {
                true => tracing::warn!(partition = %name, why, "the log waits for room"),
                false => tracing::error!(partition = %name, why, "partition is offline"),
            }
            why
        });
        let partition = Partition::new(topic.id, name, dir, epoch, configs, log);
        (Rc::new(partition), IsLate(is_late))
    }

    /// The log of a partition where it lies, to be confirmed.
    pub(super) async fn open_log(
        &self,
        image: &Image,
        missing: &Missing,
        opened: &Opened,
        points: &Points,
    ) -> OpenedLog {
        let Missing { topic, index, settings } = missing;
        let name = TopicPartition { topic: topic.name.clone(), partition: *index };
        let epoch = topic.partitions[*index as usize].leader_epoch;
        let (dir, start) = match self.home_of(topic, *index, opened, points, &name) {
            Ok(home) => home,
            Err((dir, text)) => return (dir, Err(NotOpen { text, is_full: false })),
        };
        let place = self.place_in(&dir, topic.id, &name);
        let config = log_config(settings, &self.config);
        let mut log = Log::load(&self.logs, place.clone(), config.clone(), epoch, start).await;
        // A topic of this name was deleted, a crash brought its directory back, and this one has
        // written nothing yet. Its first append moves that directory away.
        if let Err(LogError::ForeignTopic { found, .. }) = &log
            && image.topic_by_id(*found).is_none()
        {
            tracing::warn!(partition = %name, topic_id = %found, "a deleted topic's directory");
            log = Log::load(&self.logs, place, config, epoch, Start::New).await;
        }
        let failed = |error: LogError| {
            let (text, is_full) = (error.to_string(), error.is_full());
            NotOpen { text, is_full }
        };
        (Some(dir), log.map_err(failed))
    }

    /// The log directory of a partition and how its log is opened there, or why it is not.
    fn home_of(
        &self,
        topic: &TopicImage,
        index: PartitionIndex,
        opened: &Opened,
        points: &Points,
        name: &TopicPartition,
    ) -> Result<(Arc<str>, Start), (Option<Arc<str>>, String)> {
        let id = topic.partitions[index as usize].directory_on(self.identity.node_id);
        let dir = self.identity.log_dirs.iter().find(|dir| dir.id.as_ref() == Ok(&id));
        let Some(dir) = dir else {
            let why = format!("its log directory, with the id {id}, is not there");
            return Err((None, why));
        };
        let path = || Some(dir.path.clone());
        if let Some(why) = self.dir_fault(dir) {
            return Err((path(), why));
        }
        let key = (topic.id, index);
        match opened {
            Opened::New => Ok((dir.path.clone(), Start::New)),
            Opened::Found(findings) => match findings.double(key) {
                Some(why) => Err((path(), why.clone())),
                None => {
                    let point = points.get(&dir.path, name);
                    Ok((dir.path.clone(), findings.start(dir, key, point)))
                }
            },
        }
    }

    fn place_in(&self, dir: &str, topic_id: TopicId, name: &TopicPartition) -> LogPlace {
        LogPlace {
            dir: dir.to_owned(),
            topic: name.topic.to_string(),
            topic_id,
            partition: name.partition,
        }
    }

    /// Deletes the files of a partition, also those of one that is offline.
    async fn delete_files(&self, partition: &Partition) -> Result<(), DiskError> {
        // By its path it would write into the next topic of this name.
        self.late.end_of_try((partition.topic_id, partition.index())).await;
        if let Ok(log) = partition.log() {
            return log.delete().await;
        }
        // What lies in a log directory that is not here stays; the start that has it names it.
        let Some(dir) = &partition.dir else { return Ok(()) };
        let place = self.place_in(dir, partition.topic_id, &partition.name);
        let image = self.image();
        let delay_ms = delete_delay_ms(&partition.settings());
        evict(&self.logs, &place, delay_ms, |owner| image.topic_by_id(owner).is_some()).await
    }

    /// Lets shard 0 remove the folder of a deleted partition when the disk has room for that.
    fn leave_behind(self: &Rc<Self>, partition: &Partition) {
        let Some(dir) = &partition.dir else { return };
        let place = self.place_in(dir, partition.topic_id, &partition.name);
        let delay_ms = delete_delay_ms(&partition.settings());
        let told = self.ask(ShardId(0), LeftBehind { place, delay_ms });
        self.env.spawn(async move {
            let _ = told.told().await;
        });
    }

    async fn drop_deleted(self: &Rc<Self>, gone: &[Arc<TopicImage>]) {
        let partitions = |topic: &Arc<TopicImage>| {
            let (id, count) = (topic.id, topic.partitions.len() as PartitionIndex);
            (0..count).map(move |index| (id, index))
        };
        for key in gone.iter().flat_map(partitions) {
            let partition = self.partitions.borrow_mut().remove(&key);
            let Some(partition) = partition else { continue };
            if *partition.name.topic == *OFFSETS_TOPIC {
                self.groups.close_one(partition.index());
            }
            if let Err(error) = self.delete_files(&partition).await {
                let name = &partition.name;
                tracing::error!(partition = %name, %error, "deleted topic left files behind");
                if error.is_full() {
                    self.leave_behind(&partition);
                }
            }
        }
        self.forget_starts(gone).await;
        for topic in gone {
            self.verdicts.forget(topic.id);
            self.forget_boundaries(topic.id);
            self.metrics.forget_topic(&topic.name);
        }
    }
}

fn boundary_of(cleaned: &Boundaries, dir: &Arc<str>, name: &TopicPartition) -> Option<Offset> {
    cleaned.get(&(dir.clone(), name.topic.to_string(), name.partition)).copied()
}

/// Whether a setting that was changed at run time for brokers is another one now.
fn values_differ(before: &Image, image: &Image, node: NodeId) -> bool {
    let differ = |node| before.broker_configs(node) != image.broker_configs(node);
    differ(None) || differ(Some(node))
}
