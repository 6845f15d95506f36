//! One world: machines, processes, operations in flight, letters on their way, time.
//!
//! Owns: the order of events. Leaves to others: what an operation does to files (`disk`) and
//! connections (`net`).
//! Invariant: an operation holds what its descriptor meant when it was submitted; the number may
//! mean something else by the time it happens, as in the kernel.
//! Start reading at: [`Core::collect`], then [`Core::step`].
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::{Bytes, Rng};
use crate::env::op::{
    Caching, Done, IoError, Letter, LetterKind, Many, Memory, Op, PathOp, ReplyTo, Token,
};
use crate::env::seam::{Seam, Work};
use crate::env::{Fd, Instant};
use crate::model::ShardId;
use crate::sim::MachineId;
use crate::sim::disk::{Disk, Ino, Luck};
use crate::sim::door::SimDoor;
use crate::sim::faults::{FaultCounts, Faults};
use crate::sim::flights::{Flight, Flights};
use crate::sim::net::{EndId, Net};

/// The wall clock when a world begins.
const WALL_START_MS: i64 = 1_700_000_000_000;
const FD_FIRST: i32 = 3;
/// What a turn with ready tasks costs at most.
const TURN_NS_MAX: u64 = 5_000;
const EVENTS_PER_TURN_MAX: usize = 8;
/// What a slow durable write takes at most.
const SLOW_WRITE_NS_MAX: u64 = 5_000_000;

/// What a descriptor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    File { ino: Ino, writable: bool },
    End(EndId),
}

struct Posted {
    due: Instant,
    process: usize,
    to: ShardId,
    letter: Letter,
}

pub struct Process {
    machine: MachineId,
    alive: bool,
    /// `None` once that shard stopped.
    seams: Vec<Option<Rc<Seam>>>,
    /// Chunks that each shard's driver holds.
    chunks: Vec<Vec<u16>>,
    fds: BTreeMap<i32, Object>,
    door: Arc<SimDoor>,
}

struct Machine {
    disk: Disk,
    wall_offset_ms: i64,
}

impl Machine {
    fn new(reads_uncached: bool) -> Self {
        Self { disk: Disk::new(reads_uncached), wall_offset_ms: 0 }
    }
}

pub struct Core {
    pub faults: Faults,
    pub counts: FaultCounts,
    pub rng: Rng,
    pub now: Instant,
    pub net: Net,
    pub trace: u64,
    machines: Vec<Machine>,
    processes: Vec<Process>,
    flights: Flights,
    letters: Vec<Posted>,
    /// A process is being killed: writes that still happen are not durable yet.
    dying: bool,
}

/// When the next things happen.
struct Next {
    flight: Option<(Instant, u64)>,
    letter: Option<Instant>,
    timer: Option<Instant>,
    any: Option<Instant>,
}

/// What one operation came to.
enum Outcome {
    /// Not yet: nothing to receive, no room to send.
    Blocked(Op),
    Last(Done),
    More(Op, Done),
}

impl Process {
    pub fn new(machine: MachineId, door: Arc<SimDoor>) -> Self {
        let (seams, chunks, fds) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { machine, alive: true, seams, chunks, fds, door }
    }

    fn add_fd(&mut self, object: Object) -> usize {
        let fd = (FD_FIRST..).find(|fd| !self.fds.contains_key(fd)).expect("a free number");
        self.fds.insert(fd, object);
        fd as usize
    }

    fn resolve(&self, fd: Fd) -> Object {
        *self.fds.get(&fd.0).unwrap_or_else(|| panic!("{fd:?} is used after it was closed"))
    }
}

