//! Request bodies, read up to a cap.
//!
//! Owns: the cap, the deadline, and throwing away what follows a refusal.
//! Leaves to others: what the bytes mean (`routes`).
//! Invariant: never more than the cap is held; a refused sender is still read for a bounded while,
//! because closing on unread bytes resets the connection and takes the answer with it.
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};

use crate::base::Bytes;

/// Most that is read and thrown away after a refusal.
const DRAIN_BYTES_MAX: usize = 64 << 20;
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    TooLarge,
    Broken,
    Late,
}

/// Reads the whole body, at most `limit` bytes, within `wait`.
pub(super) async fn read(mut body: Body, limit: usize, wait: Duration) -> Result<Bytes, BodyFault> {
    let arrived = tokio::time::timeout(wait, read_within(&mut body, limit)).await;
    let arrived = arrived.unwrap_or(Err(BodyFault::Late));
    if arrived == Err(BodyFault::TooLarge) {
        drain(body).await;
    }
    arrived
}

async fn read_within(body: &mut Body, limit: usize) -> Result<Bytes, BodyFault> {
    let mut whole = Vec::new();
    while let Some(chunk) = next_chunk(body).await {
        let chunk = chunk.map_err(|_| BodyFault::Broken)?;
        if limit < whole.len() + chunk.len() {
            return Err(BodyFault::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

/// Reads and forgets, for a bounded while.
pub(super) async fn drain(mut body: Body) {
    let rest = async {
        let mut seen = 0;
        while seen < DRAIN_BYTES_MAX {
            match next_chunk(&mut body).await {
                Some(Ok(chunk)) => seen += chunk.len(),
                _ => break,
            }
        }
    };
    // Whatever is left after that time is the sender's loss.
    let _ = tokio::time::timeout(DRAIN_WAIT_MAX, rest).await;
}

/// The next piece of data; trailers are skipped.
async fn next_chunk(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_trailers)) => (),
            Err(error) => return Some(Err(error)),
        }
    }
}
