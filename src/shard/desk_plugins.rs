//! Orders about plugins: install, bind, activate, roll back, remove; and looking at them.
//!
//! Owns: the two phases of an activation over all shards, the sentences of refusals.
//! Leaves to others: rules of names and bindings (`cluster`), one shard's part (`plugins`).
//! Invariant: a refused order changed nothing; `activate` answers after every shard has switched.
//! Start reading at: [`activate`].
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::cluster::{
    BindRequest, Binding as Bound, ConfigTarget, Image, PluginImage, PluginKind, PluginSeed,
    PluginVersion as RegisteredVersion, Refusal, Target, TopicImage,
};
use crate::config::{PluginRef, TopicSettings};
use crate::plugin::{Look, SlotState, dry_run};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::controller::{CommitError, Controller};
use crate::shard::desk::{
    ActivateReply, Binding, BindingMode, BindingPolicy, BindingSpec, BindingTarget, DeskAnswer,
    DeskError, DeskReply, DoneReply, PluginDetail, PluginInstall, PluginSummary, PluginVersion,
};
use crate::shard::desk_work::{refused, stopping};
use crate::shard::plugins::{Abandon, Prepare, Wanted, plugin_settings, wanted};
use crate::shard::trial::try_bindings;

fn controller(core: &Core) -> Result<Rc<Controller>, DeskError> {
    core.controller().ok_or_else(|| DeskError::not_ready("The broker is starting; try again."))
}

fn done(message: String) -> DeskAnswer {
    Ok(DeskReply::Done(DoneReply { message }))
}

fn unknown(name: &str) -> DeskError {
    DeskError::not_found(format!("{name} is not installed; `logmill plugin ls` shows what is."))
}

/// Inspects, compiles and keeps a component, then registers it. Nothing decides by it yet.
pub async fn install(core: &Rc<Core>, order: PluginInstall) -> DeskAnswer {
    let controller = controller(core)?;
    if !core.config.plugin_enabled {
        let text = "Plugins are switched off; set plugin.enabled=true and restart.";
        return Err(DeskError::bad_request(text));
    }
    let host = core.plugins.host();
    let host = host.ok_or_else(|| DeskError::not_ready("This broker runs without plugins."))?;
    let PluginInstall { name, version, bytes, who } = order;
    // Names first: a component that cannot be registered is not kept.
    let (named, of) = (name.clone(), version.clone());
    let size = bytes.len() as u64;
    let installed = core.env.long_work(move || host.install(&named, &of, &bytes)).await;
    let installed = installed.map_err(|error| DeskError::bad_request(error.to_string()))?;
    let kind = PluginKind::from_name(installed.info.kind.name());
    let kind = kind.ok_or_else(|| DeskError::internal("The component's kind has no name."))?;
    let seed = PluginSeed {
        name: name.clone(),
        version: version.clone(),
        kind,
        digest: installed.info.digest.to_string(),
        wit: installed.info.wit_version.to_string(),
        bytes: size,
        who: who.clone(),
    };
    let committed = controller.commit(|planner| planner.register_plugin(&seed).map(Some)).await;
    if let Err(error) = committed {
        forget_unused(core, &seed.digest).await;
        return Err(refused(error));
    }
    tracing::info!(plugin = name, version, digest = seed.digest, who, "plugin installed");
    Ok(DeskReply::Installed(PluginVersion {
        name,
        version,
        kind: kind.name().to_owned(),
        digest: seed.digest,
        bytes: size,
        wit: seed.wit,
        reads: installed.info.imports.clone(),
        compiled: true,
        compiled_ms: Some(installed.compile_ms),
        dry_run: Some(installed.dry_run),
        who,
        when_ms: core.env.wall_ms(),
        state: "registered".to_owned(),
    }))
}

