//! `AddPartitionsToTxnRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// AddPartitionsToTxnRequest, versions 0 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnRequest {
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    pub v3_and_below_transactional_id: String,
    pub v3_and_below_producer_id: i64,
    pub v3_and_below_producer_epoch: i16,
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

impl Wire for AddPartitionsToTxnRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 4 {
            it.transactions = r.get(v)?;
        }
        if v <= 3 {
            it.v3_and_below_transactional_id = r.get(v)?;
        }
        if v <= 3 {
            it.v3_and_below_producer_id = r.get(v)?;
        }
        if v <= 3 {
            it.v3_and_below_producer_epoch = r.get(v)?;
        }
        if v <= 3 {
            it.v3_and_below_topics = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 4 {
            w.put(&self.transactions, v)?;
        } else if !(self.transactions.is_empty()) {
            return Err(WireError::absent("transactions", v));
        }
        if v <= 3 {
            w.put(&self.v3_and_below_transactional_id, v)?;
        } else if !(self.v3_and_below_transactional_id.is_empty()) {
            return Err(WireError::absent("v3_and_below_transactional_id", v));
        }
        if v <= 3 {
            w.put(&self.v3_and_below_producer_id, v)?;
        } else if !(self.v3_and_below_producer_id == 0) {
            return Err(WireError::absent("v3_and_below_producer_id", v));
        }
        if v <= 3 {
            w.put(&self.v3_and_below_producer_epoch, v)?;
        } else if !(self.v3_and_below_producer_epoch == 0) {
            return Err(WireError::absent("v3_and_below_producer_epoch", v));
        }
        if v <= 3 {
            w.put(&self.v3_and_below_topics, v)?;
        } else if !(self.v3_and_below_topics.is_empty()) {
            return Err(WireError::absent("v3_and_below_topics", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnTransaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub verify_only: bool,
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

impl Wire for AddPartitionsToTxnTransaction {
    const BYTES_MIN: usize = 14;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.transactional_id = r.get(v)?;
        it.producer_id = r.get(v)?;
        it.producer_epoch = r.get(v)?;
        it.verify_only = r.get(v)?;
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.transactional_id, v)?;
        w.put(&self.producer_id, v)?;
        w.put(&self.producer_epoch, v)?;
        w.put(&self.verify_only, v)?;
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddPartitionsToTxnTopic {
    pub name: String,
    pub partitions: Vec<i32>,
}

impl Wire for AddPartitionsToTxnTopic {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for AddPartitionsToTxnRequest {
    const KEY: i16 = 24;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;
}
