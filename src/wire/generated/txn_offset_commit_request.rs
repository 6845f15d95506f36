//! `TxnOffsetCommitRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// TxnOffsetCommitRequest, versions 0 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct TxnOffsetCommitRequest {
    pub transactional_id: String,
    pub group_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub generation_id_or_member_epoch: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

impl Default for TxnOffsetCommitRequest {
    fn default() -> Self {
        Self {
            transactional_id: Default::default(),
            group_id: Default::default(),
            producer_id: Default::default(),
            producer_epoch: Default::default(),
            generation_id_or_member_epoch: -1,
            member_id: Default::default(),
            group_instance_id: Default::default(),
            topics: Default::default(),
        }
    }
}

impl Wire for TxnOffsetCommitRequest {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.transactional_id = r.get(v)?;
        it.group_id = r.get(v)?;
        it.producer_id = r.get(v)?;
        it.producer_epoch = r.get(v)?;
        if v >= 3 {
            it.generation_id_or_member_epoch = r.get(v)?;
        }
        if v >= 3 {
            it.member_id = r.get(v)?;
        }
        if v >= 3 {
            it.group_instance_id = r.get(v)?;
        }
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.transactional_id, v)?;
        w.put(&self.group_id, v)?;
        w.put(&self.producer_id, v)?;
        w.put(&self.producer_epoch, v)?;
        if v >= 3 {
            w.put(&self.generation_id_or_member_epoch, v)?;
        } else if !(self.generation_id_or_member_epoch == -1) {
            return Err(WireError::absent("generation_id_or_member_epoch", v));
        }
        if v >= 3 {
            w.put(&self.member_id, v)?;
        } else if !(self.member_id.is_empty()) {
            return Err(WireError::absent("member_id", v));
        }
        if v >= 3 {
            w.put(&self.group_instance_id, v)?;
        } else if !(self.group_instance_id.is_none()) {
            return Err(WireError::absent("group_instance_id", v));
        }
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitRequestTopic {
    pub name: String,
    pub topic_id: TopicId,
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

impl Wire for TxnOffsetCommitRequestTopic {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 5 {
            it.name = r.get(v)?;
        }
        if v == 6 {
            it.topic_id = r.get(v)?;
        }
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 5 {
            w.put(&self.name, v)?;
        }
        if v == 6 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TxnOffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    pub committed_leader_epoch: i32,
    pub committed_metadata: Option<String>,
}

impl Default for TxnOffsetCommitRequestPartition {
    fn default() -> Self {
        Self {
            partition_index: Default::default(),
            committed_offset: Default::default(),
            committed_leader_epoch: -1,
            committed_metadata: Some(Default::default()),
        }
    }
}

impl Wire for TxnOffsetCommitRequestPartition {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.committed_offset = r.get(v)?;
        if v >= 2 {
            it.committed_leader_epoch = r.get(v)?;
        }
        it.committed_metadata = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put(&self.committed_offset, v)?;
        if v >= 2 {
            w.put(&self.committed_leader_epoch, v)?;
        }
        w.put(&self.committed_metadata, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for TxnOffsetCommitRequest {
    const KEY: i16 = 28;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 3;
}