/// Removes an artefact that no registered version names.
async fn forget_unused(core: &Rc<Core>, digest: &str) {
    let image = core.image();
    let mut versions = image.plugins().flat_map(|plugin| &plugin.versions);
    if versions.any(|version| version.digest == digest) {
        return;
    }
    let (Some(host), Ok(digest)) = (core.plugins.host(), digest.parse()) else { return };
    if let Err(error) = core.env.long_work(move || host.remove(digest)).await {
        tracing::warn!(%error, "an unused component stays on disk");
    }
}

/// Lets a version decide: prepared on every shard, then committed, then switched everywhere.
pub async fn activate(core: &Rc<Core>, name: &str, version: &str) -> DeskAnswer {
    let (controller, start) = (controller(core)?, core.env.now());
    let turn = controller.activations.enter();
    turn.called().await;
    let image = core.image();
    let plugin = image.plugin(name).ok_or_else(|| unknown(name))?;
    // The rules first: what is refused is not prepared.
    controller
        .planned(|planner| planner.activate_plugin(name, version))
        .map_err(|refusal| DeskError::bad_request(refusal.message))?;
    let known = plugin.version(version).ok_or_else(|| unknown(name))?;
    let next = Wanted::of(plugin, known, plugin.generation + 1);
    let prepared = prepare(core, &image, plugin, &next).await;
    let committed = match prepared {
        Ok(()) => {
            let generation = next.generation;
            let commit = controller.commit(|planner| {
                let command = planner.activate_plugin(name, version)?;
                match command {
                    crate::cluster::Command::ActivatePlugin { generation: found, .. }
                        if found != generation =>
                    {
                        let text = "somebody else activated it at the same time; try again";
                        Err(crate::cluster::Refusal::new(
                            crate::model::ErrorCode::InvalidRequest,
                            text,
                        ))
                    }
                    command => Ok(Some(command)),
                }
            });
            commit.await.map_err(refused)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = committed {
        core.ask_all(&Abandon(next)).await.map_err(|_| stopping())?;
        return Err(error);
    }
    tracing::info!(plugin = name, version, generation = next.generation, "plugin activated");
    Ok(DeskReply::Activated(ActivateReply {
        name: name.to_owned(),
        version: version.to_owned(),
        generation: next.generation,
        shards_ready: core.shards,
        shards: core.shards,
        elapsed_ms: (core.env.now().0 - start.0) / 1_000_000,
        before: plugin.active.clone(),
    }))
}

/// Tries the version with the settings of each binding that follows it; partitioners in use get
/// their instances on every shard.
async fn prepare(
    core: &Rc<Core>,
    image: &Image,
    plugin: &PluginImage,
    next: &Wanted,
) -> Result<(), DeskError> {
    let failed = |why: String| {
        let text = format!("{}@{} cannot decide: {why}.", next.name, next.version);
        DeskError::bad_request(text)
    };
    let live = core.plugins.load(&core.env, next).await.map_err(failed)?;
    let mut tried = BTreeSet::new();
    for bound in image.bindings_of(&plugin.name).filter(|bound| bound.plugin.pinned.is_none()) {
        let pairs = settings_of(core, image, bound);
        if !tried.insert(pairs.clone()) {
            continue;
        }
        let (settings, live) = (plugin_settings(&pairs), live.clone());
        let outcome = core.env.long_work(move || dry_run(&live, &settings)).await;
        outcome.map_err(|error| failed(format!("{error} (bound to {})", bound.target)))?;
    }
    if plugin.kind == PluginKind::Partitioner {
        let told = core.ask_all(&Prepare(next.clone())).await.map_err(|_| stopping())?;
        told.into_iter().try_for_each(|told| told.map(drop).map_err(failed))?;
    }
    Ok(())
}

/// The settings that a binding hands to its plugin.
fn settings_of(core: &Core, image: &Image, bound: &Bound) -> crate::config::PluginSettings {
    match &bound.target {
        Target::Group(group) => core.assignor_of(group).map(|b| b.settings).unwrap_or_default(),
        Target::Topic(name) => {
            let settings = image.topic(name).map(|topic| effective(core, image, topic));
            match (settings, bound.kind) {
                (Some(settings), PluginKind::Partitioner) => {
                    settings.partitioner.map(|b| b.settings).unwrap_or_default()
                }
                (Some(settings), PluginKind::CompactionPolicy) => {
                    settings.compaction.map(|b| b.settings).unwrap_or_default()
                }
                _ => Default::default(),
            }
        }
    }
}

fn effective(core: &Core, image: &Image, topic: &TopicImage) -> TopicSettings {
    let values = image.broker_values(&core.config.values, core.identity.node_id);
    TopicSettings::effective(&values, &topic.configs)
}

pub async fn rollback(core: &Rc<Core>, name: &str) -> DeskAnswer {
    let previous = {
        let image = core.image();
        let plugin = image.plugin(name).ok_or_else(|| unknown(name))?;
        plugin.previous.clone()
    };
    let Some(previous) = previous else {
        let text = format!("{name} has no previous version to go back to; activate one by name.");
        return Err(DeskError::conflict(text));
    };
    activate(core, name, &previous).await
}

/// Lets no version decide; what is bound to the plugin still needs one and refuses that.
pub async fn deactivate(core: &Rc<Core>, name: &str) -> DeskAnswer {
    let controller = controller(core)?;
    // Between the two phases of an activation nothing is taken away from under it.
    let turn = controller.activations.enter();
    turn.called().await;
    let image = core.image();
    let active = image.plugin(name).ok_or_else(|| unknown(name))?.active.clone();
    let commit = controller.commit(|planner| planner.deactivate_plugin(name).map(Some));
    commit.await.map_err(|error| DeskError::conflict(refused(error).message))?;
    tracing::info!(plugin = name, version = active, "plugin deactivated");
    done(format!("No version of {name} is active any more; {name} has no previous one either."))
}

pub async fn remove(core: &Rc<Core>, name: &str, version: &str) -> DeskAnswer {
    let controller = controller(core)?;
    let image = core.image();
    let plugin = image.plugin(name).ok_or_else(|| unknown(name))?;
    let known = plugin.version(version).cloned();
    let removed = controller.commit(|planner| planner.remove_plugin(name, version).map(Some));
    removed.await.map_err(|error| DeskError::conflict(refused(error).message))?;
    if let Some(known) = known {
        forget_unused(core, &known.digest).await;
    }
    core.metrics.forget_plugin(name, version, plugin.kind.name());
    done(format!("{name}@{version} is removed."))
}

pub async fn pause(core: &Rc<Core>, name: &str, paused: bool) -> DeskAnswer {
    let controller = controller(core)?;
    core.image().plugin(name).ok_or_else(|| unknown(name))?;
    let commit = controller.commit(|planner| planner.pause_plugin(name, paused).map(Some));
    commit.await.map_err(refused)?;
    done(if paused {
        format!("{name} is paused; what its bindings do without it follows their failure policy.")
    } else {
        format!("{name} decides again.")
    })
}

fn target(target: &BindingTarget) -> ConfigTarget<'_> {
    match target {
        BindingTarget::Topic(name) => ConfigTarget::Topic(name),
        BindingTarget::Group(name) => ConfigTarget::Group(name),
    }
}

/// Binds a plugin by writing the target's settings, after a dry run with these settings.
pub async fn bind(core: &Rc<Core>, spec: BindingSpec) -> DeskAnswer {
    let controller = controller(core)?;
    let plugin = PluginRef { name: spec.plugin.clone(), pinned: spec.pin.clone() };
    let pairs: Vec<(String, String)> =
        spec.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    core.image().plugin(&spec.plugin).ok_or_else(|| unknown(&spec.plugin))?;
    let request = BindRequest {
        plugin: plugin.clone(),
        target: target(&spec.target),
        mode: spec.mode.map(BindingMode::name),
        failure_policy: spec.policy.map(BindingPolicy::name),
        settings: &pairs,
    };
    let planned = controller.planned(|planner| planner.bind(&request));
    let refuse = |refusal: Refusal| refused(CommitError::Refused(refusal));
    if let Some(command) = planned.map_err(refuse)? {
        try_bindings(core, &command).await.map_err(refuse)?;
    }
    controller.commit(|planner| planner.bind(&request)).await.map_err(refused)?;
    let image = core.image();
    let states = states(core).await?;
    let bound = image.bindings_of(&spec.plugin).find(|bound| is_at(bound, &spec.target));
    let bound = bound.ok_or_else(|| DeskError::internal("The binding is gone again."))?;
    Ok(DeskReply::Bound(shown(core, &image, bound, &states)))
}

fn is_at(bound: &Bound, target: &BindingTarget) -> bool {
    match (&bound.target, target) {
        (Target::Topic(name), BindingTarget::Topic(asked)) => **name == **asked,
        (Target::Group(name), BindingTarget::Group(asked)) => **name == **asked,
        _ => false,
    }
}

pub async fn unbind(core: &Rc<Core>, plugin: &str, from: &BindingTarget) -> DeskAnswer {
    let controller = controller(core)?;
    let commit = controller.commit(|planner| planner.unbind(plugin, target(from)).map(Some));
    commit.await.map_err(refused)?;
    done(format!("{plugin} is not bound to {from} any more."))
}

/// What the plugins of one shard do.
#[derive(Clone)]
struct LookAtSlots;

impl Ask for LookAtSlots {
    type Told = Vec<SlotState>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        Box::pin(std::future::ready(core.plugins.states()))
    }
}

