//! Checks the shape of the code: module headers, file and function lengths, line width, `SAFETY`.
//!
//! Textual on purpose. `src/wire/generated/` is exempt: a tool writes it.
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const WIDTH_MAX: usize = 100;

/// Where Rust of ours lies; folders that do not exist yet are skipped.
const ROOTS: &[&str] = &["src", "tests", "benches", "tools", "sdk", "plugins", "demo"];

/// Rooms and files that may hold `unsafe`.
const UNSAFE_ALLOWED: &[&str] = &[
    "src/base/",
    "src/io/",
    "src/observe/thread_time.rs",
    "src/plugin/cache.rs",
    "src/plugin/lower.rs",
    "src/plugin/ticker.rs",
    "benches/floor/src/kernel.rs",
];

/// Tests wait for what they need, by this file; it alone sleeps.
const SLEEPS: &str = "tests/it/harness/wait.rs";
const SLEEP: &str = concat!("thread::", "sleep");

#[test]
fn every_source_file_keeps_to_the_shape() {
    let mut broken = Vec::new();
    for root in ROOTS {
        for file in rust_files(Path::new(root)) {
            check(&file, &mut broken);
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn check(file: &Path, broken: &mut Vec<String>) {
    let text = std::fs::read_to_string(file).expect("a source file is text");
    let name = file.display();
    if !text.starts_with("//!") {
        broken.push(format!("{name}: no module header (`//! …`)"));
    }
    let lines: Vec<&str> = text.lines().collect();
    if FILE_LINES_MAX < lines.len() {
        broken.push(format!("{name}: {} lines, at most {FILE_LINES_MAX}", lines.len()));
    }
    let allowed = UNSAFE_ALLOWED.iter().any(|place| name.to_string().starts_with(place));
    let guest = name.to_string().starts_with("plugins/") || name.to_string().starts_with("sdk/");
    let may_sleep = name.to_string() == SLEEPS;
    let mut function: Option<(usize, usize)> = None;
    for (at, line) in lines.iter().enumerate() {
        if WIDTH_MAX < line.chars().count() {
            broken.push(format!("{name}:{}: wider than {WIDTH_MAX}", at + 1));
        }
        if line.contains(SLEEP) && name.to_string().starts_with("tests/") && !may_sleep {
            broken.push(format!("{name}:{}: a test that sleeps, see {SLEEPS}", at + 1));
        }
        if is_unsafe(line) && !guest {
            let explained = lines[at.saturating_sub(6)..at].iter().any(|l| l.contains("SAFETY:"));
            if !allowed || !explained {
                broken.push(format!("{name}:{}: `unsafe` out of place or unexplained", at + 1));
            }
        }
        let indent = line.len() - line.trim_start().len();
        if function.is_none() && starts_function(line) && !line.trim_end().ends_with([';', '}']) {
            function = Some((at, indent));
        }
        if let Some((start, depth)) = function
            && indent == depth
            && line.trim_start().starts_with('}')
        {
            if FUNCTION_LINES_MAX < at - start + 1 {
                let lines = at - start + 1;
                broken.push(format!("{name}:{}: function of {lines} lines", start + 1));
            }
            function = None;
        } else if let Some((_, depth)) = function
            && indent == depth
            && line.trim_end().ends_with(';')
        {
            function = None;
        }
    }
}

fn starts_function(line: &str) -> bool {
    let line = line.trim_start();
    let words =
        ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(crate) fn ", "pub(super) fn "];
    words.iter().any(|word| line.starts_with(word)) || line.starts_with("pub(crate) async fn ")
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|word| code.contains(word))
        && !code.contains('"')
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return files };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let skipped = path.ends_with("wire/generated") || path.ends_with("target");
        if path.is_dir() && !skipped {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
