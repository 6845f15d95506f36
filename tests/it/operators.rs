//! What an operator does with Kafka's own command line tools, right and wrong.
//!
//! Owns: topics, settings, offsets and groups as those tools show and change them.
//! Leaves to others: producing and consuming (`clients`), our own command line (`server`).
//! Invariant: the same test passes against Apache Kafka (`LOGMILL_PEER=kafka`).
//! Start reading at: [`topics_are_created_described_and_deleted`].
use crate::harness::broker::Broker;
use crate::harness::client::{Client, Job, write_records};
use crate::harness::{Tier, java, skipped_below, tail};

const CONFIGS: &str = "kafka.admin.ConfigCommand";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";

/// Runs a tool with `--bootstrap-server` and these words; its status and all that it said.
fn tool(broker: &Broker, class: &str, words: &str) -> (i32, String) {
    let bootstrap = broker.bootstrap();
    let mut args: Vec<&str> = words.split_whitespace().collect();
    args.extend(["--bootstrap-server", &bootstrap]);
    let done = java::tools().run_any(class, &args, None);
    (done.status, format!("{}\n{}", done.out, done.err))
}

/// It works and says all of `wanted`.
#[track_caller]
fn works(broker: &Broker, class: &str, words: &str, wanted: &[&str]) -> String {
    let (status, said) = tool(broker, class, words);
    assert!(status == 0, "{words}: status {status}\n{}", tail(&said, 20));
    for want in wanted {
        assert!(said.contains(want), "{words}: no {want:?} in\n{}", tail(&said, 40));
    }
    said
}

/// It fails and says `why`.
#[track_caller]
fn fails(broker: &Broker, class: &str, words: &str, why: &str) {
    let (_, said) = tool(broker, class, words);
    assert!(said.contains(why), "{words}: no {why:?} in\n{}", tail(&said, 40));
}

#[test]
fn topics_are_created_described_and_deleted() {
    if skipped_below(Tier::Test, "kafka-topics") {
        return;
    }
    let broker = Broker::under_test(&[("shards", "2")]);
    let create = "--create --topic stock --partitions 4 --config retention.ms=600000";
    works(&broker, java::TOPICS, create, &["Created topic stock"]);
    let shown = ["PartitionCount: 4", "ReplicationFactor: 1", "retention.ms=600000", "Isr: 1"];
    let said = works(&broker, java::TOPICS, "--describe --topic stock", &shown);
    let lines = said.lines().filter(|line| line.contains("Leader: 1")).count();
    assert!(lines == 4, "a leader for each partition:\n{said}");
    fails(&broker, java::TOPICS, create, "already exists");
    let again = "--create --if-not-exists --topic stock --partitions 4";
    works(&broker, java::TOPICS, again, &[]);
    let wrong = [
        ("--create --topic a/b", "InvalidTopicException"),
        ("--create --topic wide --replication-factor 3", "InvalidReplicationFactorException"),
        ("--create --topic none --partitions 0", "must be greater than 0"),
        ("--create --topic odd --config retention.ms=soon", "Invalid value soon"),
        ("--create --topic odd --config no.such.setting=1", "InvalidConfigurationException"),
        ("--describe --topic nowhere", "does not exist"),
        ("--delete --topic nowhere", "does not exist"),
    ];
    for (words, why) in wrong {
        fails(&broker, java::TOPICS, words, why);
    }
    works(&broker, java::TOPICS, "--list", &["stock"]);
    works(&broker, java::TOPICS, "--delete --topic stock", &[]);
    let said = works(&broker, java::TOPICS, "--list", &[]);
    assert!(!said.contains("stock"), "{said}");
    works(&broker, java::TOPICS, "--create --topic stock --partitions 1", &["Created"]);
    works(&broker, java::TOPICS, "--describe --topic stock", &["PartitionCount: 1"]);
}

