//! DescribeConfigs: what holds for a resource, where it comes from, and what stands behind it.
//!
//! Owns: the entries, as plain data that the API handler copies into its response.
//! Source: `ConfigHelper` of Apache Kafka. Unlike there, a default that comes from a synonym of
//! lower priority (`log.retention.hours`) names that synonym and its source.
use super::key::{Key, Runtime, Scope};
use super::table;
use super::values::{BrokerValues, Overrides};

/// Where a value comes from; the numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    DynamicTopic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    Group = 8,
}

impl Source {
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One candidate for a value; the first of a list is the one that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynonymValue {
    pub name: &'static str,
    /// `None` when null or sensitive.
    pub value: Option<String>,
    pub source: Source,
}

/// One setting of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub name: &'static str,
    /// `None` when null or sensitive.
    pub value: Option<String>,
    pub source: Source,
    pub is_sensitive: bool,
    pub read_only: bool,
    pub synonyms: Vec<SynonymValue>,
    /// Number of the type in the protocol.
    pub kind: i8,
    pub documentation: &'static str,
}

/// The settings of a topic.
pub fn describe_topic(broker: &BrokerValues, overrides: &Overrides) -> Vec<Described> {
    describe_owned(Scope::Topic, Source::DynamicTopic, broker, overrides)
}

/// The settings of a group.
pub fn describe_group(broker: &BrokerValues, overrides: &Overrides) -> Vec<Described> {
    describe_owned(Scope::Group, Source::Group, broker, overrides)
}

/// The settings of this broker.
pub fn describe_broker(broker: &BrokerValues) -> Vec<Described> {
    table::keys(Scope::Broker)
        .filter(|key| !key.hidden)
        .map(|key| {
            let mut synonyms = candidates(broker, family(key));
            // As in Kafka: who stands behind others does not tell what stands before it.
            let own = synonyms.iter().position(|candidate| candidate.name == key.name);
            synonyms.drain(..own.unwrap_or(synonyms.len()));
            entry(key, broker.value(key).render(), synonyms)
        })
        .collect()
}

/// What was changed at run time for all brokers (the broker resource with an empty name).
pub fn describe_cluster_default(broker: &BrokerValues) -> Vec<Described> {
    let overrides = broker.cluster_overrides();
    let keys = table::keys(Scope::Broker).filter(|key| overrides.contains_key(key.name));
    keys.map(|key| {
        let value = shown(key, overrides.get(key.name).cloned());
        let source = Source::DynamicDefaultBroker;
        let synonyms = vec![SynonymValue { name: key.name, value: value.clone(), source }];
        entry(key, value, synonyms)
    })
    .collect()
}

fn describe_owned(
    scope: Scope,
    own: Source,
    broker: &BrokerValues,
    overrides: &Overrides,
) -> Vec<Described> {
    let shown_keys =
        table::keys(scope).filter(|key| !key.hidden || overrides.contains_key(key.name));
    shown_keys
        .map(|key| {
            let value = broker.effective(key, overrides).render();
            let mut synonyms = Vec::new();
            if overrides.contains_key(key.name) {
                let value = shown(key, value.clone());
                synonyms.push(SynonymValue { name: key.name, value, source: own });
            }
            let behind = key.synonyms.iter().map(|synonym| {
                table::find(Scope::Broker, synonym.name)
                    .expect("a test checks that every synonym exists")
            });
            synonyms.extend(candidates(broker, behind.collect()));
            entry(key, value, synonyms)
        })
        .collect()
}

/// The broker settings that give one default together, by priority; most stand alone.
fn family(key: &'static Key) -> Vec<&'static Key> {
    let is_in = |topic: &&'static Key| topic.synonyms.iter().any(|one| one.name == key.name);
    match table::keys(Scope::Topic).find(is_in) {
        None => vec![key],
        Some(topic) => {
            let names = topic.synonyms.iter();
            names.filter_map(|one| table::find(Scope::Broker, one.name)).collect()
        }
    }
}

/// What is set for these broker settings, and their defaults: by source, then by their priority.
fn candidates(broker: &BrokerValues, keys: Vec<&'static Key>) -> Vec<SynonymValue> {
    let mut all = Vec::new();
    for key in keys {
        all.extend(broker.set_values(key.name).map(|(value, source)| {
            let value = shown(key, Some(value.to_owned()));
            SynonymValue { name: key.name, value, source }
        }));
        if key.default.is_some() {
            let value = shown(key, key.default_value().render());
            all.push(SynonymValue { name: key.name, value, source: Source::Default });
        }
    }
    all.sort_by_key(|candidate| candidate.source.code());
    all
}

fn entry(key: &'static Key, value: Option<String>, synonyms: Vec<SynonymValue>) -> Described {
    Described {
        name: key.name,
        value: shown(key, value),
        source: synonyms.first().map_or(Source::Default, |first| first.source),
        is_sensitive: key.is_sensitive(),
        read_only: key.scope == Scope::Broker && key.runtime == Runtime::Restart,
        synonyms,
        kind: key.kind.code(),
        documentation: key.doc,
    }
}

fn shown(key: &Key, value: Option<String>) -> Option<String> {
    value.filter(|_| !key.is_sensitive())
}
