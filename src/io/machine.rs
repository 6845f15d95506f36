//! The machine around the process: limits, cores, free space, a lock on a file.
//!
//! Owns: the few system calls that std does not offer and that are no ring operations.
//! Leaves to others: what follows from the figures (`server`).
#![allow(unsafe_code)]
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::io::plain::RWF_DONTCACHE;

/// A limit of this process; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}

/// Space of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this user may still write.
    pub free_bytes: u64,
    pub whole_bytes: u64,
}

/// How many descriptors this process may have open.
pub fn descriptors() -> io::Result<Limit> {
    limit(libc::RLIMIT_NOFILE)
}

/// How much memory this process may lock; older kernels count rings against it.
pub fn locked_memory() -> io::Result<Limit> {
    limit(libc::RLIMIT_MEMLOCK)
}

/// Raises the soft limit of descriptors to the hard one, which any user may.
pub fn raise_descriptors() -> io::Result<Limit> {
    let Limit { hard, .. } = descriptors()?;
    let raised = libc::rlimit { rlim_cur: hard, rlim_max: hard };
    // SAFETY: reads one struct that outlives the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) })?;
    descriptors()
}

fn limit(which: libc::__rlimit_resource_t) -> io::Result<Limit> {
    let mut found = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one struct that outlives the call.
    check(unsafe { libc::getrlimit(which, &raw mut found) })?;
    Ok(Limit { soft: found.rlim_cur, hard: found.rlim_max })
}

/// Cores that this process may run on, ascending.
pub fn cores() -> io::Result<Vec<usize>> {
    // SAFETY: a set of cores is plain bits, of which all zero is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: writes at most `bytes` into the set, which outlives the call.
    check(unsafe { libc::sched_getaffinity(0, bytes, &raw mut set) })?;
    let is_ours = |core: &usize| {
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_ISSET(*core, &set) }
    };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_ours).collect())
}

/// Whether reads can leave nothing in the page cache: a read of that file, not empty, says it.
pub fn reads_uncached(file: &File) -> io::Result<bool> {
    let mut byte = 0u8;
    let into = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: one byte of a local is written.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const into, 1, 0, RWF_DONTCACHE) };
    match read {
        0.. => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
            error => Err(error),
        },
    }
}

/// Lets `how` open files for durable writes around the page cache, as the journal's are.
pub fn open_direct(how: &mut OpenOptions) -> &mut OpenOptions {
    how.custom_flags(libc::O_DIRECT | libc::O_DSYNC)
}

/// Pins the calling thread to one core.
pub fn pin(core: usize) -> io::Result<()> {
    if libc::CPU_SETSIZE as usize <= core {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: a set of cores is plain bits, of which all zero is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is below the size of the set, as checked above.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: reads the set, which outlives the call.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
}

/// Space of the file system that holds `path`.
pub fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the struct is plain numbers, of which all zero is one.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: reads a text that ends in zero, writes a struct; both outlive the call.
    check(unsafe { libc::statvfs(path.as_ptr(), &raw mut found) })?;
    let unit = found.f_frsize;
    Ok(Space { free_bytes: found.f_bavail * unit, whole_bytes: found.f_blocks * unit })
}

/// Locks the whole file for this process until the file is closed; false: somebody else has it.
///
/// An open-file-description lock: it conflicts with the locks that Java takes, so that a Kafka
/// broker and ours never share a directory.
pub fn lock(file: &File) -> io::Result<bool> {
    // SAFETY: the struct is plain numbers, of which all zero is one.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as libc::c_short;
    whole.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: reads one struct that outlives the call; the descriptor is open while `file` lives.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const whole) }) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_freed_by_closing() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let first = File::options().write(true).open(file.path()).expect("it exists");
        let second = File::options().write(true).open(file.path()).expect("it exists");
        assert!(lock(&first).expect("a lock") && lock(&first).expect("it is ours already"));
        assert!(!lock(&second).expect("no error, but no lock"));
        drop(first);
        assert!(lock(&second).expect("it is free again"));
    }

    #[test]
    fn a_thread_can_be_pinned_to_each_of_its_cores() {
        for core in cores().expect("this kernel tells") {
            let thread = std::thread::spawn(move || {
                pin(core).expect("it is one of ours");
                cores().expect("this kernel tells")
            });
            assert_eq!(thread.join().expect("it ends"), [core]);
        }
        assert!(pin(1 << 20).is_err());
    }

    #[test]
    fn limits_and_space_are_plausible() {
        let raised = raise_descriptors().expect("raising to the hard limit is allowed");
        assert_eq!(raised.soft, raised.hard);
        assert!(0 < raised.soft && locked_memory().is_ok());
        let space = space(Path::new("/")).expect("there is a root");
        assert!(space.free_bytes <= space.whole_bytes && 0 < space.whole_bytes);
        assert!(super::space(Path::new("/no/such")).is_err());
    }
}
