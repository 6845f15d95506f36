//! Writing one frame as a rope: small fields in one buffer, large bytes as slices of their own.
//!
//! Owns: the order of slices, lengths, tagged fields (KIP-482), which error codes went by.
//! Leaves to others: types ([`super::value`]), fields (`generated`).
//! Invariant: bytes that came as [`Bytes`] of [`SLICE_BYTES_MIN`] or more, and all records, leave
//! as the same memory.
//! Start reading at: [`Writer::append`], then [`Writer::into_slices`].
use super::{Wire, WireError};
use crate::base::Bytes;

/// From this size on bytes get a slice of their own; below it copying is cheaper.
pub const SLICE_BYTES_MIN: usize = 2 * 1024;

/// Bytes of the length in front of a frame.
const FRAME_PREFIX_BYTES: usize = 4;

/// A growing message. Nothing is written in place twice but the length of a frame.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    small: Vec<u8>,
    /// Slices with their place in `small`, in ascending order.
    large: Vec<(usize, Bytes)>,
    large_bytes: usize,
    flexible: bool,
    /// Error codes that were written, each with how often, in the order of their first.
    errors: Vec<(i16, u64)>,
}

/// Tagged fields of one struct on their way; see [`Writer::tagged`].
pub(super) struct Tagged {
    count: u32,
    body: Writer,
}

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer whose first bytes will be the length of the rest; ends with [`Writer::into_frame`].
    pub fn for_frame() -> Self {
        Self { small: vec![0; FRAME_PREFIX_BYTES], ..Self::default() }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.small.len() + self.large_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes in.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
    }

    /// Takes bytes in as a slice of their own, without a copy.
    pub fn append(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.large_bytes += bytes.len();
            self.large.push((self.small.len(), bytes));
        }
    }

    /// Copies short bytes, appends long ones.
    pub fn copy_or_append(&mut self, bytes: &Bytes) {
        match bytes.len() < SLICE_BYTES_MIN {
            true => self.copy(bytes),
            false => self.append(bytes.clone()),
        }
    }

    pub fn uvarint(&mut self, mut value: u32) {
        while 0x80 <= value {
            self.small.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.small.push(value as u8);
    }

    /// A value of any type, in version `v` of the message that is being written.
    pub fn put<T: Wire>(&mut self, value: &T, v: i16) -> Result<(), WireError> {
        value.write(self, v)
    }

    /// The error code of an answer, or of a part of it; what is no error is not noted.
    pub(super) fn put_error(&mut self, code: &i16, v: i16) -> Result<(), WireError> {
        if *code != 0 {
            self.note_error(*code, 1);
        }
        self.put(code, v)
    }

    fn note_error(&mut self, code: i16, times: u64) {
        match self.errors.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += times,
            None => self.errors.push((code, times)),
        }
    }

    /// Error codes of the answer that was written, and how often each.
    pub fn errors(&self) -> &[(i16, u64)] {
        &self.errors
    }

    /// A value in the encoding from before KIP-482, whatever the version.
    pub(super) fn put_classic<T: Wire>(&mut self, value: &T, v: i16) -> Result<(), WireError> {
        let flexible = std::mem::replace(&mut self.flexible, false);
        let result = value.write(self, v);
        self.flexible = flexible;
        result
    }

    /// Says whether lengths are compact and tagged fields follow, from here on.
    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Length of a string; `None` is null.
    pub(super) fn string_length(&mut self, length: Option<usize>) -> Result<(), WireError> {
        const MAX: usize = i16::MAX as usize;
        match length {
            Some(bytes) if MAX < bytes => return Err(WireError::TooLong { bytes, max: MAX }),
            _ if self.flexible => return self.length(length),
            Some(bytes) => self.copy(&(bytes as i16).to_be_bytes()),
            None => self.copy(&(-1i16).to_be_bytes()),
        }
        Ok(())
    }

    /// Length of bytes or of an array; `None` is null.
    pub(super) fn length(&mut self, length: Option<usize>) -> Result<(), WireError> {
        const MAX: usize = i32::MAX as usize - 1;
        match length {
            Some(bytes) if MAX < bytes => return Err(WireError::TooLong { bytes, max: MAX }),
            _ if self.flexible => self.uvarint(length.map_or(0, |bytes| bytes as u32 + 1)),
            Some(bytes) => self.copy(&(bytes as i32).to_be_bytes()),
            None => self.copy(&(-1i32).to_be_bytes()),
        }
        Ok(())
    }

    /// Begins the tagged fields that end a struct; they go to [`Writer::put_tagged`].
    pub(super) fn tagged(&self) -> Tagged {
        Tagged { count: 0, body: Self { flexible: self.flexible, ..Self::default() } }
    }

    pub(super) fn put_tagged(&mut self, tagged: Tagged) {
        assert!(
            self.flexible || tagged.count == 0,
            "tagged fields exist in flexible versions only"
        );
        if self.flexible {
            self.uvarint(tagged.count);
            self.splice(tagged.body);
        }
    }

    pub(super) fn put_no_tagged(&mut self) {
        if self.flexible {
            self.uvarint(0);
        }
    }

    fn splice(&mut self, other: Self) {
        let start = self.small.len();
        self.small.extend_from_slice(&other.small);
        self.large_bytes += other.large_bytes;
        self.large.extend(other.large.into_iter().map(|(at, bytes)| (start + at, bytes)));
        other.errors.into_iter().for_each(|(code, times)| self.note_error(code, times));
    }

    /// What was written, in order, as few slices as there are appended ones plus what lies between.
    pub fn into_slices(self) -> Vec<Bytes> {
        let small = Bytes::from(self.small);
        let mut slices = Vec::with_capacity(2 * self.large.len() + 1);
        let mut done = 0;
        for (at, bytes) in self.large {
            if done < at {
                slices.push(small.slice(done..at));
            }
            slices.push(bytes);
            done = at;
        }
        if done < small.len() {
            slices.push(small.slice(done..));
        }
        slices
    }

    /// What was written as one piece; copies only if something was appended.
    pub fn into_bytes(self) -> Bytes {
        if self.large.is_empty() {
            return Bytes::from(self.small);
        }
        let bytes = self.len();
        let mut whole = Vec::with_capacity(bytes);
        for slice in self.into_slices() {
            whole.extend_from_slice(&slice);
        }
        Bytes::from(whole)
    }

    /// What was written after [`Writer::for_frame`], with its length in front.
    pub fn into_frame(mut self) -> Result<Vec<Bytes>, WireError> {
        let bytes = self.len() - FRAME_PREFIX_BYTES;
        let max = i32::MAX as usize;
        let length = i32::try_from(bytes).map_err(|_| WireError::TooLong { bytes, max })?;
        self.small[..FRAME_PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(self.into_slices())
    }
}

