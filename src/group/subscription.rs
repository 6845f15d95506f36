//! Subscription: what a consumer says that it wants, read without copying its topics.
//!
//! Owns: the format of protocol type `consumer` as far as the coordinator reads it.
//! Leaves to others: what follows from it (`assign`, `state`).
//! Invariant: members with equal topics in equal order share the work of reading them: a round of
//! 1,000 members with 1,000 topics each must not stall the shard.
//! Source: `ConsumerProtocolSubscription.json`, versions 0 to 3; each is a prefix of the next.
use std::collections::BTreeMap;

use crate::base::Bytes;
use crate::wire::generated::consumer_protocol_subscription::TopicPartition;
use crate::wire::{Reader, WireError};

/// Newest version that is known; a newer one is read as this.
pub(super) const VERSION_MAX: i16 = 3;

#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub version: i16,
    /// The topics as they were sent, with their count: equal bytes are equal topics.
    pub topics: Bytes,
    pub user_data: Option<Bytes>,
    pub owned: Vec<TopicPartition>,
    /// In which it owned them; -1: it does not say.
    pub generation: i32,
    pub rack: Option<String>,
}

impl Subscription {
    pub fn read(metadata: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(metadata.clone());
        let version: i16 = reader.get(0)?;
        let topics = take_topics(metadata, &mut reader)?;
        let mut read = Self { version, topics, generation: -1, ..Self::default() };
        read.user_data = reader.get(version)?;
        if 1 <= version {
            read.owned = reader.get(version)?;
        }
        if 2 <= version {
            read.generation = reader.get(version)?;
        }
        if 3 <= version {
            read.rack = reader.get(version)?;
        }
        Ok(read)
    }
}

/// Topics alone: every version starts with them.
pub(super) fn read_topics(metadata: &Bytes) -> Result<Bytes, WireError> {
    let mut reader = Reader::new(metadata.clone());
    let _version: i16 = reader.get(0)?;
    take_topics(metadata, &mut reader)
}

/// Names in what [`read_topics`] gave; what is no text names no topic.
pub(super) fn names(topics: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = topics.get(size_of::<i32>()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(name)
    })
    .filter_map(|name| std::str::from_utf8(name).ok())
}

/// Numbers equal topics alike: a number for each member, and the topics of each number.
pub(super) fn distinct(all: &[Bytes]) -> (Vec<usize>, Vec<&[u8]>) {
    let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut topics = Vec::new();
    let numbers = all.iter().map(|own| {
        *known.entry(own).or_insert_with(|| {
            topics.push(own.as_ref());
            topics.len() - 1
        })
    });
    (numbers.collect(), topics)
}

fn take_topics(metadata: &Bytes, reader: &mut Reader) -> Result<Bytes, WireError> {
    let start = reader.at();
    let count: i32 = reader.get(0)?;
    for _ in 0..count {
        // A negative length is a large one here, more than is left.
        let length: u16 = reader.get(0)?;
        reader.take(usize::from(length))?;
    }
    Ok(metadata.slice(start..reader.at()))
}
