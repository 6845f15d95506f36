//! Settings of a topic, with the broker settings that their defaults come from.
//!
//! Owns: the rows. Source: `LogConfig` of Apache Kafka 4.4; rows with "Logmill" are ours.
use crate::config::key::{Rule, boolean, double, hours, int, list, long, minutes, same, text};

const MAX: &str = "9223372036854775807";
const TIERED: &str = "this version has no tiered storage; leave it at its default";

keys! { KEYS:
    CLEANUP_POLICY = list("cleanup.policy").default("delete").of_topic().now()
        .rule(Rule::ListOf(&["compact", "delete"]))
        .from(&[same("log.cleanup.policy")])
        .doc("What happens to old segments: `delete`, `compact`, both, or neither when empty.");
    COMPACTION_POLICY_PLUGIN = text("compaction.policy.plugin").default("").of_topic().now()
        .rule(Rule::PluginRef)
        .doc("Logmill: the compaction policy, `name` or `name@version`, that decides which \
              records of a compacted topic stay. Empty: Kafka's rule, the newest of each key.");
    COMPACTION_POLICY_SETTINGS = text("compaction.policy.plugin.settings").default("")
        .of_topic().now().rule(Rule::PluginSettings)
        .doc("Logmill: settings handed to the compaction policy, as `key=value; key=value`.");
    COMPACTION_POLICY_DROP_RATIO = double("compaction.policy.max.drop.ratio").default("0.5")
        .of_topic().now().rule(Rule::BetweenReal(0.0, 1.0))
        .doc("Logmill: largest share of its records that one pass under a compaction policy may \
              drop without approval.");
    COMPRESSION_GZIP_LEVEL = int("compression.gzip.level").default("-1").of_topic().now()
        .rule(Rule::GzipLevel).from(&[same("compression.gzip.level")])
        .doc("Level at which the broker compresses with gzip: 1 to 9, or -1.");
    COMPRESSION_LZ4_LEVEL = int("compression.lz4.level").default("9").of_topic().now()
        .between(1, 17)
        .from(&[same("compression.lz4.level")])
        .doc("Level at which the broker compresses with lz4.");
    COMPRESSION_TYPE = text("compression.type").default("producer").of_topic().now()
        .one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])
        .from(&[same("compression.type")])
        .doc("Codec in which batches are kept; `producer` keeps the one that they came in.");
    COMPRESSION_ZSTD_LEVEL = int("compression.zstd.level").default("3").of_topic().now()
        .between(-131_072, 22).from(&[same("compression.zstd.level")])
        .doc("Level at which the broker compresses with zstd.");
    DELETE_RETENTION_MS = long("delete.retention.ms").default("86400000").of_topic().now()
        .at_least(0).from(&[same("log.cleaner.delete.retention.ms")])
        .doc("How long a compacted topic keeps the tombstone of a deleted key.");
    DEAD_LETTER_ENABLE = boolean("errors.deadletterqueue.group.enable").default("false")
        .of_topic()
        .doc("Whether share groups may use this topic for records that cannot be delivered.");
    FILE_DELETE_DELAY_MS = long("file.delete.delay.ms").default("60000").of_topic().now()
        .at_least(0).from(&[same("log.segment.delete.delay.ms")])
        .doc("How long a removed file stays on disk.");
    FLUSH_MESSAGES = long("flush.messages").default(MAX).of_topic().now().at_least(1)
        .from(&[same("log.flush.interval.messages")])
        .doc("After how many records the log is synced, whatever acks they asked for; the last of \
              them is answered after that.");
    FLUSH_MS = long("flush.ms").default(MAX).of_topic().now().at_least(0)
        .from(&[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")])
        .doc("After how many milliseconds a record is synced, whatever acks it asked for.");
    FLUSH_ON_ACKS_ALL = boolean("flush.on.acks.all").default("true").of_topic().now()
        .from(&[same("flush.on.acks.all")])
        .doc("Logmill: whether acks=all is answered only when the records survive a power cut on \
              every in-sync replica. `false` is Kafka's bargain: they survive the process.");
    FOLLOWER_THROTTLED = list("follower.replication.throttled.replicas").default("").of_topic()
        .rule(Rule::ThrottledReplicas)
        .doc("Replicas whose copying is throttled at the follower: `partition:broker,…` or `*`.");
    INDEX_INTERVAL_BYTES = int("index.interval.bytes").default("4096").of_topic().now()
        .at_least(0).from(&[same("log.index.interval.bytes")])
        .doc("After how many bytes of batches the offset index gets another entry.");
    INTERNAL_SEGMENT_BYTES = int("internal.segment.bytes").of_topic().now().hidden().at_least(1)
        .doc("For tests: a segment size below the smallest that `segment.bytes` takes.");
    LEADER_THROTTLED = list("leader.replication.throttled.replicas").default("").of_topic()
        .rule(Rule::ThrottledReplicas)
        .doc("Replicas whose copying is throttled at the leader: `partition:broker,…` or `*`.");
    LOCAL_RETENTION_BYTES = long("local.retention.bytes").default("-2").of_topic().at_least(-2)
        .from(&[same("log.local.retention.bytes")])
        .doc("Bytes kept locally under tiered storage; -2: as `retention.bytes`.");
    LOCAL_RETENTION_MS = long("local.retention.ms").default("-2").of_topic().at_least(-2)
        .from(&[same("log.local.retention.ms")])
        .doc("Time kept locally under tiered storage; -2: as `retention.ms`.");
    MAX_COMPACTION_LAG_MS = long("max.compaction.lag.ms").default(MAX).of_topic().at_least(1)
        .now().from(&[same("log.cleaner.max.compaction.lag.ms")])
        .doc("Longest time a record may stay uncompacted.");
    MAX_MESSAGE_BYTES = int("max.message.bytes").default("1048588").of_topic().now().at_least(0)
        .from(&[same("message.max.bytes")])
        .doc("Largest batch, as it is on the wire and on disk (after compression). Where the \
              broker looks into batches (compacted topics, `compression.type`, windows of time, \
              partitioners), one that unpacks to more than 64 MiB is refused.");
    TIMESTAMP_AFTER_MAX_MS = long("message.timestamp.after.max.ms").default("3600000")
        .of_topic().now().at_least(0).from(&[same("log.message.timestamp.after.max.ms")])
        .doc("How far a record's time may lie ahead of the broker's clock.");
    TIMESTAMP_BEFORE_MAX_MS = long("message.timestamp.before.max.ms").default(MAX)
        .of_topic().now().at_least(0).from(&[same("log.message.timestamp.before.max.ms")])
        .doc("How far a record's time may lie behind the broker's clock.");
    TIMESTAMP_TYPE = text("message.timestamp.type").default("CreateTime").of_topic().now()
        .one_of(&["CreateTime", "LogAppendTime"]).from(&[same("log.message.timestamp.type")])
        .doc("Whether a record keeps its producer's time or gets the time of its append.");
    MIN_CLEANABLE_RATIO = double("min.cleanable.dirty.ratio").default("0.5").of_topic().now()
        .rule(Rule::BetweenReal(0.0, 1.0)).from(&[same("log.cleaner.min.cleanable.ratio")])
        .doc("Share of uncompacted bytes at which a log is worth a compaction pass.");
    MIN_COMPACTION_LAG_MS = long("min.compaction.lag.ms").default("0").of_topic().now()
        .at_least(0).from(&[same("log.cleaner.min.compaction.lag.ms")])
        .doc("How long a record is at least safe from compaction.");
    MIN_INSYNC_REPLICAS = int("min.insync.replicas").default("1").of_topic().now().at_least(1)
        .from(&[same("min.insync.replicas")])
        .doc("Replicas that must be in sync for acks=all; at most the replication factor counts.");
    PARTITIONER_FAILURE_POLICY = text("partitioner.failure.policy").default("closed").of_topic()
        .now().one_of(&["closed"])
        .doc("Logmill: what producers get when the partitioner cannot answer. `closed`: error 19 \
              (NOT_ENOUGH_REPLICAS), which clients retry; nothing is written.");
    PARTITIONER_MODE = text("partitioner.mode").default("verify").of_topic().now()
        .one_of(&["advise", "verify"])
        .doc("Logmill: `advise` counts the records that the partitioner would have put elsewhere; \
              `verify` refuses their batches.");
    PARTITIONER_PLUGIN = text("partitioner.plugin").default("").of_topic().now()
        .rule(Rule::PluginRef)
        .doc("Logmill: the partitioner, `name` or `name@version`, that says to which partition a \
              record belongs. Empty: the client's choice stands.");
    PARTITIONER_SETTINGS = text("partitioner.plugin.settings").default("").of_topic().now()
        .rule(Rule::PluginSettings)
        .doc("Logmill: settings handed to the partitioner, as `key=value; key=value`.");
    PREALLOCATE = boolean("preallocate").default("false").of_topic().now()
        .from(&[same("log.preallocate")])
        .doc("Whether a new segment's space is reserved at once.");
    REMOTE_COPY_LAG_BYTES = long("remote.copy.lag.bytes").default("-1").of_topic().at_least(-1)
        .doc("How many bytes copying to tiered storage may lag.");
    REMOTE_COPY_LAG_MS = long("remote.copy.lag.ms").default("0").of_topic().at_least(-1)
        .doc("How long copying to tiered storage may lag.");
    REMOTE_COPY_DISABLE = boolean("remote.log.copy.disable").default("false").of_topic()
        .refused(TIERED)
        .doc("Whether nothing more is copied to tiered storage.");
    REMOTE_DELETE_ON_DISABLE = boolean("remote.log.delete.on.disable").default("false")
        .of_topic().refused(TIERED)
        .doc("Whether switching tiered storage off deletes what is there.");
    REMOTE_STORAGE_ENABLE = boolean("remote.storage.enable").default("false").of_topic()
        .refused(TIERED)
        .doc("Whether the topic uses tiered storage.");
    RETENTION_BYTES = long("retention.bytes").default("-1").of_topic().now()
        .from(&[same("log.retention.bytes")])
        .doc("Size of a partition above which its oldest segments are deleted; -1: no limit.");
    RETENTION_MS = long("retention.ms").default("604800000").of_topic().now().at_least(-1)
        .from(&[same("log.retention.ms"), minutes("log.retention.minutes"),
            hours("log.retention.hours")])
        .doc("Age at which a closed segment is deleted; -1 keeps it for ever.");
    SEGMENT_BYTES = int("segment.bytes").default("1073741824").of_topic().now()
        .at_least(1_048_576).from(&[same("log.segment.bytes")])
        .doc("Size at which a segment file is closed and the next one begun.");
    SEGMENT_INDEX_BYTES = int("segment.index.bytes").default("10485760").of_topic().now()
        .at_least(4).from(&[same("log.index.size.max.bytes")])
        .doc("Largest size of an index file; a full one closes its segment.");
    SEGMENT_JITTER_MS = long("segment.jitter.ms").default("0").of_topic().now().at_least(0)
        .from(&[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")])
        .doc("Random part of `segment.ms`, so that not all segments close at once.");
    SEGMENT_MS = long("segment.ms").default("604800000").of_topic().now().at_least(1)
        .from(&[same("log.roll.ms"), hours("log.roll.hours")])
        .doc("Age at which a segment is closed even when it is not full.");
    UNCLEAN_ELECTION = boolean("unclean.leader.election.enable").default("false").of_topic()
        .from(&[same("unclean.leader.election.enable")])
        .doc("Whether a replica that is behind may lead when no other is left; loses records.");
}
