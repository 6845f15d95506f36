//! Looking into a batch: the walk over plain records, unpacking compressed ones within a budget.
//!
//! Owns: how much unpacked memory one batch and one shard may take, records without keys.
//! Leaves to others: codecs and the table over records (`record`), what a plugin says of them.
//! Invariant: a batch is unpacked on a worker, after its memory has been charged.
use std::rc::Rc;
use std::sync::Arc;

use crate::model::ErrorCode;
use crate::record::{CheckedBatch, Codec, CodecError, RecordError, Records, Walker};
use crate::shard::Core;
use crate::shard::append::{AppendTold, RECORD_ERRORS_MAX};
use crate::shard::budget::Permit;

/// All unpacked batches of one shard at one moment.
pub const UNPACK_BYTES_MAX: usize = 256 * 1024 * 1024;
/// One batch may unpack to so much, and its table of records to as much again.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a compressed batch is charged with at first: so many times its size, and this much.
const USUAL_RATIO: usize = 16;
const USUAL_BYTES: usize = 64 * 1024;

/// The records of a batch, and what their memory is charged to while they are needed.
pub struct Unpacked {
    pub records: Arc<Records>,
    pub permit: Option<Permit>,
}

impl Core {
    /// The records of a batch; on a worker, and within the shard's budget, when compressed.
    ///
    /// Errors: the batch is damaged, or too large for us: [`is_too_large`].
    pub async fn unpack(self: &Rc<Self>, batch: &CheckedBatch) -> Result<Unpacked, RecordError> {
        if batch.header().codec() == Some(Codec::None) {
            let records = Arc::new(Records::decode(batch.bytes(), BATCH_BYTES_MAX)?);
            return Ok(Unpacked { records, permit: None });
        }
        let usual = batch.len_bytes().saturating_mul(USUAL_RATIO).saturating_add(USUAL_BYTES);
        let first = self.unpack_to(batch, usual.min(BATCH_BYTES_MAX)).await;
        match first {
            Err(error) if is_too_large(&error) && usual < BATCH_BYTES_MAX => {
                self.unpack_to(batch, BATCH_BYTES_MAX).await
            }
            first => first,
        }
    }

    async fn unpack_to(
        self: &Rc<Self>,
        batch: &CheckedBatch,
        bytes_max: usize,
    ) -> Result<Unpacked, RecordError> {
        // The records, and at most as much again for their table.
        let mut permit = self.unpacking.take(2 * bytes_max).await;
        let bytes = batch.bytes().clone();
        let records = self.env.work(move || Records::decode(&bytes, bytes_max)).await?;
        // A partitioner may take its time over them: others need what these did not.
        permit.shrink(records.held_bytes());
        Ok(Unpacked { records: Arc::new(records), permit: Some(permit) })
    }
}

/// Whether a batch that may be whole unpacks to more than we hold.
pub fn is_too_large(error: &RecordError) -> bool {
    matches!(error, RecordError::Codec(CodecError::TooLarge { .. }) | RecordError::TooMany { .. })
}

/// What the client is told about records that cannot be read.
pub fn unreadable(error: &RecordError) -> AppendTold {
    AppendTold::failed(ErrorCode::InvalidRecord, error.to_string())
}

/// Walks the records of an uncompressed batch: they fill it exactly, are numbered from 0 on, and
/// have keys where the topic is compacted. Nothing is allocated unless one is refused.
///
/// Source: LogValidator#validateMessagesAndAssignOffsets.
pub fn check_plain(batch: &CheckedBatch, needs_keys: bool) -> Result<(), AppendTold> {
    let body = batch.body();
    let mut keyless = Vec::new();
    for (index, record) in Walker::new(&body, batch.header().record_count).enumerate() {
        let record = record
            .map_err(|error| AppendTold::failed(ErrorCode::InvalidRecord, error.to_string()))?;
        let at = record.offset_delta;
        if usize::try_from(at) != Ok(index) {
            let text = format!("record {index} of the batch has offset delta {at}");
            return Err(AppendTold::failed(ErrorCode::InvalidRecord, text));
        }
        if needs_keys && record.key.is_none() && keyless.len() < RECORD_ERRORS_MAX {
            keyless.push(index);
        }
    }
    without_keys(keyless)
}

/// As [`check_plain`] does for keys, over records that were unpacked.
pub fn check_keys(records: &Records) -> Result<(), AppendTold> {
    let rows = records.rows.iter().enumerate().filter(|(_, row)| row.key.is_null());
    without_keys(rows.map(|(index, _)| index).take(RECORD_ERRORS_MAX).collect())
}

/// A compacted topic takes no record without a key; the answer names those that lack one.
fn without_keys(indexes: Vec<usize>) -> Result<(), AppendTold> {
    if indexes.is_empty() {
        return Ok(());
    }
    let text = "Compacted topic cannot accept message without key";
    let told =
        AppendTold::failed(ErrorCode::InvalidRecord, "One or more records have been rejected");
    let record_errors = indexes.into_iter().map(|at| (at as i32, text.to_owned())).collect();
    Err(AppendTold { record_errors, ..told })
}
