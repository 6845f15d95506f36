//! The table of settings: each is declared here once.
//!
//! Owns: `topic` (what a topic can set), `group`, and `broker` with its accepted-only part.
//! Leaves to others: reading values (`key`), finding out what holds (`values`).
//! Invariant: names are unique per scope, every default passes its own rule, every synonym exists.
//! Source: names, types, defaults, ranges and runtime modes as Apache Kafka 4.4 reports them.

/// Declares settings as constants, and the list that holds them all.
macro_rules! keys {
    ($list:ident: $($name:ident = $key:expr;)*) => {
        $(pub const $name: crate::config::Key = $key;)*
        pub static $list: &[crate::config::Key] = &[$($name),*];
    };
}

pub mod accepted;
pub mod broker;
pub mod group;
pub mod topic;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::key::{Key, Scope};

/// Every setting of a scope, in the order of the table.
pub fn keys(scope: Scope) -> impl Iterator<Item = &'static Key> {
    let (first, second): (&'static [Key], &'static [Key]) = match scope {
        Scope::Broker => (broker::KEYS, accepted::KEYS),
        Scope::Topic => (topic::KEYS, &[]),
        Scope::Group => (group::KEYS, &[]),
    };
    first.iter().chain(second)
}

/// The setting of that name.
pub fn find(scope: Scope, name: &str) -> Option<&'static Key> {
    static BROKER: LazyLock<ByName> = LazyLock::new(|| by_name(Scope::Broker));
    static TOPIC: LazyLock<ByName> = LazyLock::new(|| by_name(Scope::Topic));
    static GROUP: LazyLock<ByName> = LazyLock::new(|| by_name(Scope::Group));
    let all = match scope {
        Scope::Broker => &BROKER,
        Scope::Topic => &TOPIC,
        Scope::Group => &GROUP,
    };
    all.get(name).copied()
}

type ByName = BTreeMap<&'static str, &'static Key>;

fn by_name(scope: Scope) -> ByName {
    keys(scope).map(|key| (key.name, key)).collect()
}

/// Names of Kafka that are gone; they are read and passed over with a note.
pub const REMOVED: &[&str] = &[
    "log.message.format.version",
    "message.format.version",
    "inter.broker.protocol.version",
    "log.message.downconversion.enable",
    "log.message.timestamp.difference.max.ms",
    "delegation.token.master.key",
    "offsets.commit.required.acks",
    "group.coordinator.new.enable",
    "broker.id.generation.enable",
    "reserved.broker.max.id",
    "control.plane.listener.name",
];

/// Beginnings of names of Kafka that belong to what this version does not have.
pub const MISSING: &[(&str, &str)] = &[
    ("ssl.", "TLS"),
    ("sasl.", "SASL"),
    ("listener.name.", "settings of one listener"),
    ("delegation.token.", "delegation tokens"),
    ("super.users", "access rules"),
    ("allow.everyone.if.no.acl.found", "access rules"),
    ("log.remote.", "tiered storage"),
    ("remote.", "tiered storage"),
    ("rsm.config.", "tiered storage"),
    ("rlmm.config.", "tiered storage"),
    ("group.share.", "share groups"),
    ("share.coordinator.", "share groups"),
    ("group.streams.", "streams groups"),
];
