//! The simulated driver: the same seam, but every delay, short result and fault comes from a seed.
//!
//! Owns: worlds of machines, each with a disk and a wall clock, processes with shards on them.
//! Leaves to others: time and events (`world`), files (`disk`, `names`), sockets (`net`), a whole
//! node in a world (`broker`).
//! Invariant: one seed gives one run; nothing here reads a clock, an address or a hash order.
//! Start reading at: [`World`], then [`world::Core::step`].
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Rng;
use crate::env::driver::{Driver, Wait};
use crate::env::exec::{Order, Shard};
use crate::env::pool::Pool;
use crate::env::recycle::Recycler;
use crate::env::seam::{Seam, Setup};
use crate::env::{Env, Instant};
use crate::model::ShardId;
use world::{Core, Process};

mod broker;
mod client;
mod disk;
mod door;
mod faults;
mod flights;
mod names;
mod net;
mod world;

pub use broker::{ADDRESS, DATA_DIR, Death, LastEnd, SimBroker};
pub use client::{ClientError, KafkaClient};
pub use disk::{DiskWork, SECTOR_BYTES};
pub use faults::{FaultCounts, Faults};

/// Rounds of one [`World::run`]; more means that something spins without end.
pub const ROUNDS_MAX: u64 = 20_000_000;

/// Names one machine of a world: a disk and a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineId(pub(crate) usize);

impl MachineId {
    /// The machine that every world has.
    pub const FIRST: Self = Self(0);
}

/// Receive memory of each simulated shard: small, so that it runs out.
#[derive(Clone, Copy, Debug)]
pub struct Chunks {
    pub count: u16,
    pub bytes: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { count: 16, bytes: 1_024 }
    }
}

/// What a disk held once.
pub struct DiskCopy(disk::Disk);

/// A handle to one simulated world; all its shards run on this thread.
#[derive(Clone)]
pub struct World(Rc<RefCell<Core>>);

struct SimDriver {
    world: Rc<RefCell<Core>>,
    process: usize,
    shard: usize,
}

impl World {
    /// A world with one machine.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self(Rc::new(RefCell::new(Core::new(seed, faults))))
    }

    pub fn add_machine(&self) -> MachineId {
        self.0.borrow_mut().add_machine()
    }

    /// Starts a process of so many shards on a machine, on what its disk holds.
    pub fn boot(&self, machine: MachineId, shards: u16) -> Vec<Shard> {
        self.boot_with(machine, shards, Chunks::default())
    }

    pub fn boot_with(&self, machine: MachineId, shards: u16, chunks: Chunks) -> Vec<Shard> {
        let mut core = self.0.borrow_mut();
        let door = Arc::new(door::SimDoor::new(shards));
        let process = core.start_process(Process::new(machine, door.clone()));
        let mut started = Vec::new();
        for number in 0..shards {
            let seam = Rc::new(Seam::new(Setup {
                shard: ShardId(number),
                pool: Pool::new(chunks.count, chunks.bytes),
                recycler: Recycler::new(1 << 20),
                door: door.clone(),
                random_seed: core.rng.next_u64(),
                now: core.now,
                wall_ms: core.wall_ms(machine),
            }));
            let order = Order::Seeded(Rng::new(core.rng.next_u64()));
            core.add_shard(process, seam.clone());
            started.push((seam, order));
        }
        drop(core);
        let driver = |shard| SimDriver { world: self.0.clone(), process, shard };
        let build = |(shard, (seam, order))| Shard::new(seam, order, Box::new(driver(shard)));
        started.into_iter().enumerate().map(build).collect()
    }

    /// Runs the shards, in seeded order, until `done`; false when nothing can happen any more.
    pub fn run(&self, shards: &mut [Shard], done: impl Fn() -> bool) -> bool {
        for _ in 0..ROUNDS_MAX {
            if done() {
                return true;
            }
            let first = self.0.borrow_mut().rng.below(shards.len() as u64) as usize;
            let mut progressed = false;
            for at in 0..shards.len() {
                let index = (first + at) % shards.len();
                if shards[index].has_work() {
                    shards[index].turn(Wait::No);
                    progressed = true;
                }
            }
            if !progressed && !shards[first].turn(Wait::UntilEvent) {
                return done();
            }
        }
        panic!("no end after {ROUNDS_MAX} rounds: a task spins");
    }

    /// Runs until so many nanoseconds have passed in the world.
    pub fn run_for(&self, shards: &mut [Shard], ns: u64) -> bool {
        let end = Instant(self.now().0 + ns);
        self.run(shards, || end <= self.now())
    }

    /// Kills the process: memory and connections go, the page cache stays.
    pub fn crash(&self, machine: MachineId, shards: Vec<Shard>) {
        self.0.borrow_mut().crash(machine);
        drop(shards);
    }

    /// Cuts the machine's power: what no sync wrote may be lost, torn or rolled back.
    pub fn power_cut(&self, machine: MachineId, shards: Vec<Shard>) {
        self.0.borrow_mut().power_cut(machine);
        drop(shards);
    }

    /// Monotonic time since the world began.
    pub fn now(&self) -> Instant {
        self.0.borrow().now
    }

    /// A number from the world's seed, for the test itself.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.borrow_mut().rng.below(bound)
    }

    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }

    /// From now on every sync below a folder at the root of the first machine fails, or none does.
    ///
    /// Panics when there is no such folder.
    pub fn set_device_dead(&self, path: &str, dead: bool) {
        let mut world = self.0.borrow_mut();
        world.disk(MachineId::FIRST).set_dead(path, dead).expect("a folder at the root");
    }

    pub fn faults(&self) -> Faults {
        self.0.borrow().faults
    }

    /// What a machine's disk was asked for so far.
    pub fn disk_work(&self, machine: MachineId) -> DiskWork {
        self.0.borrow_mut().disk(machine).work
    }

    /// How often each fault happened so far.
    pub fn counts(&self) -> FaultCounts {
        self.0.borrow().counts
    }

    /// A sum over all events: equal for equal runs.
    pub fn trace(&self) -> u64 {
        self.0.borrow().trace
    }

    /// Sets the wall clock of a machine forward or back; the monotonic clock does not notice.
    pub fn jump_wall_ms(&self, machine: MachineId, by_ms: i64) {
        self.0.borrow_mut().jump_wall_ms(machine, by_ms);
    }

    /// Lets time pass in which nobody ran, as on a paused machine.
    pub fn skip_ns(&self, ns: u64) {
        self.0.borrow_mut().skip_ns(ns);
    }

    /// Lets every read of a file of a machine fail with EIO, or none any more. Panics when there is
    /// no such file.
    pub fn set_unreadable(&self, machine: MachineId, path: &str, unreadable: bool) {
        let set = self.0.borrow_mut().disk(machine).set_unreadable(path, unreadable);
        set.expect("a file");
    }

    /// Bounds the bytes of all files of a machine.
    pub fn set_disk_bytes_max(&self, machine: MachineId, bytes_max: u64) {
        self.0.borrow_mut().disk(machine).bytes_max = bytes_max;
    }

    /// From now on a machine's disk writes nothing in place, as copy-on-write file systems do.
    pub fn set_copies_on_write(&self, machine: MachineId) {
        self.0.borrow_mut().disk(machine).copies_on_write = true;
    }

    /// Lets a machine's disk remove nothing, as a full copy-on-write file system, or everything.
    pub fn set_keeps_names(&self, machine: MachineId, keeps: bool) {
        self.0.borrow_mut().disk(machine).keeps_names = keeps;
    }

    /// Lets a machine's disk have room for so many names that change, and for none after.
    pub fn set_renames_left(&self, machine: MachineId, count: u64) {
        self.0.borrow_mut().disk(machine).renames_left = count;
    }

    /// Flips a bit of one of the files whose path `is_meant`; says where.
    pub fn rot(
        &self,
        machine: MachineId,
        is_meant: impl Fn(&str) -> bool,
    ) -> Option<(String, u64)> {
        self.0.borrow_mut().rot(machine, is_meant)
    }

    /// A copy of everything on the disk of a machine that is off.
    pub fn copy_disk(&self, machine: MachineId) -> DiskCopy {
        DiskCopy(self.0.borrow_mut().disk(machine).clone())
    }

    /// Puts a copy in the place of what the machine's disk holds; the machine is off.
    pub fn restore_disk(&self, machine: MachineId, copy: &DiskCopy) {
        *self.0.borrow_mut().disk(machine) = copy.0.clone();
    }

    /// Open descriptors of the machine's process: files, sockets, listeners.
    pub fn open_fds(&self, machine: MachineId) -> usize {
        self.0.borrow().open_fds(machine)
    }

    /// Hints to disks to begin a write, of all machines, that have not ended.
    pub fn write_backs_under_way(&self) -> usize {
        self.0.borrow().write_backs_under_way()
    }

    /// Breaks every connection that is open now.
    pub fn reset_connections(&self) {
        self.0.borrow_mut().net.reset_all();
    }
}

