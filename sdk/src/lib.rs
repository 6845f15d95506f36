//! Write Logmill plugins in Rust.
//!
//! A plugin implements one trait and names it in one macro:
//!
//! | the plugin decides | trait | macro |
//! | --- | --- | --- |
//! | which partition a record belongs to | [`Partitioner`] | [`export_partitioner!`] |
//! | which member of a group reads which partition | [`Assignor`] | [`export_assignor!`] |
//! | which records of a compacted topic may go | [`Policy`] | [`export_policy!`] |
//!
//! ```ignore
//! use logmill_sdk::{Fault, Partitioner, Settings, export_partitioner, partitioner};
//!
//! /// Keys that start with an upper-case letter belong to partition 0, all others to partition 1.
//! struct ByCase;
//!
//! impl Partitioner for ByCase {
//!     fn new(_settings: &Settings) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault> {
//!         let upper = |key: &[u8]| key.first().is_some_and(u8::is_ascii_uppercase);
//!         partitioner::by_key(partitions, |key| Ok(if key.is_some_and(upper) { 0 } else { 1 }))
//!     }
//! }
//!
//! export_partitioner!(ByCase);
//! ```
//!
//! The crate is built as a `cdylib` for `wasm32-unknown-unknown` and the module made a component by
//! `logmill plugin componentize MODULE -o COMPONENT`; `plugins/build` in Logmill's repository does
//! both. Functions of [`rows`], [`log`], [`assignor`] and [`policy`] that a plugin calls become the
//! component's imports: they are its list of capabilities, so call only what you need.
//!
//! Owns: the glue, iterators over columns, settings. The interface itself is `wit/logmill.wit`.
//! Start reading at: [`rows`], then the trait of your plugin's kind.

#[doc(hidden)]
pub mod bindings;

pub mod assignor;
pub mod hash;
pub mod log;
pub mod partitioner;
pub mod policy;
pub mod rows;
mod settings;

pub use assignor::{Assignor, Group};
pub use partitioner::{Fault, KEEP, Partitioner};
pub use policy::{Policy, Scope};
pub use settings::Settings;

/// Nobody: an owner or a member that does not exist.
pub const NOBODY: u32 = u32::MAX;
