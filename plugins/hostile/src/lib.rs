//! hostile, for tests: a partitioner that does everything it must not (setting `mode`).
//!
//! Modes: those of `modes.rs`; `short-answer`, `wrong-length`, `out-of-range` (malformed answers),
//! `fault` (refuses every row), `fault-liar` (names a row that is not there), `values` (reads
//! payloads), `greedy` (asks for its columns again and again); any other keeps every record.

use logmill_sdk::{Fault, KEEP, Partitioner, Settings, export_partitioner, rows};

mod modes;

struct Hostile {
    mode: String,
}

impl Partitioner for Hostile {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self { mode: modes::start(settings)? })
    }

    fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault> {
        modes::run(&self.mode);
        let count = rows::count();
        match self.mode.as_str() {
            "short-answer" => Ok(vec![KEEP; count - 1]),
            "wrong-length" => Ok(vec![KEEP; count + 1]),
            "out-of-range" => Ok(vec![partitions; count]),
            "fault" => Err(Fault {
                message: "nothing belongs anywhere".into(),
                rows: (0..count as u32).collect(),
            }),
            "fault-liar" => Err(Fault { message: "no such row".into(), rows: vec![count as u32] }),
            "values" => Ok(vec![rows::values().iter().flatten().count() as u32; count]),
            "greedy" => loop {
                rows::keys();
            },
            _ => Ok(vec![KEEP; count]),
        }
    }
}

export_partitioner!(Hostile);
