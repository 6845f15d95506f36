//! A node's life on its shards: boot, accept, stop.
//!
//! Owns: the order of a start (metadata log, placement, epochs, partitions, groups, listener)
//! and of a stop; which shard serves a new connection.
//! Leaves to others: threads, signals and files of the process (`server`), the simulator's node
//! (`sim`) runs the same code.
//! Invariant: nobody is served before every partition is open and recovered.
//! Start reading at: [`run_first`], [`run_other`].
use core::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use crate::api::{Client, serve};
use crate::cluster::{BrokerEndpoint, Command, Draft, Image, Planner, new_id};
use crate::env::{Env, IoError, Listener, Socket, SocketHandle};
use crate::model::ShardId;
use crate::shard::ask::{Ask, Work, serve_inbox};
use crate::shard::cleaner;
use crate::shard::controller::Controller;
use crate::shard::images::Opened;
use crate::shard::metadata_log::MetadataLog;
use crate::shard::producer_ids::LargestProducerId;
use crate::shard::{Common, Core};

/// Instances that rested for so long are given up.
const PLUGIN_IDLE_MS: u64 = 60_000;

/// Why a node does not serve.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("metadata log: {0}")]
    Metadata(String),
    #[error("cannot listen on {address}: {error:?}")]
    Listen { address: SocketAddr, error: IoError },
}

/// How the process before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEnd {
    Stopped,
    Crashed,
}

/// Starts a shard other than 0: it answers its mail until the process ends.
pub fn run_other(env: &Env, common: Common) -> Rc<Core> {
    let core = Core::new(env.clone(), common);
    env.spawn(serve_inbox(core.clone(), env.inbox()));
    if core.cleaner_settings().enabled {
        env.spawn(cleaner::run(core.clone()));
    }
    if core.plugins.host().is_some() {
        env.spawn(evict_idle_plugins(core.clone()));
    }
    core
}

/// Gives up plugin instances that nobody used for a while; the next call makes them again.
async fn evict_idle_plugins(core: Rc<Core>) {
    loop {
        core.env.sleep_ms(PLUGIN_IDLE_MS).await;
        core.plugins.residents().evict_idle(PLUGIN_IDLE_MS);
    }
}

/// Starts shard 0, and with it the node. Ready when clients are served at the address it gives.
pub async fn run_first(
    env: &Env,
    common: Common,
    address: SocketAddr,
    last_end: LastEnd,
) -> Result<(Rc<Core>, SocketAddr), BootError> {
    // First the port: a broker that cannot serve must not touch its logs.
    let listener = env.listen(address).await;
    let listener = listener.map_err(|error| BootError::Listen { address, error })?;
    let served = listener.address;
    let core = run_other(env, common);
    let text = |error: &dyn std::fmt::Display| BootError::Metadata(error.to_string());
    let snapshot_bytes = core.config.metadata_snapshot_bytes;
    let opened = MetadataLog::open(env, &core.identity.data_dir, snapshot_bytes).await;
    let (mut log, _) = opened.map_err(|e| text(&e))?;
    let mut draft = Draft::new(log.image(), 1);
    for command in boot_commands(&core, log.image(), served.port(), last_end) {
        draft.push(command, env.wall_ms()).map_err(|e| text(&e))?;
    }
    log.commit(env, draft).await.map_err(|e| text(&e))?;
    let image = log.image().clone();
    let controller = Controller::new(&core, log);
    let opened = match last_end {
        LastEnd::Stopped => Opened::AfterStop,
        LastEnd::Crashed => Opened::AfterCrash,
    };
    core.sweep(&image).await;
    controller.publish(&image.into(), opened).await;
    let largest = core.ask_all(&LargestProducerId).await.unwrap_or_default();
    controller.reserve_producer_ids(largest.into_iter().max().unwrap_or(-1));
    core.set_controller(controller);
    core.set_acceptor(env.spawn(accept(core.clone(), listener)));
    Ok((core, served))
}

