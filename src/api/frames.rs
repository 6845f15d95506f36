//! Frames out of a socket: small ones that fit a receive chunk as slices of a copy of it, so that
//! one turn takes all that a client has in flight; larger ones into their own buffer.
//!
//! Owns: the length prefix and its bound, the choice between multishot and exact receives. A
//! connection starts with multishot; a large frame ends that, for canceling costs more than asking
//! each time, and a run of small chunks brings it back.
//! Invariant: `carry` holds the bytes behind the frames of `ready`.
//! Source: Kafka protocol guide, "Request and response format".
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Buf as _;

use crate::api::{PACE_BYTES, PACE_MS};
use crate::base::Bytes;
use crate::env::net::{Receiving, Socket};
use crate::env::pool::Chunk;
use crate::env::{Env, IoError};
use crate::shard::budget::{Budget, Permit};

const HEADER_BYTES: usize = 4;
/// Frames from this on get a buffer of their own, so that a batch that is kept keeps no other one.
const OWN_BYTES_MIN: usize = 4 * 1024;
/// Frames above this are received into their buffer; as much as a receive chunk holds.
const EXACT_ABOVE_BYTES: usize = 64 * 1024;
/// Frames above this are charged to the budget.
const FREE_BYTES_MAX: usize = 16 * 1024;
/// Chunks without a large frame after which multishot is worth its cancel again.
const SMALL_CHUNKS_MIN: u32 = 16;

/// Why no further frame can be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("connection failed: {0:?}")]
    Io(IoError),
    #[error("request of {bytes} bytes, socket.request.max.bytes is {max}")]
    Length { bytes: i32, max: usize },
    #[error("connection ended inside a request")]
    Truncated,
    #[error("less than {bytes} bytes of a request came in {ms} ms")]
    Slow { bytes: usize, ms: u64 },
}

impl From<IoError> for FrameError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

pub struct FrameReader {
    env: Env,
    socket: Socket,
    stream: Option<Receiving>,
    unread: Unread,
    frame_bytes_max: usize,
    small_chunks: u32,
    budget: Rc<Budget>,
}

/// One request without its length. A large one holds its part of the budget.
pub struct Frame {
    pub bytes: Bytes,
    /// What whoever keeps a part of it keeps in memory.
    pub memory_bytes: usize,
    pub permit: Option<Permit>,
}

/// What was received and not yet read.
#[derive(Default)]
pub struct Unread {
    /// Whole frames of the last chunk.
    ready: VecDeque<Vec<u8>>,
    carry: Bytes,
    /// Of the memory that `carry` is a part of.
    carry_memory_bytes: usize,
}

impl FrameReader {
    /// Begins behind what an earlier reader left.
    pub fn new(
        env: Env,
        socket: Socket,
        unread: Unread,
        frame_bytes_max: usize,
        budget: Rc<Budget>,
    ) -> Self {
        let stream = Some(env.receive_many(&socket));
        Self { env, socket, stream, unread, frame_bytes_max, small_chunks: 0, budget }
    }

    /// Stops receiving and lets go of the socket.
    pub async fn into_unread(mut self) -> Result<Unread, FrameError> {
        if let Some(mut stream) = self.stream.take() {
            stream.pause();
            while let Some(chunk) = stream.next().await.transpose()? {
                self.take_in(&chunk);
            }
        }
        Ok(self.unread)
    }

