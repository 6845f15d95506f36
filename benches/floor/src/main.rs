//! What this machine gives at most: bare programs, each the least work that a broker cannot avoid.
//!
//! Owns: the command line, one JSON line per run.
//! Leaves to others: rounds, order, tables (`benches/floor.py`).
//! Invariant: frozen. A change to what a program does makes old figures incomparable: add another.
//! Start reading at: [`run`]; what each program does is said in its module.
mod consume;
mod durable;
mod echo;
mod kernel;
mod measure;
mod peer;
mod produce;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage:
  floor produce inline|ring|gathered|ring-gathered BATCH_BYTES TOTAL_MIB DIR
  floor consume memory|pread|sendfile TOTAL_MIB DIR
  floor durable append|direct WRITES DIR
  floor echo SECONDS";

/// Why a program gave no figure; the text is for a person.
pub type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<String, Failed> {
    match words {
        ["produce", path, batch, mib, dir] => {
            let load = produce::Load::new(batch.parse()?, mib.parse()?)?;
            produce::run(produce::Path::parse(path)?, &load, Path::new(dir))
        }
        ["consume", path, mib, dir] => {
            consume::run(consume::Path::parse(path)?, mib.parse()?, Path::new(dir))
        }
        ["durable", path, writes, dir] => {
            durable::run(durable::Path::parse(path)?, writes.parse()?, Path::new(dir))
        }
        ["echo", seconds] => echo::run(seconds.parse()?),
        ["peer", words @ ..] => peer::run(words),
        _ => Err(USAGE.into()),
    }
}
