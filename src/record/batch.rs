//! A batch that passed the checks of Produce, and the form in which it is stored.
//!
//! Owns: which bytes are one acceptable batch, stamping offset, epoch and append time.
//! Leaves to others: records inside (`walk`), sequences (`log`), which error code goes out (`api`).
//! Invariant: the body of a batch is never copied and never changed; the CRC was true when checked.
//! Start reading at: [`CheckedBatch::parse`].
//! Source: protocol notes on Produce, check order.
use crate::base::{Bytes, crc32c, pins_much};
use crate::model::{ErrorCode, LeaderEpoch, Offset};
use crate::record::header::{CRC_FROM, HEADER_BYTES, Header, MAGIC, PREFIX_BYTES};
use crate::record::{Codec, TimestampType};

/// What the receiving topic allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Kafka's `max.message.bytes`: the whole batch as it came, compressed.
    pub batch_bytes_max: usize,
    /// Produce before version 7 may not carry zstd.
    pub zstd: Zstd,
}

/// Whether the request's version may carry zstd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zstd {
    Allowed,
    Refused,
}

/// Which timestamps a topic accepts: Kafka's `message.timestamp.*`.
#[derive(Clone, Copy, Debug)]
pub struct TimestampRule {
    pub kind: TimestampType,
    pub before_max_ms: i64,
    pub after_max_ms: i64,
}

impl TimestampRule {
    /// What is wrong with a record's time, in Kafka's words. `kind` is what its batch says of
    /// itself, `place` where the record stands in it.
    pub fn fault(
        &self,
        kind: TimestampType,
        place: usize,
        timestamp: i64,
        now_ms: i64,
    ) -> Option<String> {
        if self.kind == TimestampType::CreateTime && timestamp != -1 {
            let first = now_ms.saturating_sub(self.before_max_ms);
            let last = now_ms.saturating_add(self.after_max_ms);
            let outside = timestamp < first || last < timestamp;
            return outside.then(|| {
                format!(
                    "Timestamp {timestamp} of message with offset {place} is out of range. The \
                     timestamp should be within [{first}, {last}]"
                )
            });
        }
        (kind == TimestampType::LogAppendTime).then(|| {
            "Invalid timestamp type in message. Producer should not set timestamp type to \
             LogAppendTime."
                .to_owned()
        })
    }
}

/// Why bytes are not an acceptable batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("no record batch")]
    Missing,
    #[error("batch of {bytes} bytes is shorter than its header or its length field says")]
    Cut { bytes: usize },
    #[error("{extra} bytes behind the batch: exactly one batch per partition is accepted")]
    Several { extra: usize },
    #[error("record format {magic}, only 2 is accepted")]
    Magic { magic: i8 },
    #[error("base offset {base} in a produced batch, 0 is expected")]
    BaseOffset { base: Offset },
    #[error("batch of {bytes} bytes, the topic allows {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("checksum {found:08x} in the batch, {computed:08x} over its bytes")]
    Crc { found: u32, computed: u32 },
    #[error("{count} records with last offset delta {last_offset_delta}")]
    Count { count: i32, last_offset_delta: i32 },
    #[error("clients may not write control batches")]
    Control,
    #[error("producer id without a sequence")]
    NoSequence,
    #[error("compression {id} is unknown, or not allowed at this version")]
    Compression { id: i16 },
    #[error("timestamp {timestamp} is outside of what the topic accepts at {now}")]
    Timestamp { timestamp: i64, now: i64 },
    #[error("the client set the log-append-time bit")]
    AppendTimeBit,
}

impl From<&BatchError> for ErrorCode {
    fn from(error: &BatchError) -> Self {
        match error {
            BatchError::Missing
            | BatchError::Several { .. }
            | BatchError::Magic { .. }
            | BatchError::BaseOffset { .. }
            | BatchError::Count { .. }
            | BatchError::Control
            | BatchError::NoSequence => Self::InvalidRecord,
            BatchError::Cut { .. } | BatchError::Crc { .. } => Self::CorruptMessage,
            BatchError::TooLarge { .. } => Self::MessageTooLarge,
            BatchError::Compression { .. } => Self::UnsupportedCompressionType,
            BatchError::Timestamp { .. } | BatchError::AppendTimeBit => Self::InvalidTimestamp,
        }
    }
}

