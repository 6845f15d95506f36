//! What follows from topics and groups: bindings of plugins, load of shards, forms of names.
//!
//! Owns: deriving them from settings and partitions; nothing here is stored.
//! Invariant: a binding exists exactly when its target's settings name the plugin.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::command::PluginKind;
use super::image::{Binding, PartitionImage};
use super::ordered::Ordered;
use crate::config::{self, Overrides, PluginRef, parse_plugin_ref};
use crate::model::{DirectoryId, ShardId};

/// The plugins that a topic's own settings name.
pub fn topic_plugins(configs: &Overrides) -> Vec<(PluginKind, PluginRef)> {
    let rows = [
        (PluginKind::Partitioner, config::topic_keys::PARTITIONER_PLUGIN.name),
        (PluginKind::CompactionPolicy, config::topic_keys::COMPACTION_POLICY_PLUGIN.name),
    ];
    rows.into_iter().filter_map(|(kind, name)| Some((kind, named(configs, name)?))).collect()
}

/// The plugins that a group's own settings name.
pub fn group_plugins(configs: &Overrides) -> Vec<(PluginKind, PluginRef)> {
    let plugin = named(configs, config::group_keys::ASSIGNOR_PLUGIN.name);
    plugin.map(|plugin| (PluginKind::Assignor, plugin)).into_iter().collect()
}

fn named(configs: &Overrides, key: &str) -> Option<PluginRef> {
    parse_plugin_ref(configs.get(key)?.trim()).ok()
}

/// The name with '_' for '.', when it holds one of them: names of one form collide in metrics.
pub fn collision_form(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

pub fn bind(bindings: &mut Ordered<Arc<str>, Arc<BTreeSet<Binding>>>, binding: Binding) {
    let mut of_plugin = bindings.get(binding.plugin.name.as_str()).cloned().unwrap_or_default();
    let name: Arc<str> = binding.plugin.name.as_str().into();
    Arc::make_mut(&mut of_plugin).insert(binding);
    bindings.insert(name, of_plugin);
}

pub fn unbind(bindings: &mut Ordered<Arc<str>, Arc<BTreeSet<Binding>>>, binding: &Binding) {
    let name = binding.plugin.name.as_str();
    let Some(mut of_plugin) = bindings.remove(name) else { return };
    Arc::make_mut(&mut of_plugin).remove(binding);
    if !of_plugin.is_empty() {
        bindings.insert(name.into(), of_plugin);
    }
}

/// Counts partitions of a shard up or down.
pub fn count(load: &mut Arc<Vec<u32>>, shard: ShardId, by: i32) {
    let load = Arc::make_mut(load);
    let at = usize::from(shard.0);
    if load.len() <= at {
        load.resize(at + 1, 0);
    }
    load[at] = load[at].checked_add_signed(by).expect("what is taken away was counted before");
    while load.last() == Some(&0) {
        load.pop();
    }
}

/// Counts partitions of log directories up or down.
pub fn count_dirs(
    load: &mut Arc<BTreeMap<DirectoryId, u32>>,
    partitions: &[PartitionImage],
    by: i32,
) {
    let known = partitions.iter().flat_map(|partition| partition.directories.iter());
    for directory in known.filter(|directory| !directory.is_zero()) {
        let load = Arc::make_mut(load);
        let count = load.entry(*directory).or_default();
        *count = count.checked_add_signed(by).expect("what is taken away was counted before");
        if *count == 0 {
            load.remove(directory);
        }
    }
}
