//! Creating, growing and deleting topics.
//!
//! Owns: names, numbers of partitions and replicas, manual assignments, internal topics.
//! Source: `ReplicationControlManager`, `ControllerApis` and `Topic` of Apache Kafka; the messages
//! are theirs.
use super::{Planner, Refusal};
use crate::cluster::command::{Command, PartitionSeed, TopicSeed};
use crate::cluster::image::TopicImage;
use crate::config::{Overrides, check_topic, topic_keys};
use crate::model::{ErrorCode, NodeId, PartitionIndex, ShardId, TopicId};

/// Most partitions that one request may create.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

const NAME_MAX: usize = 249;
const INGRESS_PREFIX: &str = "__ingress.";
const METADATA_TOPIC: &str = "__cluster_metadata";

/// A topic as CreateTopics asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    /// -1: the broker's default.
    pub partitions: i32,
    /// -1: the broker's default.
    pub replication_factor: i16,
    /// Replicas by partition; then both numbers must be -1.
    pub assignments: Vec<(PartitionIndex, Vec<NodeId>)>,
    /// Settings; `None` is refused as in Kafka.
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with the broker's defaults, as auto-creation makes it.
    pub fn with_defaults(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: -1, replication_factor: -1, ..Self::default() }
    }
}

/// A topic by name or by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    Name(&'a str),
    Id(TopicId),
}

/// What is wrong with a topic's name, in Kafka's words.
pub fn topic_name_fault(name: &str) -> Option<String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let fault = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        name if NAME_MAX < name.chars().count() => {
            format!("the length of '{name}' is longer than the max allowed length {NAME_MAX}")
        }
        name if !name.bytes().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        ),
        _ => return None,
    };
    Some(format!("Topic name is invalid: {fault}"))
}

