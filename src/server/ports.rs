//! Ports: opening them, and saying who has one that is taken.
//!
//! Owns: the sentence. Leaves to others: serving on the port.
//! Start reading at: [`bind`].
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::config::Endpoint;
use crate::server::data_dir::process;

/// How long a port may stay taken by a process that is gone.
const DYING_WAIT_MAX: Duration = Duration::from_secs(1);
const DYING_POLL: Duration = Duration::from_millis(10);

/// State of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// Why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "Cannot listen on {place}: the port is taken by {owner}; stop it, or choose another \
             port with --set {setting}{}:PORT.",
        host(place)
    )]
    Taken { place: String, owner: Owner, setting: String },
    #[error(
        "Cannot listen on {place}: ports below 1024 need privileges that this user does not have; \
             choose a higher one with --set {setting}{}:PORT.",
        host(place)
    )]
    Privileged { place: String, setting: String },
    #[error(
        "Cannot listen on {place}: {reason}; name an address of this machine with --set \
             {setting}ADDRESS:PORT (127.0.0.1: this machine only, 0.0.0.0: every interface)."
    )]
    Address { place: String, reason: String, setting: String },
}

/// Who has a port: `process 4711 (java)`, or nothing without rights to look.
#[derive(Debug)]
pub struct Owner(Option<String>);

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("another process (this user may not see which)"))
    }
}

/// The first address behind an endpoint; an empty host is every interface.
///
/// `setting` is the beginning of what a user writes to choose another place, for example
/// `admin.listener=`.
pub fn resolve(place: &Endpoint, setting: &str) -> Result<SocketAddr, PortError> {
    let host = if place.host.is_empty() { "0.0.0.0" } else { &place.host };
    let failed = |reason: String| {
        let (place, setting) = (place.to_string(), setting.to_owned());
        PortError::Address { place, reason, setting }
    };
    let found = (host, place.port).to_socket_addrs();
    let mut found = found.map_err(|error| failed(error.to_string()))?;
    found.next().ok_or_else(|| failed("the name has no address".to_owned()))
}

/// Listens, or says in one sentence why not; `setting` is as for [`resolve`].
pub fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, PortError> {
    TcpListener::bind(address).map_err(|error| refused(address, &error, setting))
}

/// As [`bind`], for a broker that starts.
///
/// The kernel takes a killed process's ring apart after the process is gone, and only then closes
/// the sockets that the ring still had in use. A port of nobody whom we can see is therefore asked
/// for again for a while: a supervisor may restart us at once. To look who has it means to read
/// all of `/proc`, so that is done once.
pub fn bind_patiently(address: SocketAddr, setting: &str) -> Result<TcpListener, PortError> {
    let taken = match bind(address, setting) {
        Err(taken @ PortError::Taken { owner: Owner(None), .. }) => taken,
        done => return done,
    };
    let start = Instant::now();
    while start.elapsed() < DYING_WAIT_MAX {
        std::thread::sleep(DYING_POLL);
        match TcpListener::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => (),
            done => return done.map_err(|error| refused(address, &error, setting)),
        }
    }
    Err(taken)
}

/// Why this address was refused.
fn refused(address: SocketAddr, error: &std::io::Error, setting: &str) -> PortError {
    let (place, setting) = (address.to_string(), setting.to_owned());
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let owner = pid_of(&listening_inodes(address.port()));
            PortError::Taken { place, owner: Owner(owner.map(process)), setting }
        }
        std::io::ErrorKind::PermissionDenied => PortError::Privileged { place, setting },
        std::io::ErrorKind::AddrNotAvailable => {
            let reason = "the address is none of this machine's".to_owned();
            PortError::Address { place, reason, setting }
        }
        _ => PortError::Address { place, reason: error.to_string(), setting },
    }
}

/// `[::1]` of `[::1]:9092`.
pub fn host(place: &str) -> &str {
    place.rsplit_once(':').map_or(place, |(host, _)| host)
}

/// Inodes of the sockets that listen on that port.
fn listening_inodes(port: u16) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let tables = tables.into_iter().flatten();
    tables.flat_map(|table| inodes_in(&table, port)).collect()
}

fn inodes_in(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        let found = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        let inode = words.nth(5)?;
        (state == LISTENING && found == port).then(|| inode.to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The process that holds one of these sockets, among those that this user may look into.
fn pid_of(inodes: &[String]) -> Option<u32> {
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |pid: u32| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut targets = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        targets.find(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
    };
    let pids = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid| holds(*pid).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_owner() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "x").unwrap();
        let address = first.local_addr().unwrap();
        let error = bind_patiently(address, "admin.listener=").unwrap_err().to_string();
        let pid = std::process::id();
        let start = format!("Cannot listen on {address}: the port is taken by process {pid} (");
        assert!(error.starts_with(&start), "{error}");
        assert!(error.ends_with("--set admin.listener=127.0.0.1:PORT."), "{error}");
    }

    #[test]
    fn only_listening_sockets_of_that_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode\n   \
                     0: 0100007F:25AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     \
                     0        0 77 1 0000000000000000 100 0 0 10 0\n   \
                     1: 0100007F:25AC 0100007F:9999 01 00000000:00000000 00:00000000 00000000     \
                     0        0 78 1 0000000000000000 100 0 0 10 0\n   \
                     2: broken";
        assert_eq!(inodes_in(table, 9644), ["77"]);
        assert_eq!(inodes_in(table, 9645), [""; 0]);
    }

    #[test]
    fn an_owner_that_cannot_be_seen_is_waited_for_a_second_at_most() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        // Its end has a port that cannot be had, and nobody listens there.
        let stream = std::net::TcpStream::connect(other.local_addr().unwrap()).unwrap();
        let address = stream.local_addr().unwrap();
        let start = Instant::now();
        let error = bind_patiently(address, "listeners=PLAINTEXT://").unwrap_err().to_string();
        let waited = start.elapsed();
        assert!(DYING_WAIT_MAX <= waited && waited < 2 * DYING_WAIT_MAX, "{waited:?}");
        let want = format!(
            "Cannot listen on {address}: the port is taken by another process (this user may not \
             see which); stop it, or choose another port with --set \
             listeners=PLAINTEXT://127.0.0.1:PORT."
        );
        assert_eq!(error, want);
    }

    #[test]
    fn a_foreign_address_and_an_unknown_name_say_what_to_correct() {
        let place = |host: &str| Endpoint { host: host.to_owned(), port: 1 };
        let foreign = resolve(&place("192.0.2.1"), "listeners=PLAINTEXT://").unwrap();
        let error = bind(foreign, "listeners=PLAINTEXT://").unwrap_err().to_string();
        let advice = "--set listeners=PLAINTEXT://ADDRESS:PORT (127.0.0.1: this";
        assert!(error.contains("none of this machine's") && error.contains(advice), "{error}");
        let error = resolve(&place("no-such-host.invalid"), "listeners=").unwrap_err();
        assert!(matches!(error, PortError::Address { .. }), "{error}");
        assert_eq!(resolve(&place(""), "x").unwrap().to_string(), "0.0.0.0:1");
    }

    #[test]
    fn a_privileged_port_says_how_to_choose_another() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let address = "127.0.0.1:80".parse().unwrap();
        let error = refused(address, &denied, "admin.listener=").to_string();
        assert!(error.ends_with("with --set admin.listener=127.0.0.1:PORT."), "{error}");
    }
}
