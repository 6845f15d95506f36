//! Calls from threads without a ring: they wake the shard, are bounded, and always get an answer.
use std::rc::Rc;
use std::sync::mpsc;

use logmill::env::outside::OUTSIDE_MAX;
use logmill::env::{Body, Env, IoError, Outside};
use logmill::io::{Feature, Features, Node};
use logmill::model::ShardId;
use logmill::sim::{Faults, MachineId, World, each_seed};

use super::{Tally, settings};

type Answer = Result<Body, IoError>;

fn ask(outside: &Outside, asked: u32) -> mpsc::Receiver<Answer> {
    let (sender, receiver) = mpsc::channel();
    let reply = Box::new(move |answer| drop(sender.send(answer)));
    outside.call(ShardId(0), Box::new(asked), reply);
    receiver
}

fn double(env: &Env, tally: Tally) {
    let serving = env.clone();
    env.spawn(async move {
        let mut inbox = serving.inbox();
        loop {
            let request = inbox.next().await;
            assert!(request.is_from_outside());
            let asked = *request.body().downcast_ref::<u32>().unwrap();
            request.answer(Box::new(asked * 2));
            tally.add();
        }
    });
}

fn value(answer: Answer) -> u32 {
    *answer.unwrap().downcast::<u32>().unwrap()
}

#[test]
fn threads_without_a_ring_wake_a_sleeping_shard_and_get_their_answers() {
    for features in [Features::ALL, Features::ALL.without(Feature::DeferTaskrun), Features::NONE] {
        let node = Node::start(1, settings(features)).expect("io_uring");
        let outside = node.outside();
        let tally = Tally::default();
        std::thread::scope(|scope| {
            let count = tally.clone();
            for thread in 0..3u32 {
                let outside = outside.clone();
                scope.spawn(move || {
                    for asked in thread * 1_000..thread * 1_000 + 200 {
                        // One at a time: the shard sleeps in between.
                        assert_eq!(value(ask(&outside, asked).recv().unwrap()), asked * 2);
                    }
                });
            }
            let mut shard = node.shard(ShardId(0)).expect("io_uring");
            double(&shard.env(), count);
            // No timer: only the calls themselves can wake it.
            shard.run_until(|| tally.get() == 600);
        });
    }
}

#[test]
fn calls_beyond_the_bound_are_busy_and_calls_to_a_stopped_shard_are_told_so() {
    let node = Node::start(1, settings(Features::ALL)).expect("io_uring");
    let outside = node.outside();
    let early: Vec<_> = (0..OUTSIDE_MAX as u32).map(|asked| ask(&outside, asked)).collect();
    assert_eq!(ask(&outside, 1).recv().unwrap().err(), Some(IoError::Busy));
    let mut shard = node.shard(ShardId(0)).expect("io_uring");
    let tally = Tally::default();
    double(&shard.env(), tally.clone());
    shard.run_until(|| tally.get() == OUTSIDE_MAX as u32);
    for (asked, answer) in early.into_iter().enumerate() {
        assert_eq!(value(answer.recv().unwrap()), 2 * asked as u32);
    }
    // Room again, now that they were taken; these are never read.
    let late = ask(&outside, 5);
    drop(shard);
    assert_eq!(late.recv().unwrap().err(), Some(IoError::Stopped));
    assert_eq!(ask(&outside, 6).recv().unwrap().err(), Some(IoError::Stopped));
}

#[test]
fn the_simulator_takes_calls_from_outside_too() {
    each_seed(50, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut shards = world.boot(MachineId::FIRST, 1);
        let (outside, tally) = (shards[0].env().outside(), Tally::default());
        double(&shards[0].env(), tally.clone());
        let answers: Vec<_> = (0..50).map(|asked| ask(&outside, asked)).collect();
        let chained = Rc::new(shards[0].env().outside());
        assert!(world.run(&mut shards, || tally.get() == 50));
        for (asked, answer) in answers.into_iter().enumerate() {
            assert_eq!(value(answer.try_recv().unwrap()), 2 * asked as u32);
        }
        let lost = ask(&chained, 1);
        world.crash(MachineId::FIRST, shards);
        assert_eq!(lost.try_recv().unwrap().err(), Some(IoError::Stopped));
        assert_eq!(ask(&chained, 1).try_recv().unwrap().err(), Some(IoError::Stopped));
    });
}
