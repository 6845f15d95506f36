//! Plugins on a shard: which bindings the image asks for, and both phases of an activation here.
//!
//! Owns: following images: making bindings known, switching prepared versions, loading code for
//! bindings that have none yet.
//! Leaves to others: calling partitioners (`partitioners`), assignors (`assignors`), policies
//! (`compaction`), what a binding is (`cluster`), instances and limits (`plugin`).
//! Invariant: a version decides here only after an image said so; a start waits for no compile; a
//! topic whose binding changes is decided by the binding before until the new one is ready.
//! Start reading at: [`Plugins::follow`], then [`Prepare`].
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{Image, PluginImage, PluginKind, PluginVersion, Target};
use crate::config::{
    GroupSettings, PartitionerBinding, PartitionerMode, PluginRef, PluginSettings, TopicSettings,
};
use crate::env::Env;
use crate::plugin::{
    BindingKey, CallError, Digest, Host, Limits, Live, RunGuards, RunPassage, Settings,
    ShardPlugins, SlotState, settings,
};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::desk::BEING_LOADED;

/// How long a changed binding may take to be made ready while the one before still decides.
const CHANGE_MS_MAX: u64 = 10_000;

/// The plugins of one shard.
pub struct Plugins {
    /// Artefacts and native code; none in the simulator.
    host: Option<Arc<Host>>,
    residents: ShardPlugins,
    /// Breakers of assignors and policies, whose instances live for one run.
    runs: RunGuards,
    /// What the last image binds, by topic.
    known: RefCell<BTreeMap<Arc<str>, Known>>,
    /// Which binding decides, by topic: what is known, or what was until that is ready.
    deciding: RefCell<BTreeMap<Arc<str>, Bound>>,
}

/// A topic's partitioner: who is asked, and what becomes of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    pub key: BindingKey,
    pub plugin: PluginRef,
    pub mode: PartitionerMode,
}

impl Bound {
    fn new(topic: &Arc<str>, binding: &PartitionerBinding) -> Self {
        let PartitionerBinding { plugin, mode, settings } = binding;
        Self { key: key_of(topic, plugin, settings), plugin: plugin.clone(), mode: *mode }
    }
}

/// The partitioner that an image binds to a topic.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    bound: Bound,
    wanted: Result<Wanted, String>,
}

/// A version that should decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: Arc<str>,
    pub version: String,
    pub digest: String,
    pub generation: u64,
}

impl Wanted {
    pub fn of(plugin: &PluginImage, version: &PluginVersion, generation: u64) -> Self {
        let (version, digest) = (version.version.clone(), version.digest.clone());
        Self { name: plugin.name.clone(), version, digest, generation }
    }
}

/// The version that a reference means now, or a sentence why none decides.
pub fn wanted(image: &Image, enabled: bool, plugin: &PluginRef) -> Result<Wanted, String> {
    if !enabled {
        return Err("plugins are switched off by plugin.enabled".to_owned());
    }
    let found = image.plugin(&plugin.name).ok_or("it is not installed")?;
    if found.paused {
        return Err("it is paused".to_owned());
    }
    let version = image.version_for(plugin).ok_or("no version of it is active")?;
    // No activation changes what a pin means.
    let generation = if plugin.pinned.is_some() { 0 } else { found.generation };
    Ok(Wanted::of(found, version, generation))
}

impl Core {
    /// Counts that the failure policy answered in the plugin's place.
    pub fn count_fallback(&self, plugin: &PluginRef, kind: PluginKind) {
        let image = self.image();
        let version = image.version_for(plugin).map_or("none", |version| &version.version);
        self.metrics.plugin(&plugin.name, version, kind.name()).fallbacks_total.inc();
    }
}

/// A binding's settings as plugins get them.
pub fn plugin_settings(pairs: &PluginSettings) -> Settings {
    settings(pairs.iter().cloned())
}

fn key_of(target: &Arc<str>, plugin: &PluginRef, pairs: &PluginSettings) -> BindingKey {
    BindingKey {
        target: target.clone(),
        plugin: plugin.name.as_str().into(),
        pin: plugin.pinned.as_deref().map(Into::into),
        settings: plugin_settings(pairs),
    }
}

