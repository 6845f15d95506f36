//! `LeaveGroupRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// LeaveGroupRequest, versions 0 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaveGroupRequest {
    pub group_id: String,
    pub member_id: String,
    pub members: Vec<MemberIdentity>,
}

impl Wire for LeaveGroupRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        if v <= 2 {
            it.member_id = r.get(v)?;
        }
        if v >= 3 {
            it.members = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        if v <= 2 {
            w.put(&self.member_id, v)?;
        } else if !(self.member_id.is_empty()) {
            return Err(WireError::absent("member_id", v));
        }
        if v >= 3 {
            w.put(&self.members, v)?;
        } else if !(self.members.is_empty()) {
            return Err(WireError::absent("members", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberIdentity {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub reason: Option<String>,
}

impl Wire for MemberIdentity {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_id = r.get(v)?;
        it.group_instance_id = r.get(v)?;
        if v == 5 {
            it.reason = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_id, v)?;
        w.put(&self.group_instance_id, v)?;
        if v == 5 {
            w.put(&self.reason, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for LeaveGroupRequest {
    const KEY: i16 = 13;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 4;
}
