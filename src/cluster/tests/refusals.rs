//! Requests that cannot be done get Kafka's code and words.
use expect_test::expect;

use super::{ConfigTarget, NewTopic, TopicRef, World, nodes, told, topic, with_configs};
use crate::cluster::new_id;

#[test]
fn names() {
    let world = World::new(&[]);
    let refusal = |name: &str| world.refusal(&topic(name, 1));
    expect!["INVALID_TOPIC_EXCEPTION: Topic name is invalid: the empty string is not allowed"]
        .assert_eq(&refusal(""));
    expect!["INVALID_TOPIC_EXCEPTION: Topic name is invalid: '.' is not allowed"]
        .assert_eq(&refusal("."));
    assert_eq!(
        refusal("a b"),
        "INVALID_TOPIC_EXCEPTION: Topic name is invalid: 'a b' contains one or more characters \
         other than ASCII alphanumerics, '.', '_' and '-'"
    );
    let long = "x".repeat(250);
    assert!(refusal(&long).ends_with("is longer than the max allowed length 249"));
    assert!(world.plan().create_topic(&topic(&long[1..], 1), new_id(1, 9)).is_ok());
    expect!["INVALID_REQUEST: Creation of internal topic __cluster_metadata is prohibited."]
        .assert_eq(&refusal("__cluster_metadata"));
    expect!["INVALID_TOPIC_EXCEPTION: Topic names that begin with __ingress. are reserved."]
        .assert_eq(&refusal("__ingress.x"));
}

#[test]
fn names_that_exist_or_collide() {
    let mut world = World::new(&[]);
    world.create(&topic("a.b", 1));
    expect!["TOPIC_ALREADY_EXISTS: Topic 'a.b' already exists."]
        .assert_eq(&world.refusal(&topic("a.b", 1)));
    expect!["INVALID_TOPIC_EXCEPTION: Topic 'a_b' collides with existing topic: a.b"]
        .assert_eq(&world.refusal(&topic("a_b", 1)));
    let delete = world.plan().delete_topic(TopicRef::Name("a.b")).unwrap();
    world.run(delete);
    world.create(&topic("a_b", 1));
}

#[test]
fn numbers_of_partitions_and_replicas() {
    let world = World::new(&[]);
    expect!["INVALID_PARTITIONS: Number of partitions was set to an invalid non-positive value."]
        .assert_eq(&world.refusal(&topic("t", 0)));
    let factor = |factor: i16| NewTopic { replication_factor: factor, ..topic("t", 1) };
    assert_eq!(
        world.refusal(&factor(0)),
        "INVALID_REPLICATION_FACTOR: Replication factor must be larger than 0, or -1 to use the \
         default value."
    );
    assert_eq!(
        world.refusal(&factor(3)),
        "INVALID_REPLICATION_FACTOR: Unable to replicate the partition 3 time(s): The target \
         replication factor of 3 cannot be reached because only 1 broker(s) are registered."
    );
    expect!["POLICY_VIOLATION: Excessively large number of partitions per request."]
        .assert_eq(&world.refusal(&topic("t", 10_001)));
    assert!(world.refusal(&topic("t", i32::MAX)).starts_with("POLICY_VIOLATION"));
    assert!(world.refusal(&topic("t", i32::MIN)).starts_with("INVALID_PARTITIONS"));
    assert!(world.plan().create_topic(&topic("t", 10_000), new_id(1, 9)).is_ok());
}

#[test]
fn manual_assignments() {
    let world = World::new(&[]);
    let assigned = |all: &[(i32, &[i32])]| {
        let assignments = all.iter().map(|(p, replicas)| (*p, nodes(replicas))).collect();
        world.refusal(&NewTopic { assignments, ..NewTopic::with_defaults("t") })
    };
    let wrong = "INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes";
    assert_eq!(assigned(&[(0, &[])]), format!("{wrong} an empty replica list."));
    assert_eq!(
        assigned(&[(0, &[5])]),
        format!("{wrong} broker 5, but no such broker is registered.")
    );
    assert_eq!(assigned(&[(0, &[1, 1])]), format!("{wrong} the broker 1 more than once."));
    let gap = "INVALID_REPLICA_ASSIGNMENT: partitions should be a consecutive 0-based integer \
               sequence";
    assert_eq!(assigned(&[(1, &[1])]), gap);
    assert_eq!(assigned(&[(-1, &[1])]), gap);
    assert_eq!(
        assigned(&[(0, &[1]), (0, &[1])]),
        "INVALID_REPLICA_ASSIGNMENT: Found multiple manual partition assignments for partition 0"
    );
    let both = NewTopic { assignments: vec![(0, nodes(&[1]))], ..topic("t", 1) };
    assert_eq!(
        world.refusal(&both),
        "INVALID_REQUEST: A manual partition assignment was specified, but numPartitions was not \
         set to -1."
    );
    let good = NewTopic { assignments: vec![(0, nodes(&[1]))], ..NewTopic::with_defaults("t") };
    assert!(world.plan().create_topic(&good, new_id(1, 9)).is_ok());
}

