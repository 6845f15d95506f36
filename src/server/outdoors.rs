//! The tokio thread: admin HTTP and signals. It holds nothing of the broker but lines to it.
//!
//! Owns: the runtime, what signals do. Leaves to others: stopping (`start`), routes (`admin`).
//! Invariant: the first SIGTERM or SIGINT asks for an orderly stop, the second ends the process.
use std::net::TcpListener;
use std::sync::mpsc::Sender;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::admin::{self, Admin};
use crate::server::start::Event;

pub const ADMIN_THREAD: &str = "admin";

/// Starts the thread; dropping what it gives back stops the HTTP server.
pub fn start(
    http: Option<(Admin, TcpListener)>,
    events: Sender<Event>,
) -> std::io::Result<oneshot::Sender<()>> {
    let (stop, stopped) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || {
        runtime.block_on(async {
            let signals = tokio::spawn(watch_signals(events.clone()));
            if let Some((admin, listener)) = http {
                serve(admin, listener, stopped).await;
            } else {
                let _ = stopped.await;
            }
            signals.abort();
            // The main thread may have gone already; then nobody waits for us.
            let _ = events.send(Event::AdminEnded);
        });
    };
    std::thread::Builder::new().name(ADMIN_THREAD.to_owned()).spawn(work)?;
    Ok(stop)
}

async fn serve(admin: Admin, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    tracing::info!(address = %admin.address, "admin HTTP");
    let stop = async move {
        // Dropped or sent: either way it is time.
        let _ = stopped.await;
    };
    if let Err(error) = admin::serve(listener, admin, stop).await {
        tracing::error!(%error, "the admin port is closed; the broker goes on without it");
    }
}

async fn watch_signals(events: Sender<Event>) {
    let (mut term, mut int) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(term), Ok(int)) => (term, int),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be watched; they end the process at once");
                return;
            }
        };
    let mut first = true;
    loop {
        let name = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        if !first {
            tracing::warn!("{name} again: ending at once, the next start recovers");
            std::process::exit(1);
        }
        first = false;
        let _ = events.send(Event::Signal(name));
    }
}
