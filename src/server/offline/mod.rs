//! `logmill log`: looking at logs, and repairing them, while no broker runs on them.
//!
//! Owns: which partitions a path names and how the last process on them ended.
//! Leaves to others: what damage is and what becomes of it (`log`: it is recovery itself that runs,
//! as a rehearsal for `verify`).
//! Invariant: `verify` and `dump` change nothing; `repair` holds the directory's lock.
//! Start reading at: [`run`], then [`Place`].
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::io::offline::{Run, block_on};
use crate::log::checkpoint::{LOG_START_OFFSETS, RECOVERY_POINTS, decode_offsets, read_offsets};
use crate::log::{DiskError, JournalError, Log, LogConfig, LogError, LogHost, LogPlace, Start};
use crate::model::{DirectoryId, LeaderEpoch, Offset, TopicId};
use crate::observe::LogMetrics;
use crate::server::args::LogOrder;
use crate::server::data_dir::{self, DataDirError};
use crate::server::{meta, words};

mod dump;
mod journals;
mod repair;
mod topics;
mod verify;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error(
        "{} is neither a data directory, nor a partition's directory, nor a .log file; name one.",
        path.display()
    )]
    Nothing { path: PathBuf },
    #[error("Cannot read {}: {source}.", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    InUse(#[from] DataDirError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{0}.")]
    Log(#[from] LogError),
    #[error("{0}.")]
    Journal(#[from] JournalError),
    #[error("The metadata cannot be read: {0}.")]
    Metadata(String),
    #[error(
        "The metadata of {} lies in the log directory with directory.id={id}; name that one.",
        path.display()
    )]
    Elsewhere { path: PathBuf, id: DirectoryId },
    /// The answer is printed; it is that something is wrong.
    #[error("{0}")]
    Damaged(String),
}

type Done = Result<(), OfflineError>;

/// Does one command.
pub fn run(order: LogOrder, json: bool) -> Done {
    match order {
        LogOrder::Verify { paths } => verify::run(&paths, json),
        LogOrder::Dump { path, records } => dump::run(&path, records, json),
        LogOrder::Topics { path } => topics::run(&path, json),
        LogOrder::Repair { path, cut_corruption } => repair::run(&path, cut_corruption.as_deref()),
    }
}

/// A partition's directory, and how a start would open it.
#[derive(Clone, Debug)]
struct Place {
    log: LogPlace,
    start: Start,
    /// Where what journals hold of it ends, for who has looked into them.
    journaled: Option<Offset>,
}

impl Place {
    fn name(&self) -> String {
        format!("{}-{}", self.log.topic, self.log.partition)
    }

    fn dir(&self) -> String {
        self.log.path()
    }

    /// Opens the log as a start would.
    async fn open(&self, env: &Env, start: Start) -> Result<std::rc::Rc<Log>, LogError> {
        let host = LogHost::new(env.clone(), LogMetrics::default(), 0, 0, 0);
        let starts = read_offsets(env, &self.log.dir, LOG_START_OFFSETS).await?;
        host.list_starts(&self.log.dir, starts.unwrap_or_default());
        Log::open(&host, self.log.clone(), LogConfig::default(), LeaderEpoch(-1), start).await
    }
}

/// What a path names.
struct Places {
    data_dir: PathBuf,
    /// The path is the data directory itself.
    is_whole: bool,
    partitions: Vec<Place>,
}

/// Finds the partitions below a data directory, or the one whose directory it is.
fn places(path: &Path) -> Result<Places, OfflineError> {
    let nothing = || OfflineError::Nothing { path: path.to_owned() };
    let full = path.canonicalize();
    let full = full.map_err(|source| OfflineError::Read { path: path.to_owned(), source })?;
    let is_whole = parse_name(&full).is_none() || !full.is_dir();
    let (data_dir, dirs) = match parse_name(&full) {
        Some(_) if full.is_dir() => {
            let data_dir = full.parent().ok_or_else(nothing)?.to_owned();
            (data_dir, vec![full])
        }
        _ => {
            let mut dirs = Vec::new();
            let read = |source| OfflineError::Read { path: full.clone(), source };
            for entry in std::fs::read_dir(&full).map_err(read)? {
                let entry = entry.map_err(read)?.path();
                let kraft = entry.ends_with("__cluster_metadata-0");
                if entry.is_dir() && !kraft && parse_name(&entry).is_some() {
                    dirs.push(entry);
                }
            }
            dirs.sort();
            (full, dirs)
        }
    };
    if dirs.is_empty() && !data_dir.join("meta.properties").exists() {
        return Err(nothing());
    }
    let how = HowLeft::of(&data_dir)?;
    let mut partitions = Vec::new();
    for dir in dirs {
        let (topic, partition) = parse_name(&dir).expect("chosen by its name");
        let owner = std::fs::read_to_string(dir.join("partition.metadata")).ok();
        let topic_id = owner.as_deref().and_then(crate::log::checkpoint::decode_metadata);
        let start = how.start(&topic, partition);
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(nothing);
        let topic_id = topic_id.unwrap_or(TopicId([0; 16]));
        let log = LogPlace { dir: text(&data_dir)?, topic, topic_id, partition };
        partitions.push(Place { log, start, journaled: None });
    }
    Ok(Places { data_dir, is_whole, partitions })
}

/// Topic and partition that a directory's name says.
fn parse_name(dir: &Path) -> Option<(String, i32)> {
    let (topic, partition) = dir.file_name()?.to_str()?.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let partition = partition.parse().ok().filter(|_| digits && !topic.is_empty())?;
    Some((topic.to_owned(), partition))
}

/// How the last process on a data directory ended, as the next start would see it.
struct HowLeft {
    clean: bool,
    foreign: bool,
    points: Vec<crate::log::checkpoint::CheckpointLine>,
}

impl HowLeft {
    /// Errors: the recovery points cannot be read; without them a repair would cut too much.
    fn of(data_dir: &Path) -> Result<Self, OfflineError> {
        let path = data_dir.join(RECOVERY_POINTS);
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(OfflineError::Read { path, source }),
        };
        let points = std::str::from_utf8(&content).ok().and_then(decode_offsets);
        Ok(Self {
            clean: data_dir.join(data_dir::CLEAN_FILE).exists(),
            foreign: !data_dir.join("metadata").exists() && is_kafkas(data_dir),
            points: points.unwrap_or_default(),
        })
    }

    fn start(&self, topic: &str, partition: i32) -> Start {
        if self.clean {
            return Start::Clean;
        }
        let of_it = |line: &&crate::log::checkpoint::CheckpointLine| {
            line.topic == topic && line.partition == partition
        };
        let recovery_point: Option<Offset> = self.points.iter().find(of_it).map(|l| l.offset);
        match self.foreign {
            true => Start::Foreign { recovery_point },
            false => Start::Unclean { recovery_point },
        }
    }
}

/// Whether a directory without metadata of ours was last used by Apache Kafka.
fn is_kafkas(data_dir: &Path) -> bool {
    match meta::read(data_dir) {
        Ok(Some(meta)) => meta.metadata_directory.is_none(),
        Ok(None) | Err(_) => data_dir.join("__cluster_metadata-0").exists(),
    }
}

/// `3 partitions, 12 segments`
fn summary(partitions: usize, segments: usize) -> String {
    let (partitions, segments) = (partitions as u64, segments as u64);
    format!("{}, {}", words::some(partitions, "partition"), words::some(segments, "segment"))
}

fn rehearse<T: 'static, F: Future<Output = T> + 'static>(work: impl FnOnce(Env) -> F) -> T {
    block_on(Run::Rehearsal, work)
}