/// What the log must hold before this start serves: who we are, where partitions live, new epochs.
fn boot_commands(core: &Core, image: &Image, port: u16, last_end: LastEnd) -> Vec<Command> {
    let identity = &core.identity;
    let planner = Planner::new(image, &core.config);
    let mut commands = Vec::new();
    if image.cluster_id().is_none() {
        commands.push(Command::FormCluster { cluster_id: identity.cluster_id });
    }
    let endpoint = BrokerEndpoint {
        listener: "PLAINTEXT".to_owned(),
        host: identity.host.clone(),
        port: if identity.port == 0 { port } else { identity.port },
    };
    let incarnation = new_id(core.env.random(), core.env.random());
    let directory = identity.directory_id;
    commands.push(planner.register_broker(incarnation, directory, vec![endpoint]));
    commands.extend(planner.place(core.shards));
    if last_end == LastEnd::Crashed && 0 < image.topic_count() {
        commands.push(Command::BumpLeaderEpochs { node: identity.node_id });
    }
    commands
}

/// Accepts for ever and gives each connection to the shard that has the fewest.
async fn accept(core: Rc<Core>, listener: Listener) {
    let mut accepting = core.env.accept_many(&listener);
    loop {
        let (socket, peer) = match accepting.next().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or the peer left while it waited: the next one may do.
                tracing::warn!(?error, "accept failed");
                core.metrics.connections.refused_total.inc();
                core.env.sleep_ms(10).await;
                continue;
            }
        };
        core.metrics.connections.accepted_total.inc();
        let load = |shard: &u16| core.connections[usize::from(*shard)].load(Relaxed);
        let shard = (0..core.shards).min_by_key(load).unwrap_or(0);
        core.connections[usize::from(shard)].fetch_add(1, Relaxed);
        let connection = match ShardId(shard) {
            shard if shard == core.shard => {
                start_connection(&core, socket, peer);
                continue;
            }
            _ => socket.into_handle().map(|socket| Connection { socket, peer }),
        };
        match connection {
            // Awaited: a question that still waits for room in the box is unsent when dropped.
            Ok(connection) => {
                let (asked, held) = (core.ask(ShardId(shard), connection), core.clone());
                core.env.spawn(async move {
                    if asked.told().await.is_err() {
                        held.connections[usize::from(shard)].fetch_sub(1, Relaxed);
                    }
                });
            }
            Err(_) => tracing::error!("an accepted socket is in use"),
        }
    }
}

/// A connection on its way to the shard that will serve it.
pub struct Connection {
    pub socket: SocketHandle,
    pub peer: SocketAddr,
}

impl Ask for Connection {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let socket = core.env.adopt(self.socket);
        start_connection(core, socket, self.peer);
        Box::pin(std::future::ready(()))
    }
}

fn start_connection(core: &Rc<Core>, socket: Socket, peer: SocketAddr) {
    let client = Client { peer: peer.to_string().into(), host: format!("/{}", peer.ip()).into() };
    let (id, held) = (core.next_connection_id(), core.clone());
    let task = core.env.spawn(async move {
        serve(held.clone(), socket, client).await;
        held.forget_connection(id);
    });
    core.remember_connection(id, task);
}

/// Ends what a shard does for clients, then closes its logs. Answers when all is on disk.
#[derive(Clone)]
pub struct Stop;

impl Ask for Stop {
    /// Partitions that could not be closed cleanly: then the next start is after a crash.
    type Told = usize;

    fn start(self, core: &Rc<Core>) -> Work<usize> {
        core.stop_connections();
        let core = core.clone();
        Box::pin(async move { core.close_partitions().await })
    }
}

/// Stops the whole node; asked of shard 0.
pub struct StopNode;

impl Ask for StopNode {
    /// True: the next start may trust what lies on disk.
    type Told = bool;

    fn start(self, core: &Rc<Core>) -> Work<bool> {
        let core = core.clone();
        Box::pin(async move {
            core.stop_accepting();
            match core.ask_all(&Stop).await {
                Ok(failed) => failed.iter().sum::<usize>() == 0,
                Err(_) => false,
            }
        })
    }
}
