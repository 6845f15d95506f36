//! `logmill doctor`: can a broker run here, and how well?
//!
//! Owns: the checks, their cures, the report. Leaves to others: finding ring features (`io`).
//! Invariant: it changes nothing: what it writes is a temporary file without a name in the data
//! directory (or the nearest directory above that exists), gone before it reports.
//! Start reading at: [`examine`].
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{BrokerConfig, Endpoint};
use crate::io::machine::{self, Limit};
use crate::server::ports;
use crate::server::words;

mod durable;

/// Below this many descriptors a broker with a few thousand partitions runs out.
const DESCRIPTORS_WISHED: u64 = 10_240;
/// Below this a broker cannot even serve a few clients.
const DESCRIPTORS_MIN: u64 = 256;
/// What an ordinary user has, and what our tests run with.
const LOCKED_BYTES_WISHED: u64 = 8 << 20;
const FREE_BYTES_MIN: u64 = 64 << 20;
const FREE_BYTES_WISHED: u64 = 1 << 30;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// It works without it, or with less of it.
    Note,
    /// A broker cannot run here.
    Bad,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub state: State,
    pub found: String,
    /// What to do; empty when nothing is wrong.
    pub cure: String,
}

/// Everything that was looked at.
#[derive(Debug, Serialize)]
pub struct Report {
    pub ok: bool,
    pub checks: Vec<Check>,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self::new(name, State::Ok, found, "")
    }

    /// Of a log directory that the broker can do without: what lies there is offline then.
    fn become_a_note(&mut self) {
        if self.state == State::Bad {
            self.state = State::Note;
            let cure = "the broker starts without it, and what lies there is offline;";
            self.cure = format!("{cure} {}", self.cure);
        }
    }

    fn new(name: &str, state: State, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, found: found.into(), cure: cure.into() }
    }
}

/// Looks at the machine with the eyes of a broker of this configuration.
pub fn examine(config: &BrokerConfig) -> Report {
    let mut checks = Vec::new();
    ring(&mut checks);
    checks.push(descriptors(machine::descriptors()));
    checks.push(locked_memory(machine::locked_memory()));
    checks.push(cores(config.shards));
    for listener in &config.listeners {
        let setting = format!("listeners={}://", listener.name);
        checks.push(port(&listener.bind, &setting));
    }
    checks.extend(config.admin_listener.iter().map(|place| port(place, "admin.listener=")));
    let metadata = config.metadata_log_dir.as_ref().filter(|dir| !config.log_dirs.contains(dir));
    let dirs: Vec<&Path> = config.log_dirs.iter().chain(metadata).map(Path::new).collect();
    data_directories(&dirs, &mut checks);
    Report { ok: checks.iter().all(|check| check.state != State::Bad), checks }
}

impl Report {
    /// The report for a person: a table, then each cure.
    pub fn text(&self) -> String {
        let word = |state| match state {
            State::Ok => "ok",
            State::Note => "note",
            State::Bad => "BAD",
        };
        let row = |c: &Check| vec![c.name.clone(), word(c.state).to_owned(), c.found.clone()];
        let rows = self.checks.iter().map(row).collect();
        let mut out = words::table(&["CHECK", "STATE", "FOUND"], rows);
        for check in self.checks.iter().filter(|check| !check.cure.is_empty()) {
            out.push_str(&format!("\n{}: {}", check.name, check.cure));
        }
        // What prevents it is the last sentence, on standard error: `obstacle`.
        if self.ok {
            out.push_str("\nA broker can run here.");
        }
        out.push('\n');
        out
    }

    /// The first thing that prevents a start, as a sentence.
    pub fn obstacle(&self) -> Option<String> {
        let bad = self.checks.iter().find(|check| check.state == State::Bad)?;
        let found = bad.found.trim_end_matches('.');
        Some(format!("A broker cannot run here: {}: {found}.", bad.name))
    }
}

