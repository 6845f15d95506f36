//! One durable write of 16 KiB after another: what nobody who syncs can beat.
//!
//! Owns: the two ways of making bytes survive power.
//! Start reading at: [`run`].
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use crate::Failed;
use crate::measure::{self, Meter};

const WRITE_BYTES: usize = 16 << 10;
/// The zero-filled file; when it is full, its begin is written again.
const DIRECT_FILE_BYTES: usize = 64 << 20;
/// What O_DIRECT asks of addresses on every disk that we know.
const ALIGNMENT: usize = 4096;

#[derive(Clone, Copy)]
pub enum Path {
    /// Append to a growing file, then fdatasync.
    Append,
    /// O_DIRECT and O_DSYNC into a file that was filled with zeros.
    Direct,
}

impl Path {
    pub fn parse(word: &str) -> Result<Self, Failed> {
        Ok(match word {
            "append" => Self::Append,
            "direct" => Self::Direct,
            _ => return Err(format!("durable knows no path {word:?}").into()),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Direct => "direct",
        }
    }
}

pub fn run(path: Path, writes: usize, dir: &FilePath) -> Result<String, Failed> {
    let name = dir.join("durable");
    let file = match path {
        Path::Append => File::create(&name)?,
        Path::Direct => zero_filled(&name)?,
    };
    let memory = vec![0xa5; WRITE_BYTES + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    let block = &memory[start..start + WRITE_BYTES];
    let mut took: Vec<Duration> = Vec::with_capacity(writes);
    let meter = Meter::start()?;
    for index in 0..writes {
        let begin = Instant::now();
        match path {
            Path::Append => {
                file.write_all_at(block, (index * WRITE_BYTES) as u64)?;
                file.sync_data()?;
            }
            Path::Direct => {
                file.write_all_at(block, (index * WRITE_BYTES % DIRECT_FILE_BYTES) as u64)?;
            }
        }
        took.push(begin.elapsed());
    }
    let cost = meter.cost()?;
    let machine_s = meter.machine_s()?;
    std::fs::remove_file(&name)?;
    let more = measure::percentiles(&mut took)?;
    let bytes = (writes * WRITE_BYTES) as u64;
    Ok(measure::line("durable", path.name(), bytes, &cost, machine_s, &more))
}

fn zero_filled(name: &FilePath) -> Result<File, Failed> {
    let file = File::create(name)?;
    let zeros = vec![0; 1 << 20];
    for index in 0..DIRECT_FILE_BYTES / zeros.len() {
        file.write_all_at(&zeros, (index * zeros.len()) as u64)?;
    }
    file.sync_all()?;
    drop(file);
    let flags = libc::O_DIRECT | libc::O_DSYNC;
    File::options()
        .write(true)
        .custom_flags(flags)
        .open(name)
        .map_err(|error| format!("{} takes no direct writes: {error}", name.display()).into())
}
