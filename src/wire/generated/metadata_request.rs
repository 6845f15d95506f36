//! `MetadataRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// MetadataRequest, versions 0 to 13.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRequest {
    pub topics: Option<Vec<MetadataRequestTopic>>,
    pub allow_auto_topic_creation: bool,
    pub include_cluster_authorized_operations: bool,
    pub include_topic_authorized_operations: bool,
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: Some(Default::default()),
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: Default::default(),
            include_topic_authorized_operations: Default::default(),
        }
    }
}

impl Wire for MetadataRequest {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topics = r.get(v)?;
        if it.topics.is_none() && !(v >= 1) {
            return Err(WireError::null("topics", v));
        }
        if v >= 4 {
            it.allow_auto_topic_creation = r.get(v)?;
        }
        if (8..=10).contains(&v) {
            it.include_cluster_authorized_operations = r.get(v)?;
        }
        if v >= 8 {
            it.include_topic_authorized_operations = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if self.topics.is_none() && !(v >= 1) {
            return Err(WireError::null("topics", v));
        }
        w.put(&self.topics, v)?;
        if v >= 4 {
            w.put(&self.allow_auto_topic_creation, v)?;
        } else if !(self.allow_auto_topic_creation) {
            return Err(WireError::absent("allow_auto_topic_creation", v));
        }
        if (8..=10).contains(&v) {
            w.put(&self.include_cluster_authorized_operations, v)?;
        } else if !(!self.include_cluster_authorized_operations) {
            return Err(WireError::absent("include_cluster_authorized_operations", v));
        }
        if v >= 8 {
            w.put(&self.include_topic_authorized_operations, v)?;
        } else if !(!self.include_topic_authorized_operations) {
            return Err(WireError::absent("include_topic_authorized_operations", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRequestTopic {
    pub topic_id: TopicId,
    pub name: Option<String>,
}

impl Default for MetadataRequestTopic {
    fn default() -> Self {
        Self {
            topic_id: Default::default(),
            name: Some(Default::default()),
        }
    }
}

impl Wire for MetadataRequestTopic {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v >= 10 {
            it.topic_id = r.get(v)?;
        }
        it.name = r.get(v)?;
        if it.name.is_none() && !(v >= 10) {
            return Err(WireError::null("name", v));
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v >= 10 {
            w.put(&self.topic_id, v)?;
        }
        if self.name.is_none() && !(v >= 10) {
            return Err(WireError::null("name", v));
        }
        w.put(&self.name, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for MetadataRequest {
    const KEY: i16 = 3;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=13;
    const FLEXIBLE_FROM: i16 = 9;
}