impl Driver for SimDriver {
    fn turn(&mut self, seam: &Seam, wait: Wait) -> bool {
        if wait == Wait::UntilEvent {
            seam.run_before_sleep();
        }
        let mut core = self.world.borrow_mut();
        if !core.is_alive(self.process) {
            return false;
        }
        seam.feed_starved();
        core.collect(self.process, self.shard, seam);
        let alive = match wait {
            Wait::UntilEvent => core.step(),
            Wait::No => {
                core.pass_turn();
                true
            }
        };
        core.tell_time();
        alive
    }

    fn stop(&mut self, seam: &Seam) {
        // A panic inside the world must not become an abort.
        let Ok(mut core) = self.world.try_borrow_mut() else { return };
        if core.is_alive(self.process) {
            core.collect(self.process, self.shard, seam);
            core.stop_shard(self.process, self.shard);
        }
    }

    fn slice_clock(&self) -> Option<u64> {
        None
    }

    fn thread_cpu_ns(&self) -> Option<u64> {
        None
    }
}

/// Runs one future on one simulated shard. Gives the trace; panics when it hangs.
pub fn block_on<F: Future<Output = ()> + 'static>(
    seed: u64,
    faults: Faults,
    start: impl FnOnce(Env) -> F,
) -> u64 {
    let world = World::new(seed, faults);
    let mut shards = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, start);
    world.trace()
}

impl World {
    /// Runs one future on the first of these shards; panics when it hangs.
    pub fn block_on<T: 'static, F: Future<Output = T> + 'static>(
        &self,
        shards: &mut [Shard],
        start: impl FnOnce(Env) -> F,
    ) -> T {
        let env = shards[0].env();
        let future = start(env.clone());
        let result = Rc::new(Cell::new(None));
        let (place, done) = (result.clone(), Rc::new(Cell::new(false)));
        let flag = done.clone();
        env.spawn(async move {
            place.set(Some(future.await));
            flag.set(true);
        });
        assert!(self.run(shards, || done.get()), "nothing can happen any more, but it did not end");
        result.take().expect("set before the flag")
    }
}

/// The seeds to try: `SEED` from the environment alone, or the first `count`.
pub fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// Runs `test` with each seed, and names the seed when it panics.
pub fn each_seed(count: u64, test: impl Fn(u64)) {
    for seed in seeds(count) {
        let run = std::panic::AssertUnwindSafe(|| test(seed));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("failed with SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
