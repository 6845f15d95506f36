//! `ConfigRecord`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-metadata 4.3.1, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ConfigRecord, versions 0 to 0.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigRecord {
    pub resource_type: i8,
    pub resource_name: String,
    pub name: String,
    pub value: Option<String>,
}

impl Default for ConfigRecord {
    fn default() -> Self {
        Self {
            resource_type: Default::default(),
            resource_name: Default::default(),
            name: Default::default(),
            value: Some(Default::default()),
        }
    }
}

impl Wire for ConfigRecord {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.resource_type = r.get(v)?;
        it.resource_name = r.get(v)?;
        it.name = r.get(v)?;
        it.value = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.resource_type, v)?;
        w.put(&self.resource_name, v)?;
        w.put(&self.name, v)?;
        w.put(&self.value, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ConfigRecord {
    const KEY: i16 = 4;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
