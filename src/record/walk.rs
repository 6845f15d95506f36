//! Walks the records of an uncompressed body without allocating.
//!
//! Owns: where key, value and headers of each record lie. Leaves to others: decompression.
//! Invariant: every span lies within the body; records tile it exactly.
//! Start reading at: [`Walker`].
//! Source: Kafka protocol guide, "Record".
use std::ops::Range;

use crate::record::CodecError;
use crate::record::varint::{read_int, read_long};

/// Bytes of the smallest record: its length and six one-byte fields.
pub const RECORD_BYTES_MIN: usize = 7;

/// Why bytes are not records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the records end in the middle of one, at byte {at}")]
    Cut { at: usize },
    #[error("a number at byte {at} is longer than its type")]
    Varint { at: usize },
    #[error("a length at byte {at} is not possible")]
    Length { at: usize },
    #[error("a record's fields do not fill its length, at byte {at}")]
    Uneven { at: usize },
    #[error("{found} records, the header says {said}")]
    Count { found: usize, said: i32 },
    #[error("{extra} bytes behind the last record")]
    Trailing { extra: usize },
    #[error("offset delta {delta} of record {index} is out of order")]
    Delta { index: usize, delta: i32 },
    #[error("the table of records and headers would take more than {max} bytes")]
    TooMany { max: usize },
    #[error("decompression: {0}")]
    Codec(#[from] CodecError),
}

impl RecordError {
    /// The batch may be whole, but unpacks to more than may be in memory at once.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Codec(CodecError::TooLarge { .. }) | Self::TooMany { .. })
    }
}

/// Where one record's parts lie in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// The whole record with its length.
    pub span: Range<usize>,
    pub attributes: i8,
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<Range<usize>>,
    pub value: Option<Range<usize>>,
    pub header_count: usize,
    /// The headers' bytes; [`Headers`] walks them.
    pub headers: Range<usize>,
}

/// An iterator over the records of one body.
pub struct Walker<'a> {
    body: &'a [u8],
    at: usize,
    index: usize,
    count: i32,
    failed: bool,
}

impl<'a> Walker<'a> {
    /// `count` is the header's record count, which is held against the bytes.
    pub fn new(body: &'a [u8], count: i32) -> Self {
        Self { body, at: 0, index: 0, count, failed: false }
    }

    fn next_record(&mut self) -> Result<RecordView, RecordError> {
        let start = self.at;
        let mut at = start;
        let length = read_int(self.body, &mut at)?;
        let length = usize::try_from(length).map_err(|_| RecordError::Length { at: start })?;
        let end = at.checked_add(length).filter(|end| *end <= self.body.len());
        let end = end.ok_or(RecordError::Cut { at: start })?;
        let bytes = &self.body[..end];
        let attributes = *bytes.get(at).ok_or(RecordError::Cut { at })? as i8;
        at += 1;
        let timestamp_delta = read_long(bytes, &mut at)?;
        let offset_delta = read_int(bytes, &mut at)?;
        let key = read_span(bytes, &mut at)?;
        let value = read_span(bytes, &mut at)?;
        let count_at = at;
        let header_count = usize::try_from(read_int(bytes, &mut at)?)
            .map_err(|_| RecordError::Length { at: count_at })?;
        let headers = at..end;
        // Each header takes at least two bytes; so a lie ends here, not after a long loop.
        if end - at < header_count.saturating_mul(2) {
            return Err(RecordError::Length { at: count_at });
        }
        let mut walk = Headers { bytes, at, left: header_count };
        for header in walk.by_ref() {
            header?;
        }
        if walk.at != end {
            return Err(RecordError::Uneven { at: start });
        }
        let span = start..end;
        self.at = end;
        Ok(RecordView {
            span,
            attributes,
            timestamp_delta,
            offset_delta,
            key,
            value,
            header_count,
            headers,
        })
    }

    fn end(&self) -> Option<RecordError> {
        if i64::from(self.count) != self.index as i64 {
            return Some(RecordError::Count { found: self.index, said: self.count });
        }
        let extra = self.body.len() - self.at;
        (0 < extra).then_some(RecordError::Trailing { extra })
    }
}

impl Iterator for Walker<'_> {
    type Item = Result<RecordView, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let done = i64::from(self.count) <= self.index as i64 || self.at == self.body.len();
        let result = if done { Err(self.end()?) } else { self.next_record() };
        self.failed = result.is_err();
        self.index += 1;
        Some(result)
    }
}

/// An iterator over the headers of one record; a name may come more than once.
pub struct Headers<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl<'a> Headers<'a> {
    pub fn new(body: &'a [u8], record: &RecordView) -> Self {
        let bytes = &body[..record.headers.end];
        Self { bytes, at: record.headers.start, left: record.header_count }
    }
}

/// Name and value of one header.
pub type HeaderView = (Range<usize>, Option<Range<usize>>);

impl Iterator for Headers<'_> {
    type Item = Result<HeaderView, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let start = self.at;
        let mut read = || {
            let name = read_span(self.bytes, &mut self.at)?;
            let name = name.ok_or(RecordError::Length { at: start })?;
            Ok((name, read_span(self.bytes, &mut self.at)?))
        };
        let result = read();
        if result.is_err() {
            self.left = 0;
        }
        Some(result)
    }
}

fn read_span(bytes: &[u8], at: &mut usize) -> Result<Option<Range<usize>>, RecordError> {
    let start = *at;
    let length = read_int(bytes, at)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| RecordError::Length { at: start })?;
    let end = at.checked_add(length).filter(|end| *end <= bytes.len());
    let end = end.ok_or(RecordError::Cut { at: start })?;
    let span = *at..end;
    *at = end;
    Ok(Some(span))
}
