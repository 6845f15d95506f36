//! What each operation looks like to the kernel, and what memory stays with it meanwhile.
//!
//! Owns: the choice between the ring, a plain call and a worker for each operation.
//! Invariant: every pointer in an entry leads into the [`Held`] that is returned with it.
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use io_uring::{opcode, squeue, types};

use crate::base::Bytes;
use crate::base::aligned::AlignedBuf;
use crate::env::Fd;
use crate::env::op::{Caching, Done, IoError, Job, Lane, Many, Memory, Op, PathOp};
use crate::io::chunks::GROUP;
use crate::io::features::{Feature, Features};
use crate::io::{Settings, plain};

pub enum Held {
    Nothing,
    Accept,
    Connect {
        fd: i32,
        _address: Box<libc::sockaddr_storage>,
    },
    Buf(Vec<u8>),
    Aligned(AlignedBuf),
    One(Vec<Bytes>),
    Gathered {
        data: Vec<Bytes>,
        _gather: Box<Gather>,
    },
    /// A directory that is open while it syncs.
    Directory(i32),
    /// Without provided buffers: receives by a plain call when the socket is readable.
    Readable(i32),
}

/// The kernel's view of a gathered operation.
pub struct Gather {
    vectors: Vec<libc::iovec>,
    header: libc::msghdr,
}

pub enum Start {
    Finished(Done),
    Queue(Held, squeue::Entry),
    /// For a worker thread, whose answer is the operation's.
    Work(Job, Lane),
    /// A removal, which may free gigabytes.
    Remove(PathOp),
    /// It may take seconds, and the ring has no operation for it.
    SyncFileSystem(Fd),
    Discard(Box<dyn std::any::Any + Send>),
}

fn vectors(data: &[Bytes]) -> Vec<libc::iovec> {
    data.iter()
        .map(|slice| libc::iovec { iov_base: slice.as_ptr() as *mut _, iov_len: slice.len() })
        .collect()
}

fn gather(data: &[Bytes]) -> Box<Gather> {
    let vectors = vectors(data);
    // SAFETY: all zeroes is a valid `msghdr`.
    let header = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
    let mut gather = Box::new(Gather { vectors, header });
    gather.header.msg_iov = gather.vectors.as_mut_ptr();
    gather.header.msg_iovlen = gather.vectors.len();
    gather
}

/// Where the kernel appends to `buf`, and how much.
fn spare(buf: &mut Vec<u8>, want: usize) -> (*mut u8, u32) {
    assert!(buf.len() < want && want <= buf.capacity());
    let room = u32::try_from(want - buf.len()).expect("one operation is below 4 GiB");
    (buf.spare_capacity_mut().as_mut_ptr().cast(), room)
}

