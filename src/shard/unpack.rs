//! Looking into a batch: the walk over plain records, unpacking compressed ones within a budget.
//!
//! Owns: how much unpacked memory one batch and one shard may take, which records are refused.
//! Leaves to others: codecs and the table over records (`record`), what a plugin says of them.
//! Invariant: a batch is unpacked on a worker, after its memory has been charged.
use std::rc::Rc;
use std::sync::Arc;

use crate::model::ErrorCode;
use crate::record::{CheckedBatch, Codec, Header, RecordError, Records, TimestampRule, Walker};
use crate::shard::Core;
use crate::shard::append::{AppendTold, RECORD_ERRORS_MAX};
use crate::shard::budget::Permit;

/// All unpacked batches of one shard at one moment.
pub const UNPACK_BYTES_MAX: usize = 256 * 1024 * 1024;
/// One batch may unpack to so much, and its table of records to as much again.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records of a plain batch that are looked at on the shard.
const PLAIN_RECORDS_MAX: i32 = 4_096;
/// What a compressed batch is charged with at first: so many times its size, and this much.
const USUAL_RATIO: usize = 16;
const USUAL_BYTES: usize = 64 * 1024;

/// The records of a batch, and what their memory is charged to while they are needed.
pub struct Unpacked {
    pub records: Arc<Records>,
    pub permit: Option<Permit>,
}

impl Core {
    /// The records of a batch; on a worker, and within the shard's budget, when compressed or many.
    ///
    /// Errors: the batch is damaged, or too large for us: [`RecordError::is_too_large`].
    pub async fn unpack(self: &Rc<Self>, batch: &CheckedBatch) -> Result<Unpacked, RecordError> {
        let is_plain = batch.header().codec() == Some(Codec::None);
        if is_plain && batch.header().record_count <= PLAIN_RECORDS_MAX {
            let records = Arc::new(Records::decode(batch.bytes(), BATCH_BYTES_MAX)?);
            return Ok(Unpacked { records, permit: None });
        }
        let usual = batch.len_bytes().saturating_mul(USUAL_RATIO).saturating_add(USUAL_BYTES);
        let first = self.unpack_to(batch, usual.min(BATCH_BYTES_MAX)).await;
        match first {
            Err(error) if error.is_too_large() && usual < BATCH_BYTES_MAX => {
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

/// What the client is told about records that cannot be read.
pub fn unreadable(error: &RecordError) -> AppendTold {
    AppendTold::failed(ErrorCode::InvalidRecord, error.to_string())
}

/// What a topic demands of single records.
#[derive(Clone, Copy)]
pub struct RecordRules {
    pub needs_keys: bool,
    /// The topic's rule and the clock; `None`: their times were checked already.
    pub times: Option<(TimestampRule, i64)>,
}

impl RecordRules {
    /// What is wrong with a record, and whether it is its time.
    fn fault(
        &self,
        header: &Header,
        at: usize,
        has_key: bool,
        time: i64,
    ) -> Option<(bool, String)> {
        if self.needs_keys && !has_key {
            let text = "Compacted topic cannot accept message without key";
            return Some((false, text.to_owned()));
        }
        let (rule, now_ms) = self.times?;
        let text = rule.fault(header.timestamp_type(), at, time, now_ms)?;
        Some((true, text))
    }
}

/// The records of a batch that are not accepted.
#[derive(Default)]
struct Rejected {
    records: Vec<(i32, String)>,
    for_its_time: bool,
}

impl Rejected {
    fn note(&mut self, at: usize, fault: Option<(bool, String)>) {
        let Some((is_time, text)) = fault else { return };
        self.for_its_time |= is_time;
        if self.records.len() < RECORD_ERRORS_MAX {
            self.records.push((at as i32, text));
        }
    }

    /// One record that is not accepted refuses its batch; the answer names them.
    fn into_answer(self) -> Result<(), AppendTold> {
        let (code, text) = match self.for_its_time {
            _ if self.records.is_empty() => return Ok(()),
            true => (ErrorCode::InvalidTimestamp, " due to invalid timestamp"),
            false => (ErrorCode::InvalidRecord, ""),
        };
        let text = format!("One or more records have been rejected{text}");
        Err(AppendTold { record_errors: self.records, ..AppendTold::failed(code, text) })
    }
}

/// Walks the records of an uncompressed batch: they fill it exactly, are numbered from 0 on, and
/// are what the topic demands. Says their largest timestamp. Nothing is allocated unless one is
/// refused.
///
/// Source: LogValidator#validateMessagesAndAssignOffsets.
pub fn check_plain(batch: &CheckedBatch, rules: &RecordRules) -> Result<i64, AppendTold> {
    let (body, header) = (batch.body(), batch.header());
    let mut rejected = Rejected::default();
    let mut largest = -1;
    for (index, record) in Walker::new(&body, header.record_count).enumerate() {
        let record = record
            .map_err(|error| AppendTold::failed(ErrorCode::InvalidRecord, error.to_string()))?;
        let at = record.offset_delta;
        if usize::try_from(at) != Ok(index) {
            let text = format!("record {index} of the batch has offset delta {at}");
            return Err(AppendTold::failed(ErrorCode::InvalidRecord, text));
        }
        let time = header.timestamp(record.timestamp_delta);
        largest = largest.max(time);
        rejected.note(index, rules.fault(header, index, record.key.is_some(), time));
    }
    rejected.into_answer()?;
    Ok(largest)
}

/// As [`check_plain`], over records that were unpacked.
pub fn check_rows(records: &Records, rules: &RecordRules) -> Result<(), AppendTold> {
    let mut rejected = Rejected::default();
    for (index, row) in records.rows.iter().enumerate() {
        let fault = rules.fault(&records.header, index, !row.key.is_null(), row.timestamp);
        rejected.note(index, fault);
    }
    rejected.into_answer()
}
