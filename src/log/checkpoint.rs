//! Kafka's small text files: offsets per partition, and which topic a directory belongs to.
//!
//! Owns: `recovery-point-offset-checkpoint`, `cleaner-offset-checkpoint`,
//! `log-start-offset-checkpoint`, `replication-offset-checkpoint`, `partition.metadata`.
//! Leaves to others: when they are written (the shard).
//! Source: Kafka `OffsetCheckpointFile`, `PartitionMetadataFile`.
use crate::env::Env;
use crate::log::disk::{DiskError, Files};
use crate::log::names::NAMED_OFFSET_MAX;
use crate::model::{Offset, PartitionIndex, TopicId};

pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
pub const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";
pub const LOG_START_OFFSETS: &str = "log-start-offset-checkpoint";
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";

/// One line of an offset checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointLine {
    pub topic: String,
    pub partition: PartitionIndex,
    pub offset: Offset,
}

pub fn encode_offsets(lines: &[CheckpointLine]) -> String {
    let mut out = format!("0\n{}\n", lines.len());
    for line in lines {
        out.push_str(&format!("{} {} {}\n", line.topic, line.partition, line.offset));
    }
    out
}

/// `None` when the text is damaged.
pub fn decode_offsets(text: &str) -> Option<Vec<CheckpointLine>> {
    let mut lines = text.lines();
    if lines.next()?.trim() != "0" {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut out = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let line = CheckpointLine {
            topic: words.next()?.to_owned(),
            partition: words.next()?.parse().ok()?,
            offset: Offset(words.next()?.parse().ok()?),
        };
        if NAMED_OFFSET_MAX < line.offset || words.next().is_some() {
            return None;
        }
        out.push(line);
    }
    (out.len() == count).then_some(out)
}

/// Reads an offset checkpoint of a log directory; missing or damaged: `None`.
pub async fn read_offsets(
    env: &Env,
    dir: &str,
    name: &str,
) -> Result<Option<Vec<CheckpointLine>>, DiskError> {
    let content = Files::unwatched(env).read_whole(&format!("{dir}/{name}")).await?;
    let text = content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(text.and_then(decode_offsets))
}

/// Replaces an offset checkpoint of a log directory, atomically and durably.
pub async fn write_offsets(
    files: &Files,
    dir: &str,
    name: &str,
    lines: &[CheckpointLine],
) -> Result<(), DiskError> {
    write_encoded(files, dir, name, encode_offsets(lines)).await
}

/// As [`write_offsets`], of lines that were encoded before.
pub async fn write_encoded(
    files: &Files,
    dir: &str,
    name: &str,
    text: String,
) -> Result<(), DiskError> {
    files.replace(&format!("{dir}/{name}"), text.into_bytes()).await
}

pub fn encode_metadata(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

/// The topic id in a `partition.metadata`; `None` when the text is damaged.
pub fn decode_metadata(text: &str) -> Option<TopicId> {
    let mut lines = text.lines();
    if lines.next()?.split_once(':')? != ("version", " 0") {
        return None;
    }
    let (name, id) = lines.next()?.split_once(':')?;
    (name == "topic_id").then_some(())?;
    id.trim().parse().ok()
}
