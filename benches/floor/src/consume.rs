//! Consume: cached bytes over loopback, 1 MiB at a time.
//!
//! Owns: the three paths. The peer throws the bytes away.
//! Start reading at: [`run`].
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::Path as FilePath;

use crate::measure::{self, Meter};
use crate::peer::Peer;
use crate::{Failed, kernel};

const CHUNK_BYTES: usize = 1 << 20;
/// What `memory` sends from: more than the caches of a core hold.
const MEMORY_BYTES: usize = 64 << 20;

/// Where the bytes come from.
#[derive(Clone, Copy)]
pub enum Path {
    Memory,
    Pread,
    Sendfile,
}

impl Path {
    pub fn parse(word: &str) -> Result<Self, Failed> {
        Ok(match word {
            "memory" => Self::Memory,
            "pread" => Self::Pread,
            "sendfile" => Self::Sendfile,
            _ => return Err(format!("consume knows no path {word:?}").into()),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pread => "pread",
            Self::Sendfile => "sendfile",
        }
    }
}

pub fn run(path: Path, mib: usize, dir: &FilePath) -> Result<String, Failed> {
    let total = mib << 20;
    let name = dir.join("consume");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&name)?;
    let chunk = vec![0x5a; CHUNK_BYTES];
    for index in 0..mib {
        file.write_all_at(&chunk, (index * CHUNK_BYTES) as u64)?;
    }
    // Clean pages: nothing is written back while we count.
    file.sync_data()?;
    let memory = match path {
        Path::Memory => vec![0x5a; MEMORY_BYTES],
        Path::Pread | Path::Sendfile => Vec::new(),
    };
    let mut peer = Peer::start(&["take".to_owned(), total.to_string()])?;
    let meter = Meter::start()?;
    peer.go()?;
    match path {
        Path::Memory => from_memory(&mut peer.stream, &memory, total)?,
        Path::Pread => by_pread(&mut peer.stream, &file, total)?,
        Path::Sendfile => by_sendfile(&peer.stream, &file, total)?,
    }
    peer.stream.read_exact(&mut [0])?;
    let cost = meter.cost()?;
    let machine_s = meter.machine_s()?;
    let (driver_s, _) = peer.end()?;
    std::fs::remove_file(&name)?;
    Ok(measure::line("consume", path.name(), total as u64, &cost, machine_s - driver_s, ""))
}

fn from_memory(stream: &mut TcpStream, memory: &[u8], total: usize) -> Result<(), Failed> {
    for index in 0..total / CHUNK_BYTES {
        stream.write_all(&memory[index * CHUNK_BYTES % memory.len()..][..CHUNK_BYTES])?;
    }
    Ok(())
}

fn by_pread(stream: &mut TcpStream, file: &File, total: usize) -> Result<(), Failed> {
    let mut buffer = vec![1; CHUNK_BYTES];
    for index in 0..total / CHUNK_BYTES {
        file.read_exact_at(&mut buffer, (index * CHUNK_BYTES) as u64)?;
        stream.write_all(&buffer)?;
    }
    Ok(())
}

fn by_sendfile(stream: &TcpStream, file: &File, total: usize) -> Result<(), Failed> {
    let mut sent = 0;
    while sent < total {
        let count = CHUNK_BYTES.min(total - sent);
        match kernel::sendfile(stream, file, sent as u64, count)? {
            0 => return Err("the file ended early".into()),
            count => sent += count,
        }
    }
    Ok(())
}
