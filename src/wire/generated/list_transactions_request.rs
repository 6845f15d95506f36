//! `ListTransactionsRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ListTransactionsRequest, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct ListTransactionsRequest {
    pub state_filters: Vec<String>,
    pub producer_id_filters: Vec<i64>,
    pub duration_filter: i64,
    pub transactional_id_pattern: Option<String>,
}

impl Default for ListTransactionsRequest {
    fn default() -> Self {
        Self {
            state_filters: Default::default(),
            producer_id_filters: Default::default(),
            duration_filter: -1,
            transactional_id_pattern: Default::default(),
        }
    }
}

impl Wire for ListTransactionsRequest {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.state_filters = r.get(v)?;
        it.producer_id_filters = r.get(v)?;
        if v >= 1 {
            it.duration_filter = r.get(v)?;
        }
        if v == 2 {
            it.transactional_id_pattern = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.state_filters, v)?;
        w.put(&self.producer_id_filters, v)?;
        if v >= 1 {
            w.put(&self.duration_filter, v)?;
        } else if !(self.duration_filter == -1) {
            return Err(WireError::absent("duration_filter", v));
        }
        if v == 2 {
            w.put(&self.transactional_id_pattern, v)?;
        } else if !(self.transactional_id_pattern.is_none()) {
            return Err(WireError::absent("transactional_id_pattern", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ListTransactionsRequest {
    const KEY: i16 = 66;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
