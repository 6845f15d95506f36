//! `DescribeClusterRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeClusterRequest, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeClusterRequest {
    pub include_cluster_authorized_operations: bool,
    pub endpoint_type: i8,
    pub include_fenced_brokers: bool,
}

impl Default for DescribeClusterRequest {
    fn default() -> Self {
        Self {
            include_cluster_authorized_operations: Default::default(),
            endpoint_type: 1,
            include_fenced_brokers: Default::default(),
        }
    }
}

impl Wire for DescribeClusterRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.include_cluster_authorized_operations = r.get(v)?;
        if v >= 1 {
            it.endpoint_type = r.get(v)?;
        }
        if v == 2 {
            it.include_fenced_brokers = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.include_cluster_authorized_operations, v)?;
        if v >= 1 {
            w.put(&self.endpoint_type, v)?;
        } else if !(self.endpoint_type == 1) {
            return Err(WireError::absent("endpoint_type", v));
        }
        if v == 2 {
            w.put(&self.include_fenced_brokers, v)?;
        } else if !(!self.include_fenced_brokers) {
            return Err(WireError::absent("include_fenced_brokers", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeClusterRequest {
    const KEY: i16 = 60;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
