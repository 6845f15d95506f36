//! The table is consistent, values are read as Kafka reads them, files are explained.
use std::sync::Arc;

use expect_test::expect;

use super::plugin_settings::{parse_plugin_ref, parse_plugin_settings, render_plugin_settings};
use super::*;
use crate::base::Rng;

const SCOPES: [Scope; 3] = [Scope::Broker, Scope::Topic, Scope::Group];

fn overrides(pairs: &[(&str, &str)]) -> Overrides {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn broker(pairs: &[(&str, &str)]) -> BrokerValues {
    BrokerValues::new(overrides(pairs)).unwrap()
}

#[track_caller]
fn refused(text: &str) -> String {
    load(Some(("logmill.toml", text)), &[], "host").unwrap_err().to_string()
}

#[test]
fn the_table_is_consistent() {
    for scope in SCOPES {
        let names: Vec<&str> = keys(scope).map(|key| key.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} stands twice");
        }
        for key in keys(scope) {
            assert_eq!(key.scope, scope, "{}", key.name);
            let default = key.default_value();
            assert_eq!(default.render().as_deref(), key.default, "{}", key.name);
            assert!(key.doc.ends_with('.'), "{} needs a sentence", key.name);
            for synonym in key.synonyms {
                let other = find(Scope::Broker, synonym.name);
                let other = other.unwrap_or_else(|| panic!("{}: {}", key.name, synonym.name));
                assert_ne!(other.effect, key.effect.opposite(), "{}", key.name);
            }
        }
    }
}

impl Effect {
    /// A topic setting and its broker setting must both do something, or neither.
    fn opposite(self) -> Self {
        match self {
            Self::Now => Self::Accepted,
            Self::Accepted => Self::Now,
            refused => refused,
        }
    }
}

#[test]
fn with_nothing_set_a_topic_has_the_defaults_of_its_table() {
    let broker = BrokerValues::default();
    for key in keys(Scope::Topic).chain(keys(Scope::Group)) {
        let effective = broker.effective(key, &Overrides::new());
        assert_eq!(effective, key.default_value(), "{}", key.name);
    }
}

#[test]
fn config_md_is_the_rendered_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFIG.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, reference_page()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == reference_page(), "run UPDATE_DOCS=1 cargo test config_md");
}

/// Setting one of a topic's settings to `value` must be refused with this text.
#[track_caller]
fn check_refused(name: &str, value: &str, want: &str) {
    let error = check_topic(&BrokerValues::default(), &overrides(&[(name, value)])).unwrap_err();
    assert_eq!(error.to_string(), want);
}

#[track_caller]
fn check_invalid(name: &str, value: &str, why: &str) {
    let want = format!("Invalid value {value} for configuration {name}: {why}");
    check_refused(name, value, &want);
}

#[test]
fn a_value_that_does_not_fit_gets_kafkas_sentence() {
    let codecs = "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer";
    let gzip = "Value must be between 1 and 9 or equal to -1";
    let not_boolean = "Expected value to be either true or false";
    let replicas = "must be the literal '*' or a list of replicas in the following format: \
                    [partitionId]:[brokerId],[partitionId]:[brokerId],...";
    check_invalid("retention.ms", "-2", "Value must be at least -1");
    check_invalid("segment.bytes", "1k", "Not a number of type INT");
    check_invalid("segment.bytes", "9999999999", "Not a number of type INT");
    check_invalid("preallocate", "yes", not_boolean);
    check_invalid("compression.type", "brotli", codecs);
    check_invalid("cleanup.policy", "shred", "String must be one of: compact, delete");
    check_invalid("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1");
    check_invalid("compression.gzip.level", "0", gzip);
    check_invalid("leader.replication.throttled.replicas", "0-1", replicas);
    check_refused("no.such.thing", "1", "Unknown topic config name: no.such.thing");
}

#[test]
fn our_own_settings_say_what_they_take() {
    let tiered = "this version has no tiered storage; leave it at its default";
    let name = "Expected a plugin's name (a lower case letter, then lower case letters, digits or \
                dashes, at most 64), or name@version";
    let pairs = "Expected key=value pairs separated by ; or line breaks";
    let plain = "the topic is not compacted; set cleanup.policy=compact with it, or remove the \
                 plugin";
    check_invalid("remote.storage.enable", "true", tiered);
    check_invalid("partitioner.mode", "route", "String must be one of: advise, verify");
    check_invalid("partitioner.plugin", "By Airport", name);
    check_invalid("partitioner.plugin.settings", "a", pairs);
    check_invalid("compaction.policy.plugin", "newest", plain);
}

