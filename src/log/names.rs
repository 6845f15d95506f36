//! Names of the files of one partition, as Kafka gives them.
//!
//! Owns: building and reading names. Source: Kafka `LogFileUtils`.
use crate::model::{Offset, PartitionIndex, TopicId};

pub const LOG: &str = ".log";
pub const INDEX: &str = ".index";
pub const TIME_INDEX: &str = ".timeindex";
/// Aborted transactions; only in logs that Kafka wrote.
pub const TXN_INDEX: &str = ".txnindex";
/// The files of one segment, in the order in which they are removed: without the first, what is
/// left of the others is litter.
pub const SEGMENT_FILES: [&str; 4] = [LOG, INDEX, TIME_INDEX, TXN_INDEX];
pub const SNAPSHOT: &str = ".snapshot";
/// Written by a compaction that has not finished: dropped at the next start.
pub const CLEANED: &str = ".cleaned";
/// What a compaction pass does not keep in memory; dropped at the next start.
pub const MARKS: &str = "compaction.marks";
/// Written by a compaction that has finished: it replaces what it covers.
pub const SWAP: &str = ".swap";
/// On its way out.
pub const DELETED: &str = ".deleted";
pub const EPOCHS: &str = "leader-epoch-checkpoint";
pub const METADATA: &str = "partition.metadata";

/// Largest offset that a file of ours may name: of what follows, all have offsets too.
pub const NAMED_OFFSET_MAX: Offset = Offset(i64::MAX - (1 << 32));

/// Where a partition lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// One of `log.dirs`; it exists.
    pub dir: String,
    pub topic: String,
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
}

impl LogPlace {
    /// Path of the partition's own directory.
    pub fn path(&self) -> String {
        format!("{}/{}-{}", self.dir, self.topic, self.partition)
    }

    /// Whether it belongs to the broker itself, as `__consumer_offsets` does.
    pub fn is_internal(&self) -> bool {
        self.topic.starts_with("__")
    }

    /// Where the directory goes when the topic is deleted; `unique` tells generations apart.
    pub fn delete_path(&self, unique: u128) -> String {
        // Kafka cuts the topic so that the name fits the file system's 255 bytes.
        let tail = format!("-{}.{unique:032x}-delete", self.partition);
        let keep = self.topic.floor_char_boundary(255 - tail.len());
        format!("{}/{}{tail}", self.dir, &self.topic[..keep])
    }
}

/// Whether a directory is one that [`LogPlace::delete_path`] named.
pub fn is_delete_name(name: &str) -> bool {
    let unique = name.strip_suffix("-delete").and_then(|rest| rest.rsplit_once('.'));
    unique.is_some_and(|(place, unique)| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        unique.len() == 32 && unique.bytes().all(hex) && place.contains('-')
    })
}

/// Path of a file that is named after an offset.
pub fn file_path(dir: &str, base: Offset, suffix: &str) -> String {
    format!("{dir}/{:020}{suffix}", base.0)
}

/// Offset and suffix of such a file's name: `00000000000000000042.log` gives 42 and `.log`; `None`
/// for the names of strangers.
pub fn parse(name: &str) -> Option<(Offset, &str)> {
    let (digits, suffix) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !suffix.starts_with('.') {
        return None;
    }
    let offset = Offset(digits.parse().ok()?);
    (offset <= NAMED_OFFSET_MAX).then_some((offset, suffix))
}