fn ring(checks: &mut Vec<Check>) {
    let report = match crate::io::probe() {
        Ok(report) => report,
        Err(error) => {
            let found = "cannot be used".to_owned();
            checks.push(Check::new("io_uring", State::Bad, found, error.to_string()));
            return;
        }
    };
    checks.push(Check::ok("kernel", format!("Linux {}", report.kernel)));
    checks.push(Check::ok("io_uring", "can be used"));
    for found in &report.found {
        let name = format!("ring {}", found.name);
        checks.push(if found.found {
            Check::ok(&name, "found")
        } else {
            let cure = "a newer kernel offers it; the broker runs without.";
            Check::new(&name, State::Note, format!("missing: {}", found.without), cure)
        });
    }
}

fn shown(limit: u64) -> String {
    if limit == u64::MAX { "unlimited".to_owned() } else { words::count(limit) }
}

fn descriptors(limit: std::io::Result<Limit>) -> Check {
    let name = "descriptors";
    let cure = "raise the hard limit: `ulimit -Hn 65536` as root, or LimitNOFILE=65536 in a \
                systemd unit.";
    match limit {
        Err(error) => Check::new(name, State::Note, error.to_string(), cure),
        Ok(Limit { soft, hard }) => {
            let found = format!("{} now, {} at most", shown(soft), shown(hard));
            match hard {
                0..DESCRIPTORS_MIN => Check::new(name, State::Bad, found, cure),
                DESCRIPTORS_MIN..DESCRIPTORS_WISHED => Check::new(name, State::Note, found, cure),
                _ => Check::ok(name, format!("{found} (the broker raises it itself)")),
            }
        }
    }
}

fn locked_memory(limit: std::io::Result<Limit>) -> Check {
    let name = "locked memory";
    let cure = "raise it: `ulimit -l 65536` as root, or LimitMEMLOCK=64M in a systemd unit.";
    match limit {
        Err(error) => Check::new(name, State::Note, error.to_string(), cure),
        Ok(Limit { soft, .. }) if soft < LOCKED_BYTES_WISHED => {
            Check::new(name, State::Note, words::bytes(soft), cure)
        }
        Ok(Limit { soft: u64::MAX, .. }) => Check::ok(name, "unlimited"),
        Ok(Limit { soft, .. }) => Check::ok(name, words::bytes(soft)),
    }
}

fn cores(shards: u16) -> Check {
    let cores = machine::cores().map_or(1, |cores| cores.len());
    let shards = if shards == 0 { cores } else { usize::from(shards) };
    let some = words::some(shards as u64, "shard");
    let found = format!("{} for {some}", words::some(cores as u64, "core"));
    if cores < shards {
        let cure = "more shards than cores share cores; set shards to the number of cores.";
        return Check::new("cores", State::Note, found, cure);
    }
    Check::ok("cores", found)
}

fn port(place: &Endpoint, setting: &str) -> Check {
    let key = setting.split('=').next().unwrap_or_default();
    let name = format!("port of {key}");
    let bound = ports::resolve(place, setting).and_then(|at| ports::bind(at, setting));
    match bound {
        Ok(socket) => {
            let place = socket.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string());
            Check::ok(&name, format!("{place} is free"))
        }
        Err(ports::PortError::Taken { place, owner, .. }) => {
            let cure = format!(
                "it is fine if that is your broker; else choose another port with --set \
                 {setting}{}:PORT.",
                ports::host(&place),
            );
            Check::new(&name, State::Note, format!("{place} is taken by {owner}"), cure)
        }
        Err(error) => Check::new(&name, State::Bad, error.to_string(), ""),
    }
}

/// Only the one of the metadata must work; before there is one, all of them.
fn data_directories(dirs: &[&Path], checks: &mut Vec<Check>) {
    let home = dirs.iter().find(|dir| dir.join("metadata").is_dir());
    for dir in dirs {
        let first = checks.len();
        data_directory(dir, checks);
        if home.is_some_and(|home| home != dir) {
            checks[first..].iter_mut().for_each(Check::become_a_note);
        }
    }
}

