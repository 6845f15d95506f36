//! `ApiVersionsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ApiVersionsResponse, versions 0 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiVersionsResponse {
    pub error_code: i16,
    pub api_keys: Vec<ApiVersion>,
    pub throttle_time_ms: i32,
    pub supported_features: Vec<SupportedFeatureKey>,
    pub finalized_features_epoch: i64,
    pub finalized_features: Vec<FinalizedFeatureKey>,
    pub zk_migration_ready: bool,
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: Default::default(),
            api_keys: Default::default(),
            throttle_time_ms: Default::default(),
            supported_features: Default::default(),
            finalized_features_epoch: -1,
            finalized_features: Default::default(),
            zk_migration_ready: Default::default(),
        }
    }
}

impl Wire for ApiVersionsResponse {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.api_keys = r.get(v)?;
        if v >= 1 {
            it.throttle_time_ms = r.get(v)?;
        }
        r.tagged(&mut |r, tag| {
            match tag {
                0 => it.supported_features = r.get(v)?,
                1 => it.finalized_features_epoch = r.get(v)?,
                2 => it.finalized_features = r.get(v)?,
                3 => it.zk_migration_ready = r.get(v)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put_error(&self.error_code, v)?;
        w.put(&self.api_keys, v)?;
        if v >= 1 {
            w.put(&self.throttle_time_ms, v)?;
        }
        let mut tags = w.tagged();
        if !(self.supported_features.is_empty()) {
            if v >= 3 {
                tags.put(0, &self.supported_features, v)?;
            }
        }
        if !(self.finalized_features_epoch == -1) {
            if v >= 3 {
                tags.put(1, &self.finalized_features_epoch, v)?;
            }
        }
        if !(self.finalized_features.is_empty()) {
            if v >= 3 {
                tags.put(2, &self.finalized_features, v)?;
            }
        }
        if !(!self.zk_migration_ready) {
            if v >= 3 {
                tags.put(3, &self.zk_migration_ready, v)?;
            }
        }
        w.put_tagged(tags);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiVersion {
    pub api_key: i16,
    pub min_version: i16,
    pub max_version: i16,
}

impl Wire for ApiVersion {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.api_key = r.get(v)?;
        it.min_version = r.get(v)?;
        it.max_version = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.api_key, v)?;
        w.put(&self.min_version, v)?;
        w.put(&self.max_version, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SupportedFeatureKey {
    pub name: String,
    pub min_version: i16,
    pub max_version: i16,
}

impl Wire for SupportedFeatureKey {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.min_version = r.get(v)?;
        it.max_version = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.min_version, v)?;
        w.put(&self.max_version, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalizedFeatureKey {
    pub name: String,
    pub max_version_level: i16,
    pub min_version_level: i16,
}

impl Wire for FinalizedFeatureKey {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.max_version_level = r.get(v)?;
        it.min_version_level = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.max_version_level, v)?;
        w.put(&self.min_version_level, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for ApiVersionsResponse {
    const KEY: i16 = 18;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;
}
