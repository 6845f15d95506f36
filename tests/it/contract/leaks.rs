//! Tasks that are aborted anywhere leave nothing behind: no descriptor, chunk, slot or credit.
use std::cell::RefCell;
use std::rc::Rc;

use logmill::base::{Bytes, Rng};
use logmill::env::{Env, IoError, OpenHow, TaskId, yield_now};
use logmill::sim::{Faults, MachineId, World, each_seed};

use super::net::any_port;
use super::{on_rings, pattern};

/// Uses everything that Env has, in an order from `dice`, for ever.
async fn busy(env: Env, dir: String, seed: u64) -> Result<(), IoError> {
    let mut dice = Rng::new(seed);
    let path = format!("{dir}/{seed}");
    loop {
        match dice.below(7) {
            0 => {
                let file = env.open(&path, OpenHow::Create).await?;
                let data = vec![Bytes::from(pattern(3_000, 1)), Bytes::from(pattern(5_000, 2))];
                env.write_all_at(&file, dice.below(9_000), data).await?;
                env.sync_data(&file).await?;
                env.read_at(&file, 0, 20_000).await?;
            }
            1 => {
                env.open(&path, OpenHow::Create).await?;
                env.rename(&path, &format!("{path}.old")).await?;
                env.list_dir(&dir).await?;
                env.remove_file(&format!("{path}.old")).await?;
            }
            2 | 3 => {
                let listener = env.listen(any_port()).await?;
                let mut accepting = env.accept_many(&listener);
                let client = env.connect(listener.address).await?;
                let (server, _) = accepting.next().await?;
                let mut stream = env.receive_many(&server);
                env.send_all(&client, vec![Bytes::from(pattern(2_500, 3))]).await?;
                let chunk = stream.next().await;
                yield_now().await;
                drop(chunk);
            }
            4 => drop(env.call(env.shard(), Box::new(seed)).await?),
            5 => drop(env.work(|| pattern(100, 4)).await),
            _ => env.sleep_ms(dice.below(2)).await,
        }
    }
}

/// Runs and aborts tasks for a while, then ends all of them; gives those that still answer mail.
async fn churn(env: &Env, dir: &str, seed: u64, rounds: u64) {
    let answering = env.clone();
    let inbox = env.spawn(async move {
        let mut inbox = answering.inbox();
        loop {
            let request = inbox.next().await;
            request.answer(Box::new(()));
        }
    });
    let mut dice = Rng::new(seed);
    let tasks: Rc<RefCell<Vec<TaskId>>> = Rc::default();
    for round in 0..rounds {
        let (worker, dir) = (env.clone(), dir.to_owned());
        let task = env.spawn(async move {
            match busy(worker, dir, round).await {
                // What is left of a socket whose peer was aborted, or of a name that another took.
                Ok(()) | Err(_) => {}
            }
        });
        tasks.borrow_mut().push(task);
        for _ in 0..dice.below(6) {
            yield_now().await;
        }
        if dice.chance(300) {
            env.sleep_ms(1).await;
        }
        if dice.chance(600) {
            let mut tasks = tasks.borrow_mut();
            let at = dice.below(tasks.len() as u64) as usize;
            env.spawner().abort(tasks.swap_remove(at));
        }
    }
    for task in tasks.take() {
        env.spawner().abort(task);
    }
    env.spawner().abort(inbox);
    for _ in 0..2_000 {
        if env.in_flight() == 0 {
            break;
        }
        env.sleep_ms(1).await;
    }
    assert_eq!((env.in_flight(), env.chunks_held()), (0, 0));
}

#[test]
fn aborted_tasks_leave_nothing_in_the_simulator() {
    each_seed(60, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut shards = world.boot(MachineId::FIRST, 1);
        world.block_on(&mut shards, move |env| async move {
            env.create_dir_all("/work").await.unwrap();
            churn(&env, "/work", seed, 40).await;
        });
        // Closes are submitted with the last drops; one more round performs them.
        world.run_for(&mut shards, 1_000_000);
        assert_eq!(world.open_fds(MachineId::FIRST), 0);
    });
}

#[test]
fn aborted_tasks_leave_nothing_on_the_ring() {
    on_rings(|env, dir| async move { churn(&env, &dir, 7, 120).await });
}

#[test]
fn more_operations_at_once_than_the_queues_hold() {
    on_rings(|env, dir| async move {
        let file = env.open(&format!("{dir}/many"), OpenHow::Create).await.unwrap();
        let mut waiting = Vec::new();
        // The submission queue has 64 places, the completion queue 512.
        for at in 0..700u64 {
            let (done, promise) = env.promise();
            let (writer, file) = (env.clone(), file.clone());
            env.spawn(async move {
                let data = vec![Bytes::from(pattern(64, at as u8)); 65];
                writer.write_all_at(&file, at * 4_160, data).await.unwrap();
                let got = writer.read_at(&file, at * 4_160, 4_160).await.unwrap();
                assert!(got == pattern(64, at as u8).repeat(65));
                promise.keep(Ok(0));
            });
            waiting.push(done);
        }
        for done in waiting {
            done.await.result.unwrap();
        }
    });
}
