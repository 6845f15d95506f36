//! `ListGroupsRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ListGroupsRequest, versions 0 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListGroupsRequest {
    pub states_filter: Vec<String>,
    pub types_filter: Vec<String>,
}

impl Wire for ListGroupsRequest {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 4 {
            it.states_filter = r.get(v)?;
        }
        if v == 5 {
            it.types_filter = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 4 {
            w.put(&self.states_filter, v)?;
        } else if !(self.states_filter.is_empty()) {
            return Err(WireError::absent("states_filter", v));
        }
        if v == 5 {
            w.put(&self.types_filter, v)?;
        } else if !(self.types_filter.is_empty()) {
            return Err(WireError::absent("types_filter", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ListGroupsRequest {
    const KEY: i16 = 16;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;
}
