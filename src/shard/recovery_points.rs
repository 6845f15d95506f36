//! Recovery points: up to where each log is durable, written down where the next start looks.
//!
//! Owns: `recovery-point-offset-checkpoint` and `replication-offset-checkpoint` of each log
//! directory; a worker sorts and words them, who may be ten thousand lines.
//! Leaves to others: making logs durable (`log`), what a start does with the points (`log`).
//! Invariant: shard 0 alone writes; a line names a topic that exists, so that a topic created again
//! under a name never meets its namesake's; the line of a log that is offline stays as it was;
//! where the points cannot be read their log directory is offline, because nobody could tell damage
//! below them from a torn end.
//! Start reading at: [`Core::write_recovery_points`].
//! Source: Kafka `LogManager#checkpointLogRecoveryOffsets`,
//! `ReplicaManager#checkpointHighWatermarks`.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::env::Rests;
use crate::log::checkpoint::{
    CheckpointLine, HIGH_WATERMARKS, RECOVERY_POINTS, encode_offsets, read_offsets, write_encoded,
    write_offsets,
};
use crate::log::{DiskError, Ends};
use crate::model::{Offset, TopicPartition};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::dirs::LogDirectory;
use crate::shard::partition::{Partition, Turnstile};
use crate::shard::starts::namesake_in;

/// Growth of an active segment after which its indexes and producers are written down, too: the
/// most that a start reads of it.
const SETTLE_BYTES_MIN: u64 = 32 << 20;

/// Recovery points of one log directory.
type PointsOfDir = BTreeMap<(String, i32), Offset>;

/// Recovery points as a start reads them, by log directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points(BTreeMap<Arc<str>, PointsOfDir>);

impl Points {
    pub fn get(&self, dir: &str, name: &TopicPartition) -> Option<Offset> {
        self.0.get(dir)?.get(&(name.topic.to_string(), name.partition)).copied()
    }
}

fn points_of(lines: Vec<CheckpointLine>) -> PointsOfDir {
    lines.into_iter().map(|line| ((line.topic, line.partition), line.offset)).collect()
}

/// What shard 0 wrote last.
#[derive(Default)]
pub struct PointsDesk {
    line: Turnstile,
    /// By log directory.
    written: RefCell<BTreeMap<Arc<str>, Written>>,
}

type Lines = Arc<Vec<CheckpointLine>>;

/// Both in the order of names.
#[derive(Clone, Default)]
struct Written {
    points: Lines,
    /// `None`: the disk does not tell, and any line may be there.
    marks: Option<Lines>,
}

/// What one of the two files is to hold, and that as its text.
type Fresh = (Vec<CheckpointLine>, String);

/// The lines of one log directory, `told` being in the order of names; `None`: they are as before.
/// What was before may be unknown.
fn fresh(
    dir: &Arc<str>,
    told: &[LogPoint],
    lines_before: Option<&Lines>,
    now: fn(&(Offset, Offset)) -> Offset,
) -> Option<Fresh> {
    let before = lines_before.map_or(&[][..], |lines| &lines[..]);
    let known = |name: &TopicPartition| {
        let key = (&*name.topic, name.partition);
        let at = before.binary_search_by(|line| (&*line.topic, line.partition).cmp(&key));
        at.ok().map(|at| before[at].offset)
    };
    let line = |one: &LogPoint| {
        let offset = one.at.as_ref().map(now).or_else(|| known(&one.name))?;
        let (topic, partition) = (one.name.topic.to_string(), one.name.partition);
        Some(CheckpointLine { topic, partition, offset })
    };
    let lines: Vec<_> = told.iter().filter(|one| one.dir == *dir).filter_map(line).collect();
    (lines_before.is_none() || lines != before).then(|| {
        let text = encode_offsets(&lines);
        (lines, text)
    })
}

/// Logs that are looked at before other tasks of the shard run.
const LOGS_PER_TURN: usize = 256;

/// Where one log is.
pub struct LogPoint {
    dir: Arc<str>,
    name: TopicPartition,
    /// `None`: the log is offline, nobody knows more than before.
    at: Option<(Offset, Offset)>,
}

impl LogPoint {
    /// `None` for a log that holds nothing yet: it has no directory.
    pub fn of(partition: &Partition) -> Option<Self> {
        let (name, dir) = (partition.name.clone(), partition.dir.clone()?);
        let Ok(log) = partition.log() else { return Some(Self { dir, name, at: None }) };
        let Ends { high_watermark, log_end, .. } = log.ends();
        if log_end == Offset(0) {
            return None;
        }
        Some(Self { dir, name, at: Some((log.recovery_point(), high_watermark)) })
    }
}

