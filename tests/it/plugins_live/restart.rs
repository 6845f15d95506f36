//! Bindings, records and offsets over restarts: orderly, by kill −9, with other shard counts.
use std::path::PathBuf;

use super::{Stage, guest, wait_for};
use crate::client::{Stored, batch};
use crate::members::{commit, committed};

const INVALID_RECORD: i16 = 87;
const NOT_ENOUGH_REPLICAS: i16 = 19;

/// Sends a wrong batch until the plugin says so; while it is loaded the answer is "come again".
#[track_caller]
fn wait_refused(stage: &Stage, topic: &str, partition: i32, key: &str) {
    let mut kafka = stage.kafka("wrong");
    wait_for(&format!("{topic} is guarded"), || {
        let told = kafka.put(topic, partition, batch(&[(Some(key), "wrong")]));
        assert!([INVALID_RECORD, NOT_ENOUGH_REPLICAS].contains(&told.error_code), "{told:?}");
        (told.error_code == INVALID_RECORD).then_some(())
    });
}

/// As [`wait_refused`], for a right batch.
#[track_caller]
fn wait_taken(stage: &Stage, topic: &str, partition: i32, key: &str) {
    let mut kafka = stage.kafka("right");
    wait_for(&format!("{topic} takes records"), || {
        let told = kafka.put(topic, partition, batch(&[(Some(key), "right")]));
        assert!([0, NOT_ENOUGH_REPLICAS].contains(&told.error_code), "{told:?}");
        (told.error_code == 0).then_some(())
    });
}

#[test]
fn bound_plugins_decide_again_after_any_restart_and_any_number_of_shards() {
    let mut stage = Stage::start(1, &[]);
    stage.live("by-airport@1", "by-airport");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("flights", 6, &[]);
    kafka.create_topic("free", 6, &[]);
    stage.bind("by-airport", &["--topic", "flights"], &["EWR=0", "JFK=1", "others=5"]);
    stage.wait_binding("flights", |state| state == "live");
    let mut taken = 0;
    for (shards, kill) in [(1, false), (3, false), (3, true), (2, false), (2, true)] {
        wait_refused(&stage, "flights", 3, "EWR");
        wait_taken(&stage, "flights", 1, "JFK");
        wait_taken(&stage, "free", taken % 6, "JFK");
        taken += 1;
        stage.broker.reset("shards", &shards.to_string());
        if kill {
            stage.broker.kill();
        } else {
            stage.broker.stop();
        }
        stage.broker.start();
        let ends = stage.kafka("ends").ends("flights", 6);
        assert_eq!(ends, [0, i64::from(taken), 0, 0, 0, 0], "{shards} shards, kill {kill}");
        let shown = stage.json(&["plugin", "show", "by-airport"]);
        assert_eq!(shown["summary"]["active"], "1");
        assert_eq!(shown["bindings"][0]["spec"]["settings"]["EWR"], "0");
    }
    wait_refused(&stage, "flights", 3, "EWR");
    wait_taken(&stage, "flights", 0, "EWR");
}

/// Every record and every committed offset, over 1, 3 and 2 shards.
#[test]
fn records_and_offsets_stay_over_other_numbers_of_shards() {
    let mut stage = Stage::start(1, &[]);
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("kept", 6, &[]);
    let groups: Vec<String> = (0..8).map(|number| format!("group-{number}")).collect();
    let mut written: Vec<Vec<String>> = vec![Vec::new(); 6];
    for (round, shards) in [3_u16, 2, 1, 2].into_iter().enumerate() {
        let mut kafka = stage.kafka("writer");
        for partition in 0..6_i32 {
            let values: Vec<String> =
                (0..50).map(|number| format!("{round}-{partition}-{number}")).collect();
            let records: Vec<_> = values.iter().map(|v| (Some("k"), v.as_str())).collect();
            assert_eq!(kafka.put("kept", partition, batch(&records)).error_code, 0);
            written[partition as usize].extend(values);
        }
        let at = |group: usize| (round * 10 + group) as i64;
        for (number, group) in groups.iter().enumerate() {
            commit(&mut kafka, group, "kept", number as i32 % 6, at(number));
        }
        stage.broker.reset("shards", &shards.to_string());
        stage.broker.restart();
        let mut kafka = stage.kafka("reader");
        for (partition, wanted) in written.iter().enumerate() {
            let stored = kafka.read("kept", partition as i32);
            let offsets: Vec<i64> = stored.iter().map(|record: &Stored| record.offset).collect();
            assert_eq!(offsets, (0..wanted.len() as i64).collect::<Vec<_>>(), "{shards} shards");
            let values: Vec<&str> = stored.iter().map(|record| record.value.as_str()).collect();
            assert_eq!(values, *wanted, "{shards} shards");
        }
        for (number, group) in groups.iter().enumerate() {
            let offset = committed(&mut kafka, group, "kept", number as i32 % 6);
            assert_eq!(offset, at(number), "{group} on {shards} shards");
        }
        let health = stage.json(&["health"]);
        assert_eq!(health["shards"], shards);
        assert_eq!(health["offline_partitions"], 0);
    }
}

