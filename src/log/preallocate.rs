//! `preallocate`: the room of a whole segment is reserved when its file is made.
//!
//! Owns: reserving, and giving back what a segment did not use.
//! Leaves to others: when files are made (`writer`) and closed (`closing`).
//! Invariant: sizes never change by it, so no reader and no recovery notices.
//! Start reading at: [`Log::reserve_segment`].
use crate::env::{File, OpenHow};
use crate::log::{DiskError, Log};

impl Log {
    /// Reserves a segment's room for a file that was just made, if the topic wishes it.
    ///
    /// A file system that cannot, or is too full, is told in the log and nothing else: the segment
    /// grows as others do.
    pub(super) async fn reserve_segment(&self, file: &File) {
        let config = self.config();
        if !config.preallocate {
            return;
        }
        if let Err(error) = self.host.env.reserve(file, config.segment_bytes_max).await {
            tracing::warn!(partition = %self.dir, ?error, "a segment's room is not reserved");
        }
    }

    /// Gives back what the segment at `path`, which ends at `bytes`, did not use.
    pub(super) async fn release_rest(&self, path: &str, bytes: u64) -> Result<(), DiskError> {
        if !self.config().preallocate {
            return Ok(());
        }
        let file = self.files.open(path, OpenHow::ReadWrite).await?;
        self.files.truncate(&file, path, bytes).await
    }
}
