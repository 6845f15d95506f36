//! `logmill log` on directories of stopped brokers: what it says, and how it ends.
//!
//! Owns: the commands as a user types them. Leaves to others: which damage there is (`log`'s own
//! tests: a thousand directories).
use std::path::{Path, PathBuf};

use crate::harness::broker::Broker;
use crate::harness::client::{Client, Job, write_records};
use crate::harness::wait::{SOON, Wait};
use crate::harness::{Tier, run_any, skipped_below};

/// Exit code and all that was said.
fn log(broker: &Broker, words: &[&str]) -> (i32, String) {
    let done = run_any(broker.cli().arg("log").args(words), 30);
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// The largest segment of the topic.
fn segment(data: &Path, topic: &str) -> PathBuf {
    let mut all = Vec::new();
    for partition in 0..3 {
        let Ok(dir) = std::fs::read_dir(data.join(format!("{topic}-{partition}"))) else {
            continue;
        };
        let files = dir.map(|entry| entry.unwrap().path());
        all.extend(files.filter(|path| path.extension().is_some_and(|end| end == "log")));
    }
    all.into_iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).expect("a segment")
}

#[test]
fn damage_is_named_by_file_and_byte_and_repaired_on_request() {
    if skipped_below(Tier::Test, "logmill log") {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "2")]);
    Client::Confluent.create(&broker.bootstrap(), &["shop"]);
    let records: Vec<String> = (0..500).map(|n| format!("k{n}:{} {n}", "v".repeat(90))).collect();
    let file = write_records(broker.folder(), &records);
    let job = || Job { topic: "shop".into(), acks: "all", codec: "none" };
    for _ in 0..3 {
        Client::Confluent.produce(&broker.bootstrap(), &file, &[job()]);
    }
    let data = broker.data().display().to_string();
    let (code, said) = log(&broker, &["repair", &data]);
    assert!(code == 1 && said.contains("is in use by process"), "{said}");
    broker.stop();
    let (code, said) = log(&broker, &["verify", &data]);
    assert!(code == 0 && said.contains(" 0 damaged"), "{said}");
    let (code, said) = log(&broker, &["topics", &data]);
    assert!(code == 0 && said.contains("shop"), "{said}");
    // Without its recovery points a repair could cut what was acknowledged.
    let (points, aside) = ("recovery-point-offset-checkpoint", broker.data().join("aside"));
    std::fs::rename(broker.data().join(points), &aside).unwrap();
    std::fs::create_dir(broker.data().join(points)).unwrap();
    let (code, said) = log(&broker, &["verify", &data]);
    assert!(code == 1 && said.contains(points), "{said}");
    std::fs::remove_dir(broker.data().join(points)).unwrap();
    std::fs::rename(&aside, broker.data().join(points)).unwrap();
    let path = segment(&broker.data(), "shop");
    let name = path.display().to_string();
    let (code, said) = log(&broker, &["dump", "--records", &name]);
    assert!(code == 0 && said.contains("baseOffset: 0 ") && said.contains("key: k"), "{said}");
    let (code, said) = log(&broker, &["--json", "dump", &name]);
    let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(code == 0 && first["baseOffset"] == 0 && first["position"] == 0, "{said}");
    // One bit, in the first batch.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    for words in [vec!["verify", data.as_str()], vec!["dump", name.as_str()]] {
        let (code, said) = log(&broker, &words);
        assert!(code == 1 && said.contains(&name) && said.contains("checksum"), "{said}");
    }
    let (code, said) = log(&broker, &["verify", &data]);
    assert!(code == 1 && said.contains("at byte 0 "), "{said}");
    // After a crash nobody cuts there without being told to.
    std::fs::remove_file(broker.data().join(".kafka_cleanshutdown")).unwrap();
    for suffix in ["index", "timeindex", "snapshot"] {
        let _ = std::fs::remove_file(path.with_extension(suffix));
    }
    let (code, said) = log(&broker, &["repair", &data]);
    assert!(code == 1 && said.contains("below the recovery point"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing was cut");
    let save = broker.folder().join("save");
    let saved = save.display().to_string();
    let (code, said) = log(&broker, &["repair", &data, "--cut-corruption", &saved]);
    assert!(code == 0 && said.contains("is cut at byte 0"), "{said}");
    let partition = path.parent().unwrap().file_name().unwrap();
    let kept: Vec<_> = std::fs::read_dir(save.join(partition)).unwrap().collect();
    assert!(!kept.is_empty());
    let (code, said) = log(&broker, &["verify", &data]);
    assert!(code == 0, "{said}");
    let (code, said) = log(&broker, &["verify", "/proc"]);
    assert!(code == 1 && said.contains("neither a data directory"), "{said}");
}

/// What only the journal holds after a kill is neither called damage nor lost by a repair.
#[test]
fn what_the_journal_holds_counts() {
    if skipped_below(Tier::Test, "logmill log") {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "1")]);
    Client::Confluent.create(&broker.bootstrap(), &["shop"]);
    let records: Vec<String> = (0..500).map(|n| format!("k{n}:{} {n}", "v".repeat(90))).collect();
    let file = write_records(broker.folder(), &records);
    // The first makes the journal, the later ones go through it.
    for _ in 0..20 {
        let job = Job { topic: "shop".into(), acks: "all", codec: "none" };
        Client::Confluent.produce(&broker.bootstrap(), &file, &[job]);
        if std::fs::metadata(broker.data().join("shard-0.journal"))
            .is_ok_and(|f| 64 << 20 <= f.len())
        {
            break;
        }
    }
    let path = segment(&broker.data(), "shop");
    let bytes = || std::fs::metadata(&path).expect("the segment").len();
    let before = bytes();
    let job = Job { topic: "shop".into(), acks: "all", codec: "none" };
    Client::Confluent.produce(&broker.bootstrap(), &file, &[job]);
    let wait = Wait::for_at_most(SOON);
    while bytes() == before {
        wait.again(|| "files follow the journal".to_owned());
    }
    broker.kill();
    let data = broker.data().display().to_string();
    let ends = |broker: &Broker| -> i64 {
        let (code, said) = log(broker, &["--json", "verify", &data]);
        let told: serde_json::Value = serde_json::from_str(&said).expect(&said);
        assert_eq!(code, 0, "{said}");
        let rows = told["partitions"].as_array().expect("rows").clone();
        rows.iter().filter_map(|row| row["log_end"].as_i64()).sum()
    };
    let end = ends(&broker);
    assert!(0 < end);
    // As if the kernel had not written the newest of the files yet.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 200]).unwrap();
    assert_eq!(ends(&broker), end, "the journal has it");
    assert_eq!(std::fs::read(&path).unwrap().len(), bytes.len() - 200, "verify changes nothing");
    let (code, said) = log(&broker, &["repair", path.parent().unwrap().to_str().unwrap()]);
    assert!(code == 1 && said.contains("repair the whole of"), "{said}");
    let (code, said) = log(&broker, &["repair", &data]);
    assert_eq!(code, 0, "{said}");
    // And more, if the kill came before the file had all of it.
    assert!(std::fs::read(&path).unwrap().starts_with(&bytes), "it is in the file again");
    assert_eq!(ends(&broker), end);
}
