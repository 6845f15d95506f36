//! Plugins in a running broker: installed and bound as users do it, seen as clients see them.
//!
//! Owns: what these tests share: the command line, HTTP, conditions with a deadline.
//! Leaves to others: the broker (`harness`), exact errors (`client`), the host alone
//! (`plugin_host`).
//! Start reading at: [`Stage`].
mod breakers;
mod change;
mod clogged;
mod input;
mod insist;
mod mischief;
mod restart;
mod rounds;
mod swap;
mod verify;
mod waiting;
mod weights;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::client::Kafka;
use crate::harness::broker::Broker;
use crate::harness::wait::{SOON, Wait};
use crate::harness::{root, run_any};

/// A broker and the ways to it.
pub struct Stage {
    pub broker: Broker,
}

/// What a command printed.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A component of `plugins/`.
fn guest(name: &str) -> PathBuf {
    let path = root().join(format!("plugins/components/{name}.wasm"));
    assert!(path.exists(), "{} is missing: run `plugins/build` first", path.display());
    path
}

/// Waits until `done` gives a value; fails with `what` when it does not in time.
#[track_caller]
fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let wait = Wait::for_at_most(SOON);
    loop {
        if let Some(value) = done() {
            return value;
        }
        wait.again(|| what.to_owned());
    }
}

impl Stage {
    pub fn start(shards: u16, settings: &[(&str, &str)]) -> Self {
        let shards = shards.to_string();
        let mut all = vec![
            ("shards", shards.as_str()),
            ("offsets.topic.num.partitions", "4"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        all.extend(settings);
        Self { broker: Broker::logmill(&all) }
    }

    pub fn kafka(&self, client_id: &str) -> Kafka {
        Kafka::connect(self.broker.port, client_id)
    }

    /// `logmill ARGUMENTS`, whatever comes of it.
    pub fn said(&self, arguments: &[&str]) -> Said {
        let output = run_any(self.broker.cli().args(arguments), 120);
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        let code = output.status.code().expect("it ends by itself");
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// `logmill ARGUMENTS`, which must succeed.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let said = self.said(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
        said.out
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let out = self.cli(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).expect("JSON")
    }

    #[track_caller]
    pub fn install(&self, name: &str, file: &str) {
        let file = guest(file).display().to_string();
        self.cli(&["plugin", "install", &file, "--as", name]);
    }

    /// Installs and activates.
    #[track_caller]
    pub fn live(&self, name: &str, file: &str) {
        self.install(name, file);
        self.cli(&["plugin", "activate", name]);
    }

    /// Binds with settings such as `EWR=0`.
    #[track_caller]
    pub fn bind(&self, plugin: &str, target: &[&str], settings: &[&str]) {
        let mut arguments = vec!["plugin", "bind", plugin];
        arguments.extend(target);
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        self.cli(&arguments);
    }

    /// Waits until every binding of a topic is in the state that `fits`.
    #[track_caller]
    pub fn wait_binding(&self, topic: &str, fits: impl Fn(&str) -> bool) {
        wait_for(&format!("bindings of {topic}"), || {
            let detail = self.json(&["topic", "describe", topic]);
            let bindings = detail["bindings"].as_array().expect("a list");
            let all = !bindings.is_empty()
                && bindings.iter().all(|bound| fits(bound["state"].as_str().unwrap_or("")));
            all.then_some(())
        });
    }

    /// One HTTP request to the admin port: status and body.
    pub fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String) {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.broker.admin_port)).expect("it listens");
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if headers.iter().all(|(name, _)| *name != "host") {
            head.push_str(&format!("host: 127.0.0.1:{}\r\n", self.broker.admin_port));
        }
        if headers.iter().all(|(name, _)| *name != "content-length") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        // A refusal may come before the body is read, and close the connection.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.unwrap_or_else(|| panic!("{method} {path}: {answer:?}")), body.to_owned())
    }

    /// The header that proves that we may write.
    pub fn bearer(&self) -> String {
        let token = std::fs::read_to_string(self.broker.data().join("admin.token"));
        format!("Bearer {}", token.expect("a token").trim())
    }

    /// The sum of a metric over all lines that contain each of `parts`.
    pub fn metric(&self, name: &str, parts: &[&str]) -> f64 {
        let (status, page) = self.http("GET", "/metrics", &[], b"");
        assert_eq!(status, 200);
        let lines = page.lines().filter(|line| {
            let named = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            named && parts.iter().all(|part| line.contains(part))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// How often an error was in the answers of an API.
    pub fn errors(&self, api: &str, error: &str) -> f64 {
        let parts = [format!("api=\"{api}\""), format!("error=\"{error}\"")];
        self.metric("logmill_request_errors_total", &parts.each_ref().map(String::as_str))
    }

    /// Resident memory of the broker.
    pub fn rss_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.broker.pid()));
        let statm = statm.expect("a running process");
        let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
        pages * 4096
    }
}
