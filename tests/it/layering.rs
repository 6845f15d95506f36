//! Checks the layering rule: a room under `src/` may name only the rooms in its row.
//!
//! Textual on purpose: comments and string literals are stripped, then every `crate::<room>` and
//! every `crate::{<room>…}` path is collected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Room -> rooms that it may import. A row names only rows above it.
const ALLOWED: &[(&str, &[&str])] = &[
    // Foundation.
    ("base", &[]),
    ("model", &["base"]),
    ("config", &["base", "model"]),
    ("observe", &["base", "model"]),
    // Formats, and the seam to the outside world.
    ("record", &["base", "model"]),
    ("wire", &["base", "model"]),
    ("env", &["base", "model"]),
    // Logic.
    ("log", &["base", "model", "config", "observe", "record", "env"]),
    ("group", &["base", "model", "config", "observe", "record", "wire"]),
    ("cluster", &["base", "model", "config", "observe", "record", "wire"]),
    ("plugin", &["base", "model", "config", "observe", "record", "env", "log"]),
    // One core at work.
    (
        "shard",
        &[
            "base", "model", "config", "observe", "record", "wire", "env", "log", "group",
            "cluster", "plugin",
        ],
    ),
    (
        "api",
        &[
            "base", "model", "config", "observe", "record", "wire", "env", "log", "group",
            "cluster", "plugin", "shard",
        ],
    ),
    // Edges.
    ("io", &["base", "model", "observe", "env"]),
    (
        "admin",
        &[
            "base", "model", "config", "observe", "wire", "env", "plugin", "group", "cluster",
            "shard",
        ],
    ),
    (
        "sim",
        &[
            "base", "model", "config", "observe", "record", "wire", "env", "log", "group",
            "cluster", "plugin", "shard", "api",
        ],
    ),
    (
        "server",
        &[
            "base", "model", "config", "observe", "record", "wire", "env", "io", "admin", "plugin",
            "cluster", "group", "log", "shard", "api",
        ],
    ),
];

/// Rooms that never touch the machine: time, randomness, disk and network reach them as arguments
/// or through `Env`.
const PURE: &[&str] =
    &["base", "model", "record", "wire", "env", "log", "group", "cluster", "shard", "api"];

/// Names that would let the outside world into a pure room.
const AMBIENT: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "SystemTime",
    "Instant::now",
    "io_uring",
    "libc::",
    "wasmtime",
    "thread_rng",
    "rand::rng",
    "HashMap::new",
    "std::collections::HashMap",
];

#[test]
fn every_room_imports_only_what_its_row_allows() {
    let rooms: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut broken = Vec::new();
    for (row, (room, allowed)) in ALLOWED.iter().enumerate() {
        for name in *allowed {
            assert!(
                ALLOWED[..row].iter().any(|(above, _)| above == name),
                "row `{room}` names `{name}`, not above it"
            );
        }
    }
    for file in rust_files(Path::new("src")) {
        let Some(room) = room_of(&file).filter(|_| !is_test(&file)) else { continue };
        let Some(allowed) = rooms.get(room.as_str()) else {
            broken.push(format!("{}: room `{room}` has no row in ALLOWED", file.display()));
            continue;
        };
        let code = code_only(&std::fs::read_to_string(&file).unwrap());
        for import in crate_imports(&code) {
            if import != room
                && rooms.contains_key(import.as_str())
                && !allowed.contains(&import.as_str())
            {
                broken.push(format!("{}: `{room}` may not import `{import}`", file.display()));
            }
        }
        if PURE.contains(&room.as_str()) {
            for name in AMBIENT {
                if code.contains(name) {
                    broken.push(format!("{}: pure room `{room}` names `{name}`", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// `src/log/tests.rs` and what lies in `src/log/tests/`: tests may reach wider.
fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests")
        || file.file_name().is_some_and(|name| name == "tests.rs")
}

/// `src/log/segment.rs` -> `log`. Files directly under `src/` (lib.rs, main.rs) belong to no room.
fn room_of(file: &Path) -> Option<String> {
    let mut parts = file.strip_prefix("src").ok()?.components();
    let room = parts.next()?.as_os_str().to_str()?.to_owned();
    parts.next().map(|_| room)
}

/// First segment after each `crate::`, looking one level into `crate::{a::b, c}`.
fn crate_imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(identifier(rest)),
            Some(group) => {
                let mut depth = 1;
                let mut start = true;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => start = true,
                        c if start && depth == 1 && !c.is_whitespace() => {
                            found.push(identifier(&group[i..]));
                            start = false;
                        }
                        _ => (),
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Drops comments, string literals and all behind `#[cfg(test)]`: tests may reach wider.
fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let mut quoted = false;
        let mut previous = ' ';
        for (i, c) in line.char_indices() {
            if !quoted && line[i..].starts_with("//") {
                break;
            }
            if c == '"' && previous != '\\' && previous != '\'' {
                quoted = !quoted;
            } else if !quoted {
                out.push(c);
            }
            previous = c;
        }
        out.push('\n');
    }
    out
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
