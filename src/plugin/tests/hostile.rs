//! Whatever a plugin does, the call ends with a named error and the memory comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::guests::pass;
use super::{Bench, Cell, batch, call, group, keys, mode, records};
use crate::model::Offset;
use crate::plugin::meter::{Around, block_on};
use crate::plugin::view::PART_ROWS_MAX;
use crate::plugin::{
    CallError, Digest, Instance, Label, Live, NOBODY, Native, NativePolicy, PassInfo, PluginCode,
    PluginKind, PolicyRun, Scope, Settings, View, dry_run, run_assignor, settings,
};

#[test]
fn every_failure_of_a_partitioner_is_named() {
    let bench = Bench::new();
    let live = bench.live("hostile");
    for (name, word) in [
        ("loop", "budget"),
        ("flood", "budget"),
        ("trap", "trap"),
        ("stack", "trap"),
        ("greedy", "trap"),
        ("short-answer", "malformed"),
        ("wrong-length", "malformed"),
        ("out-of-range", "malformed"),
        ("fault-liar", "malformed"),
        ("fault", "refused"),
    ] {
        let mut instance = Instance::make(&live, &mode(name)).expect("made");
        let error = call(&mut instance, &batch(keys(&["key"; 200]), 4)).expect_err(name);
        assert_eq!(error.word(), word, "{name}: {error}");
        assert_eq!(error.is_failure(), name != "fault", "{name}");
        assert!(!error.to_string().contains('\n'), "one line: {error}");
    }
    assert_eq!(bench.instances(&live), 0, "dropped instances are not counted");
}

#[test]
fn a_memory_bomb_meets_its_limit_and_gives_the_memory_back() {
    let bench = Bench::new();
    let live = bench.live("hostile");
    let before = rss_bytes();
    for _ in 0..12 {
        let mut instance = Instance::make(&live, &mode("bomb")).expect("made");
        // Touching 64 MiB may take longer than a call's budget on a busy machine.
        let budget_ns = 10_000_000_000;
        let bomb = batch(keys(&["a"]), 4);
        let error = block_on(instance.partition(&bomb, budget_ns, &Around::Worker));
        assert_eq!(error, Err(CallError::Memory));
    }
    let grown = rss_bytes().saturating_sub(before);
    // Twelve bombs are 768 MiB; tests beside this one have bombs of their own.
    assert!(grown < 384 << 20, "{} MiB stay", grown >> 20);
}

fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("second field");
    pages * 4096
}

#[test]
fn mischief_while_initialising_is_stopped_too() {
    let bench = Bench::new();
    let live = bench.live("hostile");
    for (name, word) in [
        ("init-loop", "budget"),
        ("init-bomb", "memory"),
        ("init-trap", "trap"),
        ("init-fail", "init"),
    ] {
        let start = Instant::now();
        let error = Instance::make(&live, &mode(name)).err().expect(name);
        assert_eq!(error.word(), word, "{name}: {error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{name}");
    }
}

