//! The plugin host on real rings: pace, share, breaker, swap, the compiling child.
//!
//! They run the guests of `plugins/`: `plugins/build` makes them.
mod child;
mod pace;
mod policy;
mod simulated;
mod swap;

use std::cell::RefCell;
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use logmill::base::Bytes;
use logmill::env::Env;
use logmill::io::{self, Settings as RingSettings};
use logmill::model::Offset;
use logmill::observe::Metrics;
use logmill::plugin::{
    Batch, BindingKey, Compiler, Digest, Host, Limits, Live, Produced, Settings, ShardPlugins,
    settings,
};
use logmill::record::{HEADER_BYTES, Header, Records, Row, Span};
use tempfile::TempDir;

/// The bytes of a guest.
fn wasm(name: &str) -> Vec<u8> {
    let path = format!("{}/plugins/components/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|_| panic!("{path} is missing: run `plugins/build` first"))
}

fn executable() -> PathBuf {
    env!("CARGO_BIN_EXE_logmill").into()
}

/// A host in a directory of its own.
struct Bench {
    directory: TempDir,
    host: Arc<Host>,
    metrics: Arc<Metrics>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let metrics = Metrics::new();
        let compiler = Compiler::Child(executable());
        let host = Host::open(directory.path(), compiler, metrics.clone()).expect("a host");
        Self { directory, host, metrics }
    }

    fn install(&self, name: &str) -> Digest {
        self.host.install(name, "1", &wasm(name)).expect("installed").info.digest
    }

    /// Installs a guest and makes it live under a name, with its own name as the version.
    fn live(&self, name: &str, guest: &str, generation: u64) -> Live {
        let digest = self.install(guest);
        self.host.live(name, guest, digest, generation).expect("loaded")
    }
}

fn key() -> BindingKey {
    key_with(Default::default())
}

/// As [`key`], told these settings.
fn key_with(settings: Settings) -> BindingKey {
    BindingKey { target: "flights".into(), plugin: "p".into(), pin: None, settings }
}

/// As [`key`], told to do this mischief.
fn in_mode(mode: &str) -> BindingKey {
    key_with(settings([("mode", mode)]))
}

/// Plugins of one shard with the binding of [`in_mode`] to `hostile`.
fn hostile(env: &Env, live: &Live, mode: &str, limits: Limits) -> ShardPlugins {
    let plugins = ShardPlugins::new(env, limits);
    plugins.bind(in_mode(mode), Ok(live.clone()));
    plugins
}

/// Runs one future on a fresh ring and gives its answer.
fn on_ring<T: 'static, F: Future<Output = T> + 'static>(start: impl FnOnce(Env) -> F) -> T {
    let answer = Rc::new(RefCell::new(None));
    let writer = answer.clone();
    let run = |env: Env| {
        let future = start(env);
        async move {
            let value = future.await;
            writer.replace(Some(value));
        }
    };
    io::block_on(RingSettings::default(), run).expect("a ring");
    answer.take().expect("an answer")
}

/// A batch of keys `key-0`, `key-1`, … for a topic of 12 partitions.
fn batch(count: usize, salt: usize) -> Batch {
    let mut buf = Vec::new();
    let mut rows = Vec::new();
    for at in 0..count {
        let start = buf.len() as u32;
        buf.extend_from_slice(format!("key-{}", at * 31 + salt).as_bytes());
        let key = Span { start, length: buf.len() as i32 - start as i32 };
        rows.push(Row {
            offset: Offset(at as i64),
            timestamp: 0,
            key,
            value: Span::NULL,
            headers_start: 0,
            headers_count: 0,
        });
    }
    let header = Header::decode(&[0; HEADER_BYTES]).expect("a header's length");
    let records = Records { header, buf: Bytes::from(buf), rows, headers: Vec::new() };
    let produced = Produced { topic: "flights".into(), ..Produced::default() };
    Batch { records: Arc::new(records), produced: Arc::new(produced), partitions: 12 }
}

fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("second field");
    pages * 4096
}
