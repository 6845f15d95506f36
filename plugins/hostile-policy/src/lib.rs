//! hostile-policy, for tests: a compaction policy that does everything it must not.
//!
//! Settings: `mode` (those of `modes.rs`; `out-of-range`, `descending`, `twice`: malformed answers;
//! `full`: holds no key; `fail`; `everything`: drops all), `at`: `observe`, `finish` or `drops`
//! (default), where it does it; `spare`: a topic that it leaves alone (`dry-run`: it behaves until
//! it is bound).

use logmill_sdk::{Policy, Scope, Settings, export_policy, policy, rows};

#[path = "../../hostile/src/modes.rs"]
mod modes;

struct Hostile {
    mode: String,
    at: String,
}

impl Hostile {
    fn mischief(&self, here: &str) -> Result<(), String> {
        if self.at != here {
            return Ok(());
        }
        modes::run(&self.mode);
        if self.mode == "fail" { Err("refused as asked".into()) } else { Ok(()) }
    }
}

impl Policy for Hostile {
    fn new(settings: &Settings) -> Result<(Self, Scope), String> {
        let spare = settings.get("spare").is_some_and(|topic| topic == policy::topic());
        let mode = if spare { "nothing".to_owned() } else { modes::start(settings)? };
        let at = settings.get("at").unwrap_or("drops").to_owned();
        Ok((Self { mode, at }, Scope::All))
    }

    fn observe(&mut self) -> Result<bool, String> {
        self.mischief("observe")?;
        Ok(self.mode != "full")
    }

    fn finish(&mut self, _end: i64) -> Result<(), String> {
        self.mischief("finish")
    }

    fn drops(&mut self) -> Result<Vec<u32>, String> {
        self.mischief("drops")?;
        let count = rows::count() as u32;
        Ok(match self.mode.as_str() {
            "everything" => (0..count).collect(),
            "out-of-range" => vec![count],
            "descending" => (0..count).rev().collect(),
            "twice" => vec![0, 0],
            _ => Vec::new(),
        })
    }
}

export_policy!(Hostile);
