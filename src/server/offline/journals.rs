//! What journals beside the partitions hold: a start writes it to their files before it looks at
//! them, and so do `verify`, as a rehearsal, and `repair`.
//!
//! Owns: for which partitions, and when a repair may empty a journal.
//! Leaves to others: journals themselves (`log`).
use std::collections::BTreeMap;

use super::{OfflineError, Place, Places, rehearse};
use crate::env::Env;
use crate::log::checkpoint::{CheckpointLine, RECOVERY_POINTS, read_offsets, write_offsets};
use crate::log::{Files, JournalError, LastStop, LogHost, LogPlace, Replayed, Start, replay};
use crate::model::{Offset, PartitionIndex, TopicId};
use crate::observe::LogMetrics;

impl Places {
    /// Notes of each partition what the journals would make stable.
    pub fn look_into_journals(&mut self) -> Result<(), OfflineError> {
        let Some(dir) = self.data_dir.to_str().map(str::to_owned) else { return Ok(()) };
        let places = std::mem::take(&mut self.partitions);
        self.partitions = rehearse(move |env| async move { rehearsed(&env, &dir, places).await })?;
        Ok(())
    }
}

/// Brings the files of these partitions, which lie in one data directory, up to what its journals
/// hold, with one walk for all; gives them with what is stable then.
pub async fn rehearsed(
    env: &Env,
    dir: &str,
    mut places: Vec<Place>,
) -> Result<Vec<Place>, JournalError> {
    let logs: Vec<LogPlace> = places.iter().map(|place| place.log.clone()).collect();
    let found = replay_all(env, dir, &logs).await?;
    for place in &mut places {
        place.journaled = found.stable.get(&key(&place.log)).copied();
    }
    Ok(places)
}

fn key(place: &LogPlace) -> (TopicId, PartitionIndex) {
    (place.topic_id, place.partition)
}

async fn replay_all(env: &Env, dir: &str, places: &[LogPlace]) -> Result<Replayed, JournalError> {
    let host = LogHost::new(env.clone(), LogMetrics::default(), 0, 0, 0);
    let by_key: BTreeMap<_, _> = places.iter().map(|place| (key(place), place)).collect();
    let place_of = |id, index| by_key.get(&(id, index)).map(|place| (*place).clone());
    let replayed = replay(&host, dir, LastStop::Unknown, place_of).await?;
    if let Some(error) = replayed.failed.values().next() {
        return Err(error.clone().into());
    }
    match replayed.waiting.values().next() {
        Some(error) => Err(JournalError::Full { dir: dir.to_owned(), source: error.clone() }),
        None => Ok(replayed),
    }
}

impl Place {
    /// How a start opens it, once the journals are in its files.
    pub fn start_behind_journal(&self) -> Start {
        match (self.start, self.journaled) {
            (Start::Unclean { recovery_point }, stable) => {
                Start::Unclean { recovery_point: recovery_point.max(stable) }
            }
            (Start::Clean, stable @ Some(_)) => Start::Unclean { recovery_point: stable },
            (other, _) => other,
        }
    }
}

/// Brings all partitions of a data directory up to what its journals hold, and empties these when
/// nothing else is in them.
pub async fn replay_and_empty(env: &Env, dir: &str, places: &[Place]) -> Result<(), OfflineError> {
    let logs: Vec<LogPlace> = places.iter().map(|place| place.log.clone()).collect();
    let mut replayed = replay_all(env, dir, &logs).await?;
    let mut lines = read_offsets(env, dir, RECOVERY_POINTS).await?.unwrap_or_default();
    for log in &logs {
        if let Some(end) = replayed.stable.get(&key(log)) {
            raise(&mut lines, log, *end);
        }
    }
    if !replayed.stable.is_empty() {
        write_offsets(&Files::unwatched(env), dir, RECOVERY_POINTS, &lines).await?;
    }
    // Batches of no directory here may be of a deleted topic, or the first of a partition; only a
    // start knows.
    match replayed.forgotten {
        0 => Ok(replayed.empty(&Files::unwatched(env), u16::MAX).await?),
        _ => Ok(()),
    }
}

fn raise(lines: &mut Vec<CheckpointLine>, log: &LogPlace, end: Offset) {
    let of_it =
        |line: &&mut CheckpointLine| line.topic == log.topic && line.partition == log.partition;
    match lines.iter_mut().find(of_it) {
        Some(line) => line.offset = line.offset.max(end),
        None => {
            let (topic, partition) = (log.topic.clone(), log.partition);
            lines.push(CheckpointLine { topic, partition, offset: end });
        }
    }
}
