//! `CreateDelegationTokenRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// CreateDelegationTokenRequest, versions 1 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateDelegationTokenRequest {
    pub owner_principal_type: Option<String>,
    pub owner_principal_name: Option<String>,
    pub renewers: Vec<CreatableRenewers>,
    pub max_lifetime_ms: i64,
}

impl Default for CreateDelegationTokenRequest {
    fn default() -> Self {
        Self {
            owner_principal_type: Some(Default::default()),
            owner_principal_name: Some(Default::default()),
            renewers: Default::default(),
            max_lifetime_ms: Default::default(),
        }
    }
}

impl Wire for CreateDelegationTokenRequest {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        if v == 3 {
            it.owner_principal_type = r.get(v)?;
        }
        if v == 3 {
            it.owner_principal_name = r.get(v)?;
        }
        it.renewers = r.get(v)?;
        it.max_lifetime_ms = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        if v == 3 {
            w.put(&self.owner_principal_type, v)?;
        } else if !(self.owner_principal_type == Some(Default::default())) {
            return Err(WireError::absent("owner_principal_type", v));
        }
        if v == 3 {
            w.put(&self.owner_principal_name, v)?;
        } else if !(self.owner_principal_name == Some(Default::default())) {
            return Err(WireError::absent("owner_principal_name", v));
        }
        w.put(&self.renewers, v)?;
        w.put(&self.max_lifetime_ms, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatableRenewers {
    pub principal_type: String,
    pub principal_name: String,
}

impl Wire for CreatableRenewers {
    const BYTES_MIN: usize = 2;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.principal_type = r.get(v)?;
        it.principal_name = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.principal_type, v)?;
        w.put(&self.principal_name, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for CreateDelegationTokenRequest {
    const KEY: i16 = 38;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=3;
    const FLEXIBLE_FROM: i16 = 2;
}
