//! Unit tests of the plugin host; what needs an executor is in `tests/it/plugin_host.rs`.
//!
//! They run the guests of `plugins/`: `plugins/build` makes them.

mod guests;
mod hostile;
mod install;
mod rules;

use std::sync::Arc;

use tempfile::TempDir;

use crate::base::Bytes;
use crate::model::Offset;
use crate::observe::Metrics;
use crate::plugin::meter::{Around, block_on};
use crate::plugin::{
    AssignInput, AssignMember, AssignTopic, Batch, CALL_BUDGET_NS, CallError, Compiler, Host,
    Instance, Live, Produced, Settings, settings,
};
use crate::record::{HEADER_BYTES, Header, HeaderRow, Records, Row, Span};

/// The bytes of a guest.
fn wasm(name: &str) -> Vec<u8> {
    let path = format!("{}/plugins/components/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|_| panic!("{path} is missing: run `plugins/build` first"))
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
        let host = Host::open(directory.path(), Compiler::Here, metrics.clone()).expect("a host");
        Self { directory, host, metrics }
    }

    /// Installs a guest and makes it live, as `name@1`.
    fn live(&self, name: &str) -> Live {
        let bytes = wasm(name);
        let tried = self.host.install(name, "1", &bytes).expect("installed");
        self.host.live(name, "1", tried.info.digest, 1).expect("loaded")
    }

    fn instances(&self, live: &Live) -> i64 {
        let label = &live.label;
        self.metrics.plugin(&label.name, &label.version, label.kind.name()).instances.get()
    }
}

fn none() -> Settings {
    Settings::default()
}

fn mode(name: &str) -> Settings {
    settings([("mode", name)])
}

/// One record of a test: key, value, headers.
type Cell<'a> = (Option<&'a str>, Option<&'a str>, &'a [(&'a str, &'a str)]);

/// A batch with these records, offsets from 0, scattered in one buffer.
fn records(cells: &[Cell<'_>]) -> Arc<Records> {
    let mut buf = Vec::new();
    let mut place = |text: Option<&str>| {
        let Some(text) = text else { return Span::NULL };
        buf.extend_from_slice(b"..");
        let start = buf.len() as u32;
        buf.extend_from_slice(text.as_bytes());
        Span { start, length: text.len() as i32 }
    };
    let (mut rows, mut headers) = (Vec::new(), Vec::new());
    for (at, (key, value, fields)) in cells.iter().enumerate() {
        let (key, value) = (place(*key), place(*value));
        let headers_start = headers.len() as u32;
        for (name, value) in *fields {
            headers.push(HeaderRow { name: place(Some(name)), value: place(Some(value)) });
        }
        rows.push(Row {
            offset: Offset(at as i64),
            timestamp: 1_000 + at as i64,
            key,
            value,
            headers_start,
            headers_count: fields.len() as u32,
        });
    }
    let header = Header::decode(&[0; HEADER_BYTES]).expect("a header's length");
    Arc::new(Records { header, buf: Bytes::from(buf), rows, headers })
}

fn keys(keys: &[&str]) -> Arc<Records> {
    let cells: Vec<Cell<'_>> = keys.iter().map(|key| (Some(*key), Some("v"), &[][..])).collect();
    records(&cells)
}

fn batch(records: Arc<Records>, partitions: u32) -> Batch {
    let produced = Produced { topic: "flights".into(), ..Produced::default() };
    Batch { records, produced: Arc::new(produced), partitions }
}

/// One call on this thread, without an executor.
fn call(instance: &mut Instance, batch: &Batch) -> Result<Vec<u32>, CallError> {
    block_on(instance.partition(batch, CALL_BUDGET_NS, &Around::Worker))
}

/// A group of members with these client ids, who subscribe to all of these topics.
fn group(client_ids: &[&str], topics: &[(&str, u32)]) -> AssignInput {
    let member = |(at, id): (usize, &&str)| AssignMember {
        id: format!("member-{at}"),
        client_id: (*id).into(),
        host: "/127.0.0.1".into(),
        topics: (0..topics.len() as u32).collect(),
        ..AssignMember::default()
    };
    let topic = |(name, partitions): &(&str, u32)| AssignTopic {
        name: (*name).into(),
        partitions: *partitions,
        racks: Vec::new(),
    };
    let mut input = AssignInput {
        group: "g".into(),
        seed: 7,
        copies: 1,
        members: client_ids.iter().enumerate().map(member).collect(),
        topics: topics.iter().map(topic).collect(),
        owners: Vec::new(),
        held: Vec::new(),
    };
    input.owners = input.nobody();
    input.held = input.nobody();
    input
}
