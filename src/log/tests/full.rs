//! What goes on while the disk stays full: above all what would make room.
use std::future::Future;

use super::space::leave;
use super::*;

/// So large that no checkpoint comes by itself.
const JOURNAL_BYTES: u64 = 1 << 20;

fn host(env: &Env) -> LogHost {
    LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, QUEUE_BYTES, JOURNAL_BYTES)
}

async fn open_at(host: &LogHost, partition: i32, config: LogConfig) -> Rc<Log> {
    let place = LogPlace { partition, ..place() };
    Log::open(host, place, config, LeaderEpoch(0), Start::New).await.unwrap()
}

async fn append(log: &Log, value: &str) {
    log.append(&batch(1, &[value]), Acks::All, 5).unwrap().ack.await.unwrap();
}

/// What comes of it, within so much time that only a hang takes longer.
async fn soon<T>(env: &Env, work: impl Future<Output = T>) -> T {
    env.until(env.now().plus_ms(20_000), work).await.expect("it hangs")
}

fn is_full<T>(result: Result<T, DiskError>) -> bool {
    result.is_err_and(|error| error.is_full())
}

/// A log with closed segments, all of it in its files and in the journal, and one beside it whose
/// file waits for room.
async fn beside_a_stalled_log(world: &World, env: &Env) -> (Rc<Log>, Rc<Log>) {
    env.create_dir_all("data").await.unwrap();
    env.sync_dir("").await.unwrap();
    let host = host(env);
    let (log, stalled) = (open_at(&host, 0, small()).await, open_at(&host, 1, small()).await);
    append(&log, "the journal is made").await;
    env.sleep_ms(1_000).await;
    for n in 0..40 {
        append(&log, &format!("value {n}")).await;
    }
    log.roll().await.unwrap();
    append(&stalled, "has no room").await;
    leave(world, env, 0).await;
    env.sleep_ms(2_000).await;
    assert!(stalled.state.borrow().full_disk().is_some());
    (log, stalled)
}

#[test]
fn a_log_is_deleted_although_another_waits_for_room() {
    let world = World::new(1, Faults::NONE);
    let held = world.clone();
    run(&world, async move |env| {
        let (log, stalled) = beside_a_stalled_log(&held, &env).await;
        log.set_config(LogConfig { retention_bytes: 0, retention_ms: -1, ..small() });
        assert!(is_full(soon(&env, log.retain(5)).await.map(drop)), "the journal holds them");
        soon(&env, log.delete()).await.unwrap();
        held.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
        env.sleep_ms(3_000).await;
        append(&stalled, "goes on").await;
        assert_eq!(values(&stalled).await.len(), 2);
    });
}
