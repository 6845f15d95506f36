//! Error 19 in the hands of real clients: who insists gets through once the plugin is back.
//!
//! Source: Kafka's protocol guide: 19 NOT_ENOUGH_REPLICAS is retriable, and nothing was written.
use std::collections::BTreeSet;

use super::{Stage, wait_for};
use crate::harness::client::{Client, Outcome, PRODUCERS};
use crate::harness::{Tier, skipped_below};

const RECORDS: usize = 20;
const PARTITIONS: i32 = 3;

fn topic(client: Client) -> String {
    format!("insist-{}", client.name())
}

/// A plugin of the client's own, so that metrics tell who was sent away.
fn plugin(client: Client) -> String {
    format!("guard-{}", client.name())
}

/// A topic for each client, guarded by a plugin that does this.
fn stage(mode: &str) -> Stage {
    let stage = Stage::start(2, &[]);
    let mut kafka = stage.kafka("setup");
    for client in PRODUCERS {
        let (topic, plugin) = (topic(client), plugin(client));
        kafka.create_topic(&topic, PARTITIONS, &[]);
        stage.live(&format!("{plugin}@1"), "hostile");
        let mode = format!("mode={mode}");
        stage.bind(&plugin, &["--topic", &topic], &[&mode, "spare=dry-run"]);
        stage.wait_binding(&topic, |state| state == "live");
    }
    stage
}

/// Waits until each client was told 19 so many times by this start of the broker.
#[track_caller]
fn wait_sent_away(stage: &Stage, times: f64) {
    for client in PRODUCERS {
        let label = format!("plugin=\"{}\"", plugin(client));
        wait_for(&format!("{client:?} is sent away"), || {
            let count = stage.metric("logmill_plugin_fallbacks_total", &[&label]);
            (times <= count).then_some(())
        });
    }
}

/// Every record was acknowledged, and lies where its producer was told, once.
#[track_caller]
fn all_got_in(stage: &Stage, client: Client, outcomes: &[Outcome]) {
    let mut kafka = stage.kafka("reader");
    let stored: Vec<_> =
        (0..PARTITIONS).map(|partition| kafka.read(&topic(client), partition)).collect();
    assert_eq!(stored.iter().map(Vec::len).sum::<usize>(), RECORDS, "{client:?}: {stored:?}");
    let mut values = BTreeSet::new();
    for outcome in outcomes {
        let Outcome::Delivered { partition, offset, value } = outcome else {
            panic!("{client:?}: {outcome:?}")
        };
        let record = stored[*partition as usize].iter().find(|record| record.offset == *offset);
        assert!(record.is_some_and(|r| r.value == *value), "{client:?}: {outcome:?} {record:?}");
        values.insert(value.clone());
    }
    let all: BTreeSet<String> = (0..RECORDS).map(|number| number.to_string()).collect();
    assert_eq!(values, all, "{client:?}");
}

/// Traps, an open breaker, the kill switch, code that is being loaded: no client loses a record
/// over it, or writes one twice.
#[test]
fn every_client_gets_through_once_the_plugin_is_back() {
    if skipped_below(Tier::Test, "clients that insist") {
        return;
    }
    let mut stage = stage("trap");
    let (bootstrap, folder) = (stage.broker.bootstrap(), stage.broker.folder().to_owned());
    let clients = PRODUCERS.map(|client| {
        let (bootstrap, folder) = (bootstrap.clone(), folder.clone());
        let insist = move || client.insist(&folder, &bootstrap, &topic(client), RECORDS, None);
        (client, std::thread::spawn(insist))
    });
    // Three failures open the breaker.
    wait_sent_away(&stage, 4.0);
    stage.broker.reset("plugin.enabled", "false");
    stage.broker.restart();
    wait_sent_away(&stage, 1.0);
    stage.broker.reset("plugin.enabled", "true");
    stage.broker.restart();
    for client in PRODUCERS {
        let ends = stage.kafka("nothing yet").ends(&topic(client), PARTITIONS);
        assert_eq!(ends, [0; PARTITIONS as usize], "{client:?}");
        stage.bind(&plugin(client), &["--topic", &topic(client)], &["mode=nothing"]);
    }
    for (client, thread) in clients {
        let outcomes = thread.join().expect("the client ends by itself");
        all_got_in(&stage, client, &outcomes);
    }
}

/// A client that gives up tells its user Kafka's error, and nothing was written.
#[test]
fn a_client_that_gives_up_says_not_enough_replicas() {
    if skipped_below(Tier::Test, "clients that give up") {
        return;
    }
    let stage = stage("nothing");
    for client in PRODUCERS {
        stage.cli(&["plugin", "pause", &plugin(client)]);
    }
    let (bootstrap, folder) = (stage.broker.bootstrap(), stage.broker.folder());
    std::thread::scope(|scope| {
        for client in PRODUCERS {
            let bootstrap = &bootstrap;
            scope.spawn(move || {
                let outcomes = client.insist(folder, bootstrap, &topic(client), 2, Some(1));
                println!("{client:?}: {outcomes:?}");
                assert_eq!(outcomes.len(), 2, "{client:?}: {outcomes:?}");
                for outcome in outcomes {
                    let Outcome::Failed { reason } = &outcome else { panic!("{outcome:?}") };
                    let reason = reason.to_lowercase().replace(['_', ' '], "");
                    let words = ["notenoughreplicas", "notenoughin-syncreplicas", "fewerin-sync"];
                    assert!(words.iter().any(|word| reason.contains(word)), "{outcome:?}");
                }
            });
        }
    });
    // Tried once and once more.
    wait_sent_away(&stage, 2.0);
    for client in PRODUCERS {
        let ends = stage.kafka("nothing").ends(&topic(client), PARTITIONS);
        assert_eq!(ends, [0; PARTITIONS as usize], "{client:?}");
    }
}
