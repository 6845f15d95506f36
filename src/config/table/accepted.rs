//! Broker settings of Kafka that are read, kept and reported, but change nothing here yet.
//!
//! Owns: the rows. Those whose silence would mislead are refused instead.
//! Source: `AbstractKafkaConfig` of Apache Kafka 4.4.
use crate::config::key::{Rule, boolean, class, int, list, long, short, text};

const INT_MAX: &str = "2147483647";
const NO_CLASSES: &str = "this version cannot run it, and going on without would mislead";

keys! { KEYS:
    PROCESS_ROLES = list("process.roles").default("broker,controller")
        .rule(Rule::ListOf(&["broker", "controller"]))
        .doc("Kafka's roles of a node; every node is both.");
    LOG_DIR_FAILURE_MS = long("log.dir.failure.timeout.ms").default("30000").at_least(1)
        .doc("How long a broker with a failed data directory stays.");
    EARLY_LISTENERS = list("early.start.listeners")
        .doc("Listeners opened before the broker is ready.");
    SECURITY_INTER_BROKER = text("security.inter.broker.protocol").default("PLAINTEXT")
        .one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
        .doc("Protocol among brokers.");
    NETWORK_THREADS = int("num.network.threads").default("3").at_least(1).cluster_wide()
        .doc("Kafka's network threads; `shards` decides here.");
    IO_THREADS = int("num.io.threads").default("8").at_least(1).cluster_wide()
        .doc("Kafka's request threads; `shards` decides here.");
    BACKGROUND_THREADS = int("background.threads").default("10").at_least(1).cluster_wide()
        .doc("Kafka's background threads.");
    RECOVERY_THREADS = int("num.recovery.threads.per.data.dir").default("2").at_least(1)
        .cluster_wide()
        .doc("Kafka's recovery threads; each shard recovers its own partitions.");
    REPLICA_FETCHERS = int("num.replica.fetchers").default("1").at_least(1).cluster_wide()
        .doc("Threads that copy from one leader.");
    DIR_MOVE_THREADS = int("num.replica.alter.log.dirs.threads")
        .doc("Threads that move replicas between data directories.");
    QUEUED_REQUESTS = int("queued.max.requests").default("500").at_least(1)
        .doc("Requests that wait before reading stops; the memory ledger decides here.");
    QUEUED_REQUEST_BYTES = long("queued.max.request.bytes").default("-1")
        .doc("Bytes of requests that wait before reading stops.");
    SEND_BUFFER = int("socket.send.buffer.bytes").default("102400")
        .doc("Send buffer of a connection; -1: the system's default.");
    RECEIVE_BUFFER = int("socket.receive.buffer.bytes").default("102400")
        .doc("Receive buffer of a connection; -1: the system's default.");
    SETUP_TIMEOUT_MS = long("socket.connection.setup.timeout.ms").default("10000")
        .doc("How long a connection to another broker may take.");
    SETUP_TIMEOUT_MAX_MS = long("socket.connection.setup.timeout.max.ms").default("30000")
        .doc("Longest time that a connection to another broker may take.");
    CONNECTIONS_PER_IP = int("max.connections.per.ip").default(INT_MAX).at_least(0)
        .cluster_wide()
        .doc("Connections open at once from one address.");
    CONNECTIONS_PER_IP_OVERRIDES = text("max.connections.per.ip.overrides").default("")
        .cluster_wide()
        .doc("Other limits for some addresses.");
    CONNECTION_RATE = int("max.connection.creation.rate").default(INT_MAX).at_least(0)
        .cluster_wide()
        .doc("Connections accepted per second.");
    CONNECTIONS_REAUTH_MS = long("connections.max.reauth.ms").default("0")
        .doc("After what time clients log in again.");
    AUTH_FAILURE_DELAY_MS = int("connection.failed.authentication.delay.ms").default("100")
        .at_least(0)
        .doc("How long a failed login waits for its answer.");
    REQUEST_TIMEOUT_MS = int("request.timeout.ms").default("30000")
        .doc("How long a broker waits for another one.");
    CREATE_TOPIC_POLICY = class("create.topic.policy.class.name").refused(NO_CLASSES)
        .doc("A Java class that may refuse new topics.");
    ALTER_CONFIG_POLICY = class("alter.config.policy.class.name").refused(NO_CLASSES)
        .doc("A Java class that may refuse changes of settings.");
    AUTHORIZER = text("authorizer.class.name").default("").refused(NO_CLASSES)
        .doc("The Java class that enforces access rules.");
    QUOTA_CALLBACK = class("client.quota.callback.class").refused(NO_CLASSES)
        .doc("A Java class that sets quotas.");
    PRINCIPAL_BUILDER = class("principal.builder.class").per_broker()
        .default("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder")
        .refused(NO_CLASSES)
        .doc("The Java class that names clients.");
    REPLICA_SELECTOR = text("replica.selector.class")
        .doc("How a consumer's nearest replica is chosen.");
    FETCH_SESSIONS = int("max.incremental.fetch.session.cache.slots").default("1000").at_least(0)
        .doc("Fetch sessions kept; this version keeps none, which Kafka's protocol allows.");
    PARTITION_REQUEST_MAX = int("max.request.partition.size.limit").default("2000").at_least(1)
        .doc("Partitions in one answer of DescribeTopicPartitions.");
    REPLICA_LAG_MS = long("replica.lag.time.max.ms").default("30000")
        .doc("How long a follower may lag and stay in sync.");
    REPLICA_FETCH_MAX = int("replica.fetch.max.bytes").default("1048576").at_least(0)
        .doc("Bytes per partition that a follower asks for.");
    REPLICA_FETCH_MIN = int("replica.fetch.min.bytes").default("1")
        .doc("Fewest bytes that a follower waits for.");
    REPLICA_FETCH_WAIT_MS = int("replica.fetch.wait.max.ms").default("500")
        .doc("How long a follower's fetch waits.");
    REPLICA_FETCH_BACKOFF_MS = int("replica.fetch.backoff.ms").default("1000").at_least(0)
        .doc("How long a follower waits after an error.");
    REPLICA_RESPONSE_MAX = int("replica.fetch.response.max.bytes").default("10485760")
        .at_least(0)
        .doc("Largest answer to a follower.");
    REPLICA_SOCKET_MS = int("replica.socket.timeout.ms").default("30000")
        .doc("How long a follower waits for its leader.");
    REPLICA_SOCKET_BUFFER = int("replica.socket.receive.buffer.bytes").default("65536")
        .doc("Receive buffer of a follower.");
    HIGH_WATERMARK_MS = long("replica.high.watermark.checkpoint.interval.ms").default("5000")
        .doc("How often high watermarks are written down.");
    LEADER_REBALANCE = boolean("auto.leader.rebalance.enable").default("true")
        .doc("Whether leaders return to preferred replicas.");
    LEADER_IMBALANCE_SECONDS = long("leader.imbalance.check.interval.seconds").default("300")
        .at_least(1)
        .doc("How often leaders are looked through.");
    CONTROLLED_SHUTDOWN = boolean("controlled.shutdown.enable").default("true")
        .doc("Whether leaders move away before a broker stops.");
    BROKER_HEARTBEAT_MS = int("broker.heartbeat.interval.ms").default("2000")
        .doc("How often a broker reports to the controller.");
    BROKER_SESSION_MS = int("broker.session.timeout.ms").default("9000")
        .doc("After what silence a broker is fenced.");
    REGISTRATION_MS = int("initial.broker.registration.timeout.ms").default("60000")
        .doc("How long a starting broker tries to register.");
    QUORUM_SERVERS = list("controller.quorum.bootstrap.servers").default("")
        .doc("Controllers to find at start.");
    QUORUM_VOTERS = list("controller.quorum.voters").default("")
        .doc("Controllers that vote, as id@host:port.");
    QUORUM_ELECTION_MS = int("controller.quorum.election.timeout.ms").default("1000").at_least(0)
        .doc("How long a controller waits before it stands for election.");
    QUORUM_BACKOFF_MS = int("controller.quorum.election.backoff.max.ms").default("1000")
        .at_least(0)
        .doc("Longest wait between elections.");
    QUORUM_FETCH_MS = int("controller.quorum.fetch.timeout.ms").default("2000").at_least(0)
        .doc("After what silence a controller's leader is taken for gone.");
    QUORUM_REQUEST_MS = int("controller.quorum.request.timeout.ms").default("2000").at_least(0)
        .doc("How long a controller waits for another one.");
    QUORUM_RETRY_MS = int("controller.quorum.retry.backoff.ms").default("20").at_least(0)
        .doc("How long a controller waits after an error.");
    QUORUM_LINGER_MS = int("controller.quorum.append.linger.ms").default("25").at_least(0)
        .doc("How long a controller gathers commands.");
    QUORUM_AUTO_JOIN = boolean("controller.quorum.auto.join.enable").default("false")
        .doc("Whether a controller joins the vote by itself.");
    METADATA_SEGMENT_BYTES = int("metadata.log.segment.bytes").default("1073741824")
        .at_least(8_388_608)
        .doc("Segment size of the metadata log.");
    METADATA_SEGMENT_MS = long("metadata.log.segment.ms").default("604800000")
        .doc("Segment age of the metadata log.");
    METADATA_SNAPSHOT_MS = long("metadata.log.max.snapshot.interval.ms").default("3600000")
        .at_least(0)
        .doc("Longest time between metadata snapshots.");
    METADATA_RETENTION_BYTES = long("metadata.max.retention.bytes").default("104857600")
        .doc("Size of metadata log that is kept.");
    METADATA_RETENTION_MS = long("metadata.max.retention.ms").default("604800000")
        .doc("Age of metadata log that is kept.");
    METADATA_IDLE_MS = int("metadata.max.idle.interval.ms").default("500").at_least(0)
        .doc("How often an idle controller writes an empty record.");
    GROUP_PROTOCOLS = list("group.coordinator.rebalance.protocols")
        .default("classic,consumer,streams")
        .doc("Group protocols offered; this version offers classic.");
    GROUP_THREADS = int("group.coordinator.threads").default("4").at_least(1)
        .doc("Kafka's group coordinator threads.");
    GROUP_LINGER_MS = int("group.coordinator.append.linger.ms").default("-1").at_least(-1)
        .doc("How long the group coordinator gathers records.");
    GROUP_ASSIGNORS = list("group.consumer.assignors").default("uniform,range")
        .doc("Built-in assignors of the consumer protocol; the first is the default.");
    GROUP_CONSUMER_SIZE = int("group.consumer.max.size").default(INT_MAX).at_least(1)
        .doc("Most members of a group of the consumer protocol.");
    GROUP_MIGRATION = text("group.consumer.migration.policy").default("bidirectional")
        .rule(Rule::OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]))
        .doc("Whether groups may change between the classic and the consumer protocol.");
    OFFSETS_COMMIT_MS = int("offsets.commit.timeout.ms").default("5000").at_least(1)
        .doc("How long a commit waits for its replicas.");
    OFFSETS_LOAD_BYTES = int("offsets.load.buffer.size").default("5242880").at_least(1)
        .doc("Bytes read at once when groups are loaded.");
    OFFSETS_CODEC = int("offsets.topic.compression.codec").default("0")
        .doc("Codec of `__consumer_offsets`.");
    TXN_PARTITIONS = int("transaction.state.log.num.partitions").default("50").at_least(1)
        .doc("Partitions of `__transaction_state`.");
    TXN_REPLICATION = short("transaction.state.log.replication.factor").default("3").at_least(1)
        .doc("Replicas of `__transaction_state`.");
    TXN_MIN_ISR = int("transaction.state.log.min.isr").default("2").at_least(1)
        .doc("Replicas of `__transaction_state` that must be in sync.");
    TXN_SEGMENT_BYTES = int("transaction.state.log.segment.bytes").default("104857600")
        .at_least(1)
        .doc("Segment size of `__transaction_state`.");
    TXN_LOAD_BYTES = int("transaction.state.log.load.buffer.size").default("5242880").at_least(1)
        .doc("Bytes read at once when transactions are loaded.");
    TXN_ID_EXPIRATION_MS = int("transactional.id.expiration.ms").default("604800000").at_least(1)
        .doc("After what silence a transactional id is forgotten.");
    TXN_ABORT_MS = int("transaction.abort.timed.out.transaction.cleanup.interval.ms")
        .default("10000").at_least(1)
        .doc("How often transactions that took too long are aborted.");
    TXN_CLEANUP_MS = int("transaction.remove.expired.transaction.cleanup.interval.ms")
        .default("3600000").at_least(1)
        .doc("How often forgotten transactional ids are removed.");
    TXN_TWO_PHASE = boolean("transaction.two.phase.commit.enable").default("false")
        .doc("Whether a transaction may wait for an outside coordinator.");
    TXN_VERIFICATION = boolean("transaction.partition.verification.enable").default("true")
        .cluster_wide()
        .doc("Whether a leader asks the coordinator before it takes a transaction's first batch.");
    TXN_RETRY_MS = int("add.partitions.to.txn.retry.backoff.ms").default("20").at_least(1)
        .doc("How long the broker waits before it adds a partition again.");
    TXN_RETRY_MAX_MS = int("add.partitions.to.txn.retry.backoff.max.ms").default("100")
        .at_least(0)
        .doc("Longest wait before the broker adds a partition again.");
    QUOTA_WINDOWS = int("quota.window.num").default("11").at_least(1)
        .doc("Windows over which quotas are measured.");
    QUOTA_SECONDS = int("quota.window.size.seconds").default("1").at_least(1)
        .doc("Length of such a window.");
    METRIC_REPORTERS = list("metric.reporters").cluster_wide()
        .default("org.apache.kafka.common.metrics.JmxReporter")
        .doc("Java classes that report metrics; `admin.listener` serves them here.");
    METRICS_SAMPLES = int("metrics.num.samples").default("2").at_least(1)
        .doc("Kafka's samples per metric.");
    METRICS_WINDOW_MS = long("metrics.sample.window.ms").default("30000").at_least(1)
        .doc("Length of such a sample.");
    METRICS_LEVEL = text("metrics.recording.level").default("INFO")
        .doc("Detail of Kafka's metrics.");
    TELEMETRY_BYTES = int("telemetry.max.bytes").default("1048576").at_least(1)
        .doc("Largest push of client metrics.");
    FETCH_PURGATORY = int("fetch.purgatory.purge.interval.requests").default("1000")
        .doc("When Kafka purges waiting fetches.");
    PRODUCER_PURGATORY = int("producer.purgatory.purge.interval.requests").default("1000")
        .doc("When Kafka purges waiting produces.");
    DELETE_PURGATORY = int("delete.records.purgatory.purge.interval.requests").default("1")
        .doc("When Kafka purges waiting deletes.");
    CONFIG_PROVIDERS = list("config.providers").default("").cluster_wide()
        .refused("this version does not resolve values from elsewhere")
        .doc("Java classes that look values up.");
    LEADER_THROTTLE = long("leader.replication.throttled.rate").per_broker()
        .doc("Bytes per second that throttled replicas may take from a leader.");
    FOLLOWER_THROTTLE = long("follower.replication.throttled.rate").per_broker()
        .doc("Bytes per second that throttled replicas may fetch.");
    DIR_MOVE_THROTTLE = long("replica.alter.log.dirs.io.max.bytes.per.second").per_broker()
        .doc("Bytes per second that moving between data directories may take.");
    UNSTABLE_APIS = boolean("unstable.api.versions.enable").default("false")
        .doc("Whether unfinished versions of Kafka's protocol are offered; none is.");
}
