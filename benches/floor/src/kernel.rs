//! The system calls that the standard library lacks: CPU clock, `sendfile`, a small ring.
//!
//! Owns: all `unsafe` of this package; the buffers that the ring's operations use.
//! Start reading at: [`Ring`].
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use io_uring::{IoUring, opcode, types};

const RING_ENTRIES: u32 = 64;
const RECEIVE: u64 = 0;
const WRITE: u64 = 1;

/// User and system time of this process, its threads and its io_uring workers.
pub fn process_cpu() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which lives here.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Sends up to `count` bytes of `file` from `at` on; returns how many.
pub fn sendfile(socket: &TcpStream, file: &File, at: u64, count: usize) -> io::Result<usize> {
    let mut offset = i64::try_from(at).map_err(io::Error::other)?;
    // SAFETY: both descriptors are open, the offset lives here.
    let sent =
        unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut offset, count) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What an operation of the ring did.
pub enum Done {
    /// The slot is full.
    Received { slot: usize },
    /// So many slots were written.
    Written { count: usize },
}

/// A ring over one allocation, cut into slots of equal size.
pub struct Ring {
    ring: IoUring,
    memory: Vec<u8>,
    slot_bytes: usize,
    /// Whether the kernel may touch the slot.
    held: Vec<bool>,
}

impl Ring {
    pub fn new(slots: usize, slot_bytes: usize) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .build(RING_ENTRIES)?;
        let memory = vec![1; slots * slot_bytes];
        Ok(Self { ring, memory, slot_bytes, held: vec![false; slots] })
    }

    /// The bytes of a slot that no operation holds.
    pub fn slot(&self, slot: usize) -> &[u8] {
        assert!(!self.held[slot]);
        &self.memory[slot * self.slot_bytes..][..self.slot_bytes]
    }

    pub fn is_held(&self, slot: usize) -> bool {
        self.held[slot]
    }

    /// Fills one slot from the socket.
    pub fn push_receive(&mut self, slot: usize, socket: &TcpStream) {
        let (bytes, length) = self.hold(slot, 1);
        let entry = opcode::Recv::new(types::Fd(socket.as_raw_fd()), bytes, length)
            .flags(libc::MSG_WAITALL)
            .build()
            .user_data(tag(slot, 1, RECEIVE));
        self.push(&entry);
    }

    /// Writes `count` slots that lie side by side.
    pub fn push_write(&mut self, first: usize, count: usize, file: &File, at: u64) {
        let (bytes, length) = self.hold(first, count);
        let entry = opcode::Write::new(types::Fd(file.as_raw_fd()), bytes, length)
            .offset(at)
            .build()
            .user_data(tag(first, count, WRITE));
        self.push(&entry);
    }

    fn hold(&mut self, first: usize, count: usize) -> (*mut u8, u32) {
        for held in &mut self.held[first..first + count] {
            assert!(!*held);
            *held = true;
        }
        let bytes = &mut self.memory[first * self.slot_bytes..][..count * self.slot_bytes];
        (bytes.as_mut_ptr(), u32::try_from(bytes.len()).expect("slots are small"))
    }

    fn push(&mut self, entry: &io_uring::squeue::Entry) {
        // SAFETY: the kernel uses slots that `hold` marked; nobody else reaches them until `turn`
        // has reaped the operation, and `memory` is never grown or moved. A program that fails
        // half-way ends its process before the memory is used again.
        unsafe { self.ring.submission().push(entry) }.expect("fewer operations than entries");
    }

    /// Submits, waits for one completion or more, and takes them all.
    ///
    /// Errors: an operation failed or did less than it was asked to.
    pub fn turn(&mut self, done: &mut Vec<Done>) -> io::Result<()> {
        self.ring.submit_and_wait(1)?;
        for completion in self.ring.completion() {
            let result = completion.result();
            if result < 0 {
                return Err(io::Error::from_raw_os_error(-result));
            }
            let (first, count, what) = untag(completion.user_data());
            self.held[first..first + count].fill(false);
            if usize::try_from(result) != Ok(count * self.slot_bytes) {
                return Err(io::Error::other(format!("the ring moved {result} bytes only")));
            }
            done.push(match what {
                RECEIVE => Done::Received { slot: first },
                _ => Done::Written { count },
            });
        }
        Ok(())
    }
}

fn tag(first: usize, count: usize, what: u64) -> u64 {
    (first as u64) << 32 | (count as u64) << 8 | what
}

fn untag(tag: u64) -> (usize, usize, u64) {
    ((tag >> 32) as usize, (tag >> 8 & 0xff_ffff) as usize, tag & 0xff)
}