fn data_directory(dir: &Path, checks: &mut Vec<Check>) {
    let Some(place) = nearest(dir) else {
        let cure = "name a directory that can be made with --set log.dirs=DIRECTORY.";
        checks.push(Check::new("data directory", State::Bad, dir.display().to_string(), cure));
        return;
    };
    let system = file_system(&place);
    let exists = if place == dir { "" } else { " (made at the first start)" };
    let found = format!("{}{exists} on {system}", dir.display());
    let measured = durable::measure(&place);
    checks.push(match (&measured, system.as_str()) {
        (Err(error), _) => {
            let found = format!("cannot write in {}: {error}", place.display());
            let cure = "make the directory writable for this user, or name another one with \
                        --set log.dirs=DIRECTORY.";
            Check::new("data directory", State::Bad, found, cure)
        }
        (Ok(_), "tmpfs" | "ramfs") => {
            let cure = "this is memory: everything is gone when the machine stops.";
            Check::new("data directory", State::Note, found, cure)
        }
        _ => Check::ok("data directory", found),
    });
    checks.push(write_path(&system));
    if let Ok(measured) = measured {
        checks.push(cold_reads(measured.reads_uncached, &system));
        checks.push(durable::sync_latency(measured.synced));
        checks.push(durable::journal(measured.direct));
    }
    checks.push(space(&place));
}

/// The directory itself, or the nearest one above that exists.
fn nearest(dir: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(dir).ok()?;
    let found = whole.ancestors().find(|place| place.exists())?;
    if found == whole { Some(dir.to_owned()) } else { Some(found.to_owned()) }
}

/// The type of the file system that holds `place`, from the table of mounts.
fn file_system(place: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let mount = |line: &str| {
        let mut words = line.split(' ');
        let (at, kind) = (words.nth(1)?.replace("\\040", " "), words.next()?);
        place.starts_with(&at).then(|| (at.len(), kind.to_owned()))
    };
    // The last of equally long ones lies on top.
    let found = mounts.lines().filter_map(mount).max_by_key(|(len, _)| *len);
    found.map_or_else(|| "an unknown file system".to_owned(), |(_, kind)| kind)
}

fn write_path(system: &str) -> Check {
    let name = "write path";
    match system {
        "ext4" => Check::ok(name, "ext4: small writes inline, large ones by the ring's threads"),
        "xfs" | "btrfs" => {
            Check::ok(name, format!("{system}: small writes inline, large ones by the ring"))
        }
        "nfs" | "nfs4" | "cifs" | "9p" | "fuse" => {
            let cure = "keep the data on a local disk; a network's sync promises vary.";
            Check::new(name, State::Note, format!("{system} is not a local disk"), cure)
        }
        other => Check::ok(name, format!("{other}: as for ext4")),
    }
}

fn cold_reads(found: std::io::Result<bool>, system: &str) -> Check {
    let name = "uncached reads";
    let cure = "Linux 6.14 or newer offers them on ext4, XFS and btrfs.";
    match found {
        Ok(true) => {
            Check::ok(name, format!("{system}: readers of old data displace nothing from memory"))
        }
        Ok(false) => {
            let found = format!("{system} has none: what such readers read is dropped behind them");
            Check::new(name, State::Note, found, cure)
        }
        Err(error) => Check::new(name, State::Note, error.to_string(), ""),
    }
}

