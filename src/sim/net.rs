//! Simulated sockets: two bounded pipes per connection, with resets and half-open closes.
//!
//! Owns: listeners and ends of connections, by ids that are never used twice. Numbers (descriptors)
//! belong to processes and are used again; an operation holds the id from its submission on.
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::Bytes;
use crate::env::op::IoError;
use crate::sim::disk::Luck;

const PIPE_BYTES_MAX: usize = 64 * 1024;
const PORT_FIRST: u16 = 10_000;

/// Names a listener or one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndId(u64);

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// The sender said that nothing follows.
    ended: bool,
    reset: bool,
    reader_gone: bool,
}

struct Waiting {
    from: usize,
    to: usize,
    peer: SocketAddr,
}

enum End {
    Listener { address: SocketAddr, waiting: VecDeque<Waiting> },
    Socket { from: usize, to: usize },
}

#[derive(Default)]
pub struct Net {
    ends: BTreeMap<EndId, End>,
    pipes: Vec<Pipe>,
    ends_total: u64,
    ports_total: u16,
}

const GONE: IoError = IoError::Errno(libc::EBADF);

fn same_place(listener: &SocketAddr, wanted: &SocketAddr) -> bool {
    let any = listener.ip().is_unspecified() || wanted.ip().is_unspecified();
    listener.port() == wanted.port() && (any || listener.ip() == wanted.ip())
}

impl Net {
    fn add(&mut self, end: End) -> EndId {
        self.ends_total += 1;
        let id = EndId(self.ends_total);
        self.ends.insert(id, end);
        id
    }

    fn pipes_of(&self, id: EndId) -> Option<(usize, usize)> {
        match self.ends.get(&id) {
            Some(End::Socket { from, to }) => Some((*from, *to)),
            _ => None,
        }
    }

    fn new_port(&mut self) -> u16 {
        self.ports_total += 1;
        PORT_FIRST + self.ports_total
    }

    pub fn listen(&mut self, mut address: SocketAddr) -> Result<(EndId, u16), IoError> {
        if address.port() == 0 {
            address.set_port(self.new_port());
        }
        let taken = self.ends.values().any(|end| match end {
            End::Listener { address: other, .. } => same_place(other, &address),
            End::Socket { .. } => false,
        });
        if taken {
            return Err(IoError::AddressInUse);
        }
        let id = self.add(End::Listener { address, waiting: VecDeque::new() });
        Ok((id, address.port()))
    }

    pub fn connect(&mut self, address: &SocketAddr) -> Result<EndId, IoError> {
        let pipes = self.pipes.len();
        let port = self.new_port();
        let listening = self.ends.values_mut().find_map(|end| match end {
            End::Listener { address: at, waiting } if same_place(at, address) => Some(waiting),
            _ => None,
        });
        let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let waiting = Waiting { from: pipes, to: pipes + 1, peer };
        listening.ok_or(IoError::Refused)?.push_back(waiting);
        self.pipes.extend([Pipe::default(), Pipe::default()]);
        Ok(self.add(End::Socket { from: pipes + 1, to: pipes }))
    }

    pub fn can_accept(&self, listener: EndId) -> bool {
        match self.ends.get(&listener) {
            Some(End::Listener { waiting, .. }) => !waiting.is_empty(),
            _ => true,
        }
    }

    /// `None` when nobody waits.
    pub fn accept(&mut self, listener: EndId) -> Result<Option<(EndId, SocketAddr)>, IoError> {
        let Some(End::Listener { waiting, .. }) = self.ends.get_mut(&listener) else {
            return Err(GONE);
        };
        let Some(Waiting { from, to, peer }) = waiting.pop_front() else { return Ok(None) };
        Ok(Some((self.add(End::Socket { from, to }), peer)))
    }

    pub fn can_receive(&self, socket: EndId) -> bool {
        self.pipes_of(socket).is_none_or(|(from, _)| {
            let pipe = &self.pipes[from];
            !pipe.bytes.is_empty() || pipe.ended || pipe.reset
        })
    }

    /// Whether bytes wait, so that a receive needs memory.
    pub fn has_bytes(&self, socket: EndId) -> bool {
        self.pipes_of(socket).is_some_and(|(from, _)| {
            let pipe = &self.pipes[from];
            !pipe.bytes.is_empty() && !pipe.reset
        })
    }

    pub fn can_send(&self, socket: EndId) -> bool {
        self.pipes_of(socket).is_none_or(|(_, to)| {
            let pipe = &self.pipes[to];
            pipe.bytes.len() < PIPE_BYTES_MAX || pipe.reader_gone || pipe.reset
        })
    }

    pub fn send(
        &mut self,
        socket: EndId,
        data: &[Bytes],
        luck: &mut Luck<'_>,
    ) -> Result<usize, IoError> {
        let (from, to) = self.pipes_of(socket).ok_or(GONE)?;
        if luck.rng.chance(luck.faults.reset_per_1000) {
            luck.counts.resets += 1;
            (self.pipes[from].reset, self.pipes[to].reset) = (true, true);
        }
        let pipe = &mut self.pipes[to];
        if pipe.reset || pipe.reader_gone {
            return Err(IoError::Reset);
        }
        let total: usize = data.iter().map(|slice| slice.len()).sum();
        let moved = luck.part(total.min(PIPE_BYTES_MAX - pipe.bytes.len()));
        let mut left = moved;
        for slice in data {
            let part = left.min(slice.len());
            pipe.bytes.extend(&slice[..part]);
            left -= part;
        }
        Ok(moved)
    }

    /// At most `room` bytes; none at the end of the stream.
    pub fn receive(
        &mut self,
        socket: EndId,
        room: usize,
        luck: &mut Luck<'_>,
    ) -> Result<Vec<u8>, IoError> {
        let (from, _) = self.pipes_of(socket).ok_or(GONE)?;
        let pipe = &mut self.pipes[from];
        if pipe.reset {
            return Err(IoError::Reset);
        }
        let mut moved = room.min(pipe.bytes.len());
        if 1 < moved && luck.rng.chance(luck.faults.one_byte_per_1000) {
            luck.counts.one_byte += 1;
            moved = 1;
        } else {
            moved = luck.part(moved);
        }
        Ok(pipe.bytes.drain(..moved).collect())
    }

    pub fn shutdown_send(&mut self, socket: EndId) {
        if let Some((_, to)) = self.pipes_of(socket) {
            self.pipes[to].ended = true;
        }
    }

    pub fn close(&mut self, id: EndId) {
        match self.ends.remove(&id) {
            Some(End::Socket { from, to }) => self.drop_pipes(from, to),
            Some(End::Listener { waiting, .. }) => {
                for Waiting { from, to, .. } in waiting {
                    self.drop_pipes(from, to);
                    self.pipes[to].reset = true;
                }
            }
            None => panic!("closed twice: {id:?}"),
        }
    }

    /// Breaks every connection from the middle: both ends find it reset.
    pub fn reset_all(&mut self) {
        for pipe in &mut self.pipes {
            pipe.reset = true;
        }
    }

    fn drop_pipes(&mut self, from: usize, to: usize) {
        self.pipes[to].ended = true;
        self.pipes[from].reader_gone = true;
        // Unread bytes at close make the kernel send a reset instead of an end.
        if !self.pipes[from].bytes.is_empty() {
            self.pipes[to].reset = true;
        }
        self.pipes[from].bytes = VecDeque::new();
    }
}
