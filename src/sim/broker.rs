//! A whole node in a simulated world: the code of a real start and stop on simulated shards.
//!
//! Owns: boot, clean stop, crash and power cut of one node, on a disk that outlives its processes;
//! a second machine on which clients run while the node comes and goes.
//! Leaves to others: faults (`world`, `disk`, `net`), clients (`client`), what is right (tests).
//! Invariant: what is run between two ends of the world's events is the product's code only.
//! Start reading at: [`SimBroker::start`].
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::api::node::{BootError, LastEnd, StopNode, run_first, run_other};
use crate::config::{BrokerConfig, BrokerValues, Overrides};
use crate::env::{Env, IoError, Shard};
use crate::model::{NodeId, ShardId, TopicId};
use crate::observe::Metrics;
use crate::shard::{Common, Core, Identity};
use crate::sim::{Chunks, MachineId, World};

/// Where every simulated node listens.
pub const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_092);
/// The directory of a node's logs.
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

/// How a start went; `None` while it is under way.
type Outcome = Rc<RefCell<Option<Result<SocketAddr, BootError>>>>;

/// One node, or the machine on which one can be started.
pub struct SimBroker {
    pub world: World,
    /// The clients' shard, then those of the node.
    shards: Vec<Shard>,
    config: Arc<BrokerConfig>,
    cores: Rc<RefCell<Vec<Rc<Core>>>>,
    outcome: Outcome,
    last_end: LastEnd,
}

impl SimBroker {
    /// A machine without a node, and one for clients.
    ///
    /// Panics when a setting is refused: it is the test's.
    pub fn new(world: World, settings: &[(&str, &str)]) -> Self {
        let all = SETTINGS.iter().chain(settings);
        let all: Overrides = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let values = BrokerValues::new(all).expect("settings of a test are valid");
        let config = BrokerConfig::new(values, "localhost").expect("settings of a test are valid");
        let clients = world.add_machine();
        let shards = world.boot_with(clients, 1, Chunks { count: 64, bytes: 16 * 1_024 });
        Self {
            world,
            shards,
            config: Arc::new(config),
            cores: Rc::default(),
            outcome: Outcome::default(),
            last_end: LastEnd::Crashed,
        }
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
        self.last_end = last_end;
    }

    /// Boots a node of so many shards; it serves some time later, see [`SimBroker::served`].
    pub fn start(&mut self, shards: u16) {
        assert!(!self.is_running(), "it runs already");
        let last_end = std::mem::replace(&mut self.last_end, LastEnd::Crashed);
        let started = self.world.boot(MachineId::FIRST, shards);
        let common = self.common(shards);
        self.outcome = Outcome::default();
        for shard in &started[1..] {
            self.cores.borrow_mut().push(run_other(&shard.env(), common.clone()));
        }
        let (env, cores, outcome) = (started[0].env(), self.cores.clone(), self.outcome.clone());
        env.clone().spawn(async move {
            let booted = match make_data_dir(&env).await {
                Ok(()) => run_first(&env, common, ADDRESS, last_end).await,
                Err(error) => Err(BootError::Metadata(format!("{DATA_DIR}: {error:?}"))),
            };
            let served = booted.map(|(core, address)| {
                cores.borrow_mut().insert(0, core);
                address
            });
            outcome.replace(Some(served));
        });
        self.shards.extend(started);
    }

    fn common(&self, shards: u16) -> Common {
        let identity = Identity {
            cluster_id: TopicId([7; 16]),
            node_id: NodeId(1),
            directory_id: TopicId([8; 16]),
            host: "localhost".to_owned(),
            port: ADDRESS.port(),
            data_dir: DATA_DIR.into(),
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
        self.last_end = LastEnd::Crashed;
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
            place.replace(Some(told.unwrap_or(false)));
        });
        if !self.run_until(ms_max, || clean.borrow().is_some()) {
            return Err(format!("the stop is not over after {ms_max} ms"));
        }
        let clean = clean.take().expect("set, or it is not over");
        drop(self.shards.split_off(1));
        self.cores.borrow_mut().clear();
        self.last_end = if clean { LastEnd::Stopped } else { LastEnd::Crashed };
        Ok(clean)
    }
}

/// The server makes and syncs its directory before it boots; so does this.
async fn make_data_dir(env: &Env) -> Result<(), IoError> {
    env.create_dir_all(DATA_DIR).await?;
    env.sync_dir("/").await
}
