//! `InitProducerIdRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// InitProducerIdRequest, versions 0 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct InitProducerIdRequest {
    pub transactional_id: Option<String>,
    pub transaction_timeout_ms: i32,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub enable2_pc: bool,
    pub keep_prepared_txn: bool,
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self {
            transactional_id: Some(Default::default()),
            transaction_timeout_ms: Default::default(),
            producer_id: -1,
            producer_epoch: -1,
            enable2_pc: Default::default(),
            keep_prepared_txn: Default::default(),
        }
    }
}

impl Wire for InitProducerIdRequest {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.transactional_id = r.get(v)?;
        it.transaction_timeout_ms = r.get(v)?;
        if v >= 3 {
            it.producer_id = r.get(v)?;
        }
        if v >= 3 {
            it.producer_epoch = r.get(v)?;
        }
        if v == 6 {
            it.enable2_pc = r.get(v)?;
        }
        if v == 6 {
            it.keep_prepared_txn = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.transactional_id, v)?;
        w.put(&self.transaction_timeout_ms, v)?;
        if v >= 3 {
            w.put(&self.producer_id, v)?;
        } else if !(self.producer_id == -1) {
            return Err(WireError::absent("producer_id", v));
        }
        if v >= 3 {
            w.put(&self.producer_epoch, v)?;
        } else if !(self.producer_epoch == -1) {
            return Err(WireError::absent("producer_epoch", v));
        }
        if v == 6 {
            w.put(&self.enable2_pc, v)?;
        } else if !(!self.enable2_pc) {
            return Err(WireError::absent("enable2_pc", v));
        }
        if v == 6 {
            w.put(&self.keep_prepared_txn, v)?;
        } else if !(!self.keep_prepared_txn) {
            return Err(WireError::absent("keep_prepared_txn", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for InitProducerIdRequest {
    const KEY: i16 = 22;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 2;
}
