//! Batches that wait for a plugin while their topic changes: what is in force when they get their
//! offsets judges them. And what others lack meanwhile: nothing.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use logmill::base::Bytes;

use super::{Stage, wait_for};
use crate::client::{TYPE_TOPIC, Told, batch, packed_batch};

const INVALID_RECORD: i16 = 87;
const ROUNDS: usize = 5;
const PRODUCERS: usize = 14;
const PLUGIN: &str = "partitioner.plugin";
const SETTINGS: &str = "partitioner.plugin.settings";
const MODE: &str = "partitioner.mode";

/// A topic whose plugin takes its time over each batch and keeps it.
fn stage(mode: &str, configs: &[(&str, &str)]) -> Stage {
    let stage = Stage::start(1, &[]);
    stage.live("tired@1", "hostile");
    stage.live("by-airport@1", "by-airport");
    stage.kafka("admin").create_topic("flights", PRODUCERS as i32, configs);
    bind_tired(&stage, mode);
    stage
}

fn bind_tired(stage: &Stage, mode: &str) {
    let target = ["--topic", "flights", "--mode", mode];
    stage.bind("tired", &target, &["mode=slow"]);
    stage.wait_binding("flights", |state| state == "live");
}

/// One producer a partition: there is always a line in front of a slow plugin.
struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Told>>>,
}

impl Crowd {
    fn start(stage: &Stage, batch: &Bytes) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let producer = |number: usize| {
            let mut kafka = stage.kafka(&format!("producer-{number}"));
            let (stop, batch) = (stop.clone(), batch.clone());
            std::thread::spawn(move || {
                let mut told = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    told.push(kafka.put("flights", number as i32, batch.clone()));
                }
                told
            })
        };
        let threads = (0..PRODUCERS).map(producer).collect();
        Self { stop, threads }
    }

    /// Everything that they were told.
    fn end(self) -> Vec<Told> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().expect("answers")).collect()
    }
}

/// Waits until each of the crowd was answered or waits: a line that only the plugin shortens.
#[track_caller]
fn wait_for_line(stage: &Stage) {
    let calls = || stage.metric("logmill_plugin_calls_total", &["plugin=\"tired\""]);
    let before = calls();
    wait_for("a line in front of the plugin", || {
        (before + 2.0 * PRODUCERS as f64 <= calls()).then_some(())
    });
}

/// Those of the answers that are none of `codes`.
fn others(told: &[Told], codes: &[i16]) -> Vec<Told> {
    told.iter().filter(|told| !codes.contains(&told.error_code)).cloned().collect()
}

#[test]
fn a_line_whose_binding_goes_is_let_through() {
    let stage = stage("verify", &[]);
    for round in 0..ROUNDS {
        if 0 < round {
            bind_tired(&stage, "verify");
        }
        let crowd = Crowd::start(&stage, &batch(&[(None, "x")]));
        wait_for_line(&stage);
        stage.cli(&["plugin", "unbind", "tired", "--topic", "flights"]);
        assert_eq!(others(&crowd.end(), &[0]), []);
    }
}

#[test]
fn a_line_is_judged_in_the_mode_of_the_plugin_that_answered() {
    let stage = stage("advise", &[]);
    let mut kafka = stage.kafka("admin");
    // The one that takes its time keeps every record; the other wants them in partition 0.
    let crowd = Crowd::start(&stage, &batch(&[(Some("EWR"), "x")]));
    for _ in 0..ROUNDS {
        wait_for_line(&stage);
        let strict =
            [(PLUGIN, Some("by-airport")), (SETTINGS, Some("EWR=0")), (MODE, Some("verify"))];
        assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &strict), (0, None));
        stage.wait_binding("flights", |state| state == "live");
        let tired =
            [(PLUGIN, Some("tired")), (SETTINGS, Some("mode=slow")), (MODE, Some("advise"))];
        assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &tired), (0, None));
        stage.wait_binding("flights", |state| state == "live");
    }
    let told = crowd.end();
    let of = |code: i16| told.iter().filter(|told| told.error_code == code).count();
    assert_eq!(others(&told, &[0, INVALID_RECORD]), []);
    assert!(0 < of(INVALID_RECORD), "the strict one was never asked");
    let disagreed = stage.metric("logmill_partitioner_disagreed_records_total", &[]);
    assert_eq!(disagreed, of(INVALID_RECORD) as f64);
}

#[test]
fn a_line_without_keys_is_refused_once_the_topic_is_compacted() {
    let stage = stage("verify", &[]);
    let mut kafka = stage.kafka("admin");
    let crowd = Crowd::start(&stage, &batch(&[(None, "x")]));
    wait_for_line(&stage);
    assert_eq!(kafka.alter(TYPE_TOPIC, "flights", &[("cleanup.policy", Some("compact"))]).0, 0);
    let ends = kafka.ends("flights", PRODUCERS as i32);
    let told = crowd.end();
    assert!(told.iter().any(|told| told.error_code == INVALID_RECORD), "the line was let in");
    assert_eq!(others(&told, &[0, INVALID_RECORD]), []);
    assert_eq!(kafka.ends("flights", PRODUCERS as i32), ends);
}

#[test]
fn a_batch_too_large_to_look_into_is_stored_by_advise_and_counted() {
    const LARGE: usize = (64 << 20) + 1;
    let stage = stage("advise", &[]);
    let mut kafka = stage.kafka("large");
    let large = packed_batch(Some("a"), &vec![0; LARGE]);
    let told = kafka.put("flights", 0, large.clone());
    assert_eq!((told.error_code, told.base_offset), (0, 0), "{told:?}");
    assert_eq!(stage.metric("logmill_plugin_fallbacks_total", &["plugin=\"tired\""]), 1.0);
    bind_tired(&stage, "verify");
    assert_eq!(kafka.put("flights", 0, large).error_code, INVALID_RECORD);
}

/// Each is charged with many times its size until it is unpacked, with what it holds afterwards.
#[test]
fn packed_batches_that_wait_for_a_plugin_leave_the_account_to_others() {
    let mut state = 1_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let value: Vec<u8> = (0..900 << 10).map(|_| noise()).collect();
    let stage = stage("verify", &[]);
    let crowd = Crowd::start(&stage, &packed_batch(None, &value));
    // At first all come at once.
    wait_for_line(&stage);
    let refusals = || stage.metric("logmill_memory_refusals_total", &["account=\"unpack\""]);
    let before = refusals();
    wait_for_line(&stage);
    assert_eq!(refusals(), before, "a batch waits for memory");
    let told = crowd.end();
    assert_eq!(others(&told, &[0]), []);
}
