//! A node's life on its shards: boot, accept, stop.
//!
//! Owns: the order of a start (metadata log, placement, epochs, partitions, groups, listener)
//! and of a stop; which shard serves a new connection.
//! Leaves to others: threads, signals and files of the process (`server`), bringing journals into
//! files (`journals`); the simulator's node (`sim`) runs the same code.
//! Invariant: nobody is served before every partition is open and recovered, or known to be
//! offline.
//! Start reading at: [`run_first`], [`run_other`].
use core::net::SocketAddr;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::api::frames::Unread;
use crate::api::journals::{replay_all_journals, wait_for_journals};
use crate::api::{Client, serve};
use crate::cluster::{ApplyError, BrokerEndpoint, Command, Draft, Image, Planner, adopt, new_id};
use crate::env::{Env, IoError, Listener, Socket, SocketHandle};
use crate::log::{JournalError, journals_hold_batches};
use crate::model::ShardId;
use crate::shard::adopt::read_kafka;
use crate::shard::ask::{Ask, Work, serve_inbox};
use crate::shard::census::{Census, Findings};
use crate::shard::cleaner;
use crate::shard::controller::Controller;
use crate::shard::images::Opened;
use crate::shard::metadata_log::MetadataLog;
use crate::shard::producer_ids::LargestProducerId;
use crate::shard::retention::retain_from_time_to_time;
use crate::shard::starts::keep_from_time_to_time;
use crate::shard::{Closing, Common, Core};

/// Instances that rested for so long are given up.
const PLUGIN_IDLE_MS: u64 = 60_000;

/// Why a node does not serve.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("metadata log: {0}")]
    Metadata(String),
    #[error("this directory of Apache Kafka cannot be taken over: {0}")]
    Adopt(String),
    #[error("journal: {0}")]
    Journal(JournalError),
    #[error("{0}")]
    Storage(String),
    #[error("cannot listen on {address}: {error:?}")]
    Listen { address: SocketAddr, error: IoError },
    #[error("told to stop while the start waited for room on the disk; the next one begins anew")]
    Stopped,
}

/// Starts a shard other than 0: it answers its mail until the process ends.
pub fn run_other(env: &Env, common: Common) -> Rc<Core> {
    let core = Core::new(env.clone(), common);
    core.share_dir_failures();
    env.spawn(serve_inbox(core.clone(), env.inbox()));
    if core.cleaner_settings().enabled {
        env.spawn(cleaner::run(core.clone()));
    }
    env.spawn(retain_from_time_to_time(core.clone()));
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
    let adopts = log.image().broker(core.identity.node_id).is_none();
    let mut draft = begin_draft(&core, log.image()).map_err(|e| text(&e))?;
    let census = core.take_census().await;
    if adopts {
        adopt_kafka(&core, &census, &mut draft).await?;
    }
    let untidy = untidy_dirs(&core).await;
    register(&core, &mut draft, served.port(), &untidy).map_err(|e| text(&e))?;
    let mut findings = core.match_census(&census, draft.image()).await;
    (findings.adopts, findings.untidy) = (adopts, untidy);
    check_storage(&core)?;
    say_what_lies_where(&core, &mut draft, &findings).map_err(|e| text(&e))?;
    // First the journals: once the metadata says where a partition was moved to, the journals of
    // where it was are not believed any more.
    let (kept, unfinished) = replay_all_journals(&core, log.image(), draft.image()).await?;
    check_storage(&core)?;
    wait_for_journals(&core, &mut draft, &kept).map_err(|e| text(&e))?;
    commit_in_time(&core, &mut log, draft).await?;
    let image = log.image().clone();
    let controller = Controller::new(&core, log);
    core.sweep(&census, &image);
    drop(census);
    controller.publish(&image.into(), Opened::Found(findings.into())).await;
    core.tidy_starts().await;
    core.env.spawn(keep_from_time_to_time(core.clone()));
    let largest = core.ask_all(&LargestProducerId).await.unwrap_or_default();
    controller.reserve_producer_ids(largest.into_iter().max().unwrap_or(-1));
    core.begin_recovery_points().await;
    core.set_controller(controller);
    for one in unfinished {
        env.spawn(one.finish_in_time());
    }
    core.report_failed_dirs().await;
    check_storage(&core)?;
    core.set_acceptor(env.spawn(accept(core.clone(), listener)));
    Ok((core, served))
}

