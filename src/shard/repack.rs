//! Batches that are kept in another codec than the one that they came in: `compression.type`.
//!
//! Owns: which batches are packed anew, how, and what their new form may weigh.
//! Leaves to others: unpacking within a budget (`unpack`), codecs (`record`), the order (`append`).
//! Invariant: a batch is packed on a worker, and its memory is charged meanwhile.
//! Start reading at: [`Core::repack`].
//! Source: LogValidator#validateMessagesAndAssignOffsetsCompressed; KIP-390 for the levels.
use std::rc::Rc;

use crate::config::{Compression, TopicSettings};
use crate::model::ErrorCode;
use crate::record::{BatchError, CheckedBatch, Codec};
use crate::shard::Core;
use crate::shard::append::{AppendTold, record_rules};
use crate::shard::budget::Permit;
use crate::shard::partition::Partition;
use crate::shard::unpack::{Unpacked, check_rows, unreadable};

/// How a batch is to be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    codec: Codec,
    level: Option<i32>,
}

/// How a topic wants a batch packed anew; `None`: it is kept as it came.
///
/// A batch that has the right codec is kept, whatever its level, as in Kafka.
pub fn packing(settings: &TopicSettings, batch: &CheckedBatch) -> Option<Packing> {
    let levels = &settings.compression_levels;
    let (codec, level) = match settings.compression {
        Compression::Producer => return None,
        Compression::Uncompressed => (Codec::None, None),
        Compression::Gzip => (Codec::Gzip, Some(levels.gzip)),
        Compression::Snappy => (Codec::Snappy, None),
        Compression::Lz4 => (Codec::Lz4, Some(levels.lz4)),
        Compression::Zstd => (Codec::Zstd, Some(levels.zstd)),
    };
    let header = batch.header();
    let is_kept = header.codec() == Some(codec) || header.is_control();
    (!is_kept).then_some(Packing { codec, level })
}

/// A batch in the codec of its topic.
pub struct Repacked {
    pub batch: CheckedBatch,
    /// Its records, for who looks at them next.
    pub unpacked: Unpacked,
    /// What its new form is charged to.
    pub held: Permit,
}

impl Core {
    /// Packs a batch as its topic wants it; `None` when it stays as it came.
    ///
    /// Errors: what the client is told: the records cannot be read or are refused, or the batch is
    /// too large in its new form.
    pub async fn repack(
        self: &Rc<Self>,
        partition: &Partition,
        batch: &CheckedBatch,
    ) -> Result<Option<Repacked>, AppendTold> {
        loop {
            // A retry is answered with the offsets that it has.
            if partition.log().is_ok_and(|log| log.is_duplicate(batch.header())) {
                return Ok(None);
            }
            let Some(wanted) = packing(&partition.settings(), batch) else { return Ok(None) };
            let unpacked =
                self.unpack(batch).await.map_err(|error| match error.is_too_large() {
                    true => AppendTold::failed(ErrorCode::MessageTooLarge, error.to_string()),
                    false => unreadable(&error),
                })?;
            let rules = record_rules(&partition.settings(), self.env.wall_ms());
            check_rows(&unpacked.records, &rules)?;
            let mut held = self.unpacking.charge(unpacked.records.buf.len());
            let (before, records) = (batch.clone(), unpacked.records.clone());
            let packed =
                self.env.work(move || before.recoded(&records, wanted.codec, wanted.level)).await;
            let packed = packed.map_err(|error| {
                AppendTold::failed(ErrorCode::UnknownServerError, error.to_string())
            })?;
            let settings = partition.settings();
            if packing(&settings, batch) != Some(wanted) {
                continue;
            }
            let (bytes, max) = (packed.len_bytes(), settings.message_bytes_max as usize);
            if max < bytes {
                let error = BatchError::TooLarge { bytes, max };
                return Err(AppendTold::failed(ErrorCode::from(&error), error.to_string()));
            }
            held.shrink(bytes);
            return Ok(Some(Repacked { batch: packed, unpacked, held }));
        }
    }
}
