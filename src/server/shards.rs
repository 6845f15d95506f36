//! The shard threads: one ring each, pinned, running what a shard is.
//!
//! Owns: threads, pinning, the way from other threads to shard 0. Leaves to others: all behaviour.
//! Invariant: a shard that cannot run ends the start with a sentence; one that ran never ends.
//! Start reading at: [`start`], then [`shard_main`].
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::Sender;

use crate::admin::{Desk, DeskCallback};
use crate::api::node;
use crate::config::{BrokerConfig, Endpoint};
use crate::env::{Body, Env, IoError, Outside, TurnTime};
use crate::io::{Node, machine};
use crate::model::ShardId;
use crate::observe::Metrics;
use crate::plugin::Host;
use crate::server::meta::Meta;
use crate::server::start::Event;
use crate::shard::ask::sealed;
use crate::shard::desk::{DeskAnswer, DeskError, DeskRequest};
use crate::shard::dirs::LogDirectory;
use crate::shard::{Common, Identity};

/// What is the same for all shards.
#[derive(Debug)]
pub struct ShardParts {
    pub config: Arc<BrokerConfig>,
    pub metrics: Arc<Metrics>,
    pub meta: Meta,
    /// The directory with the metadata log.
    pub data_dir: Arc<str>,
    pub log_dirs: Arc<[LogDirectory]>,
    pub shards: u16,
    /// Where shard 0 listens for Kafka clients.
    pub address: SocketAddr,
    /// What clients are told.
    pub advertised: Endpoint,
    /// Plugin artefacts and native code.
    pub plugins: Arc<Host>,
    /// Client connections of each shard.
    pub connections: Arc<[AtomicU32]>,
}

/// Starts one thread per shard, pinned when there is a core for each.
pub fn start(
    node: &Arc<Node>,
    parts: &Arc<ShardParts>,
    cores: &[usize],
    events: &Sender<Event>,
) -> std::io::Result<()> {
    for id in 0..parts.shards {
        let core = if usize::from(parts.shards) <= cores.len() {
            cores.get(usize::from(id)).copied()
        } else {
            None
        };
        let (node, parts, events) = (node.clone(), parts.clone(), events.clone());
        std::thread::Builder::new()
            .name(format!("shard-{id}"))
            .spawn(move || run_shard(&node, ShardId(id), parts, core, events))?;
    }
    Ok(())
}

fn run_shard(
    node: &Arc<Node>,
    id: ShardId,
    parts: Arc<ShardParts>,
    core: Option<usize>,
    events: Sender<Event>,
) {
    if let Some(core) = core
        && let Err(error) = machine::pin(core)
    {
        tracing::warn!(shard = id.0, core, %error, "cannot pin the shard to its core");
    }
    let mut shard = match node.shard(id) {
        Ok(shard) => shard,
        Err(error) => {
            let _ = events.send(Event::BootFailed(error.to_string()));
            return;
        }
    };
    let turns = parts.metrics.turn_cpu_seconds.clone();
    let long = parts.metrics.long_turn_cpu_seconds.clone();
    shard.on_turn(move |time| match time {
        TurnTime::Sample(cpu_ns) => turns.observe_ns(cpu_ns),
        TurnTime::Long(cpu_ns) => long.observe_ns(cpu_ns),
    });
    let env = shard.env();
    env.spawn(shard_main(env.clone(), parts, events));
    shard.run_until(|| false);
}

/// What a shard is: shard 0 boots the node, the others answer their mail.
async fn shard_main(env: Env, parts: Arc<ShardParts>, events: Sender<Event>) {
    let common = match common(&parts) {
        Ok(common) => common,
        Err(sentence) => {
            let _ = events.send(Event::BootFailed(sentence));
            return;
        }
    };
    if env.shard() != ShardId(0) {
        node::run_other(&env, common);
        return;
    }
    match node::run_first(&env, common, parts.address).await {
        Ok((core, address)) => {
            let _ = events.send(Event::Serving(address));
            let sentence = core.storage_gone().await;
            let _ = events.send(Event::StorageGone(sentence));
        }
        Err(error) => drop(events.send(Event::BootFailed(format!("{error}.")))),
    }
}

fn common(parts: &ShardParts) -> Result<Common, String> {
    let meta = &parts.meta;
    let cluster_id =
        meta.cluster_id.parse().map_err(|error| format!("meta.properties: {error}"))?;
    let identity = Identity {
        cluster_id,
        node_id: meta.node_id,
        host: parts.advertised.host.clone(),
        port: parts.advertised.port,
        data_dir: parts.data_dir.clone(),
        data_dir_id: meta.directory_id,
        log_dirs: parts.log_dirs.clone(),
        pid: std::process::id(),
    };
    Ok(Common {
        identity: Arc::new(identity),
        config: parts.config.clone(),
        metrics: parts.metrics.clone(),
        shards: parts.shards,
        plugins: Some(parts.plugins.clone()),
        connections: parts.connections.clone(),
    })
}

/// Tells shard 0 not to wait for room on the disk; then [`Event::BootFailed`] follows.
pub fn stop_start(outside: &Outside) {
    outside.call(ShardId(0), sealed(node::StopStart), Box::new(|_: Result<Body, IoError>| {}));
}

/// Asks shard 0 to stop the node; [`Event::Stopped`] follows.
pub fn stop(outside: &Outside, events: Sender<Event>) {
    let answered = move |answer: Result<Body, IoError>| {
        let clean = answer.ok().and_then(|body| body.downcast::<Vec<Arc<str>>>().ok());
        let clean = clean.map(|clean| *clean).unwrap_or_default();
        let _ = events.send(Event::Stopped { clean });
    };
    outside.call(ShardId(0), sealed(node::StopNode), Box::new(answered));
}

/// The line of the admin port to the desk on shard 0.
pub fn desk(outside: Outside) -> Desk {
    Desk::new(move |request: DeskRequest, callback: DeskCallback| {
        let answered = move |answer: Result<Body, IoError>| callback(open(answer));
        outside.call(ShardId(0), sealed(request), Box::new(answered));
    })
}

fn open(answer: Result<Body, IoError>) -> DeskAnswer {
    match answer.map(|body| body.downcast::<DeskAnswer>()) {
        Ok(Ok(answer)) => *answer,
        Ok(Err(_)) => Err(DeskError::internal("Shard 0 answered with something else.")),
        Err(IoError::Busy) => {
            Err(DeskError::not_ready("The broker is busy; try again in a moment."))
        }
        Err(_) => Err(DeskError::not_ready("The broker is stopping; try again when it is up.")),
    }
}
