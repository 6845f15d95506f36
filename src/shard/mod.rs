//! One core at work: what a shard holds, and what may be asked of it.
//!
//! Owns: performing commands on partitions, groups and plugins of one thread.
//! Leaves to others: what Kafka's requests mean (`api`), HTTP (`admin`).
//! Invariant: a partition lives on the shard that the image names; nothing is shared but by mail.
//! Start reading at: [`Core`], then [`ask`], [`append`], [`images`] and [`controller`].
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::cluster::Image;
use crate::config::BrokerConfig;
use crate::env::{Env, Instant, TaskId};
use crate::log::LogHost;
use crate::model::{DirectoryId, NodeId, PartitionIndex, ShardId, TopicId};
use crate::observe::Metrics;
use crate::plugin::Host;

pub mod adopt;
pub mod append;
pub mod ask;
pub mod assignors;
pub mod barred;
pub mod boundaries;
pub mod budget;
pub mod census;
pub mod cleaner;
pub mod compaction;
pub mod controller;
pub mod delete_records;
pub mod desk;
pub mod desk_compact;
pub mod desk_groups;
pub mod desk_plugins;
pub mod desk_ps;
pub mod desk_work;
pub mod dirs;
pub mod fetch;
pub mod group_asks;
pub mod groups;
pub mod images;
pub mod late;
pub mod metadata_log;
pub mod offsets;
pub mod partition;
pub mod partitioners;
pub mod plugins;
pub mod producer_ids;
pub mod recovery_points;
pub mod repack;
pub mod retention;
pub mod starts;
pub mod sweep;
pub mod together;
pub mod trial;
pub mod unpack;

use budget::Budget;
use controller::Controller;
use dirs::{LogDirectory, StorageGone};
use groups::Groups;
use late::LateLogs;
use partition::Partition;
use partitioners::Verdicts;
use plugins::Plugins;
use producer_ids::ProducerIds;
use recovery_points::{LogPoint, PointsDesk};
use starts::StartKeepers;
use unpack::UNPACK_BYTES_MAX;

/// Large requests of one shard in memory at one moment.
const RECEIVE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Large requests of one shard that wait for others.
const PARKED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Batches of one shard that wait for their turn with a plugin or a worker.
const LINED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Records of one shard's Fetch responses that are not yet sent.
const SEND_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Batches that one shard accepted and did not yet write.
const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Files of logs that all shards together keep open for later use, and each shard at least.
const OPEN_FILES_MAX: usize = 1_024;
const OPEN_FILES_MIN: usize = 64;

/// Newest batches of one shard kept in memory for readers.
const TAIL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Logs of one shard that are opened or closed at once.
const LOGS_AT_ONCE: usize = 64;

/// Who this process is, to clients and to its own files.
#[derive(Clone, Debug)]
pub struct Identity {
    pub cluster_id: TopicId,
    pub node_id: NodeId,
    /// What Metadata tells clients to connect to; port 0 until the listener has one.
    pub host: String,
    pub port: u16,
    /// The directory with the metadata log; plugins and the admin token lie there, too.
    pub data_dir: Arc<str>,
    pub data_dir_id: DirectoryId,
    /// Those of `log.dirs`, in that order.
    pub log_dirs: Arc<[LogDirectory]>,
    /// Of the process, for people.
    pub pid: u32,
}

/// What is the same for all shards of a process.
#[derive(Clone)]
pub struct Common {
    pub identity: Arc<Identity>,
    pub config: Arc<BrokerConfig>,
    pub metrics: Arc<Metrics>,
    pub shards: u16,
    /// Plugin artefacts and native code; none in the simulator.
    pub plugins: Option<Arc<Host>>,
    /// One counter per shard.
    pub connections: Arc<[AtomicU32]>,
}

