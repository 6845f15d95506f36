//! A whole node in a simulated world: the code of a real start and stop on simulated shards.
//!
//! Owns: boot, clean stop, crash and power cut of one node, on a disk that outlives its processes;
//! a second machine on which clients run while the node comes and goes.
//! Leaves to others: faults (`world`, `disk`, `net`), clients (`client`), what is right (tests).
//! Invariant: what is run between two ends of the world's events is the product's code only.
//! Start reading at: [`SimBroker::start`].
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::api::node::{BootError, StopNode, run_first, run_other};
use crate::config::{BrokerConfig, BrokerValues, Overrides};
use crate::env::{Env, IoError, Shard};
use crate::model::{DirectoryId, NodeId, ShardId, TopicId};
use crate::observe::Metrics;
use crate::shard::dirs::LogDirectory;
use crate::shard::{Common, Core, Identity};
use crate::sim::{Chunks, MachineId, World};

/// Where every simulated node listens.
pub const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_092);
/// The log directory of a node, unless a test names others; its metadata lies there in any case.
pub const DATA_DIR: &str = "/data";

/// Settings of every simulated node; those of a test come on top.
const SETTINGS: &[(&str, &str)] = &[
    ("listeners", "PLAINTEXT://127.0.0.1:9092"),
    ("log.dirs", DATA_DIR),
    ("group.initial.rebalance.delay.ms", "0"),
    // The records of most tests carry times of their own.
    ("log.retention.ms", "-1"),
    // So short that members are missed in the time of a run.
    ("group.min.session.timeout.ms", "20"),
    ("offsets.topic.num.partitions", "3"),
    ("offsets.topic.replication.factor", "1"),
    // So small that a run rolls it often.
    ("offsets.topic.segment.bytes", "3000"),
    // So often that a run meets it in every state.
    ("log.flush.offset.checkpoint.interval.ms", "200"),
    // So small that it goes round.
    ("journal.bytes", "262144"),
];

/// What ends a process other than its own stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// kill -9: the page cache stays.
    Crash,
    PowerCut,
}

/// How a process ended, as the next one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEnd {
    Stopped,
    Crashed,
}

/// How a start went; `None` while it is under way.
type Outcome = Rc<RefCell<Option<Result<SocketAddr, BootError>>>>;

/// One node, or the machine on which one can be started.
pub struct SimBroker {
    pub world: World,
    /// The clients' shard, then those of the node.
    shards: Vec<Shard>,
    settings: Overrides,
    config: Arc<BrokerConfig>,
    cores: Rc<RefCell<Vec<Rc<Core>>>>,
    outcome: Outcome,
    /// Log directories that were in use once.
    used: BTreeSet<Arc<str>>,
    /// Log directories that the last process left in order.
    clean: BTreeSet<Arc<str>>,
}

impl SimBroker {
    /// A machine without a node, and one for clients.
    ///
    /// Panics when a setting is refused: it is the test's.
    pub fn new(world: World, settings: &[(&str, &str)]) -> Self {
        let all = SETTINGS.iter().chain(settings);
        let all: Overrides = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let config = Arc::new(config_of(&all));
        let clients = world.add_machine();
        let shards = world.boot_with(clients, 1, Chunks { count: 64, bytes: 16 * 1_024 });
        Self {
            world,
            shards,
            settings: all,
            config,
            cores: Rc::default(),
            outcome: Outcome::default(),
            used: BTreeSet::new(),
            clean: BTreeSet::new(),
        }
    }

    /// Changes a setting; it holds from the next start on.
    pub fn reset(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
        self.config = Arc::new(config_of(&self.settings));
    }

    /// The world of the clients' machine; it outlives every node.
    pub fn clients(&self) -> Env {
        self.shards[0].env()
    }

    /// What runs on each shard; empty while no node runs. Tests look at partitions with it.
    pub fn cores(&self) -> Rc<RefCell<Vec<Rc<Core>>>> {
        self.cores.clone()
    }

    /// How the last process ended. A test may lie about it, to see that this is noticed.
    pub fn set_last_end(&mut self, last_end: LastEnd) {
        self.clean = match last_end {
            LastEnd::Stopped => self.used.clone(),
            LastEnd::Crashed => BTreeSet::new(),
        };
    }

    /// Boots a node of so many shards; it serves some time later, see [`SimBroker::served`].
    pub fn start(&mut self, shards: u16) {
        assert!(!self.is_running(), "it runs already");
        let started = self.world.boot(MachineId::FIRST, shards);
        let common = self.common(shards);
        self.outcome = Outcome::default();
        for shard in &started[1..] {
            self.cores.borrow_mut().push(run_other(&shard.env(), common.clone()));
        }
        let (env, cores, outcome) = (started[0].env(), self.cores.clone(), self.outcome.clone());
        env.clone().spawn(async move {
            let booted = match make_dirs(&env, &common.identity.log_dirs).await {
                Ok(()) => run_first(&env, common, ADDRESS).await,
                Err(error) => Err(BootError::Metadata(format!("log.dirs: {error:?}"))),
            };
            let served = booted.map(|(core, address)| {
                cores.borrow_mut().insert(0, core);
                address
            });
            outcome.replace(Some(served));
        });
        self.shards.extend(started);
    }

