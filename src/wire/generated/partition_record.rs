//! `PartitionRecord`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-metadata 4.3.1, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// PartitionRecord, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRecord {
    pub partition_id: i32,
    pub topic_id: TopicId,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub removing_replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub leader: i32,
    pub leader_recovery_state: i8,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    pub directories: Vec<TopicId>,
    pub eligible_leader_replicas: Option<Vec<i32>>,
    pub last_known_elr: Option<Vec<i32>>,
}

impl Default for PartitionRecord {
    fn default() -> Self {
        Self {
            partition_id: -1,
            topic_id: Default::default(),
            replicas: Default::default(),
            isr: Default::default(),
            removing_replicas: Default::default(),
            adding_replicas: Default::default(),
            leader: -1,
            leader_recovery_state: Default::default(),
            leader_epoch: -1,
            partition_epoch: -1,
            directories: Default::default(),
            eligible_leader_replicas: Default::default(),
            last_known_elr: Default::default(),
        }
    }
}

impl Wire for PartitionRecord {
    const BYTES_MIN: usize = 37;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_id = r.get(v)?;
        it.topic_id = r.get(v)?;
        it.replicas = r.get(v)?;
        it.isr = r.get(v)?;
        it.removing_replicas = r.get(v)?;
        it.adding_replicas = r.get(v)?;
        it.leader = r.get(v)?;
        it.leader_epoch = r.get(v)?;
        it.partition_epoch = r.get(v)?;
        if v >= 1 {
            it.directories = r.get(v)?;
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.leader_recovery_state = r.get(v)?,
                1 if v == 2 => it.eligible_leader_replicas = r.get(v)?,
                2 if v == 2 => it.last_known_elr = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_id, v)?;
        w.put(&self.topic_id, v)?;
        w.put(&self.replicas, v)?;
        w.put(&self.isr, v)?;
        w.put(&self.removing_replicas, v)?;
        w.put(&self.adding_replicas, v)?;
        w.put(&self.leader, v)?;
        w.put(&self.leader_epoch, v)?;
        w.put(&self.partition_epoch, v)?;
        if v >= 1 {
            w.put(&self.directories, v)?;
        } else if !(self.directories.is_empty()) {
            return Err(WireError::absent("directories", v));
        }
        let mut tags = w.tagged();
        if !(self.leader_recovery_state == 0) {
            tags.put(0, &self.leader_recovery_state, v)?;
        }
        if !(self.eligible_leader_replicas.is_none()) {
            if v == 2 {
                tags.put(1, &self.eligible_leader_replicas, v)?;
            } else {
                return Err(WireError::absent("eligible_leader_replicas", v));
            }
        }
        if !(self.last_known_elr.is_none()) {
            if v == 2 {
                tags.put(2, &self.last_known_elr, v)?;
            } else {
                return Err(WireError::absent("last_known_elr", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for PartitionRecord {
    const KEY: i16 = 3;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
