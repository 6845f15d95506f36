//! Journals that outlive a start: somebody's batches could not be written to their files.
//!
//! Owns: their names, and the list of partitions whose batches still wait in each.
//! Leaves to others: replaying them (`replay`).
//! Invariant: the list is durable before the journal has its name; only who is listed is replayed
//! from it, because the files of all others have gone on since.
use std::collections::BTreeSet;

use crate::log::disk::{DiskError, Files};
use crate::log::journal::replay::JournalError;
use crate::log::journal::{Key, shard_of_name};

/// Behind the name that a journal had.
const KEPT: &str = ".kept-";
/// Behind the name of a kept journal: who is in it.
const LIST: &str = ".partitions";

/// Whether a file is a kept journal.
pub fn is_kept(name: &str) -> bool {
    let parts = name.rsplit_once(KEPT);
    parts.is_some_and(|(journal, number)| {
        shard_of_name(journal).is_some() && number.parse::<u32>().is_ok()
    })
}

/// The partitions whose batches wait in a kept journal.
pub async fn listed(files: &Files, path: &str) -> Result<BTreeSet<Key>, JournalError> {
    let list = format!("{path}{LIST}");
    let content = files.read_whole(&list).await?;
    let text = content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let keys = text.and_then(|text| text.lines().map(decode).collect());
    keys.ok_or(JournalError::List { path: list, journal: path.to_owned() })
}

fn decode(line: &str) -> Option<Key> {
    let (topic, partition) = line.split_once(' ')?;
    Some((topic.parse().ok()?, partition.parse().ok()?))
}

/// Keeps a journal for these partitions; one that is kept already stays for them alone.
pub async fn keep(
    files: &Files,
    dir: &str,
    name: &str,
    waiting: &BTreeSet<Key>,
) -> Result<(), DiskError> {
    let kept = match is_kept(name) {
        true => name.to_owned(),
        false => {
            let names = files.names(dir).await?;
            let mut free = (1u32..).map(|number| format!("{name}{KEPT}{number}"));
            free.find(|kept| !names.contains(kept)).expect("there are fewer files than numbers")
        }
    };
    let lines = waiting.iter().map(|(topic, partition)| format!("{topic} {partition}\n"));
    let list: String = lines.collect();
    files.replace(&format!("{dir}/{kept}{LIST}"), list.into_bytes()).await?;
    if kept != name {
        files.rename(&format!("{dir}/{name}"), &format!("{dir}/{kept}")).await?;
        files.sync_dir(dir).await?;
    }
    Ok(())
}

/// Removes a kept journal that nobody waits for.
pub async fn remove(files: &Files, path: &str) -> Result<(), DiskError> {
    files.remove(path).await?;
    files.remove(&format!("{path}{LIST}")).await
}
