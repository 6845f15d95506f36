//! `JoinGroupRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// JoinGroupRequest, versions 0 to 9.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupRequest {
    /// The group identifier.
    pub group_id: String,
    /// The coordinator considers the consumer dead if it receives no heartbeat after this timeout in milliseconds.
    pub session_timeout_ms: i32,
    /// The maximum time in milliseconds that the coordinator will wait for each member to rejoin when rebalancing the group.
    pub rebalance_timeout_ms: i32,
    /// The member id assigned by the group coordinator.
    pub member_id: String,
    /// The unique identifier of the consumer instance provided by end user.
    pub group_instance_id: Option<String>,
    /// The unique name the for class of protocols implemented by the group we want to join.
    pub protocol_type: String,
    /// The list of protocols that the member supports.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// The reason why the member (re-)joins the group.
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

/// The list of protocols that the member supports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupRequestProtocol {
    /// The protocol name.
    pub name: String,
    /// The protocol metadata.
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
