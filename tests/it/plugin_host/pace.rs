//! Slices, budgets, shares, the breaker, and what else runs on the shard meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use logmill::env::yield_now;
use logmill::plugin::{CallError, Limits, NOBODY, ShardPlugins, ticker};

use super::{Bench, batch, hostile, in_mode, key, on_ring, rss_bytes};

const BUDGET_NS: u64 = 20_000_000;

/// The whole core, so that the share holds nothing back.
fn unbounded() -> Limits {
    Limits { budget_ns: BUDGET_NS, share: 1e3, ..Limits::default() }
}

#[test]
fn an_endless_loop_yields_every_slice_and_dies_when_its_budget_is_gone() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    let (error, beats, spent_ns) = on_ring(|env| async move {
        let plugins = hostile(&env, &live, "loop", unbounded());
        let beats = Rc::new(Cell::new(0_u64));
        let ours = beats.clone();
        env.spawn(async move {
            loop {
                ours.set(ours.get() + 1);
                yield_now().await;
            }
        });
        // The first call also waits for the making of its instance.
        let before = beats.get();
        let error = plugins.partition(&in_mode("loop"), &batch(10, 0)).await.expect_err("a loop");
        (error, beats.get() - before, plugins.states()[0].spent_ns)
    });
    assert!(matches!(error, CallError::Budget { used_ms: 20..40 }), "{error:?}");
    assert!((BUDGET_NS..2 * BUDGET_NS).contains(&spent_ns), "spent {spent_ns} ns");
    // Slices of 250 µs at most: others got at least this many turns.
    assert!(40 < beats, "{beats} beats");
}

#[test]
fn a_slow_but_legal_plugin_gets_its_share_and_no_more() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    let (share, waited_ns) = on_ring(|env| async move {
        let limits = Limits { share: 0.1, burst_ns: 2_000_000, ..Limits::default() };
        let plugins = hostile(&env, &live, "short", limits);
        let ours = plugins.clone();
        ours.partition(&in_mode("short"), &batch(1, 0)).await.expect("slow, not wrong");
        let before_ns = plugins.states()[0].spent_ns;
        let task = env.spawn(async move {
            loop {
                ours.partition(&in_mode("short"), &batch(1, 0)).await.expect("slow, not wrong");
            }
        });
        let start = Instant::now();
        env.sleep_ms(1_000).await;
        let (state, run) = (plugins.states().remove(0), start.elapsed());
        env.spawner().abort(task);
        ((state.spent_ns - before_ns) as f64 / run.as_nanos() as f64, state.throttled_ns)
    });
    assert!(0.03 < share && share < 0.13, "share {share}");
    assert!(100_000_000 < waited_ns, "held back for {waited_ns} ns");
}

#[test]
fn a_call_past_its_wall_limit_is_given_up_and_the_next_one_gets_a_new_instance() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    let (metrics, label) = (bench.metrics.clone(), live.label.clone());
    on_ring(|env| async move {
        let limits = Limits {
            share: 0.2,
            burst_ns: 1_000_000,
            wall_ns: 300_000_000,
            budget_ns: 10_000_000_000,
        };
        let plugins = hostile(&env, &live, "loop", limits);
        for _ in 0..2 {
            let error =
                plugins.partition(&in_mode("loop"), &batch(1, 0)).await.expect_err("a loop");
            assert!(matches!(error, CallError::Wall | CallError::Busy), "{error:?}");
        }
    });
    assert!(0 < metrics.plugin_failures("p", &label.version, label.kind.name(), "wall"));
}

#[test]
fn a_call_that_is_dropped_in_flight_spoils_its_instance_and_nothing_else() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    on_ring(|env| async move {
        let budget_ns = 10_000_000_000;
        let limits = Limits { budget_ns, share: 0.5, burst_ns: 1_000_000, ..Limits::default() };
        let plugins = hostile(&env, &live, "slow", limits);
        let ours = plugins.clone();
        let task = env.spawn(async move {
            let _ = ours.partition(&in_mode("slow"), &batch(1, 0)).await;
            panic!("aborted in the middle");
        });
        while plugins.states()[0].spent_ns == 0 {
            env.sleep_ms(1).await;
        }
        env.spawner().abort(task);
        yield_now().await;
        let answer =
            plugins.partition(&in_mode("slow"), &batch(2, 0)).await.expect("slow, not wrong");
        assert_eq!(answer.targets, [NOBODY; 2]);
        let state = plugins.states().remove(0);
        assert_eq!((state.waiting, state.failed_total), (0, 0), "nobody failed");
    });
}

