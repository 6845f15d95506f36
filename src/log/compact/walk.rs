//! Walking the segments of a pass: the shard reads a chunk, a worker goes through its batches.
//!
//! Owns: the size of a chunk, the pace, checksums of what is read.
//! Leaves to others: what happens to a batch (`steps`), the threads (`env`).
//! Invariant: the shard only hands bytes on, so that a pass holds up none of its other tasks; one
//! chunk, or one batch that is larger, is in memory at a time.
//! Start reading at: [`Pass::walk`].
use std::sync::Arc;

use crate::base::Bytes;
use crate::env::{Env, File, Instant, OpenHow};
use crate::log::compact::steps::Step;
use crate::log::compact::{CompactError, Pass};
use crate::model::Offset;
use crate::record::{HEADER_BYTES, Header, Scanned, crc_holds, next_batch};

/// Smallest chunk: a smaller one costs more to hand over than to go through.
const CHUNK_BYTES_MIN: usize = 16 << 10;

/// A part of a file to walk through.
#[derive(Clone, Debug)]
pub struct Track {
    pub path: Arc<str>,
    /// A batch begins there.
    pub from: u64,
    /// And one ends there.
    pub to: u64,
    /// Its first batch starts at or behind this offset.
    pub base: Offset,
}

/// How far a worker came in a chunk.
struct Came {
    consumed: usize,
    floor: Offset,
    /// Bytes that the next batch needs, when it lies in part behind the chunk.
    needs: usize,
    /// Others should have the worker now.
    rests: bool,
    wrong: Option<String>,
}

/// Keeps to `log.cleaner.io.max.bytes.per.second`.
pub struct Pace {
    bytes_per_second: f64,
    free_at: Instant,
}

impl Pace {
    pub fn new(bytes_per_second: f64, now: Instant) -> Self {
        Self { bytes_per_second, free_at: now }
    }

    /// Waits until `bytes` more may be read or written. Unused time is not saved up.
    pub async fn take(&mut self, env: &Env, bytes: usize) {
        let now = env.now();
        let from = self.free_at.max(now);
        let ns = bytes as f64 / self.bytes_per_second * 1e9;
        self.free_at = Instant(from.0.saturating_add(ns as u64));
        if now < from {
            env.sleep_until(from).await;
        }
    }
}

impl Pass<'_> {
    /// Shows every batch of a track to `step`, on a worker, until it is over; `between` runs here
    /// after each piece of work.
    ///
    /// Errors: also when a batch is damaged, or `step` finds that it is.
    pub(super) async fn walk<S: Step>(
        &mut self,
        track: &Track,
        mut step: S,
        mut between: impl AsyncFnMut(&mut Self, &mut S) -> Result<(), CompactError>,
    ) -> Result<S, CompactError> {
        let env = self.log.host.env.clone();
        let file = match self.log.files.open(&track.path, OpenHow::Read).await {
            Ok(file) => file,
            Err(error) => {
                env.discard(step);
                return Err(error.into());
            }
        };
        let (mut at, mut needs, mut floor) = (track.from, 0, track.base);
        let mut chunk = Bytes::new();
        let mut walked = Ok(());
        while at < track.to && walked.is_ok() && !step.is_over() {
            if chunk.is_empty() {
                let want = self.job.limits.io_bytes.max(CHUNK_BYTES_MIN).max(needs);
                let want = (want as u64).min(track.to - at) as usize;
                match self.chunk(track, &file, at, want).await {
                    Ok(read) => chunk = read,
                    Err(error) => {
                        walked = Err(error);
                        break;
                    }
                }
            }
            let is_last = at + chunk.len() as u64 == track.to;
            let part = chunk.clone();
            let came;
            (step, came) = env
                .long_work(move || {
                    let came = go_through(&part, floor, is_last, &mut step);
                    (step, came)
                })
                .await;
            (needs, floor) = (came.needs, came.floor);
            at += came.consumed as u64;
            chunk = if came.rests { chunk.slice(came.consumed..) } else { Bytes::new() };
            walked = match came.wrong {
                Some(why) => {
                    let path = track.path.to_string();
                    Err(CompactError::Corrupt { path, position: at, why })
                }
                None => between(self, &mut step).await,
            };
        }
        match walked {
            Ok(()) => Ok(step),
            Err(error) => {
                // What it holds may be large, and freeing it long.
                env.discard(step);
                Err(error)
            }
        }
    }

    async fn chunk(
        &mut self,
        track: &Track,
        file: &File,
        at: u64,
        want: usize,
    ) -> Result<Bytes, CompactError> {
        self.log.check_open()?;
        self.pace.take(&self.log.host.env, want).await;
        let chunk = self.log.read_uncached(file, &track.path, at, want).await?;
        self.report.bytes_read += chunk.len() as u64;
        if chunk.len() < want {
            let why = "the file is shorter than it was".to_owned();
            return Err(CompactError::Corrupt { path: track.path.to_string(), position: at, why });
        }
        Ok(chunk)
    }
}

/// Goes through the whole batches of a chunk.
fn go_through(chunk: &Bytes, floor: Offset, is_last: bool, step: &mut impl Step) -> Came {
    let mut came = Came { consumed: 0, floor, needs: 0, rests: false, wrong: None };
    while came.consumed < chunk.len() && came.wrong.is_none() && !step.is_over() && !came.rests {
        let rest = chunk.slice(came.consumed..);
        match next_batch(&rest) {
            Scanned::Bad { why } => came.wrong = Some(why.to_owned()),
            Scanned::Needs(_) if is_last => {
                came.wrong = Some("it ends behind the end of the file".to_owned());
            }
            Scanned::Needs(bytes) => {
                came.needs = bytes.max(HEADER_BYTES);
                break;
            }
            Scanned::Batch(header, total) => {
                let bytes = rest.slice(..total);
                came.wrong = wrong_with(&header, &bytes, came.floor).or_else(|| {
                    let failed = step.batch(&header, &bytes).err();
                    failed.map(|why| format!("batch at offset {}: {why}", header.base_offset))
                });
                if came.wrong.is_none() {
                    came.floor = header.next_offset();
                    came.consumed += total;
                    came.rests = step.rests();
                }
            }
        }
    }
    came
}

/// With its checksum: what is rewritten gets a new one, which must not bless damaged bytes.
fn wrong_with(header: &Header, bytes: &Bytes, floor: Offset) -> Option<String> {
    if !crc_holds(header, bytes) {
        return Some("its checksum does not hold".to_owned());
    }
    (header.base_offset < floor).then(|| "its offset is below the one before".to_owned())
}
