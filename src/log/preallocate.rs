//! `preallocate`: the room of a whole segment is reserved when its file is made.
//!
//! Owns: reserving, and giving back what a segment did not use.
//! Leaves to others: when files are made (`writer`) and closed (`closing`), how much room there is
//! (`room`).
//! Invariant: sizes never change by it, so no reader and no recovery notices; what the broker keeps
//! free stays free.
//! Start reading at: [`Log::reserve_segment`].
use crate::env::{File, OpenHow};
use crate::log::{DiskError, Log};

impl Log {
    /// Reserves a segment's room for a file that was just made, if the topic wishes it.
    ///
    /// A file system that cannot, or has too little, is told in the log and nothing else: the
    /// segment grows as others do.
    pub(super) async fn reserve_segment(&self, file: &File, path: &str) {
        let config = self.config();
        if !config.preallocate {
            return;
        }
        let bytes = config.segment_bytes_max;
        let Ok(_promise) = self.home.room.promise(bytes).await else {
            tracing::warn!(partition = %self.dir, bytes, "too little room to reserve a segment's");
            return;
        };
        self.state.borrow_mut().on_disk.has_reserve = true;
        if let Err(error) = self.host.env.reserve(file, bytes).await {
            tracing::warn!(partition = %self.dir, ?error, "a segment's room is not reserved");
            // A part of it may be.
            if let Ok(size) = self.files.bytes(file, path).await {
                let _ = self.files.truncate(file, path, size).await;
            }
        }
    }

    /// Gives back what the segment at `path`, which ends at `bytes`, did not use.
    pub(super) async fn release_rest(&self, path: &str, bytes: u64) -> Result<(), DiskError> {
        // A process before this one may have reserved it.
        let (has_reserve, config) = (self.state.borrow().on_disk.has_reserve, self.config());
        if !has_reserve && !config.preallocate {
            return Ok(());
        }
        let file = self.files.open(path, OpenHow::ReadWrite).await?;
        self.files.truncate(&file, path, bytes).await
    }
}
