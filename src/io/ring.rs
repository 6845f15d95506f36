//! One shard's io_uring: submit, enter once, reap.
//!
//! Owns: every buffer the kernel may touch, from submission until its last completion is reaped.
//! Invariant: `flights[i]` is filled exactly while the kernel holds the operation of slot `i`.
//! Start reading at: [`Uring`]'s `turn`.
use std::cell::Cell;
use std::io;
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use crate::env::driver::{Driver, Wait};
use crate::env::op::{Done, Instant, IoError, Lane, Letter, Memory, Op, PathOp, Token};
use crate::env::pool::Pool;
use crate::env::seam::{Seam, Work};
use crate::io::chunks::{ChunkRing, Chunks};
use crate::io::entry::{self, Held, Start};
use crate::io::features::{Feature, Features};
use crate::io::office::{Finished, Papers, Wake, refusal};
use crate::io::workers::Workers;
use crate::io::{Node, plain, wall_ms};
use crate::model::ShardId;
use crate::observe::thread_cpu_ns;

/// Completions that belong to no slot.
const USER_DATA_IGNORED: u64 = u64::MAX;
/// A letter was announced by another ring.
const USER_DATA_MAIL: u64 = u64::MAX - 1;
/// The eventfd was written by a thread without a ring.
const USER_DATA_EVENT: u64 = u64::MAX - 2;
/// The timeout that bounds a sleep, where the kernel takes none with the enter.
const USER_DATA_TIMEOUT: u64 = u64::MAX - 3;

const IORING_ENTER_GETEVENTS: u32 = 1;

/// What a shard asked of the kernel.
#[derive(Default)]
pub struct Stats {
    pub enters_total: Cell<u64>,
    pub entries_total: Cell<u64>,
    pub no_buffers_total: Cell<u64>,
}

struct Flight {
    generation: u32,
    canceled: bool,
    held: Held,
}

pub struct Uring {
    ring: IoUring,
    chunks: Chunks,
    flights: Vec<Option<Flight>>,
    flying: usize,
    shard: ShardId,
    node: Arc<Node>,
    features: Features,
    work: Work,
    papers: Papers,
    reaped: Vec<(u64, i32, u32)>,
    event_armed: bool,
    /// The earliest timeout in the ring, where sleeps are bounded by one.
    timeout_armed: Option<Instant>,
    /// Where its entry points until the kernel has copied it.
    timeout_left: Box<types::Timespec>,
    stats: Rc<Stats>,
}

fn bump(counter: &Cell<u64>, count: usize) {
    counter.set(counter.get() + count as u64);
}

/// A ring with the setup flags that `features` names.
pub fn build(features: Features, entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    if features.has(Feature::SingleIssuer) {
        builder.setup_single_issuer();
    }
    if features.has(Feature::DeferTaskrun) {
        builder.setup_defer_taskrun();
        // The kernel takes this flag only together with deferred (or cooperative) task work.
        if features.has(Feature::TaskrunFlag) {
            // Without it nobody can see that deferred work waits, and an enter that only submits
            // would not run it.
            builder.setup_taskrun_flag();
        }
    }
    if features.has(Feature::SubmitAll) {
        builder.setup_submit_all();
    }
    builder.setup_cqsize(entries * 8).build(entries)
}

impl Uring {
    pub fn new(shard: ShardId, pool: Pool, node: Arc<Node>, stats: Rc<Stats>) -> io::Result<Self> {
        let features = node.features;
        let ring = build(features, node.settings.entries)?;
        let chunks = if features.has(Feature::BufRing) {
            Chunks::Ring(ChunkRing::register(&ring.submitter(), pool)?)
        } else {
            Chunks::list(pool)
        };
        let message_ring = features.has(Feature::MsgRing).then(|| ring.as_raw_fd());
        node.office.open(shard, message_ring);
        Ok(Self {
            ring,
            chunks,
            flights: Vec::new(),
            flying: 0,
            shard,
            node,
            features,
            work: Work::default(),
            papers: Papers::default(),
            reaped: Vec::new(),
            event_armed: false,
            timeout_armed: None,
            timeout_left: Box::default(),
            stats,
        })
    }

