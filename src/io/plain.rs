//! Plain system calls that are rare, or cheaper than the ring.
//!
//! Owns: sockets and files by number, names in directories. Leaves to others: what may block for
//! long (syncs go through the ring, removals to a worker).
use std::fs::{self, File};
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{FromRawFd as _, IntoRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::env::op::{Done, IoError, Memory, PathOp};
use crate::env::{DirEntry, Fd, OpenHow, Space};

/// An error number of the kernel, positive.
pub fn from_errno(errno: i32) -> IoError {
    match errno {
        libc::ECANCELED => IoError::Canceled,
        libc::ENOBUFS => IoError::NoBuffers,
        libc::ECONNRESET | libc::EPIPE => IoError::Reset,
        libc::ECONNREFUSED => IoError::Refused,
        libc::ENOSPC | libc::EDQUOT => IoError::NoSpace,
        libc::ENOENT => IoError::NotFound,
        libc::EEXIST => IoError::AlreadyExists,
        libc::EADDRINUSE => IoError::AddressInUse,
        libc::EMFILE | libc::ENFILE => IoError::TooManyFiles,
        other => IoError::Errno(other),
    }
}

pub fn from_io(error: &std::io::Error) -> IoError {
    error.raw_os_error().map_or(IoError::EIO, from_errno)
}

fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Repeats a call that a signal interrupted.
fn retry(mut call: impl FnMut() -> isize) -> Result<usize, IoError> {
    loop {
        let result = call();
        if let Ok(moved) = usize::try_from(result) {
            return Ok(moved);
        }
        let errno = last_errno();
        if errno != libc::EINTR {
            return Err(from_errno(errno));
        }
    }
}

fn set(socket: i32, level: i32, name: i32) -> Result<(), IoError> {
    let on = 1i32;
    let value = (&raw const on).cast();
    // SAFETY: the option's value is one `int`, and its size is given.
    retry(|| unsafe { libc::setsockopt(socket, level, name, value, 4) } as isize)?;
    Ok(())
}

pub fn tcp_socket(address: &SocketAddr) -> Result<i32, IoError> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: takes no pointers.
    let made = retry(|| unsafe {
        libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) as isize
    })?;
    set(made as i32, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
    Ok(made as i32)
}

/// Listens; the descriptor in the low half, the port above it.
///
/// TCP_NODELAY is set here once: on Linux an accepted socket inherits it.
pub fn listen(address: SocketAddr, backlog: u32) -> Result<usize, IoError> {
    // The standard library sets SO_REUSEADDR before it binds.
    let listener = TcpListener::bind(address).map_err(|error| from_io(&error))?;
    let port = listener.local_addr().map_err(|error| from_io(&error))?.port();
    let fd = listener.into_raw_fd();
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    // SAFETY: takes no pointers. A second `listen` on a listener only changes its backlog.
    let listening = retry(|| unsafe { libc::listen(fd, backlog) } as isize);
    if let Err(error) = listening.and_then(|_| set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)) {
        close(fd);
        return Err(error);
    }
    Ok(fd as usize | (usize::from(port) << 32))
}

/// Who is at the other end; `None` when the connection is gone already.
pub fn peer(fd: i32) -> Option<SocketAddr> {
    // SAFETY: the caller owns the descriptor, and `ManuallyDrop` leaves it open.
    let stream = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
    stream.peer_addr().ok()
}

/// One receive that does not wait; `None` when there is nothing yet.
pub fn receive_now(socket: i32, into: *mut u8, bytes: usize) -> Result<Option<usize>, IoError> {
    // SAFETY: the caller owns `bytes` bytes at `into` during the call.
    let result = retry(|| unsafe { libc::recv(socket, into.cast(), bytes, libc::MSG_DONTWAIT) });
    match result {
        Err(IoError::Errno(libc::EAGAIN)) => Ok(None),
        other => other.map(Some),
    }
}

pub fn write_at(file: Fd, at: u64, data: &[libc::iovec]) -> Result<usize, IoError> {
    let offset = i64::try_from(at).map_err(|_| IoError::Errno(libc::EFBIG))?;
    // SAFETY: the vectors describe memory that the caller holds during the call.
    retry(|| unsafe { libc::pwritev(file.0, data.as_ptr(), data.len() as i32, offset) })
}

/// What a read brings into the page cache goes again at once; from Linux 6.14 on, where the file
/// system offers it.
pub const RWF_DONTCACHE: i32 = 0x80;

