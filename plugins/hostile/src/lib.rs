//! hostile, for tests: a partitioner that does everything it must not (setting `mode`).
//!
//! Modes: those of `modes.rs`; `short-answer`, `wrong-length`, `out-of-range` (malformed answers),
//! `fault` (refuses every row), `fault-liar` (names a row that is not there), `values` (reads
//! payloads), `greedy` (asks for its columns again and again); any other keeps every record.
//! With the setting `spare` batches of that topic are left alone: `spare = dry-run` behaves until
//! it is bound.

use logmill_sdk::{Fault, KEEP, Partitioner, Settings, export_partitioner, partitioner, rows};

mod modes;

struct Hostile {
    mode: String,
    spare: Option<String>,
}

impl Partitioner for Hostile {
    fn new(settings: &Settings) -> Result<Self, String> {
        let spare = settings.get("spare").map(str::to_owned);
        Ok(Self { mode: modes::start(settings)?, spare })
    }

    fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault> {
        let count = rows::count();
        if self.spare.as_ref().is_some_and(|topic| *topic == partitioner::topic()) {
            return Ok(vec![KEEP; count]);
        }
        modes::run(&self.mode);
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
