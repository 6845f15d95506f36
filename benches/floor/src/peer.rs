//! The other end of a socket: a process of its own, so that its CPU can be taken off.
//!
//! Owns: start of that process, what it sends, takes or asks, its CPU time.
//! Invariant: nothing is counted before the measured side has said "go" with one byte.
//! Start reading at: [`Peer`].
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Failed, echo, kernel, measure, produce};

const CHUNK_BYTES: usize = 1 << 20;

/// A started peer, connected and waiting.
pub struct Peer {
    child: Child,
    pub stream: TcpStream,
}

impl Peer {
    /// `words` choose what it does, see [`run`].
    pub fn start(words: &[String]) -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let child = Command::new(std::env::current_exe()?)
            .arg("peer")
            .arg(listener.local_addr()?.port().to_string())
            .args(words)
            .stdout(Stdio::piped())
            .spawn()?;
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(Self { child, stream })
    }

    pub fn go(&mut self) -> Result<(), Failed> {
        Ok(self.stream.write_all(&[1])?)
    }

    /// Waits for its end; returns its CPU seconds and whatever it adds to the JSON line.
    pub fn end(self) -> Result<(f64, String), Failed> {
        let output = self.child.wait_with_output()?;
        let said = String::from_utf8(output.stdout)?;
        let (cpu_s, more) = said.trim_end_matches('\n').split_once(' ').ok_or("the peer failed")?;
        Ok((cpu_s.parse()?, more.to_owned()))
    }
}

/// What the child does; returns `CPU-seconds MORE`.
pub fn run(words: &[&str]) -> Result<String, Failed> {
    let [port, what, words @ ..] = words else { return Err("a peer needs a port".into()) };
    // Sleeps of a fixed rate end when they should, not 50 µs later.
    std::fs::write("/proc/self/timerslack_ns", "1")?;
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse()?))?;
    stream.set_nodelay(true)?;
    match (*what, words) {
        ("send", [batch, total]) => {
            let payload = produce::payload(batch.parse()?, CHUNK_BYTES);
            measured(&mut stream, |stream| send(stream, &payload, total.parse()?))
        }
        ("take", [total]) => {
            let mut buffer = vec![0; CHUNK_BYTES];
            measured(&mut stream, |stream| take(stream, &mut buffer, total.parse()?))
        }
        ("ask", [seconds]) => measured(&mut stream, |stream| ask(stream, seconds.parse()?)),
        _ => Err(format!("no peer does {what:?}").into()),
    }
}

fn measured(
    stream: &mut TcpStream,
    work: impl FnOnce(&mut TcpStream) -> Result<String, Failed>,
) -> Result<String, Failed> {
    stream.read_exact(&mut [0])?;
    let before = kernel::process_cpu()?;
    let more = work(stream)?;
    let cpu_s = (kernel::process_cpu()? - before).as_secs_f64();
    Ok(format!("{cpu_s:.6} {more}"))
}

fn send(stream: &mut TcpStream, payload: &[u8], total: usize) -> Result<String, Failed> {
    let mut left = total;
    while 0 < left {
        let count = left.min(payload.len());
        stream.write_all(&payload[..count])?;
        left -= count;
    }
    Ok(String::new())
}

/// Takes `total` bytes and says so with one byte.
fn take(stream: &mut TcpStream, buffer: &mut [u8], total: usize) -> Result<String, Failed> {
    let mut left = total;
    while 0 < left {
        let count = stream.read(buffer)?;
        if count == 0 {
            return Err("the sender hung up".into());
        }
        left -= count;
    }
    stream.write_all(&[1])?;
    Ok(String::new())
}

/// Asks at a fixed rate; a late answer delays the next question, and that one's delay counts too.
fn ask(stream: &mut TcpStream, seconds: u32) -> Result<String, Failed> {
    let count = echo::RATE * seconds;
    let interval = Duration::from_secs(1) / echo::RATE;
    let mut frame = [7; echo::FRAME_BYTES];
    let mut took = Vec::with_capacity(count as usize);
    let begin = Instant::now();
    for index in 0..count {
        let due = begin + interval * index;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&frame)?;
        stream.read_exact(&mut frame)?;
        took.push(due.elapsed());
    }
    measure::percentiles(&mut took)
}
