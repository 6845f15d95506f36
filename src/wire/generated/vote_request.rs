//! `VoteRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// VoteRequest, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct VoteRequest {
    pub cluster_id: Option<String>,
    pub voter_id: i32,
    pub topics: Vec<TopicData>,
}

impl Default for VoteRequest {
    fn default() -> Self {
        Self {
            cluster_id: Default::default(),
            voter_id: -1,
            topics: Default::default(),
        }
    }
}

impl Wire for VoteRequest {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.cluster_id = r.get(v)?;
        if v >= 1 {
            it.voter_id = r.get(v)?;
        }
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.cluster_id, v)?;
        if v >= 1 {
            w.put(&self.voter_id, v)?;
        }
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicData {
    pub topic_name: String,
    pub partitions: Vec<PartitionData>,
}

impl Wire for TopicData {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topic_name = r.get(v)?;
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topic_name, v)?;
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionData {
    pub partition_index: i32,
    pub replica_epoch: i32,
    pub replica_id: i32,
    pub replica_directory_id: TopicId,
    pub voter_directory_id: TopicId,
    pub last_offset_epoch: i32,
    pub last_offset: i64,
    pub pre_vote: bool,
}

impl Wire for PartitionData {
    const BYTES_MIN: usize = 25;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.replica_epoch = r.get(v)?;
        it.replica_id = r.get(v)?;
        if v >= 1 {
            it.replica_directory_id = r.get(v)?;
        }
        if v >= 1 {
            it.voter_directory_id = r.get(v)?;
        }
        it.last_offset_epoch = r.get(v)?;
        it.last_offset = r.get(v)?;
        if v == 2 {
            it.pre_vote = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put(&self.replica_epoch, v)?;
        w.put(&self.replica_id, v)?;
        if v >= 1 {
            w.put(&self.replica_directory_id, v)?;
        }
        if v >= 1 {
            w.put(&self.voter_directory_id, v)?;
        }
        w.put(&self.last_offset_epoch, v)?;
        w.put(&self.last_offset, v)?;
        if v == 2 {
            w.put(&self.pre_vote, v)?;
        } else if !(!self.pre_vote) {
            return Err(WireError::absent("pre_vote", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for VoteRequest {
    const KEY: i16 = 52;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
