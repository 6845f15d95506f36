//! `FindCoordinatorRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// FindCoordinatorRequest, versions 0 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindCoordinatorRequest {
    pub key: String,
    pub key_type: i8,
    pub coordinator_keys: Vec<String>,
}

impl Wire for FindCoordinatorRequest {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 3 {
            it.key = r.get(v)?;
        }
        if v >= 1 {
            it.key_type = r.get(v)?;
        }
        if v >= 4 {
            it.coordinator_keys = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 3 {
            w.put(&self.key, v)?;
        } else if !(self.key.is_empty()) {
            return Err(WireError::absent("key", v));
        }
        if v >= 1 {
            w.put(&self.key_type, v)?;
        } else if !(self.key_type == 0) {
            return Err(WireError::absent("key_type", v));
        }
        if v >= 4 {
            w.put(&self.coordinator_keys, v)?;
        } else if !(self.coordinator_keys.is_empty()) {
            return Err(WireError::absent("coordinator_keys", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FindCoordinatorRequest {
    const KEY: i16 = 10;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 3;
}