impl Tagged {
    /// Adds a field; tags come in ascending order.
    pub(super) fn put<T: Wire>(&mut self, tag: u32, value: &T, v: i16) -> Result<(), WireError> {
        let mut body = Writer { flexible: true, ..Writer::default() };
        value.write(&mut body, v)?;
        self.add(tag, body)
    }

    /// As [`Writer::put_error`].
    pub(super) fn put_error(&mut self, tag: u32, code: &i16, v: i16) -> Result<(), WireError> {
        let mut body = Writer { flexible: true, ..Writer::default() };
        body.put_error(code, v)?;
        self.add(tag, body)
    }

    /// Adds a nullable struct: the number in front is 0 for null.
    pub(super) fn put_marked<T: Wire>(
        &mut self,
        tag: u32,
        value: &Option<T>,
        v: i16,
    ) -> Result<(), WireError> {
        let mut body = Writer { flexible: true, ..Writer::default() };
        body.uvarint(u32::from(value.is_some()));
        if let Some(value) = value {
            value.write(&mut body, v)?;
        }
        self.add(tag, body)
    }

    fn add(&mut self, tag: u32, body: Writer) -> Result<(), WireError> {
        let bytes = body.len();
        let max = i32::MAX as usize;
        let size = i32::try_from(bytes).map_err(|_| WireError::TooLong { bytes, max })?;
        self.count += 1;
        self.body.uvarint(tag);
        self.body.uvarint(size as u32);
        self.body.splice(body);
        Ok(())
    }
}