#[test]
fn settings_of_a_new_topic() {
    let world = World::new(&[]);
    expect!["INVALID_CONFIG: Unknown topic config name: x"]
        .assert_eq(&world.refusal(&with_configs("t", &[("x", "1")])));
    let null = NewTopic {
        configs: vec![("a".into(), None), ("b".into(), None)],
        ..NewTopic::with_defaults("t")
    };
    expect!["INVALID_CONFIG: Null value not supported for topic configs: a,b"]
        .assert_eq(&world.refusal(&null));
    // Settings are looked at before numbers, as in Kafka.
    let both = NewTopic { partitions: 0, ..with_configs("t", &[("x", "1")]) };
    assert!(world.refusal(&both).starts_with("INVALID_CONFIG"));
}

#[test]
fn growing_and_deleting() {
    let mut world = World::new(&[]);
    world.create(&topic("t", 2));
    let grow = |count, given: Option<&[Vec<crate::model::NodeId>]>| {
        told(world.plan().create_partitions("t", count, given))
    };
    expect!["INVALID_PARTITIONS: Topic already has 2 partition(s)."].assert_eq(&grow(2, None));
    assert_eq!(
        grow(1, None),
        "INVALID_PARTITIONS: The topic t currently has 2 partition(s); 1 would not be an increase."
    );
    assert!(grow(-1, None).starts_with("INVALID_PARTITIONS"));
    assert_eq!(
        grow(4, Some(&[nodes(&[1])])),
        "INVALID_REPLICA_ASSIGNMENT: Attempted to add 2 additional partition(s), but only 1 \
         assignment(s) were specified."
    );
    assert!(told(world.plan().create_partitions("u", 2, None)).starts_with("UNKNOWN_TOPIC_OR"));
    let missing = told(world.plan().delete_topic(TopicRef::Name("u")));
    assert!(missing.starts_with("UNKNOWN_TOPIC_OR_PARTITION"), "{missing}");
    let missing = told(world.plan().delete_topic(TopicRef::Id(new_id(4, 4))));
    assert!(missing.starts_with("UNKNOWN_TOPIC_ID"), "{missing}");
    let keeps = World::new(&["delete.topic.enable=false"]);
    expect!["TOPIC_DELETION_DISABLED: Topic deletion is disabled."]
        .assert_eq(&told(keeps.plan().delete_topic(TopicRef::Name("t"))));
}

#[test]
fn changes_of_settings() {
    let mut world = World::new(&[]);
    world.create(&topic("t", 1));
    let change = |target, name: &str, code: i8, value: Option<&str>| {
        let change = (name.to_owned(), code, value.map(str::to_owned));
        world.plan().alter_configs(target, &[change])
    };
    let topic = ConfigTarget::Topic("t");
    expect!["INVALID_REQUEST: Null value not supported for : retention.ms"]
        .assert_eq(&told(change(topic, "retention.ms", 0, None)));
    expect!["INVALID_REQUEST: Unknown operations type 9"].assert_eq(&told(change(
        topic,
        "retention.ms",
        9,
        Some("1"),
    )));
    expect!["INVALID_CONFIG: Can't SUBTRACT to key retention.ms because its type is not LIST."]
        .assert_eq(&told(change(topic, "retention.ms", 3, Some("1"))));
    expect!["UNKNOWN_TOPIC_OR_PARTITION: The topic 'u' does not exist."].assert_eq(&told(change(
        ConfigTarget::Topic("u"),
        "retention.ms",
        0,
        Some("1"),
    )));
    expect!["INVALID_REQUEST: Default group resources are not allowed."].assert_eq(&told(change(
        ConfigTarget::Group(""),
        "x",
        0,
        Some("1"),
    )));
    expect!["INVALID_REQUEST: Unexpected broker id, expected 1, but received 7"]
        .assert_eq(&told(change(ConfigTarget::Broker("7"), "x", 0, Some("1"))));
    expect!["INVALID_REQUEST: Cannot update these configs dynamically: Set(shards)"]
        .assert_eq(&told(change(ConfigTarget::Broker("1"), "shards", 0, Some("1"))));
    expect!["INVALID_CONFIG: Unknown broker config name: x"].assert_eq(&told(change(
        ConfigTarget::Broker(""),
        "x",
        0,
        Some("1"),
    )));
    let twice = [("a".to_owned(), 1, None), ("a".to_owned(), 1, None)];
    expect!["INVALID_REQUEST: Error due to duplicate config keys"]
        .assert_eq(&told(world.plan().alter_configs(topic, &twice)));
    assert_eq!(change(topic, "retention.ms", 1, None), Ok(None), "nothing to delete, no command");
}

#[test]
fn replacing_all_settings_forgets_the_others() {
    let mut world = World::new(&[]);
    world.create(&with_configs("t", &[("retention.ms", "5"), ("segment.ms", "6")]));
    let only = [("segment.ms".to_owned(), Some("7".to_owned()))];
    let command = world.plan().replace_configs(ConfigTarget::Topic("t"), &only).unwrap().unwrap();
    world.run(command);
    let own = &world.image.topic("t").unwrap().configs;
    assert_eq!(own.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["segment.ms=7"]);
}

#[test]
fn the_offsets_topic_is_made_for_one_broker() {
    let mut world = World::new(&["offsets.topic.num.partitions=4"]);
    let offsets = world.plan().internal_topic("__consumer_offsets").unwrap();
    world.create(&offsets);
    let made = world.image.topic("__consumer_offsets").unwrap();
    assert!(made.is_internal());
    assert_eq!((made.partitions.len(), made.partitions[0].replicas.len()), (4, 1));
    assert_eq!(made.configs["cleanup.policy"], "compact");
    assert_eq!(made.configs["segment.bytes"], "104857600");
}
