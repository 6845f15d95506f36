//! `SyncGroupRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// SyncGroupRequest, versions 0 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl Wire for SyncGroupRequest {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        it.generation_id = r.get(v)?;
        it.member_id = r.get(v)?;
        if v >= 3 {
            it.group_instance_id = r.get(v)?;
        }
        if v == 5 {
            it.protocol_type = r.get(v)?;
        }
        if v == 5 {
            it.protocol_name = r.get(v)?;
        }
        it.assignments = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        w.put(&self.generation_id, v)?;
        w.put(&self.member_id, v)?;
        if v >= 3 {
            w.put(&self.group_instance_id, v)?;
        } else if !(self.group_instance_id.is_none()) {
            return Err(WireError::absent("group_instance_id", v));
        }
        if v == 5 {
            w.put(&self.protocol_type, v)?;
        }
        if v == 5 {
            w.put(&self.protocol_name, v)?;
        }
        w.put(&self.assignments, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupRequestAssignment {
    pub member_id: String,
    pub assignment: Bytes,
}

impl Wire for SyncGroupRequestAssignment {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_id = r.get(v)?;
        it.assignment = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_id, v)?;
        w.put(&self.assignment, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for SyncGroupRequest {
    const KEY: i16 = 14;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 4;
}