#[test]
fn the_kill_switch_answers_come_again_and_what_is_unbound_is_free() {
    let mut stage = Stage::start(2, &[]);
    stage.live("by-airport@1", "by-airport");
    let mut kafka = stage.kafka("setup");
    for topic in ["guarded", "advised", "free"] {
        kafka.create_topic(topic, 3, &[]);
    }
    stage.bind("by-airport", &["--topic", "guarded"], &["EWR=0"]);
    stage.bind("by-airport", &["--topic", "advised", "--mode", "advise"], &["EWR=0"]);
    stage.broker.reset("plugin.enabled", "false");
    stage.broker.restart();
    let mut kafka = stage.kafka("producer");
    let told = kafka.put("guarded", 0, batch(&[(Some("EWR"), "right")]));
    assert_eq!((told.error_code, told.base_offset), (NOT_ENOUGH_REPLICAS, -1));
    let text = told.error_message.expect("a sentence");
    assert!(text.contains("plugin.enabled"), "{text}");
    for topic in ["advised", "free"] {
        let told = kafka.put(topic, 1, batch(&[(Some("EWR"), "anywhere")]));
        assert_eq!(told.error_code, 0, "{told:?}");
    }
    assert_eq!(kafka.ends("guarded", 3), [0; 3]);
    let file = guest("identity").display().to_string();
    let said = stage.said(&["plugin", "install", &file, "--as", "identity@1"]);
    assert!(said.code == 1 && said.err.contains("plugin.enabled"), "{said:?}");
    stage.broker.reset("plugin.enabled", "true");
    stage.broker.restart();
    wait_refused(&stage, "guarded", 1, "EWR");
    wait_taken(&stage, "guarded", 0, "EWR");
}

/// Native code and then also the component are lost: unbound topics are served at once, bound ones
/// say why they are not.
#[test]
fn a_start_waits_for_no_compile() {
    let mut stage = Stage::start(2, &[]);
    stage.live("by-airport@1", "by-airport");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("guarded", 3, &[]);
    kafka.create_topic("free", 3, &[]);
    stage.bind("by-airport", &["--topic", "guarded"], &["EWR=0"]);
    let folder = stage.broker.data().join("plugins");
    stage.broker.stop();
    std::fs::remove_dir_all(folder.join("native")).expect("native code");
    stage.broker.start();
    let mut kafka = stage.kafka("free");
    assert_eq!(kafka.put("free", 0, batch(&[(None, "a")])).error_code, 0);
    wait_refused(&stage, "guarded", 1, "EWR");
    wait_taken(&stage, "guarded", 0, "EWR");

    stage.broker.stop();
    std::fs::remove_dir_all(folder.join("native")).expect("native code");
    let components = files_with(&folder, "wasm");
    assert_eq!(components.len(), 1, "{components:?}");
    std::fs::write(&components[0], b"\0asm damaged").expect("our folder");
    stage.broker.start();
    let mut kafka = stage.kafka("free");
    assert_eq!(kafka.put("free", 0, batch(&[(None, "b")])).error_code, 0);
    stage.wait_binding("guarded", |state| {
        state.starts_with("unready") && !state.contains("being loaded")
    });
    let told = kafka.put("guarded", 0, batch(&[(Some("EWR"), "right")]));
    assert_eq!(told.error_code, NOT_ENOUGH_REPLICAS, "{told:?}");
}

/// What `plugin show` says of a version is read from its files: before and after they are lost.
#[test]
fn a_version_shows_what_it_reads_and_whether_it_is_compiled() {
    let mut stage = Stage::start(1, &[]);
    stage.install("by-airport@1", "by-airport");
    let look = |stage: &Stage| {
        let version = &stage.json(&["plugin", "show", "by-airport"])["versions"][0];
        assert!(version.get("dry_run").is_none() && version.get("compiled_ms").is_none());
        let reads = version["reads"].as_array().expect("a list").clone();
        let state = version["state"].as_str().expect("a text").to_owned();
        (reads, version["compiled"].as_bool(), state)
    };
    let keys = serde_json::Value::from("records.keys");
    let (reads, compiled, state) = look(&stage);
    assert!(reads.contains(&keys), "{reads:?}");
    assert_eq!((compiled, state.as_str()), (Some(true), "registered"));
    let text = stage.cli(&["plugin", "show", "by-airport"]);
    assert!(text.contains("records.keys") && text.contains("yes"), "{text}");

    stage.broker.restart();
    assert_eq!(look(&stage), (reads.clone(), Some(true), "registered".to_owned()));
    let folder = stage.broker.data().join("plugins");
    std::fs::remove_dir_all(folder.join("native")).expect("native code");
    assert_eq!(look(&stage), (reads, Some(false), "registered".to_owned()));
    for component in files_with(&folder, "wasm") {
        std::fs::remove_file(component).expect("our folder");
    }
    let (reads, compiled, state) = look(&stage);
    assert!(state.starts_with("unready: ") && state.contains("install it again"), "{state}");
    assert_eq!((reads, compiled), (Vec::new(), Some(false)));
}

fn files_with(folder: &std::path::Path, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("ok").path());
    all.filter(|path| path.extension().is_some_and(|known| known == ending)).collect()
}
