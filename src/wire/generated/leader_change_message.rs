//! `LeaderChangeMessage`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::model::TopicId;
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// LeaderChangeMessage, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaderChangeMessage {
    pub version: i16,
    pub leader_id: i32,
    pub voters: Vec<Voter>,
    pub granting_voters: Vec<Voter>,
}

impl Wire for LeaderChangeMessage {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.version = r.get(v)?;
        it.leader_id = r.get(v)?;
        it.voters = r.get(v)?;
        it.granting_voters = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.version, v)?;
        w.put(&self.leader_id, v)?;
        w.put(&self.voters, v)?;
        w.put(&self.granting_voters, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voter {
    pub voter_id: i32,
    pub voter_directory_id: TopicId,
}

impl Wire for Voter {
    const BYTES_MIN: usize = 5;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.voter_id = r.get(v)?;
        if v == 1 {
            it.voter_directory_id = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.voter_id, v)?;
        if v == 1 {
            w.put(&self.voter_directory_id, v)?;
        } else if !(self.voter_directory_id.is_zero()) {
            return Err(WireError::absent("voter_directory_id", v));
        }
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for LeaderChangeMessage {
    const KEY: i16 = -1;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
