//! Ports: opening them, and saying who has one that is taken.
//!
//! Owns: the sentence. Leaves to others: serving on the port.
//! Start reading at: [`bind`].
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use crate::config::Endpoint;
use crate::server::data_dir::process;

/// How long a port may stay taken by a process that is gone.
const DYING_WAIT_MAX: Duration = Duration::from_secs(3);
const DYING_POLL: Duration = Duration::from_millis(10);

/// State of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// Why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "Cannot listen on {place}: the port is taken by {owner}; stop it, or choose another \
             port with --set {setting}."
    )]
    Taken { place: String, owner: String, setting: String },
    #[error("Cannot listen on {place}: {reason}; correct {setting}.")]
    Address { place: String, reason: String, setting: String },
}

/// The first address behind an endpoint; an empty host is every interface.
pub fn resolve(place: &Endpoint, setting: &str) -> Result<SocketAddr, PortError> {
    let host = if place.host.is_empty() { "0.0.0.0" } else { &place.host };
    let failed = |reason: String| {
        let (place, setting) = (place.to_string(), setting.to_owned());
        PortError::Address { place, reason, setting }
    };
    let mut found = (host, place.port).to_socket_addrs().map_err(|error| failed(reason(&error)))?;
    found.next().ok_or_else(|| failed("the name has no address".to_owned()))
}

/// Listens, or says in one sentence why not.
///
/// `setting` is what a user writes to choose another port, for example
/// `admin.listener=127.0.0.1:PORT`.
///
/// The kernel takes a killed process's ring apart after the process is gone, and only then closes
/// the sockets that the ring still had in use. A port of nobody whom we can see is therefore asked
/// for again for a while: a supervisor may restart us at once.
pub fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, PortError> {
    let mut waited = Duration::ZERO;
    loop {
        let error = match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let taken = error.kind() == std::io::ErrorKind::AddrInUse;
        let ours_dying = taken && pid_of(&listening_inodes(address.port())).is_none();
        if !ours_dying || DYING_WAIT_MAX <= waited {
            return Err(refused(address, &error, setting));
        }
        std::thread::sleep(DYING_POLL);
        waited += DYING_POLL;
    }
}

/// Why this address was refused.
pub fn refused(address: SocketAddr, error: &std::io::Error, setting: &str) -> PortError {
    let (place, setting) = (address.to_string(), setting.to_owned());
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let owner = owner(address.port());
            PortError::Taken { place, owner, setting }
        }
        _ => PortError::Address { place, reason: reason(error), setting },
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges that this user does not have".to_owned()
        }
        std::io::ErrorKind::AddrNotAvailable => "the address is none of this machine's".to_owned(),
        _ => error.to_string(),
    }
}

/// `process 4711 (java)`, or what can be said without rights to look.
fn owner(port: u16) -> String {
    let sockets = listening_inodes(port);
    match pid_of(&sockets) {
        Some(pid) => process(pid),
        None => "another process (this user may not see which)".to_owned(),
    }
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
        let error = bind(address, "admin.listener=127.0.0.1:PORT").unwrap_err().to_string();
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
    fn a_foreign_address_and_an_unknown_name_say_what_to_correct() {
        let place = |host: &str| Endpoint { host: host.to_owned(), port: 1 };
        let foreign = resolve(&place("192.0.2.1"), "listeners").unwrap();
        let error = bind(foreign, "listeners").unwrap_err().to_string();
        assert!(error.contains("none of this machine's; correct listeners."), "{error}");
        let error = resolve(&place("no-such-host.invalid"), "listeners").unwrap_err();
        assert!(matches!(error, PortError::Address { .. }), "{error}");
        assert_eq!(resolve(&place(""), "x").unwrap().to_string(), "0.0.0.0:1");
    }
}
