//! Settings of the broker that do something, and the broker side of topic and group settings.
//!
//! Owns: the rows. Source: `AbstractKafkaConfig` of Apache Kafka 4.4, with other defaults where a
//! start without a file needs them; rows with "Logmill" are ours.
use crate::config::key::{Rule, boolean, double, int, list, long, short, text};

const MAX: &str = "9223372036854775807";
const INT_MAX: &str = "2147483647";

keys! { KEYS:
    // Who this node is and where it listens.
    NODE_ID = int("node.id").default("1").at_least(0).now()
        .doc("Number of this broker in its cluster. Kafka has no default.");
    BROKER_ID = int("broker.id").default("-1").now()
        .doc("Older name of `node.id`; counts when `node.id` is not set.");
    BROKER_RACK = text("broker.rack").now()
        .doc("Rack or zone of this broker, as Metadata reports it.");
    LISTENERS = list("listeners").default("PLAINTEXT://127.0.0.1:9092").now()
        .doc("Where clients connect, as NAME://host:port. An empty host is every interface, port 0 \
              a free port. Kafka's default is every interface.");
    ADVERTISED_LISTENERS = list("advertised.listeners").now()
        .doc("Addresses that clients are told, by listener name. Default: those of `listeners`.");
    LISTENER_PROTOCOLS = text("listener.security.protocol.map").now()
        .default("PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL")
        .doc("Security protocol of each listener name. This version speaks PLAINTEXT only.");
    CONTROLLER_LISTENERS = list("controller.listener.names").default("").now()
        .doc("Listeners of Kafka's controller. Named here so that they are not opened: the \
              controller is part of the broker.");
    INTER_BROKER_LISTENER = text("inter.broker.listener.name").now()
        .doc("Listener that brokers use among themselves; it must exist.");
    ADMIN_LISTENER = text("admin.listener").default("127.0.0.1:9644").now()
        .doc("Logmill: address of the admin HTTP port with metrics, health and plugins. Empty: \
              none.");
    SHARDS = int("shards").default("0").between(0, 1024).now()
        .doc("Logmill: number of shards, each a pinned thread with its own ring; 0: one per core.");
    LOG_DIRS = list("log.dirs").default("./data").now()
        .doc("Log directories. A new partition goes to the one that has the fewest. Kafka's \
              default is /tmp/kafka-logs.");
    LOG_DIR = text("log.dir").now()
        .doc("Log directories; counts when `log.dirs` is not set.");
    METADATA_LOG_DIR = text("metadata.log.dir").now()
        .doc("Directory of the metadata log at the first start; later ones look where it lies. \
              Default: the first of `log.dirs`.");
    CORDONED_DIRS = list("cordoned.log.dirs").default("").per_broker().now()
        .doc("Those of `log.dirs` that get no new partitions; `*` is all.");

    // Plugins.
    PLUGIN_ENABLED = boolean("plugin.enabled").default("true").now()
        .doc("Logmill: `false` runs no plugin at all; bound topics and groups follow their failure \
              policy.");
    PLUGIN_ALLOW = list("plugin.allow").default("").now()
        .doc("Logmill: SHA-256 digests of the plugins that may be installed. Empty: any.");

    // Topics that are created without being asked for details.
    AUTO_CREATE_TOPICS = boolean("auto.create.topics.enable").default("true").now()
        .doc("Whether Metadata creates topics that are missing when the client allows it.");
    DELETE_TOPIC_ENABLE = boolean("delete.topic.enable").default("true").now()
        .doc("Whether DeleteTopics is allowed.");
    NUM_PARTITIONS = int("num.partitions").default("1").at_least(1).now()
        .doc("Partitions of a topic that is created without a number.");
    DEFAULT_REPLICATION_FACTOR = int("default.replication.factor").default("1").at_least(1).now()
        .doc("Replicas of a topic that is created without a number.");

    // Requests and connections.
    REQUEST_BYTES_MAX = int("socket.request.max.bytes").default("104857600").at_least(1).now()
        .doc("Largest request; a larger one closes its connection.");
    CONNECTIONS_IDLE_MS = long("connections.max.idle.ms").default("600000").now()
        .doc("After what silence a connection is closed.");
    CONNECTIONS_MAX = int("max.connections").default(INT_MAX).at_least(0).cluster_wide()
        .doc("Connections open at once.");
    LISTEN_BACKLOG = int("socket.listen.backlog.size").default("50").at_least(1)
        .doc("Connections that may wait to be accepted.");
    FETCH_BYTES_MAX = int("fetch.max.bytes").default("57671680").at_least(1_024).now()
        .doc("Largest answer to a Fetch.");

    // Recovery.
    RECOVERY_CHECKPOINT_MS = int("log.flush.offset.checkpoint.interval.ms").default("60000")
        .at_least(0).now()
        .doc("How often it is written down up to where each log is durable; a start after a crash \
              reads only what lies behind. 0: only at a stop.");

    // Groups and their offsets.
    GROUP_SESSION_MIN_MS = int("group.min.session.timeout.ms").default("6000").now()
        .doc("Shortest session timeout that a member of a classic group may ask for.");
    GROUP_SESSION_MAX_MS = int("group.max.session.timeout.ms").default("1800000").now()
        .doc("Longest session timeout that a member of a classic group may ask for.");
    GROUP_INITIAL_DELAY_MS = int("group.initial.rebalance.delay.ms").default("3000").now()
        .doc("How long an empty group waits for more members before its first rebalance.");
    GROUP_SIZE_MAX = int("group.max.size").default(INT_MAX).at_least(1).now()
        .doc("Most members of a classic group.");
    OFFSETS_PARTITIONS = int("offsets.topic.num.partitions").default("50").at_least(1).now()
        .doc("Partitions of `__consumer_offsets`; counts when the topic is created.");
    OFFSETS_REPLICATION_FACTOR = short("offsets.topic.replication.factor").default("3")
        .at_least(1).now()
        .doc("Replicas of `__consumer_offsets`; at most as many as there are brokers.");
    OFFSETS_SEGMENT_BYTES = int("offsets.topic.segment.bytes").default("104857600").at_least(1)
        .now()
        .doc("Segment size of `__consumer_offsets`; counts when the topic is created.");
    OFFSETS_RETENTION_MINUTES = int("offsets.retention.minutes").default("10080").at_least(1)
        .now()
        .doc("How long an empty group's offsets are kept.");
    OFFSETS_RETENTION_CHECK_MS = long("offsets.retention.check.interval.ms").default("600000")
        .at_least(1).now()
        .doc("How often offsets are looked through for those to drop.");
    OFFSET_METADATA_BYTES_MAX = int("offset.metadata.max.bytes").default("4096").now()
        .doc("Largest text that may stand beside a committed offset.");
    CONSUMER_SESSION_MS = int("group.consumer.session.timeout.ms").default("45000").at_least(1)
        .doc("After what silence a member of the consumer protocol is taken for gone.");
    CONSUMER_SESSION_MIN_MS = int("group.consumer.min.session.timeout.ms").default("45000")
        .at_least(1).now()
        .doc("Smallest `consumer.session.timeout.ms` that a group may set.");
    CONSUMER_SESSION_MAX_MS = int("group.consumer.max.session.timeout.ms").default("60000")
        .at_least(1).now()
        .doc("Largest `consumer.session.timeout.ms` that a group may set.");
    CONSUMER_HEARTBEAT_MS = int("group.consumer.heartbeat.interval.ms").default("5000")
        .at_least(1)
        .doc("How often members of the consumer protocol are told to report.");
    CONSUMER_HEARTBEAT_MIN_MS = int("group.consumer.min.heartbeat.interval.ms").default("5000")
        .at_least(1).now()
        .doc("Smallest `consumer.heartbeat.interval.ms` that a group may set.");
    CONSUMER_HEARTBEAT_MAX_MS = int("group.consumer.max.heartbeat.interval.ms").default("15000")
        .at_least(1).now()
        .doc("Largest `consumer.heartbeat.interval.ms` that a group may set.");
    CONSUMER_ASSIGNMENT_MS = int("group.consumer.assignment.interval.ms").default("1000")
        .at_least(0).cluster_wide()
        .doc("Shortest time between two assignments of a group of the consumer protocol.");
    CONSUMER_ASSIGNMENT_MIN_MS = int("group.consumer.min.assignment.interval.ms").default("0")
        .at_least(0).now()
        .doc("Smallest `consumer.assignment.interval.ms` that a group may set.");
    CONSUMER_ASSIGNMENT_MAX_MS = int("group.consumer.max.assignment.interval.ms")
        .default("15000").at_least(0).now()
        .doc("Largest `consumer.assignment.interval.ms` that a group may set.");

    // Logs.
    RETENTION_CHECK_MS = long("log.retention.check.interval.ms").default("300000").at_least(1)
        .now()
        .doc("How often logs are looked through for segments to delete.");
    START_CHECKPOINT_MS = int("log.flush.start.offset.checkpoint.interval.ms").default("60000")
        .at_least(0).now()
        .doc("How often log start offsets are written down, besides before DeleteRecords answers.");
    // Producers.
    PRODUCER_ID_EXPIRATION_MS = int("producer.id.expiration.ms").default("86400000").at_least(1)
        .now()
        .doc("After what silence a partition forgets an idempotent producer.");
    TRANSACTION_TIMEOUT_MAX_MS = int("transaction.max.timeout.ms").default("900000").at_least(1)
        .doc("Longest transaction timeout that a producer may ask for.");

    // Metadata.
    METADATA_SNAPSHOT_BYTES = long("metadata.log.max.record.bytes.between.snapshots")
        .default("20971520").at_least(1).now()
        .doc("Bytes of metadata log after which a snapshot replaces it.");
    JOURNAL_BYTES = long("journal.bytes").default("268435456")
        .between(0, 4_294_967_296).now()
        .doc("Size of each shard's journal in a log directory, made with its first acks=all batch; \
              0: every partition is synced by itself.");

    // Compaction.
    CLEANER_BACKOFF_MS = long("log.cleaner.backoff.ms").default("15000").at_least(0)
        .cluster_wide().now()
        .doc("How long compaction rests when nothing is worth a pass.");
    CLEANER_DEDUPE_BYTES = long("log.cleaner.dedupe.buffer.size").default("134217728")
        .cluster_wide().now()
        .doc("Memory for the keys of compaction passes and for marks of what goes, shared by \
              `log.cleaner.threads`. A pass over more keys takes several rounds, each over a \
              range of the keys' hashes.");
    CLEANER_ENABLE = boolean("log.cleaner.enable").default("true").now()
        .doc("Whether compaction runs by itself.");
    CLEANER_IO_BYTES = int("log.cleaner.io.buffer.size").default("524288").at_least(0)
        .cluster_wide().now()
        .doc("Memory for reading and writing of compaction passes, shared by \
              `log.cleaner.threads`.");
    CLEANER_LOAD_FACTOR = double("log.cleaner.io.buffer.load.factor").default("0.9")
        .cluster_wide().now()
        .doc("How full the memory for keys may get.");
    CLEANER_IO_RATE = double("log.cleaner.io.max.bytes.per.second")
        .default("1.7976931348623157E308").cluster_wide().now()
        .doc("Bytes per second that compaction may read and write.");
    CLEANER_THREADS = int("log.cleaner.threads").default("1").at_least(0).cluster_wide().now()
        .doc("Compaction passes at once; 0: none.");

    // What topics take their defaults from.
    LOG_CLEANUP_POLICY = list("log.cleanup.policy").default("delete").cluster_wide().now()
        .rule(Rule::ListOf(&["compact", "delete"]))
        .doc("Default of a topic's `cleanup.policy`.");
    GZIP_LEVEL = int("compression.gzip.level").default("-1").rule(Rule::GzipLevel).cluster_wide()
        .now()
        .doc("Default of a topic's `compression.gzip.level`.");
    LZ4_LEVEL = int("compression.lz4.level").default("9").now().between(1, 17).cluster_wide()
        .doc("Default of a topic's `compression.lz4.level`.");
    COMPRESSION = text("compression.type").default("producer").now().cluster_wide()
        .one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])
        .doc("Default of a topic's `compression.type`.");
    ZSTD_LEVEL = int("compression.zstd.level").default("3").between(-131_072, 22).cluster_wide()
        .now()
        .doc("Default of a topic's `compression.zstd.level`.");
    CLEANER_DELETE_RETENTION_MS = long("log.cleaner.delete.retention.ms").default("86400000")
        .at_least(0).cluster_wide().now()
        .doc("Default of a topic's `delete.retention.ms`.");
    SEGMENT_DELETE_DELAY_MS = long("log.segment.delete.delay.ms").default("60000").at_least(0)
        .cluster_wide().now()
        .doc("Default of a topic's `file.delete.delay.ms`.");
    FLUSH_INTERVAL_MESSAGES = long("log.flush.interval.messages").default(MAX).at_least(1)
        .cluster_wide().now()
        .doc("Default of a topic's `flush.messages`.");
    FLUSH_INTERVAL_MS = long("log.flush.interval.ms").cluster_wide().now()
        .doc("Default of a topic's `flush.ms`.");
    FLUSH_SCHEDULER_MS = long("log.flush.scheduler.interval.ms").default(MAX).now()
        .doc("Default of a topic's `flush.ms` when `log.flush.interval.ms` is not set. Kafka looks \
              that often for logs to sync; here each is synced when its time has come.");
    FLUSH_ON_ACKS_ALL = boolean("flush.on.acks.all").default("true").cluster_wide().now()
        .doc("Logmill: default of a topic's `flush.on.acks.all`.");
    INDEX_INTERVAL_BYTES = int("log.index.interval.bytes").default("4096").at_least(0)
        .cluster_wide().now()
        .doc("Default of a topic's `index.interval.bytes`.");
    INDEX_SIZE_MAX_BYTES = int("log.index.size.max.bytes").default("10485760").at_least(4)
        .cluster_wide().now()
        .doc("Default of a topic's `segment.index.bytes`.");
    LOCAL_RETENTION_BYTES = long("log.local.retention.bytes").default("-2").at_least(-2)
        .cluster_wide()
        .doc("Default of a topic's `local.retention.bytes`.");
    LOCAL_RETENTION_MS = long("log.local.retention.ms").default("-2").at_least(-2).cluster_wide()
        .doc("Default of a topic's `local.retention.ms`.");
    CLEANER_MAX_LAG_MS = long("log.cleaner.max.compaction.lag.ms").default(MAX).at_least(1)
        .cluster_wide().now()
        .doc("Default of a topic's `max.compaction.lag.ms`.");
    CLEANER_MIN_LAG_MS = long("log.cleaner.min.compaction.lag.ms").default("0").at_least(0)
        .cluster_wide().now()
        .doc("Default of a topic's `min.compaction.lag.ms`.");
    CLEANER_MIN_RATIO = double("log.cleaner.min.cleanable.ratio").default("0.5").cluster_wide()
        .now().rule(Rule::BetweenReal(0.0, 1.0))
        .doc("Default of a topic's `min.cleanable.dirty.ratio`.");
    MESSAGE_MAX_BYTES = int("message.max.bytes").default("1048588").at_least(0).cluster_wide()
        .now()
        .doc("Default of a topic's `max.message.bytes`.");
    TIMESTAMP_AFTER_MAX_MS = long("log.message.timestamp.after.max.ms").default("3600000")
        .at_least(0).cluster_wide().now()
        .doc("Default of a topic's `message.timestamp.after.max.ms`.");
    TIMESTAMP_BEFORE_MAX_MS = long("log.message.timestamp.before.max.ms").default(MAX)
        .at_least(0).cluster_wide().now()
        .doc("Default of a topic's `message.timestamp.before.max.ms`.");
    TIMESTAMP_TYPE = text("log.message.timestamp.type").default("CreateTime").cluster_wide()
        .one_of(&["CreateTime", "LogAppendTime"]).now()
        .doc("Default of a topic's `message.timestamp.type`.");
    MIN_INSYNC_REPLICAS = int("min.insync.replicas").default("1").at_least(1).cluster_wide()
        .now()
        .doc("Default of a topic's `min.insync.replicas`.");
    PREALLOCATE = boolean("log.preallocate").default("false").cluster_wide().now()
        .doc("Default of a topic's `preallocate`.");
    RETENTION_BYTES = long("log.retention.bytes").default("-1").cluster_wide().now()
        .doc("Default of a topic's `retention.bytes`.");
    RETENTION_MS = long("log.retention.ms").cluster_wide().now()
        .doc("Default of a topic's `retention.ms`.");
    RETENTION_MINUTES = int("log.retention.minutes").now()
        .doc("Default of a topic's `retention.ms`, in minutes, without `log.retention.ms`.");
    RETENTION_HOURS = int("log.retention.hours").default("168").now()
        .doc("Default of a topic's `retention.ms`, in hours, when neither other is set.");
    SEGMENT_BYTES = int("log.segment.bytes").default("1073741824").at_least(1_048_576)
        .cluster_wide().now()
        .doc("Default of a topic's `segment.bytes`.");
    ROLL_MS = long("log.roll.ms").at_least(1).cluster_wide().now()
        .doc("Default of a topic's `segment.ms`.");
    ROLL_HOURS = int("log.roll.hours").default("168").at_least(1).now()
        .doc("Default of a topic's `segment.ms`, in hours, when `log.roll.ms` is not set.");
    ROLL_JITTER_MS = long("log.roll.jitter.ms").at_least(0).cluster_wide().now()
        .doc("Default of a topic's `segment.jitter.ms`.");
    ROLL_JITTER_HOURS = int("log.roll.jitter.hours").default("0").at_least(0).now()
        .doc("Default of a topic's `segment.jitter.ms`, in hours.");
    UNCLEAN_ELECTION = boolean("unclean.leader.election.enable").default("false").cluster_wide()
        .doc("Default of a topic's `unclean.leader.election.enable`.");
}
