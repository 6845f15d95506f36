//! A log directory as a whole: one process at a time, and how the last one ended.
//!
//! Owns: `.lock`, `.kafka_cleanshutdown`, durable writing of small files.
//! Leaves to others: logs (`log`), the metadata log (`shard`), `meta.properties` (`meta`), what
//! several directories have in common (`log_dirs`).
//! Invariant: while a [`DataDir`] lives nobody else writes here; the marker of a clean stop is
//! durably gone before anything is served, so a crash at any moment reads as a crash.
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::io::machine;
use crate::model::DirectoryId;
use crate::server::meta::{Meta, MetaError};
use crate::server::users;
use crate::shard::census::parse_folder;

const LOCK_FILE: &str = ".lock";
pub(super) const CLEAN_FILE: &str = ".kafka_cleanshutdown";
/// What Kafka 4.4 writes; -1: no broker epoch is kept in it.
const CLEAN_TEXT: &str = "{\"version\":0,\"brokerEpoch\":-1}";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error(
        "Cannot make the data directory {}: {}; name one that this user can make with --set \
         log.dirs=DIRECTORY.", dir.display(), source.kind()
    )]
    Make { dir: PathBuf, source: std::io::Error },
    #[error(
        "The data directory {} belongs to {owner}, and this user may not write in it; run the \
         broker as its owner, or name another directory with --set log.dirs=DIRECTORY.",
        dir.display()
    )]
    Foreign { dir: PathBuf, owner: String },
    #[error("Cannot {what} {}: {source}.", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "The data directory {} is in use by {holder}; stop it, or name another directory with \
         --set log.dirs=DIRECTORY.", dir.display()
    )]
    InUse { dir: PathBuf, holder: String },
    #[error("{one} and {other} are the same directory; name it once in log.dirs.")]
    Twice { one: String, other: String },
    #[error(
        "{} says cluster.id={} and {} says cluster.id={}: these are directories of two clusters; \
         name those of one in log.dirs.", one.display(), ids.0, other.display(), ids.1
    )]
    Clusters { one: PathBuf, other: PathBuf, ids: (String, String) },
    #[error(
        "{} and {} both say directory.id={id}: one directory is a copy of the other; take the copy \
         out of log.dirs.", one.display(), other.display()
    )]
    SameId { one: PathBuf, other: PathBuf, id: DirectoryId },
    #[error(
        "There are two metadata logs, {} and {}; move the one away that does not belong there.",
        one.display(), other.display()
    )]
    TwoMetadata { one: PathBuf, other: PathBuf },
    #[error(
        "The metadata log is {}, but metadata.log.dir={wanted}; move that folder there, or take \
         the setting out.", found.display()
    )]
    MetadataElsewhere { found: PathBuf, wanted: String },
    #[error(
        "The metadata of {} lies in the log directory with directory.id={id}, which log.dirs does \
         not name; add it.", dir.display()
    )]
    MetadataMissing { dir: PathBuf, id: DirectoryId },
    #[error(
        "{} lies on another disk than its log directory: what is made durable here would not be \
         there; name a directory on that disk in log.dirs and move it into it.", folder.display()
    )]
    OtherDisk { folder: PathBuf },
    /// Told elsewhere.
    #[error("The log directory cannot be used.")]
    Taken,
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// A directory that no other process uses; nothing in it was changed yet.
#[derive(Debug)]
pub struct LockedDir {
    path: PathBuf,
    lock: File,
}

/// A locked data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    pub meta: Meta,
    /// Nobody has written here before this process.
    pub is_new: bool,
    /// The process before this one closed its logs.
    pub ended_cleanly: bool,
    _lock: File,
}

