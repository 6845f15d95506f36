//! File operations with errors that name the action and the file.
//!
//! Owns: [`DiskError`], small whole-file helpers, telling of failed syncs.
//! Leaves to others: which files (`names`).
//! Invariant: [`Files::replace`] leaves the old or the new content after a crash, never a mixture;
//! no failed sync of a shard's files is told to its caller alone.
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Bytes;
use crate::base::aligned::AlignedBuf;
use crate::env::{Env, File, IoError, OpenHow};
use crate::model::ErrorCode;

/// A file operation failed; what it should have done is not certain any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct DiskError {
    pub action: &'static str,
    pub path: Arc<str>,
    pub source: IoError,
}

impl DiskError {
    pub fn new(action: &'static str, path: &str, source: IoError) -> Self {
        Self { action, path: path.into(), source }
    }
}

impl DiskError {
    /// Whether the disk refused it for lack of room, and all that it took before is still there.
    ///
    /// A sync that says so has lost what it could not write: that is a failed disk.
    pub fn is_full(&self) -> bool {
        self.source == IoError::NoSpace && !self.action.starts_with("sync")
    }

    /// Whether it is a sync or a durable write that may have lost what was written before: not
    /// when it was never tried, for want of a name, a descriptor or a living shard.
    pub fn is_loss(&self) -> bool {
        let counts = self.action.starts_with("sync") || self.action == WRITE_DURABLY;
        counts
            && match self.source {
                IoError::Errno(_) => self.source != IoError::UNSUPPORTED,
                IoError::NoSpace => !self.is_full(),
                _ => false,
            }
    }
}

impl From<&DiskError> for ErrorCode {
    /// A log that was deleted or stopped on purpose is no failed disk: nobody leads it here.
    fn from(error: &DiskError) -> Self {
        match error.source {
            IoError::Stopped => Self::NotLeaderOrFollower,
            _ => Self::KafkaStorageError,
        }
    }
}

const WRITE_DURABLY: &str = "write durably";

/// Largest of the small files (checkpoints, snapshots, indexes) that is read whole.
pub const WHOLE_FILE_BYTES_MAX: u64 = 256 << 20;

/// Told of every sync that failed: whatever else was written there may be lost, too.
pub type OnFailedSync = Rc<dyn Fn(&DiskError)>;

/// Rows of a file, such as an index's entries, that become bytes before other tasks run.
pub const ROWS_AT_ONCE: usize = 16 << 10;

/// The disk, with errors that say what and where.
#[derive(Clone)]
pub struct Files {
    pub env: Env,
    on_failed_sync: Option<OnFailedSync>,
}

impl Files {
    /// Files of a tool that ends with its first error.
    pub fn unwatched(env: &Env) -> Self {
        Self { env: env.clone(), on_failed_sync: None }
    }

    /// Files of a shard, which takes a log directory offline when a sync there fails.
    pub fn watched(env: &Env, on_failed_sync: OnFailedSync) -> Self {
        Self { env: env.clone(), on_failed_sync: Some(on_failed_sync) }
    }

    /// What became of a sync or a durable write. When the kernel says that one failed, it has
    /// forgotten what it could not write, and the next one may say yes.
    fn synced<T>(
        &self,
        action: &'static str,
        path: &str,
        result: Result<T, IoError>,
    ) -> Result<T, DiskError> {
        result.map_err(|source| {
            let error = DiskError::new(action, path, source);
            if let Some(tell) = self.on_failed_sync.as_ref().filter(|_| error.is_loss()) {
                tell(&error);
            }
            error
        })
    }

    pub async fn open(&self, path: &str, how: OpenHow) -> Result<File, DiskError> {
        self.env.open(path, how).await.map_err(|source| DiskError::new("open", path, source))
    }

    /// The file, or `None` when there is none of that name.
    pub async fn open_if_there(&self, path: &str) -> Result<Option<File>, DiskError> {
        match self.env.open(path, OpenHow::Read).await {
            Ok(file) => Ok(Some(file)),
            Err(IoError::NotFound) => Ok(None),
            Err(source) => Err(DiskError::new("open", path, source)),
        }
    }

    pub async fn bytes(&self, file: &File, path: &str) -> Result<u64, DiskError> {
        self.env.file_bytes(file).await.map_err(|source| DiskError::new("size", path, source))
    }

    pub async fn read(
        &self,
        file: &File,
        path: &str,
        at: u64,
        want: usize,
    ) -> Result<Bytes, DiskError> {
        let read = self.env.read_at(file, at, want).await;
        read.map_err(|source| DiskError::new("read", path, source))
    }

    /// Lets what is read next come from the device, but for what is still to be written.
    ///
    /// When a sync fails, the kernel keeps the pages that it could not write, as if it had: a
    /// process that finds them in its next life would take for durable what no disk has.
    pub async fn look_at_the_device(
        &self,
        file: &File,
        path: &str,
        range: std::ops::Range<u64>,
    ) -> Result<(), DiskError> {
        let bytes = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
        if bytes == 0 {
            return Ok(());
        }
        let dropped = self.env.drop_cached(file, range.start, bytes).await;
        dropped.map_err(|source| DiskError::new("look at", path, source))
    }

    pub async fn write(
        &self,
        file: &File,
        path: &str,
        at: u64,
        data: Vec<Bytes>,
    ) -> Result<(), DiskError> {
        let written = self.env.write_all_at(file, at, data).await;
        written.map_err(|source| DiskError::new("write", path, source))
    }

