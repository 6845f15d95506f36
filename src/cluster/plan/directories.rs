//! Log directories of new partitions, and of those that lie elsewhere than was known.
//!
//! Owns: Kafka's rule: the one with the fewest partitions, of those that are neither offline nor
//! cordoned; ties go to the first of `log.dirs`.
//! Leaves to others: what lies on the disks (`shard`).
//! Source: Kafka `LogManager#nextLogDirs`; KIP-1066.
use std::collections::BTreeMap;

use super::{Planner, Refusal};
use crate::cluster::command::{Command, DirectoryMove, LogDirSeed};
use crate::config::cordoned;
use crate::model::{DirectoryId, ErrorCode, NodeId};

/// Gives out log directories, one replica after the other.
pub(super) struct DirectoryTurns {
    /// Usable ones of each broker with their partitions; none: the broker said nothing of its own.
    brokers: BTreeMap<NodeId, Vec<(DirectoryId, u32)>>,
}

impl DirectoryTurns {
    /// The next one of a broker; zero when nothing is known of it.
    pub fn next(&mut self, node: NodeId) -> DirectoryId {
        let dirs = self.brokers.get_mut(&node);
        let least = dirs.and_then(|dirs| dirs.iter_mut().min_by_key(|(_, count)| *count));
        least.map_or(DirectoryId::ZERO, |(id, count)| {
            *count += 1;
            *id
        })
    }
}

impl Planner<'_> {
    pub(super) fn directory_turns(&self) -> DirectoryTurns {
        let count = |dir: &LogDirSeed| (dir.id, self.image.dir_load(dir.id));
        let brokers = self.image.brokers();
        let of = |node| self.open_dirs(node).into_iter().map(count).collect();
        DirectoryTurns { brokers: brokers.map(|broker| (broker.node, of(broker.node))).collect() }
    }

    /// Log directories of a broker that may get new partitions.
    fn open_dirs(&self, node: NodeId) -> Vec<&LogDirSeed> {
        let Some(broker) = self.image.broker(node) else { return Vec::new() };
        let shut = cordoned(&self.values);
        let is_shut = |dir: &&LogDirSeed| shut.iter().any(|name| name == "*" || *name == dir.name);
        broker.log_dirs.iter().filter(|dir| !is_shut(dir)).collect()
    }

    /// Errors: INVALID_REPLICATION_FACTOR, as Kafka's, when no broker takes new partitions.
    pub(super) fn check_open_dirs(&self, factor: usize) -> Result<(), Refusal> {
        let mut brokers = self.image.brokers();
        let takes = |node| !self.open_dirs(node).is_empty();
        if brokers.any(|broker| broker.log_dirs.is_empty() || takes(broker.node)) {
            return Ok(());
        }
        let message = format!(
            "Unable to replicate the partition {factor} time(s): All brokers are currently \
             fenced, or have all their log directories cordoned."
        );
        Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message))
    }

    /// The command that says that these log directories failed here; `None` when that is known.
    pub fn fail_log_dirs(&self, failed: &[DirectoryId]) -> Option<Command> {
        let node = self.config.node_id;
        let online = &self.image.broker(node)?.log_dirs;
        let directories: Vec<_> =
            online.iter().map(|dir| dir.id).filter(|id| failed.contains(id)).collect();
        (!directories.is_empty()).then_some(Command::FailLogDirs { node, directories })
    }

    /// The command that says where partitions of this node lie; `None` when that is known of all.
    ///
    /// `found` is where the disks show one that the image knows elsewhere. One that lies nowhere
    /// and of which nothing is known gets a directory as a new one does.
    pub fn assign_directories(
        &self,
        found: &BTreeMap<(crate::model::TopicId, i32), DirectoryId>,
    ) -> Option<Command> {
        let node = self.config.node_id;
        let mut turns = self.directory_turns();
        let mut moves: Vec<DirectoryMove> = Vec::new();
        for topic in self.image.topics() {
            let mut of_topic = BTreeMap::<DirectoryId, Vec<i32>>::new();
            for (index, partition) in (0..).zip(topic.partitions.iter()) {
                let known = partition.directory_on(node);
                let directory = match found.get(&(topic.id, index)) {
                    Some(directory) => *directory,
                    None if known.is_zero() => turns.next(node),
                    None => continue,
                };
                if directory != known {
                    of_topic.entry(directory).or_default().push(index);
                }
            }
            let id = topic.id;
            let moved = of_topic.into_iter();
            moves.extend(moved.map(|(directory, partitions)| DirectoryMove {
                id,
                directory,
                partitions,
            }));
        }
        (!moves.is_empty()).then_some(Command::AssignDirectories { node, moves })
    }
}
