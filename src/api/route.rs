//! Letting another shard answer: requests for a group go to its coordinator, changes to shard 0.
//!
//! Owns: which shard answers what. The frame travels as it came and is read again over there, so
//! every such request could as well come from another broker.
//! Start reading at: [`to`], [`coordinator`], [`Forward`].
use std::rc::Rc;
use std::sync::Arc;

use crate::api::{Client, Close, Request, perform};
use crate::base::Bytes;
use crate::group::partition_for;
use crate::model::{ErrorCode, PartitionIndex, ShardId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::groups::{GroupShard, OFFSETS_TOPIC};

/// A request for another shard, and who sent it.
pub struct Forward {
    pub frame: Bytes,
    pub peer: Arc<str>,
    pub host: Arc<str>,
}

impl Ask for Forward {
    /// The framed response; `Err` closes the connection for that reason.
    type Told = Result<Option<Vec<Bytes>>, String>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let core = core.clone();
        Box::pin(async move {
            let client = Client { peer: self.peer, host: self.host };
            let request = Request::parse(&core, &client, self.frame);
            let result = match request {
                Ok(request) => perform(request).await,
                Err(close) => Err(close),
            };
            result.map_err(|close| close.to_string())
        })
    }
}

/// Lets another shard answer.
pub async fn to(shard: ShardId, request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    assert!(shard != request.core.shard, "a request for this shard is answered here");
    let Client { peer, host } = request.client.clone();
    let forward = Forward { frame: request.frame.clone(), peer, host };
    let told = request.core.ask(shard, forward).told().await.map_err(|_| Close::Shard)?;
    told.map_err(Close::There)
}

/// Where a group is coordinated.
pub enum Coordinator {
    Here(Rc<GroupShard>),
    There(ShardId),
}

/// The shard and the offsets partition of a group.
///
/// Errors: `InvalidGroupId` for the empty name where it cannot be one of old, and
/// `CoordinatorNotAvailable` before anybody asked for a coordinator.
pub fn placed(core: &Core, group: &str) -> Result<(ShardId, PartitionIndex), ErrorCode> {
    let image = core.image();
    let topic = image.topic(OFFSETS_TOPIC).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partition = partition_for(group, topic.partitions.len() as i32);
    let placed = topic.partition(partition).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((placed.shard, partition))
}

pub fn coordinator(core: &Core, group: &str) -> Result<Coordinator, ErrorCode> {
    let (shard, partition) = placed(core, group)?;
    if shard != core.shard {
        return Ok(Coordinator::There(shard));
    }
    core.groups.get(partition).map(Coordinator::Here).ok_or(ErrorCode::NotCoordinator)
}

/// Who asks, as group members are described.
pub fn group_client(request: &Request) -> crate::group::Client {
    let id = request.client_id.as_deref().unwrap_or("").into();
    crate::group::Client { id, host: request.client.host.clone() }
}
