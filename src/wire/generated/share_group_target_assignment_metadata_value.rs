//! `ShareGroupTargetAssignmentMetadataValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ShareGroupTargetAssignmentMetadataValue, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareGroupTargetAssignmentMetadataValue {
    pub assignment_epoch: i32,
    pub assignment_timestamp: i64,
}

impl Wire for ShareGroupTargetAssignmentMetadataValue {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.assignment_epoch = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.assignment_timestamp = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.assignment_epoch, v)?;
        let mut tags = w.tagged();
        if !(self.assignment_timestamp == 0) {
            tags.put(0, &self.assignment_timestamp, v)?;
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for ShareGroupTargetAssignmentMetadataValue {
    const KEY: i16 = 12;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