/// Where the logs of one shard are, after those that grew much were settled.
#[derive(Clone)]
struct GatherPoints;

impl Ask for GatherPoints {
    type Told = Vec<LogPoint>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            let mut points = Vec::new();
            let mut rests = Rests::every(LOGS_PER_TURN);
            for partition in core.partitions() {
                if let Ok(log) = partition.log() {
                    // An error has taken the log offline and is told there.
                    let _ = log.settle(SETTLE_BYTES_MIN).await;
                }
                points.extend(LogPoint::of(&partition));
                rests.after(1).await;
            }
            points
        })
    }
}

/// Writes the recovery points now, for instance after a checkpoint; asked of shard 0.
#[derive(Clone)]
pub struct WriteRecoveryPoints;

impl Ask for WriteRecoveryPoints {
    /// False: they could not be written, the old ones hold.
    type Told = bool;

    fn start(self, core: &Rc<Core>) -> Work<bool> {
        let core = core.clone();
        Box::pin(async move { core.write_recovery_points().await.is_empty() })
    }
}

impl Core {
    /// The points that the process before this one left in these log directories; one where they
    /// cannot be read fails.
    pub async fn read_recovery_points(&self, dirs: &[Arc<str>]) -> Points {
        let mut all = Points::default();
        for dir in dirs {
            let lines = self.read_points_of(dir).await.unwrap_or_default();
            all.0.insert(dir.clone(), points_of(lines));
        }
        all
    }

    /// `None`: they cannot be read, and the log directory has failed.
    async fn read_points_of(&self, dir: &str) -> Option<Vec<CheckpointLine>> {
        match read_offsets(&self.env, dir, RECOVERY_POINTS).await {
            Ok(lines) => Some(lines.unwrap_or_default()),
            Err(error) => {
                tracing::error!(
                    dir,
                    "restore {RECOVERY_POINTS} from a copy, or remove it: then every log is read \
                     whole, and what is damaged goes with all behind it"
                );
                self.logs.dir(dir).fail(&error);
                None
            }
        }
    }

    /// Notes, durably, what the journals have shown to be stable, of topics that exist. On shard 0
    /// only; logs may be open.
    pub async fn raise_recovery_points(
        &self,
        ends: impl Iterator<Item = (Arc<str>, TopicPartition, Offset)>,
    ) -> Result<(), DiskError> {
        let turn = self.points.line.enter();
        turn.called().await;
        let mut by_dir = BTreeMap::<Arc<str>, Vec<_>>::new();
        for (dir, name, end) in ends {
            by_dir.entry(dir).or_default().push((name, end));
        }
        for (dir, ends) in by_dir {
            // What cannot be read is not nothing: the lines of all others would go.
            let lines = read_offsets(&self.env, &dir, RECOVERY_POINTS).await?.unwrap_or_default();
            let before = points_of(lines);
            let mut points = before.clone();
            for (name, end) in ends {
                let point = points.entry((name.topic.to_string(), name.partition)).or_insert(end);
                *point = end.max(*point);
            }
            if points != before {
                let line =
                    |((topic, partition), offset)| CheckpointLine { topic, partition, offset };
                let lines: Vec<CheckpointLine> = points.into_iter().map(line).collect();
                write_offsets(&self.logs.files(), &dir, RECOVERY_POINTS, &lines).await?;
                // Nothing is there before the start has taken over what lies on the disk.
                if let Some(written) = self.points.written.borrow_mut().get_mut(&dir) {
                    written.points = Arc::new(lines);
                }
            }
        }
        Ok(())
    }

    /// Asks all shards and writes what changed, durably; gives the log directories where that
    /// failed. On shard 0 only.
    pub async fn write_recovery_points(self: &Rc<Self>) -> Vec<Arc<str>> {
        let turn = self.points.line.enter();
        turn.called().await;
        match self.ask_all(&GatherPoints).await {
            Ok(told) => self.write_points(told.into_iter().flatten().collect()).await,
            Err(_) => self.online_dirs().map(|(dir, _)| dir.path.clone()).collect(),
        }
    }

    /// The last points of a process, from shards that have closed their logs.
    pub async fn write_last_points(self: &Rc<Self>, told: Vec<LogPoint>) -> Vec<Arc<str>> {
        let turn = self.points.line.enter();
        turn.called().await;
        self.write_points(told).await
    }

    async fn write_points(&self, told: Vec<LogPoint>) -> Vec<Arc<str>> {
        let sorted = self.env.work(move || {
            let mut told = told;
            told.sort_by(|one, other| one.name.cmp(&other.name));
            told
        });
        let mut told = sorted.await;
        let dirs: Vec<_> = self.online_dirs().map(|(dir, _)| dir.path.clone()).collect();
        let mut failed = Vec::new();
        for dir in dirs {
            let result = self.write_points_of(&dir, &mut told).await;
            if let Err(error) = result {
                tracing::error!(%error, "recovery points are not written, the old ones hold");
                failed.push(dir);
            }
        }
        self.env.discard(told);
        failed
    }

