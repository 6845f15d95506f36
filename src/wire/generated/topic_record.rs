//! `TopicRecord`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-metadata 4.3.1, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// TopicRecord, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicRecord {
    pub name: String,
    pub topic_id: TopicId,
}

impl Wire for TopicRecord {
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

impl Message for TopicRecord {
    const KEY: i16 = 2;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
