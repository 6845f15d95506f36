//! `StreamsGroupMetadataValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// StreamsGroupMetadataValue, versions 0 to 0.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsGroupMetadataValue {
    pub epoch: i32,
    pub metadata_hash: i64,
    pub validated_topology_epoch: i32,
    pub last_assignment_configs: Option<Vec<LastAssignmentConfig>>,
    pub stored_description_topology_epoch: i32,
    pub failed_description_topology_epoch: i32,
}

impl Default for StreamsGroupMetadataValue {
    fn default() -> Self {
        Self {
            epoch: Default::default(),
            metadata_hash: Default::default(),
            validated_topology_epoch: -1,
            last_assignment_configs: Some(Default::default()),
            stored_description_topology_epoch: -1,
            failed_description_topology_epoch: -1,
        }
    }
}

impl Wire for StreamsGroupMetadataValue {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.epoch = r.get(v)?;
        it.metadata_hash = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.validated_topology_epoch = r.get(v)?,
                1 => it.last_assignment_configs = r.get(v)?,
                2 => it.stored_description_topology_epoch = r.get(v)?,
                3 => it.failed_description_topology_epoch = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.epoch, v)?;
        w.put(&self.metadata_hash, v)?;
        let mut tags = w.tagged();
        if !(self.validated_topology_epoch == -1) {
            tags.put(0, &self.validated_topology_epoch, v)?;
        }
        if !(self.last_assignment_configs == Some(Default::default())) {
            tags.put(1, &self.last_assignment_configs, v)?;
        }
        if !(self.stored_description_topology_epoch == -1) {
            tags.put(2, &self.stored_description_topology_epoch, v)?;
        }
        if !(self.failed_description_topology_epoch == -1) {
            tags.put(3, &self.failed_description_topology_epoch, v)?;
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastAssignmentConfig {
    pub key: String,
    pub value: String,
}

impl Wire for LastAssignmentConfig {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.key = r.get(v)?;
        it.value = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.key, v)?;
        w.put(&self.value, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for StreamsGroupMetadataValue {
    const KEY: i16 = 17;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
