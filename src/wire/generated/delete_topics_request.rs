//! `DeleteTopicsRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DeleteTopicsRequest, versions 1 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicsRequest {
    pub topics: Vec<DeleteTopicState>,
    pub topic_names: Vec<String>,
    pub timeout_ms: i32,
}

impl Wire for DeleteTopicsRequest {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v == 6 {
            it.topics = r.get(v)?;
        }
        if v <= 5 {
            it.topic_names = r.get(v)?;
        }
        it.timeout_ms = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v == 6 {
            w.put(&self.topics, v)?;
        } else if !(self.topics.is_empty()) {
            return Err(WireError::absent("topics", v));
        }
        if v <= 5 {
            w.put(&self.topic_names, v)?;
        }
        w.put(&self.timeout_ms, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicState {
    pub name: Option<String>,
    pub topic_id: TopicId,
}

impl Wire for DeleteTopicState {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.topic_id = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.topic_id, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DeleteTopicsRequest {
    const KEY: i16 = 20;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=6;
    const FLEXIBLE_FROM: i16 = 4;
}
