//! Hot swap while batches run: each is decided by exactly one generation.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;

use logmill::env::{Env, Outside, yield_now};
use logmill::io::{Node, Settings as RingSettings};
use logmill::model::ShardId;
use logmill::plugin::{CallError, Limits, Live, NOBODY, ShardPlugins};

use super::{Bench, batch, hostile, in_mode, key, on_ring};

const SHARDS: u16 = 3;
const SWAPS: u64 = 1_000;
const TASKS: usize = 3;

/// What the test asks of a shard.
enum Order {
    Prepare(Live),
    Commit(u64),
    Stop,
}

/// Counts, per parity of the generation, of the batches that a shard decided.
#[derive(Default)]
struct Decided([AtomicU64; 2]);

fn serve(node: &Arc<Node>, id: ShardId, live: Live, decided: &Arc<Decided>) {
    let mut shard = node.shard(id).expect("a ring");
    let env = shard.env();
    let limits = Limits { share: 1e3, ..Limits::default() };
    let plugins = ShardPlugins::new(&env, limits);
    plugins.bind(key(), Ok(live));
    let stop = Rc::new(Cell::new(false));
    let running = Rc::new(Cell::new(TASKS));
    for salt in 0..TASKS {
        let (plugins, stop, running) = (plugins.clone(), stop.clone(), running.clone());
        let decided = decided.clone();
        env.spawn(async move {
            produce(&plugins, salt, &stop, &decided).await;
            running.set(running.get() - 1);
        });
    }
    let flag = stop.clone();
    env.spawn(obey(env.clone(), plugins, flag));
    shard.run_until(|| stop.get() && running.get() == 0);
}

/// Batches one behind the other; odd generations are `murmur2`, even ones the shifted one.
async fn produce(plugins: &ShardPlugins, salt: usize, stop: &Cell<bool>, decided: &Decided) {
    let batch = batch(100, salt);
    let mut before = 0;
    let mut odd: Option<Vec<u32>> = None;
    let mut even: Option<Vec<u32>> = None;
    while !stop.get() {
        let decision = plugins.partition(&key(), &batch).await.expect("no call fails");
        assert!(before <= decision.generation, "generations only grow");
        before = decision.generation;
        let is_odd = decision.generation % 2 == 1;
        let seen = if is_odd { &mut odd } else { &mut even };
        let want = seen.get_or_insert_with(|| decision.targets.clone());
        assert_eq!(want, &decision.targets, "one generation, one answer");
        if let (Some(odd), Some(even)) = (&odd, &even) {
            let shifted = odd.iter().map(|target| (target + 1) % 12);
            assert!(shifted.eq(even.iter().copied()), "wholly one version or the other");
        }
        decided.0[usize::from(is_odd)].fetch_add(1, Relaxed);
        yield_now().await;
    }
}

async fn obey(env: Env, plugins: ShardPlugins, stop: Rc<Cell<bool>>) {
    let mut inbox = env.inbox();
    while !stop.get() {
        let mut request = inbox.next().await;
        match *request.take_body().downcast::<Order>().expect("an order") {
            Order::Prepare(live) => {
                let prepared = plugins.prepare(live).await;
                request.answer(Box::new(prepared));
            }
            Order::Commit(generation) => {
                request.answer(Box::new(plugins.commit("p", generation)));
            }
            Order::Stop => {
                stop.set(true);
                request.answer(Box::new(()));
            }
        }
    }
}

/// Asks every shard and gives their answers.
fn ask<T: 'static + Send>(outside: &Outside, order: impl Fn() -> Order) -> Vec<T> {
    let (sender, receiver) = mpsc::channel();
    for shard in 0..SHARDS {
        let sender = sender.clone();
        let reply = Box::new(move |answer| drop(sender.send(answer)));
        outside.call(ShardId(shard), Box::new(order()), reply);
    }
    let answer = |_| receiver.recv().expect("a reply").expect("a shard that lives");
    (0..SHARDS).map(answer).map(|body| *body.downcast::<T>().expect("an answer")).collect()
}

