//! `AddRaftVoterResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// AddRaftVoterResponse, versions 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct AddRaftVoterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Default for AddRaftVoterResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            error_code: Default::default(),
            error_message: Some(Default::default()),
        }
    }
}

impl Wire for AddRaftVoterResponse {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.error_message = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.error_message, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for AddRaftVoterResponse {
    const KEY: i16 = 80;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
