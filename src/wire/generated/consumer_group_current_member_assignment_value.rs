//! `ConsumerGroupCurrentMemberAssignmentValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ConsumerGroupCurrentMemberAssignmentValue, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub state: i8,
    pub assigned_partitions: Vec<TopicPartitions>,
    pub partitions_pending_revocation: Vec<TopicPartitions>,
}

impl Wire for ConsumerGroupCurrentMemberAssignmentValue {
    const BYTES_MIN: usize = 12;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_epoch = r.get(v)?;
        it.previous_member_epoch = r.get(v)?;
        it.state = r.get(v)?;
        it.assigned_partitions = r.get(v)?;
        it.partitions_pending_revocation = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_epoch, v)?;
        w.put(&self.previous_member_epoch, v)?;
        w.put(&self.state, v)?;
        w.put(&self.assigned_partitions, v)?;
        w.put(&self.partitions_pending_revocation, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TopicPartitions {
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
    pub assignment_epochs: Option<Vec<i32>>,
}

impl Default for TopicPartitions {
    fn default() -> Self {
        Self {
            topic_id: Default::default(),
            partitions: Default::default(),
            assignment_epochs: Some(Default::default()),
        }
    }
}

impl Wire for TopicPartitions {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topic_id = r.get(v)?;
        it.partitions = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.assignment_epochs = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topic_id, v)?;
        w.put(&self.partitions, v)?;
        let mut tags = w.tagged();
        if !(self.assignment_epochs == Some(Default::default())) {
            tags.put(0, &self.assignment_epochs, v)?;
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for ConsumerGroupCurrentMemberAssignmentValue {
    const KEY: i16 = 8;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
