//! The executor and what needs no operation: timers, clocks, promises, fairness, one seed one run.
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use logmill::env::local::{Notify, oneshot};
use logmill::env::{Instant, IoError, yield_now};
use logmill::io::{Features, Node};
use logmill::model::ShardId;
use logmill::sim::{self, Faults, MachineId, World};

use super::net::pair;
use super::{on_both, on_rings, pattern, settings};

#[test]
fn timers_fire_in_order_of_time_then_of_birth_and_not_when_dropped() {
    on_both(|env, _| async move {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let start = env.now().0;
        let mut tasks = Vec::new();
        for (name, ms) in [(0, 9), (1, 3), (2, 6), (3, 4), (4, 8)] {
            let (sleeper, fired) = (env.clone(), fired.clone());
            tasks.push(env.spawn(async move {
                sleeper.sleep_until(Instant(start + ms * 1_000_000)).await;
                assert!(start + ms * 1_000_000 <= sleeper.now().0);
                fired.borrow_mut().push(name);
            }));
        }
        yield_now().await;
        env.spawner().abort(tasks[2]);
        env.sleep_ms(15).await;
        assert_eq!(*fired.borrow(), [1, 3, 4, 0]);
    });
}

#[test]
fn a_deadline_ends_a_wait_and_an_earlier_result_wins() {
    on_both(|env, _| async move {
        let (never, _kept) = env.promise();
        let late = env.until(env.now().plus_ms(2), never).await;
        assert!(late.is_none());
        let (soon, promise) = env.promise();
        let keeper = env.clone();
        env.spawn(async move {
            keeper.sleep_ms(1).await;
            promise.keep(Ok(5));
        });
        let done = env.until(env.now().plus_ms(10_000), soon).await;
        assert_eq!(done.unwrap().result, Ok(5));
    });
}

#[test]
fn promises_channels_and_notices_wake_who_waits() {
    on_both(|env, _| async move {
        let (broken, promise) = env.promise();
        drop(promise);
        assert_eq!(broken.await.result, Err(IoError::Canceled));

        let (sender, receiver) = oneshot();
        env.spawn(async move { sender.send("value") });
        assert_eq!(receiver.await, Some("value"));
        let (sender, receiver) = oneshot::<u8>();
        env.spawn(async move { drop(sender) });
        assert_eq!(receiver.await, None);

        let (notify, count) = (Notify::default(), Rc::new(Cell::new(0)));
        for _ in 0..3 {
            let (changed, count) = (notify.changed(), count.clone());
            env.spawn(async move {
                changed.await;
                count.set(count.get() + 1);
            });
        }
        env.sleep_ms(1).await;
        assert_eq!(count.get(), 0);
        notify.notify_all();
        env.sleep_ms(1).await;
        assert_eq!(count.get(), 3);
    });
}

#[test]
fn a_task_that_never_rests_starves_neither_sockets_nor_timers() {
    on_both(|env, _| async move {
        let stop = Rc::new(Cell::new(false));
        for _ in 0..3 {
            let stop = stop.clone();
            env.spawn(async move {
                while !stop.get() {
                    yield_now().await;
                }
            });
        }
        let (client, server) = pair(&env).await;
        env.send_all(&client, vec![pattern(500, 1).into()]).await.unwrap();
        let got = env.receive_exact(&server, Vec::new(), 500).await.unwrap();
        assert!(got == pattern(500, 1));
        env.sleep_ms(1).await;
        stop.set(true);
    });
}

#[test]
fn a_slice_ends_by_time_so_that_the_ring_is_reaped_between_slow_polls() {
    let node = Node::start(1, settings(Features::ALL)).expect("io_uring");
    let mut shard = node.shard(ShardId(0)).expect("io_uring");
    let polled = Rc::new(Cell::new(0));
    for _ in 0..40 {
        let polled = polled.clone();
        shard.env().spawn(async move {
            let start = std::time::Instant::now();
            while start.elapsed().as_micros() < 300 {
                std::hint::spin_loop();
            }
            polled.set(polled.get() + 1);
        });
    }
    shard.run_until(|| polled.get() == 40);
    // 40 × 300 µs are 24 slices of 500 µs; the clock is read every fourth poll.
    assert!(9 <= shard.turns_total, "{} turns", shard.turns_total);
}

#[test]
fn the_hook_before_sleep_runs_before_each_turn_that_may_block() {
    on_both(|env, _| async move {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        env.set_before_sleep(Box::new(move || count.set(count.get() + 1)));
        env.sleep_ms(1).await;
        assert!(0 < calls.get());
        let before = calls.get();
        yield_now().await;
        assert_eq!(calls.get(), before, "a turn with ready tasks does not sleep");
    });
}

#[test]
fn the_clocks_of_the_real_driver_are_the_machines() {
    on_rings(|env, _| async move {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(env.wall_ms().abs_diff(wall.as_millis() as i64) < 10_000);
        let start = env.now();
        env.sleep_ms(3).await;
        assert!(start.plus_ms(3) <= env.now());
        assert_ne!(env.random(), env.random());
    });
}

#[test]
fn simulated_wall_clocks_jump_alone() {
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let other = world.add_machine();
    let mut others = world.boot(other, 1);
    let (env, env_other) = (shards[0].env(), others[0].env());
    let (wall, now) = (env.wall_ms(), env.now());
    world.jump_wall_ms(MachineId::FIRST, -60_000);
    assert_eq!((env.wall_ms(), env.now()), (wall - 60_000, now));
    assert_eq!(env_other.wall_ms(), wall, "every machine has a clock of its own");
    world.skip_ns(5_000_000_000);
    assert_eq!((env.wall_ms(), env.now()), (wall - 55_000, now.plus_ms(5_000)));
    world.block_on(&mut shards, |env| async move { env.sleep_ms(7).await });
    world.block_on(&mut others, |env| async move { env.sleep_ms(1).await });
    assert!(now.plus_ms(5_008) <= world.now());
}

#[test]
fn one_seed_gives_one_run() {
    let run = |seed| {
        sim::block_on(seed, Faults::LEGAL, |env| async move {
            let (client, server) = pair(&env).await;
            let sender = env.clone();
            env.spawn(async move {
                sender.send_all(&client, vec![pattern(9_000, 0).into()]).await.unwrap();
            });
            env.receive_exact(&server, Vec::new(), 9_000).await.unwrap();
            env.sleep_ms(env.random() % 7).await;
        })
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
        assert_ne!(run(seed), run(seed + 1));
    }
}
