//! The command line against a running broker: topics, settings, and sentences that say what to do.
//!
//! Owns: what a user types after the README. Leaves to others: what plugins then decide
//! (`plugins_live`), the process itself (`process`).
use crate::plugins_live::Stage;

/// It fails with this sentence, alone.
#[track_caller]
fn fails(stage: &Stage, line: &str, sentence: &str) {
    let said = stage.said(&line.split(' ').collect::<Vec<_>>());
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{line}");
    assert_eq!(said.err, format!("logmill: {sentence}\n"), "{line}");
}

#[test]
fn topics_are_created_by_the_rules_of_kafka() {
    let stage = Stage::start(2, &[("num.partitions", "5")]);
    let create = ["topic", "create", "flights", "--partitions", "6", "--replication-factor", "1"];
    let settings = ["--set", "retention.ms=600000", "--set", "cleanup.policy=compact"];
    let said = stage.cli(&[&create[..], &settings].concat());
    assert_eq!(said, "Topic flights is created, with 6 partitions.\n");
    let detail = stage.json(&["topic", "describe", "flights"]);
    assert_eq!(detail["partitions"].as_array().map(Vec::len), Some(6));
    assert_eq!(detail["settings"]["retention.ms"], "600000");
    assert_eq!(detail["settings"]["cleanup.policy"], "compact");
    // As soon as it is answered the topic is there for everybody.
    assert_eq!(stage.kafka("writer").ends("flights", 6), [0; 6]);
    let plain = stage.json(&["topic", "create", "plain"]);
    assert_eq!(plain["partitions"].as_array().map(Vec::len), Some(5), "{plain}");

    for (line, sentence) in [
        ("topic create flights", "Topic 'flights' already exists."),
        (
            "topic create a/b",
            "Topic name is invalid: 'a/b' contains one or more characters other \
                              than ASCII alphanumerics, '.', '_' and '-'.",
        ),
        (
            "topic create t --partitions 0",
            "Number of partitions was set to an invalid non-positive \
                                           value.",
        ),
        (
            "topic create t --replication-factor 3",
            "Unable to replicate the partition 3 time(s): \
                                                   The target replication factor of 3 cannot be \
                                                   reached because only 1 broker(s) are \
                                                   registered.",
        ),
        (
            "topic create t --set retention.ms=soon",
            "Invalid value soon for configuration \
                                                    retention.ms: Not a number of type LONG.",
        ),
        (
            "topic create t --set partitioner.plugin=none",
            "Invalid value none for configuration \
                                                          partitioner.plugin: there is no such \
                                                          plugin; install it first (`logmill \
                                                          plugin install`).",
        ),
    ] {
        fails(&stage, line, sentence);
    }
    let bearer = stage.bearer();
    let bearer = [("authorization", bearer.as_str())];
    let (status, body) = stage.http("POST", "/v1/topics", &bearer, br#"{"name":"flights"}"#);
    assert_eq!(status, 409, "{body}");
    assert_eq!(stage.json(&["topic", "ls"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_binding_that_cannot_be_says_what_to_do() {
    let stage = Stage::start(1, &[]);
    stage.live("by-airport@1", "by-airport");
    stage.install("by-airport@2", "by-airport");
    let missing = "There is no topic flights; create it first (`logmill topic create flights \
                   --partitions NUMBER`).";
    fails(&stage, "plugin bind by-airport --topic flights --set EWR=0", missing);
    stage.cli(&["topic", "create", "flights", "--partitions", "6"]);
    let pinned = "by-airport@7 is not installed; by-airport has the versions 1, 2.";
    fails(&stage, "plugin bind by-airport@7 --topic flights --set EWR=0", pinned);
    let unbound = "by-airport is not bound there; `logmill plugin bindings` lists what is bound.";
    fails(&stage, "plugin unbind by-airport --topic flights", unbound);
    let said = stage.cli(&["plugin", "bind", "by-airport", "--topic", "flights", "--set", "EWR=0"]);
    assert!(said.ends_with(", version 1\n"), "{said}");
}

#[test]
fn the_settings_shown_are_those_in_force() {
    let stage = Stage::start(0, &[]);
    let shards = stage.json(&["health"])["shards"].to_string();
    let shown = stage.json(&["config", "show", "shards"]);
    assert_eq!(shown[0]["value"], shards, "{shown}");
    assert_ne!(shards, "0");
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "the filter counts for JSON too: {shown}");
    let none = "No setting has \"zzz\" in its name; `logmill config show` lists all of them.";
    fails(&stage, "config show zzz", none);
}
