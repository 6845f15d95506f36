//! The metadata log's file: commands in order, each durable before it is answered.
//!
//! Owns: `<data>/metadata/commands.log`, cutting a torn tail.
//! Leaves to others: the bytes (`cluster::format`), what commands do (`cluster`).
//! Invariant: an entry that `append` answered survives any crash; after a failed append nothing
//! more is written (the controller drops the log then).
//! Start reading at: [`MetadataLog::open`].
use crate::cluster::{
    Entry, FormatError, HEADER_BYTES, Image, Tail, check_header, decode_entries, encode_entry,
    file_header,
};
use crate::env::{Env, File, IoError, OpenHow};

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("{path}: {error:?}")]
    Io { path: String, error: IoError },
    #[error("{path}: {error}")]
    Format { path: String, error: FormatError },
    #[error("{path} is damaged at byte {at} ({reason}), below what was durable: it is not cut")]
    Corrupt { path: String, at: usize, reason: String },
    #[error("{path}: entry {index} does not fit those before it: {reason}")]
    Entry { path: String, index: u64, reason: String },
}

pub struct MetadataLog {
    env: Env,
    path: String,
    file: File,
    end: u64,
    /// Index of the last entry that is durable.
    stable: u64,
}

impl MetadataLog {
    /// Opens or creates the log and gives the image that its entries make.
    ///
    /// Errors: what can be read only partly is not used; a torn tail is cut.
    pub async fn open(env: &Env, data_dir: &str) -> Result<(Self, Image), MetadataError> {
        let dir = format!("{data_dir}/metadata");
        let path = format!("{dir}/commands.log");
        let io = |error| MetadataError::Io { path: path.clone(), error };
        env.create_dir_all(&dir).await.map_err(io)?;
        env.sync_dir(data_dir).await.map_err(io)?;
        let file = env.open(&path, OpenHow::Create).await.map_err(io)?;
        let size = env.file_bytes(&file).await.map_err(io)?;
        let bytes = env.read_at(&file, 0, size as usize).await.map_err(io)?;
        let mut image = Image::empty();
        let mut end = HEADER_BYTES as u64;
        if bytes.len() < HEADER_BYTES {
            // Nothing was ever answered: the header is synced before the first entry.
            env.write_all_at(&file, 0, vec![file_header()]).await.map_err(io)?;
            env.truncate(&file, end).await.map_err(io)?;
            env.sync_data(&file).await.map_err(io)?;
            env.sync_dir(&dir).await.map_err(io)?;
        } else {
            let format = |error| MetadataError::Format { path: path.clone(), error };
            check_header(&bytes).map_err(format)?;
            let decoded = decode_entries(&bytes[HEADER_BYTES..], 1);
            for entry in &decoded.entries {
                image = image.apply(entry).map_err(|error| MetadataError::Entry {
                    path: path.clone(),
                    index: entry.index,
                    reason: error.to_string(),
                })?;
            }
            end += decoded.valid_bytes as u64;
            match decoded.tail {
                Tail::Clean => {}
                Tail::Torn => {
                    tracing::warn!(path, cut_bytes = size - end, "torn tail of the metadata log");
                    env.truncate(&file, end).await.map_err(io)?;
                }
                Tail::Corrupt { at, reason } => {
                    let at = at + HEADER_BYTES;
                    return Err(MetadataError::Corrupt { path: path.clone(), at, reason });
                }
            }
            env.sync_data(&file).await.map_err(io)?;
        }
        let stable = image.version();
        Ok((Self { env: env.clone(), path, file, end, stable }, image))
    }

    /// Makes one entry durable. `_image` is what it led to, for a snapshot one day.
    pub async fn append(&mut self, entry: &Entry, _image: &Image) -> Result<(), MetadataError> {
        let path = &self.path;
        let format = |error| MetadataError::Format { path: path.clone(), error };
        let io = |error| MetadataError::Io { path: path.clone(), error };
        let bytes = encode_entry(entry, self.stable).map_err(format)?;
        let length = bytes.len() as u64;
        self.env.write_all_at(&self.file, self.end, vec![bytes]).await.map_err(io)?;
        self.env.sync_data(&self.file).await.map_err(io)?;
        self.end += length;
        self.stable = entry.index;
        Ok(())
    }
}
