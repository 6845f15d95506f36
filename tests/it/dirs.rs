//! A log directory whose disk fails, as clients of a simulated node see it.
//!
//! Owns: that one shard's failed sync stops the acknowledgements of all of them.
//! Leaves to others: one shard's logs (`log`'s own tests).
use logmill::model::ErrorCode;
use logmill::record::Codec;
use logmill::sim::{DATA_DIR, Faults, SimBroker, World};

use crate::harness::sim::{HANGS_MS, batch, connect, create, produce, run};

/// The code that an acks=all batch is answered with.
fn produce_one(broker: &mut SimBroker) -> i16 {
    let env = broker.clients();
    run(broker, &env.clone(), async move {
        let records = batch(Codec::None, &[(None, b"a record")]);
        produce(&mut connect(&env).await, records).await.error_code
    })
}

#[test]
fn a_failed_sync_on_one_shard_stops_them_all() {
    let world = World::new(1, Faults::NONE);
    let mut broker = SimBroker::new(world.clone(), &[]);
    broker.start(2);
    broker.served(HANGS_MS).expect("it serves");
    let env = broker.clients();
    run(&mut broker, &env.clone(), async move { create(&env, &[]).await });
    assert_eq!(produce_one(&mut broker), 0);
    // The shard that does not have the partition meets the fault.
    let cores = broker.cores().borrow().clone();
    let other = cores.iter().find(|core| core.partitions().is_empty()).expect("it has one").clone();
    world.set_faults(Faults { failed_sync_per_1000: 1_000, ..Faults::NONE });
    let shard_env = other.env.clone();
    let failed =
        run(&mut broker, &shard_env, async move { other.logs.dir(DATA_DIR).sync().await.is_err() });
    assert!(failed, "the disk fails every sync");
    world.set_faults(Faults::NONE);
    assert_eq!(produce_one(&mut broker), ErrorCode::KafkaStorageError.code());
}
