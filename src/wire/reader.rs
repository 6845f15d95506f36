//! Reading one frame, front to back, without copying what is large.
//!
//! Owns: the position, the checks of every length against the bytes that are there, the memory
//! budget, tagged fields (KIP-482). Leaves to others: types ([`super::value`]), fields
//! (`generated`).
//! Invariant: `at <= end <= frame.len()`; nothing is allocated for bytes that did not come.
//! Start reading at: [`Reader::take`], then [`Reader::tagged`].
use super::{Wire, WireError};
use crate::base::Bytes;

/// Memory for decoded elements that one byte of the frame pays for. Real messages need less than 8;
/// the limit keeps a frame of empty elements from taking a hundred times its size.
pub const MEMORY_PER_BYTE_MAX: usize = 16;

/// Memory for decoded elements that every frame may use, however short.
pub const MEMORY_BASE: usize = 64 * 1024;

/// A cursor over one frame. Slices that it gives out share the frame's memory.
#[derive(Clone, Debug)]
pub struct Reader {
    frame: Bytes,
    at: usize,
    end: usize,
    flexible: bool,
    memory_left: usize,
}

impl Reader {
    pub fn new(frame: Bytes) -> Self {
        let end = frame.len();
        let memory_left = memory_max(end);
        Self { frame, at: 0, end, flexible: false, memory_left }
    }

    /// Bytes that were not read yet.
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// Position in the frame.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Everything that was not read yet, sharing the frame's memory.
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.at..self.end)
    }

    /// Errors: [`WireError::Trailing`] when something is left.
    pub fn finish(&self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(WireError::Trailing { at: self.at, left }),
        }
    }

    pub fn take(&mut self, wanted: usize) -> Result<&[u8], WireError> {
        let left = self.remaining();
        if left < wanted {
            return Err(WireError::Truncated { at: self.at, wanted, left });
        }
        let start = self.at;
        self.at += wanted;
        Ok(&self.frame[start..self.at])
    }

    /// The next `wanted` bytes as a slice that shares the frame's memory.
    pub fn take_shared(&mut self, wanted: usize) -> Result<Bytes, WireError> {
        let start = self.at;
        self.take(wanted)?;
        Ok(self.frame.slice(start..self.at))
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        Ok(self.take(N)?.try_into().expect("take gives what was wanted"))
    }

    /// An unsigned number of 1 to 5 bytes, seven bits each, lowest first.
    pub fn uvarint(&mut self) -> Result<u32, WireError> {
        let at = self.at;
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| WireError::Varint { at });
            }
        }
        Err(WireError::Varint { at })
    }

    /// A value of any type, in version `v` of the message that is being read.
    pub fn get<T: Wire>(&mut self, v: i16) -> Result<T, WireError> {
        T::read(self, v)
    }

    /// A value in the encoding from before KIP-482, whatever the version.
    pub(super) fn get_classic<T: Wire>(&mut self, v: i16) -> Result<T, WireError> {
        let flexible = std::mem::replace(&mut self.flexible, false);
        let value = T::read(self, v);
        self.flexible = flexible;
        value
    }

    /// A nullable struct in a tagged field: the number in front is 0 for null.
    pub(super) fn get_marked<T: Wire>(&mut self, v: i16) -> Result<Option<T>, WireError> {
        match self.uvarint()? {
            0 => Ok(None),
            _ => T::read(self, v).map(Some),
        }
    }

    /// Says whether lengths are compact and tagged fields follow, from here on.
    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Length of a string; `None` is null.
    pub(super) fn string_length(&mut self) -> Result<Option<usize>, WireError> {
        if self.flexible {
            return self.length(1);
        }
        let at = self.at;
        let claimed = i64::from(i16::from_be_bytes(self.array()?));
        self.checked_length(at, claimed, 1)
    }

    /// Length of bytes or of an array whose elements take `each_min` bytes or more; `None` is null.
    ///
    /// Errors: [`WireError::Length`] when that many cannot follow.
    pub(super) fn length(&mut self, each_min: usize) -> Result<Option<usize>, WireError> {
        let at = self.at;
        let claimed = match self.flexible {
            true => i64::from(self.uvarint()?) - 1,
            false => i64::from(i32::from_be_bytes(self.array()?)),
        };
        self.checked_length(at, claimed, each_min)
    }

    fn checked_length(
        &self,
        at: usize,
        claimed: i64,
        each_min: usize,
    ) -> Result<Option<usize>, WireError> {
        let left = self.remaining();
        match usize::try_from(claimed) {
            Err(_) => Ok(None),
            Ok(length) if length <= left / each_min.max(1) => Ok(Some(length)),
            Ok(_) => Err(WireError::Length { at, claimed, left }),
        }
    }

    /// Counts memory for one decoded element against the budget of this frame.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), WireError> {
        match self.memory_left.checked_sub(bytes) {
            Some(left) => self.memory_left = left,
            None => {
                let bytes_max = memory_max(self.frame.len());
                return Err(WireError::Memory { at: self.at, bytes_max });
            }
        }
        Ok(())
    }

    /// Reads the tagged fields that end a struct; none in a version that is not flexible.
    ///
    /// `known` reads the value of a tag and says `true`, or says `false` to have it skipped.
    pub(super) fn tagged(
        &mut self,
        known: &mut dyn FnMut(&mut Self, u32) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        if !self.flexible {
            return Ok(());
        }
        let at = self.at;
        let count = self.uvarint()?;
        // A tag and its size take a byte each.
        self.checked_length(at, i64::from(count), 2)?;
        let mut lowest = 0;
        for _ in 0..count {
            let at = self.at;
            let tag = self.uvarint()?;
            if tag < lowest {
                return Err(WireError::TagOrder { at, tag });
            }
            lowest = tag.checked_add(1).ok_or(WireError::TagOrder { at, tag })?;
            self.tag_value(tag, known)?;
        }
        Ok(())
    }

    /// Reads tagged fields of a struct that knows none.
    pub(super) fn skip_tagged(&mut self) -> Result<(), WireError> {
        self.tagged(&mut |_, _| Ok(false))
    }

    fn tag_value(
        &mut self,
        tag: u32,
        known: &mut dyn FnMut(&mut Self, u32) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        let at = self.at;
        let size = i64::from(self.uvarint()?);
        let Some(size) = self.checked_length(at, size, 1)? else {
            return Err(WireError::Null { at });
        };
        let outer = std::mem::replace(&mut self.end, self.at + size);
        if !known(self, tag)? {
            self.at = self.end;
        }
        if self.at != self.end {
            return Err(WireError::TagSize { at: self.at, tag });
        }
        self.end = outer;
        Ok(())
    }

    /// The error for a null in the value that was just read.
    pub(super) fn null_value(&self) -> WireError {
        WireError::Null { at: self.at }
    }
}

fn memory_max(frame_bytes: usize) -> usize {
    frame_bytes.saturating_mul(MEMORY_PER_BYTE_MAX).saturating_add(MEMORY_BASE)
}