#[test]
fn a_plugin_that_reads_values_sees_batches_of_any_size_in_parts() {
    let bench = Bench::new();
    let live = bench.live("hostile");
    let mut instance = Instance::make(&live, &mode("values")).expect("made");
    let value = "x".repeat(300 << 10);
    let cells: Vec<Cell<'_>> = vec![(Some("k"), Some(value.as_str()), &[]); 10];
    let answer = call(&mut instance, &batch(records(&cells), 100)).expect("an answer");
    // The guest answers how many values it was shown.
    assert_eq!(answer, [1; 10], "600 KiB would pass half of the bound, so one each");
    let huge = "y".repeat(2 << 20);
    let cells: [Cell<'_>; 1] = [(Some("k"), Some(huge.as_str()), &[])];
    let answer = call(&mut instance, &batch(records(&cells), 100));
    assert_eq!(answer, Ok(vec![1]), "one record larger than the bound");
}

#[test]
fn a_slow_but_legal_call_ends_well() {
    let bench = Bench::new();
    let live = bench.live("hostile");
    for name in ["slow", "hoard", "chatty"] {
        let mut instance = Instance::make(&live, &mode(name)).expect("made");
        let legal = batch(keys(&["a"]), 4);
        let answer = block_on(instance.partition(&legal, 10_000_000_000, &Around::Worker));
        assert_eq!(answer, Ok(vec![NOBODY]), "{name}");
    }
    assert!(0 < live.label.gate.lines_total());
}

#[test]
fn every_failure_of_an_assignor_is_named() {
    let bench = Bench::new();
    let live = bench.live("hostile-assignor");
    let mut input = group(&["a", "b"], &[("x", 3)]);
    input.members[1].topics = vec![];
    let input = Arc::new(input);
    for (name, word) in [
        ("loop", "budget"),
        ("bomb", "memory"),
        ("trap", "trap"),
        ("wrong-length", "malformed"),
        ("out-of-range", "malformed"),
        ("unsubscribed", "malformed"),
        ("fail", "refused"),
        ("init-trap", "trap"),
    ] {
        let error = run_assignor(&live, &mode(name), input.clone(), 1_000_000_000);
        let error = error.expect_err(name);
        assert_eq!(error.word(), word, "{name}: {error}");
    }
    let kind = live.label.kind.name();
    let failures = bench.metrics.plugin_failures("hostile-assignor", "1", kind, "malformed");
    assert_eq!(failures, 3, "counted by kind of failure");
    let owners = run_assignor(&live, &mode("good"), input, 1_000_000_000).expect("good").owners;
    assert_eq!(owners, [0, 0, 0]);
}

#[test]
fn every_failure_of_a_policy_ends_its_pass() {
    let bench = Bench::new();
    let live = bench.live("hostile-policy");
    let records = keys(&["a", "b", "a"]);
    let pass = Arc::new(PassInfo {
        topic: "t".into(),
        partition: 0,
        now_ms: 0,
        first_offset: Offset(0),
        first_dirty: Offset(0),
        end_offset: Offset(3),
    });
    let run = |mode: &str, at: &str| -> Result<Vec<u32>, CallError> {
        let setting = settings([("mode", mode), ("at", at)]);
        let mut run = PolicyRun::open(live.clone(), &setting, pass.clone())?;
        run.observe(&records)?;
        run.finish(Offset(3))?;
        run.drops(&records, |_| false)
    };
    for (mode, at, word) in [
        ("trap", "observe", "trap"),
        ("trap", "finish", "trap"),
        ("trap", "drops", "trap"),
        ("loop", "observe", "budget"),
        ("bomb", "finish", "memory"),
        ("fail", "observe", "refused"),
        ("out-of-range", "drops", "malformed"),
        ("descending", "drops", "malformed"),
        ("twice", "drops", "malformed"),
        ("init-fail", "drops", "init"),
    ] {
        let error = run(mode, at).expect_err(mode);
        assert_eq!(error.word(), word, "{mode} at {at}: {error}");
    }
    assert_eq!(run("everything", "drops"), Ok(vec![0, 1, 2]), "legal: the log decides");
    assert_eq!(run("nothing", "drops"), Ok(vec![]));
}

/// Drops as many rows as instances were made before it.
struct Moody(u32);

impl NativePolicy for Moody {
    fn scope(&self) -> Scope {
        Scope::Dirty
    }

    fn observe(&mut self, _: &View) -> Result<bool, String> {
        Ok(true)
    }

    fn finish(&mut self, _: Offset) -> Result<(), String> {
        Ok(())
    }

    fn drops(&mut self, _: &View, _: &[u8]) -> Result<Vec<u32>, String> {
        Ok((0..self.0).collect())
    }
}

#[test]
fn a_policy_that_answers_differently_each_time_fails_its_dry_run() {
    for (grows_by, want) in [(1, Err("malformed")), (0, Ok("ok".to_owned()))] {
        let made = AtomicU32::new(0);
        let make = move |_: &Settings, _: &PassInfo| -> Result<Box<dyn NativePolicy>, String> {
            Ok(Box::new(Moody(made.fetch_add(grows_by, Ordering::Relaxed))))
        };
        let kind = PluginKind::CompactionPolicy;
        let label = Label::for_trial("moody", "1", kind, Digest::of(b"moody"));
        let code = PluginCode::Native(Native::Policy(Arc::new(make)));
        let told = dry_run(&Live { generation: 1, label, code }, &Settings::default());
        assert_eq!(told.map_err(|error| error.word()), want);
    }
}

/// Its memory is full after the first rows that it sees, and it cannot bear more.
struct Full(bool);

impl NativePolicy for Full {
    fn scope(&self) -> Scope {
        Scope::Dirty
    }

    fn observe(&mut self, _: &View) -> Result<bool, String> {
        match std::mem::replace(&mut self.0, true) {
            false => Ok(false),
            true => Err("asked on".into()),
        }
    }

    fn finish(&mut self, _: Offset) -> Result<(), String> {
        Ok(())
    }

    fn drops(&mut self, _: &View, _: &[u8]) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }
}

#[test]
fn a_policy_whose_memory_is_full_is_asked_nothing_more() {
    let make = |_: &Settings, _: &PassInfo| -> Result<Box<dyn NativePolicy>, String> {
        Ok(Box::new(Full(false)))
    };
    let label = Label::for_trial("full", "1", PluginKind::CompactionPolicy, Digest::of(b"full"));
    let live =
        Live { generation: 1, label, code: PluginCode::Native(Native::Policy(Arc::new(make))) };
    let mut run = PolicyRun::open(live, &Settings::default(), pass(9)).expect("opened");
    // More than one call shows.
    let many = records(&vec![(None, None, &[][..]); PART_ROWS_MAX + 1]);
    assert_eq!(run.observe(&many), Ok(false));
}

#[test]
fn a_plugin_that_behaves_in_its_dry_run_only_is_still_found_in_its_calls() {
    let bench = Bench::new();
    let setting = settings([("mode", "trap"), ("spare", "dry-run")]);
    for name in ["hostile", "hostile-assignor", "hostile-policy"] {
        assert_eq!(dry_run(&bench.live(name), &setting), Ok("ok".into()), "{name}");
        let error = dry_run(&bench.live(name), &mode("trap")).expect_err("not spared");
        assert_eq!(error.word(), "trap", "{name}: {error}");
    }
    let mut instance = Instance::make(&bench.live("hostile"), &setting).expect("made");
    let error = call(&mut instance, &batch(keys(&["a"]), 4)).expect_err("another topic");
    assert_eq!(error.word(), "trap");
}
