//! `DescribeClientQuotasRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeClientQuotasRequest, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeClientQuotasRequest {
    /// Filter components to apply to quota entities.
    pub components: Vec<ComponentData>,
    /// Whether the match is strict, i.e. should exclude entities with unspecified entity types.
    pub strict: bool,
}

impl Wire for DescribeClientQuotasRequest {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.components = r.get(v)?;
        it.strict = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.components, v)?;
        w.put(&self.strict, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// Filter components to apply to quota entities.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentData {
    /// The entity type that the filter component applies to.
    pub entity_type: String,
    /// How to match the entity {0 = exact name, 1 = default name, 2 = any specified name}.
    pub match_type: i8,
    /// The string to match against, or null if unused for the match type.
    pub match_: Option<String>,
}

impl Default for ComponentData {
    fn default() -> Self {
        Self {
            entity_type: Default::default(),
            match_type: Default::default(),
            match_: Some(Default::default()),
        }
    }
}

impl Wire for ComponentData {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.entity_type = r.get(v)?;
        it.match_type = r.get(v)?;
        it.match_ = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.entity_type, v)?;
        w.put(&self.match_type, v)?;
        w.put(&self.match_, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DescribeClientQuotasRequest {
    const KEY: i16 = 48;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 1;
}
