//! `OffsetFetchRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// OffsetFetchRequest, versions 1 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequest {
    pub group_id: String,
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    pub groups: Vec<OffsetFetchRequestGroup>,
    pub require_stable: bool,
}

impl Default for OffsetFetchRequest {
    fn default() -> Self {
        Self {
            group_id: Default::default(),
            topics: Some(Default::default()),
            groups: Default::default(),
            require_stable: Default::default(),
        }
    }
}

impl Wire for OffsetFetchRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 7 {
            it.group_id = r.get(v)?;
        }
        if v <= 7 {
            it.topics = r.get(v)?;
        }
        if it.topics.is_none() && !(v >= 2) && v <= 7 {
            return Err(WireError::null("topics", v));
        }
        if v >= 8 {
            it.groups = r.get(v)?;
        }
        if v >= 7 {
            it.require_stable = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 7 {
            w.put(&self.group_id, v)?;
        } else if !(self.group_id.is_empty()) {
            return Err(WireError::absent("group_id", v));
        }
        if self.topics.is_none() && !(v >= 2) && v <= 7 {
            return Err(WireError::null("topics", v));
        }
        if v <= 7 {
            w.put(&self.topics, v)?;
        } else if !(self.topics == Some(Default::default())) {
            return Err(WireError::absent("topics", v));
        }
        if v >= 8 {
            w.put(&self.groups, v)?;
        } else if !(self.groups.is_empty()) {
            return Err(WireError::absent("groups", v));
        }
        if v >= 7 {
            w.put(&self.require_stable, v)?;
        } else if !(!self.require_stable) {
            return Err(WireError::absent("require_stable", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequestTopic {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

impl Wire for OffsetFetchRequestTopic {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.partition_indexes = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.partition_indexes, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequestGroup {
    pub group_id: String,
    pub member_id: Option<String>,
    pub member_epoch: i32,
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

impl Default for OffsetFetchRequestGroup {
    fn default() -> Self {
        Self {
            group_id: Default::default(),
            member_id: Default::default(),
            member_epoch: -1,
            topics: Some(Default::default()),
        }
    }
}

impl Wire for OffsetFetchRequestGroup {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        if v >= 9 {
            it.member_id = r.get(v)?;
        }
        if v >= 9 {
            it.member_epoch = r.get(v)?;
        }
        it.topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        if v >= 9 {
            w.put(&self.member_id, v)?;
        }
        if v >= 9 {
            w.put(&self.member_epoch, v)?;
        }
        w.put(&self.topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequestTopics {
    pub name: String,
    pub topic_id: TopicId,
    pub partition_indexes: Vec<i32>,
}

impl Wire for OffsetFetchRequestTopics {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 9 {
            it.name = r.get(v)?;
        }
        if v == 10 {
            it.topic_id = r.get(v)?;
        }
        it.partition_indexes = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 9 {
            w.put(&self.name, v)?;
        }
        if v == 10 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partition_indexes, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for OffsetFetchRequest {
    const KEY: i16 = 9;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=10;
    const FLEXIBLE_FROM: i16 = 6;
}
