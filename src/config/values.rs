//! Which value of a setting holds: from the file, changed at run time, a synonym's, the default.
//!
//! Owns: the precedence of Kafka: topic or group, this broker, all brokers, file, default.
//! Invariant: every value kept here has been read by its key, so reading it again cannot fail.
//! Start reading at: [`BrokerValues::effective`].
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::describe::Source;
use super::key::{ConfigError, Key, Scope, Value};
use super::table;

/// Settings by name, as text.
pub type Overrides = BTreeMap<String, String>;

/// Settings of one broker: those of its file and command line, and those changed at run time.
#[derive(Clone, Debug, Default)]
pub struct BrokerValues {
    fixed: Arc<Overrides>,
    /// Names of `fixed` that came from the command line, and not from the file.
    arguments: Arc<BTreeSet<String>>,
    cluster: Arc<Overrides>,
    node: Arc<Overrides>,
}

impl BrokerValues {
    /// Takes what stands in the file and on the command line; names must be known.
    ///
    /// Errors: the first value that does not fit its setting.
    pub fn new(fixed: Overrides) -> Result<Self, ConfigError> {
        for (name, value) in &fixed {
            let key = table::find(Scope::Broker, name)
                .ok_or_else(|| ConfigError(format!("Unknown broker config name: {name}")))?;
            key.parse(value)?;
        }
        Ok(Self { fixed: Arc::new(fixed), ..Self::default() })
    }

    /// The same values, those of these names given on the command line.
    pub fn with_arguments(self, names: BTreeSet<String>) -> Self {
        Self { arguments: Arc::new(names), ..self }
    }

    /// Whether the command line gave that name's fixed value; else the file did, if there is one.
    pub fn is_argument(&self, name: &str) -> bool {
        self.arguments.contains(name)
    }

    /// The same broker with what was changed at run time, for all brokers and for this one.
    pub fn with_dynamic(&self, cluster: Arc<Overrides>, node: Arc<Overrides>) -> Self {
        let (fixed, arguments) = (self.fixed.clone(), self.arguments.clone());
        Self { fixed, arguments, cluster, node }
    }

    /// What was set for that name, strongest first.
    pub fn set_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, Source)> {
        let layers = [
            (&self.node, Source::DynamicBroker),
            (&self.cluster, Source::DynamicDefaultBroker),
            (&self.fixed, Source::StaticBroker),
        ];
        layers.into_iter().filter_map(move |(layer, source)| {
            layer.get(name).map(|value| (value.as_str(), source))
        })
    }

    /// Whether someone set that name.
    pub fn is_set(&self, key: &Key) -> bool {
        self.set_values(key.name).next().is_some()
    }

    /// Names and values changed at run time for all brokers.
    pub fn cluster_overrides(&self) -> &Overrides {
        &self.cluster
    }

    /// The value of a broker setting.
    pub fn value(&self, key: &Key) -> Value {
        assert_eq!(key.scope, Scope::Broker, "{} is no broker setting", key.name);
        match self.set_values(key.name).next() {
            // A damaged stored value must not take the broker down: its default holds then.
            Some((text, _)) => key.parse(text).unwrap_or_else(|_| key.default_value()),
            None => key.default_value(),
        }
    }

    /// The value of a topic or group setting under `overrides`.
    pub fn effective(&self, key: &Key, overrides: &Overrides) -> Value {
        if let Some(value) = overrides.get(key.name).and_then(|text| key.parse(text).ok()) {
            return value;
        }
        for synonym in key.synonyms {
            let broker_key = table::find(Scope::Broker, synonym.name)
                .expect("a test checks that every synonym exists");
            let value = self.value(broker_key);
            if value != Value::Null {
                return synonym.unit.convert(&value);
            }
        }
        key.default_value()
    }
}

/// Typed reading; the type is the key's, so a mismatch is a mistake in the code.
impl Value {
    pub(super) fn flag(self) -> bool {
        let Self::Bool(value) = self else { panic!("{self:?} is no boolean") };
        value
    }

    pub(super) fn number(self) -> i64 {
        let Self::Number(value) = self else { panic!("{self:?} is no number") };
        value
    }

    pub(super) fn real(self) -> f64 {
        let Self::Real(value) = self else { panic!("{self:?} is no real number") };
        value
    }

    /// Text, or the empty text for null.
    pub(super) fn words(self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(value) => value,
            other => panic!("{other:?} is no text"),
        }
    }

    /// Elements, or none for null.
    pub(super) fn elements(self) -> Vec<String> {
        match self {
            Self::Null => Vec::new(),
            Self::List(value) => value,
            other => panic!("{other:?} is no list"),
        }
    }
}
