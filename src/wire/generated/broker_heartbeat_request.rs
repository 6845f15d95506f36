//! `BrokerHeartbeatRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// BrokerHeartbeatRequest, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerHeartbeatRequest {
    pub broker_id: i32,
    pub broker_epoch: i64,
    pub current_metadata_offset: i64,
    pub want_fence: bool,
    pub want_shut_down: bool,
    pub offline_log_dirs: Vec<TopicId>,
    pub cordoned_log_dirs: Option<Vec<TopicId>>,
}

impl Default for BrokerHeartbeatRequest {
    fn default() -> Self {
        Self {
            broker_id: Default::default(),
            broker_epoch: -1,
            current_metadata_offset: Default::default(),
            want_fence: Default::default(),
            want_shut_down: Default::default(),
            offline_log_dirs: Default::default(),
            cordoned_log_dirs: Default::default(),
        }
    }
}

impl Wire for BrokerHeartbeatRequest {
    const BYTES_MIN: usize = 23;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.broker_id = r.get(v)?;
        it.broker_epoch = r.get(v)?;
        it.current_metadata_offset = r.get(v)?;
        it.want_fence = r.get(v)?;
        it.want_shut_down = r.get(v)?;
        r.tagged(&mut |r, tag| {
            match tag {
                0 if v >= 1 => it.offline_log_dirs = r.get(v)?,
                1 if v == 2 => it.cordoned_log_dirs = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.broker_id, v)?;
        w.put(&self.broker_epoch, v)?;
        w.put(&self.current_metadata_offset, v)?;
        w.put(&self.want_fence, v)?;
        w.put(&self.want_shut_down, v)?;
        let mut tags = w.tagged();
        if !(self.offline_log_dirs.is_empty()) {
            if v >= 1 {
                tags.put(0, &self.offline_log_dirs, v)?;
            } else {
                return Err(WireError::absent("offline_log_dirs", v));
            }
        }
        if !(self.cordoned_log_dirs.is_none()) {
            if v == 2 {
                tags.put(1, &self.cordoned_log_dirs, v)?;
            } else {
                return Err(WireError::absent("cordoned_log_dirs", v));
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

impl Message for BrokerHeartbeatRequest {
    const KEY: i16 = 63;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
