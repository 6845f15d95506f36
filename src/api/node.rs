//! A node's life on its shards: boot, accept, stop.
//!
//! Owns: the order of a start (metadata log, placement, epochs, partitions, groups, listener)
//! and of a stop; which shard serves a new connection.
//! Leaves to others: threads, signals and files of the process (`server`), the simulator's node
//! (`sim`) runs the same code.
//! Invariant: nobody is served before every partition is open and recovered.
//! Start reading at: [`run_first`], [`run_other`].
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::api::{Client, serve};
use crate::cluster::{ApplyError, BrokerEndpoint, Command, Draft, Image, Planner, adopt, new_id};
use crate::env::{Env, IoError, Listener, Socket, SocketHandle};
use crate::log::{DiskError, JournalError, LogPlace, journals_hold_batches, replay};
use crate::model::{DirectoryId, PartitionIndex, ShardId, TopicId, TopicPartition};
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
    let kept = replay_all_journals(&core, log.image(), draft.image()).await?;
    wait_for_journals(&core, &mut draft, &kept).map_err(|e| text(&e))?;
    log.commit(env, draft).await.map_err(|e| text(&e))?;
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

/// A node without the log directory of its metadata, or without any, cannot begin.
fn check_storage(core: &Core) -> Result<(), BootError> {
    core.lost_storage().map_or(Ok(()), |sentence| Err(BootError::Storage(sentence)))
}

/// Partitions that stay offline because a journal still holds their batches, and the log directory
/// where that journal lies.
type Kept = BTreeMap<(TopicId, PartitionIndex), DirectoryId>;

/// Replays the journals of every log directory; one where that cannot be done fails.
///
/// `known` is what the last process knew, `image` says what lies where now.
async fn replay_all_journals(
    core: &Rc<Core>,
    known: &Image,
    image: &Image,
) -> Result<Kept, BootError> {
    let dirs: Vec<_> = core.online_dirs().map(|(dir, id)| (dir.path.clone(), id)).collect();
    let mut kept = Kept::new();
    for (dir, id) in dirs {
        let replayed = replay_journals(core, known, image, (&dir, id), &mut kept).await;
        let Err(error) = replayed else { continue };
        if core.identity.log_dirs.len() == 1 || dir == core.identity.data_dir {
            return Err(BootError::Journal(error));
        }
        tracing::error!(%dir, %error, "the journals cannot be replayed");
        let failed = DiskError::new("replay the journals in", &dir, IoError::EIO);
        core.logs.dir(&dir).fail(&failed);
        let moved = moved_out(core, known, image, id);
        kept.extend(moved.iter().map(|key| (*key, id)));
        core.bar_logs(&moved.into_iter().map(|key| (key, failed.clone())).collect()).await;
    }
    check_storage(core)?;
    Ok(kept)
}

/// Partitions that lay in a log directory when the last process ended and lie elsewhere now.
fn moved_out(
    core: &Core,
    known: &Image,
    image: &Image,
    id: DirectoryId,
) -> Vec<(TopicId, PartitionIndex)> {
    let node = core.identity.node_id;
    let mut moved = Vec::new();
    for topic in known.topics() {
        for (index, partition) in (0..).zip(topic.partitions.iter()) {
            let now = image.topic_by_id(topic.id).and_then(|topic| topic.partition(index));
            let left = now.is_some_and(|now| now.directory_on(node) != id);
            if left && partition.directory_on(node) == id {
                moved.push((topic.id, index));
            }
        }
    }
    moved
}

/// The metadata goes on to know a partition where the journal with its batches lies: from no other
/// place would the next start believe that journal.
fn wait_for_journals(core: &Core, draft: &mut Draft, kept: &Kept) -> Result<(), ApplyError> {
    let planner = Planner::new(draft.image(), &core.config);
    if let Some(command) = planner.assign_directories(kept) {
        draft.push(command, core.env.wall_ms())?;
    }
    Ok(())
}

/// Brings the partitions' files up to what the journals of the last process hold.
///
/// A journal is believed where the last process knew the partition: what others hold of it is
/// older than what was appended since.
async fn replay_journals(
    core: &Rc<Core>,
    known: &Image,
    image: &Image,
    (dir, id): (&str, DirectoryId),
    kept: &mut Kept,
) -> Result<(), JournalError> {
    let node = core.identity.node_id;
    let home = |topic_id: TopicId, partition: PartitionIndex| {
        let topic = image.topic_by_id(topic_id)?;
        let lies_in = topic.partition(partition)?.directory_on(node);
        let before = known.topic_by_id(topic_id).and_then(|topic| topic.partition(partition));
        // Versions with one log directory did not say which.
        let origin = before.map(|one| one.directory_on(node)).filter(|origin| !origin.is_zero());
        let dir = core.dir_path(lies_in).filter(|_| origin.is_none_or(|origin| origin == id))?;
        Some((dir, topic.name.clone()))
    };
    let place_of = |topic_id: TopicId, partition: PartitionIndex| {
        let (dir, topic) = home(topic_id, partition)?;
        let (dir, topic) = (dir.to_string(), topic.to_string());
        Some(LogPlace { dir, topic, topic_id, partition })
    };
    let replayed = replay(&core.logs, dir, place_of).await?;
    core.bar_logs(&replayed.failed).await;
    kept.extend(replayed.failed.keys().map(|key| (*key, id)));
    let ends = replayed.stable.iter().filter_map(|((id, partition), end)| {
        let (dir, topic) = home(*id, *partition)?;
        Some((dir.clone(), TopicPartition { topic, partition: *partition }, *end))
    });
    core.raise_recovery_points(ends).await?;
    if replayed.batches != 0 || replayed.forgotten != 0 {
        tracing::info!(
            batches = replayed.batches,
            bytes = replayed.bytes,
            forgotten = replayed.forgotten,
            "replayed {} journals",
            replayed.journals.len()
        );
    }
    Ok(replayed.empty(&core.env, core.shards).await?)
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
    /// With a partition that could not be closed cleanly the next start is after a crash.
    type Told = Closing;

    fn start(self, core: &Rc<Core>) -> Work<Closing> {
        core.stop_connections();
        let core = core.clone();
        Box::pin(async move { core.close_partitions().await })
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
