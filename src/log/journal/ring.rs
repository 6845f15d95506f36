//! Where blocks go: round and round behind the front of the file, never over live ones.
//!
//! Owns: positions. Invariant: between two blocks that follow each other lies nothing but the
//! end of the file; the head never reaches the tail from behind.
use crate::log::journal::format::{FRONT_BYTES, Point, Slot, UNIT_BYTES};

/// Positions of one journal file.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    file_bytes: u64,
    /// Where the next block goes, if it fits there.
    pub head: Point,
}

impl Slot {
    /// The front of a journal without blocks.
    pub fn begin(journal: u64, generation: u64, salt: u64, file_bytes: u64) -> Self {
        Self { journal, generation, salt, file_bytes, tail: Ring::begin(file_bytes).head }
    }
}

impl Ring {
    pub fn begin(file_bytes: u64) -> Self {
        Self { file_bytes, head: Point { at: FRONT_BYTES, sequence: 1, before: 0 } }
    }

    /// Where a block of `bytes` (whole units) goes; `None` until the tail moves.
    pub fn place(&self, bytes: u64, tail: u64) -> Option<u64> {
        assert!(bytes.is_multiple_of(UNIT_BYTES));
        let at = self.head.at;
        if at < tail {
            return (at + bytes < tail).then_some(at);
        }
        if at + bytes <= self.file_bytes {
            return Some(at);
        }
        (FRONT_BYTES + bytes < tail).then_some(FRONT_BYTES)
    }

    /// Notes a block of `bytes` at `at` with that checksum.
    pub fn advance(&mut self, at: u64, bytes: u64, crc: u32) {
        self.head = Point { at: at + bytes, sequence: self.head.sequence + 1, before: crc };
    }

    /// Bytes from the tail to the head.
    pub fn live_bytes(&self, tail: u64) -> u64 {
        if tail <= self.head.at {
            self.head.at - tail
        } else {
            (self.file_bytes - tail) + (self.head.at - FRONT_BYTES)
        }
    }

    /// Bytes for blocks.
    pub fn area_bytes(&self) -> u64 {
        self.file_bytes - FRONT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    const UNITS: u64 = 12;

    /// Blocks never lie over live ones, whatever sizes come and whenever the tail moves.
    #[test]
    fn a_block_never_lies_over_a_live_one() {
        let mut rng = Rng::new(4);
        let file_bytes = FRONT_BYTES + UNITS * UNIT_BYTES;
        let mut ring = Ring::begin(file_bytes);
        let mut tail = ring.head.at;
        let mut live: Vec<std::ops::Range<u64>> = Vec::new();
        let (mut placed, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let bytes = (1 + rng.below(4)) * UNIT_BYTES;
            match ring.place(bytes, tail) {
                Some(at) => {
                    let block = at..at + bytes;
                    assert!(FRONT_BYTES <= at && block.end <= file_bytes);
                    assert!(live.iter().all(|l| l.end <= block.start || block.end <= l.start));
                    ring.advance(at, bytes, 0);
                    live.push(block);
                    placed += 1;
                }
                None => {
                    assert!(!live.is_empty(), "an empty journal takes any block");
                    refused += 1;
                }
            }
            if rng.chance(200) {
                // A checkpoint of everything, or of all but the newest.
                let keep = rng.below(2).min(live.len() as u64) as usize;
                let kept = live.split_off(live.len() - keep);
                tail = kept.first().map_or(ring.head.at, |block| block.start);
                live = kept;
            }
            assert!(live.iter().map(|l| l.end - l.start).sum::<u64>() <= ring.live_bytes(tail));
        }
        assert!(1_000 < placed && 1_000 < refused);
    }
}