impl Planner<'_> {
    /// What a new topic will be, under this new id; [`Command::CreateTopic`] makes it so.
    ///
    /// Errors: as Kafka's, in its order: name, existence, settings, numbers.
    pub fn create_topic(&self, new: &NewTopic, id: TopicId) -> Result<TopicSeed, Refusal> {
        self.check_new_name(&new.name)?;
        let configs = non_null(&new.configs)?;
        let settings = check_topic(&self.values, &configs)?;
        self.check_topic_plugins(&new.name, &settings)?;
        let replicas = self.replicas_of(new)?;
        let partitions = self.seeds(replicas, 0);
        Ok(TopicSeed { name: new.name.clone(), id, partitions, configs })
    }

    /// One of the broker's own topics with the settings that it is made with.
    pub fn internal_topic(&self, name: &str) -> Option<NewTopic> {
        let brokers = i16::try_from(self.image.brokers.len()).unwrap_or(i16::MAX).max(1);
        let (partitions, replicas, segment_bytes) = match name {
            "__consumer_offsets" => (
                self.config.offsets_partitions,
                self.config.offsets_replication_factor,
                self.config.offsets_segment_bytes,
            ),
            _ => return None,
        };
        // The topic's own setting has a lower bound that the broker's setting does not have.
        let segment_bytes = segment_bytes.max(1 << 20);
        let configs = [
            (topic_keys::CLEANUP_POLICY.name, "compact".to_owned()),
            (topic_keys::COMPRESSION_TYPE.name, "producer".to_owned()),
            (topic_keys::SEGMENT_BYTES.name, segment_bytes.to_string()),
        ];
        Some(NewTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: replicas.min(brokers),
            assignments: Vec::new(),
            configs: configs.map(|(name, value)| (name.to_owned(), Some(value))).to_vec(),
        })
    }

    /// The command that deletes a topic.
    pub fn delete_topic(&self, topic: TopicRef<'_>) -> Result<Command, Refusal> {
        if !self.config.delete_topics {
            let code = ErrorCode::TopicDeletionDisabled;
            return Err(Refusal::new(code, "Topic deletion is disabled."));
        }
        Ok(Command::DeleteTopic { id: self.find(topic)?.id })
    }

    /// The command that grows a topic to `count` partitions, with the replicas given or chosen.
    pub fn create_partitions(
        &self,
        name: &str,
        count: i32,
        assignments: Option<&[Vec<NodeId>]>,
    ) -> Result<Command, Refusal> {
        let topic = self.find(TopicRef::Name(name))?;
        let invalid = |message| Refusal::new(ErrorCode::InvalidPartitions, message);
        let before = topic.partitions.len();
        let Some(more) = usize::try_from(count).ok().and_then(|count| count.checked_sub(before))
        else {
            return Err(invalid(format!(
                "The topic {name} currently has {before} partition(s); {count} would not be an \
                 increase."
            )));
        };
        if more == 0 {
            return Err(invalid(format!("Topic already has {before} partition(s).")));
        }
        check_request_size(more)?;
        if self.internal_topic(name).is_some() {
            // Unlike Kafka, which lets it happen: every group would look for its state elsewhere.
            return Err(invalid(format!(
                "The partitions of {name} cannot become more: groups belong to a partition by the \
                 hash of their name."
            )));
        }
        let factor = topic.partitions.first().map_or(1, |first| first.replicas.len());
        self.check_open_dirs(factor)?;
        let replicas = match assignments {
            None => self.chosen(more, factor, before),
            Some(given) if given.len() != more => {
                let message = format!(
                    "Attempted to add {more} additional partition(s), but only {} assignment(s) \
                     were specified.",
                    given.len()
                );
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
            }
            Some(given) => {
                for replicas in given {
                    self.check_replicas(replicas, Some(factor))?;
                }
                given.to_vec()
            }
        };
        Ok(Command::CreatePartitions { id: topic.id, partitions: self.seeds(replicas, before) })
    }

    pub(super) fn find(&self, topic: TopicRef<'_>) -> Result<&TopicImage, Refusal> {
        let (found, code) = match topic {
            TopicRef::Name(name) => (self.image.topic(name), ErrorCode::UnknownTopicOrPartition),
            TopicRef::Id(id) => (self.image.topic_by_id(id), ErrorCode::UnknownTopicId),
        };
        let message = match code {
            ErrorCode::UnknownTopicId => "This server does not host this topic ID.",
            _ => "This server does not host this topic-partition.",
        };
        Ok(found.ok_or_else(|| Refusal::new(code, message))?.as_ref())
    }

    fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        let illegal =
            |message: String| Err(Refusal::new(ErrorCode::InvalidTopicException, message));
        if let Some(fault) = topic_name_fault(name) {
            return illegal(fault);
        }
        if name == METADATA_TOPIC {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        if name.starts_with(INGRESS_PREFIX) {
            return illegal(format!("Topic names that begin with {INGRESS_PREFIX} are reserved."));
        }
        if self.image.topic(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        match self.image.collision(name) {
            None => Ok(()),
            Some(other) => illegal(format!("Topic '{name}' collides with existing topic: {other}")),
        }
    }

    /// The replicas of each partition of a new topic.
    fn replicas_of(&self, new: &NewTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if !new.assignments.is_empty() {
            return self.assigned(new);
        }
        if new.replication_factor < -1 || new.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default \
                           value.";
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if new.partitions < -1 || new.partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        let or_default = |asked: i32, default: i32| if asked == -1 { default } else { asked };
        let count = or_default(new.partitions, self.config.default_partitions);
        let default_factor = i32::from(self.config.default_replication_factor);
        let factor = or_default(new.replication_factor.into(), default_factor);
        let count = usize::try_from(count).unwrap_or(0);
        let factor = usize::try_from(factor).unwrap_or(0);
        check_request_size(count)?;
        let brokers = self.image.brokers.len();
        if brokers < factor {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicationFactor,
                format!(
                    "Unable to replicate the partition {factor} time(s): The target replication \
                     factor of {factor} cannot be reached because only {brokers} broker(s) are \
                     registered."
                ),
            ));
        }
        self.check_open_dirs(factor)?;
        Ok(self.chosen(count, factor, self.image.topic_count()))
    }

    /// Replicas in turn over all brokers, so that leaders are spread; `from` is where to begin.
    fn chosen(&self, count: usize, factor: usize, from: usize) -> Vec<Vec<NodeId>> {
        let brokers: Vec<NodeId> = self.image.brokers.keys().copied().collect();
        assert!(factor <= brokers.len(), "{factor} replicas on {} brokers", brokers.len());
        let node = |partition: usize, nth: usize| brokers[(from + partition + nth) % brokers.len()];
        (0..count).map(|at| (0..factor).map(|nth| node(at, nth)).collect()).collect()
    }

    fn assigned(&self, new: &NewTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        let invalid = |message| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        if new.replication_factor != -1 {
            return invalid(
                "A manual partition assignment was specified, but replication factor was not set \
                 to -1.",
            );
        }
        if new.partitions != -1 {
            return invalid(
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            );
        }
        check_request_size(new.assignments.len())?;
        let wrong = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
        let mut by_partition: Vec<Option<&Vec<NodeId>>> = vec![None; new.assignments.len()];
        let mut factor = None;
        for (index, replicas) in &new.assignments {
            let place = usize::try_from(*index).ok().and_then(|at| by_partition.get_mut(at));
            let place = place.ok_or_else(|| {
                wrong("partitions should be a consecutive 0-based integer sequence".to_owned())
            })?;
            if place.is_some() {
                return Err(wrong(format!(
                    "Found multiple manual partition assignments for partition {index}"
                )));
            }
            self.check_replicas(replicas, factor)?;
            factor = Some(replicas.len());
            *place = Some(replicas);
        }
        self.check_open_dirs(factor.unwrap_or(1))?;
        let all = by_partition.into_iter().flatten().cloned().collect();
        Ok(all)
    }

    fn check_replicas(&self, replicas: &[NodeId], factor: Option<usize>) -> Result<(), Refusal> {
        let wrong = |what: String| {
            let message = format!("The manual partition assignment includes {what}");
            Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message))
        };
        if replicas.is_empty() {
            return wrong("an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (at, node) in sorted.iter().enumerate() {
            if self.image.broker(*node).is_none() {
                return wrong(format!("broker {node}, but no such broker is registered."));
            }
            if 0 < at && sorted[at - 1] == *node {
                return wrong(format!("the broker {node} more than once."));
            }
        }
        match factor {
            Some(factor) if factor != replicas.len() => wrong(format!(
                "a partition with {} replica(s), but this is not consistent with previous \
                 partitions, which have {factor} replica(s).",
                replicas.len()
            )),
            _ => Ok(()),
        }
    }

    /// Gives each new partition the shard and the log directories that have the fewest.
    ///
    /// `before` partitions of the topic exist. Ties go to the shard after the last one chosen, so
    /// that neighbours spread even when all shards are alike.
    pub(super) fn seeds(&self, replicas: Vec<Vec<NodeId>>, before: usize) -> Vec<PartitionSeed> {
        let shards = usize::from(self.image.shards.max(1));
        let mut load: Vec<u32> = self.image.shard_load.to_vec();
        load.resize(load.len().max(shards), 0);
        load.truncate(shards);
        let mut next = before % shards;
        let mut directories = self.directory_turns();
        let mut seeds = Vec::with_capacity(replicas.len());
        for replicas in replicas {
            let least = *load.iter().min().expect("at least one shard");
            let turn = (0..shards).map(|step| (next + step) % shards);
            let at = turn.into_iter().find(|at| load[*at] == least).expect("the least is there");
            load[at] += 1;
            next = (at + 1) % shards;
            let shard = ShardId(u16::try_from(at).expect("shards are counted in 16 bits"));
            let directories = replicas.iter().map(|node| directories.next(*node)).collect();
            seeds.push(PartitionSeed { directories, ..PartitionSeed::new(replicas, shard) });
        }
        seeds
    }
}

fn check_request_size(partitions: usize) -> Result<(), Refusal> {
    if PARTITIONS_PER_REQUEST_MAX < partitions {
        let message = "Excessively large number of partitions per request.";
        return Err(Refusal::new(ErrorCode::PolicyViolation, message));
    }
    Ok(())
}

fn non_null(configs: &[(String, Option<String>)]) -> Result<Overrides, Refusal> {
    let nulls: Vec<&str> = configs
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !nulls.is_empty() {
        let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    }
    let pairs = configs.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    Ok(pairs.collect())
}
