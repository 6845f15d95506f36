//! Lines before partitions: batches that wait for a partitioner, in requests that cross.
//!
//! Owns: a partitioner that is registered and has no code. A binding to it in mode `advise` takes
//! each batch through the line of its partition, and lets it pass.
//! Leaves to others: the work and its checks (the rest of `broker_sim`), real partitioners.
//! Start reading at: [`a_line_before_each_partition_breaks_no_promise`].
use std::cell::Cell;
use std::rc::Rc;

use logmill::cluster::{Command, PluginKind, PluginSeed, Refusal};
use logmill::sim::SimBroker;

use super::{HANGS_MS, Plan, check_seeds, seed_count};

/// Of the topic that is written.
pub const CONFIGS: [(&str, &str); 2] =
    [("partitioner.plugin", "nobody@1.0.0"), ("partitioner.mode", "advise")];

/// Makes the partitioner known to a node that serves.
pub fn register(broker: &mut SimBroker) {
    let core = broker.cores().borrow()[0].clone();
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    core.env.clone().spawn(async move {
        let seed = PluginSeed {
            name: "nobody".to_owned(),
            version: "1.0.0".to_owned(),
            kind: PluginKind::Partitioner,
            digest: "0".repeat(64),
            wit: "0.1.0".to_owned(),
            bytes: 1,
            who: "broker_sim".to_owned(),
        };
        let command = Command::RegisterPluginVersion(seed);
        let controller = core.controller().expect("shard 0 has it");
        let registered = controller.commit(|_| Ok::<_, Refusal>(Some(command))).await;
        registered.expect("nothing has that name");
        flag.set(true);
    });
    assert!(broker.run_until(HANGS_MS, || done.get()), "the registration hangs");
}

/// Producers have several requests under way on one connection, each for partitions on several
/// shards. Once two requests waited for ever, each for a batch of the other's connection.
#[test]
fn a_line_before_each_partition_breaks_no_promise() {
    let mut plan = Plan { has_line: true, shards: [2, 3, 2], ..Plan::legal() };
    // Nothing can be loaded here, and what is switched off is not tried when it is bound.
    plan.settings = vec![("plugin.enabled", "false")];
    // Letters are slow beside connections, so that requests of two shards cross on their way.
    plan.faults.mail_delay_ns_max = 5_000_000;
    plan.faults.one_byte_per_1000 = 5;
    plan.faults.short_per_1000 = 50;
    check_seeds(seed_count().div_ceil(10), &plan);
}
