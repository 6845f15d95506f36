//! `StreamsGroupDescribeRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// StreamsGroupDescribeRequest, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsGroupDescribeRequest {
    pub group_ids: Vec<String>,
    pub include_authorized_operations: bool,
    pub include_topology_description: bool,
}

impl Wire for StreamsGroupDescribeRequest {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_ids = r.get(v)?;
        it.include_authorized_operations = r.get(v)?;
        if v == 1 {
            it.include_topology_description = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_ids, v)?;
        w.put(&self.include_authorized_operations, v)?;
        if v == 1 {
            w.put(&self.include_topology_description, v)?;
        } else if !(!self.include_topology_description) {
            return Err(WireError::absent("include_topology_description", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for StreamsGroupDescribeRequest {
    const KEY: i16 = 89;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
