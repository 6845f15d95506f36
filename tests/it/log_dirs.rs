//! Several log directories beside Apache Kafka: one script, two brokers, the same answers.
//!
//! Owns: where new partitions go, cordoned directories, one that cannot be opened, a partition that
//! was moved, what `kafka-log-dirs` shows; taking over a Kafka with several directories.
//! Leaves to others: disks that fail while a broker runs (`dirs`, simulated).
//! Start reading at: [`story`].
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use logmill::wire::generated::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use logmill::wire::generated::describe_configs_response::DescribeConfigsResponse;
use logmill::wire::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use logmill::wire::generated::describe_log_dirs_response::DescribeLogDirsResponse;
use logmill::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use logmill::wire::generated::metadata_response::{MetadataResponse, MetadataResponsePartition};

use crate::client::{Kafka, batch};
use crate::harness::broker::{Broker, Peer};
use crate::harness::client::{Client, Job, write_records};
use crate::harness::wait::{SOON, Wait};
use crate::harness::{Tier, java, run, run_any, skipped_below};

const DIRS: &str = "{folder}/data,{folder}/b,{folder}/c";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const TYPE_BROKER: i8 = 4;
const NOT_LEADER: i16 = 6;
const TOPIC_EXISTS: i16 = 36;
const STORAGE: i16 = 56;

/// Asks again until the answer is right: Kafka does many things after it has answered.
#[track_caller]
fn until<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, is_right: impl Fn(&T) -> bool) -> T {
    let wait = Wait::for_at_most(SOON);
    loop {
        let told = ask();
        if is_right(&told) {
            return told;
        }
        wait.again(|| format!("{told:?}"));
    }
}

/// Per log directory, by its last name: error code, and partitions by topic.
pub type Shown = BTreeMap<String, (i16, BTreeMap<String, Vec<i32>>)>;

pub fn shown(kafka: &mut Kafka) -> Shown {
    let told: DescribeLogDirsResponse = kafka.ask(&DescribeLogDirsRequest { topics: None }, 4);
    let mut all = Shown::new();
    for dir in told.results {
        let name = dir.log_dir.rsplit('/').next().unwrap_or_default().to_owned();
        let topics = dir.topics.into_iter().map(|topic| {
            let numbers = topic.partitions.iter().map(|one| one.partition_index);
            let mut numbers: Vec<i32> = numbers.collect();
            numbers.sort_unstable();
            (topic.name, numbers)
        });
        all.insert(name, (dir.error_code, topics.collect()));
    }
    all
}

/// Error and number of partitions in each directory.
fn counts(shown: &Shown) -> Vec<(String, i16, usize)> {
    let count = |topics: &BTreeMap<String, Vec<i32>>| topics.values().map(Vec::len).sum();
    shown.iter().map(|(name, (error, topics))| (name.clone(), *error, count(topics))).collect()
}

fn total(shown: &Shown) -> usize {
    counts(shown).iter().map(|(_, _, count)| count).sum()
}

