//! `LegacyOffsetCommitValue`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-group-coordinator 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// LegacyOffsetCommitValue, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegacyOffsetCommitValue {
    pub offset: i64,
    pub metadata: String,
    pub commit_timestamp: i64,
}

impl Wire for LegacyOffsetCommitValue {
    const BYTES_MIN: usize = 17;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.offset = r.get(v)?;
        it.metadata = r.get(v)?;
        it.commit_timestamp = r.get(v)?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.offset, v)?;
        w.put(&self.metadata, v)?;
        w.put(&self.commit_timestamp, v)?;
        Ok(())
    }
}

impl Message for LegacyOffsetCommitValue {
    const KEY: i16 = 0;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = i16::MAX;
}
