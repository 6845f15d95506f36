//! The admin port: HTTP for operators, scrapers and the command line.
//!
//! Owns: routes, who may call them, limits on what comes in, the JSON of errors.
//! Leaves to others: every decision. A request becomes a [`crate::shard::desk::DeskRequest`],
//! shard 0 decides, the answer goes out as it came. Never touches a partition or a plugin itself.
//! Invariant: nothing that changes the broker is reached without the token; a name that resolves to
//! this machine only by somebody else's DNS reaches nothing at all.
//! Start reading at: [`serve`], then `guard.rs`.
use std::net::SocketAddr;
use std::sync::Arc;

use crate::observe::Metrics;

mod accept;
mod body;
mod desk_line;
#[cfg(test)]
mod docs;
mod guard;
mod routes;
mod table;
#[cfg(test)]
mod tests;
mod token;

pub use desk_line::{Desk, DeskCallback};
pub use token::{AdminToken, TOKEN_FILE, TokenError};

/// What the admin port needs from the broker.
#[derive(Clone)]
pub struct Admin {
    pub desk: Desk,
    pub metrics: Arc<Metrics>,
    pub token: AdminToken,
    /// Where the port listens; a `Host` header may name it.
    pub address: SocketAddr,
    pub limits: AdminLimits,
}

/// Bounds of the admin port.
#[derive(Clone, Copy, Debug)]
pub struct AdminLimits {
    /// Largest component.
    pub component_bytes_max: usize,
    /// Largest JSON body.
    pub json_bytes_max: usize,
    /// Uploads held in memory at once.
    pub uploads_max: usize,
    pub connections_max: usize,
    /// Time for a body to arrive.
    pub body_ms_max: u64,
    /// Time for shard 0 to answer an ordinary question.
    pub answer_ms_max: u64,
    /// Time for orders that compile, prepare shards or rewrite logs.
    pub work_ms_max: u64,
    /// Age at which a connection is closed whatever it does.
    pub connection_ms_max: u64,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            component_bytes_max: crate::shard::desk::COMPONENT_BYTES_MAX,
            json_bytes_max: 256 << 10,
            uploads_max: 2,
            connections_max: 64,
            body_ms_max: 60_000,
            answer_ms_max: 10_000,
            work_ms_max: 600_000,
            connection_ms_max: 900_000,
        }
    }
}

/// Serves until `stop` is ready; requests under way are answered first.
///
/// Errors: the listener cannot be used by this runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    admin: Admin,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let listener = accept::BoundedListener::new(listener, &admin.limits);
    let router = routes::router(admin);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