/// Log directories whose journals hold something: a stop in order empties them, so there was none.
async fn untidy_dirs(core: &Core) -> BTreeSet<Arc<str>> {
    let mut untidy = BTreeSet::new();
    for (dir, _) in core.online_dirs().filter(|(dir, _)| dir.ended_cleanly) {
        // What is wrong with a journal is told when it is replayed.
        if journals_hold_batches(&core.env, &dir.path).await.unwrap_or(true) {
            tracing::warn!(dir = %dir.path, "a journal is not empty: taken for a crash");
            untidy.insert(dir.path.clone());
        }
    }
    untidy
}

/// Writes what a start has to say as soon as the disk has room for it.
///
/// Errors: also when the process was told to stop meanwhile.
async fn commit_in_time(core: &Core, log: &mut MetadataLog, draft: Draft) -> Result<(), BootError> {
    let home = core.logs.dir(&core.identity.data_dir);
    loop {
        match log.commit(&core.env, draft.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_full() && !log.has_failed() => {
                tracing::warn!(%error, "the start waits for room on the disk");
                let before = home.room.free_bytes().await;
                if core.start_is_given_up() {
                    return Err(BootError::Stopped);
                }
                home.room.roomier(before).await;
            }
            Err(error) => return Err(BootError::Metadata(error.to_string())),
        }
    }
}

/// A node without the log directory of its metadata, or without any, cannot begin.
fn check_storage(core: &Core) -> Result<(), BootError> {
    core.lost_storage().map_or(Ok(()), |sentence| Err(BootError::Storage(sentence)))
}

/// The cluster's id, and a home for every partition on the shards of this start.
fn begin_draft(core: &Core, image: &Image) -> Result<Draft, ApplyError> {
    let mut draft = Draft::new(image, 1);
    if image.cluster_id().is_none() {
        let cluster_id = core.identity.cluster_id;
        draft.push(Command::FormCluster { cluster_id }, core.env.wall_ms())?;
    }
    let placed = Planner::new(draft.image(), &core.config).place(core.shards);
    if let Some(command) = placed {
        draft.push(command, core.env.wall_ms())?;
    }
    Ok(draft)
}

/// The first start on a directory that Apache Kafka wrote: its topics become ours.
///
/// Our registration follows in the same draft: without it the next start does this again.
async fn adopt_kafka(core: &Core, census: &Census, draft: &mut Draft) -> Result<(), BootError> {
    let home = &core.identity.data_dir;
    let found = read_kafka(&core.env, home, census, core.identity.node_id).await;
    let Some(found) = found.map_err(|error| BootError::Adopt(error.to_string()))? else {
        return Ok(());
    };
    let notes = adopt(draft, &core.config, &found.kraft, core.env.wall_ms());
    for note in notes.map_err(|error| BootError::Adopt(error.to_string()))? {
        tracing::warn!("adopting {home}: {note}");
    }
    let (topics, partitions) = (draft.image().topic_count(), draft.image().partition_count());
    match found.metadata {
        Some(metadata) => tracing::info!(
            topics,
            partitions,
            metadata,
            "took over the topics, settings and producer ids of Apache Kafka"
        ),
        None => tracing::warn!(
            topics, partitions, dir = %home,
            "took over the topics whose directories lie here; there is no __cluster_metadata-0, so \
             they have default settings"
        ),
    }
    Ok(())
}

/// What the log must hold before this start serves: who we are, and new epochs after a crash.
fn register(
    core: &Core,
    draft: &mut Draft,
    port: u16,
    untidy: &BTreeSet<Arc<str>>,
) -> Result<(), ApplyError> {
    let identity = &core.identity;
    let endpoint = BrokerEndpoint {
        listener: "PLAINTEXT".to_owned(),
        host: identity.host.clone(),
        port: if identity.port == 0 { port } else { identity.port },
    };
    let incarnation = new_id(core.env.random(), core.env.random());
    let planner = Planner::new(draft.image(), &core.config);
    let (home, dirs) = (identity.data_dir_id, core.online_dir_seeds());
    let command = planner.register_broker(incarnation, home, dirs, vec![endpoint]);
    draft.push(command, core.env.wall_ms())?;
    let crashed = core.online_dirs().any(|(dir, _)| !dir.ended_cleanly) || !untidy.is_empty();
    if crashed && 0 < draft.image().topic_count() {
        let command = Command::BumpLeaderEpochs { node: identity.node_id };
        draft.push(command, core.env.wall_ms())?;
    }
    Ok(())
}

