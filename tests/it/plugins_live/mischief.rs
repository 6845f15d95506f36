//! Plugins that break every promise: who asked them is told, nobody else notices.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Stage, wait_for};
use crate::client::{Kafka, batch};

const NOT_ENOUGH_REPLICAS: i16 = 19;
/// Wall limit of a request that waits for a plugin.
const CALL_WALL: Duration = Duration::from_secs(5);

/// What a hostile partitioner does, the words under which its failure may be counted, and the
/// reasons that the log may name. On a busy machine the budget may be gone before memory is.
const MODES: &[(&str, &str, &str)] = &[
    ("loop", "budget", "which is its budget"),
    ("flood", "budget", "which is its budget"),
    ("greedy", "budget", "which is its budget"),
    ("trap", "trap", "trap"),
    ("stack", "trap|budget", "trap|which is its budget"),
    ("bomb", "memory|budget", "of memory|which is its budget"),
    ("short-answer", "malformed", "malformed answer"),
    ("wrong-length", "malformed", "malformed answer"),
    ("out-of-range", "malformed", "malformed answer"),
    ("fault-liar", "malformed", "malformed answer"),
    ("init-loop", "budget", "which is its budget"),
    ("init-trap", "trap", "trap"),
    ("init-bomb", "memory|budget", "of memory|which is its budget"),
    ("init-fail", "init", "refused its settings"),
];

/// Whether a text names one of the reasons.
fn names(text: &str, reasons: &str) -> bool {
    reasons.split('|').any(|reason| text.contains(reason))
}

/// Produces to a topic without a plugin until it is stopped.
struct Calm {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Duration)>,
}

impl Calm {
    fn start(mut kafka: Kafka, topic: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut count, mut longest) = (0, Duration::ZERO);
            while !seen.load(Ordering::Relaxed) {
                let start = Instant::now();
                let told = kafka.put(topic, (count % 3) as i32, batch(&[(None, "calm")]));
                assert_eq!(told.error_code, 0, "{told:?}");
                longest = longest.max(start.elapsed());
                count += 1;
            }
            (count, longest)
        });
        Self { stop, thread }
    }

    /// Batches and the longest that one took.
    fn stop(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every batch was taken")
    }
}

/// Binds `hostile` to one topic per mode. A binding is tried with its settings: `spare` lets it
/// pass that trial, and what fails already when it is made gets in while it is paused.
fn bind_all(stage: &Stage) -> Vec<String> {
    stage.live("hostile@6.6.6", "hostile");
    let mut kafka = stage.kafka("setup");
    let topics = MODES.iter().map(|(mode, ..)| {
        let topic = format!("prey-{mode}");
        kafka.create_topic(&topic, 3, &[]);
        let is_paused = mode.starts_with("init-");
        if is_paused {
            stage.cli(&["plugin", "pause", "hostile"]);
        }
        let mode = format!("mode={mode}");
        stage.bind("hostile", &["--topic", &topic], &[&mode, "spare=dry-run"]);
        topic
    });
    let topics = topics.collect();
    stage.cli(&["plugin", "resume", "hostile"]);
    topics
}

#[test]
fn hostile_partitioners_harm_their_own_topic_only() {
    let stage = Stage::start(2, &[]);
    let mut kafka = stage.kafka("prey");
    kafka.create_topic("calm", 3, &[]);
    kafka.put("calm", 0, batch(&[(None, "first")]));
    let pid = stage.broker.pid();
    let topics = bind_all(&stage);
    for topic in &topics {
        stage.wait_binding(topic, |state| state == "live");
    }
    let before = stage.rss_bytes();
    let calm = Calm::start(stage.kafka("calm"), "calm");
    for ((mode, word, reason), topic) in MODES.iter().zip(&topics) {
        let failures = || -> f64 {
            let parts = |word: &str| format!("failure=\"{word}\"");
            let of = ["plugin=\"hostile\"", "version=\"6.6.6\""];
            let count = |word: &str| {
                stage.metric("logmill_plugin_failures_total", &[of[0], of[1], &parts(word)])
            };
            word.split('|').map(count).sum()
        };
        let counted = failures();
        for _ in 0..3 {
            let start = Instant::now();
            let told = kafka.put(topic, 1, batch(&[(Some("a"), "x"), (None, "y")]));
            assert!(start.elapsed() < CALL_WALL, "{mode}: {:?}", start.elapsed());
            assert_eq!((told.error_code, told.base_offset), (NOT_ENOUGH_REPLICAS, -1), "{told:?}");
            let text = told.error_message.expect("a sentence");
            assert!(text.contains("hostile") && names(&text, reason), "{mode}: {text}");
        }
        let told = kafka.put(topic, 1, batch(&[(Some("a"), "x")]));
        let text = told.error_message.expect("a sentence");
        assert_eq!(told.error_code, NOT_ENOUGH_REPLICAS);
        assert!(text.contains("failed repeatedly"), "{mode}: {text}");
        let now = failures();
        assert!(counted + 3.0 <= now, "{mode}: {counted} then {now}");
        let shown = stage.cli(&["plugin", "ps"]);
        assert!(shown.contains("breaker"), "{mode}: {shown}");
        stage.wait_binding(topic, |state| state.contains("breaker") && names(state, reason));
        assert_eq!(kafka.ends(topic, 3), [0; 3], "{mode}");
        let log = stage.broker.log();
        let opened = log.lines().find(|line| {
            let parts = ["breaker opened", "hostile", "6.6.6", &format!("target=\"{topic}\"")];
            parts.iter().all(|part| line.contains(part))
        });
        let opened = opened.unwrap_or_else(|| panic!("{mode}: no line in\n{log}"));
        assert!(names(opened, reason), "{opened}");
    }
    assert!(1.0 <= stage.metric("logmill_plugin_open_breakers", &["hostile"]));
    let fallbacks = stage.metric("logmill_plugin_fallbacks_total", &["hostile", "6.6.6"]);
    assert_eq!(fallbacks, 4.0 * MODES.len() as f64);
    let (count, longest) = calm.stop();
    assert!(20 <= count && longest < CALL_WALL / 2, "{count} batches, longest {longest:?}");
    for topic in &topics {
        stage.cli(&["plugin", "unbind", "hostile", "--topic", topic]);
        assert_eq!(kafka.put(topic, 1, batch(&[(Some("a"), "x")])).error_code, 0);
    }
    wait_for("memory comes back", || (stage.rss_bytes() < before + (64 << 20)).then_some(()));
    assert_eq!(stage.metric("logmill_plugin_open_breakers", &["hostile"]), 0.0);
    assert_eq!(stage.broker.pid(), pid);
}

