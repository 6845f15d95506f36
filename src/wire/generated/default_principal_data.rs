//! `DefaultPrincipalData`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// DefaultPrincipalData, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DefaultPrincipalData {
    pub type_: String,
    pub name: String,
    pub token_authenticated: bool,
}

impl Wire for DefaultPrincipalData {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.type_ = r.get(v)?;
        it.name = r.get(v)?;
        it.token_authenticated = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.type_, v)?;
        w.put(&self.name, v)?;
        w.put(&self.token_authenticated, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for DefaultPrincipalData {
    const KEY: i16 = -1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
