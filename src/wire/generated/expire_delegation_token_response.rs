//! `ExpireDelegationTokenResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ExpireDelegationTokenResponse, versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpireDelegationTokenResponse {
    pub error_code: i16,
    pub expiry_timestamp_ms: i64,
    pub throttle_time_ms: i32,
}

impl Wire for ExpireDelegationTokenResponse {
    const BYTES_MIN: usize = 14;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.expiry_timestamp_ms = r.get(v)?;
        it.throttle_time_ms = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put_error(&self.error_code, v)?;
        w.put(&self.expiry_timestamp_ms, v)?;
        w.put(&self.throttle_time_ms, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ExpireDelegationTokenResponse {
    const KEY: i16 = 40;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=2;
    const FLEXIBLE_FROM: i16 = 2;
}
