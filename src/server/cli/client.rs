//! A small blocking HTTP client for the admin port.
//!
//! Owns: the token's place, the sentences for a broker that is not there.
//! Leaves to others: paths and texts. Invariant: no proxy, no redirect: the port is local.
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::admin::{AdminToken, TokenError};
use crate::server::args::Remote;
use crate::server::cli::CliError;
use crate::server::{users, words};
use crate::shard::desk::DeskError;

const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Longer than the longest order: a compaction pass.
const ANSWER_WAIT: Duration = Duration::from_secs(660);
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const TOKEN_FILE_VARIABLE: &str = "LOGMILL_TOKEN_FILE";
const TOKEN_FILE_DEFAULT: &str = "./data/admin.token";

pub(super) struct Client {
    agent: Agent,
    base: String,
    token_file: PathBuf,
    json: bool,
}

type Sent = Result<Response<Body>, ureq::Error>;

impl Client {
    pub(super) fn new(remote: &Remote) -> Result<Self, CliError> {
        let from_env = || std::env::var_os(TOKEN_FILE_VARIABLE).map(PathBuf::from);
        let token_file = remote.token_file.clone().or_else(from_env);
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_recv_response(Some(ANSWER_WAIT))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            base: base_url(&remote.admin)?,
            token_file: token_file.unwrap_or_else(|| TOKEN_FILE_DEFAULT.into()),
            json: remote.json,
        })
    }

    /// Asks and prints.
    pub(super) fn show<T: DeserializeOwned>(
        &self,
        path: &str,
        text: impl FnOnce(T) -> String,
    ) -> Result<(), CliError> {
        self.print(self.get(path)?, text)
    }

    /// Prints an answer, as JSON or as text for a person.
    pub(super) fn print<T: DeserializeOwned>(
        &self,
        answer: Value,
        text: impl FnOnce(T) -> String,
    ) -> Result<(), CliError> {
        let shown = if self.json { format!("{answer:#}") } else { text(self.read(&answer)?) };
        words::print_out(&shown);
        Ok(())
    }

    /// The answer as what it stands for.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &Value) -> Result<T, CliError> {
        T::deserialize(answer).map_err(|_| CliError::Foreign { url: self.base.clone() })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, CliError> {
        let request = self.agent.get(self.url(path));
        // A port that is open to other machines wants the token for reads too.
        match self.bearer() {
            Ok(bearer) => self.answer(request.header("authorization", bearer).call()),
            Err(no_token) => match request.call() {
                Ok(refused) if refused.status() == StatusCode::UNAUTHORIZED => Err(no_token),
                sent => self.answer(sent),
            },
        }
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let bearer = self.bearer()?;
        let request = self.agent.post(self.url(path)).header("authorization", bearer);
        self.answer(request.send_json(body))
    }

    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<Value, CliError> {
        let bearer = self.bearer()?;
        let who: String = users::own().chars().filter(char::is_ascii_graphic).collect();
        let request = self.agent.put(self.url(path)).header("authorization", bearer);
        let request = request.header("x-logmill-who", who).content_type("application/wasm");
        self.answer(request.send(bytes))
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, CliError> {
        let request = self.agent.delete(self.url(path)).header("authorization", self.bearer()?);
        self.answer(request.call())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn bearer(&self) -> Result<String, CliError> {
        let token = AdminToken::read(&self.token_file);
        token.map(|token| token.bearer()).map_err(|error| token_error(&self.token_file, error))
    }

    fn answer(&self, sent: Sent) -> Result<Value, CliError> {
        let mut response = sent.map_err(|error| self.unreachable(error))?;
        let foreign = || CliError::Foreign { url: self.base.clone() };
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return serde_json::from_slice(&body).map_err(|_| foreign());
        }
        // `/health` of a broker that is not ready carries its state, not an error.
        match serde_json::from_slice::<DeskError>(&body) {
            Ok(error) => Err(CliError::Refused(error.message)),
            Err(_) => match serde_json::from_slice::<Value>(&body) {
                Ok(value) if value["status"].is_string() => {
                    let status = value["status"].as_str().unwrap_or_default();
                    Err(CliError::Refused(format!("The broker is not ready: {status}.")))
                }
                _ => Err(foreign()),
            },
        }
    }

    fn unreachable(&self, error: ureq::Error) -> CliError {
        let reason = match &error {
            ureq::Error::Io(error) => io_reason(error),
            ureq::Error::HostNotFound => "no such host".to_owned(),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return CliError::Url { url: self.base.clone() };
            }
            ureq::Error::Protocol(_) => return CliError::Foreign { url: self.base.clone() },
            other => other.to_string(),
        };
        CliError::Unreachable { url: self.base.clone(), reason }
    }
}

fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => {
            "the connection was closed".to_owned()
        }
        _ => error.to_string(),
    }
}

fn token_error(path: &Path, error: TokenError) -> CliError {
    if path.as_os_str().is_empty() {
        return CliError::Token { reason: "The name of the token file is empty".to_owned() };
    }
    let path = path.display();
    let reason = match &error {
        TokenError::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound => format!("There is no admin token at {path}"),
            std::io::ErrorKind::PermissionDenied => {
                format!("You may not read the admin token {path}")
            }
            _ => format!("Cannot read the admin token {path}: {source}"),
        },
        TokenError::Malformed { .. } => format!("{path} holds no admin token"),
    };
    CliError::Token { reason }
}

/// `127.0.0.1:9644` and `http://127.0.0.1:9644/` are the same place.
fn base_url(given: &str) -> Result<String, CliError> {
    let bad = || CliError::Url { url: given.to_owned() };
    let rest = match given.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return Err(bad()),
        None => given,
    };
    let authority = rest.trim_end_matches('/');
    let odd = |c: char| c.is_whitespace() || c.is_control() || "/?#@\\".contains(c);
    if authority.is_empty() || authority.contains(odd) {
        return Err(bad());
    }
    Ok(format!("http://{authority}"))
}

/// One name as a path or query segment: everything but unreserved characters percent-encoded.
pub(super) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    // A segment of dots only would be resolved away before it reaches the broker.
    match out.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => out,
    }
}
