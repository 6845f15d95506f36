//! The records of the call in progress, column by column.
//!
//! Each function copies one column out of the broker; ask for what you need and ask once. All
//! columns of one call together show at most 1 MiB (the broker cuts larger batches into parts).

use crate::bindings::partitioner::logmill::plugin::types::ByteColumn;
use crate::bindings::partitioner::logmill::plugin::{record_values, records};

/// Number of records in this call.
pub fn count() -> usize {
    records::count() as usize
}

/// Keys; `None` is a null key.
pub fn keys() -> Column {
    Column(records::keys())
}

/// Values; `None` is a null value (a tombstone on a compacted topic).
pub fn values() -> Column {
    Column(record_values::values())
}

/// Lengths of the values without their bytes; `None` is a null value.
pub fn value_lengths() -> Vec<Option<u32>> {
    record_values::lengths().into_iter().map(|length| u32::try_from(length).ok()).collect()
}

/// The last header of this name of each record.
pub fn header(name: &str) -> Column {
    Column(records::header(name))
}

/// Timestamps in milliseconds since the epoch.
pub fn timestamps() -> Vec<i64> {
    records::timestamps()
}

/// One byte string for each record.
#[derive(Clone, Debug)]
pub struct Column(ByteColumn);

/// What one record has in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    Bytes(&'a [u8]),
    Null,
    /// No header of that name.
    Absent,
}

impl Column {
    /// Bytes of each record; `None` when null or absent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.cells().map(|cell| match cell {
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Null | Cell::Absent => None,
        })
    }

    /// The same, telling null from absent.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell<'_>> {
        let mut rest = &self.0.data[..];
        self.0.lengths.iter().map(move |&length| match usize::try_from(length) {
            Ok(length) => {
                let (bytes, after) = rest.split_at(length);
                rest = after;
                Cell::Bytes(bytes)
            }
            Err(_) if length == -1 => Cell::Null,
            Err(_) => Cell::Absent,
        })
    }
}
