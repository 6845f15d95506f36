//! Builds a batch from records: for coordinators, for compaction, for tests.
//!
//! Owns: encoding. What the caller preserves (offsets, sequences, timestamp type) is kept exactly.
//! Invariant: what is built parses again to the same records.
//! Start reading at: [`BatchBuilder::push`].
use crate::base::Bytes;
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::record::batch::CheckedBatch;
use crate::record::header::{HEADER_BYTES, Header, MAGIC, PREFIX_BYTES, TimestampType};
use crate::record::varint::{long_bytes, write_int, write_long};
use crate::record::{Codec, CodecError, Records, Row, compress};

/// What a batch says about itself apart from its records.
#[derive(Clone, Debug, Default)]
pub struct BatchSpec {
    pub codec: Codec,
    pub level: Option<i32>,
    pub timestamp_type: TimestampType,
    pub producer: Option<(ProducerId, ProducerEpoch, i32)>,
    pub leader_epoch: LeaderEpoch,
    pub base_offset: Offset,
    pub transactional: bool,
    pub control: bool,
}

/// Why a batch could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("no record was pushed")]
    Empty,
    #[error("offset {offset} lies outside of what a batch from {base} can hold")]
    Offset { base: Offset, offset: Offset },
    #[error("a batch of {bytes} bytes does not fit the length field")]
    TooLarge { bytes: usize },
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Collects records of one batch.
pub struct BatchBuilder {
    header: Header,
    codec: Codec,
    level: Option<i32>,
    body: Vec<u8>,
    scratch: Vec<u8>,
    base_timestamp: Option<i64>,
}

impl BatchBuilder {
    pub fn new(spec: &BatchSpec) -> Self {
        let none = (ProducerId(-1), ProducerEpoch(-1), -1);
        let (producer_id, producer_epoch, base_sequence) = spec.producer.unwrap_or(none);
        let mut header = Header {
            base_offset: spec.base_offset,
            batch_length: 0,
            leader_epoch: spec.leader_epoch,
            magic: MAGIC,
            crc: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id,
            producer_epoch,
            base_sequence,
            record_count: 0,
        };
        header.set_timestamp_type(spec.timestamp_type);
        if spec.transactional {
            header.set_transactional();
        }
        if spec.control {
            header.set_control();
        }
        Self::over(header, spec.codec, spec.level, None)
    }

    /// Rebuilds a batch with fewer records: everything else of `from` is kept.
    ///
    /// With `horizon_ms` the batch gets a delete horizon (KIP-534), unless it has one already.
    pub fn like(from: &Header, horizon_ms: Option<i64>) -> Self {
        let mut header = *from;
        header.record_count = 0;
        if header.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = -1;
        }
        let horizon = from.delete_horizon_ms().or(horizon_ms);
        if let Some(at_ms) = horizon {
            header.set_delete_horizon_ms(at_ms);
        }
        let codec = from.codec().unwrap_or_default();
        Self::over(header, codec, None, horizon)
    }

    fn over(header: Header, codec: Codec, level: Option<i32>, base: Option<i64>) -> Self {
        let (body, scratch) = (Vec::new(), Vec::new());
        Self { header, codec, level, body, scratch, base_timestamp: base }
    }

    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Bytes of the batch so far, before compression.
    pub fn len_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// Adds one record at an absolute offset; offsets ascend.
    pub fn push<'a>(
        &mut self,
        offset: Offset,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), BuildError> {
        let out_of_range = BuildError::Offset { base: self.header.base_offset, offset };
        let delta = offset.0.checked_sub(self.header.base_offset.0).filter(|delta| 0 <= *delta);
        let delta = delta.and_then(|delta| i32::try_from(delta).ok()).ok_or(out_of_range)?;
        let base = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base);
        self.scratch.clear();
        self.scratch.push(0);
        write_long(&mut self.scratch, timestamp_delta);
        write_int(&mut self.scratch, delta);
        write_bytes(&mut self.scratch, key);
        write_bytes(&mut self.scratch, value);
        let mut count = 0;
        let mut fields = Vec::new();
        for (name, value) in headers {
            write_bytes(&mut fields, Some(name));
            write_bytes(&mut fields, value);
            count += 1;
        }
        write_int(&mut self.scratch, count);
        self.scratch.extend_from_slice(&fields);
        let bytes = long_bytes(self.scratch.len() as i64) + self.scratch.len() + self.body.len();
        if i32::MAX as usize - HEADER_BYTES <= bytes {
            return Err(BuildError::TooLarge { bytes });
        }
        write_long(&mut self.body, self.scratch.len() as i64);
        self.body.extend_from_slice(&self.scratch);
        let header = &mut self.header;
        header.record_count += 1;
        header.last_offset_delta = header.last_offset_delta.max(delta);
        if header.timestamp_type() == TimestampType::CreateTime || header.max_timestamp == -1 {
            header.max_timestamp = header.max_timestamp.max(timestamp);
        }
        Ok(())
    }

    /// Adds a record as it is in another batch, with all its headers.
    pub fn push_row(&mut self, records: &Records, row: &Row) -> Result<(), BuildError> {
        let (key, value) = (records.key(row), records.value(row));
        self.push(row.offset, row.timestamp, key, value, records.headers(row))
    }

    /// Compresses and seals the batch.
    pub fn finish(mut self) -> Result<Bytes, BuildError> {
        if self.header.record_count == 0 {
            return Err(BuildError::Empty);
        }
        self.header.base_timestamp = self.base_timestamp.unwrap_or(-1);
        let body = match self.codec {
            Codec::None => std::mem::take(&mut self.body),
            codec => compress(codec, &self.body, self.level)?,
        };
        self.header.set_codec(self.codec);
        Ok(seal(self.header, &body))
    }

    /// As [`BatchBuilder::finish`], in the form that a log appends; base offset must be 0.
    pub fn finish_checked(self) -> Result<CheckedBatch, BuildError> {
        let bytes = self.finish()?;
        Ok(CheckedBatch::built(bytes).expect("a builder's batch passes its own checks"))
    }
}

/// What compaction leaves of a batch that must stay though its records go: header only.
pub fn empty_batch(from: &Header) -> Bytes {
    let mut header = *from;
    let kind = header.timestamp_type();
    let (transactional, control) = (header.is_transactional(), header.is_control());
    header.attributes = 0;
    header.set_timestamp_type(kind);
    if transactional {
        header.set_transactional();
    }
    if control {
        header.set_control();
    }
    header.base_timestamp = -1;
    header.record_count = 0;
    seal(header, &[])
}

/// A whole batch: this header with length and checksum made true, then the body.
pub(super) fn seal(mut header: Header, body: &[u8]) -> Bytes {
    header.batch_length = (HEADER_BYTES - PREFIX_BYTES + body.len()) as i32;
    let head = header.encode_with_crc(body);
    let mut out = Vec::with_capacity(head.len() + body.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
    Bytes::from(out)
}

fn write_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => write_int(out, -1),
        Some(bytes) => {
            write_int(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}
