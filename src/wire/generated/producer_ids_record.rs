//! `ProducerIdsRecord`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-metadata 4.3.1, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ProducerIdsRecord, versions 0 to 0.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerIdsRecord {
    pub broker_id: i32,
    pub broker_epoch: i64,
    pub next_producer_id: i64,
}

impl Default for ProducerIdsRecord {
    fn default() -> Self {
        Self {
            broker_id: Default::default(),
            broker_epoch: -1,
            next_producer_id: Default::default(),
        }
    }
}

impl Wire for ProducerIdsRecord {
    const BYTES_MIN: usize = 21;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.broker_id = r.get(v)?;
        it.broker_epoch = r.get(v)?;
        it.next_producer_id = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.broker_id, v)?;
        w.put(&self.broker_epoch, v)?;
        w.put(&self.next_producer_id, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ProducerIdsRecord {
    const KEY: i16 = 15;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