impl Plugins {
    pub fn new(env: &Env, host: Option<Arc<Host>>) -> Self {
        let residents = ShardPlugins::new(env, Limits::default());
        let (known, deciding) = Default::default();
        Self { host, residents, runs: RunGuards::new(env), known, deciding }
    }

    pub fn residents(&self) -> &ShardPlugins {
        &self.residents
    }

    /// The binding that decides for a topic; while a changed one is made ready, the one before.
    pub fn decider(&self, topic: &Arc<str>, binding: &PartitionerBinding) -> Bound {
        let deciding = self.deciding.borrow().get(topic).cloned();
        deciding.unwrap_or_else(|| Bound::new(topic, binding))
    }

    pub fn host(&self) -> Option<Arc<Host>> {
        self.host.clone()
    }

    /// Every binding that this shard has called or will call.
    pub fn states(&self) -> Vec<SlotState> {
        let mut states = self.residents.states();
        states.extend(self.runs.states());
        states
    }

    /// Lets one run of an assignor or a policy through, or says that it failed too often.
    pub fn enter_run(
        &self,
        target: &Arc<str>,
        plugin: &PluginRef,
        pairs: &PluginSettings,
        live: &Live,
    ) -> Result<RunPassage, CallError> {
        self.runs.enter(&key_of(target, plugin, pairs), live)
    }

    /// Loads a version on a worker.
    pub async fn load(&self, env: &Env, wanted: &Wanted) -> Result<Live, String> {
        let host = self.host.clone().ok_or("this broker runs without plugins")?;
        let wanted = wanted.clone();
        let loaded = env.long_work(move || {
            let digest: Digest = wanted.digest.parse().map_err(|_| "its digest is damaged")?;
            let live = host.live(&wanted.name, &wanted.version, digest, wanted.generation);
            live.map_err(|error| error.to_string())
        });
        loaded.await
    }

    /// Brings the plugins of this shard to what an image says. Switches prepared versions at
    /// once; loads the others in the background, while what decided before goes on.
    pub fn follow(&self, core: &Rc<Core>, image: &Image) {
        let (bound, runs) = bound_by(core, image);
        for plugin in image.plugins() {
            self.residents.commit(&plugin.name, plugin.generation);
        }
        self.runs.follow(runs);
        let before = std::mem::replace(&mut *self.known.borrow_mut(), bound.clone());
        for (topic, known) in &before {
            match bound.get(topic) {
                None => self.forget(topic, &known.bound.key),
                Some(now)
                    if now.bound.key != known.bound.key
                        && !self.is_deciding(topic, &known.bound.key) =>
                {
                    self.residents.unbind(&known.bound.key);
                }
                Some(_) => {}
            }
        }
        for (topic, known) in bound {
            if before.get(&topic) != Some(&known) {
                self.bind(core, &topic, known);
            }
        }
        self.leave_stopped(image, core.config.plugin_enabled);
    }

    /// What decides for a binding that changed, until the new one is ready, must still be allowed
    /// to: a pause or a removal ends that at once.
    fn leave_stopped(&self, image: &Image, enabled: bool) {
        let is_stopped = |bound: &Bound| wanted(image, enabled, &bound.plugin).is_err();
        let deciding = self.deciding.borrow();
        let stopped = deciding.iter().filter(|(_, bound)| is_stopped(bound));
        let topics: Vec<Arc<str>> = stopped.map(|(topic, _)| topic.clone()).collect();
        drop(deciding);
        for topic in topics {
            let now = self.known.borrow().get(&topic).map(|known| known.bound.clone());
            if let Some(now) = now {
                self.hand_over(&topic, &now);
            }
        }
    }

    /// A topic without a partitioner.
    fn forget(&self, topic: &Arc<str>, key: &BindingKey) {
        self.residents.unbind(key);
        if let Some(deciding) = self.deciding.borrow_mut().remove(topic) {
            self.residents.unbind(&deciding.key);
        }
    }

