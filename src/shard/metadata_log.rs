//! The metadata log on disk: every command that was answered, and a snapshot that shortens it.
//!
//! Owns: the files in `<log.dir>/metadata`, recovery, the sync before a command counts.
//! Leaves to others: bytes (`cluster::format`), which commands make sense (`cluster::Planner`).
//! Invariant: the image of this log holds synced entries only; a failed sync ends the log's life.
//! Start reading at: [`MetadataLog::open`], then [`MetadataLog::commit`].
//!
//! `log-<index>` holds entries from that index on, `snapshot-<index>` the image at that index. A
//! snapshot is written whole under another name, synced, and renamed; then a new log begins, and
//! what is older goes. A start takes the newest snapshot and the entries behind it.
use crate::base::Bytes;
use crate::cluster::{
    Draft, FormatError, HEADER_BYTES, Image, Tail, check_header, decode_entries, encode_entry,
    file_header,
};
use crate::env::{Env, File, IoError, OpenHow};

/// Largest log file that a start reads, and at which a snapshot is due whatever the settings say.
pub const LOG_BYTES_MAX: u64 = 128 << 20;
/// Largest snapshot that a start reads.
const SNAPSHOT_BYTES_MAX: u64 = 1 << 30;

const LOG_PREFIX: &str = "log-";
const SNAPSHOT_PREFIX: &str = "snapshot-";
const UNFINISHED: &str = "unfinished";

/// Why there is no metadata log, or why it could not take a command.
#[derive(Debug, thiserror::Error)]
pub enum MetadataLogError {
    #[error("cannot {what} {path}: {source:?}")]
    Disk { what: &'static str, path: String, source: IoError },
    #[error("{path} cannot be used: {source}")]
    Format { path: String, source: FormatError },
    #[error("{path} is damaged at byte {at}: {reason}; restore the directory from a copy")]
    Corrupt { path: String, at: u64, reason: String },
    #[error("entries {from} to {to} are missing before {path}; restore the directory from a copy")]
    Missing { from: u64, to: u64, path: String },
    #[error("{path} has {bytes} bytes, at most {max} are possible")]
    TooLarge { path: String, bytes: u64, max: u64 },
    #[error("the metadata log failed before and takes no more commands; restart the broker")]
    Failed,
    #[error("the commands were planned for version {base}, the metadata is at {current}")]
    Stale { base: u64, current: u64 },
}

impl MetadataLogError {
    /// Whether the disk had no room, so that it can be tried again when it has.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk { what: "write to", source: IoError::NoSpace, .. })
    }
}

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of a torn end that were cut off.
    pub torn_bytes: u64,
    /// Entries read behind the snapshot.
    pub entries: u64,
    /// Entries that changed nothing, with the reason of the last.
    pub skipped: u64,
    pub skipped_reason: String,
}

/// The open log, and the image that it leads to.
pub struct MetadataLog {
    dir: String,
    path: String,
    file: File,
    /// End of the last entry in the file.
    end: u64,
    image: Image,
    snapshot_bytes: u64,
    failed: bool,
}

fn disk<T>(what: &'static str, path: &str, result: Result<T, IoError>) -> Outcome<T> {
    result.map_err(|source| MetadataLogError::Disk { what, path: path.to_owned(), source })
}

type Outcome<T> = Result<T, MetadataLogError>;

