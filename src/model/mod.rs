//! Kafka's nouns as types: ids, offsets, epochs, error codes.
//!
//! Owns: one newtype per number that could be swapped with another.
//! Leaves to others: what the numbers mean over time (`log`, `cluster`, `group`).
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

mod error_code;

pub use error_code::ErrorCode;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Position of a record in its partition. Every `_end` is exclusive.
    Offset(i64)
);
number!(
    /// Grows with each change of a partition's leader and with each unclean start (KIP-101).
    LeaderEpoch(i32)
);
number!(
    /// Identity of an idempotent producer (KIP-98); -1: none.
    ProducerId(i64)
);
number!(ProducerEpoch(i16));
number!(NodeId(i32));
number!(
    /// A thread of this process with its ring, connections and partitions.
    ShardId(u16)
);

/// Number of a partition within its topic.
pub type PartitionIndex = i32;

/// Identity of a topic; another topic of the same name has another one (KIP-516).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

/// Identity of a log directory (KIP-858), of the same form; zero: not known.
pub type DirectoryId = TopicId;

/// A text that is no topic id.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a topic id: 22 characters of URL-safe base64 are needed")]
pub struct TopicIdError {
    text: String,
}

impl TopicId {
    /// What Kafka sends for "no id".
    pub const ZERO: Self = Self([0; 16]);

    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl std::fmt::Display for TopicId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::str::FromStr for TopicId {
    type Err = TopicIdError;

    fn from_str(text: &str) -> Result<Self, TopicIdError> {
        let error = || TopicIdError { text: text.chars().take(64).collect() };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| error())?;
        Ok(Self(bytes.try_into().map_err(|_| error())?))
    }
}

impl serde::Serialize for TopicId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TopicId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One partition by name, printed as Kafka prints it: `flights-3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: PartitionIndex,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