#[test]
fn a_binding_that_fails_its_dry_run_is_refused() {
    let stage = Stage::start(1, &[]);
    stage.live("hostile@1", "hostile");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("flights", 3, &[]);
    let before = stage.json(&["topic", "describe", "flights"]);
    for (mode, _, reason) in MODES {
        let setting = format!("mode={mode}");
        let bind = ["plugin", "bind", "hostile", "--topic", "flights", "--set", &setting];
        let said = stage.said(&bind);
        assert_eq!(said.code, 1, "{mode}: {said:?}");
        assert!(names(&said.err, reason) && said.err.lines().count() == 1, "{mode}: {said:?}");
        // The same door for what comes through Kafka's protocol.
        let (code, text) = kafka.alter(
            crate::client::TYPE_TOPIC,
            "flights",
            &[
                ("partitioner.plugin", Some("hostile")),
                ("partitioner.plugin.settings", Some(&setting)),
            ],
        );
        assert_eq!(code, 40, "{mode}: {text:?}");
        assert!(text.is_some_and(|text| names(&text, reason)), "{mode}");
    }
    assert_eq!(stage.json(&["topic", "describe", "flights"]), before);
}

/// A policy that fails: the pass is skipped and every record stays.
#[test]
fn a_hostile_policy_keeps_everything() {
    let stage = Stage::start(2, &[]);
    stage.live("bad@1", "hostile-policy");
    let mut kafka = stage.kafka("setup");
    let modes = [
        ("loop", "finish", "which is its budget"),
        ("trap", "observe", "trap"),
        ("bomb", "drops", "of memory|which is its budget"),
        ("out-of-range", "drops", "malformed"),
        ("descending", "drops", "malformed"),
        ("twice", "drops", "malformed"),
        ("fail", "observe", "refused as asked"),
    ];
    for (mode, at, reason) in modes {
        let topic = format!("prey-{mode}");
        kafka.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
        let (how, place) = (format!("mode={mode}"), format!("at={at}"));
        stage.bind("bad", &["--topic", &topic], &[&how, &place, "spare=dry-run"]);
        for round in 0..3 {
            let value = format!("{round}");
            let records = [(Some("a"), value.as_str()), (Some("b"), value.as_str())];
            assert_eq!(kafka.put(&topic, 0, batch(&records)).error_code, 0);
        }
        let before = kafka.read(&topic, 0);
        let said = stage.said(&["topic", "compact", &topic, "--json"]);
        assert_eq!(said.code, 1, "{mode}: {said:?}");
        let sentence = format!("1 of 1 partition of {topic} could not be compacted; partition 0: ");
        assert!(said.err.contains(&sentence) && names(&said.err, reason), "{mode}: {said:?}");
        let report: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        let skipped = report["partitions"][0]["skipped"].as_str().expect("a text");
        assert!(skipped.contains("bad@1") && names(skipped, reason), "{mode}: {report}");
        assert_eq!(kafka.read(&topic, 0), before, "{mode}");
        let next = kafka.put(&topic, 0, batch(&[(Some("a"), "next")]));
        assert_eq!((next.error_code, next.base_offset), (0, before.len() as i64), "{mode}");
        let log = stage.broker.log();
        let parts = ["not compacted", topic.as_str()];
        let line = (log.lines())
            .find(|line| parts.iter().all(|part| line.contains(part)) && names(line, reason));
        assert!(line.is_some(), "{mode}: no line in\n{log}");
    }
    for word in ["budget", "trap", "malformed"] {
        let parts = ["plugin=\"bad\"", "version=\"1\"", &format!("\"{word}\"")];
        assert!(1.0 <= stage.metric("logmill_plugin_failures_total", &parts), "{word}");
    }
    let fallbacks = stage.metric("logmill_plugin_fallbacks_total", &["plugin=\"bad\""]);
    assert_eq!(fallbacks, modes.len() as f64);
    // Without the plugin Kafka's own rule runs over the same records.
    stage.cli(&["plugin", "unbind", "bad", "--topic", "prey-trap"]);
    let report = stage.json(&["topic", "compact", "prey-trap"]);
    assert_eq!((&report["records_before"], &report["records_after"]), (&7.into(), &2.into()));
}
