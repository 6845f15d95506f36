//! The rows of `.txnindex` files: aborted transactions, as Kafka tells them to its readers.
//!
//! Owns: the bytes of a row. Leaves to others: which rows stay (`transactions`), the files
//! (`rewrite`). Nothing here writes such a file for a log that has none.
//! Source: Kafka `AbortedTxn`, `TransactionIndex`.
use crate::model::{Offset, ProducerId};

pub const ROW_BYTES: usize = 34;

/// One aborted transaction; its bytes are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortRow {
    pub producer: ProducerId,
    /// Offset of the mark that ended it.
    pub mark: Offset,
    pub bytes: [u8; ROW_BYTES],
}

/// The rows of a file; `None` when it is damaged.
pub fn decode(file: &[u8]) -> Option<Vec<AbortRow>> {
    if !file.len().is_multiple_of(ROW_BYTES) {
        return None;
    }
    let number = |row: &[u8; ROW_BYTES], at: usize| {
        i64::from_be_bytes(row[at..at + 8].try_into().expect("eight bytes"))
    };
    let rows = file.chunks_exact(ROW_BYTES).map(|row| {
        let bytes: [u8; ROW_BYTES] = row.try_into().expect("a row");
        let (producer, mark) = (ProducerId(number(&bytes, 2)), Offset(number(&bytes, 18)));
        (bytes[..2] == [0, 0]).then_some(AbortRow { producer, mark, bytes })
    });
    rows.collect()
}
