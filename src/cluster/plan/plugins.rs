//! Plugins: installing, activating, rolling back, removing, binding.
//!
//! Owns: the rules between versions, activations and bindings, each refusal with what to do.
//! Leaves to others: whether a component is any good and compiles (`plugin`), which comes first.
//! Invariant: what topics and groups name is installed; what is bound or active is not removed.
use super::{Change, ConfigTarget, Planner, Refusal, topic_name_fault};
use crate::cluster::command::{Command, PluginKind, PluginSeed};
use crate::cluster::image::{Binding, PluginImage, is_internal_name};
use crate::config::{
    GroupSettings, PluginRef, TopicSettings, find, group_keys, is_plugin_name, is_plugin_version,
    render_plugin_settings, topic_keys,
};
use crate::config::{Key, Rule, Scope};
use crate::model::ErrorCode;

/// Names of the assignors that every broker has.
const BUILT_IN: &[&str] = &["uniform", "range"];

/// A binding as it is asked for; what is `None` gets its setting's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindRequest<'a> {
    pub plugin: PluginRef,
    pub target: ConfigTarget<'a>,
    /// Partitioners: `advise` or `verify`.
    pub mode: Option<&'a str>,
    /// What happens when the plugin cannot answer.
    pub failure_policy: Option<&'a str>,
    pub settings: &'a [(String, String)],
}

/// The settings of a target that make a binding of one kind.
struct BindKeys {
    plugin: Key,
    settings: Key,
    mode: Option<Key>,
    failure: Option<Key>,
}

impl PluginKind {
    fn keys(self) -> BindKeys {
        match self {
            Self::Partitioner => BindKeys {
                plugin: topic_keys::PARTITIONER_PLUGIN,
                settings: topic_keys::PARTITIONER_SETTINGS,
                mode: Some(topic_keys::PARTITIONER_MODE),
                failure: Some(topic_keys::PARTITIONER_FAILURE_POLICY),
            },
            Self::CompactionPolicy => BindKeys {
                plugin: topic_keys::COMPACTION_POLICY_PLUGIN,
                settings: topic_keys::COMPACTION_POLICY_SETTINGS,
                mode: None,
                failure: None,
            },
            Self::Assignor => BindKeys {
                plugin: group_keys::ASSIGNOR_PLUGIN,
                settings: group_keys::ASSIGNOR_SETTINGS,
                mode: None,
                failure: Some(group_keys::ASSIGNOR_FAILURE_POLICY),
            },
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Partitioner => "a partitioner",
            Self::CompactionPolicy => "a compaction policy",
            Self::Assignor => "an assignor",
        }
    }
}

fn refused(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidConfig, message)
}

