//! `verify` and `advise`: what clients are told, what is stored, what is counted.
use std::process::Command;

use logmill::wire::generated::delete_topics_request::DeleteTopicsRequest;
use logmill::wire::generated::delete_topics_response::DeleteTopicsResponse;

use super::Stage;
use crate::client::{batch, batch_by, record_errors};
use crate::harness::run_any;

const AIRPORTS: &[&str] = &["EWR=0", "JFK=1", "LGA=2", "others=5"];
const INVALID_RECORD: i16 = 87;

fn stage() -> Stage {
    let stage = Stage::start(3, &[]);
    stage.live("by-airport@1.0.0", "by-airport");
    stage
}

#[test]
fn wrong_batches_are_refused_with_the_right_partition_and_not_stored() {
    let stage = stage();
    let mut kafka = stage.kafka("exact");
    kafka.create_topic("flights", 6, &[]);
    stage.bind("by-airport", &["--topic", "flights"], AIRPORTS);
    stage.wait_binding("flights", |state| state == "live");

    let mixed = [
        (Some("JFK"), "right"),
        (Some("EWR"), "belongs in 0"),
        (None, "belongs in 5"),
        (Some("JFK"), "right"),
        (Some("LGA"), "belongs in 2"),
    ];
    for acks in [-1, 1] {
        let told = kafka.produce("flights", acks, vec![(1, batch(&mixed))]).remove(0);
        assert_eq!((told.error_code, told.base_offset), (INVALID_RECORD, -1), "{told:?}");
        let text = |to: u32| format!("belongs in partition {to} by by-airport@1.0.0");
        let (zero, five, two) = (text(0), text(5), text(2));
        assert_eq!(record_errors(&told), [(1, &*zero), (2, &*five), (4, &*two)]);
        let message = told.error_message.expect("a sentence");
        assert!(message.contains("3 of 5 records") && message.contains("by-airport"), "{message}");
    }
    assert_eq!(kafka.ends("flights", 6), [0; 6]);

    // One request over several partitions: each batch has its own fate.
    let told = kafka.produce(
        "flights",
        -1,
        vec![
            (0, batch(&[(Some("EWR"), "a"), (Some("EWR"), "b")])),
            (1, batch(&[(Some("JFK"), "a"), (Some("LGA"), "b")])),
            (2, batch(&[(Some("LGA"), "a")])),
            (4, batch(&[(Some("EWR"), "a")])),
            (5, batch(&[(None, "a"), (Some("ORD"), "b")])),
        ],
    );
    let codes: Vec<(i32, i16)> = told.iter().map(|told| (told.index, told.error_code)).collect();
    assert_eq!(codes, [(0, 0), (1, 87), (2, 0), (4, 87), (5, 0)]);
    assert_eq!(kafka.ends("flights", 6), [2, 0, 1, 0, 0, 2]);
    let stored = kafka.read("flights", 5);
    let keys: Vec<_> = stored.iter().map(|record| record.key.as_deref()).collect();
    assert_eq!(keys, [None, Some("ORD")]);

    // A client that users have.
    let mut kcat = Command::new("kcat");
    let input = stage.broker.folder().join("wrong.txt");
    std::fs::write(&input, "EWR:misplaced\n").expect("a writable folder");
    kcat.args(["-P", "-b", &stage.broker.bootstrap(), "-t", "flights", "-p", "3", "-K:", "-l"]);
    let output = run_any(kcat.arg(&input), 60);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("failed to validate record"), "{errors}");
    assert_eq!(kafka.ends("flights", 6), [2, 0, 1, 0, 0, 2]);
}

#[test]
fn a_retry_of_what_is_stored_succeeds_although_the_topic_was_bound_meanwhile() {
    let stage = stage();
    let mut kafka = stage.kafka("idempotent");
    kafka.create_topic("flights", 6, &[]);
    let (id, epoch) = kafka.producer_id();
    let first = batch_by(Some((id, epoch, 0)), &[(Some("EWR"), "a"), (Some("EWR"), "b")]);
    let second = batch_by(Some((id, epoch, 2)), &[(Some("EWR"), "c")]);
    let told = kafka.put("flights", 3, first.clone());
    assert_eq!((told.error_code, told.base_offset), (0, 0));

    stage.bind("by-airport", &["--topic", "flights"], AIRPORTS);
    stage.wait_binding("flights", |state| state == "live");
    let told = kafka.put("flights", 3, first.clone());
    assert_eq!((told.error_code, told.base_offset), (0, 0), "{told:?}");
    let told = kafka.put("flights", 3, second.clone());
    assert_eq!(told.error_code, INVALID_RECORD, "{told:?}");
    assert_eq!(kafka.end("flights", 3), 2);

    // A refused batch used up no sequence.
    stage.cli(&["plugin", "unbind", "by-airport", "--topic", "flights"]);
    assert_eq!(kafka.put("flights", 3, second).error_code, 0);
    assert_eq!(kafka.put("flights", 3, first).base_offset, 0);
    assert_eq!(kafka.end("flights", 3), 3);
}

