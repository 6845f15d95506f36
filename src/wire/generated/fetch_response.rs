//! `FetchResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Records, Wire, WireError, Writer};

/// FetchResponse, versions 4 to 18.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub session_id: i32,
    pub responses: Vec<FetchableTopicResponse>,
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Wire for FetchResponse {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        if v >= 7 {
            it.error_code = r.get(v)?;
        }
        if v >= 7 {
            it.session_id = r.get(v)?;
        }
        it.responses = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v >= 16 => it.node_endpoints = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        if v >= 7 {
            w.put_error(&self.error_code, v)?;
        }
        if v >= 7 {
            w.put(&self.session_id, v)?;
        } else if !(self.session_id == 0) {
            return Err(WireError::absent("session_id", v));
        }
        w.put(&self.responses, v)?;
        let mut tags = w.tagged();
        if !(self.node_endpoints.is_empty()) {
            if v >= 16 {
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
pub struct FetchableTopicResponse {
    pub topic: String,
    pub topic_id: TopicId,
    pub partitions: Vec<PartitionData>,
}

impl Wire for FetchableTopicResponse {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 12 {
            it.topic = r.get(v)?;
        }
        if v >= 13 {
            it.topic_id = r.get(v)?;
        }
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 12 {
            w.put(&self.topic, v)?;
        }
        if v >= 13 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    pub diverging_epoch: EpochEndOffset,
    pub current_leader: LeaderIdAndEpoch,
    pub snapshot_id: SnapshotId,
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    pub preferred_read_replica: i32,
    pub records: Option<Records>,
}

impl Default for PartitionData {
    fn default() -> Self {
        Self {
            partition_index: Default::default(),
            error_code: Default::default(),
            high_watermark: Default::default(),
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: Default::default(),
            current_leader: Default::default(),
            snapshot_id: Default::default(),
            aborted_transactions: Some(Default::default()),
            preferred_read_replica: -1,
            records: Default::default(),
        }
    }
}

impl Wire for PartitionData {
    const BYTES_MIN: usize = 24;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.error_code = r.get(v)?;
        it.high_watermark = r.get(v)?;
        it.last_stable_offset = r.get(v)?;
        if v >= 5 {
            it.log_start_offset = r.get(v)?;
        }
        it.aborted_transactions = r.get(v)?;
        if v >= 11 {
            it.preferred_read_replica = r.get(v)?;
        }
        it.records = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.diverging_epoch = r.get(v)?,
                1 => it.current_leader = r.get(v)?,
                2 => it.snapshot_id = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.high_watermark, v)?;
        w.put(&self.last_stable_offset, v)?;
        if v >= 5 {
            w.put(&self.log_start_offset, v)?;
        }
        w.put(&self.aborted_transactions, v)?;
        if v >= 11 {
            w.put(&self.preferred_read_replica, v)?;
        } else if !(self.preferred_read_replica == -1) {
            return Err(WireError::absent("preferred_read_replica", v));
        }
        w.put(&self.records, v)?;
        let mut tags = w.tagged();
        if !(self.diverging_epoch == EpochEndOffset::default()) {
            if v >= 12 {
                tags.put(0, &self.diverging_epoch, v)?;
            } else {
                return Err(WireError::absent("diverging_epoch", v));
            }
        }
        if !(self.current_leader == LeaderIdAndEpoch::default()) {
            if v >= 12 {
                tags.put(1, &self.current_leader, v)?;
            } else {
                return Err(WireError::absent("current_leader", v));
            }
        }
        if !(self.snapshot_id == SnapshotId::default()) {
            if v >= 12 {
                tags.put(2, &self.snapshot_id, v)?;
            } else {
                return Err(WireError::absent("snapshot_id", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct EpochEndOffset {
    pub epoch: i32,
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self {
            epoch: -1,
            end_offset: -1,
        }
    }
}

impl Wire for EpochEndOffset {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.epoch = r.get(v)?;
        it.end_offset = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.epoch, v)?;
        w.put(&self.end_offset, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self {
            leader_id: -1,
            leader_epoch: -1,
        }
    }
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

#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self {
            end_offset: -1,
            epoch: -1,
        }
    }
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
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

impl Wire for AbortedTransaction {
    const BYTES_MIN: usize = 16;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.producer_id = r.get(v)?;
        it.first_offset = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.producer_id, v)?;
        w.put(&self.first_offset, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl Wire for NodeEndpoint {
    const BYTES_MIN: usize = 11;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.node_id = r.get(v)?;
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        it.rack = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.node_id, v)?;
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        w.put(&self.rack, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FetchResponse {
    const KEY: i16 = 1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 4..=18;
    const FLEXIBLE_FROM: i16 = 12;
}
