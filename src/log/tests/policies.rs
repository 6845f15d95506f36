//! Compaction under policies: what they are shown, round by round, and what their answers may do.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::compaction::{Content, Entry, HOUR_MS, compacted, content, fill, naive, same};
use super::*;
use crate::base::Rng;
use crate::record::Row;
use crate::sim::each_seed;

type Drops = fn(&Records, &Row) -> bool;

/// What one instance was shown, by offset.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    observed: Vec<i64>,
    ended: Option<Offset>,
    named: Vec<i64>,
}

/// A policy made of closures.
struct Told {
    scope: Scope,
    drops: Drops,
    /// It keeps the newest of each key that it observed, whatever `drops` says.
    keeps_newest: bool,
    /// Keys that an instance holds.
    keys_max: usize,
    fails: bool,
    instances: Mutex<Vec<Seen>>,
}

struct Instance {
    told: Arc<Told>,
    number: usize,
    newest: BTreeMap<Option<Vec<u8>>, i64>,
}

impl Told {
    fn new(scope: Scope, drops: Drops) -> Self {
        let instances = Mutex::default();
        Self { scope, drops, keeps_newest: false, keys_max: usize::MAX, fails: false, instances }
    }

    fn seen(&self) -> Vec<Seen> {
        self.instances.lock().unwrap().clone()
    }
}

/// Hands out instances of a policy that the test goes on to look at.
struct Source(Arc<Told>);

impl PolicySource for Source {
    fn open(&self) -> Result<Box<dyn CompactionPolicy>, PolicyError> {
        let mut instances = self.0.instances.lock().unwrap();
        instances.push(Seen::default());
        let (told, number) = (self.0.clone(), instances.len() - 1);
        Ok(Box::new(Instance { told, number, newest: BTreeMap::new() }))
    }
}

impl Instance {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.told.instances.lock().unwrap()[self.number]);
    }
}

fn key(records: &Records, row: &Row) -> Option<Vec<u8>> {
    records.key(row).map(<[u8]>::to_vec)
}

impl CompactionPolicy for Instance {
    fn scope(&self) -> Scope {
        self.told.scope
    }

    fn observe(&mut self, batch: &PassBatch) -> Result<bool, PolicyError> {
        let rows = &batch.records.rows;
        assert!(!rows.is_empty(), "a batch of which nothing is shown");
        let new: BTreeSet<_> = rows.iter().map(|row| key(&batch.records, row)).collect();
        let new = new.iter().filter(|key| !self.newest.contains_key(*key)).count();
        if self.told.keys_max < self.newest.len() + new {
            return Ok(false);
        }
        for row in rows {
            self.newest.insert(key(&batch.records, row), row.offset.0);
        }
        self.note(|seen| seen.observed.extend(rows.iter().map(|row| row.offset.0)));
        Ok(true)
    }

    fn finish(&mut self, end: Offset) -> Result<(), PolicyError> {
        self.note(|seen| seen.ended = Some(end));
        Ok(())
    }

    fn drops(&mut self, batch: &PassBatch) -> Result<Vec<u32>, PolicyError> {
        let rows = &batch.records.rows;
        self.note(|seen| seen.named.extend(rows.iter().map(|row| row.offset.0)));
        if self.told.fails && 200 < batch.records.header.base_offset.0 {
            return Err(PolicyError { message: "trap".into() });
        }
        let goes = |(at, row): (usize, &Row)| {
            let newest = self.newest.get(&key(&batch.records, row));
            let goes = match self.told.keeps_newest {
                true => {
                    let expired = batch.expired_tombstones[at];
                    newest.is_some_and(|newest| row.offset.0 < *newest || expired)
                }
                false => (self.told.drops)(&batch.records, row),
            };
            goes.then_some(at as u32)
        };
        Ok(rows.iter().enumerate().filter_map(goes).collect())
    }

    fn spent_ns(&self) -> u64 {
        0
    }
}

