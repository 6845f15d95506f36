//! Files over the seam: gathered writes, exact reads, fdatasync, names.
//!
//! Owns: the loops for short results, and closing: a [`File`] closes when its last handle drops.
//! Invariant: a short write or read is not an error; the rest is submitted again from here.
//! Durability: bytes and size by [`Env::sync_data`]; names (create, rename, remove) only by
//! [`Env::sync_dir`] of the directory that holds them.
use std::rc::Rc;

use crate::base::aligned::{ALIGN_BYTES, AlignedBuf};
use crate::base::{Bytes, advance_all};
use crate::env::net::{Handle, SLICES_MAX};
use crate::env::op::{Caching, Done, Memory, Op, PathOp};
use crate::env::{DirEntry, Env, IoError, OpenHow, Space};

/// An open file; costs one descriptor.
#[derive(Clone)]
pub struct File(Rc<Handle>);

impl Env {
    async fn path_op(&self, op: PathOp) -> Result<Done, IoError> {
        let done = self.submit(Op::Path(op)).await;
        done.result?;
        Ok(done)
    }

    /// Errors: [`IoError::NotFound`], [`IoError::AlreadyExists`] and what the system says.
    pub async fn open(&self, path: &str, how: OpenHow) -> Result<File, IoError> {
        let done = self.path_op(PathOp::Open { path: path.to_owned(), how }).await?;
        Ok(File(self.handle(done.result?)))
    }

    /// One write; may be short. Callers want [`Env::write_all_at`].
    pub async fn write_once_at(
        &self,
        file: &File,
        at: u64,
        data: Vec<Bytes>,
    ) -> Result<(usize, Vec<Bytes>), IoError> {
        assert!(data.len() <= SLICES_MAX);
        let done = self.submit(Op::WriteAt { file: file.0.fd(), at, data }).await;
        Ok((done.result?, done.into_slices()))
    }

    /// Writes all slices, gathered; `Ok` means that the page cache has them.
    pub async fn write_all_at(
        &self,
        file: &File,
        mut at: u64,
        mut data: Vec<Bytes>,
    ) -> Result<(), IoError> {
        data.retain(|slice| !slice.is_empty());
        while !data.is_empty() {
            let rest =
                if SLICES_MAX < data.len() { data.split_off(SLICES_MAX) } else { Vec::new() };
            while !data.is_empty() {
                let (moved, back) = self.write_once_at(file, at, data).await?;
                if moved == 0 {
                    // The system promises progress or an error; without either we must not spin.
                    return Err(IoError::EIO);
                }
                at += moved as u64;
                data = back;
                advance_all(&mut data, moved);
            }
            data = rest;
        }
        Ok(())
    }

    /// Reads `want` bytes, or fewer when the file ends before; the caller bounds `want`.
    pub async fn read_at(&self, file: &File, at: u64, want: usize) -> Result<Bytes, IoError> {
        self.read_with(file, at, want, Caching::Kept).await
    }

    /// [`Env::read_at`] that leaves no pages in the cache that were not there before.
    ///
    /// Errors: also [`IoError::UNSUPPORTED`], where kernel or file system offer no such reads.
    pub async fn read_uncached_at(
        &self,
        file: &File,
        at: u64,
        want: usize,
    ) -> Result<Bytes, IoError> {
        self.read_with(file, at, want, Caching::Uncached).await
    }

    async fn read_with(
        &self,
        file: &File,
        at: u64,
        want: usize,
        caching: Caching,
    ) -> Result<Bytes, IoError> {
        let mut buf = self.seam.recycler.buf(want);
        while buf.len() < want {
            let (file, at) = (file.0.fd(), at + buf.len() as u64);
            let done = self.submit(Op::ReadAt { file, at, buf, want, caching }).await;
            let moved = done.result?;
            buf = done.into_buf();
            if moved == 0 {
                break;
            }
        }
        Ok(self.seam.recycler.freeze(buf))
    }

    /// Takes the whole pages of that range out of the page cache; those that are dirty stay.
    pub async fn drop_cached(&self, file: &File, at: u64, bytes: u32) -> Result<(), IoError> {
        self.submit(Op::DropCached { file: file.0.fd(), at, bytes }).await.result.map(drop)
    }

    /// Lets the kernel begin to write that range to the device, so that a later sync has less to
    /// do. It promises nothing; errors come out of that sync.
    pub async fn start_write_back(&self, file: &File, at: u64, bytes: u32) {
        let _ = self.submit(Op::StartWriteBack { file: file.0.fd(), at, bytes }).await;
    }

