//! `PartitionChangeRecord`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-metadata 4.3.1, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// PartitionChangeRecord, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionChangeRecord {
    pub partition_id: i32,
    pub topic_id: TopicId,
    pub isr: Option<Vec<i32>>,
    pub leader: i32,
    pub replicas: Option<Vec<i32>>,
    pub removing_replicas: Option<Vec<i32>>,
    pub adding_replicas: Option<Vec<i32>>,
    pub leader_recovery_state: i8,
    pub directories: Option<Vec<TopicId>>,
    pub eligible_leader_replicas: Option<Vec<i32>>,
    pub last_known_elr: Option<Vec<i32>>,
}

impl Default for PartitionChangeRecord {
    fn default() -> Self {
        Self {
            partition_id: -1,
            topic_id: Default::default(),
            isr: Default::default(),
            leader: -2,
            replicas: Default::default(),
            removing_replicas: Default::default(),
            adding_replicas: Default::default(),
            leader_recovery_state: -1,
            directories: Default::default(),
            eligible_leader_replicas: Default::default(),
            last_known_elr: Default::default(),
        }
    }
}

impl Wire for PartitionChangeRecord {
    const BYTES_MIN: usize = 21;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition_id = r.get(v)?;
        it.topic_id = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.isr = r.get(v)?,
                1 => it.leader = r.get(v)?,
                2 => it.replicas = r.get(v)?,
                3 => it.removing_replicas = r.get(v)?,
                4 => it.adding_replicas = r.get(v)?,
                5 => it.leader_recovery_state = r.get(v)?,
                6 if v == 2 => it.eligible_leader_replicas = r.get(v)?,
                7 if v == 2 => it.last_known_elr = r.get(v)?,
                8 if v >= 1 => it.directories = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition_id, v)?;
        w.put(&self.topic_id, v)?;
        let mut tags = w.tagged();
        if !(self.isr.is_none()) {
            tags.put(0, &self.isr, v)?;
        }
        if !(self.leader == -2) {
            tags.put(1, &self.leader, v)?;
        }
        if !(self.replicas.is_none()) {
            tags.put(2, &self.replicas, v)?;
        }
        if !(self.removing_replicas.is_none()) {
            tags.put(3, &self.removing_replicas, v)?;
        }
        if !(self.adding_replicas.is_none()) {
            tags.put(4, &self.adding_replicas, v)?;
        }
        if !(self.leader_recovery_state == -1) {
            tags.put(5, &self.leader_recovery_state, v)?;
        }
        if !(self.eligible_leader_replicas.is_none()) {
            if v == 2 {
                tags.put(6, &self.eligible_leader_replicas, v)?;
            } else {
                return Err(WireError::absent("eligible_leader_replicas", v));
            }
        }
        if !(self.last_known_elr.is_none()) {
            if v == 2 {
                tags.put(7, &self.last_known_elr, v)?;
            } else {
                return Err(WireError::absent("last_known_elr", v));
            }
        }
        if !(self.directories.is_none()) {
            if v >= 1 {
                tags.put(8, &self.directories, v)?;
            } else {
                return Err(WireError::absent("directories", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for PartitionChangeRecord {
    const KEY: i16 = 5;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
