//! What lies in which log directory when a node starts, against what the metadata says.
//!
//! Owns: listing the directories, partitions that an operator moved between them or copied, what
//! the small files say of a moved one.
//! Leaves to others: opening logs (`images`), what belongs to nobody (`sweep`).
//! Invariant: a partition is taken where it lies when its directory there says that it is of its
//! topic; one that lies in two directories stays offline, because nobody knows which is the newer.
//! Start reading at: [`Core::take_census`], [`Core::match_census`].
//! Source: Kafka `LogManager#loadLogs`; KIP-113, KIP-858.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Image, TopicImage};
use crate::log::checkpoint::{
    CLEANER_OFFSETS, CheckpointLine, HIGH_WATERMARKS, LOG_START_OFFSETS, RECOVERY_POINTS,
    read_offsets, write_offsets,
};
use crate::log::{DiskError, Start, look_into};
use crate::model::{DirectoryId, Offset, PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::dirs::LogDirectory;

type Key = (TopicId, PartitionIndex);

/// Names of the folders in each log directory that can be listed.
#[derive(Debug, Default)]
pub struct Census(BTreeMap<Arc<str>, BTreeSet<String>>);

impl Census {
    /// Folders of one log directory.
    pub fn folders(&self, dir: &str) -> impl Iterator<Item = &String> {
        self.0.get(dir).into_iter().flatten()
    }

    /// Log directory and folder.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<str>, &String)> {
        self.0.iter().flat_map(|(dir, folders)| folders.iter().map(move |folder| (dir, folder)))
    }

    fn has(&self, dir: &str, folder: &str) -> bool {
        self.0.get(dir).is_some_and(|folders| folders.contains(folder))
    }
}

/// What decides how the logs of a start are opened.
#[derive(Debug, Default)]
pub struct Findings {
    /// The directories are Apache Kafka's.
    pub adopts: bool,
    /// Log directories that were not closed, whatever they say.
    pub untidy: BTreeSet<Arc<str>>,
    /// Where the disks show partitions that the metadata knows elsewhere.
    pub found: BTreeMap<Key, DirectoryId>,
    /// Those of them that an operator moved: nothing is known of how they were closed.
    moved: BTreeSet<Key>,
    /// Those without a folder: nothing was ever written, or somebody took it away.
    missing: BTreeSet<Key>,
    /// Those that lie in two log directories.
    doubles: BTreeMap<Key, String>,
}

impl Findings {
    /// How a log is opened; `point` is its recovery point.
    pub fn start(&self, dir: &LogDirectory, key: Key, recovery_point: Option<Offset>) -> Start {
        // With a point there was a folder: that is for the log to refuse.
        let lost = self.missing.contains(&key) && recovery_point.is_some_and(|at| Offset(0) < at);
        match self.ended_cleanly(dir) && !self.moved.contains(&key) && !lost {
            true => Start::Clean,
            false if self.adopts => Start::Foreign { recovery_point },
            false => Start::Unclean { recovery_point },
        }
    }

    /// Why a partition cannot be opened wherever it lies.
    pub fn double(&self, key: Key) -> Option<&String> {
        self.doubles.get(&key)
    }

    /// Whether logs in this directory may need their recovery points.
    pub fn needs_points(&self, dir: &LogDirectory) -> bool {
        !self.ended_cleanly(dir) || !self.moved.is_empty() || !self.missing.is_empty()
    }

    fn ended_cleanly(&self, dir: &LogDirectory) -> bool {
        dir.ended_cleanly && !self.untidy.contains(&dir.path)
    }
}

/// Topic and partition that a folder's name says.
pub fn parse_folder(name: &str) -> Option<(&str, PartitionIndex)> {
    let (topic, index) = name.rsplit_once('-')?;
    Some((topic, index.parse().ok()?))
}

/// A partition where the metadata does not know it.
struct Elsewhere {
    folder: String,
    known: DirectoryId,
    places: Vec<(Arc<str>, DirectoryId)>,
}

impl Core {
    /// Lists every log directory; one that cannot be listed fails.
    pub async fn take_census(&self) -> Census {
        let mut census = Census::default();
        let dirs: Vec<_> = self.online_dirs().map(|(dir, _)| dir.path.clone()).collect();
        for path in dirs {
            match self.env.list_dir(&path).await {
                Ok(entries) => {
                    let folders = entries.into_iter().filter(|entry| entry.is_dir);
                    census.0.insert(path, folders.map(|folder| folder.name).collect());
                }
                Err(source) => self.logs.dir(&path).fail(&DiskError::new("list", &path, source)),
            }
        }
        census
    }

