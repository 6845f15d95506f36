//! `JoinGroupRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// JoinGroupRequest, versions 0 to 9.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupRequest {
    pub group_id: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub protocol_type: String,
    pub protocols: Vec<JoinGroupRequestProtocol>,
    pub reason: Option<String>,
}

impl Default for JoinGroupRequest {
    fn default() -> Self {
        Self {
            group_id: Default::default(),
            session_timeout_ms: Default::default(),
            rebalance_timeout_ms: -1,
            member_id: Default::default(),
            group_instance_id: Default::default(),
            protocol_type: Default::default(),
            protocols: Default::default(),
            reason: Default::default(),
        }
    }
}

impl Wire for JoinGroupRequest {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        it.session_timeout_ms = r.get(v)?;
        if v >= 1 {
            it.rebalance_timeout_ms = r.get(v)?;
        }
        it.member_id = r.get(v)?;
        if v >= 5 {
            it.group_instance_id = r.get(v)?;
        }
        it.protocol_type = r.get(v)?;
        it.protocols = r.get(v)?;
        if v >= 8 {
            it.reason = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        w.put(&self.session_timeout_ms, v)?;
        if v >= 1 {
            w.put(&self.rebalance_timeout_ms, v)?;
        }
        w.put(&self.member_id, v)?;
        if v >= 5 {
            w.put(&self.group_instance_id, v)?;
        } else if !(self.group_instance_id.is_none()) {
            return Err(WireError::absent("group_instance_id", v));
        }
        w.put(&self.protocol_type, v)?;
        w.put(&self.protocols, v)?;
        if v >= 8 {
            w.put(&self.reason, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupRequestProtocol {
    pub name: String,
    pub metadata: Bytes,
}

impl Wire for JoinGroupRequestProtocol {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.metadata = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.metadata, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for JoinGroupRequest {
    const KEY: i16 = 11;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=9;
    const FLEXIBLE_FROM: i16 = 6;
}
