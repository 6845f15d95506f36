//! `StreamsGroupCurrentMemberAssignmentValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// StreamsGroupCurrentMemberAssignmentValue, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub state: i8,
    pub active_tasks: Vec<TaskIds>,
    pub standby_tasks: Vec<TaskIds>,
    pub warmup_tasks: Vec<TaskIds>,
    pub active_tasks_pending_revocation: Vec<TaskIds>,
    pub standby_tasks_pending_revocation: Vec<TaskIds>,
    pub warmup_tasks_pending_revocation: Vec<TaskIds>,
}

impl Wire for StreamsGroupCurrentMemberAssignmentValue {
    const BYTES_MIN: usize = 16;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_epoch = r.get(v)?;
        it.previous_member_epoch = r.get(v)?;
        it.state = r.get(v)?;
        it.active_tasks = r.get(v)?;
        it.standby_tasks = r.get(v)?;
        it.warmup_tasks = r.get(v)?;
        it.active_tasks_pending_revocation = r.get(v)?;
        it.standby_tasks_pending_revocation = r.get(v)?;
        it.warmup_tasks_pending_revocation = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_epoch, v)?;
        w.put(&self.previous_member_epoch, v)?;
        w.put(&self.state, v)?;
        w.put(&self.active_tasks, v)?;
        w.put(&self.standby_tasks, v)?;
        w.put(&self.warmup_tasks, v)?;
        w.put(&self.active_tasks_pending_revocation, v)?;
        w.put(&self.standby_tasks_pending_revocation, v)?;
        w.put(&self.warmup_tasks_pending_revocation, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TaskIds {
    pub subtopology_id: String,
    pub partitions: Vec<i32>,
    pub assignment_epochs: Option<Vec<i32>>,
}

impl Default for TaskIds {
    fn default() -> Self {
        Self {
            subtopology_id: Default::default(),
            partitions: Default::default(),
            assignment_epochs: Some(Default::default()),
        }
    }
}

impl Wire for TaskIds {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.subtopology_id = r.get(v)?;
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
        w.put(&self.subtopology_id, v)?;
        w.put(&self.partitions, v)?;
        let mut tags = w.tagged();
        if !(self.assignment_epochs == Some(Default::default())) {
            tags.put(0, &self.assignment_epochs, v)?;
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for StreamsGroupCurrentMemberAssignmentValue {
    const KEY: i16 = 22;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
