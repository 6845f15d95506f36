//! `BrokerRegistrationRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// BrokerRegistrationRequest, versions 0 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerRegistrationRequest {
    pub broker_id: i32,
    pub cluster_id: String,
    pub incarnation_id: TopicId,
    pub listeners: Vec<Listener>,
    pub features: Vec<Feature>,
    pub rack: Option<String>,
    pub is_migrating_zk_broker: bool,
    pub log_dirs: Vec<TopicId>,
    pub previous_broker_epoch: i64,
}

impl Default for BrokerRegistrationRequest {
    fn default() -> Self {
        Self {
            broker_id: Default::default(),
            cluster_id: Default::default(),
            incarnation_id: Default::default(),
            listeners: Default::default(),
            features: Default::default(),
            rack: Some(Default::default()),
            is_migrating_zk_broker: Default::default(),
            log_dirs: Default::default(),
            previous_broker_epoch: -1,
        }
    }
}

impl Wire for BrokerRegistrationRequest {
    const BYTES_MIN: usize = 25;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.broker_id = r.get(v)?;
        it.cluster_id = r.get(v)?;
        it.incarnation_id = r.get(v)?;
        it.listeners = r.get(v)?;
        it.features = r.get(v)?;
        it.rack = r.get(v)?;
        if v >= 1 {
            it.is_migrating_zk_broker = r.get(v)?;
        }
        if v >= 2 {
            it.log_dirs = r.get(v)?;
        }
        if v >= 3 {
            it.previous_broker_epoch = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.broker_id, v)?;
        w.put(&self.cluster_id, v)?;
        w.put(&self.incarnation_id, v)?;
        w.put(&self.listeners, v)?;
        w.put(&self.features, v)?;
        w.put(&self.rack, v)?;
        if v >= 1 {
            w.put(&self.is_migrating_zk_broker, v)?;
        } else if !(!self.is_migrating_zk_broker) {
            return Err(WireError::absent("is_migrating_zk_broker", v));
        }
        if v >= 2 {
            w.put(&self.log_dirs, v)?;
        }
        if v >= 3 {
            w.put(&self.previous_broker_epoch, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub security_protocol: i16,
}

impl Wire for Listener {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        it.security_protocol = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        w.put(&self.security_protocol, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feature {
    pub name: String,
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}

impl Wire for Feature {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.min_supported_version = r.get(v)?;
        it.max_supported_version = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.min_supported_version, v)?;
        w.put(&self.max_supported_version, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for BrokerRegistrationRequest {
    const KEY: i16 = 62;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 0;
}
