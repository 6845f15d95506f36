//! `DeleteTopicsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DeleteTopicsResponse, versions 1 to 6.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

impl Wire for DeleteTopicsResponse {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.responses = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put(&self.responses, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeletableTopicResult {
    pub name: Option<String>,
    pub topic_id: TopicId,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Default for DeletableTopicResult {
    fn default() -> Self {
        Self {
            name: Some(Default::default()),
            topic_id: Default::default(),
            error_code: Default::default(),
            error_message: Default::default(),
        }
    }
}

impl Wire for DeletableTopicResult {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        if it.name.is_none() && !(v == 6) {
            return Err(WireError::null("name", v));
        }
        if v == 6 {
            it.topic_id = r.get(v)?;
        }
        it.error_code = r.get(v)?;
        if v >= 5 {
            it.error_message = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if self.name.is_none() && !(v == 6) {
            return Err(WireError::null("name", v));
        }
        w.put(&self.name, v)?;
        if v == 6 {
            w.put(&self.topic_id, v)?;
        }
        w.put_error(&self.error_code, v)?;
        if v >= 5 {
            w.put(&self.error_message, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DeleteTopicsResponse {
    const KEY: i16 = 20;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=6;
    const FLEXIBLE_FROM: i16 = 4;
}