    /// The next frame; `None` when the peer ended between two frames.
    ///
    /// Nothing is allocated for a frame whose length is out of bounds.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(buf) = self.unread.ready.pop_front() {
                let permit = self.admit(buf.len()).await;
                return Ok(Some(self.own(buf, permit)));
            }
            if let Some(frame_bytes) = self.frame_bytes(&self.unread.carry)? {
                if HEADER_BYTES + frame_bytes <= self.unread.carry.len() {
                    return Ok(Some(self.whole(frame_bytes).await));
                }
                let frame = match frame_bytes <= EXACT_ABOVE_BYTES {
                    true => self.middle(frame_bytes).await,
                    false => self.large(frame_bytes).await,
                };
                return frame.map(Some);
            }
            let Some(chunk) = self.chunk().await? else {
                return match self.unread.carry.is_empty() {
                    true => Ok(None),
                    false => Err(FrameError::Truncated),
                };
            };
            self.take_in(&chunk);
        }
    }

    async fn chunk(&mut self) -> Result<Option<Chunk>, FrameError> {
        let chunk = match &mut self.stream {
            Some(stream) => stream.next().await.transpose()?,
            None => self.env.receive_chunk(&self.socket).await?,
        };
        self.small_chunks = self.small_chunks.saturating_add(1);
        if self.stream.is_none() && SMALL_CHUNKS_MIN < self.small_chunks {
            self.stream = Some(self.env.receive_many(&self.socket));
        }
        Ok(chunk)
    }

    /// A frame that is there already.
    async fn whole(&mut self, frame_bytes: usize) -> Frame {
        self.unread.carry.advance(HEADER_BYTES);
        let bytes = self.unread.carry.split_to(frame_bytes);
        let memory_bytes = self.unread.carry_memory_bytes;
        Frame { bytes, memory_bytes, permit: self.admit(frame_bytes).await }
    }

    /// Until a frame is admitted, this socket is not read.
    async fn admit(&self, frame_bytes: usize) -> Option<Permit> {
        match FREE_BYTES_MAX < frame_bytes {
            true => Some(self.budget.take(frame_bytes).await),
            false => None,
        }
    }

    /// A frame of which a part is there.
    async fn middle(&mut self, frame_bytes: usize) -> Result<Frame, FrameError> {
        let permit = self.admit(frame_bytes).await;
        let buf = match &permit {
            Some(_) => {
                let env = self.env.clone();
                let at = env.now().plus_ms(PACE_MS);
                let slow = FrameError::Slow { bytes: frame_bytes, ms: PACE_MS };
                env.until(at, self.fill(frame_bytes)).await.ok_or(slow)??
            }
            None => self.fill(frame_bytes).await?,
        };
        Ok(self.own(buf, permit))
    }

    /// A frame in a buffer of its own.
    fn own(&self, buf: Vec<u8>, permit: Option<Permit>) -> Frame {
        Frame { memory_bytes: buf.capacity(), bytes: self.env.freeze(buf), permit }
    }

    async fn fill(&mut self, frame_bytes: usize) -> Result<Vec<u8>, FrameError> {
        let mut buf = self.begin(frame_bytes);
        while buf.len() < frame_bytes {
            let chunk = self.chunk().await?.ok_or(FrameError::Truncated)?;
            self.take_part(&mut buf, &chunk, frame_bytes);
        }
        Ok(buf)
    }

    /// What is there of a frame, in a buffer that can hold all of it.
    fn begin(&mut self, frame_bytes: usize) -> Vec<u8> {
        self.unread.carry.advance(HEADER_BYTES);
        let mut buf = self.env.frame_buf(frame_bytes);
        buf.extend_from_slice(&std::mem::take(&mut self.unread.carry));
        buf
    }

    /// Takes what a chunk has of a frame; the rest of the chunk is unread.
    fn take_part(&mut self, buf: &mut Vec<u8>, chunk: &[u8], frame_bytes: usize) {
        let (ours, behind) = chunk.split_at((frame_bytes - buf.len()).min(chunk.len()));
        buf.extend_from_slice(ours);
        self.take_in(behind);
    }

    /// Copies a chunk behind what is left, so that a frame that is kept keeps no chunk of the ring.
    fn take_in(&mut self, mut chunk: &[u8]) {
        while self.unread.carry.is_empty()
            && let Ok(Some(frame_bytes)) = self.frame_bytes(chunk)
            && OWN_BYTES_MIN <= frame_bytes
            && let Some((frame, behind)) = chunk[HEADER_BYTES..].split_at_checked(frame_bytes)
        {
            let mut buf = self.env.frame_buf(frame_bytes);
            buf.extend_from_slice(frame);
            self.unread.ready.push_back(buf);
            chunk = behind;
        }
        if chunk.is_empty() {
            return;
        }
        let mut buf = self.env.frame_buf(self.unread.carry.len() + chunk.len());
        buf.extend_from_slice(&self.unread.carry);
        buf.extend_from_slice(chunk);
        self.unread.carry_memory_bytes = buf.capacity();
        self.unread.carry = self.env.freeze(buf);
    }

    /// The length of the frame that starts with `bytes`; `None` before all of it is there.
    fn frame_bytes(&self, bytes: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let bytes = i32::from_be_bytes(*header);
        let max = self.frame_bytes_max;
        match usize::try_from(bytes) {
            Ok(frame_bytes) if frame_bytes <= max => Ok(Some(frame_bytes)),
            _ => Err(FrameError::Length { bytes, max }),
        }
    }

    async fn large(&mut self, frame_bytes: usize) -> Result<Frame, FrameError> {
        // Admitted before it is allocated; until then this socket is not read.
        let permit = self.budget.take(frame_bytes).await;
        self.small_chunks = 0;
        let mut buf = self.begin(frame_bytes);
        if let Some(mut stream) = self.stream.take() {
            // What the kernel received before the cancel reached it comes out first.
            stream.pause();
            while let Some(chunk) = stream.next().await.transpose()? {
                self.take_part(&mut buf, &chunk, frame_bytes);
            }
        }
        while buf.len() < frame_bytes {
            buf = self.receive(buf, frame_bytes).await?;
        }
        Ok(self.own(buf, Some(permit)))
    }

    /// The next part of a large frame: who holds a part of the budget has to make progress.
    async fn receive(&self, buf: Vec<u8>, frame_bytes: usize) -> Result<Vec<u8>, FrameError> {
        let want = frame_bytes.min(buf.len().saturating_add(PACE_BYTES));
        let at = self.env.now().plus_ms(PACE_MS);
        match self.env.until(at, self.env.receive_exact(&self.socket, buf, want)).await {
            Some(Ok(buf)) => Ok(buf),
            Some(Err(IoError::Truncated)) => Err(FrameError::Truncated),
            Some(Err(error)) => Err(FrameError::Io(error)),
            None => Err(FrameError::Slow { bytes: PACE_BYTES, ms: PACE_MS }),
        }
    }
}
