//! What this kernel offers: each optional feature is tried, not guessed from a version.
//!
//! Owns: the report for `logmill doctor`, and the one error that says why there is no io_uring.
//! Start reading at: [`probe`].
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use io_uring::{IoUring, cqueue, opcode, types};

use crate::env::pool::Pool;
use crate::io::chunks::{ChunkRing, GROUP};
use crate::io::features::{Feature, Features};
use crate::io::ring;

/// The oldest kernel that we test and promise; Debian 12 has it.
pub const KERNEL_MIN: (u32, u32) = (6, 1);

/// Why there is no io_uring here, and the cure.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    #[error(
        "Linux {found} is too old: Logmill needs 6.1 or newer for io_uring; boot a newer kernel"
    )]
    KernelTooOld { found: String },
    #[error(
        "io_uring is switched off on this machine (kernel.io_uring_disabled = {value}); \
         allow it with `sysctl -w kernel.io_uring_disabled=0`"
    )]
    Disabled { value: u32 },
    #[error(
        "io_uring is forbidden to this process ({source}), as container sandboxes do; start it \
         with a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register \
         (for Docker: --security-opt seccomp=unconfined)"
    )]
    Forbidden { source: io::Error },
    #[error(
        "the kernel has no memory or descriptors left for io_uring ({source}); raise the limits \
         that `ulimit -l` and `ulimit -n` show"
    )]
    Limits { source: io::Error },
    #[error("io_uring cannot be set up: {source}")]
    Other { source: io::Error },
}

/// One line of the report.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub name: &'static str,
    pub found: bool,
    /// What the broker does when it is missing.
    pub without: &'static str,
}

/// What the kernel offers.
#[derive(Clone, Debug)]
pub struct Report {
    /// As `uname -r` prints it.
    pub kernel: String,
    pub found: Vec<Found>,
    features: Features,
}

impl Report {
    pub fn features(&self) -> Features {
        self.features
    }
}

impl RingError {
    /// Names the cause behind an error of setting up a ring.
    pub fn from_io(error: io::Error) -> Self {
        explain(error, &kernel(), disabled())
    }
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

/// The sysctl that switches io_uring off; `None` on kernels without it (before 6.6).
fn disabled() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

/// Major and minor version; `None` when the text has another form.
fn version(kernel: &str) -> Option<(u32, u32)> {
    let mut parts = kernel.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn explain(error: io::Error, kernel: &str, disabled: Option<u32>) -> RingError {
    if version(kernel).is_some_and(|found| found < KERNEL_MIN) {
        return RingError::KernelTooOld { found: kernel.to_owned() };
    }
    match (error.raw_os_error(), disabled) {
        (Some(libc::EPERM), Some(value)) if 0 < value => RingError::Disabled { value },
        (Some(libc::EPERM | libc::EACCES | libc::ENOSYS), _) => {
            RingError::Forbidden { source: error }
        }
        (Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE), _) => {
            RingError::Limits { source: error }
        }
        _ => RingError::Other { source: error },
    }
}

/// Tries each feature on small rings of its own.
///
/// Errors: why not even a plain ring can be had.
pub fn probe() -> Result<Report, RingError> {
    let kernel = kernel();
    if version(&kernel).is_some_and(|found| found < KERNEL_MIN) {
        return Err(RingError::KernelTooOld { found: kernel });
    }
    let plain = ring::build(Features::NONE, 8).map_err(RingError::from_io)?;
    let mut features = Features::NONE;
    if plain.params().is_feature_ext_arg() {
        features = features.with(Feature::ExtArg);
    }
    drop(plain);
    for feature in
        [Feature::SubmitAll, Feature::SingleIssuer, Feature::DeferTaskrun, Feature::TaskrunFlag]
    {
        let more = features.with(feature).consistent();
        if ring::build(more, 8).is_ok() {
            features = more;
        }
    }
    let tries: [(Feature, fn(Features) -> io::Result<bool>); 4] = [
        (Feature::BufRing, try_buf_ring),
        (Feature::MultishotRecv, try_multishot_recv),
        (Feature::MultishotAccept, try_multishot_accept),
        (Feature::MsgRing, try_msg_ring),
    ];
    for (feature, attempt) in tries {
        // A failed attempt of any kind means: not here.
        if attempt(features).unwrap_or(false) {
            features = features.with(feature);
        }
    }
    let features = features.consistent();
    let found = Feature::ALL.map(|feature| Found {
        name: feature.name(),
        found: features.has(feature),
        without: feature.without(),
    });
    Ok(Report { kernel, found: found.to_vec(), features })
}

/// Submits one entry and gives its first completion; for probing only.
fn first_completion(
    ring: &mut IoUring,
    entry: &io_uring::squeue::Entry,
) -> io::Result<cqueue::Entry> {
    // SAFETY: the entries of this file point to nothing, or to what outlives their ring.
    unsafe { ring.submission().push(entry) }.map_err(io::Error::other)?;
    loop {
        match ring.submit_and_wait(1) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if let Some(completion) = ring.completion().next() {
            return Ok(completion);
        }
    }
}

fn try_buf_ring(features: Features) -> io::Result<bool> {
    let ring = ring::build(features, 8)?;
    let mut chunks = ChunkRing::register(&ring.submitter(), Pool::new(2, 64))?;
    chunks.unregister(&ring.submitter());
    Ok(true)
}

fn try_multishot_recv(features: Features) -> io::Result<bool> {
    if !features.has(Feature::BufRing) {
        return Ok(false);
    }
    let (mut writer, reader) = UnixStream::pair()?;
    writer.write_all(b"x")?;
    let mut ring = ring::build(features, 8)?;
    let pool = Pool::new(2, 64);
    let mut chunks = ChunkRing::register(&ring.submitter(), pool)?;
    let entry = opcode::RecvMulti::new(types::Fd(reader.as_raw_fd()), GROUP).build();
    let completion = first_completion(&mut ring, &entry);
    let works = completion.is_ok_and(|done| done.result() == 1 && cqueue::more(done.flags()));
    // The ring goes first: nothing may receive into the chunks after they are freed.
    let _ = ring.submitter().register_sync_cancel(None, types::CancelBuilder::any());
    chunks.unregister(&ring.submitter());
    Ok(works)
}

fn try_multishot_accept(features: Features) -> io::Result<bool> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    let mut ring = ring::build(features, 8)?;
    let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build();
    let done = first_completion(&mut ring, &entry)?;
    if 0 <= done.result() {
        super::plain::close(done.result());
    }
    drop(client);
    Ok(0 <= done.result() && cqueue::more(done.flags()))
}

