//! The one integration binary: whole-broker tests, and the rules of the repository itself.
mod contract;
mod goldens;
mod harness;
mod layering;
mod live_plugins;
mod log_files;
mod plugin_host;
mod process;
mod tidy;
