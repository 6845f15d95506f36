//! `AlterPartitionRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// AlterPartitionRequest, versions 2 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPartitionRequest {
    /// The ID of the requesting broker.
    pub broker_id: i32,
    /// The epoch of the requesting broker.
    pub broker_epoch: i64,
    /// The topics to alter ISRs for.
    pub topics: Vec<TopicData>,
}

impl Default for AlterPartitionRequest {
    fn default() -> Self {
        Self {
            broker_id: Default::default(),
            broker_epoch: -1,
            topics: Default::default(),
        }
    }
}

impl Wire for AlterPartitionRequest {
    const BYTES_MIN: usize = 14;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.broker_id = r.get(v)?;
        it.broker_epoch = r.get(v)?;
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.broker_id, v)?;
        w.put(&self.broker_epoch, v)?;
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The topics to alter ISRs for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicData {
    /// The ID of the topic to alter ISRs for.
    pub topic_id: TopicId,
    /// The partitions to alter ISRs for.
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

/// The partitions to alter ISRs for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionData {
    /// The partition index.
    pub partition_index: i32,
    /// The leader epoch of this partition.
    pub leader_epoch: i32,
    /// The ISR for this partition. Deprecated since version 3.
    pub new_isr: Vec<i32>,
    /// The ISR for this partition.
    pub new_isr_with_epochs: Vec<BrokerState>,
    /// 1 if the partition is recovering from an unclean leader election; 0 otherwise.
    pub leader_recovery_state: i8,
    /// The expected epoch of the partition which is being updated.
    pub partition_epoch: i32,
}

impl Wire for PartitionData {
    const BYTES_MIN: usize = 15;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_index = r.get(v)?;
        it.leader_epoch = r.get(v)?;
        if v <= 2 {
            it.new_isr = r.get(v)?;
        }
        if v == 3 {
            it.new_isr_with_epochs = r.get(v)?;
        }
        it.leader_recovery_state = r.get(v)?;
        it.partition_epoch = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_index, v)?;
        w.put(&self.leader_epoch, v)?;
        if v <= 2 {
            w.put(&self.new_isr, v)?;
        } else if !(self.new_isr.is_empty()) {
            return Err(WireError::absent("new_isr", v));
        }
        if v == 3 {
            w.put(&self.new_isr_with_epochs, v)?;
        } else if !(self.new_isr_with_epochs.is_empty()) {
            return Err(WireError::absent("new_isr_with_epochs", v));
        }
        w.put(&self.leader_recovery_state, v)?;
        w.put(&self.partition_epoch, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The ISR for this partition.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerState {
    /// The ID of the broker.
    pub broker_id: i32,
    /// The epoch of the broker. It will be -1 if the epoch check is not supported.
    pub broker_epoch: i64,
}

impl Default for BrokerState {
    fn default() -> Self {
        Self {
            broker_id: Default::default(),
            broker_epoch: -1,
        }
    }
}

impl Wire for BrokerState {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.broker_id = r.get(v)?;
        it.broker_epoch = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.broker_id, v)?;
        w.put(&self.broker_epoch, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for AlterPartitionRequest {
    const KEY: i16 = 56;
    const VERSIONS: std::ops::RangeInclusive<i16> = 2..=3;
    const FLEXIBLE_FROM: i16 = 0;
}
