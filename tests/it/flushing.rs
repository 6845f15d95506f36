//! `flush.messages` and `flush.ms` of a running broker: syncs that no acks asked for, counted.
//!
//! Owns: that the settings reach the logs, as a topic's and as the broker's, at run time.
//! Leaves to others: when exactly a log syncs (`log::tests::flush`).
use std::time::{Duration, Instant};

use crate::client::{Kafka, TYPE_TOPIC, batch};
use crate::plugins_live::Stage;

const TYPE_BROKER: i8 = 4;
const SOON: Duration = Duration::from_secs(30);

fn syncs(stage: &Stage) -> u64 {
    stage.metric("logmill_syncs_total", &[]) as u64
}

/// Appends so many records with acks=1, one by one.
fn put(kafka: &mut Kafka, count: usize) {
    for _ in 0..count {
        let told = kafka.produce("seen", 1, vec![(0, batch(&[(None, "a")]))]).remove(0);
        assert_eq!(told.error_code, 0, "{told:?}");
    }
}

#[test]
fn settings_of_flushing_sync_what_nobody_asked_to_sync() {
    // What goes by a journal is durable without a sync of its file.
    let stage = Stage::start(2, &[("journal.bytes", "0")]);
    let mut kafka = stage.kafka("flushing");
    kafka.create_topic("seen", 1, &[]);
    put(&mut kafka, 20);
    let before = syncs(&stage);
    assert_eq!(before, 0, "acks=1 is answered without");
    let set = |kafka: &mut Kafka, kind, name: &str, setting, value| {
        assert_eq!(kafka.alter(kind, name, &[(setting, value)]), (0, None));
    };
    // What waits counts too: the first append reaches it, then every fifth.
    set(&mut kafka, TYPE_TOPIC, "seen", "flush.messages", Some("5"));
    put(&mut kafka, 10);
    assert_eq!(syncs(&stage), 2);
    set(&mut kafka, TYPE_TOPIC, "seen", "flush.messages", None);
    set(&mut kafka, TYPE_BROKER, "", "log.flush.interval.messages", Some("7"));
    put(&mut kafka, 7);
    assert_eq!(syncs(&stage), 3);
    set(&mut kafka, TYPE_BROKER, "", "log.flush.interval.messages", None);

    let synced = |kafka: &mut Kafka, want| {
        put(kafka, 1);
        let start = Instant::now();
        while syncs(&stage) < want {
            assert!(start.elapsed() < SOON, "{} syncs, {want} are wanted", syncs(&stage));
        }
    };
    set(&mut kafka, TYPE_TOPIC, "seen", "flush.ms", Some("50"));
    // One for what was there when the setting changed, one for this record; perhaps the same.
    synced(&mut kafka, 4);
    set(&mut kafka, TYPE_TOPIC, "seen", "flush.ms", None);
    set(&mut kafka, TYPE_BROKER, "1", "log.flush.interval.ms", Some("20"));
    let now = syncs(&stage);
    synced(&mut kafka, now + 1);
}
