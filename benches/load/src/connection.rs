//! One connection to the broker: whole frames out and in.
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Failed;
use crate::wire::Request;

/// Nothing that a broker does takes longer; a run that waits so long has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
const FRAME_BYTES_MAX: usize = 1 << 30;
const AGAIN_EVERY: Duration = Duration::from_millis(1);

pub struct Connection {
    stream: TcpStream,
    frame: Vec<u8>,
}

impl Connection {
    pub fn open(port: u16) -> Result<Self, Failed> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { stream, frame: Vec::new() })
    }

    /// Waits for a broker that is still starting.
    pub fn open_within(port: u16, limit: Duration) -> Result<Self, Failed> {
        let begin = Instant::now();
        loop {
            match Self::open(port) {
                Ok(connection) => return Ok(connection),
                Err(error) if limit < begin.elapsed() => return Err(error),
                Err(_) => std::thread::sleep(AGAIN_EVERY),
            }
        }
    }

    /// The same socket for another thread.
    pub fn twin(&self) -> Result<Self, Failed> {
        Ok(Self { stream: self.stream.try_clone()?, frame: Vec::new() })
    }

    pub fn send(&mut self, request: &mut Request) -> Result<(), Failed> {
        Ok(self.stream.write_all(request.finish())?)
    }

    /// The next answer without its length.
    pub fn receive(&mut self) -> Result<&[u8], Failed> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Failed::from("the broker closed the connection"),
            ErrorKind::WouldBlock => {
                format!("no answer within {} s", ANSWER_WITHIN.as_secs()).into()
            }
            _ => error.into(),
        })?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        if FRAME_BYTES_MAX < length {
            return Err(format!("an answer of {length} bytes is too long").into());
        }
        if self.frame.len() < length {
            self.frame.resize(length, 0);
        }
        let frame = &mut self.frame[..length];
        self.stream.read_exact(frame)?;
        Ok(frame)
    }

    pub fn call(&mut self, request: &mut Request) -> Result<&[u8], Failed> {
        self.send(request)?;
        self.receive()
    }
}
