//! Files as a tool sees them: the disk, or the disk and what a rehearsal did to it.
//!
//! Owns: names and contents that exist in a rehearsal only.
//! Invariant: in a rehearsal a file of the disk is opened for reading and nothing else.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::op::{Done, IoError, Memory, PathOp};
use crate::env::{DirEntry, Fd, OpenHow};
use crate::io::offline::Run;
use crate::io::plain;

/// What a file holds in a rehearsal.
#[derive(Default)]
struct Play {
    /// What the disk holds of it, up to `kept` bytes; nothing for a file that was made here.
    base: Option<File>,
    kept: u64,
    bytes: u64,
    /// Written over it, oldest first.
    written: Vec<(u64, Vec<u8>)>,
}

impl Play {
    fn read(&self, at: u64, buf: &mut Vec<u8>, want: usize) -> std::io::Result<usize> {
        let start = buf.len();
        let count = (want - start).min(self.bytes.saturating_sub(at) as usize);
        buf.resize(start + count, 0);
        let out = &mut buf[start..];
        if let Some(base) = &self.base {
            let from_disk = count.min(self.kept.saturating_sub(at) as usize);
            base.read_exact_at(&mut out[..from_disk], at)?;
        }
        for (from, bytes) in &self.written {
            let (low, high) = (at.max(*from), (at + count as u64).min(from + bytes.len() as u64));
            if low < high {
                let piece = &bytes[(low - from) as usize..(high - from) as usize];
                out[(low - at) as usize..(high - at) as usize].copy_from_slice(piece);
            }
        }
        Ok(count)
    }

    fn truncate(&mut self, bytes: u64) {
        self.kept = self.kept.min(bytes);
        self.bytes = bytes;
        for (from, written) in &mut self.written {
            written.truncate(bytes.saturating_sub(*from) as usize);
        }
        self.written.retain(|(_, written)| !written.is_empty());
    }
}

enum Open {
    Disk(File),
    Play(Rc<RefCell<Play>>),
}

/// Descriptors, and the names that differ from the disk's; `None` is a name that is gone.
pub struct Stage {
    run: Run,
    open: BTreeMap<i32, Open>,
    next_fd: i32,
    names: BTreeMap<String, Option<Rc<RefCell<Play>>>>,
}

impl Stage {
    pub fn new(run: Run) -> Self {
        Self { run, open: BTreeMap::new(), next_fd: 0, names: BTreeMap::new() }
    }

    fn add(&mut self, open: Open) -> usize {
        let fd = self.next_fd;
        self.next_fd += 1;
        self.open.insert(fd, open);
        fd as usize
    }

    pub fn close(&mut self, fd: Fd) {
        self.open.remove(&fd.0);
    }

    fn opened(&self, fd: Fd) -> &Open {
        self.open.get(&fd.0).expect("an open file")
    }

    pub fn read(&self, fd: Fd, at: u64, buf: &mut Vec<u8>, want: usize) -> Result<usize, IoError> {
        let read = match self.opened(fd) {
            Open::Play(play) => play.borrow().read(at, buf, want),
            Open::Disk(file) => {
                let start = buf.len();
                buf.resize(want, 0);
                let read = file.read_at(&mut buf[start..], at);
                buf.truncate(start + *read.as_ref().unwrap_or(&0));
                read
            }
        };
        read.map_err(|error| plain::from_io(&error))
    }

    pub fn write(&self, fd: Fd, at: u64, data: &[Bytes]) -> Result<usize, IoError> {
        let bytes = data.concat();
        match self.opened(fd) {
            Open::Disk(file) => {
                file.write_all_at(&bytes, at).map_err(|error| plain::from_io(&error))?;
            }
            Open::Play(play) => {
                let mut play = play.borrow_mut();
                play.bytes = play.bytes.max(at + bytes.len() as u64);
                play.written.push((at, bytes.clone()));
            }
        }
        Ok(bytes.len())
    }

    pub fn sync(&self, fd: Fd) -> Result<usize, IoError> {
        match self.opened(fd) {
            Open::Disk(file) => {
                file.sync_data().map(|()| 0).map_err(|error| plain::from_io(&error))
            }
            Open::Play(_) => Ok(0),
        }
    }

    /// Makes everything durable; a rehearsal has nothing that could be.
    pub fn sync_file_system(&self, fd: Fd) -> Result<usize, IoError> {
        match (self.run, self.opened(fd)) {
            (Run::Real, Open::Disk(file)) => plain::sync_file_system(Fd(file.as_raw_fd())),
            (Run::Rehearsal, _) | (_, Open::Play(_)) => Ok(0),
        }
    }

