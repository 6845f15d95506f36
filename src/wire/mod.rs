//! Wire: Kafka's messages as Rust structs, and their bytes.
//!
//! Owns: every request, response and record schema in every valid version (`generated`), the
//! reader and writer below them, frames and headers (`protocol`), the table of API keys ([`Api`]).
//! Leaves to others: record batches (`record`), which versions are advertised and what they mean
//! (`api`).
//! Invariant: bytes give a message or a [`WireError`], never a panic; what decoding allocates is
//! bounded by the bytes that are there ([`reader::MEMORY_PER_BYTE_MAX`]).
//! Start reading at: [`Message`], [`protocol`], then any file in `generated`.
//! Source: Kafka protocol guide; KIP-482 (flexible versions).

mod codec;
mod error;
#[rustfmt::skip]
pub mod generated;
pub mod protocol;
pub mod reader;
#[cfg(test)]
mod tests;
mod value;
pub mod writer;

pub use codec::{Api, Codec, Kind, Message};
pub use error::WireError;
pub use reader::Reader;
pub use value::{Records, Wire};
pub use writer::Writer;
