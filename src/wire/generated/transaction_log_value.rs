//! `TransactionLogValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-transaction-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// TransactionLogValue, versions 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionLogValue {
    pub producer_id: i64,
    pub previous_producer_id: i64,
    pub next_producer_id: i64,
    pub producer_epoch: i16,
    pub next_producer_epoch: i16,
    pub transaction_timeout_ms: i32,
    pub transaction_status: i8,
    pub transaction_partitions: Option<Vec<PartitionsSchema>>,
    pub transaction_last_update_timestamp_ms: i64,
    pub transaction_start_timestamp_ms: i64,
    pub client_transaction_version: i16,
}

impl Default for TransactionLogValue {
    fn default() -> Self {
        Self {
            producer_id: Default::default(),
            previous_producer_id: -1,
            next_producer_id: -1,
            producer_epoch: Default::default(),
            next_producer_epoch: -1,
            transaction_timeout_ms: Default::default(),
            transaction_status: Default::default(),
            transaction_partitions: Some(Default::default()),
            transaction_last_update_timestamp_ms: Default::default(),
            transaction_start_timestamp_ms: Default::default(),
            client_transaction_version: Default::default(),
        }
    }
}

impl Wire for TransactionLogValue {
    const BYTES_MIN: usize = 32;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.producer_id = r.get(v)?;
        it.producer_epoch = r.get(v)?;
        it.transaction_timeout_ms = r.get(v)?;
        it.transaction_status = r.get(v)?;
        it.transaction_partitions = r.get(v)?;
        it.transaction_last_update_timestamp_ms = r.get(v)?;
        it.transaction_start_timestamp_ms = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.previous_producer_id = r.get(v)?,
                1 => it.next_producer_id = r.get(v)?,
                2 => it.client_transaction_version = r.get(v)?,
                3 => it.next_producer_epoch = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.producer_id, v)?;
        w.put(&self.producer_epoch, v)?;
        w.put(&self.transaction_timeout_ms, v)?;
        w.put(&self.transaction_status, v)?;
        w.put(&self.transaction_partitions, v)?;
        w.put(&self.transaction_last_update_timestamp_ms, v)?;
        w.put(&self.transaction_start_timestamp_ms, v)?;
        let mut tags = w.tagged();
        if !(self.previous_producer_id == -1) {
            if v == 1 {
                tags.put(0, &self.previous_producer_id, v)?;
            } else {
                return Err(WireError::absent("previous_producer_id", v));
            }
        }
        if !(self.next_producer_id == -1) {
            if v == 1 {
                tags.put(1, &self.next_producer_id, v)?;
            } else {
                return Err(WireError::absent("next_producer_id", v));
            }
        }
        if !(self.client_transaction_version == 0) {
            if v == 1 {
                tags.put(2, &self.client_transaction_version, v)?;
            } else {
                return Err(WireError::absent("client_transaction_version", v));
            }
        }
        if !(self.next_producer_epoch == -1) {
            if v == 1 {
                tags.put(3, &self.next_producer_epoch, v)?;
            } else {
                return Err(WireError::absent("next_producer_epoch", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionsSchema {
    pub topic: String,
    pub partition_ids: Vec<i32>,
}

impl Wire for PartitionsSchema {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topic = r.get(v)?;
        it.partition_ids = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topic, v)?;
        w.put(&self.partition_ids, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for TransactionLogValue {
    const KEY: i16 = 0;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 1;
}
