//! `FetchRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// FetchRequest, versions 4 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchRequest {
    pub cluster_id: Option<String>,
    pub replica_id: i32,
    pub replica_state: ReplicaState,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub isolation_level: i8,
    pub session_id: i32,
    pub session_epoch: i32,
    pub topics: Vec<FetchTopic>,
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    pub rack_id: String,
}

impl Default for FetchRequest {
    fn default() -> Self {
        Self {
            cluster_id: Default::default(),
            replica_id: -1,
            replica_state: Default::default(),
            max_wait_ms: Default::default(),
            min_bytes: Default::default(),
            max_bytes: 2147483647,
            isolation_level: Default::default(),
            session_id: Default::default(),
            session_epoch: -1,
            topics: Default::default(),
            forgotten_topics_data: Default::default(),
            rack_id: Default::default(),
        }
    }
}

impl Wire for FetchRequest {
    const BYTES_MIN: usize = 18;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 14 {
            it.replica_id = r.get(v)?;
        }
        it.max_wait_ms = r.get(v)?;
        it.min_bytes = r.get(v)?;
        it.max_bytes = r.get(v)?;
        it.isolation_level = r.get(v)?;
        if v >= 7 {
            it.session_id = r.get(v)?;
        }
        if v >= 7 {
            it.session_epoch = r.get(v)?;
        }
        it.topics = r.get(v)?;
        if v >= 7 {
            it.forgotten_topics_data = r.get(v)?;
        }
        if v >= 11 {
            it.rack_id = r.get(v)?;
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.cluster_id = r.get(v)?,
                1 if v >= 15 => it.replica_state = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 14 {
            w.put(&self.replica_id, v)?;
        } else if !(self.replica_id == -1) {
            return Err(WireError::absent("replica_id", v));
        }
        w.put(&self.max_wait_ms, v)?;
        w.put(&self.min_bytes, v)?;
        w.put(&self.max_bytes, v)?;
        w.put(&self.isolation_level, v)?;
        if v >= 7 {
            w.put(&self.session_id, v)?;
        }
        if v >= 7 {
            w.put(&self.session_epoch, v)?;
        }
        w.put(&self.topics, v)?;
        if v >= 7 {
            w.put(&self.forgotten_topics_data, v)?;
        } else if !(self.forgotten_topics_data.is_empty()) {
            return Err(WireError::absent("forgotten_topics_data", v));
        }
        if v >= 11 {
            w.put(&self.rack_id, v)?;
        }
        let mut tags = w.tagged();
        if !(self.cluster_id.is_none()) {
            if v >= 12 {
                tags.put(0, &self.cluster_id, v)?;
            }
        }
        if !(self.replica_state == ReplicaState::default()) {
            if v >= 15 {
                tags.put(1, &self.replica_state, v)?;
            } else {
                return Err(WireError::absent("replica_state", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaState {
    pub replica_id: i32,
    pub replica_epoch: i64,
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self {
            replica_id: -1,
            replica_epoch: -1,
        }
    }
}

impl Wire for ReplicaState {
    const BYTES_MIN: usize = 13;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.replica_id = r.get(v)?;
        it.replica_epoch = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.replica_id, v)?;
        w.put(&self.replica_epoch, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchTopic {
    pub topic: String,
    pub topic_id: TopicId,
    pub partitions: Vec<FetchPartition>,
}

impl Wire for FetchTopic {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 12 {
            it.topic = r.get(v)?;
        }
        if v >= 13 {
            it.topic_id = r.get(v)?;
        }
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 12 {
            w.put(&self.topic, v)?;
        }
        if v >= 13 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FetchPartition {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    pub last_fetched_epoch: i32,
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
    pub replica_directory_id: TopicId,
    pub high_watermark: i64,
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: Default::default(),
            current_leader_epoch: -1,
            fetch_offset: Default::default(),
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: Default::default(),
            replica_directory_id: Default::default(),
            high_watermark: 9223372036854775807,
        }
    }
}

impl Wire for FetchPartition {
    const BYTES_MIN: usize = 16;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.partition = r.get(v)?;
        if v >= 9 {
            it.current_leader_epoch = r.get(v)?;
        }
        it.fetch_offset = r.get(v)?;
        if v >= 12 {
            it.last_fetched_epoch = r.get(v)?;
        }
        if v >= 5 {
            it.log_start_offset = r.get(v)?;
        }
        it.partition_max_bytes = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v >= 17 => it.replica_directory_id = r.get(v)?,
                1 if v == 18 => it.high_watermark = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.partition, v)?;
        if v >= 9 {
            w.put(&self.current_leader_epoch, v)?;
        }
        w.put(&self.fetch_offset, v)?;
        if v >= 12 {
            w.put(&self.last_fetched_epoch, v)?;
        } else if !(self.last_fetched_epoch == -1) {
            return Err(WireError::absent("last_fetched_epoch", v));
        }
        if v >= 5 {
            w.put(&self.log_start_offset, v)?;
        }
        w.put(&self.partition_max_bytes, v)?;
        let mut tags = w.tagged();
        if !(self.replica_directory_id.is_zero()) {
            if v >= 17 {
                tags.put(0, &self.replica_directory_id, v)?;
            }
        }
        if !(self.high_watermark == 9223372036854775807) {
            if v == 18 {
                tags.put(1, &self.high_watermark, v)?;
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForgottenTopic {
    pub topic: String,
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
}

impl Wire for ForgottenTopic {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v <= 12 {
            it.topic = r.get(v)?;
        }
        if v >= 13 {
            it.topic_id = r.get(v)?;
        }
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v <= 12 {
            w.put(&self.topic, v)?;
        }
        if v >= 13 {
            w.put(&self.topic_id, v)?;
        }
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FetchRequest {
    const KEY: i16 = 1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 4..=18;
    const FLEXIBLE_FROM: i16 = 12;
}
