//! `WriteShareGroupStateRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// WriteShareGroupStateRequest, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteShareGroupStateRequest {
    /// The group identifier.
    pub group_id: String,
    /// The data for the topics.
    pub topics: Vec<WriteStateData>,
}

impl Wire for WriteShareGroupStateRequest {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The data for the topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteStateData {
    /// The topic identifier.
    pub topic_id: TopicId,
    /// The data for the partitions.
    pub partitions: Vec<PartitionData>,
}

impl Wire for WriteStateData {
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

/// The data for the partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionData {
    /// The partition index.
    pub partition: i32,
    /// The state epoch of the share-partition.
    pub state_epoch: i32,
    /// The leader epoch of the share-partition.
    pub leader_epoch: i32,
    /// The share-partition start offset, or -1 if the start offset is not being written.
    pub start_offset: i64,
    /// The number of offsets greater than or equal to share-partition start offset for which delivery has been completed.
    pub delivery_complete_count: i32,
    /// The state batches for the share-partition.
    pub state_batches: Vec<StateBatch>,
}

impl Default for PartitionData {
    fn default() -> Self {
        Self {
            partition: Default::default(),
            state_epoch: Default::default(),
            leader_epoch: Default::default(),
            start_offset: Default::default(),
            delivery_complete_count: -1,
            state_batches: Default::default(),
        }
    }
}

impl Wire for PartitionData {
    const BYTES_MIN: usize = 22;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition = r.get(v)?;
        it.state_epoch = r.get(v)?;
        it.leader_epoch = r.get(v)?;
        it.start_offset = r.get(v)?;
        if v == 1 {
            it.delivery_complete_count = r.get(v)?;
        }
        it.state_batches = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition, v)?;
        w.put(&self.state_epoch, v)?;
        w.put(&self.leader_epoch, v)?;
        w.put(&self.start_offset, v)?;
        if v == 1 {
            w.put(&self.delivery_complete_count, v)?;
        }
        w.put(&self.state_batches, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The state batches for the share-partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateBatch {
    /// The first offset of this state batch.
    pub first_offset: i64,
    /// The last offset of this state batch.
    pub last_offset: i64,
    /// The delivery state - 0:Available,2:Acked,4:Archived.
    pub delivery_state: i8,
    /// The delivery count.
    pub delivery_count: i16,
}

impl Wire for StateBatch {
    const BYTES_MIN: usize = 20;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.first_offset = r.get(v)?;
        it.last_offset = r.get(v)?;
        it.delivery_state = r.get(v)?;
        it.delivery_count = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.first_offset, v)?;
        w.put(&self.last_offset, v)?;
        w.put(&self.delivery_state, v)?;
        w.put(&self.delivery_count, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for WriteShareGroupStateRequest {
    const KEY: i16 = 85;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
