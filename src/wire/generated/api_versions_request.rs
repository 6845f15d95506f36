//! `ApiVersionsRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ApiVersionsRequest, versions 0 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiVersionsRequest {
    pub client_software_name: String,
    pub client_software_version: String,
    pub cluster_id: Option<String>,
    pub node_id: i32,
}

impl Default for ApiVersionsRequest {
    fn default() -> Self {
        Self {
            client_software_name: Default::default(),
            client_software_version: Default::default(),
            cluster_id: Default::default(),
            node_id: -1,
        }
    }
}

impl Wire for ApiVersionsRequest {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 3 {
            it.client_software_name = r.get(v)?;
        }
        if v >= 3 {
            it.client_software_version = r.get(v)?;
        }
        if v == 5 {
            it.cluster_id = r.get(v)?;
        }
        if v == 5 {
            it.node_id = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 3 {
            w.put(&self.client_software_name, v)?;
        }
        if v >= 3 {
            w.put(&self.client_software_version, v)?;
        }
        if v == 5 {
            w.put(&self.cluster_id, v)?;
        }
        if v == 5 {
            w.put(&self.node_id, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ApiVersionsRequest {
    const KEY: i16 = 18;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;
}
