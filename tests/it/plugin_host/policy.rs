//! A compaction policy behind the log's own interface: every call is a job of a worker.

use std::sync::Arc;

use logmill::log::{CompactionPolicy, PassBatch, Scope};
use logmill::model::Offset;
use logmill::plugin::{PassInfo, PluginPolicy, settings};

use super::{Bench, batch, on_ring};

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
fn shown(salt: usize) -> Arc<PassBatch> {
    let records = batch(2, salt).records;
    let expired_tombstones = vec![false; records.rows.len()];
    Arc::new(PassBatch { records, expired_tombstones })
}

#[test]
fn a_policy_serves_a_pass_on_workers() {
    let bench = Bench::new();
    let live = bench.live("newest-by-header", "newest-by-header", 1);
    let instances = live.label.metrics.instances.clone();
    on_ring(|env| async move {
        let opened = PluginPolicy::open(&env, live, Default::default(), pass()).await;
        let mut policy = opened.expect("opened");
        assert_eq!(policy.scope(), Scope::All);
        assert_eq!(policy.observe(shown(0)).await, Ok(true));
        assert_eq!(policy.observe(shown(500)).await, Ok(true));
        policy.finish(Offset(4)).await.expect("finished");
        assert_eq!(policy.drops(shown(0)).await, Ok(vec![]), "each key was seen once");
        assert_eq!(instances.get(), 1);
        drop(policy);
        while instances.get() != 0 {
            env.sleep_ms(1).await;
        }
    });
}

#[test]
fn a_policy_that_failed_is_asked_nothing_more() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile-policy", 1);
    on_ring(|env| async move {
        let trap = settings([("mode", "trap"), ("at", "observe")]);
        let opened = PluginPolicy::open(&env, live.clone(), trap, pass()).await;
        let mut policy = opened.expect("opened");
        let error = policy.observe(shown(0)).await.expect_err("a trap").message;
        assert!(error.starts_with("p@hostile-policy: trap: "), "{error}");
        let error = policy.drops(shown(0)).await.expect_err("over").message;
        assert_eq!(error, "p@hostile-policy: it failed before");
        let bad = settings([("mode", "init-fail")]);
        let opened = PluginPolicy::open(&env, live, bad, pass()).await;
        assert_eq!(opened.map(|_| ()).expect_err("refused").word(), "init");
    });
}
