//! The last segment after a crash: read from its last durable index entry on.
//!
//! Owns: which entries of an index file count when its end may be torn.
//! Leaves to others: what a bad batch means (`recovery`), writing such entries (`settle`).
//! Invariant: `None` changes nothing, and the whole segment is scanned then.
//! Start reading at: [`Recovery::resume`].
use crate::env::OpenHow;
use crate::log::LogError;
use crate::log::index::{OffsetIndex, TimeIndex};
use crate::log::names::{INDEX, LOG, TIME_INDEX, file_path};
use crate::log::recovery::{Recovery, Scan};
use crate::log::segment::Active;
use crate::model::Offset;
use crate::record::{HEADER_BYTES, Header, Scanned, next_batch};

impl Recovery<'_> {
    /// Scans the last segment from where a producer snapshot says that its indexes are durable.
    ///
    /// Entries below the snapshot were durable before it was written; what follows them in the
    /// file may be torn and is not looked at.
    pub(super) async fn resume(&mut self, base: Offset) -> Result<Option<Scan>, LogError> {
        let Some(settled) = self.snapshots.keys().next_back().copied() else { return Ok(None) };
        let Ok(below) = u32::try_from(settled.0 - base.0) else { return Ok(None) };
        let path = file_path(self.dir, base, LOG);
        let file = self.files.open(&path, OpenHow::Read).await?;
        let file_bytes = self.files.bytes(&file, &path).await?;
        let index = self.files.read_whole(&file_path(self.dir, base, INDEX)).await?;
        let times = self.files.read_whole(&file_path(self.dir, base, TIME_INDEX)).await?;
        let (Some(index), Some(times)) = (index, times) else { return Ok(None) };
        let index = OffsetIndex::decode_below(&index, below, file_bytes);
        let times = TimeIndex::decode_below(&times, below);
        let Some(last) = index.entries.last().copied() else { return Ok(None) };
        let entry = self.files.read(&file, &path, u64::from(last.position), HEADER_BYTES).await?;
        let named = Header::decode(&entry).map(|header| header.last_offset().0 - base.0);
        if named != Some(i64::from(last.relative)) {
            return Ok(None);
        }
        let head = self.files.read(&file, &path, 0, HEADER_BYTES).await?;
        if !matches!(next_batch(&head), Scanned::Needs(_) | Scanned::Batch(..)) {
            return Ok(None);
        }
        let first = Header::decode(&head).map(|header| header.max_timestamp);
        let segment = Active::resume(base, self.now_ms, index, times, first);
        let scan = self.scan_rest(segment, file, file_bytes).await?;
        // Less than was durable: the full scan says where it is damaged.
        Ok((settled <= scan.end).then_some(scan))
    }
}
