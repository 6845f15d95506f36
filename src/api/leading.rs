//! Who leads a partition, as Metadata and DescribeTopicPartitions tell it.
//!
//! Owns: what is said of a partition whose log directory is offline.
//! Leaves to others: which are (`cluster`).
//! Source: Kafka `KRaftMetadataCache#partitionMetadata`; KIP-858, KIP-966.
use crate::cluster::{Image, PartitionImage};
use crate::model::{ErrorCode, NodeId};

const NO_LEADER: i32 = -1;

pub struct Leading {
    pub error: ErrorCode,
    pub leader: i32,
    pub isr: Vec<i32>,
    /// Replicas that were in sync when the last leader went.
    pub last_known: Vec<i32>,
    pub offline: Vec<i32>,
}

impl Leading {
    pub fn of(image: &Image, partition: &PartitionImage) -> Self {
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<i32>>();
        let offline = numbers(&image.offline_replicas(partition));
        let (online, gone): (Vec<i32>, Vec<i32>) =
            numbers(&partition.isr).into_iter().partition(|node| !offline.contains(node));
        match image.leader_of(partition) {
            Some(leader) => Self {
                error: ErrorCode::None,
                leader: leader.0,
                isr: online,
                last_known: Vec::new(),
                offline,
            },
            None => Self {
                error: ErrorCode::LeaderNotAvailable,
                leader: NO_LEADER,
                isr: online,
                last_known: gone,
                offline,
            },
        }
    }
}
