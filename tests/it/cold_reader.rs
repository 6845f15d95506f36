//! A client that reads an old log from the start, beside what everybody else needs: on a real disk.
//!
//! Owns: what such a reader leaves in the page cache and what it leaves alone; each byte read once.
//! Leaves to others: latencies beside it (`benches`), chunks and their bound (`log::tests::cold`).
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{Kafka, batch};
use crate::harness::run;
use crate::plugins_live::Stage;

const MIB: u64 = 1 << 20;
const SEGMENT_BYTES: u64 = 16 * MIB;
const LOG_BYTES: u64 = 192 * MIB;
const RECORD_BYTES: usize = 500_000;
/// So much at the end is read through the page cache.
const WARM_BYTES: u64 = 64 * MIB;

/// The log's files, oldest first, with their sizes.
fn segments(partition: &Path) -> Vec<(PathBuf, u64)> {
    let entries = std::fs::read_dir(partition).expect("the partition's folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut logs: Vec<PathBuf> =
        paths.filter(|p| p.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs.into_iter().map(|path| (path.clone(), path.metadata().expect("a file").len())).collect()
}

/// Bytes of a file that lie in the page cache.
fn resident(path: &Path) -> u64 {
    let mut command = Command::new("fincore");
    let said = run(command.args(["--bytes", "--noheadings", "--output", "RES"]).arg(path), 10);
    said.trim().parse().expect("a number")
}

/// Writes a file back and takes its pages out of the page cache.
fn drop_pages(path: &Path) {
    let mut command = Command::new("dd");
    command.args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"]);
    run(command.arg(format!("of={}", path.display())), 60);
}

fn fill(kafka: &mut Kafka) {
    // No two records alike, so that a wrong place would be seen.
    for number in 0..LOG_BYTES / RECORD_BYTES as u64 {
        let value = format!("{number:08} ").repeat(RECORD_BYTES / 9);
        let told = kafka.produce("long", 1, vec![(0, batch(&[(None, &value)]))]).remove(0);
        assert_eq!((told.error_code, told.base_offset), (0, number as i64), "{told:?}");
    }
}

#[test]
fn a_reader_from_the_start_leaves_the_page_cache_as_it_was_and_reads_each_byte_once() {
    let segment_bytes = SEGMENT_BYTES.to_string();
    let stage = Stage::start(2, &[("log.segment.bytes", &segment_bytes)]);
    let mut kafka = stage.kafka("cold");
    kafka.create_topic("long", 1, &[]);
    fill(&mut kafka);
    let all = segments(&stage.broker.data().join("long-0"));
    let (mut behind, mut old, mut new) = (0, Vec::new(), Vec::new());
    for (path, bytes) in all.iter().rev() {
        if WARM_BYTES < behind {
            old.push(path)
        } else {
            new.push((path, *bytes))
        }
        behind += bytes;
    }
    assert!(5 < old.len() && 3 < new.len(), "{} old, {} new segments", old.len(), new.len());
    old.iter().for_each(|path| drop_pages(path));
    let kept = |files: &[&PathBuf]| files.iter().map(|path| resident(path)).sum::<u64>();
    if 0 < kept(&old) {
        println!("no pages can be dropped here (tmpfs?): left out");
        return;
    }
    // One segment of the old ones is in use by somebody else.
    std::fs::read(old[2]).expect("a file that we may read");
    let used = resident(old[2]);
    assert!(SEGMENT_BYTES / 10 * 9 < used);

    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-e", "-q", "-b", &stage.broker.bootstrap(), "-t", "long", "-o", "beginning"]);
    let seen = run(kcat.args(["-f", "%o %S %k\n"]), 120);
    let want = (0..LOG_BYTES / RECORD_BYTES as u64)
        .map(|offset| format!("{offset} {} \n", RECORD_BYTES / 9 * 9));
    assert_eq!(seen, want.collect::<String>());

    let left = kept(&old) - resident(old[2]);
    let cold_bytes: u64 = old.len() as u64 * SEGMENT_BYTES;
    assert!(left < cold_bytes / 20, "{left} bytes of {cold_bytes} stayed");
    assert!(used / 10 * 9 < resident(old[2]), "what was there before stays");
    for (path, bytes) in new {
        assert!(bytes / 10 * 9 < resident(path), "the new {} is in use", path.display());
    }
    let counted = |name: &str| stage.metric(&format!("logmill_log_{name}_read_bytes_total"), &[]);
    let (uncached, cached) = (counted("uncached"), counted("cached"));
    assert!(cold_bytes as f64 * 0.9 < uncached, "{uncached} bytes by uncached reads");
    assert!(uncached + cached < 1.1 * LOG_BYTES as f64, "{uncached} and {cached} bytes were read");
}
