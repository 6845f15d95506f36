//! The post office: one desk per shard for letters, finished work and knocks, and who must wake.
//!
//! Owns: the queues that threads share. Each is bounded: letters by credits and by the slots of
//! those who wait, work by those who wait for it, knocks by [`OUTSIDE_MAX`].
//! A race, told in order: the reader says "asleep", then looks at its desk; the sender puts the
//! letter down, then asks "asleep?". Whichever comes second sees the other (both are SeqCst).
use std::any::Any;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::env::Fd;
use crate::env::op::{Body, IoError, Letter, LetterKind, OutsideReply, ReplyTo, Token};
use crate::env::outside::{Door, Knocked, OUTSIDE_MAX};
use crate::io::plain;
use crate::model::ShardId;

/// What a worker finished for a shard.
pub struct Finished {
    pub token: Token,
    pub result: Result<usize, IoError>,
    pub value: Option<Box<dyn Any + Send>>,
}

/// What lies on a desk.
#[derive(Default)]
pub struct Papers {
    pub letters: VecDeque<Letter>,
    pub finished: VecDeque<Finished>,
    closed: bool,
}

impl Papers {
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.finished.is_empty()
    }
}

struct Desk {
    papers: Mutex<Papers>,
    /// The ring to send a message to; -1 when this desk is woken by its eventfd.
    ring: AtomicI32,
    event: OwnedFd,
    asleep: AtomicBool,
    knocks: AtomicUsize,
}

pub struct Office {
    desks: Vec<Desk>,
}

/// How the sender of a letter wakes its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Awake,
    /// Send a message to this ring.
    Ring(i32),
}

impl Desk {
    fn new() -> std::io::Result<Self> {
        // SAFETY: takes no pointers.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let event = unsafe { OwnedFd::from_raw_fd(event) };
        let (papers, ring) = (Mutex::default(), AtomicI32::new(-1));
        Ok(Self { papers, ring, event, asleep: false.into(), knocks: 0.into() })
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        // A panic elsewhere must not stop the mail; no code between lock and unlock can panic.
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the shard from a thread without a ring.
    fn wake_by_event(&self) {
        if self.asleep.swap(false, SeqCst) {
            self.ring_event();
        }
    }

    fn ring_event(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a local are read. A full counter (EAGAIN) is awake enough.
        unsafe { libc::write(self.event.as_raw_fd(), (&raw const one).cast(), 8) };
    }
}

impl Office {
    pub fn new(shards: u16) -> std::io::Result<Arc<Self>> {
        let desks = (0..shards).map(|_| Desk::new()).collect::<std::io::Result<_>>()?;
        Ok(Arc::new(Self { desks }))
    }

    fn desk(&self, shard: ShardId) -> &Desk {
        &self.desks[usize::from(shard.0)]
    }

    /// `ring` is the shard's, when messages may be sent to it.
    pub fn open(&self, shard: ShardId, ring: Option<i32>) {
        self.desk(shard).ring.store(ring.unwrap_or(-1), SeqCst);
    }

    /// The eventfd that wakes this shard.
    pub fn event(&self, shard: ShardId) -> i32 {
        self.desk(shard).event.as_raw_fd()
    }

    /// Empties the eventfd after it woke the shard.
    pub fn clear_event(&self, shard: ShardId) {
        let mut count = 0u64;
        // SAFETY: eight bytes of a local are written. It does not block.
        unsafe { libc::read(self.event(shard), (&raw mut count).cast(), 8) };
    }

    /// No letter is taken any more; requests that lie here are answered with an error.
    pub fn close(&self, shard: ShardId) {
        let desk = self.desk(shard);
        desk.ring.store(-1, SeqCst);
        let mut papers = desk.papers();
        papers.closed = true;
        let (letters, finished) =
            (std::mem::take(&mut papers.letters), std::mem::take(&mut papers.finished));
        drop(papers);
        drop(finished);
        for letter in letters {
            let origin = letter.from;
            if let Some(answer) = refusal(shard, letter)
                && let Ok(Wake::Ring(_)) = self.post(origin, answer)
            {
                // No ring of ours is left to send the message from.
                self.desk(origin).ring_event();
            }
        }
    }

