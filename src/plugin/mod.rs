//! Plugins: WebAssembly components that decide, loaded and replaced while the broker runs.
//!
//! Owns: installing, compiling and running them, their limits, their instances on each shard.
//! Leaves to others: names, versions and bindings (`cluster`), what clients see (`api`, `group`),
//! when a log is compacted (`log`). The interface is `wit/logmill.wit`, the SDK for guests `sdk/`.
//! Invariant: whatever a plugin does, a call ends within its budget, a slice within 250 µs, and
//! memory within 64 MiB; what it answered was checked.
//! Start reading at: [`Host`] (node), [`ShardPlugins`] (shard), [`run_assignor`], [`PolicyRun`].

pub mod assign;
pub mod breaker;
pub mod cache;
pub mod code;
mod early;
mod error;
mod guard;
mod guest;
mod host;
mod inspect;
mod instance;
pub mod log_gate;
mod lower;
pub mod meter;
mod pass;
pub mod policy;
mod residents;
mod slot;
mod store;
#[cfg(test)]
mod tests;
pub mod ticker;
mod view;
mod world;

pub use assign::{
    ASSIGN_BUDGET_NS, AssignInput, AssignMember, AssignTopic, Assigned, run_assignor,
    run_timed_assignor,
};
pub use cache::Compiler;
pub use code::{Compiled, Label, Live, Native, NativePartitioner, PluginCode, Settings, settings};
pub use early::early_main;
pub use error::{CallError, Fault};
pub use guard::{RunGuards, RunPassage};
pub use guest::{Guest, INIT_BUDGET_NS};
pub use host::{DRY_RUN_NEEDS, Host, HostError, Installed, LoadError, Look, dry_run};
pub use inspect::{COMPONENT_BYTES_MAX, Digest, InstallError, PluginInfo, PluginKind, inspect};
pub use instance::{Batch, Instance};
pub use pass::PluginPolicies;
pub use policy::{NativePolicy, PassInfo, PolicyRun, Scope};
pub use residents::{BindingKey, CALL_BUDGET_NS, Decision, Limits, ShardPlugins, SlotState};
pub use store::{Store, StoreError};
pub use view::{Columns, SHOWN_BYTES_MAX, View};
pub use world::{MEMORY_BYTES_MAX, NOBODY, Produced, WIT_VERSION};
