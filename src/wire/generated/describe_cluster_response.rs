//! `DescribeClusterResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeClusterResponse, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeClusterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub endpoint_type: i8,
    pub cluster_id: String,
    pub controller_id: i32,
    pub brokers: Vec<DescribeClusterBroker>,
    pub cluster_authorized_operations: i32,
}

impl Default for DescribeClusterResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            error_code: Default::default(),
            error_message: Default::default(),
            endpoint_type: 1,
            cluster_id: Default::default(),
            controller_id: -1,
            brokers: Default::default(),
            cluster_authorized_operations: -2147483648,
        }
    }
}

impl Wire for DescribeClusterResponse {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.error_message = r.get(v)?;
        if v >= 1 {
            it.endpoint_type = r.get(v)?;
        }
        it.cluster_id = r.get(v)?;
        it.controller_id = r.get(v)?;
        it.brokers = r.get(v)?;
        it.cluster_authorized_operations = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.error_message, v)?;
        if v >= 1 {
            w.put(&self.endpoint_type, v)?;
        } else if !(self.endpoint_type == 1) {
            return Err(WireError::absent("endpoint_type", v));
        }
        w.put(&self.cluster_id, v)?;
        w.put(&self.controller_id, v)?;
        w.put(&self.brokers, v)?;
        w.put(&self.cluster_authorized_operations, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeClusterBroker {
    pub broker_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
    pub is_fenced: bool,
}

impl Wire for DescribeClusterBroker {
    const BYTES_MIN: usize = 11;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.broker_id = r.get(v)?;
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        it.rack = r.get(v)?;
        if v == 2 {
            it.is_fenced = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.broker_id, v)?;
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        w.put(&self.rack, v)?;
        if v == 2 {
            w.put(&self.is_fenced, v)?;
        } else if !(!self.is_fenced) {
            return Err(WireError::absent("is_fenced", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeClusterResponse {
    const KEY: i16 = 60;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
