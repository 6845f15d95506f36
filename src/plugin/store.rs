//! Store: the components that were installed, by digest, as they were sent.
//!
//! Owns: `<data>/plugins/<digest>.wasm`. Leaves to others: which are registered (`cluster`).
//! Invariant: a file under its final name is whole and durable; its digest is checked as it is
//! read.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::plugin::inspect::{COMPONENT_BYTES_MAX, Digest};

/// Why an artefact could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("component {digest} is not in {directory}: install it again")]
    Missing { digest: Digest, directory: String },
    #[error("component {digest} in {directory} is damaged: install it again")]
    Damaged { digest: Digest, directory: String },
    #[error("{path}")]
    Io { path: String, source: std::io::Error },
}

/// Artefacts of one node.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    pub fn open(directory: PathBuf) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Keeps a component; durable when this returns. Once more is no error.
    pub fn put(&self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(digest);
        if self.get(digest).is_ok() {
            return Ok(());
        }
        let half = path.with_extension("tmp");
        let written = || -> std::io::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&half)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&half, &path)?;
            std::fs::File::open(&self.directory)?.sync_all()
        };
        let io = |source| StoreError::Io { path: path.display().to_string(), source };
        written().map_err(io)
    }

    /// The bytes of a component, checked against their digest.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let directory = self.directory.display().to_string();
        let io = |source| StoreError::Io { path: path.display().to_string(), source };
        let bytes = match std::fs::metadata(&path) {
            Ok(file) if (COMPONENT_BYTES_MAX as u64) < file.len() => {
                return Err(StoreError::Damaged { digest, directory });
            }
            Ok(_) => std::fs::read(&path).map_err(io)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest, directory });
            }
            Err(error) => return Err(io(error)),
        };
        if Digest::of(&bytes) != digest {
            return Err(StoreError::Damaged { digest, directory });
        }
        Ok(bytes)
    }

    /// Forgets a component; not being there is no error.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::Io { path: path.display().to_string(), source: error })
            }
            _ => Ok(()),
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }
}
