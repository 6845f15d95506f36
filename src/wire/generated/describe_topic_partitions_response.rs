//! `DescribeTopicPartitionsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeTopicPartitionsResponse, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeTopicPartitionsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Each topic in the response.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// The next topic and partition index to fetch details for.
    pub next_cursor: Option<Cursor>,
}

impl Wire for DescribeTopicPartitionsResponse {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.topics = r.get(v)?;
        it.next_cursor = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put(&self.topics, v)?;
        w.put(&self.next_cursor, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// Each topic in the response.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeTopicPartitionsResponseTopic {
    /// The topic error, or 0 if there was no error.
    pub error_code: i16,
    /// The topic name.
    pub name: Option<String>,
    /// The topic id.
    pub topic_id: TopicId,
    /// True if the topic is internal.
    pub is_internal: bool,
    /// Each partition in the topic.
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    /// 32-bit bitfield to represent authorized operations for this topic.
    pub topic_authorized_operations: i32,
}

impl Default for DescribeTopicPartitionsResponseTopic {
    fn default() -> Self {
        Self {
            error_code: Default::default(),
            name: Some(Default::default()),
            topic_id: Default::default(),
            is_internal: Default::default(),
            partitions: Default::default(),
            topic_authorized_operations: -2147483648,
        }
    }
}

impl Wire for DescribeTopicPartitionsResponseTopic {
    const BYTES_MIN: usize = 26;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.name = r.get(v)?;
        it.topic_id = r.get(v)?;
        it.is_internal = r.get(v)?;
        it.partitions = r.get(v)?;
        it.topic_authorized_operations = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.error_code, v)?;
        w.put(&self.name, v)?;
        w.put(&self.topic_id, v)?;
        w.put(&self.is_internal, v)?;
        w.put(&self.partitions, v)?;
        w.put(&self.topic_authorized_operations, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// Each partition in the topic.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeTopicPartitionsResponsePartition {
    /// The partition error, or 0 if there was no error.
    pub error_code: i16,
    /// The partition index.
    pub partition_index: i32,
    /// The ID of the leader broker.
    pub leader_id: i32,
    /// The leader epoch of this partition.
    pub leader_epoch: i32,
    /// The set of all nodes that host this partition.
    pub replica_nodes: Vec<i32>,
    /// The set of nodes that are in sync with the leader for this partition.
    pub isr_nodes: Vec<i32>,
    /// The new eligible leader replicas otherwise.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last known ELR.
    pub last_known_elr: Option<Vec<i32>>,
    /// The set of offline replicas of this partition.
    pub offline_replicas: Vec<i32>,
}

impl Default for DescribeTopicPartitionsResponsePartition {
    fn default() -> Self {
        Self {
            error_code: Default::default(),
            partition_index: Default::default(),
            leader_id: Default::default(),
            leader_epoch: -1,
            replica_nodes: Default::default(),
            isr_nodes: Default::default(),
            eligible_leader_replicas: Default::default(),
            last_known_elr: Default::default(),
            offline_replicas: Default::default(),
        }
    }
}

impl Wire for DescribeTopicPartitionsResponsePartition {
    const BYTES_MIN: usize = 20;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.partition_index = r.get(v)?;
        it.leader_id = r.get(v)?;
        it.leader_epoch = r.get(v)?;
        it.replica_nodes = r.get(v)?;
        it.isr_nodes = r.get(v)?;
        it.eligible_leader_replicas = r.get(v)?;
        it.last_known_elr = r.get(v)?;
        it.offline_replicas = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.error_code, v)?;
        w.put(&self.partition_index, v)?;
        w.put(&self.leader_id, v)?;
        w.put(&self.leader_epoch, v)?;
        w.put(&self.replica_nodes, v)?;
        w.put(&self.isr_nodes, v)?;
        w.put(&self.eligible_leader_replicas, v)?;
        w.put(&self.last_known_elr, v)?;
        w.put(&self.offline_replicas, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The next topic and partition index to fetch details for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cursor {
    /// The name for the first topic to process.
    pub topic_name: String,
    /// The partition index to start with.
    pub partition_index: i32,
}

impl Wire for Cursor {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topic_name = r.get(v)?;
        it.partition_index = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topic_name, v)?;
        w.put(&self.partition_index, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeTopicPartitionsResponse {
    const KEY: i16 = 75;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
