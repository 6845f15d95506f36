//! The shard threads: one ring each, pinned, running what a shard is.
//!
//! Owns: threads, pinning, the way from other threads to shard 0. Leaves to others: all behaviour.
//! Invariant: a shard that cannot run ends the start with a sentence; one that ran never ends.
//! Start reading at: [`start`], then [`shard_main`].
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::admin::{Desk, DeskCallback};
use crate::config::{BrokerConfig, Endpoint};
use crate::env::{Body, Env, IoError, Outside};
use crate::io::{Node, machine};
use crate::model::ShardId;
use crate::observe::Metrics;
use crate::server::meta::Meta;
use crate::server::start::Event;
use crate::shard::desk::{DeskAnswer, DeskError, DeskReply, DeskRequest, HealthReply};

/// What is the same for all shards.
#[derive(Debug)]
#[allow(dead_code, reason = "INTEGRATION: the stand-in of shard_main uses a part of it")]
pub struct ShardParts {
    pub config: Arc<BrokerConfig>,
    pub metrics: Arc<Metrics>,
    pub meta: Meta,
    pub data_dir: Arc<str>,
    /// The process before this one closed its logs.
    pub ended_cleanly: bool,
    pub shards: u16,
    /// Where shard 0 listens for Kafka clients.
    pub address: SocketAddr,
    /// What clients are told.
    pub advertised: Endpoint,
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
    let env = shard.env();
    env.spawn(shard_main(env.clone(), parts, events));
    shard.run_until(|| false);
}

/// INTEGRATION: what a shard is. This stand-in answers `/health`, holds the port and stops; the
/// real one boots `api::node` here and reports [`Event::Serving`] or [`Event::BootFailed`].
async fn shard_main(env: Env, parts: Arc<ShardParts>, events: Sender<Event>) {
    if env.shard() != ShardId(0) {
        return;
    }
    let listener = match env.listen(parts.address).await {
        Ok(listener) => listener,
        Err(error) => {
            let sentence = format!("Cannot listen on {}: {error:?}.", parts.address);
            let _ = events.send(Event::BootFailed(sentence));
            return;
        }
    };
    let _ = events.send(Event::Serving(listener.address));
    let mut inbox = env.inbox();
    loop {
        let mut request = inbox.next().await;
        let body = request.take_body();
        if body.is::<StopNode>() {
            request.answer(Box::new(true));
            continue;
        }
        let answer: DeskAnswer = match body.downcast::<DeskRequest>().map(|request| *request) {
            Ok(DeskRequest::Health) => Ok(DeskReply::Health(HealthReply {
                status: "ok".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                shards: parts.shards,
                ..HealthReply::default()
            })),
            _ => Err(DeskError::not_ready("This broker has no desk yet.")),
        };
        request.answer(Box::new(answer));
    }
}

/// INTEGRATION: the order to stop, as shard 0's inbox takes it; answered with a `bool`.
struct StopNode;

/// Asks shard 0 to stop the node; [`Event::Stopped`] follows.
pub fn stop(outside: &Outside, events: Sender<Event>) {
    let answered = move |answer: Result<Body, IoError>| {
        let clean = answer.ok().and_then(|body| body.downcast::<bool>().ok());
        let _ = events.send(Event::Stopped { clean: clean.is_some_and(|clean| *clean) });
    };
    outside.call(ShardId(0), Box::new(StopNode), Box::new(answered));
}

/// The line of the admin port to the desk on shard 0.
pub fn desk(outside: Outside) -> Desk {
    Desk::new(move |request: DeskRequest, callback: DeskCallback| {
        let answered = move |answer: Result<Body, IoError>| callback(open(answer));
        // INTEGRATION: as shard 0's inbox takes it.
        outside.call(ShardId(0), Box::new(request), Box::new(answered));
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
