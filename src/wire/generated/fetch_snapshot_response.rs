//! `FetchSnapshotResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Records, Wire, WireError, Writer};

/// FetchSnapshotResponse, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchSnapshotResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub topics: Vec<TopicSnapshot>,
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Wire for FetchSnapshotResponse {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.topics = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v == 1 => it.node_endpoints = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.topics, v)?;
        let mut tags = w.tagged();
        if !(self.node_endpoints.is_empty()) {
            if v == 1 {
                tags.put(0, &self.node_endpoints, v)?;
            } else {
                return Err(WireError::absent("node_endpoints", v));
            }
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
    pub index: i32,
    pub error_code: i16,
    pub snapshot_id: SnapshotId,
    pub current_leader: LeaderIdAndEpoch,
    pub size: i64,
    pub position: i64,
    pub unaligned_records: Option<Records>,
}

impl Wire for PartitionSnapshot {
    const BYTES_MIN: usize = 37;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.index = r.get(v)?;
        it.error_code = r.get(v)?;
        it.snapshot_id = r.get(v)?;
        it.size = r.get(v)?;
        it.position = r.get(v)?;
        it.unaligned_records = r.get(v)?;
        if it.unaligned_records.is_none() {
            return Err(WireError::null("unaligned_records", v));
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.current_leader = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.index, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.snapshot_id, v)?;
        w.put(&self.size, v)?;
        w.put(&self.position, v)?;
        if self.unaligned_records.is_none() {
            return Err(WireError::null("unaligned_records", v));
        }
        w.put(&self.unaligned_records, v)?;
        let mut tags = w.tagged();
        if !(self.current_leader == LeaderIdAndEpoch::default()) {
            tags.put(0, &self.current_leader, v)?;
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

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

impl Wire for LeaderIdAndEpoch {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.leader_id = r.get(v)?;
        it.leader_epoch = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.leader_id, v)?;
        w.put(&self.leader_epoch, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: String,
    pub port: u16,
}

impl Wire for NodeEndpoint {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.node_id = r.get(v)?;
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.node_id, v)?;
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FetchSnapshotResponse {
    const KEY: i16 = 59;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
