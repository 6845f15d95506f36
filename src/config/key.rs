//! What a setting is: its name, type, default, range, scope, and whether it has an effect yet.
//!
//! Owns: reading one value and saying in Kafka's words why it does not fit.
//! Leaves to others: which settings exist (`table`), where values come from (`values`).
//! Source: messages follow `ConfigDef` and `ConfigException` of Apache Kafka.
use super::plugin_settings::{parse_plugin_ref, parse_plugin_settings};

/// A value that does not fit its setting, or a name that is none; the text is what clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    /// Kafka's sentence for a value that does not fit.
    pub fn invalid(key: &str, value: &str, why: &str) -> Self {
        let value = shortened(value);
        Self(format!("Invalid value {value} for configuration {key}: {why}"))
    }
}

/// Type of a setting's value, as DescribeConfigs names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Short,
    Int,
    Long,
    Double,
    Text,
    List,
    Class,
    Password,
}

impl Kind {
    /// The number of `DescribeConfigsResponse.ConfigType`.
    pub fn code(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Text => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Text => "string",
            Self::Int => "int",
            Self::Short => "short",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
            Self::Class => "class",
            Self::Password => "password",
        }
    }
}

/// Which values of its type a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    BetweenReal(f64, f64),
    /// Gzip levels: 1 to 9, or -1 for the library's default.
    GzipLevel,
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    /// Every element is one of these, none twice.
    ListOf(&'static [&'static str]),
    /// `*`, or pairs `partition:broker`.
    ThrottledReplicas,
    /// `name` or `name@version`, or nothing.
    PluginRef,
    /// `key=value` pairs, see [`parse_plugin_settings`].
    PluginSettings,
}

/// The resource that a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Broker,
    Topic,
    Group,
}

/// When a broker setting can change. Topic and group settings always can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Read at start only.
    Restart,
    /// Per broker and as the default of the whole cluster.
    ClusterWide,
    /// For one broker only.
    PerBroker,
}

/// Whether a setting does anything in this version; the reference page says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Now,
    /// Checked, kept and reported, but without effect yet.
    Accepted,
    /// Any value but the default is refused, because going on without it would mislead.
    Refused(&'static str),
}

/// How a synonym's number becomes milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Same,
    Minutes,
    Hours,
}

impl Unit {
    /// The value in the unit of the topic setting. Negative stays -1: "for ever" in every unit.
    pub fn convert(self, value: &Value) -> Value {
        let factor = match self {
            Self::Same => return value.clone(),
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        };
        match value {
            Value::Number(n) if *n < 0 => Value::Number(-1),
            Value::Number(n) => Value::Number(n.saturating_mul(factor)),
            other => other.clone(),
        }
    }
}

/// A broker setting that a topic or group setting takes its default from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub unit: Unit,
}

/// One setting. Declared in `table`, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As one would write it; `None` is Kafka's null.
    pub default: Option<&'static str>,
    pub rule: Rule,
    pub scope: Scope,
    pub runtime: Runtime,
    /// Broker settings that stand behind this one, highest priority first.
    pub synonyms: &'static [Synonym],
    pub effect: Effect,
    /// Works, but no list shows it: for tests.
    pub hidden: bool,
    pub doc: &'static str,
}

/// A value of the right type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Real(f64),
    Text(String),
    List(Vec<String>),
}

impl Value {
    /// As Kafka prints it; `None` is null.
    pub fn render(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(b) => Some(b.to_string()),
            Self::Number(n) => Some(n.to_string()),
            Self::Real(r) => Some(render_real(*r)),
            Self::Text(t) => Some(t.clone()),
            Self::List(l) => Some(l.join(",")),
        }
    }
}

