//! Producer ids: each shard hands them out of a block that is durable before its first use.
//!
//! Owns: the current block of this shard. Leaves to others: which blocks are taken (`cluster`).
//! Source: KIP-98; AllocateProducerIds hands out blocks of the same size.
use std::cell::Cell;
use std::rc::Rc;

use crate::cluster::PRODUCER_ID_BLOCK;
use crate::model::{ErrorCode, ProducerId, ShardId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};

#[derive(Default)]
pub struct ProducerIds {
    next: Cell<i64>,
    end: Cell<i64>,
}

/// Asks shard 0 for the first id of a fresh block.
pub struct TakeBlock;

impl Ask for TakeBlock {
    type Told = Result<i64, ErrorCode>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let controller = core.controller();
        Box::pin(async move {
            let controller = controller.ok_or(ErrorCode::CoordinatorNotAvailable)?;
            controller.take_producer_ids().await
        })
    }
}

/// The largest producer id in the logs of one shard; -1: none.
///
/// New ids start above it: a log from elsewhere may know ids that our metadata never gave out, and
/// new data under such an id would pass for a duplicate.
#[derive(Clone)]
pub struct LargestProducerId;

impl Ask for LargestProducerId {
    type Told = i64;

    fn start(self, core: &Rc<Core>) -> Work<i64> {
        let logs = core.partitions().into_iter().filter_map(|partition| partition.log().ok());
        let largest = logs.filter_map(|log| log.largest_producer_id()).max();
        Box::pin(std::future::ready(largest.map_or(-1, |id| id.0)))
    }
}

impl Core {
    /// An id that nobody had before.
    ///
    /// Errors: `CoordinatorLoadInProgress` while shard 0 starts, and what its log answers.
    pub async fn next_producer_id(self: &Rc<Self>) -> Result<ProducerId, ErrorCode> {
        let ids = &self.producer_ids;
        if ids.end.get() <= ids.next.get() {
            let asked = self.ask(ShardId(0), TakeBlock);
            let first = asked.told().await.map_err(|_| ErrorCode::CoordinatorNotAvailable)??;
            // Two tasks may have asked: the block of the first is given up, ids are plenty.
            ids.next.set(first);
            ids.end.set(first + i64::from(PRODUCER_ID_BLOCK));
        }
        let id = ids.next.get();
        ids.next.set(id + 1);
        Ok(ProducerId(id))
    }
}
