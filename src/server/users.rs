//! Users by name, for sentences and for the audit trail.
//!
//! Owns: who this process runs as, and who a file belongs to.
//! Leaves to others: what they may do (the kernel, `admin`).
//! Start reading at: [`own`].
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const USERS: &str = "/etc/passwd";

/// The user of this process; a user whom only the network knows is called what USER says.
pub fn own() -> String {
    let Some(id) = id_of(Path::new("/proc/self")) else { return "unknown".to_owned() };
    let known = known(id);
    let told = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    known.or_else(told).unwrap_or_else(|| by_number(id))
}

/// Who a file or directory belongs to.
pub fn owner(path: &Path) -> Option<String> {
    id_of(path).map(|id| known(id).unwrap_or_else(|| by_number(id)))
}

fn id_of(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|data| data.uid())
}

fn by_number(id: u32) -> String {
    format!("uid:{id}")
}

fn known(id: u32) -> Option<String> {
    name_in(&std::fs::read_to_string(USERS).ok()?, id)
}

fn name_in(users: &str, id: u32) -> Option<String> {
    let name = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(id) && !name.is_empty()).then(|| name.to_owned())
    };
    users.lines().find_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_or_a_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\n:x:7:7::/:/bin/sh\n\
                     ada:x:1000:1000::/home/ada:/bin/bash\n";
        assert_eq!(name_in(users, 0).as_deref(), Some("root"));
        assert_eq!(name_in(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(users, 7), None);
        assert_eq!(by_number(1234), "uid:1234");
        assert_eq!(owner(Path::new("/proc/1")).as_deref(), Some("root"));
        assert_eq!(owner(Path::new("/no/such/place")), None);
    }

    #[test]
    fn this_process_runs_as_somebody() {
        assert!(!own().is_empty() && own() != "unknown", "{}", own());
    }
}
