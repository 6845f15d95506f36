//! murmur2: Java's default partitioner for the clients of all languages.
//!
//! Records without a key stay where their client put them.

use logmill_sdk::hash::murmur2;
use logmill_sdk::{Fault, KEEP, Partitioner, Settings, export_partitioner, partitioner};

struct Murmur2;

impl Partitioner for Murmur2 {
    fn new(settings: &Settings) -> Result<Self, String> {
        settings.only(&[])?;
        Ok(Self)
    }

    fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault> {
        partitioner::by_key(partitions, |key| {
            Ok(key.map_or(KEEP, |key| (murmur2(key) & 0x7fff_ffff) % partitions))
        })
    }
}

export_partitioner!(Murmur2);
