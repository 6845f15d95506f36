//! What Apache Kafka's DumpLogSegments thinks of a log directory.
//!
//! Owns: which files are shown to it, and which of its words are complaints.
//! Leaves to others: when a directory is at rest (the broker must have stopped).
//! Invariant: a directory without a single record is no proof and fails.
//! Start reading at: [`check`].
use std::path::{Path, PathBuf};

use super::java::{DUMP_LOG, tools};
use super::tail;

/// What it says of a damaged log, index or snapshot; in 4.3.1's own spelling.
const COMPLAINTS: &[&str] = &[
    "isvalid: false",
    "mismatch",
    "Non-secquential",
    "non-consecutive",
    "out of order",
    "out-of-order",
    "nvalid bytes",
    "not large enough",
    "corrupt",
    "Exception",
    "does not exist",
];

/// Deep-iterates every log and checks every index, time index, transaction index and snapshot.
///
/// Returns the number of record batches that it saw.
#[track_caller]
pub fn check(data: &Path) -> usize {
    check_with(data, COMPLAINTS)
}

/// As [`check`], for directories with compacted partitions, where offsets may have holes.
#[track_caller]
pub fn check_compacted(data: &Path) -> usize {
    let holes_allowed = |word: &&&str| !["Non-secquential", "non-consecutive"].contains(*word);
    let complaints: Vec<&str> = COMPLAINTS.iter().filter(holes_allowed).copied().collect();
    check_with(data, &complaints)
}

#[track_caller]
fn check_with(data: &Path, complaints: &[&str]) -> usize {
    let logs = files(data, &["log"]);
    assert!(!logs.is_empty(), "{}: no segment to check", data.display());
    let mut batches = 0;
    let dumped = dump(&logs, &["--deep-iteration"], complaints);
    batches += dumped.lines().filter(|line| line.starts_with("baseOffset:")).count();
    assert!(0 < batches, "{}: the segments hold no batch", data.display());
    let others = files(data, &["index", "timeindex", "txnindex", "snapshot"]);
    if !others.is_empty() {
        dump(&others, &[], complaints);
        let sane = files(data, &["index", "timeindex"]);
        dump(&sane, &["--index-sanity-check"], complaints);
    }
    batches
}

#[track_caller]
fn dump(files: &[PathBuf], options: &[&str], complaints: &[&str]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let mut args = vec!["--files"];
    let joined = names.join(",");
    args.push(&joined);
    args.extend(options);
    let done = tools().run_any(DUMP_LOG, &args, None);
    let said = format!("{}\n{}", done.out, done.err);
    assert!(done.status == 0, "DumpLogSegments: {}\n{}", done.status, tail(&said, 30));
    let bad: Vec<&str> =
        said.lines().filter(|line| complaints.iter().any(|word| line.contains(word))).collect();
    assert!(bad.is_empty(), "DumpLogSegments complains:\n{}\n{}", bad.join("\n"), tail(&said, 30));
    done.out
}

/// Files of segments with one of these endings, in a fixed order: named by a base offset, in a
/// partition's folder. Each broker has a metadata log of its own, which is left out.
fn files(data: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(data).expect("a data folder") {
        let folder = folder.expect("a readable folder").path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let index = name.rsplit_once('-').and_then(|(_, index)| index.parse::<u32>().ok());
        if !folder.is_dir() || index.is_none() || name.starts_with("__cluster_metadata") {
            continue;
        }
        for file in std::fs::read_dir(&folder).expect("a partition's folder") {
            let file = file.expect("a readable folder").path();
            let ending = file.extension().and_then(|ending| ending.to_str());
            let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let by_offset = stem.parse::<u64>().is_ok();
            if by_offset && ending.is_some_and(|ending| endings.contains(&ending)) {
                found.push(file);
            }
        }
    }
    found.sort();
    found
}
