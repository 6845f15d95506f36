//! Deleting records up to an offset, on the shard of the partition.
//!
//! Owns: which topics allow it, when it may be answered.
//! Leaves to others: the log start (`log`), its file (`starts`), removing segments (`retention`).
//! Invariant: what was answered holds after a crash and a power cut.
//! Source: ReplicaManager#deleteRecordsOnLocalLog, Partition#deleteRecordsOnLeader; KIP-107.
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::log::DeleteRecordsError;
use crate::model::{ErrorCode, Offset, PartitionIndex, ShardId, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::starts::KeepStarts;

/// What a client says for "everything that can be read".
const HIGH_WATERMARK: i64 = -1;

const NOT_HERE: ErrorCode = ErrorCode::NotLeaderOrFollower;

#[derive(Clone, Debug)]
pub struct DeleteBelow {
    pub topic_id: TopicId,
    pub partition: PartitionIndex,
    /// An offset, or -1.
    pub offset: i64,
}

/// Deletes records of partitions of one shard.
pub struct DeleteRecords(pub Vec<DeleteBelow>);

impl Ask for DeleteRecords {
    /// The log start of each, or why nothing of it was deleted.
    type Told = Vec<Result<i64, ErrorCode>>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            let mut told = Vec::with_capacity(self.0.len());
            for wanted in &self.0 {
                told.push(delete_below(&core, wanted).await);
            }
            let mut kept = BTreeMap::new();
            for (wanted, _) in self.0.iter().zip(&told).filter(|(_, told)| told.is_ok()) {
                let Some(dir) = dir_of(&core, wanted).filter(|dir| !kept.contains_key(dir)) else {
                    continue;
                };
                let asked = core.ask(ShardId(0), KeepStarts { dir: dir.clone() });
                kept.insert(dir, asked.told().await.unwrap_or(Err(NOT_HERE)));
            }
            for (wanted, told) in self.0.iter().zip(&mut told).filter(|(_, told)| told.is_ok()) {
                // A shard that stops told shard 0 nothing of its partitions.
                let kept = dir_of(&core, wanted).and_then(|dir| kept.get(&dir).copied());
                if let Err(error) = kept.unwrap_or(Err(NOT_HERE)) {
                    *told = Err(error);
                }
            }
            told
        })
    }
}

/// The log directory of a partition that is here.
fn dir_of(core: &Core, wanted: &DeleteBelow) -> Option<Arc<str>> {
    core.partition(wanted.topic_id, wanted.partition)?.dir.clone()
}

async fn delete_below(core: &Rc<Core>, wanted: &DeleteBelow) -> Result<i64, ErrorCode> {
    let partition = core.partition(wanted.topic_id, wanted.partition);
    let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let cleanup = partition.settings().cleanup;
    if cleanup.compact && !cleanup.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let log = partition.log()?;
    let target = (wanted.offset != HIGH_WATERMARK).then_some(Offset(wanted.offset));
    match log.delete_records(target).await {
        Ok(start) => Ok(start.0),
        Err(error) => {
            if let DeleteRecordsError::Disk(error) = &error {
                tracing::error!(partition = %partition.name, %error, "records were not deleted");
            }
            Err(ErrorCode::from(&error))
        }
    }
}
