//! `OffsetFetchResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// OffsetFetchResponse, versions 1 to 10.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetFetchResponseTopic>,
    pub error_code: i16,
    pub groups: Vec<OffsetFetchResponseGroup>,
}

impl Wire for OffsetFetchResponse {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 3 {
            it.throttle_time_ms = r.get(v)?;
        }
        if v <= 7 {
            it.topics = r.get(v)?;
        }
        if (2..=7).contains(&v) {
            it.error_code = r.get(v)?;
        }
        if v >= 8 {
            it.groups = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 3 {
            w.put(&self.throttle_time_ms, v)?;
        }
        if v <= 7 {
            w.put(&self.topics, v)?;
        } else if !(self.topics.is_empty()) {
            return Err(WireError::absent("topics", v));
        }
        if (2..=7).contains(&v) {
            w.put_error(&self.error_code, v)?;
        }
        if v >= 8 {
            w.put(&self.groups, v)?;
        } else if !(self.groups.is_empty()) {
            return Err(WireError::absent("groups", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

impl Wire for OffsetFetchResponseTopic {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchResponsePartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    pub committed_leader_epoch: i32,
    pub metadata: Option<String>,
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartition {
    fn default() -> Self {
        Self {
            partition_index: Default::default(),
            committed_offset: Default::default(),
            committed_leader_epoch: -1,
            metadata: Some(Default::default()),
            error_code: Default::default(),
        }
    }
}

impl Wire for OffsetFetchResponsePartition {
    const BYTES_MIN: usize = 15;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.committed_offset = r.get(v)?;
        if v >= 5 {
            it.committed_leader_epoch = r.get(v)?;
        }
        it.metadata = r.get(v)?;
        it.error_code = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put(&self.committed_offset, v)?;
        if v >= 5 {
            w.put(&self.committed_leader_epoch, v)?;
        }
        w.put(&self.metadata, v)?;
        w.put_error(&self.error_code, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseGroup {
    pub group_id: String,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: i16,
}

impl Wire for OffsetFetchResponseGroup {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        it.topics = r.get(v)?;
        it.error_code = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        w.put(&self.topics, v)?;
        w.put_error(&self.error_code, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseTopics {
    pub name: String,
    pub topic_id: TopicId,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

impl Wire for OffsetFetchResponseTopics {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 9 {
            it.name = r.get(v)?;
        }
        if v == 10 {
            it.topic_id = r.get(v)?;
        }
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 9 {
            w.put(&self.name, v)?;
        }
        if v == 10 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    pub partition_index: i32,
    pub committed_offset: i64,
    pub committed_leader_epoch: i32,
    pub metadata: Option<String>,
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartitions {
    fn default() -> Self {
        Self {
            partition_index: Default::default(),
            committed_offset: Default::default(),
            committed_leader_epoch: -1,
            metadata: Some(Default::default()),
            error_code: Default::default(),
        }
    }
}

impl Wire for OffsetFetchResponsePartitions {
    const BYTES_MIN: usize = 20;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.committed_offset = r.get(v)?;
        it.committed_leader_epoch = r.get(v)?;
        it.metadata = r.get(v)?;
        it.error_code = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put(&self.committed_offset, v)?;
        w.put(&self.committed_leader_epoch, v)?;
        w.put(&self.metadata, v)?;
        w.put_error(&self.error_code, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for OffsetFetchResponse {
    const KEY: i16 = 9;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=10;
    const FLEXIBLE_FROM: i16 = 6;
}