/// One batch whose header is plausible and whose checksum holds.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    header: Header,
    bytes: Bytes,
    frame_bytes: usize,
    /// The header is not that of `bytes` any more.
    amended: bool,
}

impl CheckedBatch {
    /// Checks what a client sent for one partition. Records are not looked at.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, BatchError> {
        if bytes.is_empty() {
            return Err(BatchError::Missing);
        }
        // The format byte first: older formats are shorter, and deserve the right answer.
        let magic = bytes.get(16).map_or(MAGIC, |byte| *byte as i8);
        if magic != MAGIC {
            return Err(BatchError::Magic { magic });
        }
        let cut = BatchError::Cut { bytes: bytes.len() };
        let header = Header::decode(&bytes).ok_or(cut.clone())?;
        let total = header.total_bytes().ok_or(cut.clone())?;
        if bytes.len() < total {
            return Err(cut);
        }
        if total < bytes.len() {
            return Err(BatchError::Several { extra: bytes.len() - total });
        }
        match header.codec() {
            None => return Err(BatchError::Compression { id: header.codec_bits() }),
            Some(Codec::Zstd) if limits.zstd == Zstd::Refused => {
                return Err(BatchError::Compression { id: header.codec_bits() });
            }
            Some(_) => {}
        }
        if header.base_offset != Offset(0) {
            return Err(BatchError::BaseOffset { base: header.base_offset });
        }
        if limits.batch_bytes_max < total {
            return Err(BatchError::TooLarge { bytes: total, max: limits.batch_bytes_max });
        }
        check_crc(&header, &bytes)?;
        check_counts(&header)?;
        if header.is_control() {
            return Err(BatchError::Control);
        }
        let frame_bytes = bytes.len();
        Ok(Self { header, bytes, frame_bytes, amended: false })
    }

    /// Takes a batch that this process built, such as a coordinator's.
    pub fn built(bytes: Bytes) -> Result<Self, BatchError> {
        let cut = BatchError::Cut { bytes: bytes.len() };
        let header = Header::decode(&bytes).ok_or(cut.clone())?;
        if header.total_bytes() != Some(bytes.len()) {
            return Err(cut);
        }
        check_crc(&header, &bytes)?;
        check_counts(&header)?;
        let frame_bytes = bytes.len();
        Ok(Self { header, bytes, frame_bytes, amended: false })
    }

    /// Says how much memory the slice keeps alive, so that a small batch is copied out of a large
    /// frame before it stays in memory.
    pub fn within_frame_of(mut self, frame_bytes: usize) -> Self {
        self.frame_bytes = frame_bytes.max(self.bytes.len());
        self
    }

    /// Copies a small batch out of a large frame, for one that stays longer than its request.
    pub fn out_of_frame(mut self) -> Self {
        if pins_much(self.bytes.len(), self.frame_bytes) {
            self.bytes = Bytes::copy_from_slice(&self.bytes);
            self.frame_bytes = self.bytes.len();
        }
        self
    }

    /// Says the largest timestamp of the records where the client said another, as Kafka does.
    pub fn with_max_timestamp(mut self, max_timestamp: i64) -> Self {
        if self.header.timestamp_type() == TimestampType::CreateTime
            && self.header.max_timestamp != max_timestamp
        {
            self.header.max_timestamp = max_timestamp;
            self.amended = true;
        }
        self
    }

    /// Checks the header's timestamps against the topic's rule; -1 (none) always passes.
    ///
    /// On a CreateTime topic the log-append-time bit of a client is ignored, as Kafka does.
    pub fn check_timestamps(&self, rule: &TimestampRule, now_ms: i64) -> Result<(), BatchError> {
        if rule.kind == TimestampType::LogAppendTime {
            let bit = self.header.timestamp_type() == TimestampType::LogAppendTime;
            return if bit { Err(BatchError::AppendTimeBit) } else { Ok(()) };
        }
        let first = now_ms.saturating_sub(rule.before_max_ms);
        let last = now_ms.saturating_add(rule.after_max_ms);
        for timestamp in [self.header.base_timestamp, self.header.max_timestamp] {
            if timestamp != -1 && !(first..=last).contains(&timestamp) {
                return Err(BatchError::Timestamp { timestamp, now: now_ms });
            }
        }
        Ok(())
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records: compressed as the header says.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(HEADER_BYTES..)
    }

    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// The form that goes to disk: own header with offset and epoch, the client's body.
    pub fn stamp(&self, at: &Stamp) -> StoredBatch {
        let mut header = self.header;
        header.base_offset = at.base_offset;
        header.leader_epoch = at.leader_epoch;
        let head = match at.append_time_ms {
            Some(now_ms) => {
                header.set_timestamp_type(TimestampType::LogAppendTime);
                header.max_timestamp = now_ms;
                header.encode_with_crc(&self.bytes[HEADER_BYTES..])
            }
            None if header.timestamp_type() == TimestampType::LogAppendTime => {
                header.set_timestamp_type(TimestampType::CreateTime);
                header.encode_with_crc(&self.bytes[HEADER_BYTES..])
            }
            None if self.amended => header.encode_with_crc(&self.bytes[HEADER_BYTES..]),
            None => header.encode(),
        };
        let header = Header::decode(&head).expect("61 bytes");
        StoredBatch { header, head: Bytes::copy_from_slice(&head), body: self.body() }
    }
}

