//! What crosses the seam: operations down, results up. Plain data that owns its memory.
//!
//! Owns: the vocabulary between `env` and its drivers (`io`, `sim`).
//! Invariant: memory inside an [`Op`] belongs to the driver until a [`Done`] hands it back.
use core::net::SocketAddr;
use std::any::Any;

use crate::base::Bytes;
use crate::base::aligned::AlignedBuf;
use crate::env::pool::Chunk;
use crate::model::ShardId;

/// A descriptor: a file, a socket or a listener. Drivers choose the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fd(pub i32);

/// Nanoseconds of the monotonic clock since this node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// This moment and `ms` milliseconds more.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Whole milliseconds of it.
    pub fn ms(self) -> i64 {
        (self.0 / 1_000_000) as i64
    }
}

/// Names one operation in flight: a slot of the seam and the slot's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub index: u32,
    pub generation: u32,
}

/// Operations that deliver many results from one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    Accept(Fd),
    Receive(Fd),
    /// Fed by the driver's mail drain; never submitted to it.
    Mail,
}

/// What must be true of a file that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenHow {
    /// It exists; reading only.
    Read,
    /// It exists; reading and writing.
    ReadWrite,
    /// It is made when missing; reading and writing.
    Create,
    /// It must not exist ([`IoError::AlreadyExists`]); reading and writing.
    CreateNew,
    /// As [`OpenHow::Create`], around the page cache: for [`Op::WriteDurably`] alone.
    Direct,
}

/// What a read does with the page cache. Pages that are there already are read and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// What is read stays there for the next reader, as long as the kernel has room.
    Kept,
    /// What the read itself brought in goes again at once, so that it displaces nothing.
    Uncached,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    pub name: String,
    pub is_dir: bool,
}

/// A closure for a worker thread; what it returns comes back as [`Memory::Any`].
pub type Job = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// Which threads do a job: what others wait for must not stand behind what takes seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Work in proportion to bytes in memory: milliseconds.
    Short,
    /// Guests and the compilation of their code: seconds.
    Long,
}

pub enum Op {
    Many(Many),
    Listen {
        address: SocketAddr,
        backlog: u32,
    },
    Connect {
        address: SocketAddr,
    },
    /// One chunk out of the chunk pool.
    ReceiveChunk {
        socket: Fd,
    },
    /// Appends to `buf` until it holds `want` bytes; a driver may return after fewer.
    ReceiveInto {
        socket: Fd,
        buf: Vec<u8>,
        want: usize,
    },
    Send {
        socket: Fd,
        data: Vec<Bytes>,
    },
    /// No more bytes will be sent; receiving goes on.
    ShutdownSend {
        socket: Fd,
    },
    Close {
        fd: Fd,
    },
    WriteAt {
        file: Fd,
        at: u64,
        data: Vec<Bytes>,
    },
    /// Appends to `buf` until it holds `want` bytes; fewer at the end of the file or any time.
    /// [`IoError::UNSUPPORTED`] when kernel or file system know no [`Caching::Uncached`].
    ReadAt {
        file: Fd,
        at: u64,
        buf: Vec<u8>,
        want: usize,
        caching: Caching,
    },
    /// Takes whole clean pages of that range out of the page cache.
    DropCached {
        file: Fd,
        at: u64,
        bytes: u32,
    },
    /// Lets the kernel begin now to write that range of the page cache to the device.
    StartWriteBack {
        file: Fd,
        at: u64,
        bytes: u32,
    },
    SyncData {
        file: Fd,
    },
    /// Writes all or a part that is whole blocks of
    /// [`ALIGN_BYTES`](crate::base::aligned::ALIGN_BYTES); what it reports survives power. The
    /// file is open as [`OpenHow::Direct`]; position and length are multiples of the same.
    WriteDurably {
        file: Fd,
        at: u64,
        data: AlignedBuf,
        /// Bytes of `data` that are written already.
        from: usize,
    },
    /// Makes the whole file system durable that holds `file`: bytes, sizes and names.
    SyncFileSystem {
        file: Fd,
    },
    Path(PathOp),
    Work {
        job: Job,
        lane: Lane,
    },
    /// Drops the thing on a worker thread; nobody waits.
    Discard {
        thing: Box<dyn Any + Send>,
    },
}