    /// An operation on names or sizes.
    pub fn path(&mut self, op: &PathOp) -> Done {
        let result = match op {
            PathOp::Open { path, how } => self.open_path(path, *how),
            PathOp::Truncate { file, bytes } => self.truncate(*file, *bytes),
            PathOp::FileBytes { file } => self.file_bytes(*file),
            PathOp::Reserve { .. } => Ok(0),
            _ if self.run == Run::Real => return plain::perform(op),
            PathOp::ListDir { path } => return self.list(path),
            // What is rehearsed takes no room.
            PathOp::Space { .. } => Err(IoError::UNSUPPORTED),
            PathOp::ChangedMs { .. } => return plain::perform(op),
            PathOp::Exists { path } => match self.names.get(path) {
                Some(known) => Ok(usize::from(known.is_some())),
                None => return plain::perform(op),
            },
            PathOp::RemoveFile { path } => self.find(path).map(|_| {
                self.names.insert(path.clone(), None);
                0
            }),
            PathOp::Rename { from, to } => self.find(from).map(|play| {
                self.names.insert(from.clone(), None);
                self.names.insert(to.clone(), Some(play));
                0
            }),
            PathOp::RemoveDirAll { .. } | PathOp::CreateDirAll { .. } | PathOp::SyncDir { .. } => {
                Ok(0)
            }
        };
        Done::bare(result)
    }

    fn open_path(&mut self, path: &str, how: OpenHow) -> Result<usize, IoError> {
        if self.run == Run::Real {
            let mut options = File::options();
            options.read(true);
            match how {
                OpenHow::Read => {}
                OpenHow::ReadWrite => drop(options.write(true)),
                OpenHow::CreateNew => drop(options.write(true).create_new(true)),
                _ => drop(options.write(true).create(true).truncate(false)),
            }
            let file = options.open(path).map_err(|error| plain::from_io(&error))?;
            return Ok(self.add(Open::Disk(file)));
        }
        let play = match (self.find(path), how) {
            (Ok(_), OpenHow::CreateNew) => return Err(IoError::AlreadyExists),
            (Ok(play), _) => play,
            (Err(IoError::NotFound), OpenHow::Create | OpenHow::CreateNew) => Rc::default(),
            (Err(error), _) => return Err(error),
        };
        self.names.insert(path.to_owned(), Some(play.clone()));
        Ok(self.add(Open::Play(play)))
    }

    /// A file by its name in the rehearsal.
    fn find(&self, path: &str) -> Result<Rc<RefCell<Play>>, IoError> {
        match self.names.get(path) {
            Some(Some(play)) => return Ok(play.clone()),
            Some(None) => return Err(IoError::NotFound),
            None => {}
        }
        let file = File::open(path).map_err(|error| plain::from_io(&error))?;
        let bytes = file.metadata().map_err(|error| plain::from_io(&error))?.len();
        let play = Play { base: Some(file), kept: bytes, bytes, written: Vec::new() };
        Ok(Rc::new(RefCell::new(play)))
    }

    fn truncate(&self, fd: Fd, bytes: u64) -> Result<usize, IoError> {
        match self.opened(fd) {
            Open::Disk(file) => {
                file.set_len(bytes).map(|()| 0).map_err(|error| plain::from_io(&error))
            }
            Open::Play(play) => {
                play.borrow_mut().truncate(bytes);
                Ok(0)
            }
        }
    }

    fn file_bytes(&self, fd: Fd) -> Result<usize, IoError> {
        match self.opened(fd) {
            Open::Disk(file) => {
                let bytes = file.metadata().map(|metadata| metadata.len() as usize);
                bytes.map_err(|error| plain::from_io(&error))
            }
            Open::Play(play) => Ok(play.borrow().bytes as usize),
        }
    }

    fn list(&self, path: &str) -> Done {
        let done = plain::perform(&PathOp::ListDir { path: path.to_owned() });
        let Memory::Entries(mut entries) = done.memory else { return done };
        let full = |entry: &DirEntry| format!("{path}/{}", entry.name);
        entries.retain(|entry| self.names.get(&full(entry)).is_none_or(Option::is_some));
        for (known, play) in &self.names {
            let name = known.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
            if let (Some(name), Some(_)) = (name, play)
                && !name.contains('/')
                && entries.iter().all(|entry| entry.name != name)
            {
                entries.push(DirEntry { name: name.to_owned(), is_dir: false });
            }
        }
        entries.sort();
        Done { result: Ok(0), memory: Memory::Entries(entries) }
    }
}