impl LockedDir {
    /// Makes the directory where it is missing; gives its path without links.
    pub fn make(path: &Path) -> Result<PathBuf, DataDirError> {
        let io = |what| move |source| DataDirError::Io { what, path: path.to_owned(), source };
        let make = |source| DataDirError::Make { dir: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(make)?;
        path.canonicalize().map_err(io("open the data directory"))
    }

    pub fn lock(path: PathBuf) -> Result<Self, DataDirError> {
        let lock = take_lock(&path)?;
        Ok(Self { path, lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a partition that is a link, or a mount, to another file system: a sync of the one
    /// that the log directory lies in misses it.
    pub fn check_one_disk(&self) -> Result<(), DataDirError> {
        let io = |source| DataDirError::Io { what: "look into", path: self.path.clone(), source };
        let disk = self.path.metadata().map_err(io)?.dev();
        for entry in std::fs::read_dir(&self.path).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_name().to_str().and_then(parse_folder).is_none() {
                continue;
            }
            let folder = entry.path();
            // A link to nothing is no partition.
            let is_elsewhere = |found: std::fs::Metadata| found.is_dir() && found.dev() != disk;
            if std::fs::metadata(&folder).is_ok_and(is_elsewhere) {
                return Err(DataDirError::OtherDisk { folder });
            }
        }
        Ok(())
    }

    /// Takes the directory into use: from now on an end without a stop reads as a crash.
    pub fn open(self, meta: Meta, is_new: bool) -> Result<DataDir, DataDirError> {
        let ended_cleanly = take_marker(&self.path)?;
        Ok(DataDir { path: self.path, meta, is_new, ended_cleanly, _lock: self.lock })
    }
}

impl DataDir {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there are folders in it, as partitions have them; true when nobody can tell.
    pub fn holds_folders(&self) -> bool {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return true };
        let is_folder = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.ok()?;
            let is_dir = entry.file_type().ok()?.is_dir();
            Some(is_dir && entry.file_name().to_str().and_then(parse_folder).is_some())
        };
        entries.into_iter().any(|entry| is_folder(entry).unwrap_or(true))
    }

    /// Says that every log was closed; the next start need not look for torn tails.
    pub fn mark_clean(&self) -> Result<(), DataDirError> {
        write_durably(&self.path.join(CLEAN_FILE), CLEAN_TEXT.as_bytes())
    }
}

pub(super) fn take_lock(dir: &Path) -> Result<File, DataDirError> {
    let path = dir.join(LOCK_FILE);
    let io = |what| {
        let path = path.clone();
        move |source| DataDirError::Io { what, path, source }
    };
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false);
    let mut file = how.open(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            let owner = users::owner(dir).unwrap_or_else(|| "another user".to_owned());
            DataDirError::Foreign { dir: dir.to_owned(), owner }
        }
        _ => io("open")(source),
    })?;
    if !machine::lock(&file).map_err(io("lock"))? {
        return Err(DataDirError::InUse { dir: dir.to_owned(), holder: holder(&file) });
    }
    // The pid is for the next one's sentence only; the lock itself is the kernel's. It is written
    // over the one before, which takes no room; a disk without any has no place for the first.
    let line = format!("{}\n", std::process::id());
    let written = file.rewind().and_then(|()| file.write_all(line.as_bytes()));
    match written.and_then(|()| file.set_len(line.len() as u64)) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(file),
        done => done.map(|()| file).map_err(io("write")),
    }
}

/// `process 4711 (java)`, as far as it can be told.
fn holder(mut file: &File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    match text.trim().parse::<u32>() {
        Ok(pid) if read.is_ok() => process(pid),
        _ => "another process".to_owned(),
    }
}

/// A process by number and, where it is readable, by name.
pub(super) fn process(pid: u32) -> String {
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}

/// Whether the marker was there; it is gone for good when this returns.
fn take_marker(dir: &Path) -> Result<bool, DataDirError> {
    let path = dir.join(CLEAN_FILE);
    match std::fs::remove_file(&path) {
        Ok(()) => sync_dir(dir).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(DataDirError::Io { what: "remove", path, source }),
    }
}

/// Writes a small file such that after a crash it is there whole or not at all.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let io = |source| DataDirError::Io { what: "write", path: path.to_owned(), source };
    let fresh = path.with_added_extension("tmp");
    let mut file = File::create(&fresh).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&fresh, path).map_err(io)?;
    sync_dir(path.parent().expect("a file of ours lies in a directory"))
}

fn sync_dir(dir: &Path) -> Result<(), DataDirError> {
    let io = |source| DataDirError::Io { what: "sync", path: dir.to_owned(), source };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}
