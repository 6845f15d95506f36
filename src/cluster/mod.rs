//! Cluster metadata: a pure state machine, its commands, and the bytes of its log.
//!
//! Owns: the [`Image`] and applying a [`Command`] to it; turning requests into commands or
//! refusals in Kafka's words ([`Planner`]); the format of log and snapshot.
//! Leaves to others: files and syncs (`shard::metadata_log`), requests and answers (`api`), time
//! and random ids (they come in).
//! Invariant: the image at an index follows from the entries up to it, on any machine.
//! Start reading at: [`Image`], then [`Image::apply`], then [`Planner`].
mod apply;
mod command;
mod derive;
mod directories;
mod draft;
mod format;
mod image;
mod kraft;
mod ordered;
mod plan;
mod snapshot;

pub use apply::ApplyError;
pub use command::{
    BrokerEndpoint, BrokerSeed, Command, DirectoryMove, Entry, LogDirSeed, PartitionSeed,
    PluginKind, PluginSeed, TopicMoves, TopicSeed,
};
pub use draft::Draft;
pub use format::{
    Decoded, ENTRY_BYTES_MAX, FORMAT_VERSION, FormatError, HEADER_BYTES, Tail, check_header,
    decode_entries, encode_entry, file_header,
};
pub use image::{
    Binding, BrokerImage, Image, PartitionImage, PluginImage, PluginVersion, Target, TopicChanges,
    TopicImage, is_internal_name,
};
pub use kraft::{Kraft, KraftError, KraftPartition, KraftTopic};
pub use ordered::Ordered;
pub use plan::{
    AdoptError, BindRequest, Change, ConfigTarget, NewTopic, PARTITIONS_PER_REQUEST_MAX,
    PRODUCER_ID_BLOCK, Planner, ProducerIdBlock, Refusal, TopicRef, adopt, new_id,
    topic_name_fault,
};

#[cfg(test)]
mod tests;
