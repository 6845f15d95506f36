//! Taking over what Apache Kafka kept in its metadata log.
//!
//! Owns: which of it becomes ours, and what cannot, in one sentence each.
//! Leaves to others: reading it (`kraft`, `shard`).
//! Start reading at: [`adopt`].
use super::configs::Change;
use super::{ConfigTarget, Planner};
use crate::cluster::command::{Command, TopicSeed};
use crate::cluster::draft::Draft;
use crate::cluster::kraft::{Kraft, KraftTopic};
use crate::config::{BrokerConfig, Overrides};
use crate::model::{LeaderEpoch, ProducerId, TopicId};

/// Why a directory of Kafka's cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    #[error(
        "topic {topic} has partition {partition} on the nodes {replicas}, and this version serves \
         alone: first give every partition the one replica {node} (kafka-reassign-partitions)"
    )]
    Replicas { topic: String, partition: i32, replicas: String, node: i32 },
    #[error("topic {topic} has {count} partitions, but none with the number {missing}")]
    Gap { topic: String, count: usize, missing: i32 },
    #[error("topic {topic} cannot be taken over: {reason}")]
    Refused { topic: String, reason: String },
}

/// Adds to the draft what Kafka knew; gives a sentence for everything that is left out.
///
/// Topics that are there already stay as they are: a start that was cut short goes on.
pub fn adopt(
    draft: &mut Draft,
    config: &BrokerConfig,
    kraft: &Kraft,
    now_ms: i64,
) -> Result<Vec<String>, AdoptError> {
    let mut notes = Vec::new();
    for (id, topic) in &kraft.topics {
        if draft.image().topic_by_id(*id).is_none() {
            let seed = Planner::new(draft.image(), config).adopted(*id, topic)?;
            let refused =
                |reason: String| AdoptError::Refused { topic: topic.name.clone(), reason };
            let command = Command::CreateTopic(seed);
            draft.push(command, now_ms).map_err(|error| refused(error.to_string()))?;
        }
    }
    for ((kind, name), configs) in &kraft.configs {
        let Some(target) = ConfigTarget::from_code(*kind, name) else {
            notes.push(format!("settings of {name} (type {kind}) are left out"));
            continue;
        };
        take_configs(draft, config, target, configs, now_ms, &mut notes);
    }
    let from = ProducerId(kraft.next_producer_id);
    if draft.image().next_producer_id() < from {
        let command = Planner::new(draft.image(), config).allocate_producer_ids(from);
        draft.push(command, now_ms).expect("ids above all that were given away");
    }
    let left = kraft.left_out.iter();
    notes.extend(left.map(|(what, count)| format!("{count} records of {what} are left out")));
    Ok(notes)
}

/// All settings of a resource at once, or those one by one that are understood.
fn take_configs(
    draft: &mut Draft,
    config: &BrokerConfig,
    target: ConfigTarget<'_>,
    configs: &Overrides,
    now_ms: i64,
    notes: &mut Vec<String>,
) {
    const SET: i8 = 0;
    let change = |(name, value): (&String, &String)| (name.clone(), SET, Some(value.clone()));
    let all: Vec<Change> = configs.iter().map(change).collect();
    let mut push = |changes: &[Change]| -> Result<(), String> {
        let planned = Planner::new(draft.image(), config).alter_configs(target, changes);
        match planned.map_err(|refusal| refusal.message)? {
            Some(command) => draft.push(command, now_ms).map(drop).map_err(|e| e.to_string()),
            None => Ok(()),
        }
    };
    if push(&all).is_ok() {
        return;
    }
    for one in &all {
        if let Err(reason) = push(std::slice::from_ref(one)) {
            notes.push(format!("setting {} of {target:?} is left out: {reason}", one.0));
        }
    }
}

impl Planner<'_> {
    /// A topic of Kafka's with its id; its leader epochs go on behind those that Kafka gave.
    fn adopted(&self, id: TopicId, topic: &KraftTopic) -> Result<TopicSeed, AdoptError> {
        let node = self.config.node_id;
        let mut replicas = Vec::with_capacity(topic.partitions.len());
        let mut known = Vec::with_capacity(topic.partitions.len());
        for (want, (partition, found)) in (0..).zip(&topic.partitions) {
            if want != *partition {
                let (topic, count) = (topic.name.clone(), topic.partitions.len());
                return Err(AdoptError::Gap { topic, count, missing: want });
            }
            if found.replicas != [node] {
                let all: Vec<String> = found.replicas.iter().map(ToString::to_string).collect();
                return Err(AdoptError::Replicas {
                    topic: topic.name.clone(),
                    partition: *partition,
                    replicas: all.join(", "),
                    node: node.0,
                });
            }
            replicas.push(found.replicas.clone());
            let epoch = LeaderEpoch(found.leader_epoch.saturating_add(1).max(0));
            known.push((epoch, found.directory));
        }
        let mut partitions = self.seeds(replicas, 0);
        for (seed, (epoch, directory)) in partitions.iter_mut().zip(known) {
            seed.leader_epoch = epoch;
            // The disks say it of those that lie somewhere.
            seed.directories = vec![directory];
        }
        Ok(TopicSeed { name: topic.name.clone(), id, partitions, configs: Overrides::new() })
    }
}
