//! Changing settings of topics, groups and brokers.
//!
//! Owns: IncrementalAlterConfigs, and AlterConfigs (which replaces all), as commands.
//! Source: `ConfigAdminManager` and `ControllerConfigurationValidator` of Apache Kafka; KIP-339.
use std::sync::Arc;

use super::{Planner, Refusal, topic_name_fault};
use crate::cluster::command::Command;
use crate::config::{
    AlterOp, BrokerValues, OpKind, Overrides, Runtime, Scope, alter, check_cordoned, check_group,
    check_topic, cordoned, find,
};
use crate::model::{ErrorCode, NodeId};

/// Whose settings change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigTarget<'a> {
    Topic(&'a str),
    Group(&'a str),
    /// The name is a node's id, or empty for all brokers.
    Broker(&'a str),
}

impl<'a> ConfigTarget<'a> {
    /// The resource of that type number in the protocol, when this version has settings for it.
    pub fn from_code(code: i8, name: &'a str) -> Option<Self> {
        match code {
            2 => Some(Self::Topic(name)),
            4 => Some(Self::Broker(name)),
            32 => Some(Self::Group(name)),
            _ => None,
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Topic(_) => Scope::Topic,
            Self::Group(_) => Scope::Group,
            Self::Broker(_) => Scope::Broker,
        }
    }
}

/// One change as it stands in the request: name, operation number, value.
pub type Change = (String, i8, Option<String>);

impl Planner<'_> {
    /// The command that changes some settings; `None` when they already are so.
    ///
    /// Errors: INVALID_REQUEST for a request that makes no sense, INVALID_CONFIG for settings that
    /// do not fit, and the target's own errors. Then nothing of this target changes.
    pub fn alter_configs(
        &self,
        target: ConfigTarget<'_>,
        changes: &[Change],
    ) -> Result<Option<Command>, Refusal> {
        let ops = read_changes(changes)?;
        let before = self.own_configs(target)?;
        let after = alter(target.scope(), &before, &ops)?;
        self.replaced(target, &before, after)
    }

    /// The command that replaces all of a target's settings (AlterConfigs, the older request).
    pub fn replace_configs(
        &self,
        target: ConfigTarget<'_>,
        configs: &[(String, Option<String>)],
    ) -> Result<Option<Command>, Refusal> {
        let set = configs.iter().map(|(name, value)| (name.clone(), 0, value.clone()));
        let ops = read_changes(&set.collect::<Vec<Change>>())?;
        let before = self.own_configs(target)?;
        let after = alter(target.scope(), &Overrides::new(), &ops)?;
        self.replaced(target, &before, after)
    }

    /// The target's own settings.
    fn own_configs(&self, target: ConfigTarget<'_>) -> Result<Overrides, Refusal> {
        let bad = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        match target {
            ConfigTarget::Topic("") => bad("Default topic resources are not allowed."),
            ConfigTarget::Topic(name) => {
                if let Some(fault) = topic_name_fault(name) {
                    return Err(Refusal::new(ErrorCode::InvalidTopicException, fault));
                }
                let missing = || {
                    let message = format!("The topic '{name}' does not exist.");
                    Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
                };
                Ok(Overrides::clone(&self.image.topic(name).ok_or_else(missing)?.configs))
            }
            ConfigTarget::Group("") => bad("Default group resources are not allowed."),
            ConfigTarget::Group(name) => Ok(self
                .image
                .group_configs(name)
                .map(|own| Overrides::clone(own))
                .unwrap_or_default()),
            ConfigTarget::Broker(name) => {
                Ok(Overrides::clone(&self.image.broker_configs(self.node_of(name)?)))
            }
        }
    }

    fn node_of(&self, name: &str) -> Result<Option<NodeId>, Refusal> {
        if name.is_empty() {
            return Ok(None);
        }
        let bad = |message| Refusal::new(ErrorCode::InvalidRequest, message);
        let node: i32 = name
            .parse()
            .map_err(|_| bad(format!("Node id must be an integer, but it is: {name}")))?;
        let own = self.config.node_id;
        if node != own.0 {
            return Err(bad(format!("Unexpected broker id, expected {own}, but received {name}")));
        }
        Ok(Some(own))
    }

    fn replaced(
        &self,
        target: ConfigTarget<'_>,
        before: &Overrides,
        after: Overrides,
    ) -> Result<Option<Command>, Refusal> {
        let command = match target {
            ConfigTarget::Topic(name) => {
                let settings = check_topic(&self.values, &after)?;
                self.check_topic_plugins(name, &settings)?;
                let id = self.image.topic(name).expect("found before").id;
                Command::SetTopicConfigs { id, configs: after.clone() }
            }
            ConfigTarget::Group(name) => {
                let settings = check_group(&self.values, &after)?;
                self.check_group_plugins(&settings)?;
                Command::SetGroupConfigs { group: name.to_owned(), configs: after.clone() }
            }
            ConfigTarget::Broker(name) => {
                let node = self.node_of(name)?;
                check_dynamic(node, &after)?;
                self.check_log_dirs(&after)?;
                Command::SetBrokerConfigs { node, configs: after.clone() }
            }
        };
        Ok((*before != after).then_some(command))
    }
}

impl Planner<'_> {
    /// `cordoned.log.dirs` names log directories only.
    fn check_log_dirs(&self, configs: &Overrides) -> Result<(), Refusal> {
        let values = BrokerValues::default().with_dynamic(Arc::default(), configs.clone().into());
        let checked = check_cordoned(&cordoned(&values), &self.config.log_dirs);
        checked.map_err(|error| Refusal::new(ErrorCode::InvalidRequest, error.0))
    }
}

