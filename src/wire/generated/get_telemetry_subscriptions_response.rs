//! `GetTelemetrySubscriptionsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// GetTelemetrySubscriptionsResponse, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetTelemetrySubscriptionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub client_instance_id: TopicId,
    pub subscription_id: i32,
    pub accepted_compression_types: Vec<i8>,
    pub push_interval_ms: i32,
    pub telemetry_max_bytes: i32,
    pub delta_temporality: bool,
    pub requested_metrics: Vec<String>,
}

impl Wire for GetTelemetrySubscriptionsResponse {
    const BYTES_MIN: usize = 38;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.error_code = r.get(v)?;
        it.client_instance_id = r.get(v)?;
        it.subscription_id = r.get(v)?;
        it.accepted_compression_types = r.get(v)?;
        it.push_interval_ms = r.get(v)?;
        it.telemetry_max_bytes = r.get(v)?;
        it.delta_temporality = r.get(v)?;
        it.requested_metrics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.client_instance_id, v)?;
        w.put(&self.subscription_id, v)?;
        w.put(&self.accepted_compression_types, v)?;
        w.put(&self.push_interval_ms, v)?;
        w.put(&self.telemetry_max_bytes, v)?;
        w.put(&self.delta_temporality, v)?;
        w.put(&self.requested_metrics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for GetTelemetrySubscriptionsResponse {
    const KEY: i16 = 71;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
