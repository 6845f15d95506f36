//! A connection without a client: for frames that no client would send, and for exact answers.
//!
//! Owns: the socket, frames, what comes back. Leaves to others: what the bytes say.
//! Start reading at: [`Raw::ask`] for good requests, [`Raw::send`] and [`Raw::react`] for others.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use logmill::base::Bytes;
use logmill::wire::Message;
use logmill::wire::protocol::{decode_response_header, frame_request};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const FRAME_BYTES_MAX: usize = 64 << 20;

/// A plain connection to a broker.
pub struct Raw {
    stream: TcpStream,
}

/// What a broker does about what it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// One frame, without its length.
    Answer(Vec<u8>),
    Closed,
    /// Nothing within the time given.
    Silence,
}

impl Raw {
    pub fn connect(port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).expect("it takes us");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream }
    }

    /// Sends bytes as they are; false when the broker has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends bytes with their length in front.
    pub fn send_frame(&mut self, frame: &[u8]) -> bool {
        let length = u32::try_from(frame.len()).expect("a small frame").to_be_bytes();
        self.send(&[&length, frame].concat())
    }

    /// Says that nothing more will be sent.
    pub fn end(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next thing that comes back.
    pub fn react(&mut self, within: Duration) -> Reaction {
        self.stream.set_read_timeout(Some(within)).expect("a socket option");
        let mut length = [0; 4];
        if let Err(reaction) = self.read(&mut length) {
            return reaction;
        }
        let length = u32::from_be_bytes(length) as usize;
        assert!(length <= FRAME_BYTES_MAX, "an answer of {length} bytes");
        let mut frame = vec![0; length];
        match self.read(&mut frame) {
            Ok(()) => Reaction::Answer(frame),
            Err(reaction) => reaction,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Reaction> {
        self.stream.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Reaction::Silence,
            _ => Reaction::Closed,
        })
    }

    /// Sends a request and reads its response of that version.
    #[track_caller]
    pub fn ask<Q: Message, R: Message>(&mut self, request: &Q, version: i16) -> R {
        let frame = frame_request(7, Some("raw"), request, version).expect("a good request");
        assert!(frame.iter().all(|slice| self.send(slice)), "the connection is closed");
        let answer = match self.react(ANSWER_WITHIN) {
            Reaction::Answer(answer) => answer,
            other => panic!("a good request of key {}: {other:?}", Q::KEY),
        };
        let answer = Bytes::from(answer);
        let read = decode_response_header(&answer, Q::KEY, version);
        let (header, mut body) = read.expect("a readable header");
        assert!(header.correlation_id == 7, "the answer is to this request");
        R::decode(&mut body, version).expect("a readable response")
    }
}
