//! Trials: a plugin is tried with a binding's settings before that binding is committed.
//!
//! Owns: which bindings a command brings or changes, and the sentence when a plugin fails one.
//! Leaves to others: the rules of names and kinds (`cluster`), the trial itself (`plugin`).
//! Invariant: the same for the command line, HTTP and Kafka's protocol; nothing is changed here.
//! Start reading at: [`try_bindings`].
use std::rc::Rc;

use crate::cluster::{Command, Image, Refusal};
use crate::config::{GroupSettings, Overrides, PluginRef, PluginSettings, TopicSettings};
use crate::model::ErrorCode;
use crate::plugin::dry_run;
use crate::shard::Core;
use crate::shard::plugins::{plugin_settings, wanted};

/// A plugin and what it would be told.
type Bound = (PluginRef, PluginSettings);

/// Tries every binding that the command brings or changes.
///
/// A plugin that decides nothing now (paused, switched off) is not tried: its bindings follow
/// their failure policy until it does.
pub async fn try_bindings(core: &Rc<Core>, command: &Command) -> Result<(), Refusal> {
    let image = core.image();
    let (before, after) = bindings(core, &image, command);
    for (plugin, pairs) in after.into_iter().filter(|bound| !before.contains(bound)) {
        let Ok(wanted) = wanted(&image, core.config.plugin_enabled, &plugin) else { continue };
        let failed = |why: String| {
            let text = format!("{plugin} does not take these settings: {why}.");
            Refusal::new(ErrorCode::InvalidConfig, text)
        };
        let live = core.plugins.load(&core.env, &wanted).await.map_err(failed)?;
        let settings = plugin_settings(&pairs);
        let tried = core.env.long_work(move || dry_run(&live, &settings)).await;
        tried.map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// The bindings of the command's target, now and after it.
fn bindings(core: &Core, image: &Image, command: &Command) -> (Vec<Bound>, Vec<Bound>) {
    let values = image.broker_values(&core.config.values, core.identity.node_id);
    let of_topic = |configs: &Overrides| {
        let settings = TopicSettings::effective(&values, configs);
        let partitioner = settings.partitioner.map(|bound| (bound.plugin, bound.settings));
        let policy = settings.compaction.map(|bound| (bound.plugin, bound.settings));
        partitioner.into_iter().chain(policy).collect()
    };
    let of_group = |configs: &Overrides| {
        let assignor = GroupSettings::effective(&values, configs).assignor;
        assignor.map(|bound| (bound.plugin, bound.settings)).into_iter().collect()
    };
    match command {
        Command::CreateTopic(seed) => (Vec::new(), of_topic(&seed.configs)),
        Command::SetTopicConfigs { id, configs } => {
            let known = image.topic_by_id(*id).map(|topic| of_topic(&topic.configs));
            (known.unwrap_or_default(), of_topic(configs))
        }
        Command::SetGroupConfigs { group, configs } => {
            let known = image.group_configs(group).map(|configs| of_group(configs));
            (known.unwrap_or_default(), of_group(configs))
        }
        _ => (Vec::new(), Vec::new()),
    }
}
