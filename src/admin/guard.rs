//! The guard before every route: is this caller a local user, or a web page in his browser?
//!
//! Owns: the checks of `Host`, `Origin` and `Authorization`. Leaves to others: the token's file.
//! Invariant: `GET /health` and `GET /metrics` are open; every other route needs a `Host` that is
//! this machine by its own word, and every method but GET and HEAD needs the token and no `Origin`.
//!
//! Why `Host`: a page may point its own name at 127.0.0.1 (DNS rebinding) and then call us with the
//! browser's blessing; its name still stands in `Host`. Why no `Origin` at all: only browsers send
//! it, and no browser page is ours yet.
use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::admin::routes::Refusal;
use crate::admin::{Admin, body};
use crate::shard::desk::{DeskCode, DeskError};

const OPEN_PATHS: &[&str] = &["/health", "/metrics"];

/// Passes the request on, or answers in its place.
pub(super) async fn check(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match verdict(&admin, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            tracing::warn!(
                method = %request.method(),
                path = request.uri().path(),
                reason = error.message,
                "admin request refused"
            );
            body::drain(request.into_body()).await;
            Refusal(error).into_response()
        }
    }
}

fn verdict(
    admin: &Admin,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), DeskError> {
    let reads = method == Method::GET || method == Method::HEAD;
    if reads && OPEN_PATHS.contains(&uri.path()) {
        return Ok(());
    }
    check_host(admin.address, uri, headers)?;
    if reads && admin.address.ip().is_loopback() {
        return Ok(());
    }
    if !reads && headers.contains_key(header::ORIGIN) {
        return Err(DeskError::new(
            DeskCode::Forbidden,
            "Requests that change something are not taken from web pages (an Origin header is \
             set).",
        ));
    }
    check_token(admin, headers)
}

fn check_token(admin: &Admin, headers: &HeaderMap) -> Result<(), DeskError> {
    let unauthorized = |message: &str| DeskError::new(DeskCode::Unauthorized, message);
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthorized(
            "This needs the token of the file admin.token in the data directory, sent as \
             `Authorization: Bearer <token>`.",
        ));
    };
    if !admin.token.is_carried_by(given.as_bytes()) {
        return Err(unauthorized(
            "The token is not this broker's; it stands in the file admin.token of its data \
             directory.",
        ));
    }
    Ok(())
}

fn check_host(address: SocketAddr, uri: &Uri, headers: &HeaderMap) -> Result<(), DeskError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, more) = (hosts.next(), hosts.next());
    let named = first.and_then(|host| host.to_str().ok());
    let in_uri = uri.authority().map(|authority| authority.as_str());
    let fits = more.is_none()
        && named.is_some_and(|host| is_this_machine(address, host))
        && in_uri.is_none_or(|host| is_this_machine(address, host));
    if fits {
        return Ok(());
    }
    Err(DeskError::new(
        DeskCode::Forbidden,
        format!("The Host header must be localhost, a loopback address or {address}."),
    ))
}

/// Whether a `Host` is a loopback name or address, or the address on which we listen.
fn is_this_machine(address: SocketAddr, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let Ok(ip) = name.parse::<IpAddr>() else { return false };
    // On a wildcard address every literal address is ours; rebinding needs a name.
    ip.is_loopback() || ip == address.ip() || address.ip().is_unspecified()
}
