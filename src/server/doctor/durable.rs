//! What a durable write costs in a directory, in the two ways in which acks=all can be kept.
//!
//! Owns: measuring both, and which of them a log directory gets.
//! Leaves to others: the ways themselves (`log::writer`, `log::journal`).
//! Invariant: its files have no names from their making on.
//! Start reading at: [`measure`].
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::aligned::AlignedBuf;
use crate::io::machine;
use crate::server::doctor::{Check, State};
use crate::server::words;

const ROUNDS_MAX: usize = 200;
const TIME_MAX: Duration = Duration::from_secs(2);
const WRITE_BYTES: usize = 16 << 10;
/// Bytes of zeroes that direct writes go round in.
const AREA_BYTES: usize = 1 << 20;
const MEDIAN_SLOW: Duration = Duration::from_millis(10);

/// What files of our own showed; each list of times has at least one.
pub struct Measured {
    /// Of an append with fdatasync.
    pub synced: Vec<Duration>,
    /// Of a direct write into zeroes, as the journal does it.
    pub direct: io::Result<Vec<Duration>>,
    pub reads_uncached: io::Result<bool>,
}

/// Errors: this user cannot write there.
pub fn measure(place: &Path) -> io::Result<Measured> {
    let mut file = nameless(place, OpenOptions::new().read(true))?;
    let block = [0x6c; WRITE_BYTES];
    let synced = times(|_| {
        file.write_all(&block)?;
        file.sync_data()
    })?;
    let reads_uncached = machine::reads_uncached(&file);
    Ok(Measured { synced, direct: direct(place), reads_uncached })
}

/// Durable writes around the page cache, over blocks that were written before.
fn direct(place: &Path) -> io::Result<Vec<Duration>> {
    let file = nameless(place, machine::open_direct(&mut OpenOptions::new()))?;
    let mut zeroes = AlignedBuf::with_capacity(AREA_BYTES);
    zeroes.extend_zeroes(AREA_BYTES);
    file.write_all_at(zeroes.as_slice(), 0)?;
    let mut block = AlignedBuf::with_capacity(WRITE_BYTES);
    block.extend(&[0x6c; WRITE_BYTES]);
    times(|round| {
        let at = (round * WRITE_BYTES) % AREA_BYTES;
        file.write_all_at(block.as_slice(), at as u64)
    })
}

/// A new file for writing whose name is gone: whatever happens, nothing is left behind.
fn nameless(place: &Path, how: &mut OpenOptions) -> io::Result<File> {
    let path = place.join(format!(".logmill-doctor-{}", std::process::id()));
    let mut file = how.write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn times(mut write: impl FnMut(usize) -> io::Result<()>) -> io::Result<Vec<Duration>> {
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < ROUNDS_MAX && (times.is_empty() || start.elapsed() < TIME_MAX) {
        let round = Instant::now();
        write(times.len())?;
        times.push(round.elapsed());
    }
    Ok(times)
}

/// Median and p99 in words, and the median.
fn spread(mut times: Vec<Duration>) -> (String, Duration) {
    times.sort();
    let at = |per_100: usize| times[(times.len() * per_100 / 100).min(times.len() - 1)];
    let shown = |time: Duration| words::nanos(time.as_nanos() as u64);
    let (median, p99) = (at(50), at(99));
    let text = format!("{} median, {} p99 over {}", shown(median), shown(p99), times.len());
    (text, median)
}

pub fn sync_latency(times: Vec<Duration>) -> Check {
    let name = "sync latency";
    let (spread, median) = spread(times);
    let found = format!("{spread} writes of 16 KiB, each with fdatasync");
    if MEDIAN_SLOW < median {
        let cure = "a disk with power-loss protection syncs faster.";
        return Check::new(name, State::Note, found, cure);
    }
    Check::ok(name, found)
}

/// Which path acks=all gets.
pub fn journal(direct: io::Result<Vec<Duration>>) -> Check {
    let name = "acks=all";
    let times = match direct {
        Ok(times) => times,
        Err(error) => {
            let found = format!("each partition is synced by itself: no direct writes ({error})");
            let cure = "ext4, XFS and btrfs take them; the journal needs them.";
            return Check::new(name, State::Note, found, cure);
        }
    };
    let (spread, median) = spread(times);
    let found = format!("by the journal, {spread} durable writes of 16 KiB; one serves a turn");
    if MEDIAN_SLOW < median {
        let cure = "each acks=all waits for such a write; a disk with power-loss protection is \
                    faster.";
        return Check::new(name, State::Note, found, cure);
    }
    Check::ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_direct_writes_gets_a_sync_per_partition() {
        let check = journal(Err(io::ErrorKind::InvalidInput.into()));
        assert_eq!(check.state, State::Note);
        assert!(check.found.contains("synced by itself"), "{}", check.found);
        let fast = journal(Ok(vec![Duration::from_micros(90)]));
        assert!(fast.state == State::Ok && fast.found.contains("by the journal"), "{fast:?}");
        assert_eq!(journal(Ok(vec![Duration::from_millis(30)])).state, State::Note);
    }
}