fn read_changes(changes: &[Change]) -> Result<Vec<AlterOp>, Refusal> {
    let bad = |message| Refusal::new(ErrorCode::InvalidRequest, message);
    let twice = |(at, change): (usize, &Change)| changes[..at].iter().any(|c| c.0 == change.0);
    if changes.iter().enumerate().any(twice) {
        return Err(bad("Error due to duplicate config keys".to_owned()));
    }
    let kinds: Vec<Option<OpKind>> =
        changes.iter().map(|(_, code, _)| OpKind::from_code(*code)).collect();
    let nulls: Vec<&str> = changes
        .iter()
        .zip(&kinds)
        .filter(|((_, _, value), kind)| value.is_none() && **kind != Some(OpKind::Delete))
        .map(|((name, _, _), _)| name.as_str())
        .collect();
    if !nulls.is_empty() {
        return Err(bad(format!("Null value not supported for : {}", nulls.join(", "))));
    }
    let pairs = changes.iter().zip(kinds);
    pairs
        .map(|((name, code, value), kind)| {
            let kind = kind.ok_or_else(|| bad(format!("Unknown operations type {code}")))?;
            Ok(AlterOp { name: name.clone(), kind, value: value.clone().unwrap_or_default() })
        })
        .collect()
}

/// Checks what is to hold at run time for one broker, or for all.
fn check_dynamic(node: Option<NodeId>, configs: &Overrides) -> Result<(), Refusal> {
    let bad = |message| Refusal::new(ErrorCode::InvalidRequest, message);
    for (name, value) in configs {
        let key = find(Scope::Broker, name).ok_or_else(|| {
            let message = format!("Unknown broker config name: {name}");
            Refusal::new(ErrorCode::InvalidConfig, message)
        })?;
        if key.runtime == Runtime::Restart {
            return Err(bad(format!("Cannot update these configs dynamically: Set({name})")));
        }
        if key.runtime == Runtime::PerBroker && node.is_none() {
            return Err(bad(format!(
                "Cannot update these configs at default cluster level, broker configs must be \
                 specified: Set({name})"
            )));
        }
        key.parse(value).map_err(|error| bad(error.0))?;
    }
    Ok(())
}