/// Everything of one shard. Tasks of the shard share it; it never leaves its thread.
pub struct Core {
    pub env: Env,
    pub shard: ShardId,
    pub shards: u16,
    pub identity: Arc<Identity>,
    pub config: Arc<BrokerConfig>,
    pub metrics: Arc<Metrics>,
    /// When this shard began, by the monotonic clock.
    pub started: Instant,
    /// Client connections of each shard: the acceptor adds, the shard that ends one subtracts.
    pub connections: Arc<[AtomicU32]>,
    tasks: RefCell<BTreeMap<u64, TaskId>>,
    tasks_next: Cell<u64>,
    acceptor: Cell<Option<TaskId>>,
    image: RefCell<Arc<Image>>,
    partitions: RefCell<BTreeMap<(TopicId, PartitionIndex), Rc<Partition>>>,
    late: LateLogs,
    pub logs: LogHost,
    pub groups: Groups,
    pub plugins: Plugins,
    pub verdicts: Verdicts,
    /// Requests above 16 KiB, from their length on until they are answered.
    pub receive: Rc<Budget>,
    /// Large requests that wait for others, such as a Fetch for more records.
    pub parking: Rc<Budget>,
    /// Batches before a partition whose keys or partitioner are looked at.
    pub lining: Rc<Budget>,
    /// Compressed batches that somebody looks into.
    pub unpacking: Rc<Budget>,
    /// Records in Fetch responses, from their reading on until they are sent.
    pub sending: Rc<Budget>,
    producer_ids: ProducerIds,
    /// Compaction passes of the node; on shard 0.
    cleaner_turns: cleaner::Turns,
    /// Clean boundaries of all partitions; on shard 0.
    clean_checkpoint: boundaries::Checkpoint,
    points: PointsDesk,
    /// In use on shard 0 only.
    starts: StartKeepers,
    storage_gone: StorageGone,
    /// The process was told to stop before it served.
    start_is_given_up: Cell<bool>,
    /// On shard 0 only.
    controller: RefCell<Option<Rc<Controller>>>,
}

impl Core {
    pub fn new(env: Env, common: Common) -> Rc<Self> {
        let (shard, started) = (env.shard(), env.now());
        let plugins = Plugins::new(&env, common.plugins);
        let logs = LogHost::new(
            env.clone(),
            common.metrics.log.clone(),
            TAIL_BYTES_MAX,
            QUEUE_BYTES_MAX,
            common.config.journal_bytes,
        );
        logs.keep_open_files((OPEN_FILES_MAX / usize::from(common.shards)).max(OPEN_FILES_MIN));
        let budget = |bytes, account| Budget::new(bytes, common.metrics.memory(account));
        let receive = budget(RECEIVE_BYTES_MAX, "receive");
        let parking = budget(PARKED_BYTES_MAX, "parked");
        let lining = budget(LINED_BYTES_MAX, "line");
        let unpacking = budget(UNPACK_BYTES_MAX, "unpack");
        let sending = budget(SEND_BYTES_MAX, "send");
        Rc::new(Self {
            env,
            shard,
            shards: common.shards,
            identity: common.identity,
            config: common.config,
            metrics: common.metrics,
            started,
            connections: common.connections,
            tasks: RefCell::default(),
            tasks_next: Cell::new(0),
            acceptor: Cell::new(None),
            image: RefCell::new(Arc::new(Image::default())),
            partitions: RefCell::default(),
            late: LateLogs::default(),
            logs,
            groups: Groups::default(),
            plugins,
            verdicts: Verdicts::default(),
            receive,
            parking,
            lining,
            unpacking,
            sending,
            producer_ids: ProducerIds::default(),
            cleaner_turns: cleaner::Turns::default(),
            clean_checkpoint: boundaries::Checkpoint::default(),
            points: PointsDesk::default(),
            starts: StartKeepers::default(),
            storage_gone: StorageGone::default(),
            start_is_given_up: Cell::default(),
            controller: RefCell::default(),
        })
    }

