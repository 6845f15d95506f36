//! The files that the log room writes, on the real ring, before Apache Kafka's own eyes.
use std::process::Command;
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::env::Env;
use logmill::io::{self, Settings};
use logmill::log::{Acks, CompactionJob, FirstBatch, Log, LogConfig, LogHost, LogPlace, Start};
use logmill::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use logmill::observe::LogMetrics;
use logmill::record::{
    BatchBuilder, BatchSpec, CheckedBatch, Codec, Records, Scanned, TimestampType, next_batch,
};

use crate::harness::broker::Broker;
use crate::harness::client::{Client, Job, write_records};
use crate::harness::{Tier, dump, run, skipped_below};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn place(dir: &str, topic: &str) -> LogPlace {
    let (dir, topic) = (dir.to_owned(), topic.to_owned());
    LogPlace { dir, topic, topic_id: TopicId([3; 16]), partition: 0 }
}

fn config(timestamp_type: TimestampType) -> LogConfig {
    LogConfig { segment_bytes_max: 40_000, timestamp_type, ..LogConfig::default() }
}

fn batch(n: i32) -> CheckedBatch {
    let producer = Some((ProducerId(i64::from(n % 3)), ProducerEpoch(0), n / 3 * 20));
    let codec = CODECS[n as usize % 5];
    let mut builder = BatchBuilder::new(&BatchSpec { codec, producer, ..BatchSpec::default() });
    for row in 0..20i64 {
        let key = format!("key-{}", (i64::from(n) + row) % 50);
        let value = (row % 4 != 3).then(|| format!("value {n} {row} {}", "x".repeat(60)));
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(b"v")), (b"h", None)];
        // Some timestamps go back: the time index must not.
        let time = 1_700_000_000_000 + i64::from(n) * 50 + (row * 7) % 30;
        let value = value.as_deref().map(str::as_bytes);
        builder.push(Offset(row), time, Some(key.as_bytes()), value, headers).unwrap();
    }
    builder.finish_checked().unwrap()
}

async fn fill(log: &Rc<Log>, numbers: std::ops::Range<i32>) {
    for n in numbers {
        let acks = if n % 10 == 0 { Acks::All } else { Acks::Leader };
        let appended = log.append(&batch(n), acks, 1_700_000_100_000).unwrap();
        if n % 10 == 0 {
            appended.ack.await.unwrap();
        }
    }
}

async fn open(env: &Env, place: LogPlace, config: LogConfig, epoch: i32, start: Start) -> Rc<Log> {
    let host = LogHost::new(env.clone(), LogMetrics::default(), 1 << 20, 1 << 20, 0);
    Log::open(&host, place, config, LeaderEpoch(epoch), start).await.unwrap()
}

#[test]
fn kafka_iterates_every_segment_and_checks_every_index() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().to_str().unwrap().to_owned();
    let work = dir.clone();
    io::block_on(Settings::default(), |env| async move {
        for (topic, kind) in
            [("created", TimestampType::CreateTime), ("appended", TimestampType::LogAppendTime)]
        {
            let log = open(&env, place(&work, topic), config(kind), 3, Start::New).await;
            fill(&log, 0..150).await;
            log.close().await.unwrap();
            // A second life continues in the same segment; a third after an unclean end.
            let log = open(&env, place(&work, topic), config(kind), 4, Start::Clean).await;
            fill(&log, 150..300).await;
            log.flush().await.unwrap();
            let start = Start::Unclean { recovery_point: Some(log.recovery_point()) };
            let log = open(&env, place(&work, topic), config(kind), 5, start).await;
            assert_eq!(log.ends().log_end, Offset(6_000));
            assert!(log.append(&batch(299), Acks::Leader, 1).unwrap().duplicate);
            fill(&log, 300..310).await;
            log.close().await.unwrap();
        }
    })
    .expect("io_uring");
    assert_eq!(dump::check(temporary.path()), 2 * 310);
}

#[test]
fn kafka_iterates_compacted_segments_too() {
    let temporary = tempfile::tempdir().unwrap();
    let work = temporary.path().to_str().unwrap().to_owned();
    io::block_on(Settings::default(), |env| async move {
        for (topic, kind) in
            [("created", TimestampType::CreateTime), ("appended", TimestampType::LogAppendTime)]
        {
            let log = open(&env, place(&work, topic), config(kind), 0, Start::New).await;
            let mut first_dirty = Offset(0);
            for round in 0..3 {
                fill(&log, round * 150..(round + 1) * 150).await;
                log.roll().await.unwrap();
                let range = log.compaction_range(first_dirty, env.wall_ms());
                let job = CompactionJob::new(range, env.wall_ms());
                let report = log.compact(&job, None).await.unwrap();
                assert!(report.records_after < 60 && 0 < report.kept_tombstones, "{report:?}");
                first_dirty = report.clean_end;
            }
            fill(&log, 450..460).await;
            log.close().await.unwrap();
            let log = open(&env, place(&work, topic), config(kind), 1, Start::Clean).await;
            assert_eq!(log.ends().log_end, Offset(9_200));
            log.close().await.unwrap();
        }
    })
    .expect("io_uring");
    assert!(20 < dump::check_compacted(temporary.path()));
}