/// Reads what the page cache has; `None` when the device would have to be asked.
pub fn read_cached(file: Fd, at: u64, into: *mut u8, bytes: usize, flags: i32) -> Option<usize> {
    let flags = flags | libc::RWF_NOWAIT;
    let vector = libc::iovec { iov_base: into.cast(), iov_len: bytes };
    let offset = i64::try_from(at).ok()?;
    // SAFETY: the caller owns `bytes` bytes at `into` during the call.
    retry(|| unsafe { libc::preadv2(file.0, &raw const vector, 1, offset, flags) }).ok()
}

pub fn close(fd: i32) {
    // SAFETY: takes no pointers; the caller owns the descriptor.
    unsafe { libc::close(fd) };
}

/// Writes back everything of the file system that holds `file`, and its names.
pub fn sync_file_system(file: Fd) -> Result<usize, IoError> {
    // SAFETY: takes no pointers.
    retry(|| unsafe { libc::syncfs(file.0) } as isize)
}

/// Opens a directory to sync it.
pub fn open_dir(path: &str) -> Result<i32, IoError> {
    let dir = File::open(path).map_err(|error| from_io(&error))?;
    Ok(dir.into_raw_fd())
}

fn open(path: &str, how: OpenHow) -> std::io::Result<usize> {
    let mut options = File::options();
    options.read(true).mode(0o644);
    match how {
        OpenHow::Read => {}
        OpenHow::ReadWrite => drop(options.write(true)),
        OpenHow::Create => drop(options.write(true).create(true).truncate(false)),
        OpenHow::CreateNew => drop(options.write(true).create_new(true)),
        OpenHow::Direct => {
            options.write(true).create(true).truncate(false);
            options.custom_flags(libc::O_DIRECT | libc::O_DSYNC);
        }
    }
    Ok(options.open(path)?.into_raw_fd() as usize)
}

fn borrowed(file: Fd) -> ManuallyDrop<File> {
    // SAFETY: the caller owns the descriptor, and `ManuallyDrop` leaves it open.
    ManuallyDrop::new(unsafe { File::from_raw_fd(file.0) })
}

fn list(path: &str) -> std::io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A name that is no UTF-8 is not ours, and no caller could ask for it.
        if let Ok(name) = entry.file_name().into_string() {
            entries.push(DirEntry { name, is_dir: entry.file_type()?.is_dir() });
        }
    }
    entries.sort();
    Ok(entries)
}

fn space(path: &str) -> std::io::Result<Space> {
    let path = std::ffi::CString::new(path)?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero byte, and the kernel fills the whole structure or fails.
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        stat.assume_init()
    };
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let (total_bytes, usable_bytes) = (bytes(stat.f_blocks), bytes(stat.f_bavail));
    Ok(Space { total_bytes, usable_bytes, file_system: stat.f_fsid })
}

/// A time before 1970 counts as 1970.
fn changed_ms(path: &str) -> std::io::Result<usize> {
    let changed = fs::metadata(path)?.modified()?;
    Ok(changed.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as usize))
}

fn reserve(file: Fd, bytes: u64) -> std::io::Result<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    // SAFETY: the call touches no memory of ours; a wrong descriptor is an error.
    let result = unsafe { libc::fallocate(file.0, libc::FALLOC_FL_KEEP_SIZE, 0, bytes) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Performs an operation on names or sizes, here and now.
pub fn perform(op: &PathOp) -> Done {
    let none = |result: std::io::Result<()>| result.map(|()| 0);
    let result = match op {
        PathOp::Open { path, how } => open(path, *how),
        PathOp::Truncate { file, bytes } => none(borrowed(*file).set_len(*bytes)),
        PathOp::Reserve { file, bytes } => none(reserve(*file, *bytes)),
        PathOp::FileBytes { file } => borrowed(*file).metadata().map(|data| data.len() as usize),
        PathOp::Rename { from, to } => none(fs::rename(from, to)),
        PathOp::RemoveFile { path } => none(fs::remove_file(path)),
        PathOp::RemoveDirAll { path } => none(fs::remove_dir_all(path)),
        PathOp::CreateDirAll { path } => none(fs::create_dir_all(path)),
        PathOp::SyncDir { path } => none(File::open(path).and_then(|dir| dir.sync_all())),
        PathOp::ChangedMs { path } => changed_ms(path),
        PathOp::Exists { path } => fs::exists(path).map(usize::from),
        PathOp::Space { path } => match space(path) {
            Ok(space) => return Done { result: Ok(0), memory: Memory::Space(space) },
            Err(error) => Err(error),
        },
        PathOp::ListDir { path } => match list(path) {
            Ok(entries) => return Done { result: Ok(0), memory: Memory::Entries(entries) },
            Err(error) => Err(error),
        },
    };
    Done::bare(result.map_err(|error| from_io(&error)))
}
