//! `ApiVersionsResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// ApiVersionsResponse, versions 0 to 5.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiVersionsResponse {
    /// The top-level error code.
    pub error_code: i16,
    /// The APIs supported by the broker.
    pub api_keys: Vec<ApiVersion>,
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Features supported by the broker. Note: in v0-v3, features with MinSupportedVersion = 0 are omitted.
    pub supported_features: Vec<SupportedFeatureKey>,
    /// The monotonically increasing epoch for the finalized features information. Valid values are >= 0. A value of -1 is special and represents unknown epoch.
    pub finalized_features_epoch: i64,
    /// List of cluster-wide finalized features. The information is valid only if FinalizedFeaturesEpoch >= 0.
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// Set by a KRaft controller if the required configurations for ZK migration are present.
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
        w.put(&self.error_code, v)?;
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

/// The APIs supported by the broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiVersion {
    /// The API index.
    pub api_key: i16,
    /// The minimum supported version, inclusive.
    pub min_version: i16,
    /// The maximum supported version, inclusive.
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

/// Features supported by the broker. Note: in v0-v3, features with MinSupportedVersion = 0 are omitted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SupportedFeatureKey {
    /// The name of the feature.
    pub name: String,
    /// The minimum supported version for the feature.
    pub min_version: i16,
    /// The maximum supported version for the feature.
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

/// List of cluster-wide finalized features. The information is valid only if FinalizedFeaturesEpoch >= 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalizedFeatureKey {
    /// The name of the feature.
    pub name: String,
    /// The cluster-wide finalized max version level for the feature.
    pub max_version_level: i16,
    /// The cluster-wide finalized min version level for the feature.
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
