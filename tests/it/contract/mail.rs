//! Mail: shards on threads with rings, and shards of simulated worlds that reorder it.
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use logmill::env::driver::Wait;
use logmill::env::seam::CREDITS_MAX;
use logmill::env::{Body, Env, IoError, Request, SocketHandle, yield_now};
use logmill::io::{Features, Node};
use logmill::model::ShardId;
use logmill::sim::{Faults, MachineId, World, each_seed};

use super::net::any_port;
use super::{Tally, on_shards, pattern, settings};

const CALLS: u32 = 150;

fn number(body: &Body) -> u32 {
    *body.downcast_ref::<u32>().expect("a number")
}

/// Answers every number with itself and its own shard.
fn answer_numbers(env: &Env) {
    let answering = env.clone();
    env.spawn(async move {
        let mut inbox = answering.inbox();
        loop {
            let request = inbox.next().await;
            let asked = *request.body().downcast_ref::<u32>().expect("a number");
            request.answer(Box::new((asked, answering.shard())));
        }
    });
}

#[test]
fn shards_call_each_other_and_themselves_without_deadlock() {
    on_shards(2, 4 * CALLS, |env, tally| {
        answer_numbers(&env);
        for call in 0..CALLS {
            for to in [ShardId(0), ShardId(1)] {
                let (caller, tally) = (env.clone(), tally.clone());
                env.spawn(async move {
                    let got = caller.call(to, Box::new(call)).await.unwrap();
                    assert_eq!(*got.downcast::<(u32, ShardId)>().unwrap(), (call, to));
                    tally.add();
                });
            }
        }
    });
}

#[test]
fn a_pair_keeps_its_order_also_while_waiting_for_credit() {
    let calls = 5 * CREDITS_MAX;
    // Two senders, so that the simulator has pairs to reorder.
    on_shards(3, 2 * calls, move |env, tally| {
        if env.shard() == ShardId(0) {
            let reading = env.clone();
            env.spawn(async move {
                let (mut inbox, mut next) = (reading.inbox(), [0; 3]);
                loop {
                    let mut request = inbox.next().await;
                    let from = usize::from(request.from().0);
                    assert_eq!(number(&request.take_body()), next[from], "from shard {from}");
                    next[from] += 1;
                    request.answer(Box::new(()));
                    if next[from].is_multiple_of(7) {
                        yield_now().await;
                    }
                }
            });
            return;
        }
        let calling = env.clone();
        env.spawn(async move {
            let calls: Vec<_> =
                (0..calls).map(|call| calling.call(ShardId(0), Box::new(call))).collect();
            for call in calls {
                call.await.unwrap();
                tally.add();
            }
        });
    });
}

#[test]
fn answers_that_take_long_hold_up_nobody_else() {
    let waiting_calls = 3 * CREDITS_MAX;
    on_shards(2, waiting_calls + 1, move |env, tally| {
        if env.shard() == ShardId(1) {
            let serving = env.clone();
            env.spawn(async move {
                let (mut inbox, mut held) = (serving.inbox(), Vec::new());
                loop {
                    let request = inbox.next().await;
                    if request.body().downcast_ref::<u32>() == Some(&0) {
                        // Like a join that waits for all members.
                        held.push(request);
                        continue;
                    }
                    request.answer(Box::new(held.len() as u32));
                    held.drain(..).for_each(|held: Request| held.answer(Box::new(0u32)));
                }
            });
            return;
        }
        let calling = env.clone();
        env.spawn(async move {
            let slow: Vec<_> =
                (0..waiting_calls).map(|_| calling.call(ShardId(1), Box::new(0u32))).collect();
            let quick = calling.call(ShardId(1), Box::new(1u32)).await.unwrap();
            assert_eq!(number(&quick), waiting_calls, "all of them wait at the other shard");
            tally.add();
            for call in slow {
                call.await.unwrap();
                tally.add();
            }
        });
    });
}

#[test]
fn a_request_that_is_dropped_or_refused_is_an_error_for_its_caller() {
    on_shards(2, 2, |env, tally| {
        if env.shard() == ShardId(1) {
            let serving = env.clone();
            env.spawn(async move {
                let mut inbox = serving.inbox();
                drop(inbox.next().await);
                inbox.next().await.refuse(IoError::NoSpace);
                loop {
                    inbox.next().await;
                }
            });
            return;
        }
        let calling = env.clone();
        env.spawn(async move {
            let dropped = calling.call(ShardId(1), Box::new(())).await;
            assert_eq!(dropped.err(), Some(IoError::Canceled));
            tally.add();
            let refused = calling.call(ShardId(1), Box::new(())).await;
            assert_eq!(refused.err(), Some(IoError::NoSpace));
            tally.add();
        });
    });
}

