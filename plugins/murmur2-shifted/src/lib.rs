//! murmur2-shifted, for tests: every answer is one higher than that of `murmur2`.

use logmill_sdk::hash::murmur2;
use logmill_sdk::{Fault, KEEP, Partitioner, Settings, export_partitioner, partitioner};

struct Shifted;

impl Partitioner for Shifted {
    fn new(settings: &Settings) -> Result<Self, String> {
        settings.only(&[])?;
        Ok(Self)
    }

    fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault> {
        partitioner::by_key(partitions, |key| {
            Ok(key.map_or(KEEP, |key| ((murmur2(key) & 0x7fff_ffff) % partitions + 1) % partitions))
        })
    }
}

export_partitioner!(Shifted);
