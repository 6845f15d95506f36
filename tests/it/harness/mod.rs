//! What whole-broker tests stand on: brokers as child processes, and real clients to drive them.
//!
//! Owns: the tier, the setup folder, free ports, temporary folders, running a program with a limit.
//! Leaves to others: a broker's life (`broker`), Java's tools (`java`), what a log directory must
//! look like (`dump`), the clients themselves (`client`), waiting for what they do (`wait`).
//! Invariant: nothing outlives the test: a broker ends with the thread that started it.
//! Start reading at: [`Broker`](broker::Broker), then [`Client`](client::Client).
#![allow(dead_code, reason = "tests of several rooms use it, each a part")]

pub mod broker;
pub mod client;
pub mod dump;
pub mod java;
pub mod raw;
pub mod script;
pub mod sim;
pub mod small_disk;
pub mod wait;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How much a test run may take; `LOGMILL_TIER` is read here and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Before each commit: no Java, no Python environment needed.
    Quick,
    /// What `make test` and CI run.
    Test,
    /// Before an issue closes.
    All,
}

/// The tier of this run; without the variable it is `test`, so that a bare `cargo test` is whole.
pub fn tier() -> Tier {
    match std::env::var("LOGMILL_TIER").as_deref() {
        Ok("quick") => Tier::Quick,
        Ok("all") => Tier::All,
        Ok("test") | Err(_) => Tier::Test,
        Ok(other) => panic!("LOGMILL_TIER is quick, test or all, not {other:?}"),
    }
}

/// True, with a line that says so, when the tier leaves this test out.
#[must_use]
pub fn skipped_below(least: Tier, what: &str) -> bool {
    let skipped = tier() < least;
    if skipped {
        println!("{what}: left out, it runs from LOGMILL_TIER={least:?} on");
    }
    skipped
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `tools/setup` put `part`; fails with what to do when it is not there.
pub fn setup(part: &str) -> PathBuf {
    let base = std::env::var_os("LOGMILL_SETUP_DIR").map(PathBuf::from);
    let path = base.unwrap_or_else(|| root().join(".setup")).join(part);
    assert!(path.exists(), "{} is missing: run `make setup` first", path.display());
    path
}

/// A port that nobody listens on, outside the range from which the kernel takes client ports: a
/// client that retries against a broker that is down would else connect to itself.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id() * 97 + step * 7) % COUNT;
        let port = u16::try_from(port).expect("below 32,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port found");
}

/// Runs `command` for at most `limit_s` seconds; its output, whatever its status.
pub fn run_any(command: &mut Command, limit_s: u32) -> Output {
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=1", &limit_s.to_string()]).arg(command.get_program());
    limited.args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.output().expect("`timeout` of coreutils runs")
}

/// Runs `command` and returns what it printed; any status but 0 fails the test with its words.
#[track_caller]
pub fn run(command: &mut Command, limit_s: u32) -> String {
    let output = run_any(command, limit_s);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("clients print text")
}

/// The last `lines` lines of a text, for messages.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