#[test]
fn compaction_lags_must_not_cross() {
    let lags = [("min.compaction.lag.ms", "7"), ("max.compaction.lag.ms", "5")];
    let error = check_topic(&BrokerValues::default(), &overrides(&lags)).unwrap_err();
    expect!["conflict topic config setting min.compaction.lag.ms (7) > max.compaction.lag.ms (5)"]
        .assert_eq(&error.to_string());
}

#[test]
fn a_groups_timeouts_stay_within_the_brokers_limits() {
    let check = |name: &str, value: &str| {
        check_group(&BrokerValues::default(), &overrides(&[(name, value)]))
    };
    assert_eq!(
        check("consumer.session.timeout.ms", "100").unwrap_err().to_string(),
        "consumer.session.timeout.ms must be greater than or equal to \
         group.consumer.min.session.timeout.ms"
    );
    assert_eq!(
        check("consumer.heartbeat.interval.ms", "15001").unwrap_err().to_string(),
        "consumer.heartbeat.interval.ms must be less than or equal to \
         group.consumer.max.heartbeat.interval.ms"
    );
    assert_eq!(
        check("retention.ms", "1").unwrap_err().to_string(),
        "Unknown group config name: retention.ms"
    );
    let settings = check("assignor.plugin", "weighted@2").unwrap();
    let binding = settings.assignor.unwrap();
    assert_eq!(binding.plugin.pinned.as_deref(), Some("2"));
    assert_eq!(binding.failure, AssignorFailure::Open);
}

#[test]
fn values_are_trimmed_and_lists_are_split_as_kafka_does() {
    let topic = overrides(&[
        ("cleanup.policy", " compact , delete "),
        ("segment.bytes", " 2097152 "),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "zstd"),
    ]);
    let settings = check_topic(&BrokerValues::default(), &topic).unwrap();
    assert_eq!(settings.cleanup, Cleanup { compact: true, delete: true });
    assert_eq!(settings.segment_bytes, 2_097_152);
    assert_eq!(settings.timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(settings.compression, Compression::Zstd);
    let neither = check_topic(&BrokerValues::default(), &overrides(&[("cleanup.policy", "")]));
    assert_eq!(neither.unwrap().cleanup, Cleanup { compact: false, delete: false });
}

#[test]
fn retention_comes_from_ms_then_minutes_then_hours() {
    let retention = |pairs: &[(&str, &str)]| {
        TopicSettings::effective(&broker(pairs), &Overrides::new()).retention_ms
    };
    assert_eq!(retention(&[]), 604_800_000);
    assert_eq!(retention(&[("log.retention.hours", "2")]), 7_200_000);
    assert_eq!(retention(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]), 180_000);
    assert_eq!(retention(&[("log.retention.minutes", "-1")]), -1);
    assert_eq!(retention(&[("log.retention.ms", "4"), ("log.retention.minutes", "3")]), 4);
}

#[test]
fn the_nearest_value_wins_topic_then_node_then_cluster_then_file() {
    let fixed = broker(&[("message.max.bytes", "1")]);
    let cluster = Arc::new(overrides(&[("message.max.bytes", "2")]));
    let node = Arc::new(overrides(&[("message.max.bytes", "3")]));
    let none = Arc::new(Overrides::new());
    let own = overrides(&[("max.message.bytes", "4")]);
    let max = |broker: &BrokerValues, own: &Overrides| {
        TopicSettings::effective(broker, own).message_bytes_max
    };
    assert_eq!(max(&fixed, &Overrides::new()), 1);
    assert_eq!(max(&fixed.with_dynamic(cluster.clone(), none), &Overrides::new()), 2);
    assert_eq!(max(&fixed.with_dynamic(cluster.clone(), node.clone()), &Overrides::new()), 3);
    assert_eq!(max(&fixed.with_dynamic(cluster, node), &own), 4);
}

