//! The whole broker in simulated worlds: lives with faults, and what must be true after each.
//!
//! Every run boots a node of one to three shards several times, ends it by crash, power cut or in
//! order, and lets producers, consumers, a group and owners of passing topics work in between.
//! `SIM_SEEDS=n` says how many seeds to try, `SEED=n cargo test broker_sim` runs that one alone.
//! Start reading at: [`run`].
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use logmill::base::Rng;
use logmill::model::TopicId;
use logmill::shard::Core;
use logmill::sim::{Death, FaultCounts, Faults, LastEnd, SimBroker, World, seeds};

mod audit;
mod canaries;
mod clients;
mod clocks;
mod failing;
mod frames;
mod hostile;
mod kept;
mod line;
mod model;
mod passing;
mod restored;
mod rot;
mod scarred;
mod workers;

use clients::{Memory, Site};
use model::{Model, PARTITIONS};

/// Simulated time after which a request of a producer hangs.
const UNANSWERED_MS: u64 = 5_000;
/// Simulated time after which a start, a stop or a check hangs.
const HANGS_MS: u64 = 300_000;

/// What a run may have.
#[derive(Clone)]
pub struct Plan {
    pub faults: Faults,
    pub settings: Vec<(&'static str, &'static str)>,
    /// The node's shards, life after life.
    pub shards: [u16; 3],
    /// A partitioner of which there is no code stands before the topic: every batch waits in its
    /// partition's line, and none is refused.
    pub has_line: bool,
    pub ops_min: u64,
    pub lives_min: usize,
    /// Lives whose producers get every answer before the end.
    pub rests_per_1000: u64,
    /// The first lives end without a stop in order, and so many of the others.
    pub deaths_min: usize,
    pub dies_per_1000: u64,
    /// Deaths are only of this kind.
    pub death: Option<Death>,
    /// Compare what is read with the ends of the log while it happens.
    pub look_at_ends: bool,
    /// The next start is told this about every end.
    pub pretend: Option<LastEnd>,
    /// The node's wall clock jumps by one of these again and again.
    pub jumps_ms: &'static [i64],
    /// In every second life, while clients work, the disk fails so often; they may hear of it.
    pub failing: Option<Faults>,
    /// What each process left about producers is gone before the next one starts.
    pub forget_producers: bool,
}

