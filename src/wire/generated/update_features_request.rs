//! `UpdateFeaturesRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// UpdateFeaturesRequest, versions 0 to 2.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateFeaturesRequest {
    pub timeout_ms: i32,
    pub feature_updates: Vec<FeatureUpdateKey>,
    pub validate_only: bool,
}

impl Default for UpdateFeaturesRequest {
    fn default() -> Self {
        Self {
            timeout_ms: 60000,
            feature_updates: Default::default(),
            validate_only: Default::default(),
        }
    }
}

impl Wire for UpdateFeaturesRequest {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.timeout_ms = r.get(v)?;
        it.feature_updates = r.get(v)?;
        if v >= 1 {
            it.validate_only = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.timeout_ms, v)?;
        w.put(&self.feature_updates, v)?;
        if v >= 1 {
            w.put(&self.validate_only, v)?;
        } else if !(!self.validate_only) {
            return Err(WireError::absent("validate_only", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FeatureUpdateKey {
    pub feature: String,
    pub max_version_level: i16,
    pub allow_downgrade: bool,
    pub upgrade_type: i8,
}

impl Default for FeatureUpdateKey {
    fn default() -> Self {
        Self {
            feature: Default::default(),
            max_version_level: Default::default(),
            allow_downgrade: Default::default(),
            upgrade_type: 1,
        }
    }
}

impl Wire for FeatureUpdateKey {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.feature = r.get(v)?;
        it.max_version_level = r.get(v)?;
        if v <= 0 {
            it.allow_downgrade = r.get(v)?;
        }
        if v >= 1 {
            it.upgrade_type = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.feature, v)?;
        w.put(&self.max_version_level, v)?;
        if v <= 0 {
            w.put(&self.allow_downgrade, v)?;
        } else if !(!self.allow_downgrade) {
            return Err(WireError::absent("allow_downgrade", v));
        }
        if v >= 1 {
            w.put(&self.upgrade_type, v)?;
        } else if !(self.upgrade_type == 1) {
            return Err(WireError::absent("upgrade_type", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for UpdateFeaturesRequest {
    const KEY: i16 = 57;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 0;
}
