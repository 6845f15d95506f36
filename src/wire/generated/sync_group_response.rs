//! `SyncGroupResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// SyncGroupResponse, versions 0 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub assignment: Bytes,
}

impl Wire for SyncGroupResponse {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 1 {
            it.throttle_time_ms = r.get(v)?;
        }
        it.error_code = r.get(v)?;
        if v == 5 {
            it.protocol_type = r.get(v)?;
        }
        if v == 5 {
            it.protocol_name = r.get(v)?;
        }
        it.assignment = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 1 {
            w.put(&self.throttle_time_ms, v)?;
        }
        w.put_error(&self.error_code, v)?;
        if v == 5 {
            w.put(&self.protocol_type, v)?;
        }
        if v == 5 {
            w.put(&self.protocol_name, v)?;
        }
        w.put(&self.assignment, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for SyncGroupResponse {
    const KEY: i16 = 14;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 4;
}