pub async fn states(core: &Rc<Core>) -> Result<Vec<SlotState>, DeskError> {
    let told = core.ask_all(&LookAtSlots).await.map_err(|_| stopping())?;
    Ok(told.into_iter().flatten().collect())
}

/// A binding with what its plugin does now; the first shard that has trouble names it.
fn shown(core: &Core, image: &Image, bound: &Bound, states: &[SlotState]) -> Binding {
    let target = match &bound.target {
        Target::Topic(name) => BindingTarget::Topic(name.to_string()),
        Target::Group(name) => BindingTarget::Group(name.to_string()),
    };
    let (mut mode, mut policy) = (None, None);
    match bound.kind {
        PluginKind::Partitioner => {
            policy = Some(BindingPolicy::Closed);
            if let Target::Topic(name) = &bound.target
                && let Some(topic) = image.topic(name)
            {
                let binding = effective(core, image, topic).partitioner;
                mode = binding.map(|binding| match binding.mode {
                    crate::config::PartitionerMode::Advise => BindingMode::Advise,
                    crate::config::PartitionerMode::Verify => BindingMode::Verify,
                });
            }
        }
        PluginKind::Assignor => {
            if let Target::Group(group) = &bound.target {
                policy = core.assignor_of(group).map(|binding| match binding.failure {
                    crate::config::AssignorFailure::Open => BindingPolicy::Open,
                    crate::config::AssignorFailure::Closed => BindingPolicy::Closed,
                });
            }
        }
        PluginKind::CompactionPolicy => {}
    }
    let spec = BindingSpec {
        plugin: bound.plugin.name.clone(),
        pin: bound.plugin.pinned.clone(),
        target,
        mode,
        policy,
        settings: settings_of(core, image, bound).iter().cloned().collect(),
    };
    let wanted = wanted(image, core.config.plugin_enabled, &bound.plugin);
    let state = match &wanted {
        Err(why) => format!("unready: {why}"),
        Ok(_) => {
            let here = states.iter().filter(|state| is_slot_of(state, bound));
            let trouble = here.map(|state| &state.state).find(|state| *state != "live");
            trouble.cloned().unwrap_or_else(|| "live".to_owned())
        }
    };
    let kind = bound.kind.name().to_owned();
    Binding { spec, kind, version: wanted.ok().map(|wanted| wanted.version), state }
}