fn try_msg_ring(features: Features) -> io::Result<bool> {
    let mut target = ring::build(features, 8)?;
    let mut sender = ring::build(features, 8)?;
    let entry = opcode::MsgRingData::new(types::Fd(target.as_raw_fd()), 7, 99, None).build();
    if first_completion(&mut sender, &entry)?.result() < 0 {
        return Ok(false);
    }
    target.submit_and_wait(1)?;
    Ok(target.completion().next().is_some_and(|message| message.user_data() == 99))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(errno: i32, kernel: &str, disabled: Option<u32>) -> String {
        explain(io::Error::from_raw_os_error(errno), kernel, disabled).to_string()
    }

    #[test]
    fn each_cause_has_its_own_sentence_with_the_cure() {
        let old = sentence(libc::ENOSYS, "5.15.0-91-generic", None);
        assert!(old.contains("5.15.0-91-generic is too old") && old.contains("6.1"), "{old}");
        let off = sentence(libc::EPERM, "6.8.0", Some(2));
        assert!(off.contains("kernel.io_uring_disabled = 2") && off.contains("sysctl -w"), "{off}");
        for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
            let sandbox = sentence(errno, "6.8.0", Some(0));
            assert!(sandbox.contains("seccomp"), "{sandbox}");
        }
        let limits = sentence(libc::ENOMEM, "6.1.0-18-amd64", None);
        assert!(limits.contains("ulimit -l"), "{limits}");
    }

    #[test]
    fn versions_are_read_from_any_distribution() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("5.15.167.4-microsoft-standard-WSL2"), Some((5, 15)));
        assert_eq!(version("6.18+"), Some((6, 18)));
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn the_report_names_every_feature_once() {
        let Ok(report) = probe() else { return };
        let names: Vec<_> = report.found.iter().map(|found| found.name).collect();
        assert_eq!(names, Feature::ALL.map(Feature::name));
        for (feature, found) in Feature::ALL.iter().zip(&report.found) {
            assert_eq!(report.features().has(*feature), found.found);
        }
    }
}
