//! `DescribeGroupsRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeGroupsRequest, versions 0 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeGroupsRequest {
    pub groups: Vec<String>,
    pub include_authorized_operations: bool,
}

impl Wire for DescribeGroupsRequest {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.groups = r.get(v)?;
        if v >= 3 {
            it.include_authorized_operations = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.groups, v)?;
        if v >= 3 {
            w.put(&self.include_authorized_operations, v)?;
        } else if !(!self.include_authorized_operations) {
            return Err(WireError::absent("include_authorized_operations", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeGroupsRequest {
    const KEY: i16 = 15;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 5;
}