fn is_slot_of(state: &SlotState, bound: &Bound) -> bool {
    let (Target::Topic(target) | Target::Group(target)) = &bound.target;
    *target == state.key.target && *state.key.plugin == *bound.plugin.name
}

pub async fn bindings(core: &Rc<Core>) -> DeskAnswer {
    let (image, states) = (core.image(), states(core).await?);
    let all = image.bindings().map(|bound| shown(core, &image, bound, &states));
    Ok(DeskReply::Bindings(all.collect()))
}

/// The bindings of one topic.
pub async fn bindings_of_topic(core: &Rc<Core>, topic: &str) -> Result<Vec<Binding>, DeskError> {
    let (image, states) = (core.image(), states(core).await?);
    let target = BindingTarget::Topic(topic.to_owned());
    let bound = image.bindings().filter(|bound| is_at(bound, &target));
    Ok(bound.map(|bound| shown(core, &image, bound, &states)).collect())
}

fn summary(image: &Image, plugin: &PluginImage) -> PluginSummary {
    PluginSummary {
        name: plugin.name.to_string(),
        kind: plugin.kind.name().to_owned(),
        active: plugin.active.clone(),
        previous: plugin.previous.clone(),
        versions: plugin.versions.iter().map(|version| version.version.clone()).collect(),
        generation: plugin.generation,
        paused: plugin.paused,
        bindings: image.bindings_of(&plugin.name).count() as u32,
    }
}

