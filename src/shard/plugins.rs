//! Plugins on a shard: which bindings the image asks for, and both phases of an activation here.
//!
//! Owns: following images: making bindings known, switching prepared versions, loading code for
//! bindings that have none yet.
//! Leaves to others: calling partitioners (`partitioners`), assignors (`assignors`), policies
//! (`compaction`), what a binding is (`cluster`), instances and limits (`plugin`).
//! Invariant: a version decides here only after an image said so; a start waits for no compile.
//! Start reading at: [`Plugins::follow`], then [`Prepare`].
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{Image, PluginImage, PluginKind, PluginVersion, Target};
use crate::config::{PartitionerBinding, PluginRef, PluginSettings, TopicSettings};
use crate::env::Env;
use crate::plugin::{
    BindingKey, CallError, Digest, Host, Limits, Live, Settings, ShardPlugins, SlotState, settings,
};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};

/// The plugins of one shard.
pub struct Plugins {
    /// Artefacts and native code; none in the simulator.
    host: Option<Arc<Host>>,
    residents: ShardPlugins,
    known: RefCell<BTreeMap<BindingKey, Known>>,
}

/// What a binding was last told.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    settings: PluginSettings,
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
    Ok(Wanted::of(found, version, found.generation))
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

fn key_of(topic: &Arc<str>, binding: &PartitionerBinding) -> BindingKey {
    BindingKey {
        target: topic.clone(),
        plugin: binding.plugin.name.as_str().into(),
        pin: binding.plugin.pinned.as_deref().map(Into::into),
    }
}

impl Plugins {
    pub fn new(env: &Env, host: Option<Arc<Host>>) -> Self {
        let residents = ShardPlugins::new(env, Limits::default());
        Self { host, residents, known: RefCell::default() }
    }

    pub fn residents(&self) -> &ShardPlugins {
        &self.residents
    }

    /// The key under which a topic's partitioner is called.
    pub fn key(&self, topic: &Arc<str>, binding: &PartitionerBinding) -> BindingKey {
        key_of(topic, binding)
    }

    pub fn host(&self) -> Option<Arc<Host>> {
        self.host.clone()
    }

    /// Loads a version on a worker.
    pub async fn load(&self, env: &Env, wanted: &Wanted) -> Result<Live, String> {
        let host = self.host.clone().ok_or("this broker runs without plugins")?;
        let wanted = wanted.clone();
        let loaded = env.work(move || {
            let digest: Digest = wanted.digest.parse().map_err(|_| "its digest is damaged")?;
            let live = host.live(&wanted.name, &wanted.version, digest, wanted.generation);
            live.map_err(|error| error.to_string())
        });
        loaded.await
    }

    /// Brings the partitioners of this shard to what an image says. Switches prepared versions at
    /// once; loads the others in the background.
    pub fn follow(&self, core: &Rc<Core>, image: &Image) {
        let enabled = core.config.plugin_enabled;
        let values = image.broker_values(&core.config.values, core.identity.node_id);
        let mut bound = BTreeMap::new();
        for binding in image.bindings() {
            let Target::Topic(name) = &binding.target else { continue };
            let Some(topic) = image.topic(name) else { continue };
            let settings = TopicSettings::effective(&values, &topic.configs);
            let Some(partitioner) = settings.partitioner else { continue };
            let wanted = wanted(image, enabled, &partitioner.plugin);
            let known = Known { settings: partitioner.settings.clone(), wanted };
            bound.insert(key_of(&topic.name, &partitioner), known);
        }
        for plugin in image.plugins() {
            self.residents.commit(&plugin.name, plugin.generation);
        }
        let before = std::mem::replace(&mut *self.known.borrow_mut(), bound.clone());
        for key in before.keys().filter(|key| !bound.contains_key(key)) {
            self.residents.unbind(key);
        }
        for (key, known) in bound {
            if before.get(&key) != Some(&known) {
                self.bind(core, key, known);
            }
        }
    }

    fn bind(&self, core: &Rc<Core>, key: BindingKey, known: Known) {
        let settings = plugin_settings(&known.settings);
        let wanted = match known.wanted.clone() {
            Ok(wanted) => wanted,
            Err(why) => return self.residents.bind(key, settings, Err(why)),
        };
        // After a commit the slot decides by this generation already; nothing else changed then.
        if self.decides(&key, &wanted, &settings) {
            return;
        }
        let why = format!("{}@{} is being loaded", wanted.name, wanted.version);
        self.residents.bind(key.clone(), settings.clone(), Err(why));
        let core = core.clone();
        core.env.clone().spawn(async move {
            let live = core.plugins.load(&core.env, &wanted).await;
            // What was bound may have changed while the code was loaded.
            if core.plugins.known.borrow().get(&key) == Some(&known) {
                core.plugins.residents.bind(key, settings, live);
            }
        });
    }

    fn decides(&self, key: &BindingKey, wanted: &Wanted, settings: &Settings) -> bool {
        self.residents.state(key).is_some_and(|state: SlotState| {
            state.generation == wanted.generation
                && state.version.as_deref() == Some(wanted.version.as_str())
                && state.settings == *settings
        })
    }
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
