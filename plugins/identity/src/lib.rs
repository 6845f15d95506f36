//! identity: agrees with every client; shows what the plugin path itself costs.

use logmill_sdk::{Fault, KEEP, Partitioner, Settings, export_partitioner, rows};

struct Identity;

impl Partitioner for Identity {
    fn new(settings: &Settings) -> Result<Self, String> {
        settings.only(&[])?;
        Ok(Self)
    }

    fn partition(&mut self, _partitions: u32) -> Result<Vec<u32>, Fault> {
        Ok(vec![KEEP; rows::count()])
    }
}

export_partitioner!(Identity);
