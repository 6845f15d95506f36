//! IncrementalAlterConfigs: setting, deleting, and changing lists element by element.
//!
//! Owns: what the four operations do to a resource's own settings.
//! Leaves to others: whether the result is valid (`check_topic`, `check_group`).
//! Source: `ConfigurationControlManager` of Apache Kafka; KIP-339.
use super::key::{ConfigError, Kind, Scope};
use super::table;
use super::values::Overrides;

/// What to do with one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    Set,
    Delete,
    Append,
    Subtract,
}

impl OpKind {
    /// The operation of that number in the protocol.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// One change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterOp {
    pub name: String,
    pub kind: OpKind,
    /// Not read for [`OpKind::Delete`].
    pub value: String,
}

/// Longest value that can be stored, as in Kafka.
const VALUE_BYTES_MAX: usize = 32_767;

/// The resource's own settings after the changes; nothing is checked but what the changes need.
///
/// Errors: a list operation on what is no list, a value that is too long.
pub fn alter(scope: Scope, current: &Overrides, ops: &[AlterOp]) -> Result<Overrides, ConfigError> {
    let mut after = current.clone();
    for op in ops {
        let value = match op.kind {
            OpKind::Delete => {
                after.remove(&op.name);
                continue;
            }
            OpKind::Set => op.value.clone(),
            OpKind::Append | OpKind::Subtract => changed_list(scope, &after, op)?,
        };
        if VALUE_BYTES_MAX < value.len() {
            return Err(ConfigError(format!(
                "The configuration value cannot be added because it exceeds the maximum value \
                 size of {VALUE_BYTES_MAX} bytes."
            )));
        }
        after.insert(op.name.clone(), value);
    }
    Ok(after)
}

fn changed_list(scope: Scope, current: &Overrides, op: &AlterOp) -> Result<String, ConfigError> {
    let key =
        table::find(scope, &op.name).filter(|key| key.kind == Kind::List).ok_or_else(|| {
            let (kind, name) = (op.kind.name(), &op.name);
            ConfigError(format!("Can't {kind} to key {name} because its type is not LIST."))
        })?;
    let before = current.get(&op.name).map_or(key.default.unwrap_or(""), String::as_str);
    let mut elements: Vec<&str> =
        before.split(',').map(str::trim).filter(|element| !element.is_empty()).collect();
    for element in op.value.split(',') {
        let known = elements.iter().position(|known| *known == element);
        match (op.kind, known) {
            (OpKind::Append, None) => elements.push(element),
            (OpKind::Subtract, Some(at)) => drop(elements.remove(at)),
            _ => (),
        }
    }
    Ok(elements.join(","))
}