impl MetadataLog {
    /// Opens the log under `log_dir`, or begins an empty one.
    ///
    /// A torn end is cut off. `snapshot_bytes` is the size of log at which a snapshot is due.
    /// Errors: the disk's, and files that are damaged, missing, or of a newer version.
    pub async fn open(env: &Env, log_dir: &str, snapshot_bytes: u64) -> Outcome<(Self, Recovery)> {
        let dir = format!("{log_dir}/metadata");
        disk("make", &dir, env.create_dir_all(&dir).await)?;
        disk("sync", log_dir, env.sync_dir(log_dir).await)?;
        let names = Names::read(env, &dir).await?;
        if names.unfinished {
            let path = format!("{dir}/{UNFINISHED}");
            match env.remove_file(&path).await {
                // As may be where nothing is written in place. The next snapshot begins with it.
                Err(IoError::NoSpace) => tracing::warn!("{path} stays for now: the disk is full"),
                removed => disk("remove", &path, removed)?,
            }
        }
        let mut image = Image::empty();
        if let Some(index) = names.snapshots.last() {
            image = read_snapshot(env, &name(&dir, SNAPSHOT_PREFIX, *index)).await?;
        }
        let mut recovery = Recovery::default();
        let mut last: Option<(File, String, u64)> = None;
        // Files whose entries the snapshot holds are left over from a start that ended early.
        let behind = |first: &u64| *first <= image.version() + 1;
        let from = names.logs.iter().rposition(behind).unwrap_or(0);
        for first in names.logs.iter().skip(from) {
            let path = name(&dir, LOG_PREFIX, *first);
            if image.version() + 1 < *first {
                let (from, to) = (image.version() + 1, first - 1);
                return Err(MetadataLogError::Missing { from, to, path });
            }
            let newest = Some(first) == names.logs.last();
            let read = Replay { env, path: &path, first: *first, newest };
            let (file, end) = read.run(&mut image, &mut recovery).await?;
            last = Some((file, path, end));
        }
        let snapshot_bytes = snapshot_bytes.min(LOG_BYTES_MAX / 2);
        let (file, path, end) = match last {
            Some(last) => last,
            None => begin_file(env, &dir, image.version() + 1).await?,
        };
        let log = Self { dir, path, file, end, image, snapshot_bytes, failed: false };
        log.tell(&recovery);
        Ok((log, recovery))
    }

    fn tell(&self, recovery: &Recovery) {
        let (path, version) = (&self.path, self.image.version());
        if 0 < recovery.torn_bytes {
            let cut_bytes = recovery.torn_bytes;
            tracing::warn!(path, version, cut_bytes, "cut a torn end off the metadata log");
        }
        if 0 < recovery.skipped {
            let (entries, reason) = (recovery.skipped, &recovery.skipped_reason);
            tracing::warn!(path, entries, reason, "metadata entries changed nothing");
        }
    }

    /// The image after all entries that are durable.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Whether nobody knows what is on the disk: nothing more is taken.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Bytes of the current log file.
    pub fn log_bytes(&self) -> u64 {
        self.end
    }

    /// Makes a draft's entries durable, then true.
    ///
    /// Errors: nothing of the draft is true. After a failed sync nobody knows what is on the disk:
    /// the log takes nothing more, and the process should end.
    pub async fn commit(&mut self, env: &Env, draft: Draft) -> Outcome<()> {
        if self.failed {
            return Err(MetadataLogError::Failed);
        }
        let current = self.image.version();
        if draft.base() != current {
            return Err(MetadataLogError::Stale { base: draft.base(), current });
        }
        let mut slices: Vec<Bytes> = Vec::with_capacity(draft.entries().len());
        for entry in draft.entries() {
            let path = self.path.clone();
            let bytes = encode_entry(entry, current)
                .map_err(|source| MetadataLogError::Format { path, source })?;
            slices.push(bytes);
        }
        let bytes: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        if bytes == 0 {
            return Ok(());
        }
        if LOG_BYTES_MAX < self.end + bytes {
            let (path, bytes) = (self.path.clone(), self.end + bytes);
            return Err(MetadataLogError::TooLarge { path, bytes, max: LOG_BYTES_MAX });
        }
        // Until the end is known to be good again: also when this future is dropped half way.
        self.failed = true;
        if let Err(source) = env.write_all_at(&self.file, self.end, slices).await {
            self.take_back(env).await;
            let path = self.path.clone();
            return Err(MetadataLogError::Disk { what: "write to", path, source });
        }
        disk("sync", &self.path, env.sync_data(&self.file).await)?;
        self.failed = false;
        self.end += bytes;
        self.image = draft.image().clone();
        Ok(())
    }

