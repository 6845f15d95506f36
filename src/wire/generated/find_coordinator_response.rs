//! `FindCoordinatorResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// FindCoordinatorResponse, versions 0 to 6.
#[derive(Clone, Debug, PartialEq)]
pub struct FindCoordinatorResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub coordinators: Vec<Coordinator>,
}

impl Default for FindCoordinatorResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: Default::default(),
            error_code: Default::default(),
            error_message: Some(Default::default()),
            node_id: Default::default(),
            host: Default::default(),
            port: Default::default(),
            coordinators: Default::default(),
        }
    }
}

impl Wire for FindCoordinatorResponse {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 1 {
            it.throttle_time_ms = r.get(v)?;
        }
        if v <= 3 {
            it.error_code = r.get(v)?;
        }
        if (1..=3).contains(&v) {
            it.error_message = r.get(v)?;
        }
        if v <= 3 {
            it.node_id = r.get(v)?;
        }
        if v <= 3 {
            it.host = r.get(v)?;
        }
        if v <= 3 {
            it.port = r.get(v)?;
        }
        if v >= 4 {
            it.coordinators = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 1 {
            w.put(&self.throttle_time_ms, v)?;
        }
        if v <= 3 {
            w.put_error(&self.error_code, v)?;
        } else if !(self.error_code == 0) {
            return Err(WireError::absent("error_code", v));
        }
        if (1..=3).contains(&v) {
            w.put(&self.error_message, v)?;
        }
        if v <= 3 {
            w.put(&self.node_id, v)?;
        } else if !(self.node_id == 0) {
            return Err(WireError::absent("node_id", v));
        }
        if v <= 3 {
            w.put(&self.host, v)?;
        } else if !(self.host.is_empty()) {
            return Err(WireError::absent("host", v));
        }
        if v <= 3 {
            w.put(&self.port, v)?;
        } else if !(self.port == 0) {
            return Err(WireError::absent("port", v));
        }
        if v >= 4 {
            w.put(&self.coordinators, v)?;
        } else if !(self.coordinators.is_empty()) {
            return Err(WireError::absent("coordinators", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Coordinator {
    pub key: String,
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            key: Default::default(),
            node_id: Default::default(),
            host: Default::default(),
            port: Default::default(),
            error_code: Default::default(),
            error_message: Some(Default::default()),
        }
    }
}

impl Wire for Coordinator {
    const BYTES_MIN: usize = 14;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.key = r.get(v)?;
        it.node_id = r.get(v)?;
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        it.error_code = r.get(v)?;
        it.error_message = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.key, v)?;
        w.put(&self.node_id, v)?;
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        w.put_error(&self.error_code, v)?;
        w.put(&self.error_message, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FindCoordinatorResponse {
    const KEY: i16 = 10;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 3;
}
