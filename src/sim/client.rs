//! A Kafka client for tests: exact frames on one connection, answers in the order of requests.
//!
//! Owns: framing, correlation ids, a limit for every wait. Leaves to others: retries, meaning.
//! Invariant: an answer is decoded to its last byte in the version of its request.
//! Start reading at: [`KafkaClient::send`] and [`KafkaClient::receive`], or [`KafkaClient::ask`].
use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};

use crate::base::Bytes;
use crate::env::{Env, IoError, Socket};
use crate::wire::protocol::{decode_response_header, frame_request};
use crate::wire::{Message, WireError};

/// A wait of this simulated time means that the node hangs.
const WAIT_MS_MAX: u64 = 60_000;

/// Why a client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("connection: {0:?}")]
    Io(IoError),
    /// The other end closed in order, perhaps inside an answer.
    #[error("connection ended")]
    Ended,
    #[error("answer cannot be read: {0}")]
    Wire(#[from] WireError),
    #[error("answer to request {found}, expected to {expected}")]
    Order { expected: i32, found: i32 },
    #[error("no answer for {WAIT_MS_MAX} ms")]
    Slow,
}

impl From<IoError> for ClientError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl ClientError {
    /// The connection broke, which is nobody's fault.
    pub fn is_disconnect(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Ended)
    }
}

struct Expected {
    correlation_id: i32,
    key: i16,
    version: i16,
}

pub struct KafkaClient {
    env: Env,
    socket: Socket,
    carry: BytesMut,
    client_id: String,
    correlation_next: i32,
    expected: VecDeque<Expected>,
}

impl KafkaClient {
    pub async fn connect(env: &Env, to: SocketAddr, client_id: &str) -> Result<Self, IoError> {
        let socket = env.connect(to).await?;
        Ok(Self {
            env: env.clone(),
            socket,
            carry: BytesMut::new(),
            client_id: client_id.to_owned(),
            correlation_next: 0,
            expected: VecDeque::new(),
        })
    }

    /// Sends one request and expects an answer to it.
    pub async fn send<M: Message>(&mut self, request: &M, version: i16) -> Result<(), ClientError> {
        let correlation_id = self.correlation_next;
        self.expected.push_back(Expected { correlation_id, key: M::KEY, version });
        self.send_only(request, version).await
    }

    /// Sends a request that has no answer: a Produce with acks=0.
    pub async fn send_only<M: Message>(
        &mut self,
        request: &M,
        version: i16,
    ) -> Result<(), ClientError> {
        let correlation_id = self.correlation_next;
        self.correlation_next += 1;
        let frame = frame_request(correlation_id, Some(&self.client_id), request, version)?;
        self.send_bytes(frame).await
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: Vec<Bytes>) -> Result<(), ClientError> {
        let at = self.env.now().plus_ms(WAIT_MS_MAX);
        let sent = self.env.until(at, self.env.send_all(&self.socket, bytes)).await;
        Ok(sent.ok_or(ClientError::Slow)??)
    }

    /// Nothing more will be sent.
    pub async fn end(&mut self) -> Result<(), ClientError> {
        Ok(self.env.shutdown_send(&self.socket).await?)
    }

    /// The answer to the oldest request that has none.
    pub async fn receive<M: Message>(&mut self) -> Result<M, ClientError> {
        let frame = self.receive_frame().await?;
        let expected = self.expected.pop_front().expect("a request was sent");
        let Expected { correlation_id, key, version } = expected;
        let (header, mut reader) = decode_response_header(&frame, key, version)?;
        if header.correlation_id != correlation_id {
            let found = header.correlation_id;
            return Err(ClientError::Order { expected: correlation_id, found });
        }
        let answer = M::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(answer)
    }

    /// One frame without its length.
    pub async fn receive_frame(&mut self) -> Result<Bytes, ClientError> {
        let at = self.env.now().plus_ms(WAIT_MS_MAX);
        let env = self.env.clone();
        env.until(at, self.next_frame()).await.unwrap_or(Err(ClientError::Slow))
    }

    async fn next_frame(&mut self) -> Result<Bytes, ClientError> {
        loop {
            if let Some(header) = self.carry.first_chunk::<4>() {
                let bytes = i32::from_be_bytes(*header) as usize;
                if 4 + bytes <= self.carry.len() {
                    self.carry.advance(4);
                    return Ok(self.carry.split_to(bytes).freeze());
                }
            }
            let chunk = self.env.receive_chunk(&self.socket).await?;
            self.carry.extend_from_slice(&chunk.ok_or(ClientError::Ended)?);
        }
    }

    /// One request and its answer.
    pub async fn ask<Q: Message, A: Message>(
        &mut self,
        request: &Q,
        version: i16,
    ) -> Result<A, ClientError> {
        self.send(request, version).await?;
        self.receive().await
    }
}
