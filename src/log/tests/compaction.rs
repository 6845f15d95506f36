//! Compaction against a naive model, with crashes in it, and policies that misbehave.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::base::Rng;
use crate::record::Row;
use crate::sim::each_seed;

const CODECS: [Codec; 3] = [Codec::None, Codec::Lz4, Codec::Zstd];
const HOUR_MS: i64 = 3_600_000;

/// One record as the model knows it: key and value, either may be missing.
type Entry = (Option<String>, Option<String>);
type Content = BTreeMap<i64, Entry>;

fn compacted() -> LogConfig {
    LogConfig { delete_retention_ms: HOUR_MS, ..small() }
}

/// Appends random records to log and model.
fn fill(log: &Log, dice: &mut Rng, model: &mut Content, batches: u64, next: &mut [i32; 3]) {
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

async fn content(log: &Log) -> Content {
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
fn naive(before: &Content, end: i64, tombstones_go: bool) -> Content {
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
fn same(found: &Content, want: &Content) {
    let missing: Vec<_> = want.iter().filter(|(at, e)| found.get(at) != Some(e)).take(5).collect();
    let extra: Vec<_> = found.iter().filter(|(at, e)| want.get(at) != Some(e)).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, extra {extra:?}");
}

pub async fn pass(log: &Log, now_ms: i64, first_dirty: i64, keys_max: usize) -> CompactionReport {
    let range = log.compaction_range(Offset(first_dirty), now_ms);
    // Chunks as small as they get, so that batches lie across their borders.
    let limits = PassLimits { keys_max, io_bytes: 0, ..PassLimits::default() };
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
            let left =
                |name: &str| [".swap", ".cleaned", ".deleted"].iter().any(|s| name.ends_with(s));
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

/// A policy made of closures.
struct Told {
    scope: Scope,
    seen: Vec<i64>,
    memory: usize,
    ended: Option<Offset>,
    drops: fn(&Records, &Row) -> bool,
    fails: bool,
}

impl Told {
    fn new(scope: Scope, drops: fn(&Records, &Row) -> bool) -> Self {
        Self { scope, seen: Vec::new(), memory: usize::MAX, ended: None, drops, fails: false }
    }
}

impl CompactionPolicy for Told {
    fn scope(&self) -> Scope {
        self.scope
    }

    fn observe(&mut self, batch: Arc<PassBatch>) -> BoxFuture<'_, Result<bool, PolicyError>> {
        let fits = self.seen.len() < self.memory;
        if fits {
            self.seen.extend(batch.records.rows.iter().map(|row| row.offset.0));
        }
        Box::pin(async move { Ok(fits) })
    }

    fn finish(&mut self, end: Offset) -> BoxFuture<'_, Result<(), PolicyError>> {
        self.ended = Some(end);
        Box::pin(async { Ok(()) })
    }

    fn drops(&mut self, batch: Arc<PassBatch>) -> BoxFuture<'_, Result<Vec<u32>, PolicyError>> {
        let rows = batch.records.rows.iter().enumerate();
        let gone = rows.filter(|(_, row)| (self.drops)(&batch.records, row));
        let gone = gone.map(|(index, _)| index as u32).collect();
        let fails = self.fails && 200 < batch.records.header.base_offset.0;
        Box::pin(async move {
            if fails {
                return Err(PolicyError { message: "trap".into() });
            }
            Ok(gone)
        })
    }
}

#[test]
fn a_policy_decides_within_the_hosts_rules() {
    let world = quiet_world();
    run(&world, async |env| {
        let (mut dice, mut model, mut next) = (Rng::new(5), Content::new(), [0; 3]);
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        fill(&log, &mut dice, &mut model, 150, &mut next);
        let end = log.roll().await.unwrap();
        let range = log.compaction_range(Offset(100), 0);
        assert_eq!(range, PassRange { first_offset: Offset(0), first_dirty: Offset(100), end });
        let mut job = CompactionJob::new(range, 1_000_000);
        let odd: fn(&Records, &Row) -> bool = |_, row| row.offset.0 % 2 == 1;
        // A dry run says what would go, and nothing goes.
        job.mode = PassMode::DryRun;
        let mut policy = Told::new(Scope::Dirty, odd);
        let would = log.compact(&job, Some(&mut policy)).await.unwrap();
        assert!(policy.seen.contains(&100) && !policy.seen.contains(&90));
        assert_eq!((policy.ended, policy.seen.last()), (Some(end), Some(&(end.0 - 1))));
        same(&content(&log).await, &model);
        // Too much without approval, and failures, keep everything.
        job.mode = PassMode::Run;
        job.drop_ratio_max = Some(0.5);
        let mut greedy = Told::new(Scope::Nothing, |_, _| true);
        let error = log.compact(&job, Some(&mut greedy)).await.unwrap_err();
        assert!(matches!(error, CompactError::TooMany { .. }), "{error}");
        let mut failing = Told { fails: true, ..Told::new(Scope::All, odd) };
        let error = log.compact(&job, Some(&mut failing)).await.unwrap_err();
        assert_eq!(error.to_string(), "the policy failed: trap");
        let mut full = Told { memory: 0, ..Told::new(Scope::Dirty, odd) };
        let error = log.compact(&job, Some(&mut full)).await.unwrap_err();
        assert!(matches!(error, CompactError::MemoryFull { .. }), "{error}");
        same(&content(&log).await, &model);
        // A policy whose memory ends half-way decides over what it saw.
        let mut half = Told { memory: 60, ..Told::new(Scope::Dirty, odd) };
        let report = log.compact(&job, Some(&mut half)).await.unwrap();
        let seen_end = half.ended.unwrap();
        assert!(Offset(100) < seen_end && seen_end < end && report.clean_end == seen_end);
        // Unexpired tombstones stay, whatever it says.
        model.retain(|at, entry| seen_end.0 <= *at || at % 2 == 0 || entry.1.is_none());
        same(&content(&log).await, &model);
        job.range.first_dirty = seen_end;
        let mut rest = Told::new(Scope::All, odd);
        let report = log.compact(&job, Some(&mut rest)).await.unwrap();
        model.retain(|at, entry| at % 2 == 0 || entry.1.is_none());
        same(&content(&log).await, &model);
        assert!(report.records_after <= would.records_after);
        // When its time is over, a tombstone goes if the policy drops it, too.
        job.now_ms += HOUR_MS;
        log.compact(&job, Some(&mut Told::new(Scope::All, odd))).await.unwrap();
        model.retain(|at, _| at % 2 == 0);
        same(&content(&log).await, &model);
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
