//! `GroupMetadataValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// GroupMetadataValue, versions 0 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMetadataValue {
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    pub current_state_timestamp: i64,
    pub members: Vec<MemberMetadata>,
}

impl Default for GroupMetadataValue {
    fn default() -> Self {
        Self {
            protocol_type: Default::default(),
            generation: Default::default(),
            protocol: Some(Default::default()),
            leader: Some(Default::default()),
            current_state_timestamp: -1,
            members: Default::default(),
        }
    }
}

impl Wire for GroupMetadataValue {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.protocol_type = r.get(v)?;
        it.generation = r.get(v)?;
        it.protocol = r.get(v)?;
        it.leader = r.get(v)?;
        if v >= 2 {
            it.current_state_timestamp = r.get(v)?;
        }
        it.members = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.protocol_type, v)?;
        w.put(&self.generation, v)?;
        w.put(&self.protocol, v)?;
        w.put(&self.leader, v)?;
        if v >= 2 {
            w.put(&self.current_state_timestamp, v)?;
        }
        w.put(&self.members, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MemberMetadata {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout: i32,
    pub session_timeout: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl Default for MemberMetadata {
    fn default() -> Self {
        Self {
            member_id: Default::default(),
            group_instance_id: Default::default(),
            client_id: Default::default(),
            client_host: Default::default(),
            rebalance_timeout: -1,
            session_timeout: Default::default(),
            subscription: Default::default(),
            assignment: Default::default(),
        }
    }
}

impl Wire for MemberMetadata {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_id = r.get(v)?;
        if v >= 3 {
            it.group_instance_id = r.get(v)?;
        }
        it.client_id = r.get(v)?;
        it.client_host = r.get(v)?;
        if v >= 1 {
            it.rebalance_timeout = r.get(v)?;
        }
        it.session_timeout = r.get(v)?;
        it.subscription = r.get(v)?;
        it.assignment = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_id, v)?;
        if v >= 3 {
            w.put(&self.group_instance_id, v)?;
        }
        w.put(&self.client_id, v)?;
        w.put(&self.client_host, v)?;
        if v >= 1 {
            w.put(&self.rebalance_timeout, v)?;
        }
        w.put(&self.session_timeout, v)?;
        w.put(&self.subscription, v)?;
        w.put(&self.assignment, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for GroupMetadataValue {
    const KEY: i16 = 2;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 4;
}
