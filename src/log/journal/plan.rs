//! What becomes of one partition's batches in the journals: which follow each other, which count.
//!
//! Owns: what the first walk remembers of a partition, and the files' state before the second.
//! Leaves to others: writing (`replay`), walking (`walk`).
//! Invariant: memory goes with the gaps between batches, not with the batches.
//! Start reading at: [`Plan::note`], then [`Plan::prepare`] and [`Plan::takes`].
use std::collections::BTreeSet;

use crate::log::LogHost;
use crate::log::checkpoint::encode_metadata;
use crate::log::disk::{DiskError, Files};
use crate::log::journal::format::EntryHead;
use crate::log::names::{INDEX, LOG, LogPlace, METADATA, SNAPSHOT, TIME_INDEX, file_path, parse};
use crate::log::owner::{move_away, owner_beside};
use crate::model::Offset;

/// The batches of one partition, in the order in which they were appended.
#[derive(Debug, Default)]
pub struct Plan {
    runs: Vec<Run>,
    segments: BTreeSet<Offset>,
    /// All below was stable, by what entries say.
    known_stable: Offset,
    pub batches: u64,
    /// Where the second walk is: a run, batches of it that were seen, and where the next begins.
    at: (usize, u64, Offset),
}

/// Batches that follow each other without a gap.
#[derive(Debug)]
struct Run {
    first: EntryHead,
    end: Offset,
    batches: u64,
    /// All that is before it was stable when the last of it was written.
    anchored: bool,
    has_ground: bool,
}

impl Plan {
    /// Remembers a batch; for the first walk.
    pub fn note(&mut self, head: &EntryHead) {
        self.batches += 1;
        self.known_stable = self.known_stable.max(head.stable_end);
        self.segments.insert(head.segment);
        match self.runs.last_mut().filter(|run| run.end == head.base_offset) {
            Some(run) => {
                run.end = head.end;
                run.batches += 1;
            }
            None => {
                let (first, end) = (*head, head.end);
                let run = Run { first, end, batches: 1, anchored: false, has_ground: false };
                self.runs.push(run);
            }
        }
        let run = self.runs.last_mut().expect("there is one now");
        run.anchored |= run.first.base_offset <= head.stable_end;
    }

    /// The first offset of any batch.
    pub fn first(&self) -> Option<Offset> {
        self.runs.iter().map(|run| run.first.base_offset).min()
    }

    /// Where what is surely stable ends.
    pub fn stable_end(&self) -> Offset {
        let anchored = self.runs.iter().filter(|run| run.anchored).map(|run| run.end);
        anchored.max().map_or(self.known_stable, |end| end.max(self.known_stable))
    }

    /// Batches that have no place.
    pub fn forgotten(&self) -> u64 {
        let groundless = self.runs.iter().filter(|run| !run.has_ground);
        groundless.map(|run| run.batches).sum()
    }

    /// Makes the directory ready for the batches, and decides which of them have a place.
    pub async fn prepare(&mut self, host: &LogHost, place: &LogPlace) -> Result<(), DiskError> {
        let (files, dir) = (host.files(), place.path());
        let owner = owner_beside(&files, &dir, place.topic_id).await?;
        if owner.is_some_and(|owner| owner != place.topic_id) {
            // A deleted topic's, which a power cut brought back: its name is this one's now.
            move_away(host, place, 0).await?;
        }
        if !files.exists(&dir).await? {
            files.create_dir_all(&dir).await?;
        }
        if owner_beside(&files, &dir, place.topic_id).await?.is_none() {
            let text = encode_metadata(place.topic_id).into_bytes();
            files.replace(&format!("{dir}/{METADATA}"), text).await?;
        }
        self.drop_unfinished_indexes(&files, &dir).await?;
        let mut segments = BTreeSet::new();
        for run in &mut self.runs {
            run.has_ground = run.anchored || has_ground(&files, &dir, run, &segments).await?;
            if run.has_ground {
                segments.insert(run.first.segment);
            }
        }
        Ok(())
    }