#[test]
fn describe_lists_the_sources_strongest_first() {
    let cluster = Arc::new(overrides(&[("message.max.bytes", "2000000")]));
    let broker = broker(&[("message.max.bytes", "1000000"), ("log.retention.hours", "24")])
        .with_dynamic(cluster, Arc::new(Overrides::new()));
    let all = describe_topic(&broker, &overrides(&[("max.message.bytes", "3000000")]));
    let show = |name: &str| {
        let entry = all.iter().find(|entry| entry.name == name).unwrap();
        let synonyms: Vec<String> = entry
            .synonyms
            .iter()
            .map(|s| format!("{}={} {}", s.name, s.value.clone().unwrap(), s.source.code()))
            .collect();
        let value = entry.value.clone().unwrap();
        format!("{value} {} [{}]", entry.source.code(), synonyms.join(", "))
    };
    expect![
        "3000000 1 [max.message.bytes=3000000 1, message.max.bytes=2000000 3, \
        message.max.bytes=1000000 4, message.max.bytes=1048588 5]"
    ]
    .assert_eq(&show("max.message.bytes"));
    expect!["86400000 4 [log.retention.hours=24 4, log.retention.hours=168 5]"]
        .assert_eq(&show("retention.ms"));
    expect!["verify 5 []"].assert_eq(&show("partitioner.mode"));
    assert!(!all.iter().any(|entry| entry.name == "internal.segment.bytes"));
}

#[test]
fn what_stands_behind_a_setting_is_told_by_source() {
    let cluster = Arc::new(overrides(&[("log.roll.ms", "5")]));
    let broker = broker(&[("log.roll.hours", "2"), ("log.roll.ms", "7")])
        .with_dynamic(cluster, Arc::new(Overrides::new()));
    let show = |entry: &Described| {
        let synonyms = entry.synonyms.iter();
        let texts = synonyms.map(|s| format!("{}={}", s.name, s.value.clone().unwrap()));
        texts.collect::<Vec<_>>().join(" ")
    };
    let entries = describe_broker(&broker);
    let of = |name: &str| show(entries.iter().find(|entry| entry.name == name).unwrap());
    let all = "log.roll.ms=5 log.roll.ms=7 log.roll.hours=2 log.roll.hours=168";
    assert_eq!(of("log.roll.ms"), all);
    assert_eq!(of("log.roll.hours"), "log.roll.hours=2 log.roll.hours=168");
    assert_eq!(of("log.retention.ms"), "");
    let topic = describe_topic(&broker, &Overrides::new());
    assert_eq!(show(topic.iter().find(|entry| entry.name == "segment.ms").unwrap()), all);
}

#[test]
fn a_word_that_stands_twice_in_a_list_counts_once() {
    let settings = check_topic(
        &BrokerValues::default(),
        &overrides(&[("cleanup.policy", "delete, compact,delete")]),
    );
    assert_eq!(settings.unwrap().cleanup, Cleanup { compact: true, delete: true });
    let topic = overrides(&[("cleanup.policy", "compact,compact")]);
    let described = describe_topic(&BrokerValues::default(), &topic);
    let policy = described.iter().find(|entry| entry.name == "cleanup.policy").unwrap();
    assert_eq!(policy.value.as_deref(), Some("compact"));
}

#[test]
fn describing_a_broker_says_what_can_change() {
    let entries = describe_broker(&broker(&[("shards", "3")]));
    let find = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
    let shards = find("shards");
    assert_eq!((shards.value.as_deref(), shards.source), (Some("3"), Source::StaticBroker));
    assert!(shards.read_only);
    let retention = find("log.retention.ms");
    assert_eq!((&retention.value, retention.source), (&None, Source::Default));
    assert!(!retention.read_only);
    assert_eq!(retention.kind, 5);
    assert!(describe_cluster_default(&broker(&[("shards", "3")])).is_empty());
}

#[test]
fn numbers_are_printed_as_java_prints_them() {
    let show = |real: f64| Value::Real(real).render().unwrap();
    assert_eq!(show(0.5), "0.5");
    assert_eq!(show(1.0), "1.0");
    assert_eq!(show(0.0), "0.0");
    assert_eq!(show(f64::MAX), "1.7976931348623157E308");
    assert_eq!(show(1e7), "1.0E7");
}

#[test]
fn alter_sets_deletes_and_changes_lists() {
    let op = |name: &str, kind: i8, value: &str| AlterOp {
        name: name.to_owned(),
        kind: OpKind::from_code(kind).unwrap(),
        value: value.to_owned(),
    };
    let change = |current: &[(&str, &str)], ops: &[AlterOp]| {
        alter(Scope::Topic, &overrides(current), ops).map_err(|error| error.to_string())
    };
    let set = change(&[], &[op("retention.ms", 0, "5")]).unwrap();
    assert_eq!(set, overrides(&[("retention.ms", "5")]));
    assert_eq!(change(&[("retention.ms", "5")], &[op("retention.ms", 1, "")]).unwrap().len(), 0);
    let appended = change(&[], &[op("cleanup.policy", 2, "compact,delete")]).unwrap();
    assert_eq!(appended, overrides(&[("cleanup.policy", "delete,compact")]));
    let gone =
        change(&[("cleanup.policy", "delete,compact")], &[op("cleanup.policy", 3, "delete")]);
    assert_eq!(gone.unwrap(), overrides(&[("cleanup.policy", "compact")]));
    assert_eq!(
        change(&[], &[op("retention.ms", 2, "5")]).unwrap_err(),
        "Can't APPEND to key retention.ms because its type is not LIST."
    );
    assert!(change(&[], &[op("retention.ms", 0, &"5".repeat(40_000))]).is_err());
}

