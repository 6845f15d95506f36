//! What can be wrong with bytes from a peer, or with a message for a version.
//!
//! Owns: [`WireError`]. Leaves to others: closing the connection, or Kafka's error code.

/// Why bytes are no message, or a message has no bytes in a version. Positions count from the start
/// of the frame that the [`Reader`](super::Reader) was made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("byte {at}: {wanted} more bytes are needed, {left} are there")]
    Truncated { at: usize, wanted: usize, left: usize },
    #[error("byte {at}: a length of {claimed}, but only {left} bytes follow")]
    Length { at: usize, claimed: i64, left: usize },
    #[error("byte {at}: this message would take more than {bytes_max} bytes of memory")]
    Memory { at: usize, bytes_max: usize },
    #[error("byte {at}: null where a value must be")]
    Null { at: usize },
    #[error("byte {at}: a string that is not UTF-8")]
    Utf8 { at: usize },
    #[error("byte {at}: a variable-length number of more than 32 bits")]
    Varint { at: usize },
    #[error("byte {at}: tag {tag} is there twice or out of order")]
    TagOrder { at: usize, tag: u32 },
    #[error("byte {at}: the value of tag {tag} is shorter than its size")]
    TagSize { at: usize, tag: u32 },
    #[error("byte {at}: {left} bytes follow the end of the message")]
    Trailing { at: usize, left: usize },
    #[error("no API has key {key} (version {version})")]
    UnknownApi { key: i16, version: i16 },
    #[error("{message} has no version {version}")]
    Version { message: &'static str, version: i16 },
    #[error("version {version} lacks field {field}, which is set")]
    Absent { field: &'static str, version: i16 },
    #[error("field {field} may not be null in version {version}")]
    NullField { field: &'static str, version: i16 },
    #[error("{bytes} bytes or elements where at most {max} fit")]
    TooLong { bytes: usize, max: usize },
}

impl WireError {
    /// A field without a place in this version has another value than its default.
    pub(super) fn absent(field: &'static str, version: i16) -> Self {
        Self::Absent { field, version }
    }

    pub(super) fn null(field: &'static str, version: i16) -> Self {
        Self::NullField { field, version }
    }
}
