//! `AssignReplicasToDirsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// AssignReplicasToDirsResponse, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssignReplicasToDirsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub directories: Vec<DirectoryData>,
}

impl Wire for AssignReplicasToDirsResponse {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.directories = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.directories, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DirectoryData {
    pub id: TopicId,
    pub topics: Vec<TopicData>,
}

impl Wire for DirectoryData {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.id = r.get(v)?;
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.id, v)?;
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicData {
    pub topic_id: TopicId,
    pub partitions: Vec<PartitionData>,
}

impl Wire for TopicData {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topic_id = r.get(v)?;
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topic_id, v)?;
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
}

impl Wire for PartitionData {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.error_code = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put_error(&self.error_code, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for AssignReplicasToDirsResponse {
    const KEY: i16 = 73;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
