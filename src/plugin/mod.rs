//! Plugins: WebAssembly components that decide, loaded and replaced while the broker runs.

mod componentize;
mod early;

pub use componentize::{ComponentizeError, componentize};
pub use early::{componentize_file, early_main};
