//! `logmill.toml` and `--set key=value`: from text to a checked configuration.
//!
//! Owns: dotted and quoted keys, clashes between them, names that are unknown, gone or not ours.
//! Leaves to others: opening the file (`server`), what a value means (`key`, `broker`).
//! Start reading at: [`load`].
use std::collections::BTreeSet;

use super::broker::BrokerConfig;
use super::key::{ConfigError, Scope};
use super::suggest::nearest;
use super::table;
use super::values::{BrokerValues, Overrides};

/// Deepest nesting of tables that is followed.
const DEPTH_MAX: usize = 32;

/// A checked configuration, and what the user should know about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: BrokerConfig,
    /// Names that were passed over, one sentence each.
    pub notes: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error("--set {argument}: {reason}")]
    Argument { argument: String, reason: String },
    #[error("{0}")]
    Value(#[from] ConfigError),
}

/// Reads a configuration from a file's text (with its name, for messages) and `key=value`
/// arguments, which win. `hostname` is told to clients of listeners on every interface.
///
/// Errors: one sentence that names the place and says what to do.
pub fn load(
    file: Option<(&str, &str)>,
    arguments: &[String],
    hostname: &str,
) -> Result<Loaded, LoadError> {
    let mut values = Overrides::new();
    let mut notes = Vec::new();
    if let Some((name, text)) = file {
        let failed = |reason| LoadError::File { file: name.to_owned(), reason };
        for (key, value) in flatten(text).map_err(failed)? {
            if let Some(note) = check_name(&key).map_err(failed)? {
                notes.push(note);
            } else if values.insert(key.clone(), value).is_some() {
                return Err(failed(format!("`{key}` is set twice; keep one of them")));
            }
        }
    }
    let mut given = BTreeSet::new();
    for argument in arguments {
        let failed = |reason| LoadError::Argument { argument: argument.clone(), reason };
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| failed("expected key=value, such as --set shards=2".to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        match check_name(key).map_err(failed)? {
            Some(note) => notes.push(note),
            None => {
                values.insert(key.to_owned(), value.to_owned());
                given.insert(key.to_owned());
            }
        }
    }
    let values = BrokerValues::new(values)?.with_arguments(given);
    let config = BrokerConfig::new(values, hostname)?;
    Ok(Loaded { config, notes })
}

/// A note when the name is to be passed over.
///
/// Errors: the name is none of ours; the sentence helps to find the right one.
fn check_name(name: &str) -> Result<Option<String>, String> {
    if table::find(Scope::Broker, name).is_some() {
        return Ok(None);
    }
    if table::REMOVED.contains(&name) || name.starts_with("zookeeper.") {
        return Ok(Some(format!("`{name}` is gone from Kafka and has no effect")));
    }
    if let Some((_, feature)) = table::MISSING.iter().find(|(start, _)| name.starts_with(start)) {
        return Err(format!(
            "`{name}` belongs to a part of Kafka that this version does not have ({feature}); \
             remove it"
        ));
    }
    if let Some(key) = table::find(Scope::Topic, name) {
        return Err(match key.synonyms.first() {
            Some(synonym) => format!(
                "`{name}` is a topic's setting; its default for all topics is called `{}`",
                synonym.name
            ),
            None => format!("`{name}` is a topic's setting; set it on the topic"),
        });
    }
    if table::find(Scope::Group, name).is_some() {
        return Err(format!("`{name}` is a group's setting; set it on the group"));
    }
    Err(match nearest(name, table::keys(Scope::Broker).map(|key| key.name)) {
        Some(known) => format!("unknown setting `{name}`; did you mean `{known}`?"),
        None => format!("unknown setting `{name}`; CONFIG.md lists all settings"),
    })
}

/// Every value of the document under its whole dotted name, in the order of the file.
fn flatten(text: &str) -> Result<Vec<(String, String)>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        if let Some((short, long)) = clash(text) {
            return format!(
                "`{short}` cannot be both a value and the beginning of `{long}`; write one of \
                 them in quotes: \"{short}\" = …"
            );
        }
        let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let header = line.and_then(|line| text.lines().nth(line - 1)).map(str::trim);
        match header.filter(|header| header.starts_with('[') && header.ends_with(']')) {
            Some(header) => format!(
                "{place}{header} begins a table that a dotted name above has begun; put the table \
                 first, or write its names dotted too"
            ),
            None => {
                let why = error.message().replace('\n', ", ");
                format!("{place}this is no TOML: {why}; lines are like log.dirs = \"/data\"")
            }
        }
    })?;
    let mut out = Vec::new();
    for (name, value) in &table {
        walk(name, value, 1, &mut out)?;
    }
    Ok(out)
}

fn walk(
    name: &str,
    value: &toml::Value,
    depth: usize,
    out: &mut Vec<(String, String)>,
) -> Result<(), String> {
    if DEPTH_MAX < depth {
        return Err(format!("`{name}` is nested too deeply"));
    }
    if let toml::Value::Table(table) = value {
        for (part, value) in table {
            walk(&format!("{name}.{part}"), value, depth + 1, out)?;
        }
        return Ok(());
    }
    let text = match value {
        toml::Value::Array(elements) => {
            let elements: Result<Vec<String>, String> =
                elements.iter().map(|element| scalar(name, element)).collect();
            elements?.join(",")
        }
        value => scalar(name, value)?,
    };
    out.push((name.to_owned(), text));
    Ok(())
}

fn scalar(name: &str, value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        toml::Value::Datetime(_) => Err(format!("`{name}` is a date; put it in quotes")),
        toml::Value::Array(_) | toml::Value::Table(_) => {
            Err(format!("`{name}` is nested; write a plain list of values"))
        }
    }
}

/// Two bare names in the text of which one begins with the other: TOML cannot hold both.
fn clash(text: &str) -> Option<(String, String)> {
    let mut section = String::new();
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = format!("{}.", header.trim());
        } else if let Some((name, _)) = line.split_once('=') {
            let name = name.trim();
            let is_bare = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if !name.is_empty() && name.chars().all(is_bare) {
                names.push(format!("{section}{name}"));
            }
        }
    }
    let begins = |short: &str, long: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'))
    };
    names.iter().find_map(|short| {
        let long = names.iter().find(|long| begins(short, long))?;
        Some((short.clone(), long.clone()))
    })
}
