//! `RequestHeader`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// RequestHeader, versions 1 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestHeader {
    pub request_api_key: i16,
    pub request_api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
}

impl Default for RequestHeader {
    fn default() -> Self {
        Self {
            request_api_key: Default::default(),
            request_api_version: Default::default(),
            correlation_id: Default::default(),
            client_id: Some(Default::default()),
        }
    }
}

impl Wire for RequestHeader {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.request_api_key = r.get(v)?;
        it.request_api_version = r.get(v)?;
        it.correlation_id = r.get(v)?;
        it.client_id = r.get_classic(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.request_api_key, v)?;
        w.put(&self.request_api_version, v)?;
        w.put(&self.correlation_id, v)?;
        w.put_classic(&self.client_id, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for RequestHeader {
    const KEY: i16 = -1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=2;
    const FLEXIBLE_FROM: i16 = 2;
}
