//! The commands that talk to a running broker over its admin port.
//!
//! Owns: which request a command sends and how its answer reads.
//! Leaves to others: deciding anything; the broker's sentences are printed as they come.
//! Invariant: standard output holds the answer only; `--json` prints it as the broker sent it.
//! Start reading at: [`run`].
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::server::args::{
    BindArgs, Command, ConfigOrder, GroupOrder, KeyValue, NameVersion, PluginOrder, Remote,
    TopicOrder,
};
use crate::server::words;
use crate::shard::desk::{
    ActivateReply, Binding, BindingSpec, BindingTarget, COMPONENT_BYTES_MAX, CompactOptions,
    CompactReport, ConfigEntry, DoneReply, GroupDetail, GroupSummary, HealthReply, PluginDetail,
    PluginPsRow, PluginSummary, PluginVersion, TopicDetail, TopicSpec, TopicSummary,
};

mod client;
mod componentize;
mod group_text;
mod plugin_text;
#[cfg(test)]
mod tests;
mod topic_text;

use client::{Client, segment};

/// Why a command failed: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The broker's own sentence.
    #[error("{0}")]
    Refused(String),
    #[error(
        "No broker answers at {url} ({reason}); start one with `logmill serve`, or name its admin \
         port with --admin."
    )]
    Unreachable { url: String, reason: String },
    #[error("{url} is not an admin URL; write it like http://127.0.0.1:9644.")]
    Url { url: String },
    #[error(
        "What answers at {url} is not the admin port of a Logmill broker of this version; check \
         --admin."
    )]
    Foreign { url: String },
    #[error(
        "{reason}; name the file admin.token of the broker's data directory with --token-file or \
         LOGMILL_TOKEN_FILE."
    )]
    Token { reason: String },
    #[error("Cannot {what} {path}: {source}.")]
    File { what: &'static str, path: String, source: std::io::Error },
    #[error("{0}")]
    Component(String),
    #[error("No setting has {filter:?} in its name; `logmill config show` lists all of them.")]
    NoSetting { filter: String },
    /// The order was carried out for some partitions only, or for none.
    #[error("{0}")]
    LeftAlone(String),
}

type Done = Result<(), CliError>;

/// Does one command that talks to a broker (or, for componentize, needs none).
pub fn run(command: Command, remote: &Remote) -> Done {
    match command {
        Command::Plugin { order } => plugin(order, remote),
        Command::Topic { order } => topic(order, remote),
        Command::Group { order } => group(order, remote),
        Command::Config { order } => config(order, remote),
        Command::Health => health(remote),
        Command::Serve(_) | Command::Doctor(_) | Command::Log { .. } => {
            unreachable!("these run in this process")
        }
    }
}

fn plugin(order: PluginOrder, remote: &Remote) -> Done {
    if let PluginOrder::Componentize { module, output } = order {
        return componentize::run(&module, &output);
    }
    let client = Client::new(remote)?;
    match order {
        PluginOrder::Install { file, name } => install(&client, &file, &name),
        PluginOrder::Ls => {
            client.show("/v1/plugins", |all: Vec<PluginSummary>| plugin_text::list(&all))
        }
        PluginOrder::Show { name } => {
            let path = format!("/v1/plugins/{}", segment(&name));
            client.show(&path, |detail: PluginDetail| plugin_text::detail(&detail))
        }
        PluginOrder::Ps => {
            client.show("/v1/plugins/ps", |rows: Vec<PluginPsRow>| plugin_text::ps(&rows))
        }
        PluginOrder::Bindings => {
            client.show("/v1/bindings", |all: Vec<Binding>| plugin_text::bindings(&all))
        }
        PluginOrder::Bind(args) => bind(&client, args),
        PluginOrder::Unbind { plugin, target } => unbind(&client, &plugin, &target.target()),
        PluginOrder::Activate { name: NameVersion { name, version } } => {
            let path = format!("/v1/plugins/{}/activate", segment(&name));
            let answer = client.post(&path, &json!({ "version": version }))?;
            client.print(answer, |reply: ActivateReply| plugin_text::activated(&reply))
        }
        PluginOrder::Rollback { name } => {
            let path = format!("/v1/plugins/{}/rollback", segment(&name));
            let answer = client.post(&path, &json!({}))?;
            client.print(answer, |reply: ActivateReply| plugin_text::rolled_back(&reply))
        }
        PluginOrder::Deactivate { name } => done(&client, &name, "deactivate"),
        PluginOrder::Pause { name } => done(&client, &name, "pause"),
        PluginOrder::Resume { name } => done(&client, &name, "resume"),
        PluginOrder::Rm { name } => {
            let answer = client.delete(&version_path(&name))?;
            client.print(answer, |reply: DoneReply| reply.message)
        }
        PluginOrder::Componentize { .. } => unreachable!("done above, it needs no broker"),
    }
}

fn version_path(name: &NameVersion) -> String {
    format!("/v1/plugins/{}/versions/{}", segment(&name.name), segment(&name.version))
}

fn install(client: &Client, file: &Path, name: &NameVersion) -> Done {
    let component = read_component(file)?;
    let answer = client.put(&version_path(name), &component)?;
    client.print(answer, |version: PluginVersion| plugin_text::installed(&version))
}

