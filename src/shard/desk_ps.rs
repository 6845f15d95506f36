//! `plugin ps`: what every plugin does right now, over all shards.
//!
//! Owns: summing slots and metrics into a row. Leaves to others: counting (`plugin`, `observe`).
use std::rc::Rc;

use crate::cluster::{Image, PluginImage, Target};
use crate::plugin::SlotState;
use crate::shard::Core;
use crate::shard::desk::{DeskAnswer, DeskReply, PluginPsRow};
use crate::shard::desk_plugins::states;

pub async fn ps(core: &Rc<Core>) -> DeskAnswer {
    let (image, states) = (core.image(), states(core).await?);
    let row = |plugin: &std::sync::Arc<PluginImage>| row(core, &image, plugin, &states);
    Ok(DeskReply::PluginPs(image.plugins().map(row).collect()))
}

fn row(core: &Core, image: &Image, plugin: &PluginImage, states: &[SlotState]) -> PluginPsRow {
    let of_plugin = || states.iter().filter(|state| *state.key.plugin == *plugin.name);
    let metrics = plugin
        .active
        .as_ref()
        .map(|version| core.metrics.plugin(&plugin.name, version, plugin.kind.name()));
    let calls_total = metrics.as_ref().map_or(0, |metrics| metrics.calls_total.get());
    let uptime_ns = core.env.now().0.saturating_sub(core.started.0).max(1);
    let spent_ns: u64 = of_plugin().map(|state| state.spent_ns).sum();
    let share = spent_ns as f64 / uptime_ns as f64 / f64::from(core.shards);
    let trouble = of_plugin().map(|state| &state.state).find(|state| *state != "live");
    PluginPsRow {
        name: plugin.name.to_string(),
        active: plugin.active.clone(),
        previous: plugin.previous.clone(),
        bindings: bindings(image, plugin),
        state: match (plugin.paused, &plugin.active, trouble) {
            (true, ..) => "paused".to_owned(),
            (_, None, _) => "registered".to_owned(),
            (_, _, Some(trouble)) => trouble.clone(),
            _ => "live".to_owned(),
        },
        calls_total,
        calls_per_second: (0 < calls_total).then(|| calls_total as f64 / (uptime_ns as f64 / 1e9)),
        p99_ns: (metrics.as_ref().filter(|_| 0 < calls_total))
            .map(|metrics| metrics.call_seconds.quantile_ns(990)),
        cpu_percent: (0 < spent_ns).then_some(share * 100.0),
        failed_total: of_plugin().map(|state| state.failed_total).sum(),
        fallbacks_total: metrics.map_or(0, |metrics| metrics.fallbacks_total.get()),
    }
}

/// `topic flights`, or `2 topics, 1 group, 1 pin`.
fn bindings(image: &Image, plugin: &PluginImage) -> String {
    let all: Vec<_> = image.bindings_of(&plugin.name).collect();
    if let [only] = all.as_slice() {
        return only.target.to_string();
    }
    let topics = all.iter().filter(|bound| matches!(bound.target, Target::Topic(_))).count();
    let pins = all.iter().filter(|bound| bound.plugin.pinned.is_some()).count();
    let parts = [(topics, "topic"), (all.len() - topics, "group"), (pins, "pin")];
    let parts: Vec<String> = (parts.iter().filter(|(count, _)| 0 < *count))
        .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}