#[test]
fn a_thousand_activations_leave_every_batch_to_one_generation_and_drop_every_instance() {
    let bench = Bench::new();
    let versions = [bench.live("p", "murmur2-shifted", 0), bench.live("p", "murmur2", 1)];
    let node = Node::start(SHARDS, RingSettings::default()).expect("rings");
    let decided: Vec<Arc<Decided>> = (0..SHARDS).map(|_| Arc::default()).collect();
    let threads: Vec<_> = (0..SHARDS)
        .map(|id| {
            let (node, live) = (node.clone(), versions[0].clone());
            let decided = decided[usize::from(id)].clone();
            std::thread::spawn(move || serve(&node, ShardId(id), live, &decided))
        })
        .collect();
    let outside = node.outside();
    for generation in 1..=SWAPS {
        let version = &versions[generation as usize % 2];
        let live = Live { generation, ..version.clone() };
        let prepared: Vec<Result<usize, CallError>> =
            ask(&outside, || Order::Prepare(live.clone()));
        assert!(prepared.iter().all(Result::is_ok), "{prepared:?}");
        let committed: Vec<bool> = ask(&outside, || Order::Commit(generation));
        assert_eq!(committed, [true; SHARDS as usize]);
    }
    // Three thousand instances were made; those on their way to a worker are few.
    let gauges = versions.each_ref().map(|version| &version.label.metrics.instances);
    let alive: i64 = gauges.iter().map(|gauge| gauge.get()).sum();
    assert!(alive < 100, "{alive} instances are left");
    let _: Vec<()> = ask(&outside, || Order::Stop);
    threads.into_iter().for_each(|thread| thread.join().expect("no assertion failed"));
    for (shard, decided) in decided.iter().enumerate() {
        let [even, odd] = [&decided.0[0], &decided.0[1]].map(|count| count.load(Relaxed));
        assert!(0 < even && 0 < odd, "shard {shard}: {even} even, {odd} odd");
    }
}

#[test]
fn a_version_that_cannot_start_leaves_the_one_before_alone() {
    let bench = Bench::new();
    let good = bench.live("p", "murmur2", 1);
    let bad = bench.live("p", "by-airport", 2);
    on_ring(|env| async move {
        let plugins = ShardPlugins::new(&env, Limits::default());
        plugins.bind(key(), Ok(good));
        let before = plugins.partition(&key(), &batch(5, 0)).await.expect("an answer");
        let error = plugins.prepare(bad).await.expect_err("by-airport needs settings");
        assert_eq!(error.word(), "init");
        assert!(!plugins.commit("p", 2), "nothing of that generation is prepared");
        let after = plugins.partition(&key(), &batch(5, 0)).await.expect("an answer");
        assert_eq!((before.targets, 1), (after.targets, after.generation));
    });
}

#[test]
fn a_switch_does_not_wait_for_the_call_in_flight() {
    let bench = Bench::new();
    let slow = bench.live("p", "hostile", 1);
    let quick = bench.live("p", "hostile", 2);
    on_ring(|env| async move {
        let limits = Limits {
            budget_ns: 10_000_000_000,
            share: 0.5,
            burst_ns: 1_000_000,
            ..Limits::default()
        };
        let plugins = hostile(&env, &slow, "short", limits);
        plugins.partition(&in_mode("short"), &batch(1, 0)).await.expect("made");
        let is_done = Rc::new(Cell::new(false));
        let (ours, done) = (plugins.clone(), is_done.clone());
        let stop = AtomicBool::new(false);
        env.spawn(async move {
            while !stop.load(Relaxed) {
                let decision =
                    ours.partition(&in_mode("short"), &batch(1, 0)).await.expect("an answer");
                assert_eq!(decision.targets, [NOBODY]);
                stop.store(decision.generation == 2, Relaxed);
            }
            done.set(true);
        });
        yield_now().await;
        plugins.prepare(quick.clone()).await.expect("prepared");
        assert!(plugins.commit("p", 2));
        let decision = plugins.partition(&in_mode("short"), &batch(1, 0)).await.expect("an answer");
        assert_eq!(decision.generation, 2, "no batch after the commit is decided by the old one");
        while !is_done.get() {
            env.sleep_ms(1).await;
        }
    });
}

#[test]
fn pinned_bindings_do_not_follow_the_active_version() {
    let bench = Bench::new();
    let (first, second) = (bench.live("p", "murmur2", 1), bench.live("p", "murmur2-shifted", 2));
    on_ring(|env| async move {
        let plugins = ShardPlugins::new(&env, Limits::default());
        let mut pinned = key();
        pinned.pin = Some("murmur2".into());
        plugins.bind(key(), Ok(first.clone()));
        plugins.bind(pinned.clone(), Ok(first));
        for key in [&key(), &pinned] {
            plugins.partition(key, &batch(1, 0)).await.expect("an answer");
        }
        assert_eq!(plugins.prepare(second).await, Ok(1));
        assert!(plugins.commit("p", 2));
        let follows = plugins.partition(&key(), &batch(9, 0)).await.expect("an answer");
        let stays = plugins.partition(&pinned, &batch(9, 0)).await.expect("an answer");
        assert_eq!((follows.generation, stays.generation), (2, 1));
        assert_ne!(follows.targets, stays.targets);
    });
}