fn read_component(file: &Path) -> Result<Vec<u8>, CliError> {
    let path = file.display().to_string();
    let failed = |source| CliError::File { what: "read", path: path.clone(), source };
    let bytes = std::fs::metadata(file).map_err(failed)?.len();
    if COMPONENT_BYTES_MAX as u64 <= bytes.saturating_sub(1) {
        let (size, limit) = (words::bytes(bytes), words::bytes(COMPONENT_BYTES_MAX as u64));
        let sentence = format!("{path} holds {size}; a component may have {limit} at most.");
        return Err(CliError::Component(sentence));
    }
    if bytes == 0 {
        let sentence = format!("{path} is empty; name a component (a .wasm file).");
        return Err(CliError::Component(sentence));
    }
    std::fs::read(file).map_err(failed)
}

fn bind(client: &Client, args: BindArgs) -> Done {
    let target = args.target.target();
    let (plugin, pin) = match args.plugin.split_once('@') {
        Some((plugin, pin)) => (plugin.to_owned(), Some(pin.to_owned())),
        None => (args.plugin, None),
    };
    let settings = pairs(args.settings);
    let (mode, policy) = (args.mode.map(Into::into), args.policy.map(Into::into));
    let spec = BindingSpec { plugin, pin, target, mode, policy, settings };
    let answer = client.post("/v1/bindings", &json!(spec))?;
    client.print(answer, |binding: Binding| plugin_text::bound(&binding))
}

fn pairs(settings: Vec<KeyValue>) -> BTreeMap<String, String> {
    settings.into_iter().map(|setting| (setting.key, setting.value)).collect()
}

fn unbind(client: &Client, plugin: &str, target: &BindingTarget) -> Done {
    let target = match target {
        BindingTarget::Topic(topic) => format!("topic={}", segment(topic)),
        BindingTarget::Group(group) => format!("group={}", segment(group)),
    };
    let answer = client.delete(&format!("/v1/bindings?plugin={}&{target}", segment(plugin)))?;
    client.print(answer, |reply: DoneReply| reply.message)
}

fn done(client: &Client, name: &str, what: &str) -> Done {
    let answer = client.post(&format!("/v1/plugins/{}/{what}", segment(name)), &json!({}))?;
    client.print(answer, |reply: DoneReply| reply.message)
}

fn topic(order: TopicOrder, remote: &Remote) -> Done {
    let client = Client::new(remote)?;
    match order {
        TopicOrder::Ls => {
            client.show("/v1/topics", |all: Vec<TopicSummary>| topic_text::list(&all))
        }
        TopicOrder::Create { topic: name, partitions, replication_factor, settings } => {
            let settings = pairs(settings);
            let spec = TopicSpec { name, partitions, replication_factor, settings };
            let answer = client.post("/v1/topics", &json!(spec))?;
            client.print(answer, |detail: TopicDetail| topic_text::created(&detail))
        }
        TopicOrder::Describe { topic } => {
            let path = format!("/v1/topics/{}", segment(&topic));
            client.show(&path, |detail: TopicDetail| topic_text::detail(&detail))
        }
        TopicOrder::Compact { topic, dry_run, approve } => {
            let path = format!("/v1/topics/{}/compact", segment(&topic));
            let answer = client.post(&path, &json!(CompactOptions { dry_run, approve }))?;
            let report: CompactReport = client.read(&answer)?;
            client.print(answer, |report: CompactReport| topic_text::compacted(&report))?;
            topic_text::left_alone(&report)
                .map_or(Ok(()), |sentence| Err(CliError::LeftAlone(sentence)))
        }
    }
}

fn group(order: GroupOrder, remote: &Remote) -> Done {
    let client = Client::new(remote)?;
    match order {
        GroupOrder::Ls => {
            client.show("/v1/groups", |all: Vec<GroupSummary>| group_text::list(&all))
        }
        GroupOrder::Describe { group } => {
            let path = format!("/v1/groups/{}", segment(&group));
            client.show(&path, |detail: GroupDetail| group_text::detail(&detail))
        }
    }
}

fn config(order: ConfigOrder, remote: &Remote) -> Done {
    let ConfigOrder::Show { filter } = order;
    let client = Client::new(remote)?;
    let filter = filter.unwrap_or_default();
    let mut shown: Vec<ConfigEntry> = client.read(&client.get("/v1/config")?)?;
    shown.retain(|entry| entry.name.contains(&filter));
    if shown.is_empty() {
        return Err(CliError::NoSetting { filter });
    }
    client.print(json!(shown), |shown: Vec<ConfigEntry>| {
        let row = |e: &ConfigEntry| vec![e.name.clone(), e.value.clone(), e.source.clone()];
        words::table(&["NAME", "VALUE", "FROM"], shown.iter().map(row).collect())
    })
}

fn health(remote: &Remote) -> Done {
    let client = Client::new(remote)?;
    client.show("/health", |health: HealthReply| {
        let HealthReply { status, version, pid, shards, topics, partitions, .. } = &health;
        let offline = match health.offline_partitions {
            0 => String::new(),
            some => format!(", {some} offline"),
        };
        format!(
            "{status}: logmill {version}, process {pid}, {}, {}, {}{offline}, up {}",
            words::some(u64::from(*shards), "shard"),
            words::some(u64::from(*topics), "topic"),
            words::some(u64::from(*partitions), "partition"),
            words::nanos(health.uptime_ms.saturating_mul(1_000_000)),
        )
    })
}
