//! `JoinGroupResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// JoinGroupResponse, versions 0 to 9.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub generation_id: i32,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub leader: String,
    pub skip_assignment: bool,
    pub member_id: String,
    pub members: Vec<JoinGroupResponseMember>,
}

impl Default for JoinGroupResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            error_code: Default::default(),
            generation_id: -1,
            protocol_type: Default::default(),
            protocol_name: Some(Default::default()),
            leader: Default::default(),
            skip_assignment: Default::default(),
            member_id: Default::default(),
            members: Default::default(),
        }
    }
}

impl Wire for JoinGroupResponse {
    const BYTES_MIN: usize = 10;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 2 {
            it.throttle_time_ms = r.get(v)?;
        }
        it.error_code = r.get(v)?;
        it.generation_id = r.get(v)?;
        if v >= 7 {
            it.protocol_type = r.get(v)?;
        }
        it.protocol_name = r.get(v)?;
        if it.protocol_name.is_none() && !(v >= 7) {
            return Err(WireError::null("protocol_name", v));
        }
        it.leader = r.get(v)?;
        if v == 9 {
            it.skip_assignment = r.get(v)?;
        }
        it.member_id = r.get(v)?;
        it.members = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 2 {
            w.put(&self.throttle_time_ms, v)?;
        }
        w.put_error(&self.error_code, v)?;
        w.put(&self.generation_id, v)?;
        if v >= 7 {
            w.put(&self.protocol_type, v)?;
        }
        if self.protocol_name.is_none() && !(v >= 7) {
            return Err(WireError::null("protocol_name", v));
        }
        w.put(&self.protocol_name, v)?;
        w.put(&self.leader, v)?;
        if v == 9 {
            w.put(&self.skip_assignment, v)?;
        } else if !(!self.skip_assignment) {
            return Err(WireError::absent("skip_assignment", v));
        }
        w.put(&self.member_id, v)?;
        w.put(&self.members, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupResponseMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub metadata: Bytes,
}

impl Wire for JoinGroupResponseMember {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_id = r.get(v)?;
        if v >= 5 {
            it.group_instance_id = r.get(v)?;
        }
        it.metadata = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_id, v)?;
        if v >= 5 {
            w.put(&self.group_instance_id, v)?;
        }
        w.put(&self.metadata, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for JoinGroupResponse {
    const KEY: i16 = 11;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=9;
    const FLEXIBLE_FROM: i16 = 6;
}