    fn push(&mut self, entry: &squeue::Entry) {
        bump(&self.stats.entries_total, 1);
        // SAFETY: every pointer in an entry leads to memory that its flight owns until the last
        // completion is reaped, and `Drop` waits for all of them.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.enter(0, None);
            // The kernel takes nothing while completions overflow: make room for those too.
            let mut early = std::mem::take(&mut self.reaped);
            self.copy_completions(&mut early);
            self.reaped = early;
        }
    }

    fn enter(&mut self, want: usize, deadline: Option<Instant>) {
        bump(&self.stats.enters_total, 1);
        let left = deadline.map(|at| {
            let left = at.0.saturating_sub(self.node.now().0);
            types::Timespec::from(Duration::from_nanos(left))
        });
        let hidden_work =
            self.features.has(Feature::DeferTaskrun) && !self.features.has(Feature::TaskrunFlag);
        let result = match &left {
            Some(left) => {
                let args = types::SubmitArgs::new().timespec(left);
                self.ring.submitter().submit_with_args(want, &args)
            }
            None if want == 0 && hidden_work => {
                let queued = self.ring.submission().len() as u32;
                let flags = IORING_ENTER_GETEVENTS;
                // SAFETY: no argument is passed, and the count is the queue's own.
                unsafe { self.ring.submitter().enter::<()>(queued, 0, flags, None) }
            }
            None => self.ring.submitter().submit_and_wait(want),
        };
        match result.map_err(|error| error.raw_os_error().unwrap_or(0)) {
            // A timer signal, a full completion queue, or the deadline: the turn goes on.
            Ok(_) | Err(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => {}
            Err(errno) => panic!("io_uring_enter: {}", io::Error::from_raw_os_error(errno)),
        }
    }

    /// Starts one operation, or performs it right here.
    fn start(&mut self, seam: &Seam, token: Token, op: Op) {
        let (held, entry) = match entry::start(op, &self.node.settings, self.features) {
            Start::Finished(done) => {
                return seam.deliver(token, done, false);
            }
            Start::Work(job, lane) => {
                let answer = move || (Ok(0), Some(job()));
                let threads = match lane {
                    Lane::Short => &self.node.workers,
                    Lane::Long => &self.node.long_workers,
                };
                return self.on_thread(threads, token, answer);
            }
            Start::Remove(op) => {
                return self.on_thread(&self.node.remover, token, move || (remove(&op), None));
            }
            Start::SyncFileSystem(file) => {
                let sync = move || (plain::sync_file_system(file), None);
                return self.on_thread(&self.node.syncer, token, sync);
            }
            Start::Discard(thing) => {
                self.node.workers.push(Box::new(move || drop(thing)));
                return seam.deliver(token, Done::bare(Ok(0)), false);
            }
            Start::Queue(held, entry) => (held, entry),
        };
        let index = token.index as usize;
        if self.flights.len() <= index {
            self.flights.resize_with(index + 1, || None);
        }
        assert!(self.flights[index].is_none(), "one flight per slot");
        let flight = Flight { generation: token.generation, canceled: false, held };
        self.flights[index] = Some(flight);
        self.flying += 1;
        self.push(&entry.user_data(user_data(token)));
    }

    fn on_thread(
        &self,
        threads: &Workers,
        token: Token,
        job: impl FnOnce() -> (Result<usize, IoError>, Option<crate::env::Body>) + Send + 'static,
    ) {
        let (office, shard) = (self.node.office.clone(), self.shard);
        threads.push(Box::new(move || {
            let (result, value) = job();
            office.finish(shard, Finished { token, result, value });
        }));
    }

    fn post(&mut self, seam: &Seam, to: ShardId, letter: Letter) {
        match self.node.office.post(to, letter) {
            Ok(Wake::Awake) => {}
            Ok(Wake::Ring(ring)) => {
                let entry = opcode::MsgRingData::new(types::Fd(ring), 0, USER_DATA_MAIL, None);
                self.push(&entry.build().user_data(USER_DATA_IGNORED));
            }
            Err(letter) => {
                if let Some(refused) = refusal(to, letter) {
                    seam.deliver_letter(refused);
                }
            }
        }
    }

    fn cancel(&mut self, token: Token) {
        let flying = self.flights.get_mut(token.index as usize).and_then(Option::as_mut);
        let Some(flight) = flying.filter(|flight| flight.generation == token.generation) else {
            return;
        };
        flight.canceled = true;
        let entry = opcode::AsyncCancel::new(user_data(token)).build();
        self.push(&entry.user_data(USER_DATA_IGNORED));
    }

    /// Moves finished operations and their memory up.
    fn reap(&mut self, seam: Option<&Seam>) {
        loop {
            let mut reaped = std::mem::take(&mut self.reaped);
            self.copy_completions(&mut reaped);
            for (data, result, flags) in reaped.drain(..) {
                self.complete(seam, data, result, flags);
            }
            // Submitting from here may have filled the queue and copied some more.
            if self.reaped.is_empty() {
                self.reaped = reaped;
                return;
            }
        }
    }

    fn copy_completions(&mut self, into: &mut Vec<(u64, i32, u32)>) {
        into.extend(self.ring.completion().map(|c| (c.user_data(), c.result(), c.flags())));
    }

    fn complete(&mut self, seam: Option<&Seam>, data: u64, result: i32, flags: u32) {
        match data {
            USER_DATA_IGNORED | USER_DATA_MAIL => {}
            USER_DATA_TIMEOUT => self.timeout_armed = None,
            USER_DATA_EVENT => {
                self.event_armed = cqueue::more(flags);
                self.node.office.clear_event(self.shard);
            }
            data => self.finish(seam, data, result, flags),
        }
    }

    fn finish(&mut self, seam: Option<&Seam>, data: u64, result: i32, flags: u32) {
        let token = Token { index: data as u32, generation: (data >> 32) as u32 };
        let more = cqueue::more(flags);
        let place = &mut self.flights[token.index as usize];
        let flight = place.as_mut().expect("a completion has its flight");
        assert_eq!(flight.generation, token.generation);
        if let Held::Readable(socket) = flight.held
            && 0 <= result
            && !flight.canceled
        {
            return self.receive_here(seam, token, socket);
        }
        let chunk = cqueue::buffer_select(flags).map(|id| match &self.chunks {
            Chunks::Ring(ring) => ring.take(id, result),
            Chunks::List { .. } => unreachable!("no buffer was provided"),
        });
        if result == -libc::ENOBUFS {
            bump(&self.stats.no_buffers_total, 1);
        }
        let result = match &flight.held {
            // A canceled poll that found something all the same: we must not receive any more.
            Held::Readable(_) if 0 <= result => Err(IoError::Canceled),
            _ => entry::to_result(result),
        };
        let accepted = matches!(flight.held, Held::Accept);
        let makes_fd = flight.held.makes_fd();
        let mut done = match (more, chunk) {
            (_, Some(chunk)) => Done { result, memory: Memory::Chunk(chunk) },
            (true, None) => Done::bare(result),
            (false, None) => std::mem::replace(&mut flight.held, Held::Nothing).finish(result),
        };
        if !more {
            *place = None;
            self.flying -= 1;
        }
        if accepted && let Some(peer) = done.result.ok().and_then(|fd| plain::peer(fd as i32)) {
            done.memory = Memory::Peer(peer);
        }
        match seam {
            Some(seam) => seam.deliver(token, done, more),
            // The shard is going: nobody else can close what was just made.
            None if makes_fd => drop(done.result.map(|fd| plain::close(fd as i32))),
            None => {}
        }
    }

    /// Receives into a chunk of ours, for rings without provided buffers.
    fn receive_here(&mut self, seam: Option<&Seam>, token: Token, socket: i32) {
        let Chunks::List { pool, free } = &mut self.chunks else {
            unreachable!("only without provided buffers")
        };
        let mut done = Done::bare(Err(IoError::NoBuffers));
        if let Some(id) = free.pop() {
            match plain::receive_now(socket, pool.address(id), pool.chunk_bytes) {
                Ok(Some(moved)) if 0 < moved => {
                    assert!(moved <= pool.chunk_bytes);
                    // SAFETY: the call wrote `moved` bytes from the start of the chunk.
                    let chunk = pool.take(id, |bytes| unsafe { bytes.set_len(moved) });
                    done = Done { result: Ok(moved), memory: Memory::Chunk(chunk) };
                }
                Ok(None) => {
                    free.push(id);
                    return self.push(&entry::readable(socket).user_data(user_data(token)));
                }
                Ok(Some(_)) => {
                    free.push(id);
                    done = Done::bare(Ok(0));
                }
                Err(error) => {
                    free.push(id);
                    done = Done::bare(Err(error));
                }
            }
        } else {
            bump(&self.stats.no_buffers_total, 1);
        }
        self.flights[token.index as usize] = None;
        self.flying -= 1;
        if let Some(seam) = seam {
            seam.deliver(token, done, false);
        }
    }

    fn take_papers(&mut self, seam: &Seam) {
        self.node.office.take(self.shard, &mut self.papers);
        while let Some(letter) = self.papers.letters.pop_front() {
            seam.deliver_letter(letter);
        }
        while let Some(Finished { token, result, value }) = self.papers.finished.pop_front() {
            let memory = value.map_or(Memory::None, Memory::Any);
            seam.deliver(token, Done { result, memory }, false);
        }
    }

    /// Performs or queues everything that was submitted.
    fn submit(&mut self, seam: &Seam) {
        let mut work = std::mem::take(&mut self.work);
        while seam.has_work() {
            seam.take_work(&mut work);
            for (token, op) in work.submitted.drain(..) {
                self.start(seam, token, op);
            }
            for token in work.cancels.drain(..) {
                self.cancel(token);
            }
            for (to, letter) in work.letters.drain(..) {
                self.post(seam, to, letter);
            }
        }
        self.work = work;
    }

    /// Listens for threads without a ring.
    fn arm_event(&mut self) {
        if !self.event_armed {
            self.event_armed = true;
            let event = types::Fd(self.node.office.event(self.shard));
            let entry = opcode::PollAdd::new(event, libc::POLLIN as u32).multi(true).build();
            self.push(&entry.user_data(USER_DATA_EVENT));
        }
    }

    /// Bounds the next sleep by an entry, where the enter itself takes no deadline.
    fn arm_timeout(&mut self, deadline: Instant) {
        if self.timeout_armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        self.timeout_armed = Some(deadline);
        let left = deadline.0.saturating_sub(self.node.now().0);
        // An entry that the kernel has not taken yet sees the newer, earlier time: it may.
        *self.timeout_left = types::Timespec::from(Duration::from_nanos(left));
        let entry = opcode::Timeout::new(&raw const *self.timeout_left).build();
        self.push(&entry.user_data(USER_DATA_TIMEOUT));
    }

    fn enter_turn(&mut self, seam: &Seam, sleep: bool) {
        let mut deadline = seam.next_deadline().filter(|_| sleep);
        if !self.features.has(Feature::ExtArg)
            && let Some(at) = deadline.take()
        {
            self.arm_timeout(at);
        }
        let queue = self.ring.submission();
        let visible = !queue.is_empty() || queue.taskrun() || queue.cq_overflow();
        drop(queue);
        // Without the flag, deferred completions show only in an enter.
        let hidden =
            self.features.has(Feature::DeferTaskrun) && !self.features.has(Feature::TaskrunFlag);
        if sleep || visible || hidden {
            self.enter(usize::from(sleep), deadline);
        }
    }
}

