//! `ListConfigResourcesRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ListConfigResourcesRequest, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListConfigResourcesRequest {
    pub resource_types: Vec<i8>,
}

impl Wire for ListConfigResourcesRequest {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v == 1 {
            it.resource_types = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v == 1 {
            w.put(&self.resource_types, v)?;
        } else if !(self.resource_types.is_empty()) {
            return Err(WireError::absent("resource_types", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ListConfigResourcesRequest {
    const KEY: i16 = 74;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
