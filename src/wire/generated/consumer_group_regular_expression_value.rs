//! `ConsumerGroupRegularExpressionValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ConsumerGroupRegularExpressionValue, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupRegularExpressionValue {
    pub topics: Vec<String>,
    pub version: i64,
    pub timestamp: i64,
}

impl Wire for ConsumerGroupRegularExpressionValue {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topics = r.get(v)?;
        it.version = r.get(v)?;
        it.timestamp = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topics, v)?;
        w.put(&self.version, v)?;
        w.put(&self.timestamp, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ConsumerGroupRegularExpressionValue {
    const KEY: i16 = 16;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