/// Appending a batch by hand to a file, as a crash in the middle of a write leaves it.
#[test]
fn a_torn_tail_on_a_real_disk_is_cut_and_the_rest_served() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().to_str().unwrap().to_owned();
    let work = dir.clone();
    io::block_on(Settings::default(), |env| async move {
        let kind = TimestampType::CreateTime;
        let log = open(&env, place(&work, "torn"), config(kind), 0, Start::New).await;
        fill(&log, 0..120).await;
        log.flush().await.unwrap();
        let last = log.append(&batch(120), Acks::Leader, 1).unwrap();
        last.ack.await.unwrap();
        drop(log);
        let mut logs: Vec<_> = std::fs::read_dir(format!("{work}/torn-0"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
            .collect();
        logs.sort();
        let tail = logs.pop().unwrap();
        let bytes = std::fs::read(&tail).unwrap();
        std::fs::write(&tail, &bytes[..bytes.len() - 7]).unwrap();
        let start = Start::Unclean { recovery_point: None };
        let log = open(&env, place(&work, "torn"), config(kind), 1, start).await;
        assert_eq!(log.ends().log_end, Offset(2_400));
        assert!(0 < log.recovered().bytes_cut);
        assert!(!log.append(&batch(120), Acks::All, 1).unwrap().duplicate);
        log.close().await.unwrap();
        // Damage below the recovery point is another matter: nothing is cut.
        let mut bytes = std::fs::read(&logs[0]).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&logs[0], &bytes).unwrap();
        std::fs::remove_file(logs[0].with_extension("index")).unwrap();
        let host = LogHost::new(env.clone(), LogMetrics::default(), 1 << 20, 1 << 20, 0);
        let start = Start::Unclean { recovery_point: Some(Offset(2_400)) };
        let opened = Log::open(&host, place(&work, "torn"), config(kind), LeaderEpoch(2), start);
        let said = opened.await.err().unwrap().to_string();
        assert!(said.contains(logs[0].to_str().unwrap()), "{said}");
        assert!(said.contains("at byte") && said.contains("checksum"), "{said}");
        assert_eq!(Bytes::from(std::fs::read(&logs[0]).unwrap()), Bytes::from(bytes));
    })
    .expect("io_uring");
}

/// A directory that Apache Kafka wrote opens here: after its orderly stop and after kill -9.
#[test]
fn a_directory_that_kafka_wrote_is_read_whole() {
    if skipped_below(Tier::All, "opening Kafka's own directory") {
        return;
    }
    let mut kafka = Broker::kafka(&[("log.segment.bytes", "1048576")]);
    let records: Vec<String> = (0..30_000).map(|n| format!("key-{}:value {n}", n % 99)).collect();
    let file = write_records(kafka.folder(), &records);
    let jobs: Vec<Job> = ["none", "gzip", "snappy", "lz4", "zstd"]
        .iter()
        .map(|codec| Job { topic: "written".into(), acks: "all", codec })
        .collect();
    let client = Client::Confluent;
    client.create(&kafka.bootstrap(), &["written"]);
    for (round, start) in [Start::Clean, Start::Unclean { recovery_point: None }].iter().enumerate()
    {
        client.produce(&kafka.bootstrap(), &file, &jobs);
        if *start == Start::Clean {
            kafka.stop()
        } else {
            kafka.kill()
        }
        let copy = tempfile::tempdir().unwrap();
        let from = format!("{}/.", kafka.data().display());
        run(Command::new("cp").args(["-a", &from]).arg(copy.path()), 60);
        let (dir, start) = (copy.path().to_str().unwrap().to_owned(), *start);
        let want = records.len() * jobs.len() * (round + 1);
        io::block_on(Settings::default(), move |env| async move {
            let mut found = 0;
            for partition in 0..3 {
                found += read_kafkas(&env, &dir, partition, start).await;
            }
            assert_eq!(found, want);
        })
        .expect("io_uring");
        assert!(0 < dump::check(copy.path()));
        kafka.start();
    }
}

/// Opens one partition of Kafka's, decodes every record, appends one, closes.
async fn read_kafkas(env: &Env, dir: &str, partition: i32, start: Start) -> usize {
    let metadata = std::fs::read_to_string(format!("{dir}/written-{partition}/partition.metadata"));
    let metadata = metadata.unwrap();
    let topic_id = metadata.split_once("topic_id: ").unwrap().1.trim().parse().unwrap();
    let place = LogPlace { topic_id, partition, ..place(dir, "written") };
    let log = open(env, place, LogConfig::default(), 50, start).await;
    let (mut from, end, mut found) = (Offset(0), log.ends().log_end, 0);
    while from < end {
        let read = log.read(from, 1 << 20, FirstBatch::Always, end).await.unwrap();
        let bytes = Bytes::from(read.slices.concat());
        let mut at = 0;
        while at < bytes.len() {
            let Scanned::Batch(header, total) = next_batch(&bytes[at..]) else { panic!("{from}") };
            found += Records::decode(&bytes.slice(at..at + total), 64 << 20).unwrap().rows.len();
            at += total;
            from = header.next_offset();
        }
    }
    let appended = log.append(&batch(0), Acks::All, env.wall_ms()).unwrap();
    appended.ack.await.unwrap();
    log.close().await.unwrap();
    found
}
