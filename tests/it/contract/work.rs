//! Work on other threads, and things dropped there.
use std::sync::mpsc;

use logmill::env::{OpenHow, yield_now};

use super::{on_both, on_rings};

#[test]
fn work_gives_its_result_whatever_else_the_shard_does() {
    on_both(|env, _| async move {
        let mut waiting = Vec::new();
        for number in 0..20u64 {
            let (done, promise) = env.promise();
            let working = env.clone();
            env.spawn(async move {
                let sum = working.work(move || (0..=number).sum::<u64>()).await;
                assert_eq!(sum, number * (number + 1) / 2);
                promise.keep(Ok(0));
            });
            waiting.push(done);
        }
        for done in waiting {
            done.await.result.unwrap();
        }
    });
}

#[test]
fn work_runs_on_a_named_thread_of_its_own() {
    on_rings(|env, _| async move {
        let name = env.work(|| std::thread::current().name().map(str::to_owned)).await;
        assert_eq!(name.as_deref(), Some("logmill-work-0"));
    });
}

struct Told(mpsc::Sender<Option<String>>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(std::thread::current().name().map(str::to_owned));
    }
}

#[test]
fn discarded_things_are_dropped_by_a_worker() {
    on_rings(|env, _| async move {
        let (sender, receiver) = mpsc::channel();
        env.discard(Told(sender));
        // One worker, one queue: this work runs behind the drop.
        env.work(|| ()).await;
        assert_eq!(receiver.try_recv().unwrap().as_deref(), Some("logmill-work-0"));
    });
}

#[test]
fn a_panic_in_work_continues_where_the_work_was_asked_for() {
    on_both(|env, _| async move {
        let (done, promise) = env.promise();
        let working = env.clone();
        env.spawn(async move {
            let work = std::pin::pin!(working.work(|| std::panic::resume_unwind(Box::new(7))));
            let mut work: std::pin::Pin<&mut dyn Future<Output = ()>> = work;
            let caught = std::future::poll_fn(move |cx| {
                let poll = std::panic::AssertUnwindSafe(|| work.as_mut().poll(cx));
                match std::panic::catch_unwind(poll) {
                    Ok(poll) => poll.map(|()| false),
                    Err(panic) => std::task::Poll::Ready(panic.is::<i32>()),
                }
            });
            assert!(caught.await);
            promise.keep(Ok(0));
        });
        done.await.result.unwrap();
        assert_eq!(env.work(|| 1).await, 1, "the worker lives on");
    });
}

#[test]
fn work_that_nobody_waits_for_any_more_ends_quietly() {
    on_both(|env, _| async move {
        let working = env.clone();
        let task = env.spawn(async move {
            working.work(|| vec![1; 1_000]).await;
        });
        yield_now().await;
        env.spawner().abort(task);
        env.work(|| ()).await;
        for _ in 0..1_000 {
            if env.in_flight() == 0 {
                return;
            }
            env.sleep_ms(1).await;
        }
        panic!("the slot of abandoned work never came back");
    });
}

#[test]
fn removals_do_not_wait_behind_long_work() {
    on_rings(|env, dir| async move {
        let (end, wait) = mpsc::channel::<()>();
        let working = env.clone();
        // The only worker is busy until told.
        env.spawn(async move {
            working.work(move || wait.recv()).await.unwrap_err();
        });
        yield_now().await;
        let path = format!("{dir}/old");
        env.create_dir_all(&path).await.unwrap();
        drop(env.open(&format!("{path}/file"), OpenHow::Create).await.unwrap());
        env.remove_dir_all(&path).await.unwrap();
        assert!(!env.exists(&path).await.unwrap());
        drop(end);
        env.work(|| ()).await;
    });
}
