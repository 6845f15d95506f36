//! `PushTelemetryRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// PushTelemetryRequest, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushTelemetryRequest {
    pub client_instance_id: TopicId,
    pub subscription_id: i32,
    pub terminating: bool,
    pub compression_type: i8,
    pub metrics: Bytes,
}

impl Wire for PushTelemetryRequest {
    const BYTES_MIN: usize = 24;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.client_instance_id = r.get(v)?;
        it.subscription_id = r.get(v)?;
        it.terminating = r.get(v)?;
        it.compression_type = r.get(v)?;
        it.metrics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.client_instance_id, v)?;
        w.put(&self.subscription_id, v)?;
        w.put(&self.terminating, v)?;
        w.put(&self.compression_type, v)?;
        w.put(&self.metrics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for PushTelemetryRequest {
    const KEY: i16 = 72;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
