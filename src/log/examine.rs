//! What the files of a partition hold that no start looks at: every batch, every index entry.
//!
//! Owns: that reading. Leaves to others: what a start does with the rest (`recovery`, rehearsed by
//! whoever asks).
//! Start reading at: [`unnoticed_damage`].
use crate::env::Env;
use crate::log::disk::Files;
use crate::log::index::{OffsetEntry, OffsetIndex, TimeIndex};
use crate::log::names::{INDEX, LOG, TIME_INDEX, file_path, parse};
use crate::log::scan::Walked;
use crate::log::segment::has_time;
use crate::log::{Damage, DiskError, walk};
use crate::model::Offset;

const NOT_LOOKED_AT: &str = "a start does not look there; who reads it gets an error";

/// Damage in segments that a start takes over without reading them, the first of each file.
pub async fn unnoticed_damage(env: &Env, dir: &str) -> Result<Vec<Damage>, DiskError> {
    let (files, mut found) = (Files::unwatched(env), Vec::new());
    let mut note = |path: String, position, what| {
        found.push(Damage { path, position, what, done: NOT_LOOKED_AT });
    };
    let names = files.names(dir).await?;
    let parsed = names.iter().filter_map(|name| parse(name));
    let bases: Vec<Offset> =
        parsed.filter(|(_, kind)| *kind == LOG).map(|(base, _)| base).collect();
    let active = bases.iter().max().copied();
    for base in bases {
        let path = file_path(dir, base, LOG);
        let file = files.open(&path, crate::env::OpenHow::Read).await?;
        let log_bytes = files.bytes(&file, &path).await?;
        let index_path = file_path(dir, base, INDEX);
        let index = files.read_whole(&index_path).await?;
        let index = index.map(|bytes| OffsetIndex::decode(&bytes, log_bytes));
        if index == Some(None) {
            note(index_path.clone(), None, "its entries do not ascend within the segment");
        }
        let mut signs = Signs::of(index.flatten().unwrap_or_default(), base);
        let (mut batches, mut latest) = (walk(env, &path, base).await?, -1);
        loop {
            match batches.next().await? {
                Walked::Batch { header, position, .. } => {
                    signs.pass(position, header.last_offset());
                    if has_time(&header) {
                        latest = header.max_timestamp.max(latest);
                    }
                }
                Walked::End => {
                    if signs.is_wrong || signs.awaited.is_some() || signs.at < signs.entries.len() {
                        note(index_path, None, "an entry does not name a batch of the segment");
                    }
                    break;
                }
                Walked::Bad { position, why } => {
                    note(path, Some(position), why);
                    break;
                }
            }
        }
        let times_path = file_path(dir, base, TIME_INDEX);
        let times = files.read_whole(&times_path).await?;
        match times.map(|bytes| TimeIndex::decode(&bytes)) {
            Some(None) => note(times_path, None, "its entries do not ascend"),
            // The index of the segment that grows is as old as the last stop.
            Some(Some(times)) if active != Some(base) && times.latest() < latest => {
                note(
                    times_path,
                    None,
                    "records are later than its last entry: who seeks misses them",
                );
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The entries of an index, held against the batches as they come.
struct Signs {
    entries: Vec<OffsetEntry>,
    base: Offset,
    at: usize,
    /// What the last entry names: the end of its batch, or of one of the next. Before 4.0 a
    /// follower of Kafka's wrote several batches at once, and one entry for them.
    awaited: Option<Offset>,
    is_wrong: bool,
}

impl Signs {
    fn of(index: OffsetIndex, base: Offset) -> Self {
        Self { entries: index.entries, base, at: 0, awaited: None, is_wrong: false }
    }

    fn pass(&mut self, position: u64, last: Offset) {
        if let Some(entry) = self.entries.get(self.at)
            && u64::from(entry.position) <= position
        {
            self.is_wrong |= position != u64::from(entry.position) || self.awaited.is_some();
            self.awaited = Some(Offset(self.base.0 + i64::from(entry.relative)));
            self.at += 1;
        }
        if let Some(named) = self.awaited.take_if(|named| *named <= last) {
            self.is_wrong |= named != last;
        }
    }
}
