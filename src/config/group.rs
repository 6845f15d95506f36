//! What holds for a consumer group.
//!
//! Owns: [`GroupSettings`], and the checks of a group's settings against the broker's limits.
//! Leaves to others: whether a bound assignor exists (`cluster`).
//! Source: error texts as `GroupConfig` of Apache Kafka gives them.
use super::key::{ConfigError, Key, Scope};
use super::plugin_settings::{PluginRef, PluginSettings, parse_plugin_ref, parse_plugin_settings};
use super::table::{self, broker as limits, group as keys};
use super::values::{BrokerValues, Overrides};

/// What happens when an assignor cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignorFailure {
    /// The built-in uniform assignor decides.
    Open,
    /// The last valid assignment stays.
    Closed,
}

/// The assignor of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignorBinding {
    pub plugin: PluginRef,
    pub settings: PluginSettings,
    pub failure: AssignorFailure,
}

/// Everything that holds for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    pub consumer_session_timeout_ms: i64,
    pub consumer_heartbeat_interval_ms: i64,
    pub consumer_assignment_interval_ms: i64,
    pub assignor: Option<AssignorBinding>,
}

impl GroupSettings {
    /// What holds under `overrides`; stored text that no longer fits counts as not set.
    pub fn effective(broker: &BrokerValues, overrides: &Overrides) -> Self {
        let number = |key| broker.effective(key, overrides).number();
        Self {
            consumer_session_timeout_ms: number(&keys::CONSUMER_SESSION_TIMEOUT_MS),
            consumer_heartbeat_interval_ms: number(&keys::CONSUMER_HEARTBEAT_INTERVAL_MS),
            consumer_assignment_interval_ms: number(&keys::CONSUMER_ASSIGNMENT_INTERVAL_MS),
            assignor: assignor(broker, overrides),
        }
    }
}

fn assignor(broker: &BrokerValues, overrides: &Overrides) -> Option<AssignorBinding> {
    let value = |key| broker.effective(key, overrides).words();
    let plugin = parse_plugin_ref(&value(&keys::ASSIGNOR_PLUGIN)).ok()?;
    let failure = match value(&keys::ASSIGNOR_FAILURE_POLICY).as_str() {
        "closed" => AssignorFailure::Closed,
        _ => AssignorFailure::Open,
    };
    let settings = parse_plugin_settings(&value(&keys::ASSIGNOR_SETTINGS)).unwrap_or_default();
    Some(AssignorBinding { plugin, settings, failure })
}

/// Checks a group's own settings and says what then holds.
///
/// Errors: INVALID_CONFIG is the answer; the sentence is Kafka's where Kafka has one.
pub fn check_group(
    broker: &BrokerValues,
    overrides: &Overrides,
) -> Result<GroupSettings, ConfigError> {
    for name in overrides.keys() {
        if table::find(Scope::Group, name).is_none() {
            return Err(ConfigError(format!("Unknown group config name: {name}")));
        }
    }
    for (name, value) in overrides {
        table::find(Scope::Group, name).expect("checked above").parse(value)?;
    }
    check_limits(broker, overrides)?;
    let settings = GroupSettings::effective(broker, overrides);
    if settings.consumer_session_timeout_ms <= settings.consumer_heartbeat_interval_ms {
        return Err(ConfigError(format!(
            "{} must be greater than {}",
            keys::CONSUMER_SESSION_TIMEOUT_MS.name,
            keys::CONSUMER_HEARTBEAT_INTERVAL_MS.name
        )));
    }
    Ok(settings)
}

/// A group's setting with the broker settings that bound it.
const LIMITS: &[(Key, Key, Key)] = &[
    (
        keys::CONSUMER_HEARTBEAT_INTERVAL_MS,
        limits::CONSUMER_HEARTBEAT_MIN_MS,
        limits::CONSUMER_HEARTBEAT_MAX_MS,
    ),
    (
        keys::CONSUMER_SESSION_TIMEOUT_MS,
        limits::CONSUMER_SESSION_MIN_MS,
        limits::CONSUMER_SESSION_MAX_MS,
    ),
    (
        keys::CONSUMER_ASSIGNMENT_INTERVAL_MS,
        limits::CONSUMER_ASSIGNMENT_MIN_MS,
        limits::CONSUMER_ASSIGNMENT_MAX_MS,
    ),
];

fn check_limits(broker: &BrokerValues, overrides: &Overrides) -> Result<(), ConfigError> {
    for (key, least, most) in LIMITS.iter().filter(|row| overrides.contains_key(row.0.name)) {
        let value = broker.effective(key, overrides).number();
        let (key, least_name, most_name) = (key.name, least.name, most.name);
        if value < broker.value(least).number() {
            let text = format!("{key} must be greater than or equal to {least_name}");
            return Err(ConfigError(text));
        }
        if broker.value(most).number() < value {
            let text = format!("{key} must be less than or equal to {most_name}");
            return Err(ConfigError(text));
        }
    }
    Ok(())
}
