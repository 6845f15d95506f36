//! What a start recovered counts as durable from then on: it must be.
use super::*;
use crate::sim::each_seed;

const LOGS: i32 = 12;

async fn load_all(env: &Env, start: Start) -> Vec<Rc<Log>> {
    let host = new_host(env, JOURNAL_BYTES).await;
    let mut logs = Vec::new();
    for partition in 0..LOGS {
        let place = LogPlace { partition, ..place() };
        let log = Log::load(&host, place, LogConfig::default(), LeaderEpoch(0), start).await;
        logs.push(log.unwrap());
    }
    host.confirm(&logs).await;
    logs
}

const JOURNAL_BYTES: u64 = 256 << 10;

/// Records of a killed process lie in the page cache only. The next one calls them stable, so an
/// acknowledgement that builds on them must not outlive them.
#[test]
fn a_power_cut_takes_nothing_that_a_start_after_a_kill_had_found() {
    each_seed(20, |seed| {
        let world = World::new(seed, Faults::LEGAL);
        let mut shards = world.boot(MachineId::FIRST, 1);
        world.block_on(&mut shards, async move |env| {
            for log in load_all(&env, Start::New).await {
                for _ in 0..5 {
                    let appended = log.append(&batch(5, &["value"]), Acks::Leader, env.wall_ms());
                    appended.unwrap().ack.await.unwrap();
                }
            }
        });
        world.crash(MachineId::FIRST, shards);
        let mut shards = world.boot(MachineId::FIRST, 1);
        world.block_on(&mut shards, async move |env| {
            for log in load_all(&env, Start::Unclean { recovery_point: None }).await {
                assert_eq!((log.ends().log_end, log.ends().stable_end), (Offset(5), Offset(5)));
            }
        });
        world.power_cut(MachineId::FIRST, shards);
        let mut shards = world.boot(MachineId::FIRST, 1);
        world.block_on(&mut shards, async move |env| {
            for log in load_all(&env, Start::Unclean { recovery_point: Some(Offset(5)) }).await {
                assert_eq!(values(&log).await.len(), 5);
            }
        });
    });
}