    /// The newest image that this shard has applied.
    pub fn image(&self) -> Arc<Image> {
        self.image.borrow().clone()
    }

    /// Where clients connect: host and port that this start has registered.
    pub fn endpoint(&self) -> (String, i32) {
        let image = self.image();
        let broker = image.broker(self.identity.node_id);
        match broker.and_then(|broker| broker.endpoints.first()) {
            Some(endpoint) => (endpoint.host.clone(), i32::from(endpoint.port)),
            None => (self.identity.host.clone(), i32::from(self.identity.port)),
        }
    }

    /// A partition that lives on this shard.
    pub fn partition(&self, topic: TopicId, index: PartitionIndex) -> Option<Rc<Partition>> {
        self.partitions.borrow().get(&(topic, index)).cloned()
    }

    /// All partitions of this shard, in the order of topic id and index.
    pub fn partitions(&self) -> Vec<Rc<Partition>> {
        self.partitions.borrow().values().cloned().collect()
    }

    /// The controller; only shard 0 has one.
    pub fn controller(&self) -> Option<Rc<Controller>> {
        self.controller.borrow().clone()
    }

    pub fn set_controller(&self, controller: Rc<Controller>) {
        self.controller.replace(Some(controller));
    }

    /// Lets a start that waits for room on the disk end; one that does not goes on.
    pub fn give_up_start(&self) {
        self.start_is_given_up.set(true);
        self.logs.dir(&self.identity.data_dir).room.nudge();
    }

    /// Whether a start that has to wait for room is to end.
    pub fn start_is_given_up(&self) -> bool {
        self.start_is_given_up.get()
    }

    pub fn set_acceptor(&self, task: TaskId) {
        self.acceptor.set(Some(task));
    }

    pub fn next_connection_id(&self) -> u64 {
        let id = self.tasks_next.get();
        self.tasks_next.set(id + 1);
        id
    }

    pub fn remember_connection(&self, id: u64, task: TaskId) {
        self.tasks.borrow_mut().insert(id, task);
    }

    pub fn forget_connection(&self, id: u64) {
        self.tasks.borrow_mut().remove(&id);
        self.connections[usize::from(self.shard.0)].fetch_sub(1, Relaxed);
    }

    pub fn stop_accepting(&self) {
        if let Some(task) = self.acceptor.take() {
            self.env.spawner().abort(task);
        }
    }

    pub fn stop_connections(&self) {
        for task in std::mem::take(&mut *self.tasks.borrow_mut()).into_values() {
            self.env.spawner().abort(task);
        }
    }

    /// Closes every log, many at once.
    pub async fn close_partitions(self: &Rc<Self>) -> Closing {
        self.groups.close();
        let partitions = std::mem::take(&mut *self.partitions.borrow_mut());
        let partitions: Vec<_> = partitions.into_values().collect();
        let logs: Vec<_> = partitions.iter().filter_map(|p| p.log().ok()).collect();
        let offline = partitions.iter().filter(|partition| partition.log().is_err());
        let mut failed: BTreeSet<Arc<str>> = offline.filter_map(|p| p.dir.clone()).collect();
        for (log, error) in self.logs.close(logs).await {
            tracing::error!(partition = %log.place().path(), %error, "log was not closed");
            failed.insert(log.place().dir.as_str().into());
        }
        for dir in self.logs.dirs() {
            if !failed.contains(&dir.path)
                && let Err(error) = dir.retire_journal().await
            {
                tracing::error!(%error, "a journal was not emptied");
                failed.insert(dir.path.clone());
            }
        }
        let points = partitions.iter().filter_map(|partition| LogPoint::of(partition)).collect();
        Closing { failed, points }
    }
}

/// How the logs of a shard ended.
pub struct Closing {
    /// Log directories with some that could not be closed cleanly.
    pub failed: BTreeSet<Arc<str>>,
    pub points: Vec<LogPoint>,
}
