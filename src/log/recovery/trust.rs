//! Opening a segment without reading it: sizes, last index entries, and the bytes behind them.
//!
//! Owns: what "cheap checks" means. Leaves to others: what follows when they fail (a scan).
//! Invariant: `false` changes nothing; `true` leaves the segment in the loaded state.
//! Start reading at: [`Recovery::trust`].
use std::rc::Rc;

use crate::base::Bytes;
use crate::env::{File, OpenHow};
use crate::log::index::{OFFSET_ENTRY_BYTES, OffsetIndex, TIME_ENTRY_BYTES, TimeIndex};
use crate::log::names::{INDEX, LOG, TIME_INDEX, file_path};
use crate::log::recovery::{Recovery, SMALL_SEGMENT_BYTES};
use crate::log::scan::{Check, Scanner, Walked};
use crate::log::segment::{Active, Closed, MaxTimestamp, has_time};
use crate::log::{DiskError, LogError, Start};
use crate::model::Offset;
use crate::record::{HEADER_BYTES, Header};

impl Recovery<'_> {
    /// Takes a segment as its indexes describe it, if they can be right.
    pub(super) async fn trust(
        &mut self,
        base: Offset,
        next: Option<Offset>,
    ) -> Result<bool, LogError> {
        let path = file_path(self.dir, base, LOG);
        let file = self.files.open(&path, OpenHow::Read).await?;
        let bytes = self.files.bytes(&file, &path).await?;
        if i32::MAX as u64 <= bytes {
            return Ok(false);
        }
        match next {
            Some(next) => self.trust_closed(base, next, file, bytes).await,
            None => self.trust_active(base, file, bytes).await,
        }
    }

    async fn trust_closed(
        &mut self,
        base: Offset,
        next: Offset,
        file: File,
        bytes: u64,
    ) -> Result<bool, LogError> {
        let Some((index, index_bytes)) = self.last_entry(base, INDEX, OFFSET_ENTRY_BYTES).await?
        else {
            return Ok(false);
        };
        let Some((times, _)) = self.last_entry(base, TIME_INDEX, TIME_ENTRY_BYTES).await? else {
            return Ok(false);
        };
        let position = match index_bytes {
            0 => 0,
            _ => u32::from_be_bytes(index[4..8].try_into().expect("four bytes")),
        };
        if bytes <= u64::from(position) && index_bytes != 0 {
            return Ok(false);
        }
        let mut max = None;
        if !times.is_empty() {
            let timestamp = i64::from_be_bytes(times[..8].try_into().expect("eight bytes"));
            let relative = u32::from_be_bytes(times[8..12].try_into().expect("four bytes"));
            let offset = Offset(base.0 + i64::from(relative));
            if timestamp < 0 || next <= offset {
                return Ok(false);
            }
            max = Some(MaxTimestamp { timestamp, offset });
        }
        if self.start != Start::Clean {
            // The bytes behind the last entry; it also shows that the entry is a batch's start. All
            // of them where the time index is empty: it must not hide records that have a time.
            let path = file_path(self.dir, base, LOG);
            let from = if max.is_some() { u64::from(position) } else { 0 };
            let range = from..bytes;
            let mut scan = Scanner::new(self.files, file, &path, range, base, Check::Crc);
            let mut end = base;
            loop {
                match scan.next().await? {
                    Walked::End => break,
                    Walked::Bad { .. } => return Ok(false),
                    Walked::Batch { header, .. } if max.is_none() && has_time(&header) => {
                        return Ok(false);
                    }
                    Walked::Batch { header, .. } => end = header.next_offset(),
                }
            }
            if next < end {
                return Ok(false);
            }
        }
        let closed = Closed::new(base, next, bytes, max);
        self.loaded.closed.insert(base, Rc::new(closed));
        Ok(true)
    }

    /// The last entry of an index (empty for an empty file) and the file's size.
    async fn last_entry(
        &self,
        base: Offset,
        suffix: &str,
        entry_bytes: usize,
    ) -> Result<Option<(Bytes, u64)>, DiskError> {
        let path = file_path(self.dir, base, suffix);
        let Some(file) = self.files.open_if_there(&path).await? else { return Ok(None) };
        let bytes = self.files.bytes(&file, &path).await?;
        if !bytes.is_multiple_of(entry_bytes as u64) {
            return Ok(None);
        }
        if bytes == 0 {
            return Ok(Some((Bytes::new(), 0)));
        }
        let at = bytes - entry_bytes as u64;
        let entry = self.files.read(&file, &path, at, entry_bytes).await?;
        Ok((entry.len() == entry_bytes).then_some((entry, bytes)))
    }

    async fn trust_active(
        &mut self,
        base: Offset,
        file: File,
        bytes: u64,
    ) -> Result<bool, LogError> {
        let path = file_path(self.dir, base, LOG);
        if bytes == 0 {
            self.end_with(Active::new(base, self.now_ms), base);
            return Ok(true);
        }
        let mut segment = if bytes <= SMALL_SEGMENT_BYTES {
            Active::new(base, self.now_ms)
        } else {
            let index = self.files.read_whole(&file_path(self.dir, base, INDEX)).await?;
            let times = self.files.read_whole(&file_path(self.dir, base, TIME_INDEX)).await?;
            let (Some(index), Some(times)) = (index, times) else { return Ok(false) };
            let index = OffsetIndex::decode(&index, bytes);
            let (Some(index), Some(times)) = (index, TimeIndex::decode(&times)) else {
                return Ok(false);
            };
            let head = self.files.read(&file, &path, 0, HEADER_BYTES).await?;
            let first = Header::decode(&head).map(|header| header.max_timestamp);
            Active::resume(base, self.now_ms, index, times, first)
        };
        let range = segment.bytes..bytes;
        let mut scan = Scanner::new(self.files, file, &path, range, base, Check::Crc);
        let mut end = base;
        loop {
            match scan.next().await? {
                Walked::End => break,
                Walked::Bad { .. } => return Ok(false),
                Walked::Batch { header, bytes, .. } => {
                    let last = header.last_offset().0 - base.0;
                    if i64::from(i32::MAX) < last {
                        return Ok(false);
                    }
                    segment.note(&header, bytes.len() as u64, self.config);
                    end = header.next_offset();
                }
            }
        }
        let indexed = segment.index.entries.last().map_or(0, |entry| i64::from(entry.relative));
        if end.0 - base.0 <= indexed && end != base {
            return Ok(false);
        }
        self.end_with(segment, end);
        Ok(true)
    }
}
