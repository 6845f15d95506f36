//! Records: `__consumer_offsets` as Kafka writes it.
//!
//! Owns: keys and values of committed offsets (types 0 and 1) and classic groups (type 2).
//! Leaves to others: what a record changes (`offsets`, `coordinator`).
//! Invariant: what is written here is read here as the same; other types are passed over.
//! Source: `OffsetCommitKey/Value.json`, `GroupMetadataKey/Value.json` of Kafka 4.4; versions as
//! Kafka 4.3.1 writes them.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::offsets::Committed;
use super::state::Group;
use crate::base::Bytes;
use crate::wire::generated::group_metadata_key::GroupMetadataKey;
use crate::wire::generated::group_metadata_value::{GroupMetadataValue, MemberMetadata};
use crate::wire::generated::offset_commit_key::OffsetCommitKey;
use crate::wire::generated::offset_commit_value::OffsetCommitValue;
use crate::wire::protocol::{write_record_key, write_versioned_value};
use crate::wire::{Message, Reader, WireError};

const OFFSET_TYPE: i16 = 1;
const OFFSET_TYPE_OLD: i16 = 0;
const GROUP_TYPE: i16 = 2;
/// The only version of both key bodies.
const KEY_BODY: i16 = 0;
const OFFSET_VALUE: i16 = 4;
/// The one version with an expiry of its own, asked for by clients before OffsetCommit v5.
const OFFSET_VALUE_EXPIRING: i16 = 1;
const GROUP_VALUE: i16 = 3;
const OFFSET_VALUE_MAX: i16 = 4;
const GROUP_VALUE_MAX: i16 = 4;

/// Why encoding cannot fail.
const BOUNDED: &str = "every text came in through a decoder that bounds it";

/// Key and value of one record; without a value a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// A record that cannot be taken in. The caller skips it and says so.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("value of type {kind} has version {version}, known are 0 to {newest}")]
    Version { kind: i16, version: i16, newest: i16 },
    #[error("record of type {kind} cannot be read")]
    Malformed { kind: i16, source: WireError },
    #[error("group {group:.64} has {what}")]
    Inconsistent { group: String, what: &'static str },
    #[error("record key is shorter than its type")]
    NoKind,
}

/// A record, understood.
#[derive(Debug)]
pub(super) enum Replayed {
    Offset {
        group: String,
        topic: String,
        partition: i32,
        value: Option<Committed>,
    },
    Group {
        group: String,
        value: Option<Box<GroupMetadataValue>>,
    },
    /// A type that belongs to others: KIP-848, share and streams groups.
    Other,
}

pub(super) fn read(key: &Bytes, value: Option<&Bytes>) -> Result<Replayed, ReplayError> {
    let mut reader = Reader::new(key.clone());
    let kind = reader.get::<i16>(0).map_err(|_| ReplayError::NoKind)?;
    let malformed = |source| ReplayError::Malformed { kind, source };
    match kind {
        OFFSET_TYPE | OFFSET_TYPE_OLD => {
            let key = OffsetCommitKey::decode(&mut reader, KEY_BODY).map_err(malformed)?;
            let value = match value {
                None => None,
                Some(value) => Some(read_offset(kind, value)?),
            };
            let OffsetCommitKey { group, topic, partition, .. } = key;
            Ok(Replayed::Offset { group, topic, partition, value })
        }
        GROUP_TYPE => {
            let group = GroupMetadataKey::decode(&mut reader, KEY_BODY).map_err(malformed)?.group;
            let Some(value) = value else { return Ok(Replayed::Group { group, value: None }) };
            let mut reader = Reader::new(value.clone());
            let version = version(&mut reader, kind, GROUP_VALUE_MAX)?;
            let value = GroupMetadataValue::decode(&mut reader, version).map_err(malformed)?;
            Ok(Replayed::Group { group, value: Some(Box::new(value)) })
        }
        _ => Ok(Replayed::Other),
    }
}

fn read_offset(kind: i16, value: &Bytes) -> Result<Committed, ReplayError> {
    let mut reader = Reader::new(value.clone());
    let version = version(&mut reader, kind, OFFSET_VALUE_MAX)?;
    let value = OffsetCommitValue::decode(&mut reader, version)
        .map_err(|source| ReplayError::Malformed { kind, source })?;
    Ok(Committed {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: Arc::from(value.metadata),
        commit_ms: value.commit_timestamp,
        expire_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
        topic_id: value.topic_id,
    })
}

fn version(reader: &mut Reader, kind: i16, newest: i16) -> Result<i16, ReplayError> {
    let version = reader.get::<i16>(0).map_err(|source| ReplayError::Malformed { kind, source })?;
    match version {
        0.. if version <= newest => Ok(version),
        _ => Err(ReplayError::Version { kind, version, newest }),
    }
}

/// `value` of `None`: the offset is gone.
pub(super) fn offset(
    group: &str,
    topic: &str,
    partition: i32,
    value: Option<&Committed>,
) -> Record {
    let key = OffsetCommitKey { group: group.to_owned(), topic: topic.to_owned(), partition };
    let value = value.map(|committed| {
        let version =
            if committed.expire_ms.is_some() { OFFSET_VALUE_EXPIRING } else { OFFSET_VALUE };
        let body = OffsetCommitValue {
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata.to_string(),
            commit_timestamp: committed.commit_ms,
            expire_timestamp: committed.expire_ms.unwrap_or(-1),
            topic_id: committed.topic_id,
        };
        write_versioned_value(&body, version).expect(BOUNDED)
    });
    Record { key: write_record_key(&key).expect(BOUNDED), value }
}

/// The group's generation with these assignments, one for each member.
pub(super) fn group(group: &Group, assignments: &BTreeMap<Arc<str>, Bytes>) -> Record {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let members = group.members.values().map(|member| MemberMetadata {
        member_id: member.id.to_string(),
        group_instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client.id.to_string(),
        client_host: member.client.host.to_string(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.metadata(protocol),
        assignment: assignments.get(&member.id).cloned().unwrap_or_default(),
    });
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        generation: group.generation,
        protocol: group.protocol.clone(),
        leader: group.leader.as_deref().map(str::to_owned),
        current_state_timestamp: group.state_since_ms.unwrap_or(-1),
        members: members.collect(),
    };
    let value = write_versioned_value(&value, GROUP_VALUE).expect(BOUNDED);
    Record { key: group_key(&group.id), value: Some(value) }
}

pub(super) fn group_tombstone(group: &str) -> Record {
    Record { key: group_key(group), value: None }
}

fn group_key(group: &str) -> Bytes {
    let key = GroupMetadataKey { group: group.to_owned() };
    write_record_key(&key).expect(BOUNDED)
}
