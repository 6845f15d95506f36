//! Bindings that change while clients produce: somebody decides each batch, nobody is sent away.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::Stage;
use crate::client::{Kafka, TYPE_TOPIC, batch};

const INVALID_RECORD: i16 = 87;
const CHANGES: usize = 30;
const PARTITIONS: i32 = 6;
const SETTINGS: &str = "partitioner.plugin.settings";
const PLUGIN: &str = "partitioner.plugin";

/// Sends batches that every binding of the test wants in partition 0, and such that some want in
/// partition 1 and some in 2.
fn produce_until(mut kafka: Kafka, stop: Arc<AtomicBool>) -> JoinHandle<[usize; 3]> {
    std::thread::spawn(move || {
        let mut taken = [0; 3];
        while !stop.load(Ordering::Relaxed) {
            for (partition, key) in [(0, "EWR"), (1, "JFK"), (2, "JFK")] {
                let told = kafka.put("flights", partition, batch(&[(Some(key), "x")]));
                let allowed = [0, INVALID_RECORD];
                assert!(allowed.contains(&told.error_code), "{told:?}");
                assert!(partition != 0 || told.error_code == 0, "{told:?}");
                taken[partition as usize] += usize::from(told.error_code == 0);
            }
        }
        taken
    })
}

/// The binding that was asked for decides, and no other.
#[track_caller]
fn wants_jfk_in(stage: &Stage, kafka: &mut Kafka, home: i32) {
    stage.wait_binding("flights", |state| state == "live");
    for partition in [1, 2] {
        let told = kafka.put("flights", partition, batch(&[(Some("JFK"), "x")]));
        let want = if partition == home { 0 } else { INVALID_RECORD };
        assert_eq!(told.error_code, want, "partition {partition} of {home}: {told:?}");
    }
}

#[test]
fn a_binding_that_changes_under_load_sends_no_client_away() {
    let stage = Stage::start(3, &[]);
    stage.live("by-airport@1", "by-airport");
    stage.install("by-airport@2", "by-airport");
    stage.live("airports@1", "by-airport");
    let mut kafka = stage.kafka("admin");
    kafka.create_topic("flights", PARTITIONS, &[]);
    stage.bind("by-airport", &["--topic", "flights"], &["EWR=0", "JFK=1"]);
    wants_jfk_in(&stage, &mut kafka, 1);
    let stop = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..3)
        .map(|number| produce_until(stage.kafka(&format!("producer-{number}")), stop.clone()))
        .collect();
    for round in 0..CHANGES {
        let home = 2 - round as i32 % 2;
        let settings = format!("EWR=0;JFK={home}");
        // Other settings, with another pin, with another plugin.
        let plugin = ["by-airport", "by-airport@2", "airports"][round % 3];
        if round % 5 == 0 {
            let jfk = format!("JFK={home}");
            stage.bind(plugin, &["--topic", "flights"], &["EWR=0", &jfk]);
        } else {
            let changes = [(PLUGIN, Some(plugin)), (SETTINGS, Some(settings.as_str()))];
            assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &changes), (0, None));
        }
        wants_jfk_in(&stage, &mut kafka, home);
    }
    // One change on the heels of the other.
    for home in [1, 2, 1, 2, 1] {
        let settings = format!("EWR=0;JFK={home}");
        let changes = [(SETTINGS, Some(settings.as_str()))];
        assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &changes), (0, None));
    }
    wants_jfk_in(&stage, &mut kafka, 1);
    stop.store(true, Ordering::Relaxed);
    for producer in producers {
        let taken = producer.join().expect("no batch was sent away");
        assert!(taken.iter().all(|count| CHANGES / 2 < *count), "{taken:?}");
    }
    assert_eq!(stage.metric("logmill_plugin_fallbacks_total", &[]), 0.0);
}

/// A plugin that takes its time makes batches wait in line; a change moves the whole line.
#[test]
fn batches_that_wait_for_a_slow_plugin_are_decided_by_the_changed_binding() {
    let stage = Stage::start(1, &[]);
    stage.live("tired@1", "hostile");
    let mut kafka = stage.kafka("admin");
    kafka.create_topic("flights", PARTITIONS, &[]);
    stage.bind("tired", &["--topic", "flights"], &["mode=short"]);
    stage.wait_binding("flights", |state| state == "live");
    let stop = Arc::new(AtomicBool::new(false));
    let producer = |number: i32| {
        let (mut kafka, stop) = (stage.kafka(&format!("producer-{number}")), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let told = kafka.put("flights", number % PARTITIONS, batch(&[(None, "x")]));
                assert_eq!(told.error_code, 0, "{told:?}");
            }
        })
    };
    let producers: Vec<_> = (0..12).map(producer).collect();
    for round in 0..CHANGES {
        let settings = format!("mode=short;round={round}");
        assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &[(SETTINGS, Some(&settings))]), (0, None));
        stage.wait_binding("flights", |state| state == "live");
    }
    stop.store(true, Ordering::Relaxed);
    producers.into_iter().for_each(|producer| producer.join().expect("no batch was sent away"));
}

/// What is switched off does not go on deciding.
#[test]
fn a_pause_ends_the_decisions_at_once() {
    let stage = Stage::start(2, &[]);
    stage.live("by-airport@1", "by-airport");
    let mut kafka = stage.kafka("admin");
    kafka.create_topic("flights", PARTITIONS, &[]);
    stage.bind("by-airport", &["--topic", "flights"], &["EWR=0"]);
    stage.wait_binding("flights", |state| state == "live");
    assert_eq!(kafka.put("flights", 0, batch(&[(Some("EWR"), "x")])).error_code, 0);
    stage.cli(&["plugin", "pause", "by-airport"]);
    let told = kafka.put("flights", 0, batch(&[(Some("EWR"), "x")]));
    assert_eq!(told.error_code, 19, "{told:?}");
    // Changed while it is paused, it comes back with the new settings.
    let changes = [(SETTINGS, Some("EWR=1"))];
    assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &changes), (0, None));
    assert_eq!(kafka.put("flights", 1, batch(&[(Some("EWR"), "x")])).error_code, 19);
    stage.cli(&["plugin", "resume", "by-airport"]);
    stage.wait_binding("flights", |state| state == "live");
    assert_eq!(kafka.put("flights", 1, batch(&[(Some("EWR"), "x")])).error_code, 0);
    assert_eq!(kafka.put("flights", 0, batch(&[(Some("EWR"), "x")])).error_code, INVALID_RECORD);
}
