//! Sockets over the seam. The loops for short results live here, so both drivers run them.
//!
//! Owns: closing. A descriptor closes when its last handle drops; a stream holds a handle, so a
//! number can never be armed again after the kernel gave it to somebody else.
//! Start reading at: [`Env::listen`], [`Env::accept_many`], [`Env::receive_many`].
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::{Bytes, advance_all};
use crate::env::op::{Many, Memory, Op};
use crate::env::outside::Door;
use crate::env::pool::Chunk;
use crate::env::seam::Seam;
use crate::env::{Env, Fd, IoError, MultiCompletion};

/// Slices in one gathered send or write; the kernel's limit is 1,024.
pub const SLICES_MAX: usize = 256;
/// Connections that the kernel finishes before we accept them.
pub const BACKLOG: u32 = 1_024;

pub(crate) struct Handle {
    seam: Rc<Seam>,
    fd: Cell<Option<Fd>>,
}

impl Handle {
    pub fn fd(&self) -> Fd {
        self.fd.get().expect("open until it drops")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            self.seam.submit_detached(Op::Close { fd });
        }
    }
}

/// One TCP connection of this shard; clones share it.
#[derive(Clone)]
pub struct Socket(Rc<Handle>);

/// A socket on its way to another shard by mail; dropping it closes the connection.
pub struct SocketHandle {
    fd: Option<Fd>,
    door: Arc<dyn Door>,
}

pub struct Listener {
    handle: Rc<Handle>,
    /// With the port that was chosen.
    pub address: SocketAddr,
}

pub struct Accepting {
    stream: MultiCompletion,
    env: Env,
    _listener: Rc<Handle>,
}

pub struct Receiving {
    stream: MultiCompletion,
    _socket: Socket,
}

impl Env {
    pub(crate) fn handle(&self, fd: usize) -> Rc<Handle> {
        let fd = Fd((fd & 0xffff_ffff) as i32);
        Rc::new(Handle { seam: self.seam.clone(), fd: Cell::new(Some(fd)) })
    }

    /// Listens with SO_REUSEADDR; port 0 lets the driver choose.
    ///
    /// Errors: [`IoError::AddressInUse`] when somebody listens there already.
    pub async fn listen(&self, mut address: SocketAddr) -> Result<Listener, IoError> {
        let done = self.submit(Op::Listen { address, backlog: BACKLOG }).await.result?;
        let handle = self.handle(done);
        address.set_port((done >> 32) as u16);
        Ok(Listener { handle, address })
    }

    pub async fn connect(&self, address: SocketAddr) -> Result<Socket, IoError> {
        let fd = self.submit(Op::Connect { address }).await.result?;
        Ok(Socket(self.handle(fd)))
    }

    pub fn accept_many(&self, listener: &Listener) -> Accepting {
        let stream = self.submit_many(Many::Accept(listener.handle.fd()));
        Accepting { stream, env: self.clone(), _listener: listener.handle.clone() }
    }

    pub fn receive_many(&self, socket: &Socket) -> Receiving {
        let stream = self.submit_many(Many::Receive(socket.0.fd()));
        Receiving { stream, _socket: socket.clone() }
    }

    /// Makes a socket that came by mail one of this shard's.
    pub fn adopt(&self, mut handle: SocketHandle) -> Socket {
        let fd = handle.fd.take().expect("adopted once");
        Socket(Rc::new(Handle { seam: self.seam.clone(), fd: Cell::new(Some(fd)) }))
    }

    /// One chunk; `None` at the end of the stream. Waits for the pool to have a chunk.
    pub async fn receive_chunk(&self, socket: &Socket) -> Result<Option<Chunk>, IoError> {
        loop {
            let done = self.submit(Op::ReceiveChunk { socket: socket.0.fd() }).await;
            match (done.result, done.memory) {
                (Err(IoError::NoBuffers), _) => self.sleep_ms(1).await,
                (Ok(0), _) => return Ok(None),
                (Ok(_), Memory::Chunk(chunk)) => return Ok(Some(chunk)),
                (result, _) => return Err(result.expect_err("bytes come in a chunk")),
            }
        }
    }

