//! Questions about groups that one client request puts to several shards.
//!
//! Owns: fetching offsets, describing and listing. Leaves to others: the answers (`group`).
use std::rc::Rc;

use crate::group::Response;
use crate::model::{ErrorCode, PartitionIndex};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::wire::generated::describe_groups_response::DescribedGroup;
use crate::wire::generated::list_groups_request::ListGroupsRequest;
use crate::wire::generated::list_groups_response::ListedGroup;
use crate::wire::generated::offset_fetch_request::OffsetFetchRequestGroup;
use crate::wire::generated::offset_fetch_response::OffsetFetchResponseGroup;

/// Committed offsets of one group.
pub struct FetchOffsets {
    pub partition: PartitionIndex,
    pub group: OffsetFetchRequestGroup,
    pub version: i16,
    pub require_stable: bool,
}

impl Ask for FetchOffsets {
    /// `None`: this shard does not coordinate the group.
    type Told = Option<OffsetFetchResponseGroup>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let coordinator = core.groups.get(self.partition);
        Box::pin(async move {
            let Self { group, version, require_stable, .. } = self;
            let coordinator = coordinator?;
            let told = coordinator.ask(|groups, turn, token| {
                groups.handle_offset_fetch(turn, group, version, require_stable, token);
            });
            match told.await {
                Some(Response::OffsetFetch(told)) => Some(told),
                _ => None,
            }
        })
    }
}

/// State and members of one group.
pub struct DescribeGroup {
    pub partition: PartitionIndex,
    pub group: String,
    /// Of the DescribeGroups request.
    pub version: i16,
}

impl Ask for DescribeGroup {
    /// `None`: this shard does not coordinate the group.
    type Told = Option<DescribedGroup>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let coordinator = core.groups.get(self.partition);
        let told = coordinator
            .map(|shard| shard.look(|groups| groups.describe_group(&self.group, self.version)));
        Box::pin(std::future::ready(told))
    }
}

/// The groups of one shard.
#[derive(Clone)]
pub struct ListGroups {
    pub filter: ListGroupsRequest,
}

impl Ask for ListGroups {
    type Told = Result<Vec<ListedGroup>, ErrorCode>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let (states, types) = (&self.filter.states_filter, &self.filter.types_filter);
        let mut all = Vec::new();
        let mut error = None;
        for shard in core.groups.all() {
            match shard.look(|groups| groups.list_groups(states, types)) {
                Ok(groups) => all.extend(groups),
                Err(loading) => error = Some(loading),
            }
        }
        Box::pin(std::future::ready(error.map_or(Ok(all), Err)))
    }
}
