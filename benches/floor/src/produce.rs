//! Produce: receive batches over loopback, check the CRC32C of each, write them to the page cache.
//!
//! Owns: the four paths; what a batch is here (its checksum in front, then arbitrary bytes).
//! Invariant: every batch is checked, every byte reaches the file in order.
//! Start reading at: [`run`].
use std::fs::File;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::Path as FilePath;

use crate::Failed;
use crate::kernel::{Done, Ring};
use crate::measure::{self, Meter};
use crate::peer::Peer;

/// Batches that one gathered write holds.
const GATHERED: usize = 8;
const RING_SLOTS: usize = 2 * GATHERED;
const CRC_BYTES: usize = 4;

/// How the bytes reach the file.
#[derive(Clone, Copy)]
pub enum Path {
    /// One `pwrite` a batch.
    Inline,
    /// One `pwrite` for eight batches.
    Gathered,
    /// Receive and write through the ring, one write a batch.
    Ring,
    /// Receive and write through the ring, one write for eight batches.
    RingGathered,
}

impl Path {
    pub fn parse(word: &str) -> Result<Self, Failed> {
        Ok(match word {
            "inline" => Self::Inline,
            "gathered" => Self::Gathered,
            "ring" => Self::Ring,
            "ring-gathered" => Self::RingGathered,
            _ => return Err(format!("produce knows no path {word:?}").into()),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Gathered => "gathered",
            Self::Ring => "ring",
            Self::RingGathered => "ring-gathered",
        }
    }
}

/// How much of what.
pub struct Load {
    batch: usize,
    total: usize,
}

impl Load {
    /// Errors: the total is not a whole number of gathered writes.
    pub fn new(batch: usize, mib: usize) -> Result<Self, Failed> {
        let total = mib << 20;
        if batch <= CRC_BYTES || total == 0 || !total.is_multiple_of(batch * GATHERED) {
            return Err(format!("{mib} MiB are not whole gatherings of {batch} bytes").into());
        }
        Ok(Self { batch, total })
    }
}

/// About `bytes` of whole batches, each with its right checksum.
pub fn payload(batch: usize, bytes: usize) -> Vec<u8> {
    let count = (bytes / batch).max(1);
    let mut out = Vec::with_capacity(count * batch);
    let mut state = 1_u64;
    for _ in 0..count {
        let start = out.len();
        out.resize(start + CRC_BYTES, 0);
        while out.len() < start + batch {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let left = start + batch - out.len();
            out.extend_from_slice(&state.to_be_bytes()[..left.min(8)]);
        }
        let crc = crc32c::crc32c(&out[start + CRC_BYTES..]);
        out[start..start + CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
    }
    out
}

fn check(batch: &[u8]) -> Result<(), Failed> {
    let (stored, rest) = batch.split_at(CRC_BYTES);
    if stored != crc32c::crc32c(rest).to_be_bytes() {
        return Err("a batch came with a wrong checksum".into());
    }
    Ok(())
}

pub fn run(path: Path, load: &Load, dir: &FilePath) -> Result<String, Failed> {
    let name = dir.join("produce");
    let file = File::create(&name)?;
    let mut peer =
        Peer::start(&["send".to_owned(), load.batch.to_string(), load.total.to_string()])?;
    let meter = Meter::start()?;
    peer.go()?;
    match path {
        Path::Inline => by_calls(&mut peer.stream, &file, load, 1)?,
        Path::Gathered => by_calls(&mut peer.stream, &file, load, GATHERED)?,
        Path::Ring => by_ring(&peer.stream, &file, load, 1)?,
        Path::RingGathered => by_ring(&peer.stream, &file, load, GATHERED)?,
    }
    let cost = meter.cost()?;
    // Writing back is part of the machine's price, not of the program's: so it is for brokers.
    file.sync_data()?;
    let machine_s = meter.machine_s()?;
    let (driver_s, _) = peer.end()?;
    std::fs::remove_file(&name)?;
    let more = format!(r#","batch_bytes":{}"#, load.batch);
    let total = load.total as u64;
    Ok(measure::line("produce", path.name(), total, &cost, machine_s - driver_s, &more))
}

fn by_calls(
    stream: &mut TcpStream,
    file: &File,
    load: &Load,
    gathered: usize,
) -> Result<(), Failed> {
    let mut buffer = vec![1; load.batch * gathered];
    let mut written = 0;
    while written < load.total {
        for batch in buffer.chunks_exact_mut(load.batch) {
            stream.read_exact(batch)?;
            check(batch)?;
        }
        file.write_all_at(&buffer, written as u64)?;
        written += buffer.len();
    }
    Ok(())
}

/// One receive at a time, in order; writes go on meanwhile.
fn by_ring(stream: &TcpStream, file: &File, load: &Load, gathered: usize) -> Result<(), Failed> {
    let mut ring = Ring::new(RING_SLOTS, load.batch)?;
    let batches = load.total / load.batch;
    let (mut asked, mut submitted, mut written) = (0, 0, 0);
    let mut receiving = false;
    let mut done = Vec::new();
    while written < batches {
        if !receiving && asked < batches && !ring.is_held(asked % RING_SLOTS) {
            ring.push_receive(asked % RING_SLOTS, stream);
            asked += 1;
            receiving = true;
        }
        ring.turn(&mut done)?;
        for event in done.drain(..) {
            match event {
                Done::Written { count } => written += count,
                Done::Received { slot } => {
                    receiving = false;
                    check(ring.slot(slot))?;
                    if (slot + 1) % gathered == 0 {
                        let first = slot + 1 - gathered;
                        ring.push_write(first, gathered, file, (submitted * load.batch) as u64);
                        submitted += gathered;
                    }
                }
            }
        }
    }
    Ok(())
}
