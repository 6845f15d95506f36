//! `CreateTopicsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// CreateTopicsResponse, versions 2 to 7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateTopicsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<CreatableTopicResult>,
}

impl Wire for CreateTopicsResponse {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicResult {
    pub name: String,
    pub topic_id: TopicId,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub topic_config_error_code: i16,
    pub num_partitions: i32,
    pub replication_factor: i16,
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

impl Default for CreatableTopicResult {
    fn default() -> Self {
        Self {
            name: Default::default(),
            topic_id: Default::default(),
            error_code: Default::default(),
            error_message: Some(Default::default()),
            topic_config_error_code: Default::default(),
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Default::default()),
        }
    }
}

impl Wire for CreatableTopicResult {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        if v == 7 {
            it.topic_id = r.get(v)?;
        }
        it.error_code = r.get(v)?;
        it.error_message = r.get(v)?;
        if v >= 5 {
            it.num_partitions = r.get(v)?;
        }
        if v >= 5 {
            it.replication_factor = r.get(v)?;
        }
        if v >= 5 {
            it.configs = r.get(v)?;
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.topic_config_error_code = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        if v == 7 {
            w.put(&self.topic_id, v)?;
        }
        w.put_error(&self.error_code, v)?;
        w.put(&self.error_message, v)?;
        if v >= 5 {
            w.put(&self.num_partitions, v)?;
        }
        if v >= 5 {
            w.put(&self.replication_factor, v)?;
        }
        if v >= 5 {
            w.put(&self.configs, v)?;
        }
        let mut tags = w.tagged();
        if !(self.topic_config_error_code == 0) {
            if v >= 5 {
                tags.put_error(0, &self.topic_config_error_code, v)?;
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicConfigs {
    pub name: String,
    pub value: Option<String>,
    pub read_only: bool,
    pub config_source: i8,
    pub is_sensitive: bool,
}

impl Default for CreatableTopicConfigs {
    fn default() -> Self {
        Self {
            name: Default::default(),
            value: Some(Default::default()),
            read_only: Default::default(),
            config_source: -1,
            is_sensitive: Default::default(),
        }
    }
}

impl Wire for CreatableTopicConfigs {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.value = r.get(v)?;
        it.read_only = r.get(v)?;
        it.config_source = r.get(v)?;
        it.is_sensitive = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.value, v)?;
        w.put(&self.read_only, v)?;
        w.put(&self.config_source, v)?;
        w.put(&self.is_sensitive, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for CreateTopicsResponse {
    const KEY: i16 = 19;
    const VERSIONS: std::ops::RangeInclusive<i16> = 2..=7;
    const FLEXIBLE_FROM: i16 = 5;
}