async fn run_pass(
    log: &Log,
    job: &CompactionJob,
    told: Told,
) -> (Result<CompactionReport, CompactError>, Arc<Told>) {
    let told = Arc::new(told);
    let done = log.compact(job, Some(Arc::new(Source(told.clone())))).await;
    (done, told)
}

/// Appends one batch; no value: a tombstone.
fn append(log: &Log, records: &[(Option<&str>, Option<&str>)]) {
    let mut spec = spec(None);
    spec.codec = Codec::Zstd;
    let mut builder = BatchBuilder::new(&spec);
    for (at, (key, value)) in records.iter().enumerate() {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        builder.push(Offset(at as i64), 1, key, value, []).unwrap();
    }
    drop(log.append(&builder.finish_checked().unwrap(), Acks::Leader, 5).unwrap().ack);
}

async fn offsets(log: &Log) -> Vec<i64> {
    let mut offsets = Vec::new();
    for (_, bytes) in read_all(log).await {
        let records = Records::decode(&bytes, 1 << 20).unwrap();
        offsets.extend(records.rows.iter().map(|row| row.offset.0));
    }
    offsets
}

const ODD: Drops = |_, row| row.offset.0 % 2 == 1;
const NONE: Drops = |_, _| false;

/// A log whose clean part ends at 7; `b` and `t` occur in it alone, and a record without a key.
async fn half_clean(env: &Env) -> (Rc<Log>, CompactionJob) {
    let log = open(env, compacted(), 0, Start::New).await.unwrap();
    append(&log, &[(Some("a"), Some("0")), (Some("b"), Some("1")), (Some("c"), Some("2"))]);
    append(&log, &[(Some("t"), Some("3")), (Some("t"), None), (None, Some("5"))]);
    append(&log, &[(Some("b"), Some("6"))]);
    log.roll().await.unwrap();
    let job = CompactionJob::new(log.compaction_range(Offset(0), 0), 1_000);
    assert_eq!(job.range.end, Offset(7));
    // The tombstone gets its horizon.
    run_pass(&log, &job, Told::new(Scope::Dirty, NONE)).await.0.unwrap();
    append(&log, &[(Some("c"), Some("7")), (Some("d"), Some("8")), (Some("a"), Some("9"))]);
    append(&log, &[(Some("d"), None)]);
    let end = log.roll().await.unwrap();
    let range = log.compaction_range(Offset(7), 0);
    assert_eq!(range, PassRange { first_offset: Offset(0), first_dirty: Offset(7), end });
    let job = CompactionJob::new(range, 2_000);
    (log, job)
}

#[test]
fn a_policy_sees_exactly_what_it_asked_for() {
    let world = quiet_world();
    run(&world, async |env| {
        let (log, mut job) = half_clean(&env).await;
        let all: Vec<i64> = (0..11).collect();
        let of = |observed: &[i64], named: &[i64]| {
            let (observed, named) = (observed.to_vec(), named.to_vec());
            [Seen { observed, ended: Some(Offset(11)), named }]
        };
        let (_, told) = run_pass(&log, &job, Told::new(Scope::Nothing, NONE)).await;
        assert_eq!(told.seen(), of(&[], &all));
        let (_, told) = run_pass(&log, &job, Told::new(Scope::Dirty, NONE)).await;
        assert_eq!(told.seen(), of(&all[7..], &all));
        // Keys a, c and d are dirty.
        let dirty = [0, 2, 7, 8, 9, 10];
        let (_, told) = run_pass(&log, &job, Told::new(Scope::All, NONE)).await;
        assert_eq!(told.seen(), of(&dirty, &dirty));
        assert_eq!(offsets(&log).await, all);
        // What it was not shown stays, whatever it says.
        let (report, _) = run_pass(&log, &job, Told::new(Scope::All, |_, _| true)).await;
        assert_eq!((report.unwrap().dropped, offsets(&log).await), (5, vec![1, 3, 4, 5, 6, 10]));
        // Once its horizon is over, a tombstone's key is to be decided again, dirty or not.
        (job.now_ms, job.range.first_dirty) = (1_000 + HOUR_MS, job.range.end);
        let (_, told) = run_pass(&log, &job, Told::new(Scope::All, NONE)).await;
        assert_eq!(told.seen(), of(&[3, 4], &[3, 4]));
        let newest = Told { keeps_newest: true, ..Told::new(Scope::All, NONE) };
        run_pass(&log, &job, newest).await.0.unwrap();
        assert_eq!(offsets(&log).await, [1, 5, 6, 10]);
    });
}