    /// What the server finds out about the log directories; each has an id of its name.
    fn log_dirs(&mut self) -> Arc<[LogDirectory]> {
        let clean = std::mem::take(&mut self.clean);
        let (used, is_first) = (&self.used, self.used.is_empty());
        let names = self.config.log_dirs.iter();
        let dirs: Arc<[LogDirectory]> = names
            .map(|name| {
                let path: Arc<str> = name.as_str().into();
                let is_new = !used.contains(&path) && !is_first;
                let ended_cleanly = clean.contains(&path) || is_new;
                LogDirectory { name: name.clone(), path, ended_cleanly, id: Ok(directory_id(name)) }
            })
            .collect();
        self.used.extend(dirs.iter().map(|dir| dir.path.clone()));
        dirs
    }

    fn common(&mut self, shards: u16) -> Common {
        let log_dirs = self.log_dirs();
        let identity = Identity {
            cluster_id: TopicId([7; 16]),
            node_id: NodeId(1),
            host: "localhost".to_owned(),
            port: ADDRESS.port(),
            data_dir: DATA_DIR.into(),
            data_dir_id: directory_id(DATA_DIR),
            log_dirs,
            pid: 1,
        };
        Common {
            identity: Arc::new(identity),
            config: self.config.clone(),
            metrics: Metrics::new(),
            shards,
            plugins: None,
            connections: (0..shards).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    pub fn is_running(&self) -> bool {
        1 < self.shards.len()
    }

    /// Runs until the node serves clients.
    ///
    /// Errors: why it does not; with a sentence when it neither serves nor says why.
    pub fn served(&mut self, ms_max: u64) -> Result<(), String> {
        let outcome = self.outcome.clone();
        if !self.run_until(ms_max, || outcome.borrow().is_some()) {
            return Err(format!("the start is not over after {ms_max} ms"));
        }
        match outcome.take() {
            Some(Err(error)) => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Runs clients and node until `done`; false when that takes longer, or nothing happens.
    pub fn run_until(&mut self, ms_max: u64, done: impl Fn() -> bool) -> bool {
        let end = self.world.now().plus_ms(ms_max);
        let world = self.world.clone();
        world.run(&mut self.shards, || done() || end <= world.now());
        done()
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, ns: u64) {
        self.world.clone().run_for(&mut self.shards, ns);
    }

    /// Ends the node without warning. Clients find their connections broken.
    pub fn die(&mut self, death: Death) {
        let node = self.shards.split_off(1);
        match death {
            Death::Crash => self.world.crash(MachineId::FIRST, node),
            Death::PowerCut => self.world.power_cut(MachineId::FIRST, node),
        }
        self.cores.borrow_mut().clear();
        self.clean.clear();
    }

    /// Stops the node in order; says whether every log was closed.
    ///
    /// Errors: it does not end within so much time.
    pub fn stop(&mut self, ms_max: u64) -> Result<bool, String> {
        let first = self.cores.borrow().first().cloned().expect("a node that serves");
        let clean = Rc::new(RefCell::new(None));
        let place = clean.clone();
        first.env.clone().spawn(async move {
            let told = first.ask(ShardId(0), StopNode).told().await;
            place.replace(Some(told.unwrap_or_default()));
        });
        if !self.run_until(ms_max, || clean.borrow().is_some()) {
            return Err(format!("the stop is not over after {ms_max} ms"));
        }
        let clean = clean.take().expect("set, or it is not over");
        drop(self.shards.split_off(1));
        self.cores.borrow_mut().clear();
        self.clean = clean.into_iter().collect();
        Ok(self.config.log_dirs.iter().all(|dir| self.clean.contains(dir.as_str())))
    }
}

/// The server makes and syncs its directories before it boots; so does this.
async fn make_dirs(env: &Env, dirs: &[LogDirectory]) -> Result<(), IoError> {
    for dir in dirs {
        env.create_dir_all(&dir.path).await?;
    }
    env.sync_dir("/").await
}

/// Panics when a setting is refused: it is the test's.
fn config_of(settings: &Overrides) -> BrokerConfig {
    let values = BrokerValues::new(settings.clone()).expect("settings of a test are valid");
    BrokerConfig::new(values, "localhost").expect("settings of a test are valid")
}

fn directory_id(name: &str) -> DirectoryId {
    let mut id = [8; 16];
    for (at, byte) in name.bytes().enumerate() {
        id[at % 16] ^= byte.rotate_left(at as u32 / 16);
    }
    TopicId(id)
}
