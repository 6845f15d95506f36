//! `AlterClientQuotasRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// AlterClientQuotasRequest, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterClientQuotasRequest {
    /// The quota configuration entries to alter.
    pub entries: Vec<EntryData>,
    /// Whether the alteration should be validated, but not performed.
    pub validate_only: bool,
}

impl Wire for AlterClientQuotasRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.entries = r.get(v)?;
        it.validate_only = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.entries, v)?;
        w.put(&self.validate_only, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The quota configuration entries to alter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryData {
    /// The quota entity to alter.
    pub entity: Vec<EntityData>,
    /// An individual quota configuration entry to alter.
    pub ops: Vec<OpData>,
}

impl Wire for EntryData {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.entity = r.get(v)?;
        it.ops = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.entity, v)?;
        w.put(&self.ops, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The quota entity to alter.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityData {
    /// The entity type.
    pub entity_type: String,
    /// The name of the entity, or null if the default.
    pub entity_name: Option<String>,
}

impl Default for EntityData {
    fn default() -> Self {
        Self {
            entity_type: Default::default(),
            entity_name: Some(Default::default()),
        }
    }
}

impl Wire for EntityData {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.entity_type = r.get(v)?;
        it.entity_name = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.entity_type, v)?;
        w.put(&self.entity_name, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// An individual quota configuration entry to alter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpData {
    /// The quota configuration key.
    pub key: String,
    /// The value to set, otherwise ignored if the value is to be removed.
    pub value: f64,
    /// Whether the quota configuration value should be removed, otherwise set.
    pub remove: bool,
}

impl Wire for OpData {
    const BYTES_MIN: usize = 10;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.key = r.get(v)?;
        it.value = r.get(v)?;
        it.remove = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.key, v)?;
        w.put(&self.value, v)?;
        w.put(&self.remove, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for AlterClientQuotasRequest {
    const KEY: i16 = 49;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 1;
}