pub fn start(op: Op, settings: &Settings, features: Features) -> Start {
    let fd = |fd: Fd| types::Fd(fd.0);
    let (held, entry) = match op {
        Op::Many(Many::Accept(listener)) => accept(fd(listener), features),
        Op::Many(Many::Receive(socket)) if features.has(Feature::MultishotRecv) => {
            (Held::Nothing, opcode::RecvMulti::new(fd(socket), GROUP).build())
        }
        Op::Many(Many::Receive(socket)) | Op::ReceiveChunk { socket } => {
            receive_chunk(socket, settings, features)
        }
        Op::ReceiveInto { socket, mut buf, want } => {
            let (to, len) = spare(&mut buf, want);
            let entry = opcode::Recv::new(fd(socket), to, len).flags(libc::MSG_WAITALL);
            (Held::Buf(buf), entry.build())
        }
        Op::Send { socket, data } => send(fd(socket), data),
        Op::WriteAt { file, at, data } => {
            let bytes: usize = data.iter().map(|slice| slice.len()).sum();
            if bytes <= settings.inline_write_bytes_max {
                let result = plain::write_at(file, at, &vectors(&data));
                return Start::Finished(Done { result, memory: Memory::Slices(data) });
            }
            write(fd(file), at, data)
        }
        Op::ReadAt { file, at, buf, want, caching } => {
            return read(file, at, buf, want, caching, settings);
        }
        Op::DropCached { file, at, bytes } => drop_cached(fd(file), at, bytes),
        Op::StartWriteBack { file, at, bytes } => start_write_back(fd(file), at, bytes),
        Op::SyncData { file } => {
            let flags = types::FsyncFlags::DATASYNC;
            (Held::Nothing, opcode::Fsync::new(fd(file)).flags(flags).build())
        }
        Op::WriteDurably { file, at, data, from } => {
            let rest = &data.as_slice()[from..];
            let len = u32::try_from(rest.len()).expect("one operation is below 4 GiB");
            let entry = opcode::Write::new(fd(file), rest.as_ptr(), len).offset(at).build();
            (Held::Aligned(data), entry)
        }
        Op::SyncFileSystem { file } => return Start::SyncFileSystem(file),
        Op::ShutdownSend { socket } => {
            (Held::Nothing, opcode::Shutdown::new(fd(socket), libc::SHUT_WR).build())
        }
        Op::Close { fd: closing } => (Held::Nothing, opcode::Close::new(fd(closing)).build()),
        Op::Connect { address } => match connect(&address) {
            Ok(queued) => queued,
            Err(error) => return Start::Finished(Done::bare(Err(error))),
        },
        Op::Listen { address, backlog } => {
            return Start::Finished(Done::bare(plain::listen(address, backlog)));
        }
        Op::Path(PathOp::SyncDir { path }) => match plain::open_dir(&path) {
            Ok(dir) => (Held::Directory(dir), opcode::Fsync::new(types::Fd(dir)).build()),
            Err(error) => return Start::Finished(Done::bare(Err(error))),
        },
        Op::Path(op @ (PathOp::RemoveFile { .. } | PathOp::RemoveDirAll { .. })) => {
            return Start::Remove(op);
        }
        Op::Path(op) => return Start::Finished(plain::perform(&op)),
        Op::Work { job, lane } => return Start::Work(job, lane),
        Op::Discard { thing } => return Start::Discard(thing),
        Op::Many(Many::Mail) => unreachable!("mail has no entry of its own"),
    };
    Start::Queue(held, entry)
}

fn drop_cached(file: types::Fd, at: u64, bytes: u32) -> (Held, squeue::Entry) {
    let entry = opcode::Fadvise::new(file, bytes.into(), libc::POSIX_FADV_DONTNEED);
    (Held::Nothing, entry.offset(at).build())
}

fn start_write_back(file: types::Fd, at: u64, bytes: u32) -> (Held, squeue::Entry) {
    let entry = opcode::SyncFileRange::new(file, bytes).offset(at);
    (Held::Nothing, entry.flags(libc::SYNC_FILE_RANGE_WRITE).build())
}

fn accept(listener: types::Fd, features: Features) -> (Held, squeue::Entry) {
    let flags = libc::SOCK_CLOEXEC;
    let entry = if features.has(Feature::MultishotAccept) {
        opcode::AcceptMulti::new(listener).flags(flags).build()
    } else {
        let (no_address, no_len) = (std::ptr::null_mut(), std::ptr::null_mut());
        opcode::Accept::new(listener, no_address, no_len).flags(flags).build()
    };
    (Held::Accept, entry)
}

/// One receive into a chunk: the kernel picks it, or we do once the socket is readable.
fn receive_chunk(socket: Fd, settings: &Settings, features: Features) -> (Held, squeue::Entry) {
    if !features.has(Feature::BufRing) {
        return (Held::Readable(socket.0), readable(socket.0));
    }
    let len = settings.chunk_bytes as u32;
    let entry = opcode::Recv::new(types::Fd(socket.0), std::ptr::null_mut(), len);
    let entry = entry.buf_group(GROUP).build().flags(squeue::Flags::BUFFER_SELECT);
    (Held::Nothing, entry)
}

/// Waits until a socket has bytes, an end or an error.
pub fn readable(socket: i32) -> squeue::Entry {
    opcode::PollAdd::new(types::Fd(socket), libc::POLLIN as u32).build()
}