    /// Writes what changed of one log directory; `told` is in the order of names.
    async fn write_points_of(
        &self,
        dir: &Arc<str>,
        told: &mut Vec<LogPoint>,
    ) -> Result<(), DiskError> {
        let before = self.points.written.borrow().get(dir).cloned().unwrap_or_default();
        let (taken, path) = (std::mem::take(told), dir.clone());
        let worded = self.env.work(move || {
            let points = fresh(&path, &taken, Some(&before.points), |at| at.0);
            let marks = fresh(&path, &taken, before.marks.as_ref(), |at| at.1);
            (taken, points, marks)
        });
        let (given_back, points, marks) = worded.await;
        *told = given_back;
        if let Some((lines, text)) = points {
            write_encoded(&self.logs.files(), dir, RECOVERY_POINTS, text).await?;
            self.note_written(dir, |written| &mut written.points, lines);
        }
        if let Some((lines, text)) = marks {
            write_encoded(&self.logs.files(), dir, HIGH_WATERMARKS, text).await?;
            self.note_written(dir, |written| written.marks.get_or_insert_default(), lines);
        }
        Ok(())
    }

    fn note_written(
        &self,
        dir: &Arc<str>,
        which: fn(&mut Written) -> &mut Lines,
        lines: Vec<CheckpointLine>,
    ) {
        let mut written = self.points.written.borrow_mut();
        let place = which(written.entry(dir.clone()).or_default());
        self.env.discard(std::mem::replace(place, Arc::new(lines)));
    }

    /// Takes over what lies on the disk, then writes the points from time to time. On shard 0 only,
    /// after every partition is open and before a topic can be created.
    pub async fn begin_recovery_points(self: &Rc<Self>) {
        let dirs: Vec<_> = self.online_dirs().map(|(dir, _)| dir.path.clone()).collect();
        for dir in dirs {
            let Some(mut points) = self.read_points_of(&dir).await else { continue };
            let marks = read_offsets(&self.env, &dir, HIGH_WATERMARKS).await;
            let mut marks = marks.map(Option::unwrap_or_default).ok();
            points.sort_unstable();
            marks.iter_mut().for_each(|marks| marks.sort_unstable());
            let (points, marks) = (Arc::new(points), marks.map(Arc::new));
            self.points.written.borrow_mut().insert(dir, Written { points, marks });
        }
        self.write_recovery_points().await;
        let (core, pause_ms) = (self.clone(), self.config.recovery_points_ms);
        if pause_ms == 0 {
            return;
        }
        self.env.spawn(async move {
            loop {
                core.env.sleep_ms(pause_ms).await;
                core.write_recovery_points().await;
            }
        });
    }

    /// Makes sure that no line is left of a topic that had this name before.
    ///
    /// Errors: a file that still has one.
    pub async fn free_recovery_points(self: &Rc<Self>, topic: &str) -> Result<(), String> {
        {
            let turn = self.points.line.enter();
            turn.called().await;
            if self.namesakes_points(topic).is_none() {
                return Ok(());
            }
        }
        self.write_recovery_points().await;
        self.namesakes_points(topic).map_or(Ok(()), |path| Err(namesake_in(&path, topic)))
    }

    /// A file with a line of this topic, or one that nobody could read, in a log directory that
    /// the topic may be given: also one that has just failed, of which the metadata does not know
    /// yet. Its next start reads the line.
    fn namesakes_points(&self, topic: &str) -> Option<String> {
        let written = self.points.written.borrow();
        let has = |lines: &Lines| {
            let at = lines.partition_point(|line| *line.topic < *topic);
            lines.get(at).is_some_and(|line| line.topic == topic)
        };
        let image = self.image();
        let known = image.broker(self.identity.node_id);
        let is_online = |id| known.is_none_or(|broker| broker.is_online(id));
        let may_be_given = |dir: &&LogDirectory| dir.id.as_ref().is_ok_and(|id| is_online(*id));
        self.identity.log_dirs.iter().filter(may_be_given).find_map(|dir| {
            let Some(Written { points, marks }) = written.get(&dir.path) else {
                return Some(format!("{}/{RECOVERY_POINTS}", dir.path));
            };
            let files = [(RECOVERY_POINTS, Some(points)), (HIGH_WATERMARKS, marks.as_ref())];
            let (name, _) = files.into_iter().find(|(_, lines)| lines.is_none_or(has))?;
            Some(format!("{}/{name}", dir.path))
        })
    }
}
