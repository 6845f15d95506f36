//! `DescribeDelegationTokenResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::base::Bytes;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DescribeDelegationTokenResponse, versions 1 to 3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeDelegationTokenResponse {
    pub error_code: i16,
    pub tokens: Vec<DescribedDelegationToken>,
    pub throttle_time_ms: i32,
}

impl Wire for DescribeDelegationTokenResponse {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.tokens = r.get(v)?;
        it.throttle_time_ms = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put_error(&self.error_code, v)?;
        w.put(&self.tokens, v)?;
        w.put(&self.throttle_time_ms, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribedDelegationToken {
    pub principal_type: String,
    pub principal_name: String,
    pub token_requester_principal_type: String,
    pub token_requester_principal_name: String,
    pub issue_timestamp: i64,
    pub expiry_timestamp: i64,
    pub max_timestamp: i64,
    pub token_id: String,
    pub hmac: Bytes,
    pub renewers: Vec<DescribedDelegationTokenRenewer>,
}

impl Wire for DescribedDelegationToken {
    const BYTES_MIN: usize = 29;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.principal_type = r.get(v)?;
        it.principal_name = r.get(v)?;
        if v == 3 {
            it.token_requester_principal_type = r.get(v)?;
        }
        if v == 3 {
            it.token_requester_principal_name = r.get(v)?;
        }
        it.issue_timestamp = r.get(v)?;
        it.expiry_timestamp = r.get(v)?;
        it.max_timestamp = r.get(v)?;
        it.token_id = r.get(v)?;
        it.hmac = r.get(v)?;
        it.renewers = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.principal_type, v)?;
        w.put(&self.principal_name, v)?;
        if v == 3 {
            w.put(&self.token_requester_principal_type, v)?;
        } else if !(self.token_requester_principal_type.is_empty()) {
            return Err(WireError::absent("token_requester_principal_type", v));
        }
        if v == 3 {
            w.put(&self.token_requester_principal_name, v)?;
        } else if !(self.token_requester_principal_name.is_empty()) {
            return Err(WireError::absent("token_requester_principal_name", v));
        }
        w.put(&self.issue_timestamp, v)?;
        w.put(&self.expiry_timestamp, v)?;
        w.put(&self.max_timestamp, v)?;
        w.put(&self.token_id, v)?;
        w.put(&self.hmac, v)?;
        w.put(&self.renewers, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribedDelegationTokenRenewer {
    pub principal_type: String,
    pub principal_name: String,
}

impl Wire for DescribedDelegationTokenRenewer {
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

impl Message for DescribeDelegationTokenResponse {
    const KEY: i16 = 41;
    const VERSIONS: std::ops::RangeInclusive<i16> = 1..=3;
    const FLEXIBLE_FROM: i16 = 2;
}