#[test]
fn three_failures_open_the_breaker_and_a_probe_follows() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    let gauge = live.label.metrics.open_breakers.clone();
    let instances = live.label.metrics.instances.clone();
    on_ring(|env| async move {
        let plugins = hostile(&env, &live, "trap", unbounded());
        for _ in 0..3 {
            let error =
                plugins.partition(&in_mode("trap"), &batch(1, 0)).await.expect_err("a trap");
            assert_eq!(error.word(), "trap", "{error:?}");
        }
        let error = plugins.partition(&in_mode("trap"), &batch(1, 0)).await.expect_err("open");
        let CallError::BreakerOpen { wait_ms } = error else { panic!("{error:?}") };
        assert!(0 < wait_ms && wait_ms <= 1_250, "{wait_ms}");
        assert_eq!(gauge.get(), 1);
        let state = plugins.states()[0].state.clone();
        assert!(state.starts_with("breaker: probe in") && state.contains("trap"), "{state}");
        env.sleep_ms(wait_ms + 1).await;
        let error = plugins.partition(&in_mode("trap"), &batch(1, 0)).await.expect_err("the probe");
        assert_eq!(error.word(), "trap", "{error:?}");
        let error =
            plugins.partition(&in_mode("trap"), &batch(1, 0)).await.expect_err("open for longer");
        let CallError::BreakerOpen { wait_ms } = error else { panic!("{error:?}") };
        assert!(1_250 < wait_ms, "{wait_ms}");
        plugins.unbind(&in_mode("trap"));
        assert_eq!(gauge.get(), 0, "forgotten with its binding");
    });
    assert_eq!(instances.get(), 0);
}

#[test]
fn every_call_that_waits_for_an_instance_learns_why_there_is_none() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    on_ring(|env| async move {
        let plugins = hostile(&env, &live, "init-fail", unbounded());
        let failed = Rc::new(Cell::new(0));
        for _ in 0..5 {
            let (plugins, failed) = (plugins.clone(), failed.clone());
            env.spawn(async move {
                let error = plugins
                    .partition(&in_mode("init-fail"), &batch(1, 0))
                    .await
                    .expect_err("refused");
                assert_eq!(error.to_string(), "it refused its settings: refused as asked");
                failed.set(failed.get() + 1);
            });
        }
        while failed.get() < 5 {
            env.sleep_ms(1).await;
        }
    });
}

#[test]
fn calls_are_served_in_the_order_in_which_they_came() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    on_ring(|env| async move {
        let plugins = hostile(&env, &live, "short", unbounded());
        let served = Rc::new(std::cell::RefCell::new(Vec::new()));
        for number in 0..20 {
            let (plugins, served) = (plugins.clone(), served.clone());
            env.spawn(async move {
                plugins.partition(&in_mode("short"), &batch(1, number)).await.expect("an answer");
                served.borrow_mut().push(number);
            });
        }
        while served.borrow().len() < 20 {
            env.sleep_ms(1).await;
        }
        assert_eq!(*served.borrow(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn an_unknown_binding_and_one_without_a_version_are_not_ready() {
    on_ring(|env| async move {
        let plugins = ShardPlugins::new(&env, Limits::default());
        let error = plugins.partition(&key(), &batch(1, 0)).await.expect_err("unknown");
        assert_eq!(error.word(), "not_ready");
        plugins.bind(key(), Err("p has no active version".into()));
        let error = plugins.partition(&key(), &batch(1, 0)).await.expect_err("nothing active");
        assert_eq!(error.to_string(), "not ready: p has no active version");
    });
}

#[test]
fn a_shard_that_sleeps_gets_no_ticks() {
    let bench = Bench::new();
    let live = bench.live("p", "murmur2", 1);
    on_ring(|env| async move {
        let plugins = ShardPlugins::new(&env, unbounded());
        plugins.bind(key(), Ok(live));
        // The first call makes the instance; the second needs no turn of the ring.
        plugins.partition(&key(), &batch(1, 0)).await.expect("an answer");
        plugins.partition(&key(), &batch(1, 0)).await.expect("an answer");
        assert!(ticker::is_armed());
        env.sleep_ms(20).await;
        assert!(!ticker::is_armed(), "disarmed before the ring slept");
    });
}

#[test]
fn idle_instances_go_and_come_back_with_the_next_call() {
    let bench = Bench::new();
    let live = bench.live("p", "murmur2", 1);
    let instances = live.label.metrics.instances.clone();
    on_ring(|env| async move {
        let plugins = ShardPlugins::new(&env, unbounded());
        plugins.bind(key(), Ok(live));
        let first = plugins.partition(&key(), &batch(5, 0)).await.expect("an answer").targets;
        plugins.evict_idle(10_000);
        assert!(plugins.states()[0].has_instance, "used just now");
        env.sleep_ms(30).await;
        plugins.evict_idle(10);
        assert!(!plugins.states()[0].has_instance);
        let again = plugins.partition(&key(), &batch(5, 0)).await.expect("an answer").targets;
        assert_eq!(first, again);
        // Drops happen on workers: one of the two instances is left when the other has gone.
        while instances.get() != 1 {
            env.sleep_ms(1).await;
        }
    });
}

#[test]
fn a_memory_bomb_on_a_shard_gives_its_memory_back() {
    let bench = Bench::new();
    let live = bench.live("p", "hostile", 1);
    let before = rss_bytes();
    on_ring(|env| async move {
        let limits = Limits { budget_ns: 10_000_000_000, ..unbounded() };
        for _ in 0..12 {
            let plugins = hostile(&env, &live, "bomb", limits);
            let start = Instant::now();
            let error =
                plugins.partition(&in_mode("bomb"), &batch(1, 0)).await.expect_err("a bomb");
            assert_eq!(error, CallError::Memory);
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    });
    let grown = rss_bytes().saturating_sub(before);
    // Twelve bombs are 768 MiB; tests beside this one have bombs of their own.
    assert!(grown < 384 << 20, "{} MiB stay", grown >> 20);
}
