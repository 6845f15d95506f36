//! `ProduceRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Records, Wire, WireError, Writer};

/// ProduceRequest, versions 3 to 13.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceRequest {
    pub transactional_id: Option<String>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topic_data: Vec<TopicProduceData>,
}

impl Wire for ProduceRequest {
    const BYTES_MIN: usize = 8;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.transactional_id = r.get(v)?;
        it.acks = r.get(v)?;
        it.timeout_ms = r.get(v)?;
        it.topic_data = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.transactional_id, v)?;
        w.put(&self.acks, v)?;
        w.put(&self.timeout_ms, v)?;
        w.put(&self.topic_data, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicProduceData {
    pub name: String,
    pub topic_id: TopicId,
    pub partition_data: Vec<PartitionProduceData>,
}

impl Wire for TopicProduceData {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 12 {
            it.name = r.get(v)?;
        }
        if v == 13 {
            it.topic_id = r.get(v)?;
        }
        it.partition_data = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 12 {
            w.put(&self.name, v)?;
        }
        if v == 13 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partition_data, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionProduceData {
    pub index: i32,
    pub records: Option<Records>,
}

impl Wire for PartitionProduceData {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.index = r.get(v)?;
        it.records = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.index, v)?;
        w.put(&self.records, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ProduceRequest {
    const KEY: i16 = 0;
    const VERSIONS: std::ops::RangeInclusive<i16> = 3..=13;
    const FLEXIBLE_FROM: i16 = 9;
}
