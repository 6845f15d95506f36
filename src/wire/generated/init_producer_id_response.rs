//! `InitProducerIdResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// InitProducerIdResponse, versions 0 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct InitProducerIdResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub ongoing_txn_producer_id: i64,
    pub ongoing_txn_producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            error_code: Default::default(),
            producer_id: -1,
            producer_epoch: Default::default(),
            ongoing_txn_producer_id: -1,
            ongoing_txn_producer_epoch: -1,
        }
    }
}

impl Wire for InitProducerIdResponse {
    const BYTES_MIN: usize = 16;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.producer_id = r.get(v)?;
        it.producer_epoch = r.get(v)?;
        if v == 6 {
            it.ongoing_txn_producer_id = r.get(v)?;
        }
        if v == 6 {
            it.ongoing_txn_producer_epoch = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.producer_id, v)?;
        w.put(&self.producer_epoch, v)?;
        if v == 6 {
            w.put(&self.ongoing_txn_producer_id, v)?;
        } else if !(self.ongoing_txn_producer_id == -1) {
            return Err(WireError::absent("ongoing_txn_producer_id", v));
        }
        if v == 6 {
            w.put(&self.ongoing_txn_producer_epoch, v)?;
        } else if !(self.ongoing_txn_producer_epoch == -1) {
            return Err(WireError::absent("ongoing_txn_producer_epoch", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for InitProducerIdResponse {
    const KEY: i16 = 22;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 2;
}