fn remove(op: &PathOp) -> Result<usize, IoError> {
    plain::perform(op).result
}

fn user_data(token: Token) -> u64 {
    (u64::from(token.generation) << 32) | u64::from(token.index)
}

impl Driver for Uring {
    fn turn(&mut self, seam: &Seam, wait: Wait) -> bool {
        self.chunks.take_back();
        seam.feed_starved();
        seam.take_woke();
        self.submit(seam);
        let mut sleep = wait == Wait::UntilEvent && !seam.take_woke();
        if sleep {
            self.arm_event();
            seam.run_before_sleep();
            // What is put down after this announcement comes with a wake.
            sleep = self.node.office.announce_sleep(self.shard);
        }
        self.enter_turn(seam, sleep);
        self.node.office.announce_awake(self.shard);
        seam.set_now(self.node.now());
        seam.set_wall_ms(wall_ms());
        self.reap(Some(seam));
        self.take_papers(seam);
        true
    }

    fn stop(&mut self, seam: &Seam) {
        self.submit(seam);
        self.take_papers(seam);
        self.node.office.close(self.shard);
        // The refusals of what was taken just now; nothing comes any more.
        self.submit(seam);
        self.enter(0, None);
    }

    fn slice_clock(&self) -> Option<u64> {
        Some(self.node.now().0)
    }

    fn thread_cpu_ns(&self) -> Option<u64> {
        Some(thread_cpu_ns())
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        while 0 < self.flying {
            // Cancel first: a receive that nobody feeds would else hang the exit. It finds
            // nothing when all is done already, which is fine.
            let wait = Some(types::Timespec::new().sec(1));
            let submitter = self.ring.submitter();
            let _ = submitter.register_sync_cancel(wait, types::CancelBuilder::any());
            self.enter(0, None);
            self.reap(None);
            if 0 < self.flying {
                self.enter(1, None);
                self.reap(None);
            }
        }
        if let Chunks::Ring(ring) = &mut self.chunks {
            ring.unregister(&self.ring.submitter());
        }
    }
}
