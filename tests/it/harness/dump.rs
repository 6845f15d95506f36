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
/// In lower case.
const COMPLAINTS: &[&str] = &[
    "isvalid: false",
    "mismatch",
    "non-secquential",
    " is followed by ",
    "out of order",
    "out-of-order",
    "invalid bytes",
    "not large enough",
    "corrupt",
    "exception",
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
    let holes_allowed = |word: &&&str| !["non-secquential", " is followed by "].contains(*word);
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
    let bad = complaints_in(&said, complaints);
    assert!(bad.is_empty(), "DumpLogSegments complains:\n{}\n{}", bad.join("\n"), tail(&said, 30));
    done.out
}

/// The lines with one of these words.
///
/// 4.3.1 compares a file's first offset with -1, so that it says of every segment but a
/// partition's first: "Non-consecutive offsets in", and then "-1 is followed by" the base offset.
/// Of its pairs every other one is a complaint.
fn complaints_in<'a>(said: &'a str, words: &[&str]) -> Vec<&'a str> {
    let mut file_begins = String::new();
    let complains = |line: &&str| {
        if let Some(file) = line.strip_prefix("Non-consecutive offsets in ") {
            let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
            let base = stem.and_then(|stem| stem.parse::<u64>().ok());
            file_begins = base.map_or_else(String::new, |base| format!("-1 is followed by {base}"));
            return false;
        }
        let lower = line.to_lowercase();
        line.trim() != file_begins && words.iter().any(|word| lower.contains(word))
    };
    said.lines().filter(complains).collect()
}

#[test]
fn a_gap_is_complained_about_and_the_begin_of_a_segment_is_not() {
    let begin = "Non-consecutive offsets in /d/t-0/00000000000000007660.log\n  \
                 -1 is followed by 7660\n";
    assert_eq!(complaints_in(begin, COMPLAINTS), [""; 0]);
    let gap = format!("{begin}  8000 is followed by 8002\n");
    assert_eq!(complaints_in(&gap, COMPLAINTS), ["  8000 is followed by 8002"]);
    let late = begin.replace("by 7660", "by 7661");
    assert_eq!(complaints_in(&late, COMPLAINTS), ["  -1 is followed by 7661"]);
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

/// What [`check`] is worth: one flipped byte of a log, one of an index, and it complains.
#[test]
fn a_flipped_byte_is_complained_about() {
    use super::broker::Broker;
    use super::client::{Client, Job, write_records};
    if super::skipped_below(super::Tier::Test, "DumpLogSegments on damage") {
        return;
    }
    let mut broker = Broker::under_test(&[]);
    let records: Vec<String> =
        (0..400).map(|number| format!("k:{number} {}", "x".repeat(100))).collect();
    let file = write_records(broker.folder(), &records);
    Client::Confluent.create(&broker.bootstrap(), &["worn"]);
    // Several batches, so that there is an index entry.
    let job = Job { topic: "worn".into(), acks: "all", codec: "none" };
    Client::Confluent.produce(&broker.bootstrap(), &file, &[job.clone(), job]);
    broker.stop();
    check(&broker.data());
    for (ending, at) in [("log", 200), ("index", 1), ("timeindex", 3)] {
        let chosen = |path: &&PathBuf| 0 < std::fs::metadata(path).expect("a file").len();
        let all = files(&broker.data(), &[ending]);
        let path = all.iter().find(chosen).unwrap_or_else(|| panic!("no {ending} holds a byte"));
        let good = std::fs::read(path).expect("a readable file");
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(path, bad).expect("a writable file");
        let complained = std::panic::catch_unwind(|| check(&broker.data())).is_err();
        assert!(complained, "a flipped byte in {}", path.display());
        std::fs::write(path, good).expect("a writable file");
    }
    check(&broker.data());
}
