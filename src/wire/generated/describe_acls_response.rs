//! `DescribeAclsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeAclsResponse, versions 1 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeAclsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resources: Vec<DescribeAclsResource>,
}

impl Default for DescribeAclsResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            error_code: Default::default(),
            error_message: Some(Default::default()),
            resources: Default::default(),
        }
    }
}

impl Wire for DescribeAclsResponse {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.error_message = r.get(v)?;
        it.resources = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.error_message, v)?;
        w.put(&self.resources, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DescribeAclsResource {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub acls: Vec<AclDescription>,
}

impl Default for DescribeAclsResource {
    fn default() -> Self {
        Self {
            resource_type: Default::default(),
            resource_name: Default::default(),
            pattern_type: 3,
            acls: Default::default(),
        }
    }
}

impl Wire for DescribeAclsResource {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.resource_type = r.get(v)?;
        it.resource_name = r.get(v)?;
        it.pattern_type = r.get(v)?;
        it.acls = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.resource_type, v)?;
        w.put(&self.resource_name, v)?;
        w.put(&self.pattern_type, v)?;
        w.put(&self.acls, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AclDescription {
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

impl Wire for AclDescription {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.principal = r.get(v)?;
        it.host = r.get(v)?;
        it.operation = r.get(v)?;
        it.permission_type = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.principal, v)?;
        w.put(&self.host, v)?;
        w.put(&self.operation, v)?;
        w.put(&self.permission_type, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeAclsResponse {
    const KEY: i16 = 29;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=3;
    const FLEXIBLE_FROM: i16 = 2;
}