/// What the broker writes into a batch's header.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub base_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    /// Given on topics with `message.timestamp.type=LogAppendTime`.
    pub append_time_ms: Option<i64>,
}

/// A batch as it lies in the log: two slices.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    pub header: Header,
    pub head: Bytes,
    pub body: Bytes,
}

impl StoredBatch {
    pub fn len_bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// What [`next_batch`] found at a place of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A batch of that many bytes.
    Batch(Header, usize),
    /// More bytes are needed; at least that many from the batch's start.
    Needs(usize),
    /// Not a batch: `why` is a sentence's end for the log.
    Bad { why: &'static str },
}

/// Reads the batch header at the start of `bytes` as recovery and reads do: shape only.
pub fn next_batch(bytes: &[u8]) -> Scanned {
    match batch_head(bytes) {
        Err(why) => Scanned::Bad { why },
        Ok(None) => Scanned::Needs(HEADER_BYTES),
        Ok(Some((_, total))) if bytes.len() < total => Scanned::Needs(total),
        Ok(Some((header, total))) => Scanned::Batch(header, total),
    }
}

/// The header at the start of `bytes`, and the size of its whole batch; `None`: they are too few.
///
/// Errors: what is wrong with its shape, as a sentence's end.
pub fn batch_head(bytes: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    let Some(header) = Header::decode(bytes) else { return Ok(None) };
    if header.magic != MAGIC {
        return Err("its format byte is not 2");
    }
    let total = header.total_bytes().ok_or("its length field is shorter than a header")?;
    if header.base_offset.0 < 0 || header.last_offset_delta < 0 {
        return Err("its offsets are negative");
    }
    Ok(Some((header, total)))
}

/// Whether the checksum of a whole batch holds.
pub fn crc_holds(header: &Header, batch: &[u8]) -> bool {
    batch.get(CRC_FROM..).is_some_and(|covered| crc32c(covered) == header.crc)
}

fn check_crc(header: &Header, bytes: &[u8]) -> Result<(), BatchError> {
    let computed = crc32c(&bytes[CRC_FROM..]);
    if computed != header.crc {
        return Err(BatchError::Crc { found: header.crc, computed });
    }
    Ok(())
}

fn check_counts(header: &Header) -> Result<(), BatchError> {
    let (count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if count <= 0 || last_offset_delta.checked_add(1) != Some(count) {
        return Err(BatchError::Count { count, last_offset_delta });
    }
    if header.has_producer() && header.base_sequence < 0 && !header.is_control() {
        return Err(BatchError::NoSequence);
    }
    Ok(())
}

const _: () = assert!(PREFIX_BYTES < CRC_FROM && CRC_FROM < HEADER_BYTES);
