//! The one integration binary: whole-broker tests, and the rules of the repository itself.
mod client;
mod clients;
mod contract;
mod crash;
mod goldens;
mod groups;
mod harness;
mod hostile;
mod layering;
mod live_plugins;
mod log_files;
mod members;
mod operators;
mod plugin_host;
mod plugins_live;
mod process;
mod tidy;
