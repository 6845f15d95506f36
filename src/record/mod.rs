//! Record batches, format 2: the unit that is produced, stored, served and compacted.
//!
//! Owns: header, checksum, records inside, compression, building a batch.
//! Leaves to others: where batches lie (`log`), what a refused one costs the client (`api`).
//! Invariant: any bytes give a result or an error, never a panic, and never more memory than the
//! bound that the caller names.
//! Start reading at: [`CheckedBatch`], then [`Records`] and [`BatchBuilder`].
//! Source: Kafka protocol guide, "Record Batch" and "Record".
mod batch;
mod builder;
mod compress;
mod control;
mod header;
mod recode;
mod records;
mod snappy;
mod varint;
mod walk;

pub use batch::{
    BatchError, CheckedBatch, Limits, Scanned, Stamp, StoredBatch, TimestampRule, Zstd, batch_head,
    crc_holds, next_batch,
};
pub use builder::{BatchBuilder, BatchSpec, BuildError, empty_batch};
pub use compress::{Codec, CodecError, compress, decompress};
pub use control::{ControlKind, ControlRecord};
pub use header::{HEADER_BYTES, Header, MAGIC, TimestampType, sequence_plus};
pub use records::{HeaderRow, Records, Row, Span};
pub use walk::{HeaderView, Headers, RECORD_BYTES_MIN, RecordError, RecordView, Walker};

#[cfg(test)]
mod tests;
