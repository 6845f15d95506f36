//! TCP echo: 1 KiB there and back over loopback at a fixed rate, the least latency of any broker.
//!
//! Owns: the answering side. The asking one is [`crate::peer`].
//! Start reading at: [`run`].
use std::io::{Read as _, Write as _};

use crate::Failed;
use crate::measure::{self, Meter};
use crate::peer::Peer;

/// Questions a second: the rate of the latency tables.
pub const RATE: u32 = 5_000;
pub const FRAME_BYTES: usize = 1024;

pub fn run(seconds: u32) -> Result<String, Failed> {
    let mut peer = Peer::start(&["ask".to_owned(), seconds.to_string()])?;
    let meter = Meter::start()?;
    peer.go()?;
    let mut frame = [0; FRAME_BYTES];
    let mut bytes = 0;
    while peer.stream.read_exact(&mut frame).is_ok() {
        peer.stream.write_all(&frame)?;
        bytes += FRAME_BYTES as u64;
    }
    let cost = meter.cost()?;
    let machine_s = meter.machine_s()?;
    let (driver_s, more) = peer.end()?;
    Ok(measure::line("echo", "echo", bytes, &cost, machine_s - driver_s, &more))
}