    /// Compares what lies in the log directories with what an image says.
    ///
    /// For what was moved, lines of the small files follow from one directory to the other.
    pub async fn match_census(&self, census: &Census, image: &Image) -> Findings {
        let mut findings = Findings::default();
        let mut carried = BTreeMap::<(Arc<str>, Arc<str>), Vec<String>>::new();
        for (key, elsewhere) in self.elsewhere(census, image) {
            let places = self.own_places(census, key.0, &elsewhere).await;
            match places.as_slice() {
                [] => (),
                [(path, id)] => {
                    findings.found.insert(key, *id);
                    if elsewhere.known.is_zero() {
                        continue;
                    }
                    findings.moved.insert(key);
                    let from = self.dir_path(elsewhere.known);
                    tracing::warn!("{} was moved to {path}", elsewhere.folder);
                    if let Some(from) = from {
                        let folders = carried.entry((from.clone(), path.clone())).or_default();
                        folders.push(elsewhere.folder);
                    }
                }
                [(one, id), (other, _), ..] => {
                    let name = &elsewhere.folder;
                    let why =
                        format!("{name} lies in {one} and in {other}; remove the older of the two");
                    findings.doubles.insert(key, why);
                    if elsewhere.known.is_zero() {
                        findings.found.insert(key, *id);
                    }
                }
            }
        }
        findings.missing = self.without_folder(census, image, &findings.found);
        for ((from, to), folders) in carried {
            // A point must not be told of a copy that a power cut could still take.
            let carried = match self.logs.dir(&to).sync().await {
                Ok(()) => self.carry_lines(&from, &to, &folders).await,
                Err(error) => Err(error),
            };
            if let Err(error) = carried {
                self.logs.dir(&to).fail(&error);
            }
        }
        findings
    }

    /// Partitions in log directories that work, whose folders are nowhere.
    fn without_folder(
        &self,
        census: &Census,
        image: &Image,
        found: &BTreeMap<Key, DirectoryId>,
    ) -> BTreeSet<Key> {
        let node = self.identity.node_id;
        let paths: BTreeMap<_, _> = self.online_dirs().map(|(dir, id)| (id, &dir.path)).collect();
        let mut missing = BTreeSet::new();
        for topic in image.topics() {
            for (index, partition) in (0..).zip(topic.partitions.iter()) {
                let Some(path) = paths.get(&partition.directory_on(node)) else { continue };
                let key = (topic.id, index);
                if !found.contains_key(&key)
                    && !census.has(path, &format!("{}-{index}", topic.name))
                {
                    missing.insert(key);
                }
            }
        }
        missing
    }

    fn elsewhere(&self, census: &Census, image: &Image) -> BTreeMap<Key, Elsewhere> {
        let node = self.identity.node_id;
        let mut all = BTreeMap::<Key, Elsewhere>::new();
        for (dir, id) in self.online_dirs() {
            for folder in census.folders(&dir.path) {
                let Some((topic, index)) = partition_of(folder, image) else { continue };
                let partition = topic.partition(index).expect("just seen");
                let known = partition.directory_on(node);
                if known != id {
                    let fresh = || Elsewhere { folder: folder.clone(), known, places: Vec::new() };
                    let places = &mut all.entry((topic.id, index)).or_insert_with(fresh).places;
                    places.push((dir.path.clone(), id));
                }
            }
        }
        all
    }

    /// Where a partition of this topic lies, the directory that is known for it included.
    async fn own_places(
        &self,
        census: &Census,
        topic: TopicId,
        elsewhere: &Elsewhere,
    ) -> Vec<(Arc<str>, DirectoryId)> {
        let Elsewhere { folder, known, places } = elsewhere;
        // Every partition of an older version is one of these.
        if known.is_zero() && places.len() == 1 {
            return places.clone();
        }
        let mut own = Vec::new();
        for (path, id) in places {
            if self.is_of(topic, path, folder).await == Some(true) {
                own.push((path.clone(), *id));
            }
        }
        let home = self.dir_path(*known).filter(|path| census.has(path, folder));
        if let Some(path) = home
            && self.is_of(topic, path, folder).await != Some(false)
        {
            own.insert(0, (path.clone(), *known));
            // Where it is known to be it is, unless somebody else says so too.
            if own.len() == 1 {
                own.clear();
            }
        }
        own
    }

    /// Whether a partition's folder says that it is of a topic; `None`: it does not say.
    async fn is_of(&self, topic: TopicId, dir: &str, folder: &str) -> Option<bool> {
        match look_into(&self.env, &format!("{dir}/{folder}")).await {
            Ok(found) => found.map(|found| found.topic_id == topic),
            Err(error) => {
                self.logs.dir(dir).fail(&error);
                None
            }
        }
    }

    /// What the small files of one log directory say of these partitions, those of the other say
    /// from now on, durably.
    async fn carry_lines(&self, from: &str, to: &str, folders: &[String]) -> Result<(), DiskError> {
        for name in [RECOVERY_POINTS, LOG_START_OFFSETS, CLEANER_OFFSETS, HIGH_WATERMARKS] {
            let is_wanted = |line: &CheckpointLine| {
                folders.contains(&format!("{}-{}", line.topic, line.partition))
            };
            let mut wanted = read_offsets(&self.env, from, name).await?.unwrap_or_default();
            wanted.retain(is_wanted);
            let before = read_offsets(&self.env, to, name).await?.unwrap_or_default();
            // Its own lines are a namesake's, or older.
            let others = before.iter().filter(|line| !is_wanted(line)).cloned();
            let mut lines: Vec<CheckpointLine> = others.chain(wanted).collect();
            lines.sort_unstable();
            if lines != before {
                write_offsets(&self.logs.files(), to, name, &lines).await?;
            }
        }
        Ok(())
    }
}

/// The partition of an image whose folder has this name.
pub fn partition_of<'a>(
    folder: &str,
    image: &'a Image,
) -> Option<(&'a Arc<TopicImage>, PartitionIndex)> {
    let (topic, index) = parse_folder(folder)?;
    let topic = image.topic(topic)?;
    topic.partition(index)?;
    Some((topic, index))
}
