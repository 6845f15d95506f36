//! Compaction against a naive model, with crashes in it.
use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;
use crate::base::Rng;
use crate::sim::each_seed;

const CODECS: [Codec; 3] = [Codec::None, Codec::Lz4, Codec::Zstd];
pub const HOUR_MS: i64 = 3_600_000;

/// One record as the model knows it: key and value, either may be missing.
pub type Entry = (Option<String>, Option<String>);
pub type Content = BTreeMap<i64, Entry>;

pub fn compacted() -> LogConfig {
    LogConfig { delete_retention_ms: HOUR_MS, ..small() }
}

/// Appends random records to log and model.
pub fn fill(log: &Log, dice: &mut Rng, model: &mut Content, batches: u64, next: &mut [i32; 3]) {
    for _ in 0..batches {
        let id = dice.below(4) as usize;
        let producer = (id < 3).then(|| (id as i64, 0, next[id]));
        let mut spec = spec(producer);
        spec.codec = CODECS[dice.below(3) as usize];
        let mut builder = BatchBuilder::new(&spec);
        let count = 1 + dice.below(5) as i64;
        let base = log.ends().log_end.0;
        for n in 0..count {
            let key = (!dice.chance(50)).then(|| format!("key-{}", dice.below(12)));
            let value = (!dice.chance(200)).then(|| format!("value-{}", base + n));
            let (key_bytes, value_bytes) = (key.as_deref(), value.as_deref());
            let (key_bytes, value_bytes) =
                (key_bytes.map(str::as_bytes), value_bytes.map(str::as_bytes));
            let header: [(&[u8], Option<&[u8]>); 1] = [(b"h", Some(b"1"))];
            builder.push(Offset(n), base + n, key_bytes, value_bytes, header).unwrap();
            model.insert(base + n, (key, value));
        }
        if id < 3 {
            next[id] += count as i32;
        }
        let batch = builder.finish_checked().unwrap();
        drop(log.append(&batch, Acks::Leader, 5).unwrap().ack);
    }
}

pub async fn content(log: &Log) -> Content {
    let mut out = Content::new();
    for (_, bytes) in read_all(log).await {
        let records = Records::decode(&bytes, 1 << 20).unwrap();
        for row in &records.rows {
            let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8(b.to_vec()).unwrap());
            assert_eq!(records.headers(row).count(), 1);
            assert_eq!(row.timestamp, row.offset.0, "timestamps stay");
            out.insert(row.offset.0, (text(records.key(row)), text(records.value(row))));
        }
    }
    out
}

/// Kafka's rule in its plainest form: below `end` the newest of each key stays.
pub fn naive(before: &Content, end: i64, tombstones_go: bool) -> Content {
    let below = before.range(..end);
    let newest: BTreeMap<&String, i64> =
        below.filter_map(|(offset, (key, _))| key.as_ref().map(|key| (key, *offset))).collect();
    let stays = |offset: i64, entry: &Entry| {
        end <= offset
            || entry.0.as_ref().is_some_and(|key| newest[key] == offset)
                && !(tombstones_go && entry.1.is_none())
    };
    before.iter().filter(|(at, entry)| stays(**at, entry)).map(|(a, e)| (*a, e.clone())).collect()
}

/// Compares, and shows the first differences only.
#[track_caller]
pub fn same(found: &Content, want: &Content) {
    let missing: Vec<_> = want.iter().filter(|(at, e)| found.get(at) != Some(e)).take(5).collect();
    let extra: Vec<_> = found.iter().filter(|(at, e)| want.get(at) != Some(e)).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, extra {extra:?}");
}

/// Memory for about so many keys; the fewer, the fewer marks fit beside them.
fn keys_at_once(keys_max: usize) -> PassLimits {
    PassLimits { dedupe_bytes: (keys_max + 1) * 30, ..PassLimits::default() }
}

pub async fn pass(log: &Log, now_ms: i64, first_dirty: i64, keys_max: usize) -> CompactionReport {
    let range = log.compaction_range(Offset(first_dirty), now_ms);
    // Chunks as small as they get, so that batches lie across their borders.
    let limits = PassLimits { io_bytes: 0, ..keys_at_once(keys_max) };
    let job = CompactionJob { limits, ..CompactionJob::new(range, now_ms) };
    log.compact(&job, None).await.unwrap()
}

