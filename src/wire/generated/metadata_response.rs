//! `MetadataResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// MetadataResponse, versions 0 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponse {
    pub throttle_time_ms: i32,
    pub brokers: Vec<MetadataResponseBroker>,
    pub cluster_id: Option<String>,
    pub controller_id: i32,
    pub topics: Vec<MetadataResponseTopic>,
    pub cluster_authorized_operations: i32,
    pub error_code: i16,
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            brokers: Default::default(),
            cluster_id: Default::default(),
            controller_id: -1,
            topics: Default::default(),
            cluster_authorized_operations: -2147483648,
            error_code: Default::default(),
        }
    }
}

impl Wire for MetadataResponse {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 3 {
            it.throttle_time_ms = r.get(v)?;
        }
        it.brokers = r.get(v)?;
        if v >= 2 {
            it.cluster_id = r.get(v)?;
        }
        if v >= 1 {
            it.controller_id = r.get(v)?;
        }
        it.topics = r.get(v)?;
        if (8..=10).contains(&v) {
            it.cluster_authorized_operations = r.get(v)?;
        }
        if v == 13 {
            it.error_code = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 3 {
            w.put(&self.throttle_time_ms, v)?;
        }
        w.put(&self.brokers, v)?;
        if v >= 2 {
            w.put(&self.cluster_id, v)?;
        }
        if v >= 1 {
            w.put(&self.controller_id, v)?;
        }
        w.put(&self.topics, v)?;
        if (8..=10).contains(&v) {
            w.put(&self.cluster_authorized_operations, v)?;
        } else if !(self.cluster_authorized_operations == -2147483648) {
            return Err(WireError::absent("cluster_authorized_operations", v));
        }
        if v == 13 {
            w.put_error(&self.error_code, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataResponseBroker {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl Wire for MetadataResponseBroker {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.node_id = r.get(v)?;
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        if v >= 1 {
            it.rack = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.node_id, v)?;
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        if v >= 1 {
            w.put(&self.rack, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponseTopic {
    pub error_code: i16,
    pub name: Option<String>,
    pub topic_id: TopicId,
    pub is_internal: bool,
    pub partitions: Vec<MetadataResponsePartition>,
    pub topic_authorized_operations: i32,
}

impl Default for MetadataResponseTopic {
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

impl Wire for MetadataResponseTopic {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.name = r.get(v)?;
        if it.name.is_none() && !(v >= 12) {
            return Err(WireError::null("name", v));
        }
        if v >= 10 {
            it.topic_id = r.get(v)?;
        }
        if v >= 1 {
            it.is_internal = r.get(v)?;
        }
        it.partitions = r.get(v)?;
        if v >= 8 {
            it.topic_authorized_operations = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put_error(&self.error_code, v)?;
        if self.name.is_none() && !(v >= 12) {
            return Err(WireError::null("name", v));
        }
        w.put(&self.name, v)?;
        if v >= 10 {
            w.put(&self.topic_id, v)?;
        }
        if v >= 1 {
            w.put(&self.is_internal, v)?;
        }
        w.put(&self.partitions, v)?;
        if v >= 8 {
            w.put(&self.topic_authorized_operations, v)?;
        } else if !(self.topic_authorized_operations == -2147483648) {
            return Err(WireError::absent("topic_authorized_operations", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    pub offline_replicas: Vec<i32>,
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: Default::default(),
            partition_index: Default::default(),
            leader_id: Default::default(),
            leader_epoch: -1,
            replica_nodes: Default::default(),
            isr_nodes: Default::default(),
            offline_replicas: Default::default(),
        }
    }
}

impl Wire for MetadataResponsePartition {
    const BYTES_MIN: usize = 12;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.partition_index = r.get(v)?;
        it.leader_id = r.get(v)?;
        if v >= 7 {
            it.leader_epoch = r.get(v)?;
        }
        it.replica_nodes = r.get(v)?;
        it.isr_nodes = r.get(v)?;
        if v >= 5 {
            it.offline_replicas = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put_error(&self.error_code, v)?;
        w.put(&self.partition_index, v)?;
        w.put(&self.leader_id, v)?;
        if v >= 7 {
            w.put(&self.leader_epoch, v)?;
        }
        w.put(&self.replica_nodes, v)?;
        w.put(&self.isr_nodes, v)?;
        if v >= 5 {
            w.put(&self.offline_replicas, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for MetadataResponse {
    const KEY: i16 = 3;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=13;
    const FLEXIBLE_FROM: i16 = 9;
}
