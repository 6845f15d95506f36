//! The command line as types; clap parses, prints help and exits with 2 on misuse.
//!
//! Owns: names of commands and options (API). Leaves to others: doing it (`cli`, `start`).
//! Start reading at: [`Args`], then [`Command`].
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::shard::desk::{BindingMode, BindingPolicy, BindingTarget};

/// Where the admin port of a broker without configuration listens.
pub const ADMIN_URL_DEFAULT: &str = "http://127.0.0.1:9644";

/// A Kafka-compatible log broker on io_uring, extended with WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "logmill", version, about, propagate_version = true)]
pub struct Args {
    #[command(flatten)]
    pub remote: Remote,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a broker
    Serve(ConfigArgs),
    /// Look whether a broker can run here, and how well
    Doctor(ConfigArgs),
    /// Start, stop and look at plugins of a running broker
    Plugin {
        #[command(subcommand)]
        order: PluginOrder,
    },
    /// Create topics on a running broker, look at them, and compact them
    Topic {
        #[command(subcommand)]
        order: TopicOrder,
    },
    /// Look at consumer groups of a running broker
    Group {
        #[command(subcommand)]
        order: GroupOrder,
    },
    /// Look at the settings of a running broker
    Config {
        #[command(subcommand)]
        order: ConfigOrder,
    },
    /// Look at logs, and repair them, without a broker; also those of Apache Kafka
    Log {
        #[command(subcommand)]
        order: LogOrder,
    },
    /// Ask a running broker whether it is well
    Health,
}

/// What a broker is to run with.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file (logmill.toml); every setting has a default that works
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A setting, in the unit that CONFIG.md names; wins over the file; once for each
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