    fn is_deciding(&self, topic: &Arc<str>, key: &BindingKey) -> bool {
        self.deciding.borrow().get(topic).is_some_and(|bound| bound.key == *key)
    }

    /// From now on this binding decides, and the one before is forgotten.
    fn hand_over(&self, topic: &Arc<str>, bound: &Bound) {
        let before = self.deciding.borrow_mut().insert(topic.clone(), bound.clone());
        if let Some(before) = before.filter(|before| before.key != bound.key) {
            self.residents.unbind(&before.key);
        }
    }

    fn bind(&self, core: &Rc<Core>, topic: &Arc<str>, known: Known) {
        let Known { bound, wanted } = &known;
        let wanted = match wanted.clone() {
            Ok(wanted) => wanted,
            Err(why) => {
                self.residents.bind(bound.key.clone(), Err(why));
                return self.hand_over(topic, bound);
            }
        };
        // After a commit the slot decides by this generation already; nothing else changed then.
        if self.decides(&bound.key, &wanted) {
            return self.hand_over(topic, bound);
        }
        if self.is_deciding(topic, &bound.key) {
            // Another mode waits for no code.
            self.hand_over(topic, bound);
        }
        let before = self.deciding.borrow().get(topic).cloned();
        let before = before.and_then(|bound| self.residents.state(&bound.key));
        let is_guarded = before.as_ref().is_some_and(|state| state.version.is_some());
        // The one instance of a key makes way only when its successor is loaded.
        if before.is_none_or(|state| state.key != bound.key || !is_guarded) {
            let why = format!("{}@{} {BEING_LOADED}", wanted.name, wanted.version);
            self.residents.bind(bound.key.clone(), Err(why));
        }
        if !is_guarded {
            self.hand_over(topic, bound);
        }
        let (core, topic) = (core.clone(), topic.clone());
        core.env.clone().spawn(async move {
            core.plugins.make_ready(&core, &topic, &known, &wanted).await;
        });
    }

    /// Loads a version for a binding and lets it decide. What decided before goes on meanwhile,
    /// for [`CHANGE_MS_MAX`] at the longest.
    async fn make_ready(&self, core: &Rc<Core>, topic: &Arc<str>, known: &Known, wanted: &Wanted) {
        // What is bound may have changed while the code was loaded.
        let key = &known.bound.key;
        let is_wanted = || self.known.borrow().get(topic) == Some(known);
        let mut ready = std::pin::pin!(async {
            let live = self.load(&core.env, wanted).await;
            if is_wanted() {
                self.residents.bind(key.clone(), live);
                let before = self.deciding.borrow().get(topic).cloned();
                let before = before.filter(|before| before.key != *key);
                let state = before.and_then(|before| self.residents.state(&before.key));
                if state.is_some_and(|state| state.has_instance)
                    && let Err(error) = self.residents.warm(key).await
                {
                    let (plugin, version) = (&*wanted.name, wanted.version.as_str());
                    tracing::warn!(plugin, version, topic = &**topic, %error, "no instance yet");
                }
            }
        });
        let end = core.env.now().plus_ms(CHANGE_MS_MAX);
        let in_time = core.env.until(end, ready.as_mut()).await.is_some();
        if is_wanted() {
            self.hand_over(topic, &known.bound);
        }
        if !in_time {
            ready.await;
        }
    }

    fn decides(&self, key: &BindingKey, wanted: &Wanted) -> bool {
        self.residents.state(key).is_some_and(|state: SlotState| {
            state.generation == wanted.generation
                && state.digest.is_some_and(|digest| digest.to_string() == wanted.digest)
                && state.version.as_deref() == Some(wanted.version.as_str())
        })
    }
}