impl Plan {
    pub fn legal() -> Self {
        let faults = Faults { reset_per_1000: 2, ..Faults::LEGAL };
        Self {
            faults,
            settings: Vec::new(),
            shards: [1, 3, 2],
            has_line: false,
            ops_min: 1_000,
            lives_min: 4,
            rests_per_1000: 500,
            deaths_min: 2,
            dies_per_1000: 750,
            death: None,
            look_at_ends: true,
            pretend: None,
            jumps_ms: &[],
            failing: None,
            forget_producers: false,
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub broken: Vec<String>,
    pub ops: u64,
    pub counts: FaultCounts,
    pub trace: u64,
    pub lost_to_cuts: u64,
    /// Rebalances of the group of workers.
    pub generations: i32,
    pub deletions: u64,
    /// Shards of lives that are over, and whose memory somebody still holds.
    pub held: usize,
}

struct Run {
    plan: Plan,
    dice: Rng,
    broker: SimBroker,
    site: Site,
    memory: Memory,
    /// What ended the life before; the harder one when there were two without a check.
    last: Option<Death>,
    is_new: bool,
    lives: usize,
    /// The shards of all lives.
    shards: Vec<Weak<Core>>,
}

/// Runs one world through its lives.
pub fn run(seed: u64, plan: &Plan) -> Outcome {
    let mut run = Run::new(seed, plan);
    let model = run.site.model.clone();
    if let Err(sentence) = run.all_lives() {
        model.borrow_mut().fail(sentence);
    }
    let world = run.broker.world.clone();
    let model = model.borrow();
    Outcome {
        broken: model.broken.clone(),
        ops: model.ops,
        counts: world.counts(),
        trace: world.trace(),
        lost_to_cuts: model.lost_to_cuts,
        deletions: run.memory.passing.iter().map(|passing| passing.borrow().deletions).sum(),
        generations: run.memory.workers.borrow().generation(),
        held: run.shards.iter().filter(|core| 0 < core.strong_count()).count(),
    }
}

impl Run {
    fn new(seed: u64, plan: &Plan) -> Self {
        let broker = SimBroker::new(World::new(seed, plan.faults), &plan.settings);
        let model = Rc::new(RefCell::new(Model::default()));
        let (env, mut cores) = (broker.clients(), broker.cores());
        if !plan.look_at_ends {
            cores = Rc::default();
        }
        let configs = if plan.has_line { &line::CONFIGS[..] } else { &[] };
        let site = Site { env, model, cores, topic_id: TopicId::ZERO, configs };
        let (dice, memory, plan) = (Rng::new(seed ^ 0x5eed), Memory::new(), plan.clone());
        let shards = Vec::new();
        Self { plan, dice, broker, site, memory, last: None, is_new: true, lives: 0, shards }
    }

    fn is_over(&self) -> bool {
        let model = self.site.model.borrow();
        !model.broken.is_empty()
            || (self.plan.ops_min <= model.ops && self.plan.lives_min <= self.lives)
    }

    fn all_lives(&mut self) -> Result<(), String> {
        while !self.is_over() {
            self.live()?;
        }
        if !self.site.model.borrow().broken.is_empty() {
            return Ok(());
        }
        // The last word: what a clean stop leaves is what was there.
        for _ in 0..2 {
            self.start()?;
            self.stop()?;
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        self.broker.start(self.plan.shards[self.lives % self.plan.shards.len()]);
        self.broker.served(HANGS_MS).map_err(|error| format!("start: {error}"))?;
        self.shards.extend(self.broker.cores().borrow().iter().map(Rc::downgrade));
        if self.is_new && self.plan.has_line {
            line::register(&mut self.broker);
        }
        self.check()
    }

    fn live(&mut self) -> Result<(), String> {
        if 0 < self.lives && self.dice.chance(150) {
            // It dies while it starts, or just after.
            self.broker.start(self.plan.shards[self.lives % self.plan.shards.len()]);
            self.broker.run_for(self.dice.below(4_000_000));
            return self.end(true);
        }
        self.start()?;
        self.lives += 1;
        let mut tasks = clients::start(&self.site, &self.memory);
        if !self.plan.jumps_ms.is_empty() {
            let (env, world) = (self.site.env.clone(), self.broker.world.clone());
            let jumps_ms = self.plan.jumps_ms;
            tasks.push(self.site.env.spawn(clocks::jump_for_ever(env, world, jumps_ms)));
        }
        let ended = match self.plan.failing {
            Some(faults) if self.lives.is_multiple_of(2) => self.work_and_fail(faults),
            _ => self.work(),
        };
        for task in tasks {
            self.site.env.spawner().abort(task);
        }
        ended
    }

    /// Lets the clients work for a while, and ends the node.
    fn work(&mut self) -> Result<(), String> {
        let model = self.site.model.clone();
        let goal = model.borrow().ops + 100 + self.dice.below(2 * self.plan.ops_min / 5);
        let moving = self.broker.run_until(HANGS_MS, || {
            let model = model.borrow();
            goal <= model.ops || !model.broken.is_empty()
        });
        if !moving {
            return Err(format!("stuck at {} operations", model.borrow().ops));
        }
        if self.dice.chance(self.plan.rests_per_1000) {
            self.rest()?;
        }
        if self.dice.chance(200) {
            self.broker.world.reset_connections();
            let ns = self.dice.below(5_000_000);
            self.broker.run_for(ns);
        }
        let Plan { deaths_min, dies_per_1000, .. } = self.plan;
        let dies = self.lives <= deaths_min || self.dice.chance(dies_per_1000);
        self.end(dies)
    }

    /// Lets the clients come to rest: whatever was produced is answered in time, and the members
    /// of a group agree on who works on what.
    fn rest(&mut self) -> Result<(), String> {
        let (model, memory) = (self.site.model.clone(), &self.memory);
        model.borrow_mut().resting = true;
        let is_settled = || memory.workers.borrow().is_settled();
        let has_rest = || memory.unanswered() == 0 && is_settled();
        let at_rest = || has_rest() || !model.borrow().broken.is_empty();
        let rests = self.broker.run_until(UNANSWERED_MS, at_rest);
        model.borrow_mut().resting = false;
        if !rests {
            let (hang, settled) = (self.memory.unanswered(), is_settled());
            return Err(format!("{hang} requests hang, workers are settled: {settled}"));
        }
        Ok(())
    }

    fn end(&mut self, dies: bool) -> Result<(), String> {
        let ended = if dies { self.die() } else { self.stop() };
        if self.plan.forget_producers {
            canaries::forget_producers(&self.broker.world);
        }
        ended
    }

    fn die(&mut self) -> Result<(), String> {
        let death = match self.plan.death {
            Some(death) => death,
            None if self.dice.chance(400) => Death::Crash,
            None => Death::PowerCut,
        };
        self.broker.die(death);
        if let Some(lie) = self.plan.pretend {
            self.broker.set_last_end(lie);
        }
        self.last = if self.last == Some(Death::PowerCut) { self.last } else { Some(death) };
        Ok(())
    }

    fn stop(&mut self) -> Result<(), String> {
        self.site.model.borrow_mut().stopping = true;
        let clean = self.broker.stop(HANGS_MS)?;
        self.site.model.borrow_mut().stopping = false;
        if !clean {
            return Err("a stop in order left logs open".to_owned());
        }
        Ok(())
    }

    /// Reads everything and compares.
    fn check(&mut self) -> Result<(), String> {
        let (death, is_new) = (self.last.take(), self.is_new);
        let (site, done) = (self.site.clone(), Rc::new(Cell::new(None)));
        let place = done.clone();
        self.site.env.spawn(async move {
            let mut site = site;
            audit::audit(&mut site, death, is_new).await;
            place.set(Some(site.topic_id));
        });
        let flag = done.clone();
        if !self.broker.run_until(HANGS_MS, || flag.get().is_some()) {
            return Err("a check hangs".to_owned());
        }
        self.site.topic_id = done.get().expect("it is done");
        self.is_new = false;
        let model = self.site.model.borrow();
        for positions in &self.memory.positions {
            let mut positions = positions.borrow_mut();
            for partition in 0..PARTITIONS {
                let position = &mut positions[partition as usize];
                *position = (*position).min(model.end_of(partition));
            }
        }
        Ok(())
    }
}

/// How many seeds: `SIM_SEEDS`, else by the tier.
fn seed_count() -> u64 {
    if let Ok(count) = std::env::var("SIM_SEEDS") {
        return count.parse().expect("SIM_SEEDS is a number");
    }
    match crate::harness::tier() {
        crate::harness::Tier::Quick => 50,
        crate::harness::Tier::Test => 500,
        crate::harness::Tier::All => 10_000,
    }
}

#[track_caller]
fn check_one(seed: u64, outcome: &Outcome, plan: &Plan) {
    assert!(outcome.broken.is_empty(), "SEED={seed}: {:#?}", outcome.broken);
    let Outcome { ops, counts, held, .. } = outcome;
    assert_eq!(*held, 0, "SEED={seed}: shards are over, and their memory is held");
    assert!(plan.ops_min <= *ops, "SEED={seed}: only {ops} operations");
    let deaths = counts.crashes + counts.power_cuts;
    let kinds = counts.by_name().iter().filter(|(_, count)| 0 < *count).count();
    assert!(2 <= deaths && 4 <= kinds && 100 < counts.total(), "SEED={seed}: {counts:?}");
}

/// Runs all these seeds on all cores and checks each.
fn check_seeds(count: u64, plan: &Plan) {
    let all = seeds(count);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let sums = std::sync::Mutex::new((0, 0, 0, 0, 0));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(all.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(seed) = all.get(at).copied() else { return };
                    let caught = std::panic::catch_unwind(|| run(seed, plan));
                    let outcome = caught.unwrap_or_else(|panic| {
                        eprintln!("failed with SEED={seed}");
                        std::panic::resume_unwind(panic);
                    });
                    check_one(seed, &outcome, plan);
                    let mut sums = sums.lock().unwrap();
                    sums.0 += outcome.ops;
                    sums.1 += outcome.counts.total();
                    sums.2 += outcome.lost_to_cuts;
                    sums.3 += outcome.generations;
                    sums.4 += outcome.deletions;
                }
            });
        }
    });
    let (ops, faults, lost, generations, deletions) = *sums.lock().unwrap();
    println!("{} seeds: {ops} operations, {faults} faults", all.len());
    println!("{lost} acks=1 taken by cuts, {generations} generations of a group");
    println!("{deletions} topics deleted");
}

#[test]
fn no_fault_takes_what_the_broker_promised() {
    check_seeds(seed_count(), &Plan::legal());
}

#[test]
fn two_log_directories_on_two_disks_break_no_promise() {
    let plan = Plan { settings: vec![("log.dirs", "/data,/other")], ..Plan::legal() };
    check_seeds(seed_count() / 4, &plan);
}

#[test]
fn one_seed_gives_one_trace() {
    for seed in seeds(2) {
        let (first, second) = (run(seed, &Plan::legal()), run(seed, &Plan::legal()));
        assert_eq!(first.trace, second.trace, "SEED={seed}");
        assert_eq!((first.ops, first.counts), (second.ops, second.counts));
    }
}