#[test]
fn what_stays_is_what_the_naive_rule_keeps() {
    each_seed(12, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        run(&world, async move |env| {
            let (mut dice, mut model, mut next) = (Rng::new(seed), Content::new(), [0; 3]);
            let log = open(&env, compacted(), 0, Start::New).await.unwrap();
            let (mut first_dirty, mut now_ms) = (0, 1_000_000);
            for round in 0..4 {
                let batches = 40 + dice.below(60);
                fill(&log, &mut dice, &mut model, batches, &mut next);
                let end = log.roll().await.unwrap();
                let keys_max = 2 + dice.below(16) as usize;
                let report = pass(&log, now_ms, first_dirty, keys_max).await;
                assert_eq!(report.clean_end, end);
                model = naive(&model, end.0, false);
                same(&content(&log).await, &model);
                assert_eq!(report.records_after as usize, model.len());
                assert_eq!(report.bytes_after, log.bytes());
                first_dirty = end.0;
                if round == 2 {
                    // Tombstones that a pass has stamped go an hour later, not before.
                    let report = pass(&log, now_ms + HOUR_MS - 1, first_dirty, 100).await;
                    assert_eq!(report.dropped, 0);
                    now_ms += HOUR_MS;
                    pass(&log, now_ms, first_dirty, 100).await;
                    model = naive(&model, end.0, true);
                    same(&content(&log).await, &model);
                }
            }
            // Retries of each producer's newest batch are recognised, also after a crash.
            let known = log.producer_count();
            log.flush().await.unwrap();
            let start = Start::Unclean { recovery_point: Some(log.recovery_point()) };
            let again = open(&env, compacted(), 1, start).await.unwrap();
            assert_eq!(again.recovered().bytes_cut, 0);
            assert_eq!(again.producer_count(), known);
            same(&content(&again).await, &model);
            assert_eq!(again.ends().log_end, log.ends().log_end);
        });
    });
}

#[test]
fn the_last_batch_of_each_producer_stays_also_without_snapshots() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        let sent = |id, seq| batch_of(&spec(Some((id, 0, seq))), 5, &["v"]);
        for id in 0..4 {
            for seq in 0..10 {
                drop(log.append(&sent(id, seq), Acks::Leader, 5).unwrap().ack);
            }
        }
        log.roll().await.unwrap();
        let report = pass(&log, 1_000, 0, 100).await;
        assert_eq!((report.records_after, report.empty_batches), (1, 3));
        assert_eq!(report.segments_after, 1, "small segments become one");
        log.close().await.unwrap();
        for entry in env.list_dir("data/flights-3").await.unwrap() {
            if entry.name.ends_with(".snapshot") {
                env.remove_file(&format!("data/flights-3/{}", entry.name)).await.unwrap();
            }
        }
        let start = Start::Unclean { recovery_point: Some(Offset(40)) };
        let log = open(&env, compacted(), 1, start).await.unwrap();
        for id in 0..4 {
            assert!(log.append(&sent(id, 9), Acks::Leader, 5).unwrap().duplicate);
            let next = log.append(&sent(id, 10), Acks::All, 5).unwrap();
            assert_eq!(next.base_offset, Offset(40 + id));
        }
    });
}

#[test]
fn a_crash_in_a_compaction_leaves_the_old_or_the_new_form() {
    let interrupted = Cell::new(0);
    each_seed(25, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut dice = Rng::new(seed ^ 77);
        let mut shards = world.boot(MachineId::FIRST, 1);
        let (model, log) = world.block_on(&mut shards, async move |env| {
            let (mut dice, mut model, mut next) = (Rng::new(seed), Content::new(), [0; 3]);
            let log = open(&env, compacted(), 0, Start::New).await.unwrap();
            fill(&log, &mut dice, &mut model, 80, &mut next);
            log.roll().await.unwrap();
            (model, log)
        });
        let (end, env) = (log.ends().log_end, shards[0].env());
        let finished = Rc::new(Cell::new(false));
        let flag = finished.clone();
        env.spawn(async move {
            pass(&log, 1_000_000, 0, 7).await;
            flag.set(true);
        });
        world.run_for(&mut shards, 1 + dice.below(9_000_000));
        interrupted.set(interrupted.get() + u32::from(!finished.get()));
        world.power_cut(MachineId::FIRST, shards);
        let mut shards = world.boot(MachineId::FIRST, 1);
        // Half of the recoveries are cut, too.
        if dice.chance(500) {
            let env = shards[0].env();
            env.clone().spawn(async move {
                let start = Start::Unclean { recovery_point: Some(end) };
                let _ = open(&env, compacted(), 1, start).await.unwrap();
            });
            world.run_for(&mut shards, 1 + dice.below(900_000));
            world.power_cut(MachineId::FIRST, shards);
            shards = world.boot(MachineId::FIRST, 1);
        }
        let done = finished.get();
        world.block_on(&mut shards, async move |env| {
            let start = Start::Unclean { recovery_point: Some(end) };
            let log = open(&env, compacted(), 2, start).await.unwrap();
            assert_eq!(log.ends().log_end, end);
            let (found, want) = (content(&log).await, naive(&model, end.0, false));
            assert!(found.iter().all(|(offset, entry)| model.get(offset) == Some(entry)));
            assert!(want.iter().all(|(offset, entry)| found.get(offset) == Some(entry)));
            if done {
                same(&found, &want);
            }
            pass(&log, 1_000_000, 0, 7).await;
            same(&content(&log).await, &want);
            log.close().await.unwrap();
            let log = open(&env, compacted(), 3, Start::Clean).await.unwrap();
            assert_eq!(log.recovered(), &Recovered::default());
            same(&content(&log).await, &want);
            let names = env.list_dir("data/flights-3").await.unwrap();
            let left = |name: &str| {
                [".swap", ".cleaned", ".deleted", ".marks"].iter().any(|s| name.ends_with(s))
            };
            assert!(!names.iter().any(|entry| left(&entry.name)), "{names:?}");
        });
    });
    let alone = crate::sim::seeds(25).len() == 1;
    assert!(alone || 5 < interrupted.get(), "only {} passes were interrupted", interrupted.get());
}

