//! Records of one batch as columns: where each key, value and header lies in one buffer.
//!
//! Owns: the table that coordinators, compaction and plugins read. It is `Send`.
//! Invariant: every span lies within `buf`; rows ascend by offset.
//! Start reading at: [`Records::decode`].
use crate::base::Bytes;
use crate::model::Offset;
use crate::record::walk::{Headers, RECORD_BYTES_MIN, RecordError, Walker};
use crate::record::{Codec, CodecError, HEADER_BYTES, Header, decompress};

/// A place in a buffer; a length of -1 is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub length: i32,
}

impl Span {
    pub const NULL: Self = Self { start: 0, length: -1 };

    fn new(range: Option<std::ops::Range<usize>>) -> Self {
        range.map_or(Self::NULL, |range| Self {
            start: range.start as u32,
            length: range.len() as i32,
        })
    }

    pub fn is_null(self) -> bool {
        self.length < 0
    }

    pub fn of(self, buf: &[u8]) -> Option<&[u8]> {
        let length = usize::try_from(self.length).ok()?;
        buf.get(self.start as usize..self.start as usize + length)
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub offset: Offset,
    /// Milliseconds; for a LogAppendTime batch the batch's.
    pub timestamp: i64,
    pub key: Span,
    pub value: Span,
    /// Its headers are `headers[headers_start..][..headers_count]`.
    pub headers_start: u32,
    pub headers_count: u32,
}

/// Name and value of one record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRow {
    pub name: Span,
    pub value: Span,
}

/// The records of one batch over its decompressed body.
#[derive(Clone, Debug)]
pub struct Records {
    pub header: Header,
    pub buf: Bytes,
    pub rows: Vec<Row>,
    pub headers: Vec<HeaderRow>,
}

impl Records {
    /// Decodes a whole batch (header and body). `out_bytes_max` bounds the decompressed body, and
    /// apart from it the table over it.
    ///
    /// An uncompressed body is not copied. Work in proportion to the body: for compressed ones
    /// call it on a worker.
    pub fn decode(batch: &Bytes, out_bytes_max: usize) -> Result<Self, RecordError> {
        let header = Header::decode(batch).ok_or(RecordError::Cut { at: 0 })?;
        Self::decode_body(header, batch.slice(HEADER_BYTES..), out_bytes_max)
    }

    /// As [`Records::decode`], for a batch whose header lies apart.
    pub fn decode_body(
        header: Header,
        body: Bytes,
        out_bytes_max: usize,
    ) -> Result<Self, RecordError> {
        let unknown = CodecError::Unknown { id: header.codec_bits() };
        let codec = header.codec().ok_or(unknown)?;
        let buf = match codec {
            // Kafka writes a batch that compaction emptied without a body, whatever its codec.
            _ if body.is_empty() => body,
            Codec::None => body,
            codec => Bytes::from(decompress(codec, &body, out_bytes_max)?),
        };
        if i32::MAX as usize <= buf.len() {
            return Err(CodecError::TooLarge { max: i32::MAX as usize }.into());
        }
        let said = header.record_count;
        let possible = buf.len() / RECORD_BYTES_MIN;
        if usize::try_from(said).is_ok_and(|said| possible < said) {
            return Err(RecordError::Count { found: possible, said });
        }
        let rows_count = usize::try_from(said).unwrap_or(0);
        let too_many = RecordError::TooMany { max: out_bytes_max };
        let left = out_bytes_max.checked_sub(Self::rows_bytes(rows_count));
        let mut left = left.ok_or_else(|| too_many.clone())?;
        let mut rows = Vec::with_capacity(rows_count);
        let mut headers = Vec::new();
        let mut last = -1;
        for record in Walker::new(&buf, said) {
            let record = record?;
            let delta = record.offset_delta;
            if delta <= last || header.last_offset_delta < delta {
                return Err(RecordError::Delta { index: rows.len(), delta });
            }
            last = delta;
            let headers_start = headers.len() as u32;
            let more = record.header_count.saturating_mul(size_of::<HeaderRow>());
            left = left.checked_sub(more).ok_or_else(|| too_many.clone())?;
            for field in Headers::new(&buf, &record) {
                let (name, value) = field?;
                headers.push(HeaderRow { name: Span::new(Some(name)), value: Span::new(value) });
            }
            rows.push(Row {
                offset: Offset(header.base_offset.0.wrapping_add(i64::from(delta))),
                timestamp: header.timestamp(record.timestamp_delta),
                key: Span::new(record.key),
                value: Span::new(record.value),
                headers_start,
                headers_count: record.header_count as u32,
            });
        }
        Ok(Self { header, buf, rows, headers })
    }

    /// Bytes of the table for so many records, their headers apart.
    pub fn rows_bytes(count: usize) -> usize {
        count.saturating_mul(size_of::<Row>())
    }

    pub fn key(&self, row: &Row) -> Option<&[u8]> {
        row.key.of(&self.buf)
    }

    pub fn value(&self, row: &Row) -> Option<&[u8]> {
        row.value.of(&self.buf)
    }

    /// Names and values of one record's headers, in their order.
    pub fn headers(&self, row: &Row) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let from = row.headers_start as usize;
        let own = self.headers.get(from..from + row.headers_count as usize).unwrap_or(&[]);
        own.iter().map(|h| (h.name.of(&self.buf).unwrap_or(&[]), h.value.of(&self.buf)))
    }

    /// Value of the last header of that name; `None`: no such header.
    pub fn last_header(&self, row: &Row, name: &[u8]) -> Option<Option<&[u8]>> {
        self.headers(row).filter(|(found, _)| *found == name).last().map(|(_, value)| value)
    }

    /// Memory that this table holds, for the ledger.
    pub fn held_bytes(&self) -> usize {
        self.buf.len()
            + self.rows.len() * size_of::<Row>()
            + self.headers.len() * size_of::<HeaderRow>()
    }
}

const _: () = {
    const fn is_send<T: Send + Sync>() {}
    is_send::<Records>();
};