/// What an image binds: partitioners by topic, and the keys of assignors and policies.
fn bound_by(core: &Core, image: &Image) -> (BTreeMap<Arc<str>, Known>, BTreeSet<BindingKey>) {
    let enabled = core.config.plugin_enabled;
    let values = image.broker_values(&core.config.values, core.identity.node_id);
    let (mut bound, mut runs) = (BTreeMap::new(), BTreeSet::new());
    for binding in image.bindings() {
        match &binding.target {
            Target::Topic(name) => {
                let Some(topic) = image.topic(name) else { continue };
                let settings = TopicSettings::effective(&values, &topic.configs);
                if let Some(policy) = &settings.compaction {
                    runs.insert(key_of(&topic.name, &policy.plugin, &policy.settings));
                }
                let Some(partitioner) = settings.partitioner else { continue };
                let wanted = wanted(image, enabled, &partitioner.plugin);
                let partitioner = Bound::new(&topic.name, &partitioner);
                bound.insert(topic.name.clone(), Known { bound: partitioner, wanted });
            }
            Target::Group(group) => {
                let Some(configs) = image.group_configs(group) else { continue };
                if let Some(assignor) = GroupSettings::effective(&values, configs).assignor {
                    runs.insert(key_of(group, &assignor.plugin, &assignor.settings));
                }
            }
        }
    }
    (bound, runs)
}

/// First phase of an activation on one shard: instances for every binding in use.
#[derive(Clone)]
pub struct Prepare(pub Wanted);

impl Ask for Prepare {
    /// Instances made, or a sentence.
    type Told = Result<usize, String>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            let live = core.plugins.load(&core.env, &self.0).await?;
            let prepared = core.plugins.residents.prepare(live).await;
            prepared.map_err(|error: CallError| error.to_string())
        })
    }
}

/// Gives a prepared version up, on one shard.
#[derive(Clone)]
pub struct Abandon(pub Wanted);

impl Ask for Abandon {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.plugins.residents.abandon(&self.0.name, self.0.generation);
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Command, Entry, PluginSeed};
    use crate::sim::{Faults, MachineId, World};

    fn image_after(commands: Vec<Command>) -> Image {
        let entry = |(at, command)| Entry { index: at as u64 + 1, term: 1, at_ms: 0, command };
        let entries = commands.into_iter().enumerate().map(entry);
        entries.fold(Image::empty(), |image, entry| image.apply(&entry).unwrap())
    }

    fn binding(plugin: &str, settings: &[(&str, &str)]) -> Bound {
        let text = |text: &&str| (*text).to_owned();
        let settings = settings.iter().map(|(name, value)| (text(name), text(value)));
        let plugin = PluginRef { name: plugin.to_owned(), pinned: None };
        let mode = PartitionerMode::Verify;
        let settings = PluginSettings::from_iter(settings);
        Bound::new(&"flights".into(), &PartitionerBinding { plugin, mode, settings })
    }

    /// It decided until the plugin of the changed binding is ready, which takes long.
    #[test]
    fn a_paused_plugin_stops_deciding_for_a_binding_that_changed() {
        let (name, version) = ("before".to_owned(), "1".to_owned());
        let seed = PluginSeed {
            name: name.clone(),
            version: version.clone(),
            kind: PluginKind::Partitioner,
            digest: "00".repeat(32),
            wit: "0.1.0-dev".into(),
            bytes: 1,
            who: "test".into(),
        };
        let mut commands = vec![
            Command::RegisterPluginVersion(seed),
            Command::ActivatePlugin { name: name.clone(), version, generation: 1 },
        ];
        let active = image_after(commands.clone());
        commands.push(Command::PausePlugin { name, paused: true });
        let paused = image_after(commands);

        let world = World::new(1, Faults::NONE);
        let shards = world.boot(MachineId::FIRST, 1);
        let plugins = Plugins::new(&shards[0].env(), None);
        let (before, now) = (binding("before", &[]), binding("now", &[("a", "b")]));
        let topic: Arc<str> = "flights".into();
        plugins.hand_over(&topic, &before);
        let wanted = Err("it is being loaded".to_owned());
        plugins.known.borrow_mut().insert(topic.clone(), Known { bound: now.clone(), wanted });
        let decides = |key: &Bound| plugins.is_deciding(&topic, &key.key);
        plugins.leave_stopped(&active, true);
        assert!(decides(&before));
        plugins.leave_stopped(&paused, true);
        assert!(decides(&now));
        plugins.hand_over(&topic, &before);
        plugins.leave_stopped(&active, false);
        assert!(decides(&now), "plugins are switched off");
    }
}