impl Planner<'_> {
    /// The command that registers a version whose component is safe in the data directory.
    pub fn register_plugin(&self, seed: &PluginSeed) -> Result<Command, Refusal> {
        let (name, version) = (&seed.name, &seed.version);
        if !is_plugin_name(name) {
            return Err(refused(format!(
                "'{name}' is no name for a plugin: use lower case letters, digits and dashes, a \
                 letter first, at most 64."
            )));
        }
        if !is_plugin_version(version) {
            return Err(refused(format!(
                "'{version}' is no version: use letters, digits, dots, dashes, underscores or \
                 plus signs, at most 32."
            )));
        }
        if BUILT_IN.contains(&name.as_str()) {
            return Err(refused(format!(
                "{name} is the name of a built-in assignor; choose another name."
            )));
        }
        let allowed = &self.config.plugin_allow;
        if !allowed.is_empty() && !allowed.contains(&seed.digest) {
            return Err(refused(format!(
                "The component's digest {} is not in plugin.allow; add it there and restart.",
                seed.digest
            )));
        }
        match self.image.plugin(name) {
            Some(known) if known.kind != seed.kind => Err(refused(format!(
                "{name} is {}, and this component is {}; choose another name.",
                known.kind.word(),
                seed.kind.word()
            ))),
            Some(known) if known.version(version).is_some() => Err(refused(format!(
                "{name}@{version} is already installed, and a version never changes; choose \
                 another version."
            ))),
            _ => Ok(Command::RegisterPluginVersion(seed.clone())),
        }
    }

    /// The command that lets a version decide.
    pub fn activate_plugin(&self, name: &str, version: &str) -> Result<Command, Refusal> {
        let plugin = self.installed(name)?;
        check_version(plugin, version)?;
        let generation = plugin.generation + 1;
        let (name, version) = (name.to_owned(), version.to_owned());
        Ok(Command::ActivatePlugin { name, version, generation })
    }

    /// The command that lets the version before decide again.
    pub fn rollback_plugin(&self, name: &str) -> Result<Command, Refusal> {
        let plugin = self.installed(name)?;
        let previous = plugin.previous.as_deref().ok_or_else(|| {
            refused(format!("{name} has no previous version to go back to; activate one by name."))
        })?;
        self.activate_plugin(name, previous)
    }

    /// The command after which no version decides; only for a plugin that nothing follows.
    pub fn deactivate_plugin(&self, name: &str) -> Result<Command, Refusal> {
        let plugin = self.installed(name)?;
        if plugin.active.is_none() {
            return Err(refused(format!("No version of {name} is active.")));
        }
        let follows = |binding: &&Binding| binding.plugin.pinned.is_none();
        if let Some(binding) = self.image.bindings_of(&plugin.name).find(follows) {
            return Err(refused(format!(
                "{name} is bound to {}; take it off first (`logmill plugin unbind`), or pause it.",
                binding.target
            )));
        }
        Ok(Command::DeactivatePlugin { name: name.to_owned() })
    }

    /// The command that pauses or resumes a plugin; its bindings follow their failure policy.
    pub fn pause_plugin(&self, name: &str, paused: bool) -> Result<Command, Refusal> {
        self.installed(name)?;
        Ok(Command::PausePlugin { name: name.to_owned(), paused })
    }

    /// The command that removes a version that nothing uses.
    pub fn remove_plugin(&self, name: &str, version: &str) -> Result<Command, Refusal> {
        let plugin = self.installed(name)?;
        if plugin.version(version).is_none() {
            return Err(refused(format!("{name}@{version} is not installed.")));
        }
        if let Some(state) = self.image.plugin_use(plugin, version) {
            return Err(refused(format!(
                "{name}@{version} is {state}; activate another version, or unbind {name} and \
                 deactivate it (`logmill plugin deactivate {name}`), before you remove it."
            )));
        }
        Ok(Command::RemovePluginVersion { name: name.to_owned(), version: version.to_owned() })
    }

    /// The command that binds a plugin, by the target's settings; `None` when it is so already.
    pub fn bind(&self, request: &BindRequest<'_>) -> Result<Option<Command>, Refusal> {
        let plugin = self.installed(&request.plugin.name)?;
        let kind = plugin.kind;
        self.check_target(kind, request.target)?;
        if let Some(pinned) = &request.plugin.pinned {
            check_version(plugin, pinned)?;
        }
        let keys = kind.keys();
        let mut changes: Vec<Change> = Vec::new();
        set(&mut changes, &keys.plugin, Some(&request.plugin.to_string()));
        let settings = render_plugin_settings(request.settings);
        set(&mut changes, &keys.settings, Some(settings.as_str()).filter(|s| !s.is_empty()));
        for (key, word, what) in [
            (&keys.mode, request.mode, "mode"),
            (&keys.failure, request.failure_policy, "failure policy"),
        ] {
            match (key, word) {
                (Some(Key { rule: Rule::OneOf(words), .. }), Some(word))
                    if !words.contains(&word) =>
                {
                    let (kind, words) = (capital(kind.word()), words.join(" or "));
                    return Err(refused(format!("{kind} takes the {what} {words}, not {word}.")));
                }
                (Some(key), word) => set(&mut changes, key, word),
                (None, None) => (),
                (None, Some(_)) => {
                    let kind = kind.word();
                    return Err(refused(format!("The binding of {kind} has no {what} to choose.")));
                }
            }
        }
        self.alter_configs(request.target, &changes)
    }

    /// The command that takes a plugin off a target.
    pub fn unbind(&self, plugin: &str, target: ConfigTarget<'_>) -> Result<Command, Refusal> {
        let is_it = |binding: &&Binding| match (&binding.target, target) {
            (super::super::Target::Topic(name), ConfigTarget::Topic(asked)) => **name == *asked,
            (super::super::Target::Group(name), ConfigTarget::Group(asked)) => **name == *asked,
            _ => false,
        };
        let binding = self.image.bindings_of(plugin).find(is_it).ok_or_else(|| {
            refused(format!(
                "{plugin} is not bound there; `logmill plugin bindings` lists what is bound."
            ))
        })?;
        let keys = binding.kind.keys();
        let mut changes: Vec<Change> = Vec::new();
        for key in [Some(keys.plugin), Some(keys.settings), keys.mode, keys.failure] {
            key.iter().for_each(|key| set(&mut changes, key, None));
        }
        let command = self.alter_configs(target, &changes)?;
        Ok(command.expect("the binding's settings were there and are not any more"))
    }

    fn installed(&self, name: &str) -> Result<&PluginImage, Refusal> {
        let plugin = self.image.plugin(name).ok_or_else(|| {
            refused(format!(
                "There is no plugin {name}; install it first (`logmill plugin install`)."
            ))
        })?;
        Ok(plugin.as_ref())
    }

    fn check_target(&self, kind: PluginKind, target: ConfigTarget<'_>) -> Result<(), Refusal> {
        let fits = match target {
            ConfigTarget::Topic(_) => kind != PluginKind::Assignor,
            ConfigTarget::Group(_) => kind == PluginKind::Assignor,
            ConfigTarget::Broker(_) => false,
        };
        if fits {
            return match target {
                ConfigTarget::Topic(name) => self.check_topic(name),
                _ => Ok(()),
            };
        }
        let place = if kind == PluginKind::Assignor { "a group" } else { "a topic" };
        Err(refused(format!("{} can be bound to {place} only.", capital(kind.word()))))
    }

    fn check_topic(&self, name: &str) -> Result<(), Refusal> {
        if self.image.topic(name).is_some() || topic_name_fault(name).is_some() {
            return Ok(());
        }
        let text = format!(
            "There is no topic {name}; create it first (`logmill topic create {name} --partitions \
             NUMBER`)."
        );
        Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, text))
    }

    /// Checks the plugins that a topic's new settings name.
    pub(super) fn check_topic_plugins(
        &self,
        topic: &str,
        settings: &TopicSettings,
    ) -> Result<(), Refusal> {
        if let Some(binding) = &settings.partitioner {
            let key = &topic_keys::PARTITIONER_PLUGIN;
            if is_internal_name(topic) {
                let why = "the broker's own topics take no partitioner";
                return Err(unfit(key, &binding.plugin, why));
            }
            self.check_named(key, &binding.plugin, PluginKind::Partitioner)?;
        }
        if let Some(binding) = &settings.compaction {
            let key = &topic_keys::COMPACTION_POLICY_PLUGIN;
            if is_internal_name(topic) {
                let why = "the broker's own topics take no compaction policy";
                return Err(unfit(key, &binding.plugin, why));
            }
            self.check_named(key, &binding.plugin, PluginKind::CompactionPolicy)?;
        }
        Ok(())
    }

    /// Checks the plugins that a group's new settings name.
    pub(super) fn check_group_plugins(&self, settings: &GroupSettings) -> Result<(), Refusal> {
        match &settings.assignor {
            None => Ok(()),
            Some(binding) => {
                let key = &group_keys::ASSIGNOR_PLUGIN;
                self.check_named(key, &binding.plugin, PluginKind::Assignor)
            }
        }
    }

    fn check_named(&self, key: &Key, named: &PluginRef, kind: PluginKind) -> Result<(), Refusal> {
        let name = &named.name;
        let Some(plugin) = self.image.plugin(name) else {
            let why = match BUILT_IN.contains(&name.as_str()) {
                true => "built-in assignors are chosen by the clients; no setting is needed",
                false => "there is no such plugin; install it first (`logmill plugin install`)",
            };
            return Err(unfit(key, named, why));
        };
        if plugin.kind != kind {
            let why = format!("it is {}, and {} is needed", plugin.kind.word(), kind.word());
            return Err(unfit(key, named, &why));
        }
        match &named.pinned {
            Some(version) if plugin.version(version).is_none() => {
                let why = format!("version {version} is not installed");
                Err(unfit(key, named, &why))
            }
            None if plugin.active.is_none() => {
                let why = format!(
                    "no version of it is active; activate one (`logmill plugin activate \
                     {name}@VERSION`) or name a version here"
                );
                Err(unfit(key, named, &why))
            }
            _ => Ok(()),
        }
    }
}

fn check_version(plugin: &PluginImage, version: &str) -> Result<(), Refusal> {
    if plugin.version(version).is_some() {
        return Ok(());
    }
    let versions: Vec<&str> = plugin.versions.iter().map(|v| v.version.as_str()).collect();
    Err(refused(format!(
        "{name}@{version} is not installed; {name} has the versions {}.",
        versions.join(", "),
        name = plugin.name,
    )))
}

fn set(changes: &mut Vec<Change>, key: &Key, value: Option<&str>) {
    debug_assert!(find(Scope::Topic, key.name).or(find(Scope::Group, key.name)).is_some());
    let code = if value.is_some() { 0 } else { 1 };
    changes.push((key.name.to_owned(), code, value.map(str::to_owned)));
}

fn unfit(key: &Key, named: &PluginRef, why: &str) -> Refusal {
    refused(format!("Invalid value {named} for configuration {}: {why}", key.name))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