fn partitions(kafka: &mut Kafka, topic: &str) -> Vec<MetadataResponsePartition> {
    let topic = MetadataRequestTopic { name: Some(topic.to_owned()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let mut told: MetadataResponse = kafka.ask(&request, 9);
    let mut all = told.topics.remove(0).partitions;
    all.sort_by_key(|one| one.partition_index);
    all
}

fn cordoned(kafka: &mut Kafka) -> String {
    let resource = DescribeConfigsResource {
        resource_type: TYPE_BROKER,
        resource_name: "1".to_owned(),
        configuration_keys: Some(vec!["cordoned.log.dirs".to_owned()]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let told: DescribeConfigsResponse = kafka.ask(&request, 4);
    told.results[0].configs[0].value.clone().unwrap_or_default()
}

fn cordon(kafka: &mut Kafka, dirs: &str) {
    let change = [("cordoned.log.dirs", Some(dirs))];
    assert_eq!(kafka.alter(TYPE_BROKER, "1", &change).0, 0);
    until(|| cordoned(kafka), |told| told == dirs);
}

/// A record to each partition.
fn fill(kafka: &mut Kafka, topic: &str, count: i32) {
    for partition in 0..count {
        let put = |kafka: &mut Kafka| kafka.put(topic, partition, batch(&[(None, "a")])).error_code;
        until(|| put(kafka), |code| *code == 0);
    }
}

/// What an operator sees, line by line.
fn story(broker: &mut Broker) -> Vec<String> {
    let mut lines = Vec::new();
    let dirs = placement(broker, &mut lines);
    lines.push(format!("tool: {}", tool(broker)));
    let lost = dirs["c"].1["x"].clone();
    broken(broker, &lost, &mut lines);
    moved(broker, &lost, &mut lines);
    lines
}

/// Where new partitions go; gives what lies where.
fn placement(broker: &Broker, lines: &mut Vec<String>) -> Shown {
    let folder = broker.folder().display().to_string();
    let mut kafka = Kafka::connect(broker.port, "story");
    kafka.create_topic("x", 7, &[]);
    let dirs = until(|| shown(&mut kafka), |all| total(all) == 7);
    lines.push(format!("new: {:?}", counts(&dirs)));
    fill(&mut kafka, "x", 7);

    let (code, text) = kafka.alter(TYPE_BROKER, "1", &[("cordoned.log.dirs", Some("/nowhere"))]);
    let text = text.unwrap_or_default();
    let text = text.strip_prefix("requirement failed: ").unwrap_or(&text).to_owned();
    lines.push(format!("cordon what is not there: {code} {text}"));
    cordon(&mut kafka, &format!("{folder}/b"));
    kafka.create_topic("y", 4, &[]);
    let dirs = until(|| shown(&mut kafka), |all| total(all) == 11);
    lines.push(format!("b cordoned: {:?}", counts(&dirs)));
    cordon(&mut kafka, "*");
    // Kafka's controller hears of it later; what it makes until then is taken away.
    let mut create = || {
        let told = kafka.try_create_topic("z", 1, &[]);
        if told.0 == 0 {
            kafka.delete_topic("z");
        }
        told
    };
    let told = until(&mut create, |told| ![0, TOPIC_EXISTS].contains(&told.0));
    lines.push(format!("all cordoned: {told:?}"));
    cordon(&mut kafka, "");
    dirs
}

/// One of the directories cannot be opened.
fn broken(broker: &mut Broker, lost: &[i32], lines: &mut Vec<String>) {
    broker.stop();
    let (c, aside) = (broker.folder().join("c"), broker.folder().join("c-aside"));
    std::fs::rename(&c, aside).expect("a rename");
    std::fs::write(&c, "no directory").expect("a file");
    broker.start();
    let mut kafka = Kafka::connect(broker.port, "story");
    let is_lost = |one: &MetadataResponsePartition| lost.contains(&one.partition_index);
    let told = until(
        || partitions(&mut kafka, "x"),
        |all| all.iter().all(|one| (one.leader_id == -1) == is_lost(one)),
    );
    let mut rows: Vec<String> = told
        .iter()
        .map(|one| {
            let said = (one.error_code, one.leader_id, &one.isr_nodes, &one.offline_replicas);
            format!("in c {}: {said:?} of {:?}", is_lost(one), one.replica_nodes)
        })
        .collect();
    rows.sort();
    lines.append(&mut rows);
    // Kafka knows no leader here; a log that went offline later it calls a storage error, as we do.
    let refused = [NOT_LEADER, STORAGE];
    for at in lost {
        let mut put = || kafka.put("x", *at, batch(&[(None, "b")])).error_code;
        until(&mut put, |code| refused.contains(code));
    }
    lines.push(format!("c is a file: {:?}", counts(&shown(&mut kafka))));
    if broker.peer == Peer::Logmill {
        let said = metrics(broker);
        assert!(said.contains("logmill_offline_log_dirs 1"), "{said}");
    }
    lines.push(format!("tool: {}", tool(broker)));
}

fn metrics(broker: &Broker) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.admin_port)).expect("the admin port");
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("a socket");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    said
}

/// It is back, and an operator moved a partition while the broker was down.
fn moved(broker: &mut Broker, lost: &[i32], lines: &mut Vec<String>) {
    broker.stop();
    let [b, c, aside] = ["b", "c", "c-aside"].map(|name| broker.folder().join(name));
    std::fs::remove_file(&c).expect("our file");
    std::fs::rename(&aside, &c).expect("a rename");
    let moved = format!("x-{}", lost[0]);
    std::fs::rename(c.join(&moved), b.join(&moved)).expect("a rename");
    broker.start();
    let mut kafka = Kafka::connect(broker.port, "story");
    until(
        || partitions(&mut kafka, "x"),
        |all| all.iter().all(|one| one.leader_id == 1 && one.error_code == 0),
    );
    lines.push(format!("moved: {:?}", counts(&shown(&mut kafka))));
    fill(&mut kafka, "x", 7);
    lines.push(format!("ends: {:?}", kafka.ends("x", 7)));
    broker.stop();
}

/// What `kafka-log-dirs --describe` says of the topic.
fn tool(broker: &Broker) -> String {
    let bootstrap = broker.bootstrap();
    let args = ["--describe", "--topic-list", "x", "--bootstrap-server", &bootstrap];
    let said = java::tools().run(LOG_DIRS, &args, None);
    table(&said, &broker.folder().display().to_string())
}

/// The tool's JSON without what differs between two runs.
fn table(said: &str, folder: &str) -> String {
    let json = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let mut rows = Vec::new();
    for dir in json["brokers"][0]["logDirs"].as_array().expect("directories") {
        let name = dir["logDir"].as_str().expect("a name").replace(folder, "");
        let partitions = dir["partitions"].as_array().expect("partitions");
        let fields = partitions.iter().map(|one| {
            let fields = one.as_object().expect("fields").keys().cloned();
            (fields.collect::<Vec<_>>(), one["size"].clone())
        });
        rows.push(format!("{name} error {} {:?}", dir["error"], fields.collect::<Vec<_>>()));
    }
    rows.sort();
    rows.join("; ")
}

#[test]
fn several_log_directories_are_kept_as_by_kafka() {
    if skipped_below(Tier::Test, "log directories beside Kafka") {
        return;
    }
    let settings = [("log.dirs", DIRS), ("shards", "2")];
    let ours = story(&mut Broker::logmill(&settings));
    let theirs = story(&mut Broker::kafka(&settings));
    assert_eq!(ours, theirs);
}

#[test]
fn a_kafka_of_several_log_directories_is_taken_over() {
    if skipped_below(Tier::Test, "adopting Kafka's directories") {
        return;
    }
    for killed in [false, true] {
        let mut broker = Broker::kafka(&[("log.dirs", DIRS), ("shards", "2")]);
        let mut kafka = Kafka::connect(broker.port, "taken");
        kafka.create_topic("x", 7, &[]);
        fill(&mut kafka, "x", 7);
        let records: Vec<String> = (0..500).map(|n| format!("k{n}:{n}")).collect();
        let file = write_records(broker.folder(), &records);
        let job = Job { topic: "x".into(), acks: "all", codec: "none" };
        Client::Confluent.produce(&broker.bootstrap(), &file, &[job]);
        let (dirs, ends) = (shown(&mut kafka), kafka.ends("x", 7));
        assert_eq!(ends.iter().sum::<i64>(), 507);
        if killed {
            broker.kill()
        } else {
            broker.stop()
        }
        broker.hand_over(Peer::Logmill);
        broker.start();
        let mut kafka = Kafka::connect(broker.port, "taken");
        assert_eq!(shown(&mut kafka), dirs, "killed: {killed}");
        assert_eq!(kafka.ends("x", 7), ends, "killed: {killed}");
        fill(&mut kafka, "x", 7);
        broker.kill();
        // The metadata is found in whichever place its directory stands.
        broker.reset("log.dirs", "{folder}/c,{folder}/data,{folder}/b");
        broker.start();
        let mut kafka = Kafka::connect(broker.port, "taken");
        assert_eq!(kafka.ends("x", 7), ends.iter().map(|end| end + 1).collect::<Vec<_>>());
        assert_eq!(shown(&mut kafka), dirs, "killed: {killed}");
        broker.stop();
        looked_at_without_a_broker(&broker);
    }
}

/// `logmill log` on directories that belong together.
fn looked_at_without_a_broker(broker: &Broker) {
    let dirs = ["data", "b", "c"].map(|dir| broker.folder().join(dir));
    let mut verify = broker.cli();
    let said = run(verify.args(["log", "verify"]).args(&dirs), 60);
    assert!(said.contains("7 partitions") && said.contains(" 0 damaged"), "{said}");
    run(broker.cli().args(["log", "topics"]).arg(&dirs[0]), 20);
    let said = run_any(broker.cli().args(["log", "topics"]).arg(&dirs[1]), 20);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("lies in the log directory with directory.id="), "{said}");
    // A copy in another of them: nobody knows which is right.
    let found =
        std::fs::read_dir(&dirs[1]).expect("our folder").map(|entry| entry.expect("one").path());
    let x = found.into_iter().find(|path| path.display().to_string().contains("/x-")).expect("one");
    run(Command::new("cp").arg("-r").arg(&x).arg(&dirs[2]), 20);
    let mut verify = broker.cli();
    let said = run_any(verify.args(["log", "verify"]).args(&dirs), 60);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("it lies in another log directory, too"), "{said}");
}

#[test]
fn without_the_directory_of_its_metadata_a_broker_does_not_start() {
    let mut broker = Broker::logmill(&[("log.dirs", DIRS)]);
    broker.stop();
    for (dirs, why) in [
        ("{folder}/b,{folder}/c", "which log.dirs does not name"),
        ("{folder}/data,{folder}/data", "stands there twice"),
        ("{folder}/data,{folder}/data/.", "are the same directory"),
    ] {
        broker.reset("log.dirs", dirs);
        let said = run_any(&mut broker.serve_command(), 20);
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains(why), "{dirs}: {said}");
    }
}
