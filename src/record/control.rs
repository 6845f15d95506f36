//! Control records: the marks that end a transaction.
//!
//! Owns: reading their key and value. Leaves to others: writing them (the next issue's room).
//! Source: Kafka `ControlRecordType`, `EndTransactionMarker`.
use crate::record::Records;

/// What a control record marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    Abort,
    Commit,
    /// Leader change and snapshot marks of other logs.
    Other(i16),
}

/// The one record of a control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    pub kind: ControlKind,
    /// -1 when the mark has none.
    pub coordinator_epoch: i32,
}

impl ControlRecord {
    /// The mark in a decoded control batch; `None` for data and for emptied batches.
    pub fn of(records: &Records) -> Option<Self> {
        if !records.header.is_control() {
            return None;
        }
        let row = records.rows.first()?;
        let kind = records.key(row)?.get(2..4)?;
        let kind = match i16::from_be_bytes([kind[0], kind[1]]) {
            0 => ControlKind::Abort,
            1 => ControlKind::Commit,
            other => ControlKind::Other(other),
        };
        let epoch = records.value(row).and_then(|value| value.get(2..6));
        let coordinator_epoch =
            epoch.map_or(-1, |bytes| i32::from_be_bytes(bytes.try_into().expect("four bytes")));
        Some(Self { kind, coordinator_epoch })
    }
}