/// Operations on names and sizes: rare, and mostly without waiting for the device.
#[derive(Debug)]
pub enum PathOp {
    Open {
        path: String,
        how: OpenHow,
    },
    Truncate {
        file: Fd,
        bytes: u64,
    },
    FileBytes {
        file: Fd,
    },
    /// Room for so many bytes from the start on; the size stays.
    Reserve {
        file: Fd,
        bytes: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    RemoveFile {
        path: String,
    },
    RemoveDirAll {
        path: String,
    },
    CreateDirAll {
        path: String,
    },
    ListDir {
        path: String,
    },
    SyncDir {
        path: String,
    },
    /// 1 when there is something of that name, else 0.
    Exists {
        path: String,
    },
    /// When the content changed last: milliseconds of the wall clock since 1970.
    ChangedMs {
        path: String,
    },
    /// How much the file system of that directory holds; comes back as [`Memory::Space`].
    Space {
        path: String,
    },
}

/// Room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    /// What an ordinary user may still write.
    pub usable_bytes: u64,
    /// The same for all directories of one file system, another for each other one.
    pub file_system: u64,
}

/// What a letter carries.
pub type Body = Box<dyn Any + Send>;

/// Called once, on the shard's thread, with the answer to a call from outside.
pub type OutsideReply = Box<dyn FnOnce(Result<Body, IoError>) + Send>;

/// One message between shards.
pub struct Letter {
    pub from: ShardId,
    pub kind: LetterKind,
    /// Credits that the receiver gets back: so many of its requests left the sender's inbox.
    pub credits: u32,
}

pub enum LetterKind {
    /// Takes a credit of its origin until it is taken out of the inbox.
    Request { reply_to: ReplyTo, body: Body },
    /// Completes the caller's slot; never waits.
    Reply { to: Token, result: Result<Body, IoError> },
    /// Carries nothing but credits.
    Credits,
}

pub enum ReplyTo {
    /// A slot of the shard that sent the request.
    Slot(Token),
    /// A thread without a ring.
    Outside(OutsideReply),
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IoError {
    #[error("canceled")]
    Canceled,
    #[error("no receive buffer is free")]
    NoBuffers,
    /// The peer is gone: reset or broken pipe.
    #[error("connection reset by the peer")]
    Reset,
    /// The peer closed before the whole frame came.
    #[error("the peer closed inside a frame")]
    Truncated,
    #[error("connection refused")]
    Refused,
    #[error("no space left on the device")]
    NoSpace,
    #[error("no such file or directory")]
    NotFound,
    #[error("file exists")]
    AlreadyExists,
    #[error("address already in use")]
    AddressInUse,
    #[error("too many open files (see `ulimit -n`)")]
    TooManyFiles,
    /// The receiver has stopped, or never was.
    #[error("the shard is stopped")]
    Stopped,
    /// A bounded queue is full.
    #[error("busy: too many calls wait already")]
    Busy,
    #[error("{}", std::io::Error::from_raw_os_error(*.0))]
    Errno(i32),
}

impl IoError {
    /// Linux numbers that code above the drivers must name.
    pub const EIO: Self = Self::Errno(5);
    pub const UNSUPPORTED: Self = Self::Errno(95);
}

/// One result: the bytes moved (or descriptor made), and the memory back.
#[derive(Debug)]
pub struct Done {
    pub result: Result<usize, IoError>,
    pub memory: Memory,
}

pub enum Memory {
    None,
    Buf(Vec<u8>),
    Aligned(AlignedBuf),
    Slices(Vec<Bytes>),
    Chunk(Chunk),
    Letter(Box<Letter>),
    Entries(Vec<DirEntry>),
    Space(Space),
    Peer(SocketAddr),
    Any(Box<dyn Any + Send>),
}

impl Done {
    pub fn bare(result: Result<usize, IoError>) -> Self {
        Self { result, memory: Memory::None }
    }

    pub(crate) fn into_buf(self) -> Vec<u8> {
        let Memory::Buf(buf) = self.memory else { panic!("the driver gives the buffer back") };
        buf
    }

    pub(crate) fn into_aligned(self) -> AlignedBuf {
        let Memory::Aligned(data) = self.memory else { panic!("the driver gives it back") };
        data
    }

    pub(crate) fn into_slices(self) -> Vec<Bytes> {
        let Memory::Slices(slices) = self.memory else { panic!("the driver gives slices back") };
        slices
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::None => "None",
            Self::Buf(_) => "Buf",
            Self::Aligned(_) => "Aligned",
            Self::Slices(_) => "Slices",
            Self::Chunk(_) => "Chunk",
            Self::Letter(_) => "Letter",
            Self::Entries(_) => "Entries",
            Self::Space(_) => "Space",
            Self::Peer(_) => "Peer",
            Self::Any(_) => "Any",
        };
        f.write_str(name)
    }
}