/// The descriptor that an operation uses.
fn fd_of(op: &Op) -> Option<Fd> {
    match op {
        Op::Many(Many::Accept(fd) | Many::Receive(fd))
        | Op::ReceiveChunk { socket: fd }
        | Op::ReceiveInto { socket: fd, .. }
        | Op::Send { socket: fd, .. }
        | Op::ShutdownSend { socket: fd }
        | Op::WriteAt { file: fd, .. }
        | Op::ReadAt { file: fd, .. }
        | Op::DropCached { file: fd, .. }
        | Op::StartWriteBack { file: fd, .. }
        | Op::SyncData { file: fd }
        | Op::SyncFileSystem { file: fd }
        | Op::WriteDurably { file: fd, .. }
        | Op::Path(
            PathOp::Truncate { file: fd, .. }
            | PathOp::FileBytes { file: fd }
            | PathOp::Reserve { file: fd, .. },
        ) => Some(*fd),
        _ => None,
    }
}

impl Core {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            faults,
            counts: FaultCounts::default(),
            rng: Rng::new(seed),
            now: Instant(0),
            net: Net::default(),
            trace: seed,
            machines: vec![Machine::new(seed.is_multiple_of(2))],
            processes: Vec::new(),
            flights: Flights::default(),
            letters: Vec::new(),
            dying: false,
        }
    }

    pub fn add_machine(&mut self) -> MachineId {
        self.machines.push(Machine::new(self.machines[0].disk.reads_uncached));
        MachineId(self.machines.len() - 1)
    }

    pub fn disk(&mut self, machine: MachineId) -> &mut Disk {
        &mut self.machines[machine.0].disk
    }

    pub fn start_process(&mut self, process: Process) -> usize {
        let machine = process.machine;
        assert!(self.running(machine).is_none(), "one process per machine: stop the other first");
        self.processes.push(process);
        self.processes.len() - 1
    }

    pub fn add_shard(&mut self, process: usize, seam: Rc<Seam>) {
        let process = &mut self.processes[process];
        process.seams.push(Some(seam));
        process.chunks.push(Vec::new());
    }

    fn running(&self, machine: MachineId) -> Option<usize> {
        let on = |process: &Process| process.alive && process.machine == machine;
        self.processes.iter().position(on)
    }

    pub fn is_alive(&self, process: usize) -> bool {
        self.processes[process].alive
    }

    pub fn open_fds(&self, machine: MachineId) -> usize {
        self.running(machine).map_or(0, |process| self.processes[process].fds.len())
    }

    pub fn write_backs_under_way(&self) -> usize {
        self.flights.count(|flight| matches!(flight.op, Op::StartWriteBack { .. }))
    }

    pub fn wall_ms(&self, machine: MachineId) -> i64 {
        let passed = (self.now.0 / 1_000_000) as i64;
        WALL_START_MS + passed + self.machines[machine.0].wall_offset_ms
    }

    pub fn jump_wall_ms(&mut self, machine: MachineId, by_ms: i64) {
        self.machines[machine.0].wall_offset_ms += by_ms;
        self.tell_time();
    }

    pub fn skip_ns(&mut self, ns: u64) {
        self.now = Instant(self.now.0 + ns);
        self.tell_time();
    }

    /// Every shard reads the clocks; timers that are due fire.
    pub fn tell_time(&mut self) {
        for process in self.processes.iter().filter(|process| process.alive) {
            let wall_ms = self.wall_ms(process.machine);
            for seam in process.seams.iter().flatten() {
                seam.set_now(self.now);
                seam.set_wall_ms(wall_ms);
                seam.fire_timers();
            }
        }
    }

    fn later(&mut self, delay_ns_max: u64) -> Instant {
        Instant(self.now.0 + 1 + self.rng.below(delay_ns_max.max(1)))
    }

    /// When an operation that is submitted now happens.
    fn due(&mut self, op: &Op) -> Instant {
        let is_durable = matches!(op, Op::WriteDurably { .. });
        if is_durable && self.rng.chance(self.faults.slow_write_per_1000) {
            self.counts.slow_writes += 1;
            return self.later(SLOW_WRITE_NS_MAX);
        }
        self.later(self.faults.delay_ns_max)
    }

    /// Takes what one shard submitted, canceled and wrote.
    pub fn collect(&mut self, process: usize, shard: usize, seam: &Seam) {
        seam.pool.take_returned(&mut self.processes[process].chunks[shard]);
        self.open_door(process);
        let mut work = Work::default();
        seam.take_work(&mut work);
        for (token, op) in work.submitted {
            if let Op::Close { fd } = op {
                self.close(process, fd);
                seam.deliver(token, Done::bare(Ok(0)), false);
                continue;
            }
            let due = self.due(&op);
            let object = fd_of(&op).map(|fd| self.processes[process].resolve(fd));
            self.flights.push(Flight { due, process, shard, token, op, object, canceled: false });
        }
        for token in work.cancels {
            let due = self.later(self.faults.delay_ns_max);
            self.flights.cancel(process, shard, token, due);
        }
        for (to, letter) in work.letters {
            self.post(process, to, letter);
        }
    }

    fn open_door(&mut self, process: usize) {
        let (knocks, closing) = self.processes[process].door.take();
        for (to, body, reply) in knocks {
            let kind = LetterKind::Request { reply_to: ReplyTo::Outside(reply), body };
            self.post(process, to, Letter { from: to, kind, credits: 0 });
        }
        for fd in closing {
            self.close(process, fd);
        }
    }

    fn close(&mut self, process: usize, fd: Fd) {
        match self.processes[process].fds.remove(&fd.0) {
            Some(Object::End(end)) => self.net.close(end),
            Some(Object::File { .. }) => {}
            None => panic!("closed twice or never open: {fd:?}"),
        }
    }

    /// Letters of one pair stay in order, pairs overtake each other.
    fn post(&mut self, process: usize, to: ShardId, letter: Letter) {
        let seams = &self.processes[process].seams;
        if !seams.get(usize::from(to.0)).is_some_and(Option::is_some) {
            if let Some((origin, refusal)) = refuse(to, letter) {
                self.post(process, origin, refusal);
            }
            return;
        }
        let due = self.later(self.faults.mail_delay_ns_max);
        let pair = |other: &&Posted| {
            other.process == process && other.to == to && other.letter.from == letter.from
        };
        let last = self.letters.iter().filter(pair).map(|other| other.due).max();
        let due = last.map_or(due, |last| due.max(last));
        let overtakes = self.letters.iter().any(|other| due < other.due);
        self.counts.mail_overtaken += u64::from(overtakes);
        self.letters.push(Posted { due, process, to, letter });
    }

    fn next(&self) -> Next {
        let flight = self.flights.first(|flight| flight.canceled || self.is_ready(flight));
        let letter = self.letters.iter().map(|letter| letter.due).min();
        let alive = self.processes.iter().filter(|process| process.alive);
        let seams = alive.flat_map(|process| process.seams.iter().flatten());
        let timer = seams.filter_map(|seam| seam.next_deadline()).min();
        let due = flight.map(|key| key.0);
        Next { flight, letter, timer, any: [due, letter, timer].into_iter().flatten().min() }
    }

    /// A turn with ready tasks costs time too; what is due by then happens.
    pub fn pass_turn(&mut self) {
        self.now = Instant(self.now.0 + 1 + self.rng.below(TURN_NS_MAX));
        for _ in 0..EVENTS_PER_TURN_MAX {
            let Next { any, timer, .. } = self.next();
            // Timers fire when the clocks are told, behind this loop.
            if any.is_none_or(|due| self.now < due) || any == timer {
                return;
            }
            self.step();
        }
    }

    /// Makes the next thing happen and moves the clock to it. False when nothing can happen.
    pub fn step(&mut self) -> bool {
        let Next { flight, letter, timer, any } = self.next();
        let Some(next) = any else {
            // A knock may have come from a callback that ran in this very turn.
            return self.processes.iter().any(|process| process.alive && !process.door.is_quiet());
        };
        self.now = self.now.max(next);
        if timer == Some(next) {
            return true;
        }
        if letter == Some(next) {
            let at = self.letters.iter().position(|letter| letter.due == next).expect("found");
            let Posted { process, to, letter, .. } = self.letters.remove(at);
            self.note((u64::from(to.0) << 16) | u64::from(letter.from.0));
            if let Some(seam) = self.processes[process].seams[usize::from(to.0)].clone() {
                seam.deliver_letter(letter);
            }
            return true;
        }
        let flight = self.flights.take(flight.expect("it is neither of the others"));
        self.perform(flight);
        true
    }

    fn is_ready(&self, flight: &Flight) -> bool {
        let Some(Object::End(end)) = flight.object else { return true };
        match flight.op {
            Op::Many(Many::Accept(_)) => self.net.can_accept(end),
            Op::Send { .. } => self.net.can_send(end),
            Op::ShutdownSend { .. } => true,
            _ => self.net.can_receive(end),
        }
    }

    fn perform(&mut self, flight: Flight) {
        // Half of the cancels come too late when the operation could also go on.
        if flight.canceled && (!self.is_ready(&flight) || self.rng.chance(500)) {
            let done = give_back(flight.op, IoError::Canceled);
            return self.deliver(flight.process, flight.shard, flight.token, done, false);
        }
        let Flight { process, shard, token, op, object, canceled, .. } = flight;
        match self.attempt(process, shard, op, object) {
            Outcome::Blocked(op) => {
                let due = self.later(self.faults.delay_ns_max);
                self.flights.push(Flight { due, process, shard, token, op, object, canceled });
            }
            Outcome::Last(done) => self.deliver(process, shard, token, done, false),
            Outcome::More(op, done) => {
                let more = !self.rng.chance(self.faults.disarm_per_1000);
                self.counts.disarms += u64::from(!more);
                self.deliver(process, shard, token, done, more);
                if more {
                    let due = self.later(self.faults.delay_ns_max);
                    self.flights.push(Flight { due, process, shard, token, op, object, canceled });
                }
            }
        }
    }

    fn attempt(&mut self, process: usize, shard: usize, op: Op, object: Option<Object>) -> Outcome {
        match (op, object) {
            (Op::Path(op), object) => Outcome::Last(self.path_op(process, op, object)),
            (Op::Work { job, .. }, _) => {
                Outcome::Last(Done { result: Ok(0), memory: Memory::Any(job()) })
            }
            (Op::Discard { thing }, _) => {
                drop(thing);
                Outcome::Last(Done::bare(Ok(0)))
            }
            (op, Some(Object::File { ino, writable })) => {
                Outcome::Last(self.file_op(process, op, ino, writable))
            }
            (
                op @ (Op::Many(Many::Receive(_)) | Op::ReceiveChunk { .. }),
                Some(Object::End(end)),
            ) => self.receive_chunk(process, shard, op, end),
            (op, Some(Object::End(end))) => self.socket_op(process, op, end),
            (Op::Listen { address, .. }, _) => {
                Outcome::Last(Done::bare(self.net.listen(address).map(|(end, port)| {
                    let fd = self.processes[process].add_fd(Object::End(end));
                    fd | (usize::from(port) << 32)
                })))
            }
            (Op::Connect { address }, _) => {
                let made = self.net.connect(&address);
                let add = |end| self.processes[process].add_fd(Object::End(end));
                Outcome::Last(Done::bare(made.map(add)))
            }
            (op, None) => Outcome::Last(give_back(op, IoError::Errno(libc::EBADF))),
        }
    }

    fn file_op(&mut self, process: usize, op: Op, ino: Ino, writable: bool) -> Done {
        let machine = self.processes[process].machine.0;
        let wall_ms = self.wall_ms(MachineId(machine));
        let Self { rng, faults, counts, machines, dying, .. } = self;
        let disk = &mut machines[machine].disk;
        if matches!(op, Op::WriteAt { .. }) && writable {
            disk.touch(ino, wall_ms);
        }
        let mut luck = Luck { rng, faults, counts };
        match op {
            Op::WriteAt { at, data, .. } => {
                let refused = IoError::Errno(libc::EBADF);
                let result =
                    if writable { disk.write(ino, at, &data, &mut luck) } else { Err(refused) };
                Done { result, memory: Memory::Slices(data) }
            }
            Op::ReadAt { buf, caching: Caching::Uncached, .. } if !disk.reads_uncached => {
                Done { result: Err(IoError::UNSUPPORTED), memory: Memory::Buf(buf) }
            }
            Op::ReadAt { at, mut buf, want, .. } => {
                let room = want - buf.len();
                let result = disk.read(ino, at, &mut buf, room, &mut luck);
                Done { result, memory: Memory::Buf(buf) }
            }
            Op::DropCached { at, bytes, .. } => {
                disk.drop_cached(ino, at, bytes);
                Done::bare(Ok(0))
            }
            // What a crash leaves of the page cache is a matter of luck anyway.
            Op::StartWriteBack { .. } => Done::bare(Ok(0)),
            Op::SyncData { .. } => Done::bare(disk.sync(ino, &mut luck)),
            Op::SyncFileSystem { .. } => Done::bare(disk.sync_all(ino, &mut luck)),
            Op::WriteDurably { at, data, from, .. } => {
                let rest = &data.as_slice()[from..];
                let result = if *dying {
                    disk.write(ino, at, &[Bytes::copy_from_slice(rest)], &mut luck)
                } else {
                    disk.write_durably(ino, at, rest, &mut luck)
                };
                Done { result, memory: Memory::Aligned(data) }
            }
            op => give_back(op, IoError::Errno(libc::ENOTSOCK)),
        }
    }

    fn path_op(&mut self, process: usize, op: PathOp, object: Option<Object>) -> Done {
        let machine = self.processes[process].machine.0;
        let wall_ms = self.wall_ms(MachineId(machine));
        let Self { rng, faults, counts, machines, .. } = self;
        let disk = &mut machines[machine].disk;
        let none = |result: Result<(), IoError>| result.map(|()| 0);
        let result = match op {
            PathOp::Open { path, how } => disk.names.open(&path, how).map(|(ino, new)| {
                if new {
                    disk.create(ino);
                    disk.touch(ino, wall_ms);
                }
                let writable = how != crate::env::OpenHow::Read;
                self.processes[process].add_fd(Object::File { ino, writable })
            }),
            PathOp::Truncate { bytes, .. } => match object {
                Some(Object::File { ino, writable: true }) => {
                    disk.truncate(ino, bytes);
                    disk.touch(ino, wall_ms);
                    Ok(0)
                }
                _ => Err(IoError::Errno(libc::EINVAL)),
            },
            // Room is counted where bytes are; what is reserved changes nothing else.
            PathOp::Reserve { .. } => Ok(0),
            PathOp::FileBytes { .. } => match object {
                Some(Object::File { ino, .. }) => Ok(disk.file_bytes(ino) as usize),
                _ => Err(IoError::Errno(libc::EINVAL)),
            },
            PathOp::Rename { .. } if !disk.takes_rename() => Err(IoError::NoSpace),
            PathOp::Rename { from, to } => none(disk.names.rename(&from, &to).map(|replaced| {
                disk.forget(replaced.as_slice());
            })),
            PathOp::RemoveFile { ref path } | PathOp::RemoveDirAll { ref path }
                if disk.keeps_names && disk.names.exists(path) =>
            {
                Err(IoError::NoSpace)
            }
            PathOp::RemoveFile { path } => {
                none(disk.names.remove_file(&path).map(|removed| disk.forget(&[removed])))
            }
            PathOp::RemoveDirAll { path } => {
                none(disk.names.remove_dir_all(&path).map(|removed| disk.forget(&removed)))
            }
            PathOp::CreateDirAll { path } => none(disk.names.create_dir_all(&path)),
            PathOp::SyncDir { path } => disk.sync_dir(&path, &mut Luck { rng, faults, counts }),
            PathOp::Exists { path } => Ok(usize::from(disk.names.exists(&path))),
            PathOp::Space { path } => match disk.space(&path) {
                Ok(space) => return Done { result: Ok(0), memory: Memory::Space(space) },
                Err(error) => Err(error),
            },
            PathOp::ChangedMs { path } => {
                disk.names.file(&path).map(|file| disk.changed_ms(file) as usize)
            }
            PathOp::ListDir { path } => match disk.names.list(&path) {
                Ok(entries) => return Done { result: Ok(0), memory: Memory::Entries(entries) },
                Err(error) => Err(error),
            },
        };
        Done::bare(result)
    }

    fn socket_op(&mut self, process: usize, op: Op, end: EndId) -> Outcome {
        let Self { rng, faults, counts, net, .. } = self;
        let mut luck = Luck { rng, faults, counts };
        Outcome::Last(match op {
            Op::Many(Many::Accept(_)) => match net.accept(end) {
                Err(error) => Done::bare(Err(error)),
                Ok(None) => return Outcome::Blocked(op),
                Ok(Some((socket, peer))) => {
                    let fd = self.processes[process].add_fd(Object::End(socket));
                    let done = Done { result: Ok(fd), memory: Memory::Peer(peer) };
                    return Outcome::More(op, done);
                }
            },
            Op::ShutdownSend { .. } => {
                net.shutdown_send(end);
                Done::bare(Ok(0))
            }
            Op::Send { data, .. } => {
                let result = net.send(end, &data, &mut luck);
                Done { result, memory: Memory::Slices(data) }
            }
            Op::ReceiveInto { mut buf, want, .. } => {
                let result = net.receive(end, want - buf.len(), &mut luck).map(|bytes| {
                    buf.extend_from_slice(&bytes);
                    bytes.len()
                });
                Done { result, memory: Memory::Buf(buf) }
            }
            op => give_back(op, IoError::Errno(libc::EINVAL)),
        })
    }

    fn receive_chunk(&mut self, process: usize, shard: usize, op: Op, end: EndId) -> Outcome {
        let Self { rng, faults, counts, net, processes, .. } = self;
        let Process { seams, chunks, .. } = &mut processes[process];
        let Some(seam) = &seams[shard] else { return Outcome::Last(Done::bare(Ok(0))) };
        let chunks = &mut chunks[shard];
        seam.pool.take_returned(chunks);
        if net.has_bytes(end) && chunks.is_empty() {
            return Outcome::Last(Done::bare(Err(IoError::NoBuffers)));
        }
        let mut luck = Luck { rng, faults, counts };
        let bytes = match net.receive(end, seam.pool.chunk_bytes, &mut luck) {
            Err(error) => return Outcome::Last(Done::bare(Err(error))),
            Ok(bytes) if bytes.is_empty() => return Outcome::Last(Done::bare(Ok(0))),
            Ok(bytes) => bytes,
        };
        let id = chunks.swap_remove(luck.rng.below(chunks.len() as u64) as usize);
        let chunk = seam.pool.take(id, |memory| memory.extend_from_slice(&bytes));
        let done = Done { result: Ok(bytes.len()), memory: Memory::Chunk(chunk) };
        if matches!(op, Op::Many(_)) { Outcome::More(op, done) } else { Outcome::Last(done) }
    }

    fn deliver(&mut self, process: usize, shard: usize, token: Token, done: Done, more: bool) {
        let moved = done.result.map_or(u64::MAX, |moved| moved as u64);
        self.note(u64::from(token.index).rotate_left(32) ^ moved);
        if let Some(seam) = self.processes[process].seams[shard].clone() {
            seam.deliver(token, done, more);
        }
    }

    fn note(&mut self, event: u64) {
        self.trace = (self.trace ^ event ^ self.now.0).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// A shard ended in good order: what it left undone ends with it.
    pub fn stop_shard(&mut self, process: usize, shard: usize) {
        let me = ShardId(shard as u16);
        let seam = self.processes[process].seams[shard].take();
        if self.processes[process].seams.iter().all(Option::is_none) {
            self.end_process(process);
        }
        let mine = |flight: &Flight| flight.process == process && flight.shard == shard;
        let flights = self.flights.extract(mine);
        let to_me = |posted: &mut Posted| posted.process == process && posted.to == me;
        let letters: Vec<Posted> = self.letters.extract_if(.., to_me).collect();
        for Posted { letter, .. } in letters {
            if let Some((origin, refusal)) = refuse(me, letter) {
                self.post(process, origin, refusal);
            }
        }
        drop((flights, seam));
    }

    fn end_process(&mut self, process: usize) {
        let process = &mut self.processes[process];
        if !std::mem::replace(&mut process.alive, false) {
            return;
        }
        process.door.stop();
        for object in std::mem::take(&mut process.fds).into_values() {
            if let Object::End(end) = object {
                self.net.close(end);
            }
        }
    }

    /// Ends the process of a machine without warning; some of its last writes still happen.
    fn kill(&mut self, machine: MachineId) {
        let Some(process) = self.running(machine) else { return };
        self.dying = true;
        for flight in self.flights.extract(|flight| flight.process == process) {
            let on_disk =
                matches!(flight.op, Op::WriteAt { .. } | Op::WriteDurably { .. } | Op::Path(_));
            if on_disk && self.rng.chance(500) {
                self.counts.cut_writes += u64::from(matches!(flight.op, Op::WriteDurably { .. }));
                drop(self.attempt(process, flight.shard, flight.op, flight.object));
            }
        }
        self.dying = false;
        let seams = std::mem::take(&mut self.processes[process].seams);
        self.processes[process].seams = seams.iter().map(|_| None).collect();
        self.letters.retain(|posted| posted.process != process);
        self.end_process(process);
    }

    /// See [`Disk::rot`].
    pub fn rot(
        &mut self,
        machine: MachineId,
        is_meant: impl Fn(&str) -> bool,
    ) -> Option<(String, u64)> {
        let Self { rng, faults, counts, machines, .. } = self;
        machines[machine.0].disk.rot(is_meant, &mut Luck { rng, faults, counts })
    }

    pub fn crash(&mut self, machine: MachineId) {
        self.counts.crashes += 1;
        self.note(machine.0 as u64);
        self.kill(machine);
        self.disk(machine).crash();
    }

    pub fn power_cut(&mut self, machine: MachineId) {
        self.counts.power_cuts += 1;
        self.note(!(machine.0 as u64));
        self.kill(machine);
        let Self { rng, faults, counts, machines, .. } = self;
        machines[machine.0].disk.power_cut(&mut Luck { rng, faults, counts });
    }
}

/// The answer of a stopped shard to a request, and whom it goes to.
fn refuse(stopped: ShardId, letter: Letter) -> Option<(ShardId, Letter)> {
    match letter.kind {
        LetterKind::Request { reply_to: ReplyTo::Slot(to), .. } => {
            let kind = LetterKind::Reply { to, result: Err(IoError::Stopped) };
            Some((letter.from, Letter { from: stopped, kind, credits: 1 }))
        }
        LetterKind::Request { reply_to: ReplyTo::Outside(reply), .. } => {
            reply(Err(IoError::Stopped));
            None
        }
        LetterKind::Reply { .. } | LetterKind::Credits => None,
    }
}

fn give_back(op: Op, error: IoError) -> Done {
    let memory = match op {
        Op::ReceiveInto { buf, .. } | Op::ReadAt { buf, .. } => Memory::Buf(buf),
        Op::Send { data, .. } | Op::WriteAt { data, .. } => Memory::Slices(data),
        Op::WriteDurably { data, .. } => Memory::Aligned(data),
        _ => Memory::None,
    };
    Done { result: Err(error), memory }
}