    /// An empty buffer of at least `want` bytes for [`Env::receive_exact`], used before perhaps.
    pub fn frame_buf(&self, want: usize) -> Vec<u8> {
        self.seam.recycler.buf(want)
    }

    /// Makes a filled buffer immutable; its memory is used again after its last reader.
    pub fn freeze(&self, buf: Vec<u8>) -> Bytes {
        self.seam.recycler.freeze(buf)
    }

    /// Appends to `buf` until it holds exactly `want` bytes.
    ///
    /// Errors: [`IoError::Truncated`] when the peer closed first.
    pub async fn receive_exact(
        &self,
        socket: &Socket,
        mut buf: Vec<u8>,
        want: usize,
    ) -> Result<Vec<u8>, IoError> {
        buf.reserve_exact(want.saturating_sub(buf.len()));
        while buf.len() < want {
            let done = self.submit(Op::ReceiveInto { socket: socket.0.fd(), buf, want }).await;
            let moved = done.result?;
            buf = done.into_buf();
            if moved == 0 {
                return Err(IoError::Truncated);
            }
        }
        Ok(buf)
    }

    /// Sends all slices in order, gathered. One task at a time per socket, else they mix.
    pub async fn send_all(&self, socket: &Socket, mut data: Vec<Bytes>) -> Result<(), IoError> {
        data.retain(|slice| !slice.is_empty());
        while !data.is_empty() {
            let rest =
                if SLICES_MAX < data.len() { data.split_off(SLICES_MAX) } else { Vec::new() };
            while !data.is_empty() {
                let done = self.submit(Op::Send { socket: socket.0.fd(), data }).await;
                let moved = done.result?;
                if moved == 0 {
                    return Err(IoError::Reset);
                }
                data = done.into_slices();
                advance_all(&mut data, moved);
            }
            data = rest;
        }
        Ok(())
    }

    pub async fn shutdown_send(&self, socket: &Socket) -> Result<(), IoError> {
        self.submit(Op::ShutdownSend { socket: socket.0.fd() }).await.result.map(drop)
    }
}

impl Socket {
    /// Takes the connection off this shard, to be mailed and adopted elsewhere.
    ///
    /// Errors: the socket again, while a stream or a clone still uses it. A receive that was just
    /// dropped may still take bytes: hand a socket over before reading from it.
    pub fn into_handle(self) -> Result<SocketHandle, Self> {
        let handle = Rc::try_unwrap(self.0).map_err(Self)?;
        Ok(SocketHandle { fd: handle.fd.take(), door: handle.seam.door.clone() })
    }
}

impl Drop for SocketHandle {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            self.door.close(fd);
        }
    }
}

impl Accepting {
    /// The next connection and its peer. Never ends; after an error (out of descriptors) the
    /// caller waits a little and asks again.
    pub async fn next(&mut self) -> Result<(Socket, SocketAddr), IoError> {
        let done = self.stream.next().await.ok_or(IoError::Canceled)?;
        let fd = done.result?;
        let peer = match done.memory {
            Memory::Peer(peer) => peer,
            // Gone before anybody could ask for its name; the first receive says so.
            _ => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        };
        Ok((Socket(self.env.handle(fd)), peer))
    }
}

impl Receiving {
    /// `None` at the end of the stream or when a paused stream was emptied.
    pub async fn next(&mut self) -> Option<Result<Chunk, IoError>> {
        let done = self.stream.next().await?;
        Some(done.result.map(|_| {
            let Memory::Chunk(chunk) = done.memory else { panic!("bytes come in a chunk") };
            chunk
        }))
    }

    pub fn pause(&mut self) {
        self.stream.pause();
    }

    pub fn resume(&mut self) {
        self.stream.resume();
    }
}