/// Java's text of a double: `0.5`, `1.0`, `1.7976931348623157E308`.
fn render_real(real: f64) -> String {
    if real != 0.0 && !(1e-3..1e7).contains(&real.abs()) {
        let text = format!("{real:E}");
        return match text.split_once('E') {
            Some((digits, power)) if !digits.contains('.') => format!("{digits}.0E{power}"),
            _ => text,
        };
    }
    let text = format!("{real}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// At most 200 characters of a value, for an error message.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(200) {
        None => value.to_owned(),
        Some((end, _)) => format!("{}…", &value[..end]),
    }
}

impl Key {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            default: None,
            rule: Rule::Any,
            scope: Scope::Broker,
            runtime: Runtime::Restart,
            synonyms: &[],
            effect: Effect::Accepted,
            hidden: false,
            doc: "",
        }
    }

    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    pub const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    pub const fn at_least(self, least: i64) -> Self {
        self.rule(Rule::AtLeast(least))
    }

    pub const fn between(self, least: i64, most: i64) -> Self {
        self.rule(Rule::Between(least, most))
    }

    pub const fn one_of(self, words: &'static [&'static str]) -> Self {
        self.rule(Rule::OneOf(words))
    }

    pub const fn of_topic(mut self) -> Self {
        self.scope = Scope::Topic;
        self.runtime = Runtime::ClusterWide;
        self
    }

    pub const fn of_group(mut self) -> Self {
        self.scope = Scope::Group;
        self.runtime = Runtime::ClusterWide;
        self
    }

    pub const fn from(mut self, synonyms: &'static [Synonym]) -> Self {
        self.synonyms = synonyms;
        self
    }

    pub const fn cluster_wide(mut self) -> Self {
        self.runtime = Runtime::ClusterWide;
        self
    }

    pub const fn per_broker(mut self) -> Self {
        self.runtime = Runtime::PerBroker;
        self
    }

    /// It has an effect in this version.
    pub const fn now(mut self) -> Self {
        self.effect = Effect::Now;
        self
    }

    pub const fn refused(mut self, why: &'static str) -> Self {
        self.effect = Effect::Refused(why);
        self
    }

    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// The default as a value.
    pub fn default_value(&self) -> Value {
        match self.default {
            None => Value::Null,
            Some(text) => self.read(text).expect("a test reads every default of the table"),
        }
    }

    /// Reads and checks one value.
    ///
    /// Errors: the sentence that Apache Kafka gives for the same value of the same setting.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let value = self.read(text)?;
        if let Effect::Refused(why) = self.effect
            && value != self.default_value()
        {
            return Err(ConfigError::invalid(self.name, text, why));
        }
        Ok(value)
    }

    fn read(&self, text: &str) -> Result<Value, ConfigError> {
        let trimmed = text.trim();
        let value = match self.kind {
            Kind::Bool if trimmed.eq_ignore_ascii_case("true") => Value::Bool(true),
            Kind::Bool if trimmed.eq_ignore_ascii_case("false") => Value::Bool(false),
            Kind::Bool => return Err(self.bad(text, "Expected value to be either true or false")),
            Kind::Short => {
                Value::Number(trimmed.parse::<i16>().map_err(|_| self.nan(text))?.into())
            }
            Kind::Int => Value::Number(trimmed.parse::<i32>().map_err(|_| self.nan(text))?.into()),
            Kind::Long => Value::Number(trimmed.parse().map_err(|_| self.nan(text))?),
            Kind::Double => match trimmed.parse::<f64>() {
                Ok(real) if !real.is_nan() => Value::Real(real),
                _ => return Err(self.nan(text)),
            },
            Kind::Text | Kind::Class | Kind::Password => Value::Text(trimmed.to_owned()),
            Kind::List if trimmed.is_empty() => Value::List(Vec::new()),
            Kind::List => Value::List(self.distinct(trimmed.split(',').map(str::trim))),
        };
        self.check(text, &value)?;
        Ok(value)
    }

    /// Elements of a list; of fixed words each counts once, as in Kafka.
    fn distinct<'a>(&self, elements: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for element in elements {
            let is_word = matches!(self.rule, Rule::ListOf(_));
            if !is_word || !all.iter().any(|known| known == element) {
                all.push(element.to_owned());
            }
        }
        all
    }

    fn bad(&self, value: &str, why: &str) -> ConfigError {
        let shown = if self.is_sensitive() { "[hidden]" } else { value };
        ConfigError::invalid(self.name, shown, why)
    }

    fn nan(&self, value: &str) -> ConfigError {
        let kind = self.kind.name().to_uppercase();
        self.bad(value, &format!("Not a number of type {kind}"))
    }

    fn check(&self, text: &str, value: &Value) -> Result<(), ConfigError> {
        let failed = |why: String| Err(self.bad(text, &why));
        match (self.rule, value) {
            (Rule::AtLeast(least), Value::Number(n)) if *n < least => {
                failed(format!("Value must be at least {least}"))
            }
            (Rule::Between(least, _), Value::Number(n)) if *n < least => {
                failed(format!("Value must be at least {least}"))
            }
            (Rule::Between(_, most), Value::Number(n)) if most < *n => {
                failed(format!("Value must be no more than {most}"))
            }
            (Rule::BetweenReal(least, _), Value::Real(r)) if *r < least => {
                failed(format!("Value must be at least {least}"))
            }
            (Rule::BetweenReal(_, most), Value::Real(r)) if most < *r => {
                failed(format!("Value must be no more than {most}"))
            }
            (Rule::GzipLevel, Value::Number(n)) if *n != -1 && !(1..=9).contains(n) => {
                failed("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            (Rule::OneOf(words), Value::Text(t)) if !words.contains(&t.as_str()) => {
                failed(format!("String must be one of: {}", words.join(", ")))
            }
            (Rule::OneOfAnyCase(words), Value::Text(t))
                if !words.iter().any(|word| word.eq_ignore_ascii_case(t)) =>
            {
                let words = words.join(", ");
                failed(format!("String must be one of (case insensitive): {words}"))
            }
            (Rule::ListOf(words), Value::List(l)) => self.check_list(l, words),
            (Rule::ThrottledReplicas, Value::List(l)) if !are_throttled_replicas(l) => {
                let why = "must be the literal '*' or a list of replicas in the following \
                           format: [partitionId]:[brokerId],[partitionId]:[brokerId],...";
                failed(why.to_owned())
            }
            (Rule::PluginRef, Value::Text(t)) if !t.is_empty() => match parse_plugin_ref(t) {
                Ok(_) => Ok(()),
                Err(why) => failed(why),
            },
            (Rule::PluginSettings, Value::Text(t)) => match parse_plugin_settings(t) {
                Ok(_) => Ok(()),
                Err(why) => failed(why),
            },
            _ => Ok(()),
        }
    }

    fn check_list(&self, list: &[String], words: &[&str]) -> Result<(), ConfigError> {
        let name = self.name;
        for element in list {
            if element.is_empty() {
                return Err(ConfigError(format!(
                    "Configuration '{name}' values must not be empty."
                )));
            }
            if !words.contains(&element.as_str()) {
                let why = format!("String must be one of: {}", words.join(", "));
                return Err(self.bad(element, &why));
            }
        }
        Ok(())
    }
}

fn are_throttled_replicas(list: &[String]) -> bool {
    let is_pair = |element: &String| {
        let Some((partition, broker)) = element.split_once(':') else { return false };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number(partition.trim()) && is_number(broker.trim())
    };
    list.is_empty() || (list.len() == 1 && list[0] == "*") || list.iter().all(is_pair)
}

/// One `const fn` per type: `long("retention.ms")`.
macro_rules! starts {
    ($($name:ident $kind:ident)*) => {
        $(pub const fn $name(name: &'static str) -> Key {
            Key::new(name, Kind::$kind)
        })*
    };
}
starts! {
    boolean Bool short Short int Int long Long double Double
    text Text list List class Class
}

pub const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}

pub const fn minutes(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Minutes }
}

pub const fn hours(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Hours }
}
