//! A broker's start and its supplies: registration, shards, producer ids, new ids.
//!
//! Owns: how partitions are spread over another number of shards with few moves.
//! Invariant: no producer id is handed out before its block is durable.
use super::Planner;
use crate::cluster::command::{BrokerEndpoint, BrokerSeed, Command, LogDirSeed, TopicMoves};
use crate::model::{DirectoryId, PartitionIndex, ProducerId, ShardId, TopicId};

/// Producer ids per allocation, as in Kafka.
pub const PRODUCER_ID_BLOCK: u32 = 1_000;

/// Producer ids that may be handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerIdBlock {
    next: i64,
    end: i64,
}

impl ProducerIdBlock {
    /// The ids of an allocation whose entry is durable.
    pub fn of(command: &Command) -> Option<Self> {
        match command {
            Command::AllocateProducerIds { first, count, .. } => {
                Some(Self { next: *first, end: first.saturating_add(i64::from(*count)) })
            }
            _ => None,
        }
    }

    /// The next id; `None` when the block is used up.
    pub fn take(&mut self) -> Option<ProducerId> {
        if self.end <= self.next {
            return None;
        }
        self.next += 1;
        Some(ProducerId(self.next - 1))
    }
}

/// A random id from 128 random bits: version 4, and no leading '-', which tools take for an option.
pub fn new_id(high: u64, low: u64) -> TopicId {
    let high = (high & 0x7fff_ffff_ffff_0fff) | 0x4000;
    let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    let bits = (u128::from(high) << 64) | u128::from(low);
    TopicId(bits.to_be_bytes())
}

impl Planner<'_> {
    /// The command that says where this broker listens, and which log directories it can use;
    /// ports are those that were bound.
    pub fn register_broker(
        &self,
        incarnation: TopicId,
        directory: DirectoryId,
        log_dirs: Vec<LogDirSeed>,
        endpoints: Vec<BrokerEndpoint>,
    ) -> Command {
        Command::RegisterBroker(BrokerSeed {
            node: self.config.node_id,
            incarnation,
            directory,
            log_dirs,
            rack: self.config.rack.clone(),
            endpoints,
        })
    }

    /// The command that makes ids from `at_least` on available.
    ///
    /// `at_least` is one above the largest id found in any log, so that new data cannot pass for
    /// a duplicate of old data.
    pub fn allocate_producer_ids(&self, at_least: ProducerId) -> Command {
        let first = self.image.next_producer_id.max(at_least.0).max(0);
        Command::AllocateProducerIds { node: self.config.node_id, first, count: PRODUCER_ID_BLOCK }
    }

    /// The command that spreads all partitions over `shards`; `None` when they are so already.
    ///
    /// A partition stays where it is unless its shard is gone or has more than its share.
    pub fn place(&self, shards: u16) -> Option<Command> {
        assert!(0 < shards, "a broker has at least one shard");
        if self.image.shards == shards {
            return None;
        }
        let total = usize::try_from(self.image.partition_count()).unwrap_or(usize::MAX);
        let share = total.div_ceil(usize::from(shards));
        let mut load = vec![0_usize; usize::from(shards)];
        let mut homeless: Vec<(TopicId, PartitionIndex)> = Vec::new();
        for topic in self.image.topics() {
            for (index, partition) in (0..).zip(topic.partitions.iter()) {
                match load.get_mut(usize::from(partition.shard.0)) {
                    Some(load) if *load < share => *load += 1,
                    _ => homeless.push((topic.id, index)),
                }
            }
        }
        let mut moves: Vec<TopicMoves> = Vec::new();
        for (id, index) in homeless {
            let at = (0..load.len()).min_by_key(|at| load[*at]).expect("at least one shard");
            load[at] += 1;
            let shard = ShardId(u16::try_from(at).expect("shards are counted in 16 bits"));
            match moves.last_mut().filter(|last| last.id == id) {
                Some(last) => last.shards.push((index, shard)),
                None => moves.push(TopicMoves { id, shards: vec![(index, shard)] }),
            }
        }
        Some(Command::SetPlacement { shards, moves })
    }
}
