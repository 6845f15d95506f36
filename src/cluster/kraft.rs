//! Kafka's own metadata log (KRaft), record by record, as far as adopting a directory needs it.
//!
//! Owns: what topics, partitions, settings and producer ids its records come to.
//! Leaves to others: reading its files (`shard`), what we make of it (`plan`).
//! Invariant: bytes give a state or an error; records that say nothing about data are counted, not
//! read.
//! Start reading at: [`Kraft::take`].
//! Source: Kafka `MetadataRecordSerde`, `ReplicationControlManager#replay`; KIP-500, KIP-868.
use std::collections::BTreeMap;

use crate::base::Bytes;
use crate::config::Overrides;
use crate::model::{DirectoryId, NodeId, TopicId};
use crate::wire::generated::config_record::ConfigRecord;
use crate::wire::generated::feature_level_record::FeatureLevelRecord;
use crate::wire::generated::partition_change_record::PartitionChangeRecord;
use crate::wire::generated::partition_record::PartitionRecord;
use crate::wire::generated::producer_ids_record::ProducerIdsRecord;
use crate::wire::generated::remove_topic_record::RemoveTopicRecord;
use crate::wire::generated::topic_record::TopicRecord;
use crate::wire::{Message, Reader, WireError};

/// Why a record of the metadata log cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KraftError {
    #[error("its frame has version {0}, this version reads 1: a newer Kafka wrote it")]
    Frame(u32),
    #[error(
        "a {name} has version {version}, this version reads up to {max}: a newer Kafka wrote it"
    )]
    Newer { name: &'static str, version: i16, max: i16 },
    #[error("a {name} cannot be read: {source}")]
    Damaged { name: &'static str, source: WireError },
    #[error("a {name} names topic id {topic}, which no record before it made")]
    UnknownTopic { name: &'static str, topic: TopicId },
}

/// A partition as Kafka's controller knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KraftPartition {
    pub replicas: Vec<NodeId>,
    pub leader_epoch: i32,
    /// The log directory of the first replica; zero: not known.
    pub directory: DirectoryId,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KraftTopic {
    pub name: String,
    pub partitions: BTreeMap<i32, KraftPartition>,
}

/// Settings of one resource: type number and name as in the protocol.
pub type Resource = (i8, String);

/// What the records so far come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kraft {
    pub topics: BTreeMap<TopicId, KraftTopic>,
    pub configs: BTreeMap<Resource, Overrides>,
    pub features: BTreeMap<String, i16>,
    pub next_producer_id: i64,
    /// Records of kinds that have no counterpart here, by kind.
    pub left_out: BTreeMap<&'static str, u64>,
    /// The state before a metadata transaction that has not ended.
    before: Option<Box<Kraft>>,
}

const FRAME_VERSION: u32 = 1;

impl Kraft {
    /// Takes the value of one record.
    pub fn take(&mut self, value: &Bytes) -> Result<(), KraftError> {
        let mut r = Reader::new(value.clone());
        let damaged = |source| KraftError::Damaged { name: "record", source };
        let frame = r.uvarint().map_err(damaged)?;
        if frame != FRAME_VERSION {
            return Err(KraftError::Frame(frame));
        }
        let kind = r.uvarint().map_err(damaged)?;
        let version = r.uvarint().map_err(damaged)?;
        let version = i16::try_from(version).unwrap_or(i16::MAX);
        match kind {
            2 => self.topic(&read(&mut r, version, "TopicRecord")?),
            3 => self.partition(read(&mut r, version, "PartitionRecord")?)?,
            4 => self.config(read(&mut r, version, "ConfigRecord")?),
            5 => self.change(read(&mut r, version, "PartitionChangeRecord")?)?,
            9 => self.remove(&read(&mut r, version, "RemoveTopicRecord")?),
            12 => {
                let level: FeatureLevelRecord = read(&mut r, version, "FeatureLevelRecord")?;
                self.features.insert(level.name, level.feature_level);
            }
            15 => {
                let ids: ProducerIdsRecord = read(&mut r, version, "ProducerIdsRecord")?;
                self.next_producer_id = self.next_producer_id.max(ids.next_producer_id);
            }
            23 => self.before = Some(Box::new(self.clone())),
            24 => self.before = None,
            25 => self.abort(),
            10 => self.leave_out("delegation tokens"),
            11 => self.leave_out("SCRAM users"),
            14 => self.leave_out("client quotas"),
            18 => self.leave_out("access rules"),
            // Brokers and controllers come and go; we are the one that is here.
            _ => (),
        }
        Ok(())
    }

    /// The end of the log: a transaction that is still open never was.
    pub fn finish(mut self) -> Self {
        self.abort();
        self
    }

    fn abort(&mut self) {
        if let Some(before) = self.before.take() {
            *self = *before;
        }
    }

    fn leave_out(&mut self, what: &'static str) {
        *self.left_out.entry(what).or_default() += 1;
    }

    fn topic(&mut self, record: &TopicRecord) {
        let topic = KraftTopic { name: record.name.clone(), ..KraftTopic::default() };
        self.topics.insert(record.topic_id, topic);
    }

    fn known(&mut self, name: &'static str, id: TopicId) -> Result<&mut KraftTopic, KraftError> {
        self.topics.get_mut(&id).ok_or(KraftError::UnknownTopic { name, topic: id })
    }

    fn partition(&mut self, record: PartitionRecord) -> Result<(), KraftError> {
        let topic = self.known("PartitionRecord", record.topic_id)?;
        let replicas = record.replicas.into_iter().map(NodeId).collect();
        let directory = first_directory(record.directories.as_slice());
        let leader_epoch = record.leader_epoch;
        let partition = KraftPartition { replicas, leader_epoch, directory };
        topic.partitions.insert(record.partition_id, partition);
        Ok(())
    }

    fn change(&mut self, record: PartitionChangeRecord) -> Result<(), KraftError> {
        const SAME_LEADER: i32 = -2;
        let topic = self.known("PartitionChangeRecord", record.topic_id)?;
        let partition = topic.partitions.entry(record.partition_id).or_default();
        // As Kafka's PartitionRegistration#merge: a record that names a leader begins an epoch.
        if record.leader != SAME_LEADER {
            partition.leader_epoch += 1;
        }
        if let Some(replicas) = record.replicas {
            partition.replicas = replicas.into_iter().map(NodeId).collect();
        }
        if let Some(directories) = &record.directories {
            partition.directory = first_directory(directories);
        }
        Ok(())
    }

    fn remove(&mut self, record: &RemoveTopicRecord) {
        const TOPIC: i8 = 2;
        if let Some(topic) = self.topics.remove(&record.topic_id) {
            self.configs.remove(&(TOPIC, topic.name));
        }
    }

    fn config(&mut self, record: ConfigRecord) {
        let resource = (record.resource_type, record.resource_name);
        let own = self.configs.entry(resource).or_default();
        match record.value {
            Some(value) => drop(own.insert(record.name, value)),
            None => drop(own.remove(&record.name)),
        }
    }
}

/// Ids that Kafka keeps for "not assigned", "lost" and "migrating" name no directory.
fn first_directory(directories: &[DirectoryId]) -> DirectoryId {
    const RESERVED: u128 = 100;
    let first = directories.first().copied().unwrap_or_default();
    if u128::from_be_bytes(first.0) < RESERVED { DirectoryId::ZERO } else { first }
}

fn read<M: Message>(r: &mut Reader, version: i16, name: &'static str) -> Result<M, KraftError> {
    let max = *M::VERSIONS.end();
    if max < version {
        return Err(KraftError::Newer { name, version, max });
    }
    M::decode(r, version).map_err(|source| KraftError::Damaged { name, source })
}