fn read(
    file: Fd,
    at: u64,
    mut buf: Vec<u8>,
    want: usize,
    caching: Caching,
    settings: &Settings,
) -> Start {
    let flags = match caching {
        Caching::Kept => 0,
        Caching::Uncached => plain::RWF_DONTCACHE,
    };
    let (to, len) = spare(&mut buf, want);
    if len as usize <= settings.inline_read_bytes_max
        && let Some(moved) = plain::read_cached(file, at, to, len as usize, flags)
    {
        return Start::Finished(Held::Buf(buf).finish(Ok(moved)));
    }
    let entry = opcode::Read::new(types::Fd(file.0), to, len).offset(at).rw_flags(flags);
    Start::Queue(Held::Buf(buf), entry.build())
}

fn connect(address: &SocketAddr) -> Result<(Held, squeue::Entry), IoError> {
    let fd = plain::tcp_socket(address)?;
    let (raw, len) = raw_address(address);
    let raw = Box::new(raw);
    let entry = opcode::Connect::new(types::Fd(fd), (&raw const *raw).cast(), len).build();
    Ok((Held::Connect { fd, _address: raw }, entry))
}

/// The kernel's form of an address.
fn raw_address(address: &SocketAddr) -> (libc::sockaddr_storage, u32) {
    // SAFETY: all zeroes is a valid `sockaddr_storage`.
    let mut raw = unsafe { MaybeUninit::<libc::sockaddr_storage>::zeroed().assume_init() };
    match address {
        SocketAddr::V4(v4) => {
            let filled = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is larger than and aligned for every kind of address.
            unsafe { (&raw mut raw).cast::<libc::sockaddr_in>().write(filled) };
            (raw, size_of::<libc::sockaddr_in>() as u32)
        }
        SocketAddr::V6(v6) => {
            let filled = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut raw).cast::<libc::sockaddr_in6>().write(filled) };
            (raw, size_of::<libc::sockaddr_in6>() as u32)
        }
    }
}

fn send(socket: types::Fd, data: Vec<Bytes>) -> (Held, squeue::Entry) {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    if let [one] = data.as_slice() {
        let len = u32::try_from(one.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(socket, one.as_ptr(), len).flags(flags);
        return (Held::One(data), entry.build());
    }
    let gather = gather(&data);
    let entry = opcode::SendMsg::new(socket, &raw const gather.header).flags(flags as u32);
    (Held::Gathered { data, _gather: gather }, entry.build())
}

fn write(file: types::Fd, at: u64, data: Vec<Bytes>) -> (Held, squeue::Entry) {
    if let [one] = data.as_slice() {
        let len = u32::try_from(one.len()).unwrap_or(u32::MAX);
        let entry = opcode::Write::new(file, one.as_ptr(), len).offset(at);
        return (Held::One(data), entry.build());
    }
    let gather = gather(&data);
    let entry = opcode::Writev::new(file, gather.vectors.as_ptr(), gather.vectors.len() as u32);
    (Held::Gathered { data, _gather: gather }, entry.offset(at).build())
}

pub fn to_result(result: i32) -> Result<usize, IoError> {
    usize::try_from(result).map_err(|_| plain::from_errno(-result))
}

impl Held {
    /// Whether a success is a new descriptor, which somebody must close.
    pub fn makes_fd(&self) -> bool {
        matches!(self, Self::Accept | Self::Connect { .. })
    }

    /// Gives the memory back with the last completion.
    pub fn finish(self, result: Result<usize, IoError>) -> Done {
        let memory = match self {
            Self::Nothing | Self::Accept | Self::Readable(_) => Memory::None,
            Self::Connect { fd, .. } => {
                if result.is_err() {
                    plain::close(fd);
                }
                return Done::bare(result.map(|_| fd as usize));
            }
            Self::Directory(fd) => {
                plain::close(fd);
                Memory::None
            }
            Self::Buf(mut buf) => {
                let moved = result.unwrap_or(0);
                assert!(moved <= buf.capacity() - buf.len());
                // SAFETY: the kernel wrote `moved` bytes behind the old end, inside the capacity.
                unsafe { buf.set_len(buf.len() + moved) };
                Memory::Buf(buf)
            }
            Self::Aligned(data) => Memory::Aligned(data),
            Self::One(data) | Self::Gathered { data, .. } => Memory::Slices(data),
        };
        Done { result, memory }
    }
}
