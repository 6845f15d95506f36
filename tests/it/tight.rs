//! A broker in a memory cgroup that holds a part of what it writes and reads.
//!
//! Owns: the cgroup (version 1 or 2), the load in it, kill −9 in it.
//! Leaves to others: latencies under such a limit (`benches`), the broker's own bounds (`bounds`).
//! Invariant: the group is removed when all who were in it have ended.
//! Start reading at: [`a_broker_with_little_memory_survives_and_loses_nothing`].
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::client::{Kafka, batch};
use crate::harness::broker::Broker;
use crate::harness::{Tier, skipped_below};

/// Bytes that broker and page cache may have together: more than what its shard may keep in
/// memory, less than a half of what is written.
const LIMIT_BYTES: u64 = 176 << 20;
const RECORD_BYTES: usize = 400_000;
/// Of each topic.
const RECORDS: u64 = 500;
/// Where version 1 and version 2 are mounted, and what the limit is called there.
const GROUPS: [(&str, &str); 2] =
    [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
const TOPICS: [(&str, i16); 2] = [("stable", -1), ("safe", 1)];

struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// `None`, with a printed sentence, where none can be made.
    fn new(limit_bytes: u64) -> Option<Self> {
        for (parent, limit) in GROUPS {
            let folder = PathBuf::from(parent).join(format!("logmill-it-{}", std::process::id()));
            if std::fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self(folder);
            if std::fs::write(group.0.join(limit), limit_bytes.to_string()).is_ok() {
                return Some(group);
            }
        }
        println!("skipped: no memory cgroup can be made here");
        None
    }

    fn take(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("root may do that");
    }

    /// How often the limit was met.
    fn hits(&self) -> u64 {
        let of_v1 = std::fs::read_to_string(self.0.join("memory.failcnt"));
        let text = of_v1.unwrap_or_else(|_| {
            let events = std::fs::read_to_string(self.0.join("memory.events")).expect("version 2");
            let max = events.lines().find_map(|line| line.strip_prefix("max "));
            max.expect("it counts that").to_owned()
        });
        text.trim().parse().expect("a number")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn value(number: u64) -> String {
    format!("{number:08} ").repeat(RECORD_BYTES / 9)
}

fn write(port: u16, topic: &str, acks: i16, written: &AtomicU64) {
    let mut kafka = Kafka::connect(port, "writes");
    for _ in 0..RECORDS {
        let number = written.load(Relaxed);
        let told =
            kafka.produce(topic, acks, vec![(0, batch(&[(None, &value(number))]))]).remove(0);
        assert_eq!((told.error_code, told.base_offset), (0, number as i64), "{told:?}");
        written.fetch_add(1, Relaxed);
    }
}

/// Reads from the start again and again while others write, and once to the end.
fn read(port: u16, topic: &str, written: &AtomicU64, done: &AtomicBool) {
    let mut kafka = Kafka::connect(port, "reads");
    loop {
        let (is_last, end) = (done.load(Relaxed), written.load(Relaxed));
        let mut at = 0;
        while at < end {
            let stored = kafka.read_some(topic, 0, at as i64);
            assert!(!stored.is_empty(), "{topic}: nothing at {at} below {end}");
            for one in stored {
                assert_eq!(one.offset, at as i64, "{topic}");
                assert!(one.value == value(at), "{topic}: {at} is another");
                at += 1;
            }
        }
        if is_last {
            return;
        }
    }
}

#[test]
fn a_broker_with_little_memory_survives_and_loses_nothing() {
    if skipped_below(Tier::Test, "a tight memory cgroup") {
        return;
    }
    // It goes after the broker.
    let Some(group) = MemoryGroup::new(LIMIT_BYTES) else { return };
    let settings = [("shards", "1"), ("log.segment.bytes", "33554432")];
    let mut broker = Broker::logmill(&settings);
    group.take(broker.pid());
    let mut kafka = Kafka::connect(broker.port, "setup");
    TOPICS.iter().for_each(|(topic, _)| kafka.create_topic(topic, 1, &[]));
    let (written, done) = ([AtomicU64::new(0), AtomicU64::new(0)], AtomicBool::new(false));
    for _ in 0..2 {
        let port = broker.port;
        std::thread::scope(|scope| {
            let writers = [0, 1].map(|at| {
                let (topic, acks) = TOPICS[at];
                let written = &written[at];
                scope.spawn(move || write(port, topic, acks, written))
            });
            for at in [0, 1] {
                let (written, done) = (&written[at], &done);
                scope.spawn(move || read(port, TOPICS[at].0, written, done));
            }
            let all = writers.map(|writer| writer.join());
            done.store(true, Relaxed);
            all.into_iter().for_each(|writer| writer.expect("a writer"));
        });
        done.store(false, Relaxed);
        broker.kill();
        broker.start();
        group.take(broker.pid());
    }
    done.store(true, Relaxed);
    for at in [0, 1] {
        read(broker.port, TOPICS[at].0, &written[at], &done);
    }
    let (hits, bytes) = (group.hits(), 4 * RECORDS * RECORD_BYTES as u64);
    println!("{bytes} bytes written under a limit of {LIMIT_BYTES}, which was met {hits} times");
    assert!(0 < hits, "the limit was never met");
    broker.stop();
}
