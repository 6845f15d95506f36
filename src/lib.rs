//! Logmill: a Kafka-compatible log broker on io_uring with WebAssembly plugins.
//!
//! Each module is a room; which room may import which is decided by `tests/it/layering.rs`.
//! Start reading at: ARCHITECTURE.md.

pub mod admin;
pub mod api;
pub mod base;
pub mod cluster;
pub mod config;
pub mod env;
pub mod group;
pub mod io;
pub mod log;
pub mod model;
pub mod observe;
pub mod plugin;
pub mod record;
pub mod server;
pub mod shard;
pub mod sim;
pub mod wire;
