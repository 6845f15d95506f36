//! A compaction policy behind the log's own interface: an instance for each round of a pass.

use logmill::log::{PassBatch, PolicySource, Scope};
use logmill::model::Offset;
use logmill::plugin::{PassInfo, PluginPolicies, settings};

use super::{Bench, batch};

fn pass() -> PassInfo {
    PassInfo {
        topic: "last-flight".into(),
        partition: 0,
        now_ms: 0,
        first_offset: Offset(0),
        first_dirty: Offset(0),
        end_offset: Offset(4),
    }
}

/// Four records: two keys, each twice (the second batch repeats the keys of the first).
fn shown(salt: usize) -> PassBatch {
    let records = batch(2, salt).records;
    let expired_tombstones = vec![false; records.rows.len()];
    PassBatch { records, expired_tombstones }
}

#[test]
fn each_round_of_a_pass_has_an_instance_of_its_own() {
    let bench = Bench::new();
    let live = bench.live("newest-by-header", "newest-by-header", 1);
    let instances = live.label.metrics.instances.clone();
    let policies = PluginPolicies::new(live, Default::default(), pass());
    let mut policy = policies.open().expect("opened");
    assert_eq!(policy.scope(), Scope::All);
    assert_eq!(policy.observe(&shown(0)), Ok(true));
    assert_eq!(policy.observe(&shown(500)), Ok(true));
    policy.finish(Offset(4)).expect("finished");
    assert_eq!(policy.drops(&shown(0)), Ok(vec![]), "each key was seen once");
    let mut other = policies.open().expect("opened");
    assert_eq!(instances.get(), 2);
    other.finish(Offset(4)).expect("finished");
    assert!(policy.spent_ns() + other.spent_ns() <= policies.spent_ns());
    drop((policy, other));
    assert_eq!((instances.get(), policies.failure()), (0, None));
}

#[test]
fn a_policy_that_failed_is_asked_nothing_more() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile-policy", 1);
    let trap = settings([("mode", "trap"), ("at", "observe")]);
    let policies = PluginPolicies::new(live.clone(), trap, pass());
    let mut policy = policies.open().expect("opened");
    let error = policy.observe(&shown(0)).expect_err("a trap").message;
    assert!(error.starts_with("p@hostile-policy: trap: "), "{error}");
    let error = policy.drops(&shown(0)).expect_err("over").message;
    assert_eq!(error, "p@hostile-policy: it failed before");
    assert_eq!(policies.failure().map(|error| error.word()), Some("trap"));
    let bad = settings([("mode", "init-fail")]);
    let policies = PluginPolicies::new(live, bad, pass());
    let error = policies.open().err().expect("refused").message;
    assert_eq!(error, "p@hostile-policy: it refused its settings: refused as asked");
    assert_eq!(policies.failure().map(|error| error.word()), Some("init"));
}