#[test]
fn plugin_settings_survive_writing_and_reading() {
    let parsed =
        parse_plugin_settings("JFK=0; LGA = 1\n\nEWR=2;;sep=\\;; eq\\==a=b ;pad=\\ x").unwrap();
    let want =
        [("JFK", "0"), ("LGA", "1"), ("EWR", "2"), ("sep", ";"), ("eq=", "a=b"), ("pad", " x")];
    let want: PluginSettings = want.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
    assert_eq!(parsed, want);
    assert_eq!(parse_plugin_settings("").unwrap(), []);
    assert!(parse_plugin_settings("a=1;a=2").unwrap_err().contains("stands twice"));
    assert!(parse_plugin_settings("a=1\\").unwrap_err().contains("backslash"));
    assert!(parse_plugin_settings("=1").unwrap_err().contains("no key"));

    let mut rng = Rng::new(7);
    let letters = ['a', ':', ';', '=', '\\', '\n', ' ', 'é'];
    for _ in 0..5_000 {
        let mut word = |least: u64| -> String {
            let length = least + rng.below(6);
            (0..length).map(|_| letters[rng.below(8) as usize]).collect()
        };
        let pairs = vec![(format!("1{}", word(0)), word(0)), (format!("2{}", word(0)), word(1))];
        let text = render_plugin_settings(&pairs);
        assert_eq!(parse_plugin_settings(&text).unwrap(), pairs, "{text:?}");
    }
}

#[test]
fn plugin_references_name_a_version_or_follow_the_active_one() {
    let pinned = |text: &str| parse_plugin_ref(text).map(|plugin| plugin.pinned);
    assert_eq!(pinned("by-airport"), Ok(None));
    assert_eq!(pinned("by-airport@1.2-rc+x"), Ok(Some("1.2-rc+x".to_owned())));
    for bad in ["", "@1", "a@", "a@.", "a@x/y", "A", "1a", "a b", "a/b", &"a".repeat(65)] {
        assert!(pinned(bad).is_err(), "{bad}");
    }
}

#[test]
fn without_a_file_a_single_node_starts_on_this_machine_only() {
    let config = load(None, &[], "host").unwrap().config;
    assert_eq!(config.node_id.0, 1);
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].bind.to_string(), "127.0.0.1:9092");
    assert_eq!(config.listeners[0].advertised.to_string(), "127.0.0.1:9092");
    assert_eq!(config.admin_listener.unwrap().to_string(), "127.0.0.1:9644");
    assert_eq!((config.log_dirs, config.shards), (vec!["./data".to_owned()], 0));
    assert!(config.plugin_enabled && config.auto_create_topics);
}

#[test]
fn dotted_and_quoted_keys_mix_and_arguments_win() {
    let text = r#"
        "log.dir" = "/var/lib/logmill"
        log.dir.failure.timeout.ms = 30_000
        listeners = ["PLAINTEXT://[::1]:0", "OUT://:9093"]
        log.segment.bytes = 2097152
        log.message.format.version = "3.0"
        [listener.security]
        protocol.map = "PLAINTEXT:PLAINTEXT,OUT:PLAINTEXT"
    "#;
    let arguments = ["shards=2".to_owned(), "log.segment.bytes = 4194304".to_owned()];
    let loaded = load(Some(("logmill.toml", text)), &arguments, "host").unwrap();
    let config = loaded.config;
    assert_eq!((&*config.log_dirs, config.shards), (&["/var/lib/logmill".to_owned()][..], 2));
    assert_eq!(config.listeners[0].bind.to_string(), "[::1]:0");
    assert_eq!(config.listeners[1].advertised.to_string(), "host:9093");
    assert_eq!(
        TopicSettings::effective(&config.values, &Overrides::new()).segment_bytes,
        4_194_304
    );
    let given = ["shards", "log.segment.bytes", "listeners"].map(|n| config.values.is_argument(n));
    assert_eq!(given, [true, true, false]);
    assert_eq!(loaded.notes, ["`log.message.format.version` is gone from Kafka and has no effect"]);
}

