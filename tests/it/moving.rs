//! A connection whose records all lie on another shard goes there, and nobody notices.
//!
//! Owns: connections that move in the simulator, with requests of all sizes under way.
//! Leaves to others: when it is worth it (`api::moving`), how much it saves (`benches`).
//! Start reading at: [`connections_go_where_their_records_lie`].
use std::cell::Cell;
use std::rc::Rc;

use logmill::base::Rng;
use logmill::env::Env;
use logmill::record::Codec;
use logmill::sim::{Faults, SimBroker, World, each_seed};
use logmill::wire::generated::produce_response::ProduceResponse;

use crate::harness::sim::{HANGS_MS, batch, connect, create, produce_request};

const CONNECTIONS: usize = 6;
/// Enough to move, and to go on at the new place.
const REQUESTS: usize = 200;
const UNDER_WAY_MAX: usize = 5;

/// Sends requests with several under way; their answers come in their order.
async fn write(env: Env, seed: u64) {
    let (mut client, mut dice, mut last) = (connect(&env).await, Rng::new(seed), -1);
    let (mut sent, mut answered) = (0, 0);
    while answered < REQUESTS {
        let room = sent < REQUESTS && sent - answered < UNDER_WAY_MAX;
        if room && (sent == answered || dice.chance(600)) {
            let most = [100, 5_000, 20_000, 70_000][dice.below(4) as usize];
            let value = vec![7; 1 + dice.below(most) as usize];
            let request = produce_request(batch(Codec::None, &[(None, &value)]));
            client.send(&request, 9).await.unwrap();
            sent += 1;
        } else {
            let told: ProduceResponse = client.receive().await.unwrap();
            let told = &told.responses[0].partition_responses[0];
            assert_eq!(told.error_code, 0);
            assert!(last < told.base_offset, "{last} before {}", told.base_offset);
            last = told.base_offset;
            answered += 1;
        }
    }
}

#[test]
fn connections_go_where_their_records_lie() {
    each_seed(10, |seed| {
        let mut broker = SimBroker::new(World::new(seed, Faults::LEGAL), &[]);
        broker.start(2);
        broker.served(HANGS_MS).unwrap();
        let (env, done) = (broker.clients(), Rc::new(Cell::new(0)));
        let ended = done.clone();
        env.clone().spawn(async move {
            create(&env, &[]).await;
            for at in 0..CONNECTIONS {
                let (writer, ended) = (write(env.clone(), seed << 8 | at as u64), ended.clone());
                env.spawn(async move {
                    writer.await;
                    ended.set(ended.get() + 1);
                });
            }
        });
        let metrics = broker.cores().borrow()[0].metrics.connections.clone();
        assert!(broker.run_until(600_000, || done.get() == CONNECTIONS), "a writer hangs");
        // Shards get connections in turn, so half of them began at the other one.
        assert_eq!(metrics.moved_total.get(), CONNECTIONS as u64 / 2);
        let all_closed = || metrics.open_connections.get() == 0;
        assert!(broker.run_until(HANGS_MS, all_closed), "a connection stays open");
    });
}
