//! View: the part of a batch that one call shows, and what its columns cost.
//!
//! Owns: cutting a batch into parts of which no call shows more than its bound.
//! Leaves to others: copying columns into a guest (`lower`).

use std::ops::Range;
use std::sync::Arc;

use crate::plugin::world::HOSTCALL_FUEL;
use crate::record::{Records, Row, Span};

/// Column bytes that one call shows at most.
pub const SHOWN_BYTES_MAX: usize = 1 << 20;
/// Batches are cut into parts of this estimate, so that a plugin may ask for a column twice.
pub const PART_BYTES_MAX: usize = SHOWN_BYTES_MAX / 2;

/// Rows of one part: bounds the answer, too.
pub const PART_ROWS_MAX: usize = 1 << 17;

const _: () = assert!(8 * PART_ROWS_MAX <= HOSTCALL_FUEL, "an answer for a part can be lifted");

/// A length in a column: the record has no such header.
pub const ABSENT: i32 = -2;

/// Columns that a plugin can see, from its imports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    pub keys: bool,
    pub values: bool,
    pub headers: bool,
    pub timestamps: bool,
}

/// Rows of a batch, shared with the guest's store for the time of one call.
#[derive(Clone, Debug)]
pub struct View {
    pub records: Arc<Records>,
    pub rows: Range<usize>,
}

impl View {
    pub fn rows(&self) -> &[Row] {
        &self.records.rows[self.rows.clone()]
    }

    /// Where each row's value of the last header of this name lies.
    pub fn header_spans(&self, name: &[u8]) -> Vec<Span> {
        let absent = Span { start: 0, length: ABSENT };
        let span = |row: &Row| {
            let from = row.headers_start as usize;
            let own = self.records.headers.get(from..from + row.headers_count as usize);
            let own = own.unwrap_or(&[]).iter().rev();
            let mut named = own.filter(|header| header.name.of(&self.records.buf) == Some(name));
            named.next().map_or(absent, |header| header.value)
        };
        self.rows().iter().map(span).collect()
    }

    /// Cuts the batch into views that `columns` fill up to [`PART_BYTES_MAX`], or one row each.
    pub fn parts(records: &Arc<Records>, columns: Columns) -> impl Iterator<Item = Self> + use<> {
        let mut start = 0;
        let mut is_first = true;
        let records = records.clone();
        std::iter::from_fn(move || {
            // A batch without rows is one part without rows.
            if start == records.rows.len() && !std::mem::take(&mut is_first) {
                return None;
            }
            is_first = false;
            let mut end = start;
            let mut bytes = 0;
            while let Some(row) = records.rows.get(end) {
                bytes += row_bytes(&records, row, columns);
                let is_full = PART_BYTES_MAX < bytes || PART_ROWS_MAX <= end - start;
                if start < end && is_full {
                    break;
                }
                end += 1;
            }
            let view = Self { records: records.clone(), rows: start..end };
            start = end;
            Some(view)
        })
    }

    /// What one call with this view may show: a single large row may exceed the bound.
    pub fn shown_bytes_max(&self, columns: Columns) -> usize {
        let bytes = self.rows().iter().map(|row| row_bytes(&self.records, row, columns));
        SHOWN_BYTES_MAX.max(2 * bytes.sum::<usize>())
    }
}

fn row_bytes(records: &Records, row: &Row, columns: Columns) -> usize {
    let length = |span: Span| 4 + span.length.max(0) as usize;
    let mut bytes = 8 * usize::from(columns.timestamps);
    if columns.keys {
        bytes += length(row.key);
    }
    if columns.values {
        bytes += length(row.value);
    }
    if columns.headers {
        let from = row.headers_start as usize;
        let own = records.headers.get(from..from + row.headers_count as usize).unwrap_or(&[]);
        bytes += 4 + own.iter().map(|header| length(header.value)).sum::<usize>();
    }
    bytes
}
