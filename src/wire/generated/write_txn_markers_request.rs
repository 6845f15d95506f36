//! `WriteTxnMarkersRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// WriteTxnMarkersRequest, versions 1 to 2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteTxnMarkersRequest {
    /// The transaction markers to be written.
    pub markers: Vec<WritableTxnMarker>,
}

impl Wire for WriteTxnMarkersRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.markers = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.markers, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The transaction markers to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WritableTxnMarker {
    /// The current producer ID.
    pub producer_id: i64,
    /// The current epoch associated with the producer ID.
    pub producer_epoch: i16,
    /// The result of the transaction to write to the partitions (false = ABORT, true = COMMIT).
    pub transaction_result: bool,
    /// Each topic that we want to write transaction marker(s) for.
    pub topics: Vec<WritableTxnMarkerTopic>,
    /// Epoch associated with the transaction state partition hosted by this transaction coordinator.
    pub coordinator_epoch: i32,
    /// Transaction version of the marker. Ex: 0/1 = legacy (TV0/TV1), 2 = TV2 etc.
    pub transaction_version: i8,
}

impl Wire for WritableTxnMarker {
    const BYTES_MIN: usize = 17;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.producer_id = r.get(v)?;
        it.producer_epoch = r.get(v)?;
        it.transaction_result = r.get(v)?;
        it.topics = r.get(v)?;
        it.coordinator_epoch = r.get(v)?;
        if v == 2 {
            it.transaction_version = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.producer_id, v)?;
        w.put(&self.producer_epoch, v)?;
        w.put(&self.transaction_result, v)?;
        w.put(&self.topics, v)?;
        w.put(&self.coordinator_epoch, v)?;
        if v == 2 {
            w.put(&self.transaction_version, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

/// Each topic that we want to write transaction marker(s) for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WritableTxnMarkerTopic {
    /// The topic name.
    pub name: String,
    /// The indexes of the partitions to write transaction markers for.
    pub partition_indexes: Vec<i32>,
}

impl Wire for WritableTxnMarkerTopic {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.partition_indexes = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.partition_indexes, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for WriteTxnMarkersRequest {
    const KEY: i16 = 27;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=2;
    const FLEXIBLE_FROM: i16 = 1;
}
