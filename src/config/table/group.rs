//! Settings of a consumer group (resource GROUP).
//!
//! Owns: the rows. Source: `GroupConfig` of Apache Kafka 4.4; rows with "Logmill" are ours.
use crate::config::key::{Rule, boolean, int, list, same, text};

keys! { KEYS:
    ASSIGNOR_FAILURE_POLICY = text("assignor.failure.policy").default("open").of_group().now()
        .one_of(&["open", "closed"])
        .doc("Logmill: what happens when the assignor cannot answer. `open`: the built-in uniform \
              assignor decides; `closed`: the last valid assignment stays.");
    ASSIGNOR_PLUGIN = text("assignor.plugin").default("").of_group().now()
        .rule(Rule::PluginRef)
        .doc("Logmill: the assignor, `name` or `name@version`, that deals this group's partitions \
              out. Empty: what the members agreed on stands.");
    ASSIGNOR_SETTINGS = text("assignor.plugin.settings").default("").of_group().now()
        .rule(Rule::PluginSettings)
        .doc("Logmill: settings handed to the assignor, as `key=value; key=value`.");
    CONSUMER_ASSIGNMENT_INTERVAL_MS = int("consumer.assignment.interval.ms").default("1000")
        .of_group().at_least(0).from(&[same("group.consumer.assignment.interval.ms")])
        .doc("Shortest time between two assignments of a group of the consumer protocol.");
    CONSUMER_HEARTBEAT_INTERVAL_MS = int("consumer.heartbeat.interval.ms").default("5000")
        .of_group().at_least(1).from(&[same("group.consumer.heartbeat.interval.ms")])
        .doc("How often members of the consumer protocol are told to report.");
    CONSUMER_SESSION_TIMEOUT_MS = int("consumer.session.timeout.ms").default("45000")
        .of_group().at_least(1).from(&[same("group.consumer.session.timeout.ms")])
        .doc("After what silence a member of the consumer protocol is taken for gone.");
    DEAD_LETTER_COPY = boolean("errors.deadletterqueue.copy.record.enable").default("false")
        .of_group()
        .doc("Whether a share group's undeliverable records are copied whole.");
    DEAD_LETTER_TOPIC = text("errors.deadletterqueue.topic.name").default("").of_group()
        .doc("Topic for a share group's undeliverable records.");
    SHARE_ASSIGNMENT_INTERVAL_MS = int("share.assignment.interval.ms").default("1000")
        .of_group().at_least(0)
        .doc("Shortest time between two assignments of a share group.");
    SHARE_AUTO_OFFSET_RESET = text("share.auto.offset.reset").default("latest").of_group()
        .doc("Where a new share group begins: `latest`, `earliest` or `by_duration:PnDTnHnMn.nS`.");
    SHARE_DELIVERY_COUNT_LIMIT = int("share.delivery.count.limit").default("5").of_group()
        .at_least(2)
        .doc("How often a record is offered to a share group.");
    SHARE_HEARTBEAT_INTERVAL_MS = int("share.heartbeat.interval.ms").default("5000").of_group()
        .at_least(1)
        .doc("How often members of a share group are told to report.");
    SHARE_ISOLATION_LEVEL = text("share.isolation.level").default("read_uncommitted").of_group()
        .one_of(&["read_committed", "read_uncommitted"])
        .doc("Whether a share group sees records of open transactions.");
    SHARE_PARTITION_LOCKS = int("share.partition.max.record.locks").default("2000").of_group()
        .at_least(100)
        .doc("How many records of a partition a share group may hold at once.");
    SHARE_RECORD_LOCK_MS = int("share.record.lock.duration.ms").default("30000").of_group()
        .at_least(1_000)
        .doc("How long a member of a share group may hold a record.");
    SHARE_RENEW_ACKNOWLEDGE = boolean("share.renew.acknowledge.enable").default("true").of_group()
        .doc("Whether a member of a share group may prolong its hold on a record.");
    SHARE_SESSION_TIMEOUT_MS = int("share.session.timeout.ms").default("45000").of_group()
        .at_least(1)
        .doc("After what silence a member of a share group is taken for gone.");
    STREAMS_ASSIGNMENT_INTERVAL_MS = int("streams.assignment.interval.ms").default("1000")
        .of_group().at_least(0)
        .doc("Shortest time between two assignments of a streams group.");
    STREAMS_ASSIGNOR = text("streams.assignor.name").of_group()
        .doc("Assignor of a streams group.");
    STREAMS_INITIAL_DELAY_MS = int("streams.initial.rebalance.delay.ms").default("3000")
        .of_group().at_least(0)
        .doc("How long an empty streams group waits for more members.");
    STREAMS_RACK_TAGS = list("streams.rack.aware.assignment.tags").default("").of_group()
        .doc("Tags by which a streams group spreads its standby replicas.");
    STREAMS_HEARTBEAT_INTERVAL_MS = int("streams.heartbeat.interval.ms").default("5000")
        .of_group().at_least(1)
        .doc("How often members of a streams group are told to report.");
    STREAMS_STANDBY_REPLICAS = int("streams.num.standby.replicas").default("0").of_group()
        .at_least(0)
        .doc("Standby replicas of a streams group's tasks.");
    STREAMS_SESSION_TIMEOUT_MS = int("streams.session.timeout.ms").default("45000").of_group()
        .at_least(1)
        .doc("After what silence a member of a streams group is taken for gone.");
}