    /// Whether the log has grown so much that [`MetadataLog::snapshot`] should follow.
    pub fn snapshot_is_due(&self) -> bool {
        self.snapshot_bytes <= self.end
    }

    /// After a failed write (a full disk): removes what came of it, so that the log can go on.
    async fn take_back(&mut self, env: &Env) {
        let cut = env.truncate(&self.file, self.end).await;
        self.failed = cut.is_err() || env.sync_data(&self.file).await.is_err();
    }

    /// Writes a snapshot and begins a new log file; older files go.
    ///
    /// Errors: the disk's. Nothing is lost by one; the log takes nothing more when it came late.
    pub async fn snapshot(&mut self, env: &Env) -> Outcome<()> {
        if self.failed {
            return Err(MetadataLogError::Failed);
        }
        let index = self.image.version();
        let image = self.image.clone();
        let bytes = env.work(move || image.to_snapshot()).await;
        let unfinished = format!("{}/{UNFINISHED}", self.dir);
        let target = name(&self.dir, SNAPSHOT_PREFIX, index);
        let file = disk("create", &unfinished, env.open(&unfinished, OpenHow::Create).await)?;
        disk("cut", &unfinished, env.truncate(&file, 0).await)?;
        disk("write to", &unfinished, env.write_all_at(&file, 0, vec![bytes]).await)?;
        disk("sync", &unfinished, env.sync_data(&file).await)?;
        disk("rename", &unfinished, env.rename(&unfinished, &target).await)?;
        disk("sync", &self.dir, env.sync_dir(&self.dir).await)?;
        // From here on a start may look into the new file only: the old one must not grow.
        self.failed = true;
        let (file, path, end) = begin_file(env, &self.dir, index + 1).await?;
        (self.file, self.path, self.end) = (file, path, end);
        self.failed = false;
        self.remove_older(env, index).await
    }

    /// Removes what a snapshot at `index` makes superfluous. The order does not matter: whatever
    /// remains is older than the snapshot, and a start passes over it.
    async fn remove_older(&self, env: &Env, index: u64) -> Outcome<()> {
        let names = Names::read(env, &self.dir).await?;
        let logs = names.logs.iter().filter(|first| **first <= index);
        let logs = logs.map(|first| name(&self.dir, LOG_PREFIX, *first));
        let snapshots = names.snapshots.iter().filter(|other| **other < index);
        let snapshots = snapshots.map(|other| name(&self.dir, SNAPSHOT_PREFIX, *other));
        for path in logs.chain(snapshots) {
            disk("remove", &path, env.remove_file(&path).await)?;
        }
        Ok(())
    }
}

/// The files of the directory, by index, ascending.
#[derive(Default)]
struct Names {
    logs: Vec<u64>,
    snapshots: Vec<u64>,
    unfinished: bool,
}

impl Names {
    async fn read(env: &Env, dir: &str) -> Outcome<Self> {
        let mut names = Self::default();
        for entry in disk("list", dir, env.list_dir(dir).await)? {
            let index = |prefix| entry.name.strip_prefix(prefix).and_then(|n| n.parse().ok());
            match (index(LOG_PREFIX), index(SNAPSHOT_PREFIX)) {
                (Some(first), _) => names.logs.push(first),
                (_, Some(index)) => names.snapshots.push(index),
                _ => names.unfinished |= entry.name == UNFINISHED,
            }
        }
        names.logs.sort_unstable();
        names.snapshots.sort_unstable();
        Ok(names)
    }
}

fn name(dir: &str, prefix: &str, index: u64) -> String {
    format!("{dir}/{prefix}{index:020}")
}

async fn read_all(env: &Env, file: &File, path: &str, max: u64) -> Outcome<Bytes> {
    let bytes = disk("read", path, env.file_bytes(file).await)?;
    if max < bytes {
        return Err(MetadataLogError::TooLarge { path: path.to_owned(), bytes, max });
    }
    let want = usize::try_from(bytes).expect("at most a GiB");
    // After a failed sync the page cache has what no disk has.
    disk("look at", path, env.drop_cached(file, 0, want as u32).await)?;
    disk("read", path, env.read_at(file, 0, want).await)
}

