//! `OffsetCommitValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// OffsetCommitValue, versions 0 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitValue {
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp: i64,
    pub expire_timestamp: i64,
    pub topic_id: TopicId,
}

impl Default for OffsetCommitValue {
    fn default() -> Self {
        Self {
            offset: Default::default(),
            leader_epoch: -1,
            metadata: Default::default(),
            commit_timestamp: Default::default(),
            expire_timestamp: -1,
            topic_id: Default::default(),
        }
    }
}

impl Wire for OffsetCommitValue {
    const BYTES_MIN: usize = 17;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.offset = r.get(v)?;
        if v >= 3 {
            it.leader_epoch = r.get(v)?;
        }
        it.metadata = r.get(v)?;
        it.commit_timestamp = r.get(v)?;
        if v == 1 {
            it.expire_timestamp = r.get(v)?;
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.topic_id = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.offset, v)?;
        if v >= 3 {
            w.put(&self.leader_epoch, v)?;
        }
        w.put(&self.metadata, v)?;
        w.put(&self.commit_timestamp, v)?;
        if v == 1 {
            w.put(&self.expire_timestamp, v)?;
        }
        let mut tags = w.tagged();
        if !(self.topic_id.is_zero()) {
            if v == 4 {
                tags.put(0, &self.topic_id, v)?;
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for OffsetCommitValue {
    const KEY: i16 = 1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 4;
}
