//! The types that fields are made of, and how each is read and written.
//!
//! Owns: [`Wire`] for numbers, strings, bytes, records, arrays and nulls. Leaves to others: structs
//! (`generated`), lengths ([`super::reader`], [`super::writer`]).
//! Invariant: an array grows with the elements that were really read, not with its claimed length.
//! Start reading at: [`Wire`].
use super::{Reader, WireError, Writer};
use crate::base::Bytes;
use crate::model::TopicId;

/// Longest string in any version, also where its length has 32 bits.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Memory that a claimed array length may reserve before the first element was read.
const RESERVE_BYTES_MAX: usize = 16 * 1024;

/// A type that occurs in messages. The methods with `option` say how its null looks.
pub trait Wire: Sized {
    /// The fewest bytes that a value takes in any version.
    const BYTES_MIN: usize;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError>;

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError>;

    /// Reads a value or a null; a struct has a byte in front that is negative for null.
    fn read_option(r: &mut Reader, v: i16) -> Result<Option<Self>, WireError> {
        match i8::read(r, v)? {
            ..0 => Ok(None),
            0.. => Self::read(r, v).map(Some),
        }
    }

    fn write_option(this: Option<&Self>, w: &mut Writer, v: i16) -> Result<(), WireError> {
        match this {
            None => (-1i8).write(w, v),
            Some(value) => {
                1i8.write(w, v)?;
                value.write(w, v)
            }
        }
    }
}

/// Record batches as they came or as they go: a rope of slices, decoded by room `record` alone.
///
/// Reading gives one slice of the frame; writing appends each slice without a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(pub Vec<Bytes>);

impl Records {
    pub fn byte_count(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self(vec![bytes])
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Wire for $number {
            const BYTES_MIN: usize = size_of::<$number>();

            fn read(r: &mut Reader, _: i16) -> Result<Self, WireError> {
                Ok(Self::from_be_bytes(r.array()?))
            }

            fn write(&self, w: &mut Writer, _: i16) -> Result<(), WireError> {
                w.copy(&self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}

numbers!(i8 i16 i32 i64 u16 u32 f64);

impl Wire for bool {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, _: i16) -> Result<Self, WireError> {
        Ok(r.array::<1>()? != [0])
    }

    fn write(&self, w: &mut Writer, _: i16) -> Result<(), WireError> {
        w.copy(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for TopicId {
    const BYTES_MIN: usize = 16;

    fn read(r: &mut Reader, _: i16) -> Result<Self, WireError> {
        Ok(Self(r.array()?))
    }

    fn write(&self, w: &mut Writer, _: i16) -> Result<(), WireError> {
        w.copy(&self.0);
        Ok(())
    }
}

/// The methods of a type that says null by its length.
macro_rules! null_by_length {
    () => {
        const BYTES_MIN: usize = 1;

        fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
            Self::read_option(r, v)?.ok_or_else(|| r.null_value())
        }

        fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
            Self::write_option(Some(self), w, v)
        }
    };
}

impl Wire for String {
    null_by_length!();

    fn read_option(r: &mut Reader, _: i16) -> Result<Option<Self>, WireError> {
        let Some(length) = r.string_length()? else { return Ok(None) };
        let at = r.at();
        if STRING_BYTES_MAX < length {
            let claimed = length as i64;
            return Err(WireError::Length { at, claimed, left: STRING_BYTES_MAX });
        }
        let text = std::str::from_utf8(r.take(length)?).map_err(|_| WireError::Utf8 { at })?;
        Ok(Some(text.to_owned()))
    }

    fn write_option(this: Option<&Self>, w: &mut Writer, _: i16) -> Result<(), WireError> {
        w.string_length(this.map(String::len))?;
        w.copy(this.map_or(&[], |text| text.as_bytes()));
        Ok(())
    }
}

impl Wire for Bytes {
    null_by_length!();

    fn read_option(r: &mut Reader, _: i16) -> Result<Option<Self>, WireError> {
        r.length(1)?.map(|length| r.take_shared(length)).transpose()
    }

    fn write_option(this: Option<&Self>, w: &mut Writer, _: i16) -> Result<(), WireError> {
        w.length(this.map(Bytes::len))?;
        if let Some(bytes) = this {
            w.copy_or_append(bytes);
        }
        Ok(())
    }
}

impl Wire for Records {
    null_by_length!();

    fn read_option(r: &mut Reader, v: i16) -> Result<Option<Self>, WireError> {
        Ok(Bytes::read_option(r, v)?.map(Self::from))
    }

    fn write_option(this: Option<&Self>, w: &mut Writer, _: i16) -> Result<(), WireError> {
        w.length(this.map(Records::byte_count))?;
        for slice in this.into_iter().flat_map(|records| &records.0) {
            w.append(slice.clone());
        }
        Ok(())
    }
}

impl<T: Wire> Wire for Vec<T> {
    null_by_length!();

    fn read_option(r: &mut Reader, v: i16) -> Result<Option<Self>, WireError> {
        let Some(length) = r.length(T::BYTES_MIN)? else { return Ok(None) };
        let mut all = Self::with_capacity(length.min(RESERVE_BYTES_MAX / size_of::<T>()));
        for _ in 0..length {
            r.charge(size_of::<T>())?;
            all.push(T::read(r, v)?);
        }
        Ok(Some(all))
    }

    fn write_option(this: Option<&Self>, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.length(this.map(Vec::len))?;
        for element in this.into_iter().flatten() {
            element.write(w, v)?;
        }
        Ok(())
    }
}

impl<T: Wire> Wire for Option<T> {
    const BYTES_MIN: usize = 1;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        T::read_option(r, v)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        T::write_option(self.as_ref(), w, v)
    }
}
