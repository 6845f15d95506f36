//! `ConsumerProtocolSubscription`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ConsumerProtocolSubscription, versions 0 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerProtocolSubscription {
    /// The topics that the member wants to consume.
    pub topics: Vec<String>,
    /// User data that will be passed back to the consumer.
    pub user_data: Option<Bytes>,
    /// The partitions that the member owns.
    pub owned_partitions: Vec<TopicPartition>,
    /// The generation id of the member.
    pub generation_id: i32,
    /// The rack id of the member.
    pub rack_id: Option<String>,
}

impl Default for ConsumerProtocolSubscription {
    fn default() -> Self {
        Self {
            topics: Default::default(),
            user_data: Default::default(),
            owned_partitions: Default::default(),
            generation_id: -1,
            rack_id: Default::default(),
        }
    }
}

impl Wire for ConsumerProtocolSubscription {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topics = r.get(v)?;
        it.user_data = r.get(v)?;
        if v >= 1 {
            it.owned_partitions = r.get(v)?;
        }
        if v >= 2 {
            it.generation_id = r.get(v)?;
        }
        if v == 3 {
            it.rack_id = r.get(v)?;
        }
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topics, v)?;
        w.put(&self.user_data, v)?;
        if v >= 1 {
            w.put(&self.owned_partitions, v)?;
        }
        if v >= 2 {
            w.put(&self.generation_id, v)?;
        }
        if v == 3 {
            w.put(&self.rack_id, v)?;
        }
        Ok(())
    }
}

/// The partitions that the member owns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartition {
    /// The topic name.
    pub topic: String,
    /// The partition ids.
    pub partitions: Vec<i32>,
}

impl Wire for TopicPartition {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.topic = r.get(v)?;
        it.partitions = r.get(v)?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.topic, v)?;
        w.put(&self.partitions, v)?;
        Ok(())
    }
}

impl Message for ConsumerProtocolSubscription {
    const KEY: i16 = -1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=3;
    const FLEXIBLE_FROM: i16 = i16::MAX;
}