    /// Makes the file's bytes and size durable (fdatasync).
    pub async fn sync_data(&self, file: &File) -> Result<(), IoError> {
        self.submit(Op::SyncData { file: file.0.fd() }).await.result.map(drop)
    }

    /// Writes whole blocks around the page cache; `Ok` means that they survive power.
    ///
    /// The file is open as [`OpenHow::Direct`]; `at` is a multiple of [`ALIGN_BYTES`], the length
    /// is padded to one. The memory comes back with `Ok`.
    pub async fn write_durably(
        &self,
        file: &File,
        at: u64,
        mut data: AlignedBuf,
    ) -> Result<AlignedBuf, IoError> {
        data.pad();
        let mut from = 0;
        while from < data.as_slice().len() {
            let at = at + from as u64;
            let done = self.submit(Op::WriteDurably { file: file.0.fd(), at, data, from }).await;
            // A part of a block counts for nothing: it is written again.
            let moved = done.result? / ALIGN_BYTES * ALIGN_BYTES;
            if moved == 0 {
                return Err(IoError::EIO);
            }
            from += moved;
            data = done.into_aligned();
        }
        Ok(data)
    }

    /// Makes all of the file system durable that holds `file`: bytes, sizes and names.
    ///
    /// Errors: also what an earlier write-back of anybody's could not write, once.
    pub async fn sync_file_system(&self, file: &File) -> Result<(), IoError> {
        self.submit(Op::SyncFileSystem { file: file.0.fd() }).await.result.map(drop)
    }

    pub async fn truncate(&self, file: &File, bytes: u64) -> Result<(), IoError> {
        self.path_op(PathOp::Truncate { file: file.0.fd(), bytes }).await.map(drop)
    }

    /// Reserves room for `bytes` from the start of a file on; its size stays. A truncation to the
    /// size gives back what is not used.
    ///
    /// Errors: [`IoError::NoSpace`], and those of a file system that cannot do it.
    pub async fn reserve(&self, file: &File, bytes: u64) -> Result<(), IoError> {
        self.path_op(PathOp::Reserve { file: file.0.fd(), bytes }).await.map(drop)
    }

    pub async fn file_bytes(&self, file: &File) -> Result<u64, IoError> {
        let done = self.path_op(PathOp::FileBytes { file: file.0.fd() }).await?;
        Ok(done.result? as u64)
    }

    /// Renames, atomically replacing a file of the new name.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), IoError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.path_op(PathOp::Rename { from, to }).await.map(drop)
    }

    pub async fn remove_file(&self, path: &str) -> Result<(), IoError> {
        self.path_op(PathOp::RemoveFile { path: path.to_owned() }).await.map(drop)
    }

    pub async fn remove_dir_all(&self, path: &str) -> Result<(), IoError> {
        self.path_op(PathOp::RemoveDirAll { path: path.to_owned() }).await.map(drop)
    }

    /// Makes a directory and those above it; one that is there already is fine.
    pub async fn create_dir_all(&self, path: &str) -> Result<(), IoError> {
        self.path_op(PathOp::CreateDirAll { path: path.to_owned() }).await.map(drop)
    }

    /// The names in a directory, sorted.
    pub async fn list_dir(&self, path: &str) -> Result<Vec<DirEntry>, IoError> {
        let done = self.path_op(PathOp::ListDir { path: path.to_owned() }).await?;
        let Memory::Entries(entries) = done.memory else { panic!("a listing has entries") };
        Ok(entries)
    }

    /// Makes the names in a directory durable: what was created, renamed or removed there.
    pub async fn sync_dir(&self, path: &str) -> Result<(), IoError> {
        self.path_op(PathOp::SyncDir { path: path.to_owned() }).await.map(drop)
    }

    /// When a file's content changed last: milliseconds of the wall clock since 1970.
    pub async fn changed_ms(&self, path: &str) -> Result<i64, IoError> {
        let done = self.path_op(PathOp::ChangedMs { path: path.to_owned() }).await?;
        Ok(done.result? as i64)
    }

    pub async fn exists(&self, path: &str) -> Result<bool, IoError> {
        let done = self.path_op(PathOp::Exists { path: path.to_owned() }).await?;
        Ok(done.result? == 1)
    }

    /// Room of the file system that holds `path`.
    pub async fn space(&self, path: &str) -> Result<Space, IoError> {
        let done = self.path_op(PathOp::Space { path: path.to_owned() }).await?;
        let Memory::Space(space) = done.memory else { panic!("the driver says how much room") };
        Ok(space)
    }
}
