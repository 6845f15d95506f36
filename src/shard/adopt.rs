//! A start on a directory that Apache Kafka wrote: what its metadata was.
//!
//! Owns: reading `__cluster_metadata-0` (newest snapshot, then the log behind it), or, without it,
//! the partitions' directories.
//! Leaves to others: what records mean (`cluster`), the logs (`log` opens them as they are).
//! Invariant: nothing is written; Kafka's files stay as they are.
//! Start reading at: [`read_kafka`].
//! Source: KIP-500, KIP-630 (snapshots).
use crate::base::Bytes;
use crate::cluster::{Kraft, KraftError, KraftPartition};
use crate::env::{DirEntry, Env, IoError};
use crate::log::{DiskError, Walked, look_into, walk};
use crate::model::{DirectoryId, NodeId, Offset};
use crate::record::{RecordError, Records};
use crate::shard::census::{Census, parse_folder};

const KRAFT_DIR: &str = "__cluster_metadata-0";
/// One batch of the metadata log unpacked.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Why Kafka's metadata cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AdoptReadError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("cannot list {path}: {source}")]
    List { path: String, source: IoError },
    #[error("{path} is damaged at byte {position}: {why}")]
    Damaged { path: String, position: u64, why: &'static str },
    #[error("{path} cannot be read at offset {offset}: {source}")]
    Record { path: String, offset: Offset, source: RecordError },
    #[error("{path} cannot be understood at offset {offset}: {source}")]
    Kraft { path: String, offset: Offset, source: KraftError },
    #[error("{path} begins at offset {found}, and nothing says what was before {wanted}")]
    Gap { path: String, found: Offset, wanted: Offset },
}

/// What Kafka left in a directory, and where that was read.
pub struct Found {
    pub kraft: Kraft,
    /// The metadata log; `None`: only the partitions' own directories.
    pub metadata: Option<String>,
}

/// Looks for data of Kafka's in directories that have no metadata of ours; `None`: there is none.
///
/// Its metadata log lies in `home`; the topics' own directories in any of the census.
pub async fn read_kafka(
    env: &Env,
    home: &str,
    census: &Census,
    node: NodeId,
) -> Result<Option<Found>, AdoptReadError> {
    let entries = list(env, home).await?;
    if entries.iter().any(|entry| entry.is_dir && entry.name == KRAFT_DIR) {
        let dir = format!("{home}/{KRAFT_DIR}");
        let kraft = read_metadata(env, &dir).await?;
        return Ok(Some(Found { kraft, metadata: Some(dir) }));
    }
    let kraft = read_directories(env, census, node).await?;
    Ok((!kraft.topics.is_empty()).then_some(Found { kraft, metadata: None }))
}

async fn list(env: &Env, path: &str) -> Result<Vec<DirEntry>, AdoptReadError> {
    let listed = env.list_dir(path).await;
    listed.map_err(|source| AdoptReadError::List { path: path.to_owned(), source })
}

async fn read_metadata(env: &Env, dir: &str) -> Result<Kraft, AdoptReadError> {
    let names: Vec<String> = list(env, dir).await?.into_iter().map(|entry| entry.name).collect();
    let mut kraft = Kraft::default();
    let mut end = Offset(0);
    // `<end offset>-<epoch>.checkpoint`; names of unfinished ones end otherwise.
    let snapshots = names.iter().filter_map(|name| {
        let (offset, _) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        Some((Offset(offset.parse().ok()?), name))
    });
    if let Some((offset, name)) = snapshots.max() {
        let path = format!("{dir}/{name}");
        read_file(env, &path, Offset(0), Whole::Must, &mut kraft).await?;
        end = offset;
    }
    let logs = names.iter().filter_map(|name| {
        let base = name.strip_suffix(".log").filter(|base| base.len() == 20)?;
        Some((Offset(base.parse().ok()?), name))
    });
    let mut logs: Vec<_> = logs.collect();
    logs.sort_unstable();
    // Segments that the snapshot covers may be there still; those before the last begin below it.
    let first = logs.iter().rposition(|(base, _)| *base <= end);
    if let (None, Some((found, name))) = (first, logs.first()) {
        let path = format!("{dir}/{name}");
        return Err(AdoptReadError::Gap { path, found: *found, wanted: end });
    }
    let count = logs.len();
    for (at, (_, name)) in logs.into_iter().enumerate().skip(first.unwrap_or(0)) {
        let whole = if at + 1 == count { Whole::MayBeTorn } else { Whole::Must };
        read_file(env, &format!("{dir}/{name}"), end, whole, &mut kraft).await?;
    }
    Ok(kraft.finish())
}

/// Whether a file may end in the middle of a batch, as a crash leaves the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Must,
    MayBeTorn,
}

/// Takes the records at and behind `from`.
async fn read_file(
    env: &Env,
    path: &str,
    from: Offset,
    whole: Whole,
    kraft: &mut Kraft,
) -> Result<(), AdoptReadError> {
    let mut batches = walk(env, path, Offset(0)).await?;
    loop {
        let (header, bytes) = match batches.next().await? {
            Walked::End => return Ok(()),
            Walked::Bad { position, why } if whole == Whole::MayBeTorn => {
                tracing::warn!(
                    "{path} is torn at byte {position} ({why}); what follows is left out"
                );
                return Ok(());
            }
            Walked::Bad { position, why } => {
                return Err(AdoptReadError::Damaged { path: path.to_owned(), position, why });
            }
            Walked::Batch { header, bytes, .. } => (header, bytes),
        };
        if header.is_control() || header.last_offset() < from {
            continue;
        }
        let path = || path.to_owned();
        let offset = header.base_offset;
        let records = Records::decode(&bytes, BATCH_BYTES_MAX)
            .map_err(|source| AdoptReadError::Record { path: path(), offset, source })?;
        for row in records.rows.iter().filter(|row| from <= row.offset) {
            let value = Bytes::from(records.value(row).unwrap_or_default().to_vec());
            let offset = row.offset;
            kraft.take(&value).map_err(|source| AdoptReadError::Kraft {
                path: path(),
                offset,
                source,
            })?;
        }
    }
}

/// Topics as the names of directories and their `partition.metadata` tell them.
async fn read_directories(
    env: &Env,
    census: &Census,
    node: NodeId,
) -> Result<Kraft, AdoptReadError> {
    let mut kraft = Kraft::default();
    for (dir, folder) in census.all() {
        let Some((topic, index)) = parse_folder(folder) else { continue };
        let Some(found) = look_into(env, &format!("{dir}/{folder}")).await? else {
            continue;
        };
        let known = kraft.topics.entry(found.topic_id).or_default();
        topic.clone_into(&mut known.name);
        let leader_epoch = found.leader_epoch.map_or(-1, |epoch| epoch.0);
        let (replicas, directory) = (vec![node], DirectoryId::ZERO);
        known.partitions.insert(index, KraftPartition { replicas, leader_epoch, directory });
    }
    Ok(kraft)
}
