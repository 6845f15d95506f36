//! `FetchSnapshotRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// FetchSnapshotRequest, versions 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchSnapshotRequest {
    pub cluster_id: Option<String>,
    pub replica_id: i32,
    pub max_bytes: i32,
    pub topics: Vec<TopicSnapshot>,
}

impl Default for FetchSnapshotRequest {
    fn default() -> Self {
        Self {
            cluster_id: Default::default(),
            replica_id: -1,
            max_bytes: 2147483647,
            topics: Default::default(),
        }
    }
}

impl Wire for FetchSnapshotRequest {
    const BYTES_MIN: usize = 10;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.replica_id = r.get(v)?;
        it.max_bytes = r.get(v)?;
        it.topics = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.cluster_id = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.replica_id, v)?;
        w.put(&self.max_bytes, v)?;
        w.put(&self.topics, v)?;
        let mut tags = w.tagged();
        if !(self.cluster_id.is_none()) {
            tags.put(0, &self.cluster_id, v)?;
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicSnapshot {
    pub name: String,
    pub partitions: Vec<PartitionSnapshot>,
}

impl Wire for TopicSnapshot {
    const BYTES_MIN: usize = 3;

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

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionSnapshot {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub snapshot_id: SnapshotId,
    pub position: i64,
    pub replica_directory_id: TopicId,
}

impl Wire for PartitionSnapshot {
    const BYTES_MIN: usize = 30;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition = r.get(v)?;
        it.current_leader_epoch = r.get(v)?;
        it.snapshot_id = r.get(v)?;
        it.position = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v == 1 => it.replica_directory_id = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition, v)?;
        w.put(&self.current_leader_epoch, v)?;
        w.put(&self.snapshot_id, v)?;
        w.put(&self.position, v)?;
        let mut tags = w.tagged();
        if !(self.replica_directory_id.is_zero()) {
            if v == 1 {
                tags.put(0, &self.replica_directory_id, v)?;
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

impl Wire for SnapshotId {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.end_offset = r.get(v)?;
        it.epoch = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.end_offset, v)?;
        w.put(&self.epoch, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FetchSnapshotRequest {
    const KEY: i16 = 59;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
