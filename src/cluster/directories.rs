//! Log directories: which of a broker's are online, and in which of them a partition lies.
//!
//! Owns: what their going and coming does to leaders and epochs.
//! Leaves to others: choosing one for a new partition (`plan`), what lies on the disk (`shard`).
//! Invariant: a partition whose log directory goes offline or comes back begins a leader epoch.
//! Start reading at: [`Image::leader_of`].
//! Source: KIP-858; Kafka `ReplicationControlManager#handleDirectoriesOffline`.
use std::sync::Arc;

use super::apply::ApplyError;
use super::command::DirectoryMove;
use super::image::{BrokerImage, Image, PartitionImage};
use crate::model::{DirectoryId, LeaderEpoch, NodeId};

impl BrokerImage {
    /// Whether a log directory can be used; one that is not known counts as one that can.
    pub fn is_online(&self, directory: DirectoryId) -> bool {
        let is_known = !directory.is_zero() && !self.log_dirs.is_empty();
        !is_known || self.log_dirs.iter().any(|dir| dir.id == directory)
    }
}

impl PartitionImage {
    /// The log directory of the replica on a node; zero: not known, or there is none.
    pub fn directory_on(&self, node: NodeId) -> DirectoryId {
        let at = self.replicas.iter().position(|replica| *replica == node);
        at.and_then(|at| self.directories.get(at)).copied().unwrap_or_default()
    }
}

impl Image {
    /// The node that leads a partition; `None` while the log directory there is offline.
    pub fn leader_of(&self, partition: &PartitionImage) -> Option<NodeId> {
        self.is_replica_online(partition, partition.leader).then_some(partition.leader)
    }

    /// Replicas of a partition whose log directory is offline.
    pub fn offline_replicas(&self, partition: &PartitionImage) -> Vec<NodeId> {
        let replicas = partition.replicas.iter().copied();
        replicas.filter(|node| !self.is_replica_online(partition, *node)).collect()
    }

    fn is_replica_online(&self, partition: &PartitionImage, node: NodeId) -> bool {
        let broker = self.broker(node);
        broker.is_none_or(|broker| broker.is_online(partition.directory_on(node)))
    }

    /// Partitions that lie in a log directory.
    pub fn dir_load(&self, directory: DirectoryId) -> u32 {
        self.dir_load.get(&directory).copied().unwrap_or(0)
    }

    pub(super) fn put_broker(&mut self, broker: BrokerImage) {
        let node = broker.node;
        let before = Arc::make_mut(&mut self.brokers).insert(node, Arc::new(broker));
        let (Some(before), Some(now)) = (before, self.broker(node).cloned()) else { return };
        if before.log_dirs.is_empty() || before.log_dirs == now.log_dirs {
            return;
        }
        self.begin_epochs(|partition| {
            let directory = partition.directory_on(node);
            partition.leader == node && before.is_online(directory) != now.is_online(directory)
        });
    }

    pub(super) fn fail_log_dirs(&mut self, node: NodeId, directories: &[DirectoryId]) {
        let Some(broker) = self.broker(node) else { return };
        let mut broker = BrokerImage::clone(broker);
        broker.log_dirs.retain(|dir| !directories.contains(&dir.id));
        self.put_broker(broker);
    }

    pub(super) fn assign_directories(
        &mut self,
        node: NodeId,
        moves: &[DirectoryMove],
    ) -> Result<(), ApplyError> {
        let broker = self.broker(node).cloned();
        let is_online = |id| broker.as_ref().is_none_or(|broker| broker.is_online(id));
        for moved in moves {
            let alone: Arc<[DirectoryId]> = [moved.directory].into();
            self.change_topic(moved.id, |topic| {
                let mut partitions = Vec::clone(&topic.partitions);
                for index in &moved.partitions {
                    let at = usize::try_from(*index).unwrap_or(usize::MAX);
                    let partition = partitions.get_mut(at).ok_or_else(|| {
                        let (topic, partition) = (topic.name.to_string(), *index);
                        ApplyError::UnknownPartition { topic, partition }
                    })?;
                    let was_online = is_online(partition.directory_on(node));
                    partition.directories = assigned(partition, node, &alone);
                    if partition.leader == node && was_online != is_online(moved.directory) {
                        begin_epoch(partition);
                    }
                }
                topic.partitions = Arc::new(partitions);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// What every change of a leader does.
pub(super) fn begin_epoch(partition: &mut PartitionImage) {
    partition.leader_epoch = LeaderEpoch(partition.leader_epoch.0.saturating_add(1));
    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
}

/// The directories of a partition with the one on `node`; `alone` is the list with that one only.
fn assigned(
    partition: &PartitionImage,
    node: NodeId,
    alone: &Arc<[DirectoryId]>,
) -> Arc<[DirectoryId]> {
    if *partition.replicas == [node] {
        return alone.clone();
    }
    let replicas = partition.replicas.iter();
    let of = |replica: &NodeId| match *replica == node {
        true => alone[0],
        false => partition.directory_on(*replica),
    };
    replicas.map(of).collect()
}