/// How to reach a running broker.
#[derive(Clone, Debug, clap::Args)]
pub struct Remote {
    /// Admin port of the broker
    #[arg(long, value_name = "URL", default_value = ADMIN_URL_DEFAULT, global = true)]
    pub admin: String,
    /// File with the admin token [default: $LOGMILL_TOKEN_FILE, else ./data/admin.token]
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// Print the broker's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum PluginOrder {
    /// Check, compile and register a component under a name and version
    Install {
        /// The component: a .wasm file, of 32 MiB at most
        file: PathBuf,
        /// Name and version under which it is registered; a version never changes
        #[arg(long = "as", value_name = "NAME@VERSION")]
        name: NameVersion,
    },
    /// List all plugins
    #[command(visible_alias = "list")]
    Ls,
    /// Show one plugin with its versions and bindings
    Show {
        /// The plugin
        name: String,
    },
    /// What plugins do right now: state, calls, time, failures
    Ps,
    /// List all bindings
    Bindings,
    /// Bind a plugin to a topic or a group; NAME@VERSION pins the version
    Bind(BindArgs),
    /// Take a plugin off a topic or a group
    Unbind {
        /// The plugin
        plugin: String,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Make a version the active one on all shards
    Activate {
        /// The version, as NAME@VERSION
        name: NameVersion,
    },
    /// Make the previous version the active one again
    Rollback {
        /// The plugin
        name: String,
    },
    /// Make no version the active one; refused while a binding follows the active version
    Deactivate {
        /// The plugin
        name: String,
    },
    /// Stop calling a plugin; each binding's failure policy answers meanwhile
    Pause {
        /// The plugin
        name: String,
    },
    /// Call a paused plugin again
    Resume {
        /// The plugin
        name: String,
    },
    /// Remove a version that is neither active, previous, bound nor pinned
    Rm {
        /// The version, as NAME@VERSION
        name: NameVersion,
    },
    /// Turn a core WebAssembly module into a component, without a broker
    Componentize {
        /// The module, built with the bindings of one of Logmill's worlds
        module: PathBuf,
        /// Where the component goes
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub struct BindArgs {
    /// NAME, or NAME@VERSION to pin that version
    pub plugin: String,
    #[command(flatten)]
    pub target: TargetArgs,
    /// Partitioners: what is done with records that lie wrong [default: verify]
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// When the plugin cannot answer; partitioners: closed; assignors: open (default) or closed;
    /// compaction policies have none, everything is kept
    #[arg(long, value_enum)]
    pub policy: Option<PolicyArg>,
    /// A setting handed to the plugin; once for each
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<KeyValue>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct TargetArgs {
    /// A topic, for a partitioner or a compaction policy
    #[arg(long)]
    pub topic: Option<String>,
    /// A consumer group, for an assignor
    #[arg(long)]
    pub group: Option<String>,
}

impl TargetArgs {
    pub fn target(&self) -> BindingTarget {
        match (&self.topic, &self.group) {
            (Some(topic), _) => BindingTarget::Topic(topic.clone()),
            (None, Some(group)) => BindingTarget::Group(group.clone()),
            (None, None) => unreachable!("clap requires one of the two"),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeArg {
    /// Counts them and takes them
    Advise,
    /// Refuses their batches
    Verify,
}

impl From<ModeArg> for BindingMode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Advise => Self::Advise,
            ModeArg::Verify => Self::Verify,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PolicyArg {
    /// Nothing is written, or the last assignment stays
    Closed,
    /// Assignors: the built-in uniform assignor decides
    Open,
}

impl From<PolicyArg> for BindingPolicy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Closed => Self::Closed,
            PolicyArg::Open => Self::Open,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum TopicOrder {
    /// Create a topic
    Create {
        /// Its name
        topic: String,
        /// How many partitions it gets [default: the broker's num.partitions]
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        partitions: Option<i32>,
        /// On how many nodes each lies [default: the broker's default.replication.factor]
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        replication_factor: Option<i16>,
        /// A setting of the topic
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<KeyValue>,
    },
    /// List all topics
    #[command(visible_alias = "list")]
    Ls,
    /// Show one topic with its partitions, settings and plugins
    Describe {
        /// The topic
        topic: String,
    },
    /// Roll the active segment and run one compaction pass
    Compact {
        /// The topic; its cleanup.policy must be compact
        topic: String,
        /// Say what would go, and drop nothing
        #[arg(long)]
        dry_run: bool,
        /// Allow a policy's pass to drop more than the topic's max.drop.ratio (from 0 to 1)
        #[arg(long)]
        approve: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum GroupOrder {
    /// List all groups
    #[command(visible_alias = "list")]
    Ls,
    /// Show one group with its members, their partitions and its offsets
    Describe {
        /// The group's id
        group: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum LogOrder {
    /// Say what is damaged, by file and byte, and what the next start would do; changes nothing
    Verify {
        /// Log directories, or one partition's
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Print the batches of a log
    Dump {
        /// A .log file, a partition's directory or a data directory
        path: PathBuf,
        /// Print the records, too
        #[arg(long)]
        records: bool,
    },
    /// List the topics of a data directory, with their ids and settings
    Topics {
        /// A data directory
        path: PathBuf,
    },
    /// Do what a start after a crash would do; refused while a broker runs on the directory
    Repair {
        /// A data directory, or a partition's
        path: PathBuf,
        /// Cut also where records were acknowledged as durable; what goes is saved there first
        #[arg(long, value_name = "DIRECTORY")]
        cut_corruption: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigOrder {
    /// Show the settings in force
    Show {
        /// Only settings whose name contains this
        filter: Option<String>,
    },
}

/// `by-airport@1.1.0`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameVersion {
    pub name: String,
    pub version: String,
}

impl std::str::FromStr for NameVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('@') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                Ok(Self { name: name.to_owned(), version: version.to_owned() })
            }
            _ => Err("write it as NAME@VERSION, for example by-airport@1.0.0".to_owned()),
        }
    }
}

/// `log.dirs=/var/lib/logmill`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    pub key: String,
    pub value: String,
}

impl std::str::FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err("write it as KEY=VALUE".to_owned()),
        }
    }
}