#[test]
fn records_without_a_key_are_those_of_one_key() {
    let world = quiet_world();
    run(&world, async |env| {
        let (log, job) = half_clean(&env).await;
        append(&log, &[(None, Some("11"))]);
        let end = log.roll().await.unwrap();
        let range = PassRange { first_dirty: Offset(11), end, ..job.range };
        let job = CompactionJob { range, ..job };
        let (_, told) = run_pass(&log, &job, Told::new(Scope::All, NONE)).await;
        assert_eq!((&told.seen()[0].observed[..], told.seen().len()), (&[5, 11][..], 1));
    });
}

#[test]
fn whatever_memory_it_has_a_policy_decides_every_key() {
    each_seed(20, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        run(&world, async move |env| {
            let (mut dice, mut model, mut next) = (Rng::new(seed), Content::new(), [0; 3]);
            let log = open(&env, compacted(), 0, Start::New).await.unwrap();
            let mut first_dirty = Offset(0);
            for scope in [Scope::Dirty, Scope::All, Scope::All, Scope::Dirty] {
                fill(&log, &mut dice, &mut model, 60, &mut next);
                let end = log.roll().await.unwrap();
                let range = log.compaction_range(first_dirty, 0);
                let mut job = CompactionJob::new(range, 1_000);
                // Few keys in the host's memory, and a batch has up to five.
                job.limits.dedupe_bytes = 100 + dice.below(400) as usize;
                let keys_max = 5 + dice.below(9) as usize;
                let newest = Told { keeps_newest: true, keys_max, ..Told::new(scope, NONE) };
                let (report, told) = run_pass(&log, &job, newest).await;
                let report = report.unwrap();
                assert_eq!(report.clean_end, end);
                check_rounds(&told.seen(), &report, &model, (scope, first_dirty.0, end.0));
                // Records without a key are those of one key, and no tombstone is too old.
                let newest = model.iter().rev().find(|(_, (key, _))| key.is_none());
                let newest = newest.map(|(at, _)| *at);
                let stays = |(at, entry): &(i64, Entry)| Some(*at) == newest || entry.1.is_none();
                let kept: Content = model.clone().into_iter().filter(stays).collect();
                model = naive(&model, end.0, false);
                model.extend(kept);
                same(&content(&log).await, &model);
                first_dirty = end;
            }
        });
    });
}

/// Every record that the policy asked for was shown once, all of a key to one instance.
#[track_caller]
fn check_rounds(
    instances: &[Seen],
    report: &CompactionReport,
    model: &Content,
    (scope, first_dirty, end): (Scope, i64, i64),
) {
    let done: Vec<&Seen> = instances.iter().filter(|seen| seen.ended.is_some()).collect();
    assert_eq!(done.len() as u64, report.rounds);
    let dirty: BTreeSet<&Option<String>> =
        model.range(first_dirty..end).map(|(_, (key, _))| key).collect();
    let below = || model.range(..end);
    let shown: Vec<i64> = match scope {
        Scope::Dirty => below().map(|(at, _)| *at).filter(|at| first_dirty <= *at).collect(),
        _ => below().filter(|(_, (key, _))| dirty.contains(key)).map(|(at, _)| *at).collect(),
    };
    let mut observed: Vec<i64> = done.iter().flat_map(|seen| seen.observed.clone()).collect();
    observed.sort_unstable();
    assert_eq!(observed, shown, "{scope:?}");
    let mut of_key: BTreeMap<&Option<String>, usize> = BTreeMap::new();
    for (number, seen) in done.iter().enumerate() {
        for at in &seen.observed {
            assert_eq!(*of_key.entry(&model[at].0).or_insert(number), number, "{:?}", model[at]);
        }
    }
}

