//! Settings: one table declares each of them; everything that reads, checks or prints one uses it.
//!
//! Owns: names, types, defaults, ranges, where a setting applies, whether it has an effect yet;
//! the configuration file; typed views ([`BrokerConfig`], [`TopicSettings`], [`GroupSettings`]).
//! Leaves to others: keeping topic, group and dynamic broker settings (`cluster`), acting on them.
//! Invariant: a value that got in has been checked against its key, so typed views never fail.
//! Start reading at: [`Key`], then `table`, then [`BrokerValues`].

mod alter;
mod broker;
mod cleaner;
mod describe;
mod docs;
mod file;
mod group;
mod key;
mod plugin_settings;
mod suggest;
mod table;
mod topic;
mod values;

pub use alter::{AlterOp, OpKind, alter};
pub use broker::{BrokerConfig, Endpoint, Listener, check_cordoned, cordoned};
pub use cleaner::CleanerSettings;
pub use describe::{
    Described, Source, SynonymValue, describe_broker, describe_cluster_default, describe_group,
    describe_topic,
};
pub use docs::reference_page;
pub use file::{LoadError, Loaded, load};
pub use group::{AssignorBinding, AssignorFailure, GroupSettings, check_group};
pub use key::{ConfigError, Effect, Key, Kind, Rule, Runtime, Scope, Synonym, Unit, Value};
pub use plugin_settings::{
    PLUGIN_NAME_MAX, PLUGIN_VERSION_MAX, PluginRef, PluginSettings, is_plugin_name,
    is_plugin_version, parse_plugin_ref, parse_plugin_settings, render_plugin_settings,
};
pub use table::{broker as broker_keys, find, group as group_keys, keys, topic as topic_keys};
pub use topic::{
    Cleanup, CompactionBinding, Compression, CompressionLevels, PartitionerBinding,
    PartitionerMode, TimestampType, TopicSettings, check_topic,
};
pub use values::{BrokerValues, Overrides};

#[cfg(test)]
mod tests;