    /// Posts a letter, and says what wakes its shard; gives it back when that has stopped.
    pub fn post(&self, to: ShardId, letter: Letter) -> Result<Wake, Letter> {
        let Some(desk) = self.desks.get(usize::from(to.0)) else { return Err(letter) };
        let mut papers = desk.papers();
        if papers.closed {
            return Err(letter);
        }
        papers.letters.push_back(letter);
        drop(papers);
        if !desk.asleep.swap(false, SeqCst) {
            return Ok(Wake::Awake);
        }
        let ring = desk.ring.load(SeqCst);
        if 0 <= ring {
            return Ok(Wake::Ring(ring));
        }
        desk.ring_event();
        Ok(Wake::Awake)
    }

    /// Brings a worker's result; for threads without a ring.
    pub fn finish(&self, shard: ShardId, finished: Finished) {
        let desk = self.desk(shard);
        let mut papers = desk.papers();
        if papers.closed {
            return drop((papers, finished));
        }
        papers.finished.push_back(finished);
        drop(papers);
        desk.wake_by_event();
    }

    /// Takes all that lies on the desk into `out`, which must be empty.
    pub fn take(&self, shard: ShardId, out: &mut Papers) {
        let mut papers = self.desk(shard).papers();
        if !papers.is_empty() {
            std::mem::swap(&mut papers.letters, &mut out.letters);
            std::mem::swap(&mut papers.finished, &mut out.finished);
        }
    }

    /// Says that this shard will sleep; false when it must not, as papers wait.
    pub fn announce_sleep(&self, shard: ShardId) -> bool {
        let desk = self.desk(shard);
        desk.asleep.store(true, SeqCst);
        desk.papers().is_empty()
    }

    pub fn announce_awake(&self, shard: ShardId) {
        self.desk(shard).asleep.store(false, SeqCst);
    }
}

/// The answer of a shard that has stopped, or the call of a reply from outside.
pub fn refusal(stopped: ShardId, letter: Letter) -> Option<Letter> {
    match letter.kind {
        LetterKind::Request { reply_to: ReplyTo::Slot(to), .. } => {
            let kind = LetterKind::Reply { to, result: Err(IoError::Stopped) };
            Some(Letter { from: stopped, kind, credits: 1 })
        }
        LetterKind::Request { reply_to: ReplyTo::Outside(reply), .. } => {
            reply(Err(IoError::Stopped));
            None
        }
        LetterKind::Reply { .. } | LetterKind::Credits => None,
    }
}

impl Door for Office {
    fn knock(&self, to: ShardId, body: Body, reply: OutsideReply) -> Result<(), Knocked> {
        let Some(desk) = self.desks.get(usize::from(to.0)) else {
            return Err(Knocked { error: IoError::Stopped, reply });
        };
        if OUTSIDE_MAX <= desk.knocks.fetch_add(1, SeqCst) {
            desk.knocks.fetch_sub(1, SeqCst);
            return Err(Knocked { error: IoError::Busy, reply });
        }
        let mut papers = desk.papers();
        if papers.closed {
            desk.knocks.fetch_sub(1, SeqCst);
            return Err(Knocked { error: IoError::Stopped, reply });
        }
        let kind = LetterKind::Request { reply_to: ReplyTo::Outside(reply), body };
        papers.letters.push_back(Letter { from: to, kind, credits: 0 });
        drop(papers);
        desk.wake_by_event();
        Ok(())
    }

    fn taken(&self, shard: ShardId) {
        self.desk(shard).knocks.fetch_sub(1, SeqCst);
    }

    fn close(&self, fd: Fd) {
        plain::close(fd.0);
    }
}
