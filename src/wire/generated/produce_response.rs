//! `ProduceResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ProduceResponse, versions 3 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceResponse {
    pub responses: Vec<TopicProduceResponse>,
    pub throttle_time_ms: i32,
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Wire for ProduceResponse {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.responses = r.get(v)?;
        it.throttle_time_ms = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v >= 10 => it.node_endpoints = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.responses, v)?;
        w.put(&self.throttle_time_ms, v)?;
        let mut tags = w.tagged();
        if !(self.node_endpoints.is_empty()) {
            if v >= 10 {
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
pub struct TopicProduceResponse {
    pub name: String,
    pub topic_id: TopicId,
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl Wire for TopicProduceResponse {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 12 {
            it.name = r.get(v)?;
        }
        if v == 13 {
            it.topic_id = r.get(v)?;
        }
        it.partition_responses = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 12 {
            w.put(&self.name, v)?;
        }
        if v == 13 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partition_responses, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct PartitionProduceResponse {
    pub index: i32,
    pub error_code: i16,
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    pub error_message: Option<String>,
    pub current_leader: LeaderIdAndEpoch,
}

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: Default::default(),
            error_code: Default::default(),
            base_offset: Default::default(),
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Default::default(),
            error_message: Default::default(),
            current_leader: Default::default(),
        }
    }
}

impl Wire for PartitionProduceResponse {
    const BYTES_MIN: usize = 22;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.index = r.get(v)?;
        it.error_code = r.get(v)?;
        it.base_offset = r.get(v)?;
        it.log_append_time_ms = r.get(v)?;
        if v >= 5 {
            it.log_start_offset = r.get(v)?;
        }
        if v >= 8 {
            it.record_errors = r.get(v)?;
        }
        if v >= 8 {
            it.error_message = r.get(v)?;
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v >= 10 => it.current_leader = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.index, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.base_offset, v)?;
        w.put(&self.log_append_time_ms, v)?;
        if v >= 5 {
            w.put(&self.log_start_offset, v)?;
        }
        if v >= 8 {
            w.put(&self.record_errors, v)?;
        }
        if v >= 8 {
            w.put(&self.error_message, v)?;
        }
        let mut tags = w.tagged();
        if !(self.current_leader == LeaderIdAndEpoch::default()) {
            if v >= 10 {
                tags.put(0, &self.current_leader, v)?;
            } else {
                return Err(WireError::absent("current_leader", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchIndexAndErrorMessage {
    pub batch_index: i32,
    pub batch_index_error_message: Option<String>,
}

impl Wire for BatchIndexAndErrorMessage {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.batch_index = r.get(v)?;
        it.batch_index_error_message = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.batch_index, v)?;
        w.put(&self.batch_index_error_message, v)?;
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

impl Message for ProduceResponse {
    const KEY: i16 = 0;
    const VERSIONS: std::ops::RangeInclusive<i16> = 3..=13;
    const FLEXIBLE_FROM: i16 = 9;
}