#[test]
fn readers_and_writers_do_not_notice() {
    each_seed(6, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        run(&world, async move |env| {
            let (mut dice, mut model, mut next) = (Rng::new(seed), Content::new(), [0; 3]);
            let log = open(&env, compacted(), 0, Start::New).await.unwrap();
            fill(&log, &mut dice, &mut model, 150, &mut next);
            let end = log.roll().await.unwrap();
            let busy = Rc::new(Cell::new(true));
            let (reader, still, before) = (log.clone(), busy.clone(), model.clone());
            env.spawn(async move {
                while still.get() {
                    let found = content(&reader).await;
                    let known = |(offset, entry): (&i64, &Entry)| before.get(offset) == Some(entry);
                    assert!(found.range(..end.0).all(known));
                    let hit = reader.offset_for_timestamp(40, end).await.unwrap().unwrap();
                    assert!(40 <= hit.offset.0);
                }
            });
            let (writer, more) = (log.clone(), busy.clone());
            env.spawn(async move {
                while more.get() {
                    let mut builder = BatchBuilder::new(&spec(None));
                    let time = writer.ends().log_end.0;
                    builder.push(Offset(0), time, None, None, [(b"h".as_slice(), None)]).unwrap();
                    let batch = builder.finish_checked().unwrap();
                    writer.append(&batch, Acks::Leader, 5).unwrap().ack.await.unwrap();
                }
            });
            pass(&log, 1_000_000, 0, 100).await;
            busy.set(false);
            log.flush().await.unwrap();
            let mut found = content(&log).await;
            found.retain(|offset, _| *offset < end.0);
            same(&found, &naive(&model, end.0, false));
        });
    });
}

#[test]
fn only_one_pass_runs_and_a_closed_log_has_none() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        fill(&log, &mut Rng::new(1), &mut Content::new(), 50, &mut [0; 3]);
        log.roll().await.unwrap();
        let job = CompactionJob::new(log.compaction_range(Offset(0), 0), 0);
        let (second, other) = (log.clone(), job.clone());
        env.spawn(async move {
            let _ = second.compact(&other, None).await;
        });
        while !log.state.borrow().compaction_runs {
            crate::env::yield_now().await;
        }
        let error = log.compact(&job, None).await.unwrap_err();
        assert!(matches!(error, CompactError::Running));
        log.close().await.unwrap();
        assert!(matches!(log.compact(&job, None).await.unwrap_err(), CompactError::Closed));
    });
}

#[test]
fn a_pass_keeps_to_its_pace() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        fill(&log, &mut Rng::new(3), &mut Content::new(), 100, &mut [0; 3]);
        log.roll().await.unwrap();
        let mut job = CompactionJob::new(log.compaction_range(Offset(0), 0), 0);
        job.limits.bytes_per_second = 1_000.0;
        let start = env.now();
        let report = log.compact(&job, None).await.unwrap();
        let seconds = (env.now().0 - start.0) / 1_000_000_000;
        let bytes = report.bytes_read + report.bytes_written;
        assert!(20_000 < bytes && bytes / 1_100 < seconds, "{bytes} bytes in {seconds} s");
    });
}