#[test]
fn a_policy_that_holds_no_key_ends_the_pass_and_keeps_everything() {
    let world = quiet_world();
    run(&world, async |env| {
        let (log, job) = half_clean(&env).await;
        for scope in [Scope::Dirty, Scope::All] {
            let full = Told { keys_max: 0, ..Told::new(scope, ODD) };
            let (done, told) = run_pass(&log, &job, full).await;
            let error = done.unwrap_err();
            assert!(matches!(error, CompactError::MemoryFull { .. }), "{error}");
            assert!(told.seen().len() < 20, "{} instances", told.seen().len());
        }
        // One key at once is enough, however many rounds that takes.
        let one = Told { keys_max: 1, keeps_newest: true, ..Told::new(Scope::All, NONE) };
        let (report, _) = run_pass(&log, &job, one).await;
        assert!(3 <= report.unwrap().rounds);
        assert_eq!(offsets(&log).await, [1, 3, 4, 5, 6, 7, 9, 10]);
    });
}

#[test]
fn more_rounds_than_a_pass_may_take_keep_everything() {
    let world = quiet_world();
    run(&world, async |env| {
        let log = open(&env, compacted(), 0, Start::New).await.unwrap();
        for key in 0..300 {
            append(&log, &[(Some(&format!("k{key}")), Some("v"))]);
        }
        log.roll().await.unwrap();
        let job = CompactionJob::new(log.compaction_range(Offset(0), 0), 1_000);
        let one = Told { keys_max: 1, ..Told::new(Scope::Dirty, |_, _| true) };
        let error = run_pass(&log, &job, one).await.0.unwrap_err();
        assert!(matches!(error, CompactError::TooManyRounds { made: 256 }), "{error}");
        assert_eq!(offsets(&log).await.len(), 300);
    });
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
        // A dry run says what would go, and nothing goes.
        job.mode = PassMode::DryRun;
        let (would, told) = run_pass(&log, &job, Told::new(Scope::Dirty, ODD)).await;
        let (would, seen) = (would.unwrap(), &told.seen()[0]);
        assert!(seen.observed.contains(&100) && !seen.observed.contains(&90));
        assert_eq!((seen.ended, seen.observed.last()), (Some(end), Some(&(end.0 - 1))));
        same(&content(&log).await, &model);
        // Too much without approval, and failures, keep everything.
        job.mode = PassMode::Run;
        job.drop_ratio_max = Some(0.5);
        let error = run_pass(&log, &job, Told::new(Scope::Nothing, |_, _| true)).await.0;
        let error = error.unwrap_err();
        assert!(matches!(error, CompactError::TooMany { .. }), "{error}");
        let failing = Told { fails: true, ..Told::new(Scope::All, ODD) };
        let error = run_pass(&log, &job, failing).await.0.unwrap_err();
        assert_eq!(error.to_string(), "the policy failed: trap");
        same(&content(&log).await, &model);
        // Unexpired tombstones stay, whatever it says.
        let (report, _) = run_pass(&log, &job, Told::new(Scope::Dirty, ODD)).await;
        assert_eq!(report.unwrap().records_after, would.records_after);
        model.retain(|at, entry| at % 2 == 0 || entry.1.is_none());
        same(&content(&log).await, &model);
        // When its time is over, a tombstone goes if the policy drops it, too.
        job.now_ms += HOUR_MS;
        run_pass(&log, &job, Told::new(Scope::All, ODD)).await.0.unwrap();
        model.retain(|at, _| at % 2 == 0);
        same(&content(&log).await, &model);
    });
}
