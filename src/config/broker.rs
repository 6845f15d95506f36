//! What the process needs to know before it starts, parsed and checked.
//!
//! Owns: [`BrokerConfig`]: listeners and their advertised addresses, directories, limits.
//! Leaves to others: reading the file (`file`), settings that change at run time (`BrokerValues`).
//! Invariant: every advertised listener exists, and no two listeners share a name or a port.
use super::key::{ConfigError, Key};
use super::table::broker as keys;
use super::values::BrokerValues;
use crate::model::NodeId;

/// A name with a place to connect to. IPv6 addresses stand without their brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One listener of the Kafka protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    /// Where to bind; an empty host is every interface, port 0 any free port.
    pub bind: Endpoint,
    /// What clients are told; port 0 means: the port that was bound.
    pub advertised: Endpoint,
}

/// Settings that are read once, at start.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    pub node_id: NodeId,
    pub rack: Option<String>,
    pub listeners: Vec<Listener>,
    /// `None`: no admin port.
    pub admin_listener: Option<Endpoint>,
    /// 0: one per core.
    pub shards: u16,
    /// Not empty; no text stands twice.
    pub log_dirs: Vec<String>,
    /// `None`: the first of `log_dirs`.
    pub metadata_log_dir: Option<String>,
    pub plugin_enabled: bool,
    /// SHA-256 digests in lower case hex; empty: any plugin may be installed.
    pub plugin_allow: Vec<String>,
    pub request_bytes_max: u32,
    pub connections_idle_ms: i64,
    pub listen_backlog: u32,
    pub fetch_bytes_max: u32,
    pub auto_create_topics: bool,
    pub delete_topics: bool,
    pub default_partitions: i32,
    pub default_replication_factor: i16,
    pub group_session_min_ms: i32,
    pub group_session_max_ms: i32,
    pub group_initial_delay_ms: i32,
    pub group_members_max: u32,
    pub offsets_partitions: i32,
    pub offsets_replication_factor: i16,
    pub offsets_segment_bytes: i32,
    pub offset_metadata_bytes_max: u32,
    pub retention_check_ms: u64,
    pub start_checkpoint_ms: u64,
    pub producer_id_expiration_ms: i64,
    pub transaction_timeout_max_ms: i32,
    /// Bytes of metadata log after which a snapshot replaces it.
    pub metadata_snapshot_bytes: u64,
    /// Milliseconds between two records of the recovery points; 0: only at a stop.
    pub recovery_points_ms: u64,
    /// Size of each shard's journal in a log directory; 0: none.
    pub journal_bytes: u64,
    /// Everything that was set, for what changes at run time and for DescribeConfigs.
    pub values: BrokerValues,
}

