//! `FeatureLevelRecord`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-metadata 4.3.1, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// FeatureLevelRecord, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureLevelRecord {
    pub name: String,
    pub feature_level: i16,
}

impl Wire for FeatureLevelRecord {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.feature_level = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.feature_level, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for FeatureLevelRecord {
    const KEY: i16 = 12;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
