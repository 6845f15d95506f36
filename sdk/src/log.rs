//! Lines in the broker's log, with the plugin's name and version put in front by the broker.
//!
//! The broker escapes them, cuts them at 1 KiB and limits their rate.

use crate::bindings::partitioner::logmill::plugin::log as host;

pub fn debug(message: &str) {
    host::log(host::Level::Debug, message);
}

pub fn info(message: &str) {
    host::log(host::Level::Info, message);
}

pub fn warn(message: &str) {
    host::log(host::Level::Warn, message);
}

pub fn error(message: &str) {
    host::log(host::Level::Error, message);
}