#[test]
fn what_the_plugin_refuses_is_told_in_its_words() {
    let stage = stage();
    let mut kafka = stage.kafka("exact");
    kafka.create_topic("strict", 3, &[]);
    stage.bind("by-airport", &["--topic", "strict"], &["EWR=0"]);
    stage.wait_binding("strict", |state| state == "live");
    let told = kafka.put("strict", 0, batch(&[(Some("EWR"), "a"), (None, "b"), (Some("X"), "c")]));
    assert_eq!(told.error_code, INVALID_RECORD, "{told:?}");
    let rows: Vec<i32> = record_errors(&told).iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [1, 2], "{told:?}");
    assert!(record_errors(&told)[0].1.contains("has no partition"), "{told:?}");
    assert_eq!(kafka.ends("strict", 3), [0; 3]);
}

#[test]
fn advise_stores_everything_and_counts_each_client() {
    let stage = stage();
    let mut wrong = stage.kafka("client-wrong");
    let mut right = stage.kafka("client-right");
    wrong.create_topic("flights", 6, &[]);
    stage.bind("by-airport", &["--topic", "flights", "--mode", "advise"], AIRPORTS);
    stage.wait_binding("flights", |state| state == "live");
    for partition in 0..6 {
        let told =
            wrong.put("flights", partition, batch(&[(Some("JFK"), "a"), (Some("EWR"), "b")]));
        assert_eq!((told.error_code, told.record_errors.len()), (0, 0));
    }
    assert_eq!(right.put("flights", 2, batch(&[(Some("LGA"), "a")])).error_code, 0);
    let detail = stage.json(&["topic", "describe", "flights"]);
    let want = serde_json::json!([
        { "client_id": "client-wrong", "records": 12, "disagreed": 10 },
        { "client_id": "client-right", "records": 1, "disagreed": 0 },
    ]);
    assert_eq!(detail["clients"], want);
    assert_eq!(wrong.ends("flights", 6).iter().sum::<i64>(), 13);
    let shown = stage.cli(&["topic", "describe", "flights"]);
    assert!(shown.contains("client-wrong"), "{shown}");
}

/// So many clients are counted apart; what a deleted topic took of that is free again.
#[test]
fn a_deleted_topic_takes_its_counts_along() {
    const CLIENTS_MAX: usize = 1_000;
    let stage = Stage::start(1, &[]);
    stage.live("by-airport@1", "by-airport");
    let mut kafka = stage.kafka("late");
    for topic in ["before", "after"] {
        kafka.create_topic(topic, 3, &[]);
        stage.bind("by-airport", &["--topic", topic, "--mode", "advise"], &["EWR=0"]);
        stage.wait_binding(topic, |state| state == "live");
    }
    let ewr = || vec![(0, batch(&[(Some("EWR"), "a")]))];
    for client in 0..CLIENTS_MAX {
        let mut early = stage.kafka(&format!("early-{client}"));
        assert_eq!(early.produce("before", 1, ewr())[0].error_code, 0);
    }
    let first = |topic: &str| {
        let detail = stage.json(&["topic", "describe", topic]);
        detail["clients"][0]["client_id"].as_str().map(str::to_owned)
    };
    assert_eq!(kafka.produce("after", 1, ewr())[0].error_code, 0);
    assert_eq!(first("after").as_deref(), Some("(others)"));
    let checked = |topic: &str| {
        let parts = [format!("topic=\"{topic}\"")];
        stage.metric("logmill_partitioner_checked_records_total", &[parts[0].as_str()])
    };
    assert_eq!((checked("before"), checked("after")), (CLIENTS_MAX as f64, 1.0));
    let request = DeleteTopicsRequest {
        topic_names: vec!["before".into()],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let answer: DeleteTopicsResponse = kafka.ask(&request, 5);
    assert_eq!(answer.responses[0].error_code, 0);
    let (_, page) = stage.http("GET", "/metrics", &[], b"");
    assert!(!page.contains("topic=\"before\"") && checked("after") == 1.0, "{page}");
    assert_eq!(kafka.produce("after", 1, ewr())[0].error_code, 0);
    let detail = stage.json(&["topic", "describe", "after"]);
    let named = detail["clients"].as_array().expect("a list").iter();
    assert!(named.clone().any(|client| client["client_id"] == "late"), "{detail}");
}