/// Which log directory each partition lies in.
fn say_what_lies_where(
    core: &Core,
    draft: &mut Draft,
    findings: &Findings,
) -> Result<(), ApplyError> {
    let planner = Planner::new(draft.image(), &core.config);
    if let Some(command) = planner.assign_directories(&findings.found) {
        draft.push(command, core.env.wall_ms())?;
    }
    Ok(())
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
                start_connection(&core, socket, client(peer), Unread::default());
                continue;
            }
            _ => socket.into_handle(),
        };
        match connection {
            Ok(socket) => {
                let (client, unread) = (client(peer), Unread::default());
                let connection = Connection { socket, client, unread };
                core.env.spawn(send_connection(core.clone(), ShardId(shard), connection));
            }
            Err(_) => tracing::error!("an accepted socket is in use"),
        }
    }
}

fn client(peer: SocketAddr) -> Client {
    Client { peer: peer.to_string().into(), host: format!("/{}", peer.ip()).into() }
}

/// A connection on its way to the shard that will serve it.
pub struct Connection {
    pub socket: SocketHandle,
    pub client: Client,
    pub unread: Unread,
}

/// Sends one that is counted there already. Ends when the other shard has it: a question that waits
/// for room in the box is unsent when dropped.
async fn send_connection(core: Rc<Core>, shard: ShardId, connection: Connection) {
    if core.ask(shard, connection).told().await.is_err() {
        core.connections[usize::from(shard.0)].fetch_sub(1, Relaxed);
    }
}

impl Ask for Connection {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        let socket = core.env.adopt(self.socket);
        start_connection(core, socket, self.client, self.unread);
        Box::pin(std::future::ready(()))
    }
}

fn start_connection(core: &Rc<Core>, socket: Socket, client: Client, unread: Unread) {
    let (id, held) = (core.next_connection_id(), core.clone());
    let task = core.env.spawn(async move {
        let moves = serve(held.clone(), socket, client, unread).await;
        if let Some((shard, connection)) = moves {
            held.metrics.connections.moved_total.inc();
            held.connections[usize::from(shard.0)].fetch_add(1, Relaxed);
            send_connection(held.clone(), shard, connection).await;
        }
        held.forget_connection(id);
    });
    core.remember_connection(id, task);
}

/// Ends what a shard does for clients, then closes its logs. Answers when all is on disk.
#[derive(Clone)]
pub struct Stop;

impl Ask for Stop {
    /// With a partition that could not be closed cleanly the next start is after a crash.
    type Told = Closing;

    fn start(self, core: &Rc<Core>) -> Work<Closing> {
        core.stop_connections();
        let core = core.clone();
        Box::pin(async move { core.close_partitions().await })
    }
}

/// Ends a start that waits for room on the disk; asked of shard 0.
pub struct StopStart;

impl Ask for StopStart {
    type Told = ();

    fn start(self, core: &Rc<Core>) -> Work<()> {
        core.give_up_start();
        Box::pin(std::future::ready(()))
    }
}

/// Stops the whole node; asked of shard 0.
pub struct StopNode;

impl Ask for StopNode {
    /// Log directories in which the next start may trust what lies on the disk.
    type Told = Vec<Arc<str>>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            core.stop_accepting();
            let Ok(closings) = core.ask_all(&Stop).await else { return Vec::new() };
            let (mut failed, mut points) = (BTreeSet::new(), Vec::new());
            for Closing { failed: some, points: more } in closings {
                failed.extend(some);
                points.extend(more);
            }
            failed.extend(core.write_last_points(points).await);
            let whole = core.online_dirs().filter(|(dir, _)| !failed.contains(&dir.path));
            whole.map(|(dir, _)| dir.path.clone()).collect()
        })
    }
}