fn space(place: &Path) -> Check {
    let name = "free space";
    let cure = "free some, or name another directory with --set log.dirs=DIRECTORY.";
    match machine::space(place) {
        Err(error) => Check::new(name, State::Note, error.to_string(), cure),
        Ok(space) => {
            let (free, whole) = (words::bytes(space.free_bytes), words::bytes(space.whole_bytes));
            let found = format!("{free} of {whole}");
            match space.free_bytes {
                0..FREE_BYTES_MIN => Check::new(name, State::Bad, found, cure),
                FREE_BYTES_MIN..FREE_BYTES_WISHED => Check::new(name, State::Note, found, cure),
                _ => Check::ok(name, found),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>) -> Report {
        Report { ok: checks.iter().all(|check| check.state != State::Bad), checks }
    }

    fn checks_named<'a>(report: &'a Report, name: &str) -> &'a Check {
        report.checks.iter().find(|check| check.name == name).unwrap()
    }

    #[test]
    fn limits_have_three_states() {
        let limit = |hard| Ok(Limit { soft: 100, hard });
        assert_eq!(descriptors(limit(100)).state, State::Bad);
        assert_eq!(descriptors(limit(4096)).state, State::Note);
        assert_eq!(descriptors(limit(1 << 20)).state, State::Ok);
        let locked = |soft| locked_memory(Ok(Limit { soft, hard: soft })).state;
        assert_eq!(locked(64 << 10), State::Note);
        assert_eq!(locked(8 << 20), State::Ok);
        assert_eq!(locked(u64::MAX), State::Ok);
    }

    #[test]
    fn a_log_directory_that_does_not_work_is_a_note_unless_the_metadata_may_lie_there() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        std::fs::create_dir(&a).unwrap();
        std::fs::write(&b, "a file").unwrap();
        let state = || {
            let mut checks = Vec::new();
            data_directories(&[&a, &b], &mut checks);
            let rows = checks.into_iter().filter(|check| check.name == "data directory");
            rows.map(|check| check.state).collect::<Vec<_>>()
        };
        assert_eq!(state(), [State::Ok, State::Bad]);
        std::fs::create_dir(a.join("metadata")).unwrap();
        assert_eq!(state(), [State::Ok, State::Note]);
    }

    #[test]
    fn the_data_directory_need_not_exist_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut checks = Vec::new();
        data_directory(&dir.path().join("a/b"), &mut checks);
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        let disk = ["uncached reads", "sync latency", "acks=all", "free space"];
        assert_eq!(names, [["data directory", "write path"].as_slice(), &disk].concat());
        assert!(checks[0].found.contains("made at the first start"), "{checks:?}");
        assert!(checks[2].found.contains("readers"), "{checks:?}");
        assert!(checks[3].found.contains("median"), "{checks:?}");
        assert!(checks[4].found.contains("median") || checks[4].state == State::Note, "{checks:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_obstacle() {
        let mut checks = Vec::new();
        data_directory(Path::new("/proc/self/data"), &mut checks);
        let report = report(checks);
        let obstacle = report.obstacle().expect("proc takes no files");
        assert!(obstacle.contains("cannot write in /proc/self"), "{obstacle}");
        assert!(obstacle.ends_with('.') && !obstacle.ends_with(".."), "{obstacle}");
        let text = report.text();
        assert!(!text.contains("A broker can"), "the end says it once: {text}");
        assert!(text.contains("data directory: make the directory writable"), "{text}");
        assert_eq!(checks_named(&report, "data directory").state, State::Bad);
    }

    #[test]
    fn a_taken_port_is_a_note_with_its_owner() {
        let socket = ports::bind("127.0.0.1:0".parse().unwrap(), "x").unwrap();
        let taken =
            Endpoint { host: "127.0.0.1".to_owned(), port: socket.local_addr().unwrap().port() };
        let check = port(&taken, "listeners=PLAINTEXT://");
        assert_eq!(check.name, "port of listeners");
        let cure = "another port with --set listeners=PLAINTEXT://127.0.0.1:PORT.";
        assert!(check.cure.ends_with(cure), "{}", check.cure);
        assert_eq!(check.state, State::Note);
        let owner = format!("is taken by process {}", std::process::id());
        assert!(check.found.contains(&owner), "{}", check.found);
    }
}
