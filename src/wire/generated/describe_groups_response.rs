//! `DescribeGroupsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeGroupsResponse, versions 0 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeGroupsResponse {
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

impl Wire for DescribeGroupsResponse {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 1 {
            it.throttle_time_ms = r.get(v)?;
        }
        it.groups = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 1 {
            w.put(&self.throttle_time_ms, v)?;
        }
        w.put(&self.groups, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub group_id: String,
    pub group_state: String,
    pub protocol_type: String,
    pub protocol_data: String,
    pub members: Vec<DescribedGroupMember>,
    pub authorized_operations: i32,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: Default::default(),
            error_message: Default::default(),
            group_id: Default::default(),
            group_state: Default::default(),
            protocol_type: Default::default(),
            protocol_data: Default::default(),
            members: Default::default(),
            authorized_operations: -2147483648,
        }
    }
}

impl Wire for DescribedGroup {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        if v == 6 {
            it.error_message = r.get(v)?;
        }
        it.group_id = r.get(v)?;
        it.group_state = r.get(v)?;
        it.protocol_type = r.get(v)?;
        it.protocol_data = r.get(v)?;
        it.members = r.get(v)?;
        if v >= 3 {
            it.authorized_operations = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put_error(&self.error_code, v)?;
        if v == 6 {
            w.put(&self.error_message, v)?;
        } else if !(self.error_message.is_none()) {
            return Err(WireError::absent("error_message", v));
        }
        w.put(&self.group_id, v)?;
        w.put(&self.group_state, v)?;
        w.put(&self.protocol_type, v)?;
        w.put(&self.protocol_data, v)?;
        w.put(&self.members, v)?;
        if v >= 3 {
            w.put(&self.authorized_operations, v)?;
        } else if !(self.authorized_operations == -2147483648) {
            return Err(WireError::absent("authorized_operations", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribedGroupMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub member_metadata: Bytes,
    pub member_assignment: Bytes,
}

impl Wire for DescribedGroupMember {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_id = r.get(v)?;
        if v >= 4 {
            it.group_instance_id = r.get(v)?;
        }
        it.client_id = r.get(v)?;
        it.client_host = r.get(v)?;
        it.member_metadata = r.get(v)?;
        it.member_assignment = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_id, v)?;
        if v >= 4 {
            w.put(&self.group_instance_id, v)?;
        }
        w.put(&self.client_id, v)?;
        w.put(&self.client_host, v)?;
        w.put(&self.member_metadata, v)?;
        w.put(&self.member_assignment, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeGroupsResponse {
    const KEY: i16 = 15;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 5;
}