    pub async fn sync(&self, file: &File, path: &str) -> Result<(), DiskError> {
        self.synced("sync", path, self.env.sync_data(file).await)
    }

    /// See [`Env::sync_file_system`]; `path` is of the file.
    pub async fn sync_file_system(&self, file: &File, path: &str) -> Result<(), DiskError> {
        self.synced("sync the file system of", path, self.env.sync_file_system(file).await)
    }

    /// See [`Env::write_durably`].
    pub async fn write_durably(
        &self,
        file: &File,
        path: &str,
        at: u64,
        data: AlignedBuf,
    ) -> Result<AlignedBuf, DiskError> {
        self.synced(WRITE_DURABLY, path, self.env.write_durably(file, at, data).await)
    }

    pub async fn truncate(&self, file: &File, path: &str, bytes: u64) -> Result<(), DiskError> {
        let cut = self.env.truncate(file, bytes).await;
        cut.map_err(|source| DiskError::new("truncate", path, source))
    }

    pub async fn sync_dir(&self, path: &str) -> Result<(), DiskError> {
        self.synced("sync directory", path, self.env.sync_dir(path).await)
    }

    pub async fn create_dir_all(&self, path: &str) -> Result<(), DiskError> {
        let made = self.env.create_dir_all(path).await;
        made.map_err(|source| DiskError::new("create directory", path, source))
    }

    pub async fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.env.exists(path).await.map_err(|source| DiskError::new("look for", path, source))
    }

    pub async fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.env.rename(from, to).await.map_err(|source| DiskError::new("rename", from, source))
    }

    /// Renames a file; one that is not there is fine. Says whether it was.
    pub async fn rename_if_there(&self, from: &str, to: &str) -> Result<bool, DiskError> {
        match self.env.rename(from, to).await {
            Ok(()) => Ok(true),
            Err(IoError::NotFound) => Ok(false),
            Err(source) => Err(DiskError::new("rename", from, source)),
        }
    }

    /// When a file's content changed last, by the wall clock; `None`: there is no such file.
    pub async fn changed_ms(&self, path: &str) -> Result<Option<i64>, DiskError> {
        match self.env.changed_ms(path).await {
            Ok(changed_ms) => Ok(Some(changed_ms)),
            Err(IoError::NotFound) => Ok(None),
            Err(source) => Err(DiskError::new("look at", path, source)),
        }
    }

    /// Names in a directory; none when the directory is not there.
    pub async fn names(&self, path: &str) -> Result<Vec<String>, DiskError> {
        match self.env.list_dir(path).await {
            Ok(entries) => Ok(entries.into_iter().map(|entry| entry.name).collect()),
            Err(IoError::NotFound) => Ok(Vec::new()),
            Err(source) => Err(DiskError::new("list", path, source)),
        }
    }

    /// Removes a file; one that is gone already is fine.
    pub async fn remove(&self, path: &str) -> Result<(), DiskError> {
        match self.env.remove_file(path).await {
            Ok(()) | Err(IoError::NotFound) => Ok(()),
            Err(source) => Err(DiskError::new("remove", path, source)),
        }
    }

    /// The whole content of a small file; `None` when there is no such file.
    pub async fn read_whole(&self, path: &str) -> Result<Option<Bytes>, DiskError> {
        let Some(file) = self.open_if_there(path).await? else { return Ok(None) };
        let bytes = self.bytes(&file, path).await?;
        if WHOLE_FILE_BYTES_MAX < bytes {
            return Err(DiskError::new("read all of", path, IoError::NoSpace));
        }
        Ok(Some(self.read(&file, path, 0, bytes as usize).await?))
    }

    /// Makes a file hold exactly `content`; nothing is durable, and a crash may leave a mixture.
    pub async fn rewrite(&self, path: &str, content: Vec<u8>) -> Result<File, DiskError> {
        let file = self.open(path, OpenHow::Create).await?;
        let bytes = content.len() as u64;
        self.write(&file, path, 0, vec![Bytes::from(content)]).await?;
        self.truncate(&file, path, bytes).await?;
        Ok(file)
    }

    /// As [`Files::rewrite`], of rows that can be many: other tasks of the shard run in between.
    pub async fn rewrite_rows<T>(
        &self,
        path: &str,
        rows: &[T],
        encode: impl Fn(&[T], &mut Vec<u8>),
    ) -> Result<File, DiskError> {
        let file = self.open(path, OpenHow::Create).await?;
        let mut end = 0;
        for some in rows.chunks(ROWS_AT_ONCE) {
            let mut content = Vec::new();
            encode(some, &mut content);
            let bytes = content.len() as u64;
            self.write(&file, path, end, vec![Bytes::from(content)]).await?;
            end += bytes;
        }
        self.truncate(&file, path, end).await?;
        Ok(file)
    }

    /// Makes a file hold exactly `content`, and that durable; its name is the caller's to sync.
    ///
    /// Not atomic: for files that can be built again.
    pub async fn write_whole(&self, path: &str, content: Vec<u8>) -> Result<File, DiskError> {
        let file = self.rewrite(path, content).await?;
        self.sync(&file, path).await?;
        Ok(file)
    }

    /// Replaces a file's content atomically: temporary file, sync, rename, sync of the directory.
    pub async fn replace(&self, path: &str, content: Vec<u8>) -> Result<(), DiskError> {
        let temporary = format!("{path}.tmp");
        self.write_whole(&temporary, content).await?;
        self.rename(&temporary, path).await?;
        let (dir, _) = path.rsplit_once('/').unwrap_or((".", path));
        self.sync_dir(dir).await
    }
}
