//! Walks the batches of one file, in large reads.
//!
//! Owns: finding batch after batch and what is wrong with the first bad one.
//! Leaves to others: what that means (`recovery` cuts, `compact` stops).
//! Invariant: a batch that is handed out lies whole within the file; memory is one chunk or one
//! batch.
//! Start reading at: [`Scanner::next`].
use crate::base::Bytes;
use crate::env::File;
use crate::log::disk::{DiskError, Files};
use crate::model::Offset;
use crate::record::{HEADER_BYTES, Header, Scanned, crc_holds, next_batch};

const CHUNK_BYTES: usize = 1 << 20;

/// Whether the checksum of each batch is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Crc,
    Shape,
}

/// What a step of the walk came to.
pub enum Walked {
    Batch { header: Header, position: u64, bytes: Bytes },
    End,
    Bad { position: u64, why: &'static str },
}

pub struct Scanner {
    files: Files,
    file: File,
    path: String,
    check: Check,
    at: u64,
    end: u64,
    chunk: Bytes,
    /// Next batches must start at or behind this offset.
    floor: Offset,
}

impl Scanner {
    /// Walks `file` from byte `at`, where a batch starts, to byte `end`.
    pub fn new(
        files: &Files,
        file: File,
        path: &str,
        range: std::ops::Range<u64>,
        floor: Offset,
        check: Check,
    ) -> Self {
        let (at, end) = (range.start, range.end);
        let (files, path) = (files.clone(), path.to_owned());
        Self { files, file, path, check, at, end, chunk: Bytes::new(), floor }
    }

    pub async fn next(&mut self) -> Result<Walked, DiskError> {
        loop {
            if self.end <= self.at {
                return Ok(Walked::End);
            }
            let left = self.end - self.at;
            match next_batch(&self.chunk) {
                Scanned::Bad { why } => return Ok(self.bad(why)),
                Scanned::Needs(bytes) if left < bytes as u64 => {
                    return Ok(self.bad("it ends behind the end of the file"));
                }
                Scanned::Needs(bytes) => {
                    let want = (bytes.max(CHUNK_BYTES) as u64).min(left) as usize;
                    let chunk = self.files.read(&self.file, &self.path, self.at, want).await?;
                    if chunk.len() < bytes {
                        return Ok(self.bad("the file is shorter than it was"));
                    }
                    self.chunk = chunk;
                }
                Scanned::Batch(header, total) => {
                    let bytes = self.chunk.slice(..total);
                    if self.check == Check::Crc && !crc_holds(&header, &bytes) {
                        return Ok(self.bad("its checksum does not hold"));
                    }
                    if header.base_offset < self.floor {
                        return Ok(self.bad("its offset is below the one before"));
                    }
                    self.floor = header.next_offset();
                    let position = self.at;
                    self.at += total as u64;
                    self.chunk = self.chunk.slice(total..);
                    return Ok(Walked::Batch { header, position, bytes });
                }
            }
        }
    }

    fn bad(&self, why: &'static str) -> Walked {
        Walked::Bad { position: self.at, why }
    }
}

const _: () = assert!(HEADER_BYTES <= CHUNK_BYTES);
