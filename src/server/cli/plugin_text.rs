//! Answers about plugins, as text.
//!
//! Owns: the wording. Leaves to others: figures and tables (`words`).
use crate::plugin::DRY_RUN_NEEDS;
use crate::server::words;
use crate::shard::desk::{
    ActivateReply, BEING_LOADED, Binding, PluginDetail, PluginPsRow, PluginSummary, PluginVersion,
};

/// What was installed, what its bindings must give, and what comes next; a fact a line.
pub(super) fn installed(v: &PluginVersion) -> String {
    let tried = match v.dry_run.as_deref() {
        None => String::new(),
        Some(remark) => match remark.strip_prefix(DRY_RUN_NEEDS) {
            Some(why) => {
                let why = words::plain(why);
                format!("  each binding must give it settings (--set KEY=VALUE): {why}\n")
            }
            None => format!("  tried: {}\n", words::plain(remark)),
        },
    };
    format!(
        "{name}@{version} is installed: {kind}, {size}, {digest}\n  \
         reads: {reads}\n  \
         built for interface {wit}; compiled in {ms} ms\n\
         {tried}  \
         next: logmill plugin activate {name}@{version}",
        name = v.name,
        version = v.version,
        kind = v.kind,
        size = words::bytes(v.bytes),
        digest = words::digest(&v.digest),
        reads = reads(v),
        wit = v.wit,
        ms = v.compiled_ms.unwrap_or_default(),
    )
}

fn reads(version: &PluginVersion) -> String {
    if version.reads.is_empty() { "nothing".to_owned() } else { version.reads.join(", ") }
}

/// `by-airport@1.1 is live on 2/2 shards after 3 ms (generation 7); before: 1.0 (`logmill …`)`
pub(super) fn activated(reply: &ActivateReply) -> String {
    let before = match &reply.before {
        Some(before) => format!("before: {before} (`logmill plugin rollback {}`)", reply.name),
        None => "nothing was active before".to_owned(),
    };
    format!("{}@{} is {}; {before}", reply.name, reply.version, live(reply))
}

pub(super) fn rolled_back(reply: &ActivateReply) -> String {
    let before = reply.before.as_deref().unwrap_or("nothing");
    format!("{}@{} is back: {}; before: {before}", reply.name, reply.version, live(reply))
}

fn live(reply: &ActivateReply) -> String {
    let ActivateReply { generation, shards_ready, shards, elapsed_ms, .. } = reply;
    format!(
        "live on {shards_ready}/{shards} shards after {elapsed_ms} ms (generation {generation})"
    )
}

pub(super) fn list(all: &[PluginSummary]) -> String {
    if all.is_empty() {
        return "No plugins; `logmill plugin install FILE --as NAME@VERSION` brings one."
            .to_owned();
    }
    let row = |p: &PluginSummary| {
        vec![
            p.name.clone(),
            p.kind.clone(),
            words::or_dash(p.active.as_deref()),
            words::or_dash(p.previous.as_deref()),
            p.versions.join(" "),
            p.bindings.to_string(),
            if p.paused { "paused" } else { "" }.to_owned(),
        ]
    };
    let headings = ["NAME", "KIND", "ACTIVE", "PREV", "VERSIONS", "BINDINGS", ""];
    words::table(&headings, all.iter().map(row).collect())
}

pub(super) fn detail(detail: &PluginDetail) -> String {
    let s = &detail.summary;
    let state = match (&s.active, s.paused) {
        (Some(active), false) => format!("{active} is active, generation {}", s.generation),
        (Some(active), true) => format!("{active} is active but paused"),
        (None, _) => "no version is active".to_owned(),
    };
    let row = |v: &PluginVersion| {
        vec![
            v.version.clone(),
            v.state.clone(),
            words::digest(&v.digest),
            words::bytes(v.bytes),
            v.wit.clone(),
            if v.compiled { "yes" } else { "no" }.to_owned(),
            words::or_dash(Some(&v.who)),
            if v.state.starts_with("unready") { "unknown".to_owned() } else { reads(v) },
        ]
    };
    let headings = ["VERSION", "STATE", "DIGEST", "SIZE", "WIT", "COMPILED", "BY", "READS"];
    let versions = words::table(&headings, detail.versions.iter().map(row).collect());
    format!("{}: {}, {state}\n\n{versions}\n{}", s.name, s.kind, bindings(&detail.bindings))
}

pub(super) fn bindings(all: &[Binding]) -> String {
    if all.is_empty() {
        return "No bindings.".to_owned();
    }
    let row = |b: &Binding| {
        let pin = b.spec.pin.as_deref().map(|pin| format!("pinned to {pin}"));
        vec![
            b.spec.target.to_string(),
            b.spec.plugin.clone(),
            pin.unwrap_or_else(|| words::or_dash(b.version.as_deref())),
            b.spec.mode.map_or("-", |mode| mode.name()).to_owned(),
            b.spec.policy.map_or("-", |policy| policy.name()).to_owned(),
            b.state.clone(),
            settings(b),
        ]
    };
    let headings = ["TARGET", "PLUGIN", "VERSION", "MODE", "POLICY", "STATE", "SETTINGS"];
    words::table(&headings, all.iter().map(row).collect())
}

fn settings(binding: &Binding) -> String {
    const SHOWN_MAX: usize = 6;
    let all = &binding.spec.settings;
    let shown = all.iter().take(SHOWN_MAX).map(|(key, value)| format!("{key}={value}"));
    let more = all.len().saturating_sub(SHOWN_MAX);
    let more = (0 < more).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join(" ")
}

/// `by-airport is bound to topic flights (verify, closed): live, version 1.0.0`
pub(super) fn bound(binding: &Binding) -> String {
    let spec = &binding.spec;
    let mode = spec.mode.map(|mode| mode.name());
    let policy = spec.policy.map(|policy| policy.name());
    let terms: Vec<&str> = mode.into_iter().chain(policy).collect();
    let terms = if terms.is_empty() { String::new() } else { format!(" ({})", terms.join(", ")) };
    let version = match &binding.version {
        Some(version) => format!("version {version}"),
        None => format!("no version is active (`logmill plugin activate {}@…`)", spec.plugin),
    };
    let state = match binding.state.ends_with(BEING_LOADED) {
        true => "live in a moment".to_owned(),
        false => words::plain(&binding.state),
    };
    let (plugin, target) = (&spec.plugin, &spec.target);
    format!("{plugin} is bound to {target}{terms}: {state}, {version}")
}

pub(super) fn ps(rows: &[PluginPsRow]) -> String {
    let row = |p: &PluginPsRow| {
        let calls = p.calls_per_second.map(|calls| words::count(calls.round() as u64));
        vec![
            p.name.clone(),
            words::or_dash(p.active.as_deref()),
            words::or_dash(p.previous.as_deref()),
            words::or_dash(Some(&p.bindings)),
            p.state.clone(),
            calls.unwrap_or_default(),
            p.p99_ns.map(words::nanos).unwrap_or_default(),
            p.cpu_percent.map(|cpu| format!("{cpu:.1}%")).unwrap_or_default(),
            words::count(p.failed_total),
        ]
    };
    let headings =
        ["NAME", "ACTIVE", "PREV", "BINDINGS", "STATE", "CALLS/S", "P99", "CPU", "FAILED"];
    words::table(&headings, rows.iter().map(row).collect())
}