impl BrokerConfig {
    /// Parses what a start needs. `hostname` is told to clients of a listener on every interface.
    ///
    /// Errors: a sentence that names the setting.
    pub fn new(values: BrokerValues, hostname: &str) -> Result<Self, ConfigError> {
        let number = |key: &Key| values.value(key).number();
        let unsigned = |key: &Key| {
            u32::try_from(number(key)).map_err(|_| {
                ConfigError::invalid(key.name, &number(key).to_string(), "Value must be at least 0")
            })
        };
        let flag = |key| values.value(key).flag();
        let int = |key| i32::try_from(number(key)).expect("the key's type is int");
        let short = |key: &Key| {
            i16::try_from(number(key)).map_err(|_| {
                let why = "Value must be no more than 32767";
                ConfigError::invalid(key.name, &number(key).to_string(), why)
            })
        };
        Ok(Self {
            node_id: node_id(&values)?,
            rack: optional(&values, &keys::BROKER_RACK),
            listeners: listeners(&values, hostname)?,
            admin_listener: admin_listener(&values)?,
            shards: u16::try_from(number(&keys::SHARDS)).expect("the key's range is smaller"),
            log_dirs: log_dirs(&values)?,
            metadata_log_dir: optional(&values, &keys::METADATA_LOG_DIR),
            plugin_enabled: flag(&keys::PLUGIN_ENABLED),
            plugin_allow: plugin_allow(&values)?,
            request_bytes_max: unsigned(&keys::REQUEST_BYTES_MAX)?,
            connections_idle_ms: number(&keys::CONNECTIONS_IDLE_MS),
            listen_backlog: unsigned(&keys::LISTEN_BACKLOG)?,
            fetch_bytes_max: unsigned(&keys::FETCH_BYTES_MAX)?,
            auto_create_topics: flag(&keys::AUTO_CREATE_TOPICS),
            delete_topics: flag(&keys::DELETE_TOPIC_ENABLE),
            default_partitions: int(&keys::NUM_PARTITIONS),
            default_replication_factor: short(&keys::DEFAULT_REPLICATION_FACTOR)?,
            group_session_min_ms: int(&keys::GROUP_SESSION_MIN_MS),
            group_session_max_ms: int(&keys::GROUP_SESSION_MAX_MS),
            group_initial_delay_ms: int(&keys::GROUP_INITIAL_DELAY_MS),
            group_members_max: unsigned(&keys::GROUP_SIZE_MAX)?,
            offsets_partitions: int(&keys::OFFSETS_PARTITIONS),
            offsets_replication_factor: short(&keys::OFFSETS_REPLICATION_FACTOR)?,
            offsets_segment_bytes: int(&keys::OFFSETS_SEGMENT_BYTES),
            offset_metadata_bytes_max: unsigned(&keys::OFFSET_METADATA_BYTES_MAX)?,
            retention_check_ms: number(&keys::RETENTION_CHECK_MS).unsigned_abs(),
            start_checkpoint_ms: number(&keys::START_CHECKPOINT_MS).unsigned_abs(),
            producer_id_expiration_ms: number(&keys::PRODUCER_ID_EXPIRATION_MS),
            transaction_timeout_max_ms: int(&keys::TRANSACTION_TIMEOUT_MAX_MS),
            journal_bytes: journal_bytes(number(&keys::JOURNAL_BYTES)),
            metadata_snapshot_bytes: u64::try_from(number(&keys::METADATA_SNAPSHOT_BYTES))
                .expect("the key's range has no negatives"),
            recovery_points_ms: u64::try_from(number(&keys::RECOVERY_CHECKPOINT_MS))
                .expect("the key's range has no negatives"),
            values,
        })
    }
}

fn node_id(values: &BrokerValues) -> Result<NodeId, ConfigError> {
    let older = values.value(&keys::BROKER_ID).number();
    let (key, id) = if !values.is_set(&keys::NODE_ID) && values.is_set(&keys::BROKER_ID) {
        (&keys::BROKER_ID, older)
    } else {
        (&keys::NODE_ID, values.value(&keys::NODE_ID).number())
    };
    let number = i32::try_from(id).ok().filter(|number| 0 <= *number).ok_or_else(|| {
        ConfigError::invalid(key.name, &id.to_string(), "Value must be at least 0")
    })?;
    if values.is_set(&keys::BROKER_ID) && older != id {
        let text = format!("broker.id is {older} and node.id is {id}; set only node.id");
        return Err(ConfigError(text));
    }
    Ok(NodeId(number))
}

fn optional(values: &BrokerValues, key: &Key) -> Option<String> {
    Some(values.value(key).words()).filter(|text| !text.is_empty())
}

