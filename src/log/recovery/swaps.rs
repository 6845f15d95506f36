//! What an interrupted compaction left: finished replacements are completed, others dropped.
//!
//! Owns: `.cleaned` and `.swap` files and marks at a start.
//! Leaves to others: making them (`compact`).
//! Invariant: a `.log.swap` is whole and durable from the moment it has that name; its batches
//! cover exactly the segments from its base to its last offset.
//! Start reading at: [`Recovery::finish_swaps`].
use crate::env::OpenHow;
use crate::log::LogError;
use crate::log::names::{
    CLEANED, INDEX, LOG, MARKS, SWAP, TIME_INDEX, TXN_INDEX, file_path, parse,
};
use crate::log::recovery::Recovery;
use crate::log::scan::{Check, Scanner, Walked};
use crate::model::Offset;

impl Recovery<'_> {
    /// Says whether names have changed.
    pub(super) async fn finish_swaps(&mut self, names: &[String]) -> Result<bool, LogError> {
        let mut changed = false;
        let unfinished = |name: &&String| name.ends_with(CLEANED) || *name == MARKS;
        for name in names.iter().filter(unfinished) {
            self.files.remove(&format!("{}/{name}", self.dir)).await?;
            changed = true;
        }
        for name in names.iter().filter(|name| name.ends_with(SWAP)) {
            let whole = name.strip_suffix(SWAP).and_then(parse);
            let Some((base, suffix)) = whole else { continue };
            // The indexes are built again in any case: it is not known which of them belong to
            // the log's old form.
            self.files.remove(&file_path(self.dir, base, INDEX)).await?;
            self.files.remove(&file_path(self.dir, base, TIME_INDEX)).await?;
            if suffix == LOG {
                self.complete(base, names).await?;
                self.loaded.report.swaps_completed += 1;
            } else {
                self.files.remove(&format!("{}/{name}", self.dir)).await?;
            }
            changed = true;
        }
        if changed {
            self.files.sync_dir(self.dir).await?;
        }
        Ok(changed)
    }

    /// Puts a finished replacement in the place of the segments that it covers.
    async fn complete(&mut self, base: Offset, names: &[String]) -> Result<(), LogError> {
        let path = file_path(self.dir, base, LOG);
        let swap = format!("{path}{SWAP}");
        let file = self.files.open(&swap, OpenHow::Read).await?;
        let bytes = self.files.bytes(&file, &swap).await?;
        let mut scan = Scanner::new(self.files, file, &swap, 0..bytes, base, Check::Crc);
        let mut end = base;
        loop {
            match scan.next().await? {
                Walked::End => break,
                Walked::Batch { header, .. } => end = header.next_offset(),
                Walked::Bad { position, why } => {
                    // It was durable before it got its name; the originals may be gone.
                    let recovery_point = end;
                    return Err(LogError::Corrupt { path: swap, position, why, recovery_point });
                }
            }
        }
        for name in names {
            if let Some((other, LOG)) = parse(name)
                && base < other
                && other < end
            {
                for suffix in [INDEX, TIME_INDEX, TXN_INDEX, LOG] {
                    self.files.remove(&file_path(self.dir, other, suffix)).await?;
                }
            }
        }
        let aborted = file_path(self.dir, base, TXN_INDEX);
        if self.files.exists(&format!("{aborted}{SWAP}")).await? {
            self.files.rename(&format!("{aborted}{SWAP}"), &aborted).await?;
        }
        // Durably gone before the replacement loses the name that says what it covers.
        self.files.sync_dir(self.dir).await?;
        Ok(self.files.rename(&swap, &path).await?)
    }
}