#[test]
fn what_was_replaced_is_removed_after_its_delay() {
    let world = quiet_world();
    run(&world, async |env| {
        let config = LogConfig { file_delete_delay_ms: 5_000, ..compacted() };
        let log = open(&env, config, 0, Start::New).await.unwrap();
        fill(&log, &mut Rng::new(2), &mut Content::new(), 150, &mut [0; 3]);
        log.roll().await.unwrap();
        let before = log.segment_count();
        log.compact(&CompactionJob::new(log.compaction_range(Offset(0), 0), 0), None)
            .await
            .unwrap();
        let waiting = async |env: &Env| {
            let names = env.list_dir("data/flights-3").await.unwrap();
            names.iter().filter(|entry| entry.name.ends_with(".log.deleted")).count()
        };
        assert_eq!(waiting(&env).await, before - 1, "all but the active one");
        env.sleep_ms(4_900).await;
        assert_eq!(waiting(&env).await, before - 1);
        env.sleep_ms(200).await;
        assert_eq!(waiting(&env).await, 0);
    });
}

/// A log of so many records without a key, which no pass keeps.
async fn keyless(env: &Env, batches: usize) -> (Rc<Log>, CompactionJob) {
    let config = LogConfig { segment_bytes_max: 40_000, ..compacted() };
    let log = open(env, config, 0, Start::New).await.unwrap();
    let mut builder = BatchBuilder::new(&BatchSpec { codec: Codec::Lz4, ..spec(None) });
    for n in 0..400 {
        builder.push(Offset(n), 1, None, Some(b"v"), []).unwrap();
    }
    let batch = builder.finish_checked().unwrap();
    for _ in 0..batches {
        drop(log.append(&batch, Acks::Leader, 5).unwrap().ack);
    }
    log.roll().await.unwrap();
    let job = CompactionJob::new(log.compaction_range(Offset(0), 0), 1_000);
    (log, job)
}

async fn names(env: &Env) -> Vec<String> {
    let entries = env.list_dir("data/flights-3").await.unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn keys_and_marks_together_keep_to_their_memory() {
    let world = quiet_world();
    run(&world, async |env| {
        let (log, mut job) = keyless(&env, 2_000).await;
        let records = log.ends().log_end.0 as u64;
        for bytes in [4_000, 20_000, 1 << 20] {
            (job.limits.dedupe_bytes, job.mode) = (bytes, PassMode::DryRun);
            let report = log.compact(&job, None).await.unwrap();
            assert_eq!((report.dropped, report.records_before), (records, records));
            let (took, marks) = (report.memory_bytes, records / 8);
            assert!(took <= bytes as u64, "{took} of {bytes} bytes");
            // There are more marks than that, or all of them are counted.
            assert!(bytes as u64 <= marks || marks < took, "{took} of {bytes} bytes");
            assert!(!names(&env).await.contains(&"compaction.marks".to_owned()));
        }
        job.mode = PassMode::Run;
        job.limits.dedupe_bytes = 4_000;
        assert_eq!(log.compact(&job, None).await.unwrap().records_after, 0);
        assert!(content(&log).await.is_empty());
    });
}

#[test]
fn marks_that_rot_in_their_file_end_the_pass_and_keep_everything() {
    let world = quiet_world();
    run(&world, async |env| {
        let (log, mut job) = keyless(&env, 200).await;
        let read = read_all(&log).await.len();
        (job.limits.dedupe_bytes, job.limits.bytes_per_second) = (4_000, 20_000.0);
        let (other, again) = (log.clone(), job.clone());
        let error = Rc::new(std::cell::RefCell::new(None));
        let told = error.clone();
        env.spawn(async move {
            *told.borrow_mut() = other.compact(&again, None).await.err();
        });
        let path = "data/flights-3/compaction.marks";
        while !env.exists(path).await.unwrap() {
            env.sleep_ms(1).await;
        }
        env.sleep_ms(500).await;
        let file = env.open(path, crate::env::OpenHow::Create).await.unwrap();
        env.write_all_at(&file, 3, vec![Bytes::from(vec![0x55])]).await.unwrap();
        while error.borrow().is_none() {
            env.sleep_ms(10).await;
        }
        let error = error.take().unwrap();
        assert!(matches!(error, CompactError::Marks { .. }), "{error}");
        assert!(!env.exists(path).await.unwrap());
        assert_eq!(read_all(&log).await.len(), read);
        // Nobody minds a file that an earlier life left.
        drop(env.open(path, crate::env::OpenHow::Create).await.unwrap());
        job.limits.bytes_per_second = f64::MAX;
        assert_eq!(log.compact(&job, None).await.unwrap().records_after, 0);
    });
}