fn log_dirs(values: &BrokerValues) -> Result<Vec<String>, ConfigError> {
    let older = optional(values, &keys::LOG_DIR).filter(|_| !values.is_set(&keys::LOG_DIRS));
    let (key, dirs) = match &older {
        // Kafka takes a list here, too.
        Some(text) => (&keys::LOG_DIR, text.split(',').map(|dir| dir.trim().to_owned()).collect()),
        None => (&keys::LOG_DIRS, values.value(&keys::LOG_DIRS).elements()),
    };
    if dirs.iter().all(String::is_empty) {
        return Err(ConfigError(format!("{} is empty; name a directory", key.name)));
    }
    if dirs.iter().any(String::is_empty) {
        let why = "one of the directories has no name";
        return Err(ConfigError::invalid(key.name, &dirs.join(","), why));
    }
    if let Some(twice) = (1..dirs.len()).find(|at| dirs[..*at].contains(&dirs[*at])) {
        let why = format!("{} stands there twice", dirs[twice]);
        return Err(ConfigError::invalid(key.name, &dirs.join(","), &why));
    }
    check_cordoned(&cordoned(values), &dirs)?;
    Ok(dirs)
}

/// The log directories that get no new partitions; `*` is all.
pub fn cordoned(values: &BrokerValues) -> Vec<String> {
    values.value(&keys::CORDONED_DIRS).elements()
}

/// Checks that `cordoned.log.dirs` names log directories only.
///
/// Source: Kafka `KafkaConfig#validateValues`; KIP-1066.
pub fn check_cordoned(cordoned: &[String], dirs: &[String]) -> Result<(), ConfigError> {
    let missing = cordoned.iter().filter(|dir| *dir != "*" && !dirs.contains(dir));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ConfigError(format!(
        "All entries in {} must be present in log.dirs or log.dir. Missing entries : {}",
        keys::CORDONED_DIRS.name,
        missing.join(", ")
    )))
}

fn plugin_allow(values: &BrokerValues) -> Result<Vec<String>, ConfigError> {
    let digests = values.value(&keys::PLUGIN_ALLOW).elements();
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let digests = digests.iter().map(|text| {
        let bare = text.strip_prefix("sha256:").unwrap_or(text);
        if is_digest(bare) {
            return Ok(bare.to_ascii_lowercase());
        }
        let why = "Expected SHA-256 digests of 64 hexadecimal digits";
        Err(ConfigError::invalid(keys::PLUGIN_ALLOW.name, text, why))
    });
    digests.collect()
}

fn admin_listener(values: &BrokerValues) -> Result<Option<Endpoint>, ConfigError> {
    let text = values.value(&keys::ADMIN_LISTENER).words();
    if text.is_empty() {
        return Ok(None);
    }
    let bare = text.strip_prefix("http://").unwrap_or(&text);
    let endpoint = endpoint(bare).ok_or_else(|| {
        ConfigError::invalid(keys::ADMIN_LISTENER.name, &text, "Expected host:port")
    })?;
    Ok(Some(endpoint))
}

/// Reads `host:port` or `[address]:port`; the host may be empty.
fn endpoint(text: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    if !host.chars().all(is_plain) {
        return None;
    }
    Some(Endpoint { host: host.to_owned(), port: port.parse().ok()? })
}

/// Reads `NAME://host:port` elements; names in upper case, as Kafka keeps them.
fn named_endpoints(
    values: &BrokerValues,
    key: &Key,
) -> Result<Vec<(String, Endpoint)>, ConfigError> {
    let mut all: Vec<(String, Endpoint)> = Vec::new();
    for text in values.value(key).elements() {
        let unreadable = || {
            ConfigError::invalid(key.name, &text, "Expected NAME://host:port, separated by commas")
        };
        let (name, place) = text.split_once("://").ok_or_else(unreadable)?;
        let endpoint = endpoint(place).ok_or_else(unreadable)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(unreadable());
        }
        let name = name.to_ascii_uppercase();
        if all.iter().any(|(known, _)| *known == name) {
            let why = "Each listener must have a different name";
            return Err(ConfigError::invalid(key.name, &text, why));
        }
        all.push((name, endpoint));
    }
    Ok(all)
}