#[test]
fn settings_are_changed_shown_and_taken_back() {
    if skipped_below(Tier::Test, "kafka-configs") {
        return;
    }
    let mut broker = Broker::under_test(&[]);
    works(&broker, java::TOPICS, "--create --topic shop --partitions 1", &["Created"]);
    let topic = "--entity-type topics --entity-name shop";
    let alter = |broker: &Broker, what: &str| {
        works(broker, CONFIGS, &format!("--alter {topic} {what}"), &["Completed updating config"])
    };
    let describe = |broker: &Broker| works(broker, CONFIGS, &format!("--describe {topic}"), &[]);
    alter(&broker, "--add-config max.message.bytes=2000000,cleanup.policy=compact");
    broker.restart();
    let said = describe(&broker);
    for want in ["max.message.bytes=2000000", "cleanup.policy=compact", "DYNAMIC_TOPIC_CONFIG"] {
        assert!(said.contains(want), "no {want} in\n{said}");
    }
    alter(&broker, "--delete-config max.message.bytes");
    let said = describe(&broker);
    assert!(!said.contains("max.message.bytes"), "{said}");
    let all = format!("--describe {topic} --all");
    works(&broker, CONFIGS, &all, &["max.message.bytes=1048588", "DEFAULT_CONFIG"]);
    let wrong = format!("--alter {topic} --add-config max.message.bytes=many");
    fails(&broker, CONFIGS, &wrong, "InvalidConfigurationException");
    let unknown = "--alter --entity-type topics --entity-name nowhere --add-config retention.ms=1";
    fails(&broker, CONFIGS, unknown, "UnknownTopicOrPartitionException");
    let node = "--describe --entity-type brokers --entity-name 1 --all";
    works(&broker, CONFIGS, node, &["log.dirs=", "num.partitions=3"]);
    works(&broker, API_VERSIONS, "", &["Produce(0)", "Fetch(1)", "(id: 1"]);
    works(&broker, CLUSTER, "cluster-id", &["Cluster ID: "]);
}

#[test]
fn offsets_and_groups_are_shown_and_moved() {
    if skipped_below(Tier::Test, "kafka-consumer-groups") {
        return;
    }
    let broker = Broker::under_test(&[("shards", "2")]);
    let bootstrap = broker.bootstrap();
    Client::JavaConsole.create(&bootstrap, &["till"]);
    let records: Vec<String> = (0..60).map(|number| format!("k{number}:{number}")).collect();
    // The last one by a run of its own: only then has it a later timestamp for certain.
    for part in [&records[..59], &records[59..]] {
        let file = write_records(broker.folder(), part);
        let job = Job { topic: "till".into(), acks: "all", codec: "none" };
        Client::JavaConsole.produce(&bootstrap, &file, &[job]);
    }
    let sum = |words: &str| -> i64 {
        let said = works(&broker, java::GET_OFFSETS, &format!("--topic till {words}"), &[]);
        let offsets = said.lines().filter_map(|line| line.split(':').nth(2));
        offsets.map(|word| word.parse::<i64>().expect("an offset")).sum()
    };
    assert!(sum("--time -1") == 60, "ends");
    assert!(sum("--time -2") == 0, "starts");
    assert!(sum("--time 1000") == 0, "the first record after 1970");
    assert!(0 < sum("--time -3"), "the newest record");
    let seen = Client::Confluent.consume_in_group(&bootstrap, "keepers", "till", 30);
    assert!(seen.len() == 30);
    works(&broker, java::CONSUMER_GROUPS, "--list", &["keepers"]);
    // Column 3 is the committed offset, or a dash.
    let committed = || -> Vec<i64> {
        let said = works(&broker, java::CONSUMER_GROUPS, "--describe --group keepers", &[]);
        let rows = said.lines().filter(|line| line.contains(" till "));
        rows.filter_map(|row| row.split_whitespace().nth(3)?.parse().ok()).collect()
    };
    assert!(committed().iter().sum::<i64>() == 30, "half is read: {:?}", committed());
    let state = "--describe --group keepers --state";
    works(&broker, java::CONSUMER_GROUPS, state, &["Empty"]);
    let reset = "--reset-offsets --to-earliest --topic till --group keepers --execute";
    works(&broker, java::CONSUMER_GROUPS, reset, &["till"]);
    assert!(committed() == [0, 0, 0], "all is unread: {:?}", committed());
    let nobody = "--describe --group nobody";
    fails(&broker, java::CONSUMER_GROUPS, nobody, "GroupIdNotFoundException");
}