async fn read_snapshot(env: &Env, path: &str) -> Outcome<Image> {
    let file = disk("open", path, env.open(path, OpenHow::Read).await)?;
    let bytes = read_all(env, &file, path, SNAPSHOT_BYTES_MAX).await?;
    let path = path.to_owned();
    let image = env.work(move || Image::from_snapshot(&bytes)).await;
    image.map_err(|source| MetadataLogError::Format { path, source })
}

/// Makes an empty log file whose first entry will have that index; durable when this returns.
async fn begin_file(env: &Env, dir: &str, first: u64) -> Outcome<(File, String, u64)> {
    let path = name(dir, LOG_PREFIX, first);
    let file = disk("create", &path, env.open(&path, OpenHow::Create).await)?;
    disk("cut", &path, env.truncate(&file, 0).await)?;
    disk("write to", &path, env.write_all_at(&file, 0, vec![file_header()]).await)?;
    disk("sync", &path, env.sync_data(&file).await)?;
    disk("sync", dir, env.sync_dir(dir).await)?;
    Ok((file, path, HEADER_BYTES as u64))
}

/// Reading one log file at a start.
struct Replay<'a> {
    env: &'a Env,
    path: &'a str,
    first: u64,
    /// Only the newest file may end torn, and goes on being written.
    newest: bool,
}

impl Replay<'_> {
    /// Applies the file's entries; gives the file, and where the next entry goes.
    async fn run(&self, image: &mut Image, recovery: &mut Recovery) -> Outcome<(File, u64)> {
        let (env, path) = (self.env, self.path);
        let file = disk("open", path, env.open(path, OpenHow::ReadWrite).await)?;
        let bytes = read_all(env, &file, path, LOG_BYTES_MAX).await?;
        // The header is synced before the first entry is written: without entries it may be torn.
        if self.newest && bytes.len() <= HEADER_BYTES && check_header(&bytes).is_err() {
            return self.write_header(file).await;
        }
        check_header(&bytes)
            .map_err(|source| MetadataLogError::Format { path: path.to_owned(), source })?;
        let body = bytes.slice(HEADER_BYTES..);
        let first = self.first;
        let decoded = env.work(move || decode_entries(&body, first)).await;
        let end = (HEADER_BYTES + decoded.valid_bytes) as u64;
        for entry in &decoded.entries {
            if entry.index <= image.version() {
                continue;
            }
            recovery.entries += 1;
            let next = image.apply(entry).or_else(|error| {
                recovery.skipped += 1;
                recovery.skipped_reason = error.to_string();
                image.skip(entry)
            });
            *image = next.map_err(|error| self.corrupt(end, error.to_string()))?;
        }
        match decoded.tail {
            Tail::Corrupt { at, reason } => {
                return Err(self.corrupt((HEADER_BYTES + at) as u64, reason));
            }
            Tail::Torn if self.newest => {
                recovery.torn_bytes = bytes.len() as u64 - end;
                disk("cut", path, env.truncate(&file, end).await)?;
            }
            Tail::Torn | Tail::Clean => (),
        }
        // What a killed process had written, but not synced, was believed just now.
        disk("sync", path, env.sync_data(&file).await)?;
        Ok((file, end))
    }

    async fn write_header(&self, file: File) -> Outcome<(File, u64)> {
        let (env, path) = (self.env, self.path);
        disk("write to", path, env.write_all_at(&file, 0, vec![file_header()]).await)?;
        disk("sync", path, env.sync_data(&file).await)?;
        Ok((file, HEADER_BYTES as u64))
    }

    fn corrupt(&self, at: u64, reason: String) -> MetadataLogError {
        MetadataLogError::Corrupt { path: self.path.to_owned(), at, reason }
    }
}

#[cfg(test)]
mod tests;
