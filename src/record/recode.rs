//! The same batch in another codec.
//!
//! Owns: what changes with the codec: body, length, checksum, and the largest timestamp, which is
//! said anew from the records as by Kafka.
//! Leaves to others: which codec a topic wants (`shard`).
//! Invariant: offsets, sequences and every record stay as they are.
//! Source: LogValidator#buildRecordsAndAssignOffsets.
use crate::record::builder::seal;
use crate::record::{CheckedBatch, Codec, CodecError, Records, TimestampType, compress};

impl CheckedBatch {
    /// This batch in `codec`; `records` are its own, decoded.
    ///
    /// Work in proportion to the body: for a worker.
    pub fn recoded(
        &self,
        records: &Records,
        codec: Codec,
        level: Option<i32>,
    ) -> Result<Self, CodecError> {
        let mut header = *self.header();
        header.set_codec(codec);
        if header.timestamp_type() == TimestampType::CreateTime {
            let largest = records.rows.iter().map(|row| row.timestamp).max();
            header.max_timestamp = largest.unwrap_or(header.max_timestamp);
        }
        let body = compress(codec, &records.buf, level)?;
        let batch = Self::built(seal(header, &body));
        Ok(batch.expect("a batch that passed its checks passes them in another codec"))
    }
}
