//! `EnvelopeResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// EnvelopeResponse, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvelopeResponse {
    pub response_data: Option<Bytes>,
    pub error_code: i16,
}

impl Wire for EnvelopeResponse {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.response_data = r.get(v)?;
        it.error_code = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.response_data, v)?;
        w.put_error(&self.error_code, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for EnvelopeResponse {
    const KEY: i16 = 58;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