#[test]
fn a_caller_that_leaves_takes_back_what_was_not_sent_and_loses_no_credit() {
    each_seed(100, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut shards = world.boot(MachineId::FIRST, 2);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (reading, log) = (shards[1].env(), seen.clone());
        shards[1].env().spawn(async move {
            reading.sleep_ms(5).await;
            let mut inbox = reading.inbox();
            loop {
                let mut request = inbox.next().await;
                log.borrow_mut().push(number(&request.take_body()));
                request.answer(Box::new(()));
            }
        });
        world.block_on(&mut shards, |env| async move {
            let to = ShardId(1);
            // The last ten of these wait for credit when they are dropped.
            let mut first: VecDeque<_> =
                (0..CREDITS_MAX + 10).map(|call| env.call(to, Box::new(call))).collect();
            env.sleep_ms(1).await;
            first.truncate(CREDITS_MAX as usize);
            drop(first);
            for call in 1_000..1_000 + 2 * CREDITS_MAX {
                env.call(to, Box::new(call)).await.unwrap();
            }
        });
        let want: Vec<u32> = (0..CREDITS_MAX).chain(1_000..1_000 + 2 * CREDITS_MAX).collect();
        assert_eq!(*seen.borrow(), want);
    });
}

#[test]
fn a_socket_is_handed_to_another_shard_and_serves_there() {
    on_shards(2, 4, |env, tally| {
        let here = env.clone();
        if env.shard() == ShardId(1) {
            env.spawn(async move {
                let mut inbox = here.inbox();
                loop {
                    let mut request = inbox.next().await;
                    let handle = request.take_body().downcast::<SocketHandle>().unwrap();
                    let (echo, socket) = (here.clone(), here.adopt(*handle));
                    request.answer(Box::new(()));
                    here.spawn(async move {
                        let mut stream = echo.receive_many(&socket);
                        while let Some(Ok(chunk)) = stream.next().await {
                            let bytes = chunk.to_vec();
                            echo.send_all(&socket, vec![bytes.into()]).await.unwrap();
                        }
                    });
                }
            });
            return;
        }
        env.spawn(async move {
            let listener = here.listen(any_port()).await.unwrap();
            let mut accepting = here.accept_many(&listener);
            for round in 0..4 {
                let client = here.connect(listener.address).await.unwrap();
                let (socket, _) = accepting.next().await.unwrap();
                let handle = socket.into_handle().ok().expect("not shared");
                here.call(ShardId(1), Box::new(handle)).await.unwrap();
                let data = pattern(10_000, round);
                let (sender, to, copy) = (here.clone(), client.clone(), data.clone());
                here.spawn(async move {
                    sender.send_all(&to, vec![copy.into()]).await.unwrap();
                });
                let got = here.receive_exact(&client, Vec::new(), data.len()).await.unwrap();
                assert!(got == data);
                tally.add();
            }
        });
    });
}

#[test]
fn a_socket_that_is_lost_on_the_way_closes_and_one_in_use_cannot_leave() {
    super::on_both(|env, _| async move {
        let listener = env.listen(any_port()).await.unwrap();
        let mut accepting = env.accept_many(&listener);
        let client = env.connect(listener.address).await.unwrap();
        let (socket, _) = accepting.next().await.unwrap();
        let stream = env.receive_many(&socket);
        let socket = socket.into_handle().err().expect("a stream uses it");
        drop(stream);
        env.sleep_ms(1).await;
        drop(socket.into_handle().ok().expect("not shared any more"));
        assert!(env.receive_chunk(&client).await.unwrap().is_none(), "the connection ended");
    });
}

#[test]
fn a_call_to_a_shard_that_stopped_or_never_was_is_an_error() {
    for features in [Features::ALL, Features::NONE] {
        let node = Node::start(2, settings(features)).expect("io_uring");
        let mut first = node.shard(ShardId(0)).expect("io_uring");
        let second = node.shard(ShardId(1)).expect("io_uring");
        let (env, done) = (first.env(), Rc::new(Cell::new(false)));
        let flag = done.clone();
        let early = env.call(ShardId(1), Box::new(1u32));
        let after_early = env.clone();
        env.spawn(async move {
            // Lies on the desk of the other shard when that stops.
            assert_eq!(early.await.err(), Some(IoError::Stopped));
            let late = after_early.call(ShardId(1), Box::new(2u32)).await;
            assert_eq!(late.err(), Some(IoError::Stopped));
            let nobody = after_early.call(ShardId(7), Box::new(3u32)).await;
            assert_eq!(nobody.err(), Some(IoError::Stopped));
            flag.set(true);
        });
        first.turn(Wait::No);
        drop(second);
        first.run_until(|| done.get());
    }
}

#[test]
fn a_simulated_shard_that_stops_refuses_what_it_did_not_read() {
    each_seed(100, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut shards = world.boot(MachineId::FIRST, 2);
        let second = shards.pop().expect("two");
        let (env, refused) = (shards[0].env(), Tally::default());
        for call in 0..2 * CREDITS_MAX {
            let (caller, tally) = (env.clone(), refused.clone());
            env.spawn(async move {
                let answer = caller.call(ShardId(1), Box::new(call)).await;
                assert_eq!(answer.err(), Some(IoError::Stopped));
                tally.add();
            });
        }
        world.run_for(&mut shards, world.below(200_000) + 1);
        drop(second);
        assert!(world.run(&mut shards, || refused.get() == 2 * CREDITS_MAX));
    });
}
