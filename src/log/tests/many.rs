//! Many logs of one shard: what they share.
use super::*;
use crate::log::journal::SIDE_BY_SIDE;

const LOGS: i32 = 60;
const OPEN_MAX: usize = 6;

/// Appends to all logs, round after round, and looks at the open files after each.
fn rounds(journal_bytes: u64, acks: Acks) -> usize {
    let world = World::new(5, Faults::LEGAL);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let host = world.block_on(&mut shards, async move |env| {
        let host = new_host(&env, journal_bytes).await;
        host.keep_open_files(OPEN_MAX);
        host
    });
    let mut open_most = 0;
    let logs: Vec<Rc<Log>> = (0..LOGS)
        .map(|partition| {
            let (host, place) = (host.clone(), LogPlace { partition, ..place() });
            world.block_on(&mut shards, async move |_| {
                Log::open(&host, place, small(), LeaderEpoch(0), Start::New).await.unwrap()
            })
        })
        .collect();
    for round in 0..6 {
        let all = logs.clone();
        world.block_on(&mut shards, async move |env| {
            for log in all {
                let appended = log.append(&batch(round, &["value"]), acks, env.wall_ms());
                appended.unwrap().ack.await.unwrap();
            }
        });
        open_most = open_most.max(world.open_fds(MachineId::FIRST));
    }
    world.power_cut(MachineId::FIRST, shards);
    let mut shards = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, async move |env| {
        let metrics = LogMetrics::default();
        let host = LogHost::new(env.clone(), metrics, TAIL_BYTES, QUEUE_BYTES, 0);
        let place_of = |_, partition| Some(LogPlace { partition, ..place() });
        replay(&host, "data", LastStop::Unknown, place_of)
            .await
            .unwrap()
            .empty(&host.files(), 1)
            .await
            .unwrap();
        for partition in 0..LOGS {
            let (place, start) =
                (LogPlace { partition, ..place() }, Start::Unclean { recovery_point: None });
            let log = Log::open(&host, place, small(), LeaderEpoch(1), start).await.unwrap();
            if acks == Acks::All {
                assert_eq!(values(&log).await.len(), 6, "partition {partition}");
            }
        }
    });
    open_most
}

#[test]
fn files_of_many_logs_are_opened_in_turn() {
    for acks in [Acks::Leader, Acks::All] {
        let open = rounds(0, acks);
        assert!(open <= OPEN_MAX, "{open} files are open with {acks:?}");
    }
    // The journal's own file besides, and those that are written side by side at that moment.
    let open = rounds(256 << 10, Acks::All);
    let most = OPEN_MAX + 1 + SIDE_BY_SIDE;
    assert!(open <= most && most < LOGS as usize, "{open} files are open with a journal");
}
