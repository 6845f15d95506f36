//! `FetchRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// FetchRequest, versions 4 to 18.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchRequest {
    /// The clusterId if known. This is used to validate metadata fetches prior to broker registration.
    pub cluster_id: Option<String>,
    /// The broker ID of the follower, of -1 if this request is from a consumer.
    pub replica_id: i32,
    /// The state of the replica in the follower.
    pub replica_state: ReplicaState,
    /// The maximum time in milliseconds to wait for the response.
    pub max_wait_ms: i32,
    /// The minimum bytes to accumulate in the response.
    pub min_bytes: i32,
    /// The maximum bytes to fetch. See KIP-74 for cases where this limit may not be honored.
    pub max_bytes: i32,
    /// This setting controls the visibility of transactional records. Using READ_UNCOMMITTED (isolation_level = 0) makes all records visible. With READ_COMMITTED (isolation_level = 1), non-transactional and COMMITTED transactional records are visible. To be more concrete, READ_COMMITTED returns all data from offsets smaller than the current LSO (last stable offset), and enables the inclusion of the list of aborted transactions in the result, which allows consumers to discard ABORTED transactional records.
    pub isolation_level: i8,
    /// The fetch session ID.
    pub session_id: i32,
    /// The fetch session epoch, which is used for ordering requests in a session.
    pub session_epoch: i32,
    /// The topics to fetch.
    pub topics: Vec<FetchTopic>,
    /// In an incremental fetch request, the partitions to remove.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// Rack ID of the consumer making this request.
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

/// The state of the replica in the follower.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaState {
    /// The replica ID of the follower, or -1 if this request is from a consumer.
    pub replica_id: i32,
    /// The epoch of this follower, or -1 if not available.
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

/// The topics to fetch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchTopic {
    /// The name of the topic to fetch.
    pub topic: String,
    /// The unique topic ID.
    pub topic_id: TopicId,
    /// The partitions to fetch.
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

/// The partitions to fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchPartition {
    /// The partition index.
    pub partition: i32,
    /// The current leader epoch of the partition.
    pub current_leader_epoch: i32,
    /// The message offset.
    pub fetch_offset: i64,
    /// The epoch of the last fetched record or -1 if there is none.
    pub last_fetched_epoch: i32,
    /// The earliest available offset of the follower replica. The field is only used when the request is sent by the follower.
    pub log_start_offset: i64,
    /// The maximum bytes to fetch from this partition. See KIP-74 for cases where this limit may not be honored.
    pub partition_max_bytes: i32,
    /// The directory id of the follower fetching.
    pub replica_directory_id: TopicId,
    /// The high-watermark known by the replica. -1 if the high-watermark is not known and 9223372036854775807 if the feature is not supported.
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

/// In an incremental fetch request, the partitions to remove.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForgottenTopic {
    /// The topic name.
    pub topic: String,
    /// The unique topic ID.
    pub topic_id: TopicId,
    /// The partitions indexes to forget.
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