#[test]
fn a_file_that_does_not_fit_gets_a_sentence_that_helps() {
    expect!["logmill.toml: unknown setting `log.segmnet.bytes`; did you mean `log.segment.bytes`?"]
        .assert_eq(&refused("log.segmnet.bytes = 1"));
    expect!["logmill.toml: unknown setting `frobnicate`; CONFIG.md lists all settings"]
        .assert_eq(&refused("frobnicate = 1"));
    expect![
        "logmill.toml: `retention.ms` is a topic's setting; its default for all topics is \
        called `log.retention.ms`"
    ]
    .assert_eq(&refused("retention.ms = 1"));
    expect!["logmill.toml: `assignor.plugin` is a group's setting; set it on the group"]
        .assert_eq(&refused("assignor.plugin = \"x\""));
    expect![
        "logmill.toml: `ssl.keystore.location` belongs to a part of Kafka that this version \
        does not have (TLS); remove it"
    ]
    .assert_eq(&refused("ssl.keystore.location = \"x\""));
    assert_eq!(
        refused("log.dir = \"x\"\nlog.dir.failure.timeout.ms = 1"),
        "logmill.toml: `log.dir` cannot be both a value and the beginning of \
         `log.dir.failure.timeout.ms`; write one of them in quotes: \"log.dir\" = …"
    );
    expect!["logmill.toml: `node.id` is set twice; keep one of them"]
        .assert_eq(&refused("node.id = 1\n\"node.id\" = 2"));
    let broken = refused("shards = 1\nlisteners = [");
    assert!(broken.starts_with("logmill.toml: line 2"), "{broken}");
    expect![
        "logmill.toml: line 2: [log] begins a table that a dotted name above has begun; put the \
             table first, or write its names dotted too"
    ]
    .assert_eq(&refused("log.segment.bytes = 1\n[log]\nroll.ms = 1"));
    expect!["Invalid value 0 for configuration num.partitions: Value must be at least 1"]
        .assert_eq(&refused("num.partitions = 0"));
    let argument = load(None, &["shards".to_owned()], "host").unwrap_err().to_string();
    expect!["--set shards: expected key=value, such as --set shards=2"].assert_eq(&argument);
}

#[test]
fn listeners_that_cannot_work_are_refused() {
    let refused =
        |listeners: &str, more: &str| refused(&format!("listeners = \"{listeners}\"\n{more}"));
    expect![
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP \
        address: say where clients reach this broker with --set \
        advertised.listeners=PLAINTEXT://HOST:9092."
    ]
    .assert_eq(&refused("PLAINTEXT://0.0.0.0:9092", ""));
    expect!["listener SSL asks for SSL, which this version does not speak; use PLAINTEXT"]
        .assert_eq(&refused("SSL://:9092", ""));
    expect![
        "No security protocol defined for listener OUT; add OUT:PLAINTEXT to \
        listener.security.protocol.map"
    ]
    .assert_eq(&refused("OUT://:9092", ""));
    expect![
        "Invalid value PLAINTEXT://:99999 for configuration listeners: Expected \
        NAME://host:port, separated by commas"
    ]
    .assert_eq(&refused("PLAINTEXT://:99999", ""));
    expect!["Invalid value B://h:1 for configuration advertised.listeners: listeners has no B"]
        .assert_eq(&refused("PLAINTEXT://:9092", "advertised.listeners = \"B://h:1\""));
    let text = r#"
        listeners = "PLAINTEXT://:9092,CONTROLLER://:9093"
        controller.listener.names = "CONTROLLER"
    "#;
    let config = load(Some(("logmill.toml", text)), &[], "host");
    assert_eq!(config.unwrap().config.listeners.len(), 1);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let mut rng = Rng::new(3);
    let pieces =
        ["log", ".", "dir", " = ", "\"", "\n", "[", "]", "1", "é", "{", "}", "'", "\\", ","];
    for _ in 0..3_000 {
        let length = rng.below(24);
        let text: String = (0..length).map(|_| pieces[rng.below(15) as usize]).collect();
        let _ = load(Some(("f", &text)), &[], "host");
        for key in keys(Scope::Broker).chain(keys(Scope::Topic)) {
            let _ = key.parse(&text);
        }
    }
}