    /// A segment that was closed may have index files of a part of it, which recovery would trust
    /// below the recovery point: it makes them anew. Segments are finished in order, and the
    /// snapshot behind one is written after its indexes; the journal's tail says nothing of that.
    async fn drop_unfinished_indexes(&self, files: &Files, dir: &str) -> Result<(), DiskError> {
        let names = files.names(dir).await?;
        let parsed = || names.iter().filter_map(|name| parse(name));
        let mut bases: Vec<Offset> =
            parsed().filter(|(_, kind)| *kind == LOG).map(|(base, _)| base).collect();
        bases.extend(&self.segments);
        bases.sort_unstable();
        bases.dedup();
        let snapshots = parsed().filter(|(_, kind)| *kind == SNAPSHOT).map(|(end, _)| end);
        let finished_end = snapshots.max();
        for pair in bases.windows(2) {
            if finished_end < Some(pair[1]) {
                for suffix in [INDEX, TIME_INDEX] {
                    files.remove(&file_path(dir, pair[0], suffix)).await?;
                }
            }
        }
        Ok(())
    }

    /// Before another walk that writes.
    pub fn begin_again(&mut self) {
        self.at = Default::default();
    }

    /// Whether a walk that writes has seen all that the first saw.
    pub fn is_over(&self) -> bool {
        self.at.0 == self.runs.len()
    }

    /// Whether a batch is written, for the second walk; `None`: the first walk saw another one
    /// here, or none.
    pub fn takes(&mut self, head: &EntryHead) -> Option<bool> {
        let (run, seen, next) = self.at;
        let Run { first, batches, has_ground, .. } = self.runs.get(run)?;
        let expected = if seen == 0 { first.base_offset } else { next };
        if head.base_offset != expected {
            return None;
        }
        let is_last = seen + 1 == *batches;
        self.at = if is_last { (run + 1, 0, head.end) } else { (run, seen + 1, head.end) };
        Some(*has_ground)
    }
}

/// Whether files hold something right before a run whose entries do not say that all before
/// them was stable. If not, the power cut took that, and nothing of the run was acknowledged:
/// written all the same it would look like the beginning of the log.
///
/// `segments`: those that runs before it begin in.
async fn has_ground(
    files: &Files,
    dir: &str,
    run: &Run,
    segments: &BTreeSet<Offset>,
) -> Result<bool, DiskError> {
    let first = &run.first;
    if first.position == 0 {
        let names = files.names(dir).await?;
        let logs = names.iter().filter_map(|name| parse(name));
        let mut bases = logs.filter(|(_, kind)| *kind == LOG).map(|(base, _)| base);
        return Ok(segments.range(..first.segment).next().is_some()
            || bases.any(|base| base < first.segment));
    }
    let path = file_path(dir, first.segment, LOG);
    let Some(file) = files.open_if_there(&path).await? else { return Ok(false) };
    Ok(u64::from(first.position) <= files.bytes(&file, &path).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeaderEpoch, TopicId};

    fn head(base: i64, end: i64) -> EntryHead {
        EntryHead {
            topic_id: TopicId([7; 16]),
            partition: 0,
            leader_epoch: LeaderEpoch(0),
            segment: Offset(0),
            position: 0,
            bytes: 70,
            base_offset: Offset(base),
            end: Offset(end),
            stable_end: Offset(0),
        }
    }

    /// A disk that reads otherwise the second time must not end the start with a panic, nor go by
    /// unseen.
    #[test]
    fn a_second_walk_that_differs_from_the_first_is_noticed() {
        let seen = [head(0, 2), head(2, 3), head(9, 10)];
        let walk = |second: &[EntryHead]| {
            let mut plan = Plan::default();
            seen.iter().for_each(|head| plan.note(head));
            let takes: Vec<bool> = second.iter().map_while(|head| plan.takes(head)).collect();
            (takes.len(), plan.is_over())
        };
        assert_eq!(walk(&seen), (3, true));
        assert_eq!(walk(&seen[..2]), (2, false), "one is missing");
        assert_eq!(walk(&[&seen[..], &[head(10, 11)]].concat()), (3, true), "one too many");
        assert_eq!(walk(&[seen[0], head(4, 5), seen[2]]), (1, false), "another one");
    }
}