fn listeners(values: &BrokerValues, hostname: &str) -> Result<Vec<Listener>, ConfigError> {
    let controller = values.value(&keys::CONTROLLER_LISTENERS).elements();
    let is_ours = |name: &str| !controller.iter().any(|other| other.eq_ignore_ascii_case(name));
    let mut bound = named_endpoints(values, &keys::LISTENERS)?;
    bound.retain(|(name, _)| is_ours(name));
    let mut told = named_endpoints(values, &keys::ADVERTISED_LISTENERS)?;
    told.retain(|(name, _)| is_ours(name));
    if bound.is_empty() {
        let text = "listeners names no listener for clients; add PLAINTEXT://host:port";
        return Err(ConfigError(text.to_owned()));
    }
    for (at, (name, place)) in bound.iter().enumerate() {
        check_protocol(values, name)?;
        let taken = |other: &Endpoint| other.port == place.port && 0 < place.port;
        if bound[..at].iter().any(|(_, other)| taken(other) && other.host == place.host) {
            let why = "Each listener must have a different port";
            return Err(ConfigError::invalid(keys::LISTENERS.name, &place.to_string(), why));
        }
    }
    for (name, place) in &told {
        if !bound.iter().any(|(known, _)| known == name) {
            let why = format!("listeners has no {name}");
            let value = format!("{name}://{place}");
            return Err(ConfigError::invalid(keys::ADVERTISED_LISTENERS.name, &value, &why));
        }
    }
    if let Some(name) = optional(values, &keys::INTER_BROKER_LISTENER)
        && !bound.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name))
    {
        let why = "listeners has no listener of that name";
        return Err(ConfigError::invalid(keys::INTER_BROKER_LISTENER.name, &name, why));
    }
    bound.into_iter().map(|(name, bind)| advertise(name, bind, &told, hostname)).collect()
}

fn advertise(
    name: String,
    bind: Endpoint,
    told: &[(String, Endpoint)],
    hostname: &str,
) -> Result<Listener, ConfigError> {
    let explicit = told.iter().find(|(known, _)| *known == name);
    let mut advertised = explicit.map_or_else(|| bind.clone(), |(_, place)| place.clone());
    if advertised.host.is_empty() {
        advertised.host = hostname.to_owned();
    }
    if advertised.host == "0.0.0.0" || advertised.host == "::" {
        return Err(ConfigError(format!(
            "{key} cannot use the nonroutable meta-address {}. Use a routable IP address: say \
             where clients reach this broker with --set {key}={name}://HOST:{}.",
            advertised.host,
            advertised.port,
            key = keys::ADVERTISED_LISTENERS.name,
        )));
    }
    Ok(Listener { name, bind, advertised })
}

fn check_protocol(values: &BrokerValues, name: &str) -> Result<(), ConfigError> {
    let key = &keys::LISTENER_PROTOCOLS;
    let map = values.value(key).words();
    let mut protocol = None;
    for pair in map.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (listener, word) = pair.split_once(':').ok_or_else(|| {
            ConfigError::invalid(key.name, pair, "Expected NAME:PROTOCOL, separated by commas")
        })?;
        if listener.trim().eq_ignore_ascii_case(name) {
            protocol = Some(word.trim().to_ascii_uppercase());
        }
    }
    match protocol.as_deref() {
        Some("PLAINTEXT") => Ok(()),
        Some(word @ ("SSL" | "SASL_PLAINTEXT" | "SASL_SSL")) => Err(ConfigError(format!(
            "listener {name} asks for {word}, which this version does not speak; use PLAINTEXT"
        ))),
        Some(word) => {
            let why = "String must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL";
            Err(ConfigError::invalid(key.name, word, why))
        }
        None => Err(ConfigError(format!(
            "No security protocol defined for listener {name}; add {name}:PLAINTEXT to {}",
            key.name
        ))),
    }
}

/// Smallest journal: a few blocks.
const JOURNAL_BYTES_MIN: i64 = 128 << 10;

/// Whole blocks, and more than a few of them; 0 stays 0.
fn journal_bytes(wanted: i64) -> u64 {
    if wanted == 0 {
        return 0;
    }
    let bytes = u64::try_from(wanted.max(JOURNAL_BYTES_MIN)).expect("checked by the table");
    bytes.next_multiple_of(4_096)
}