pub fn list(core: &Core) -> DeskAnswer {
    let image = core.image();
    Ok(DeskReply::Plugins(image.plugins().map(|plugin| summary(&image, plugin)).collect()))
}

/// What the files of each version tell, in their order.
async fn looks(core: &Rc<Core>, plugin: &PluginImage) -> Vec<Result<Look, String>> {
    let Some(host) = core.plugins.host() else {
        let without = |_| Err("this broker runs without plugins".to_owned());
        return plugin.versions.iter().map(without).collect();
    };
    let digests: Vec<String> = plugin.versions.iter().map(|v| v.digest.clone()).collect();
    let look = move |digest: &String| {
        let digest = digest.parse().map_err(|_| "its digest is damaged".to_owned())?;
        host.look(digest).map_err(|error| error.to_string())
    };
    core.env.long_work(move || digests.iter().map(look).collect()).await
}

fn known(
    plugin: &PluginImage,
    version: &RegisteredVersion,
    look: Result<Look, String>,
) -> PluginVersion {
    let is = |name: &Option<String>| name.as_ref() == Some(&version.version);
    let (state, look) = match look {
        Err(why) => (format!("unready: {why}"), None),
        Ok(look) if is(&plugin.active) => ("active".to_owned(), Some(look)),
        Ok(look) if is(&plugin.previous) => ("previous".to_owned(), Some(look)),
        Ok(look) => ("registered".to_owned(), Some(look)),
    };
    PluginVersion {
        name: plugin.name.to_string(),
        version: version.version.clone(),
        kind: plugin.kind.name().to_owned(),
        digest: version.digest.clone(),
        bytes: version.bytes,
        wit: version.wit.clone(),
        compiled: look.as_ref().is_some_and(|look| look.is_compiled),
        reads: look.map_or_else(Vec::new, |look| look.info.imports),
        compiled_ms: None,
        dry_run: None,
        who: version.who.clone(),
        when_ms: version.at_ms,
        state,
    }
}

pub async fn show(core: &Rc<Core>, name: &str) -> DeskAnswer {
    let (image, states) = (core.image(), states(core).await?);
    let plugin = image.plugin(name).ok_or_else(|| unknown(name))?;
    let looks = looks(core, plugin).await;
    let versions =
        plugin.versions.iter().zip(looks).map(|(version, look)| known(plugin, version, look));
    let bindings = image.bindings_of(name).map(|bound| shown(core, &image, bound, &states));
    Ok(DeskReply::Plugin(PluginDetail {
        summary: summary(&image, plugin),
        versions: versions.collect(),
        bindings: bindings.collect(),
    }))
}
