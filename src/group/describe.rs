//! Describe: ListGroups, DescribeGroups, and what the admin port shows of a group.
//!
//! Owns: what is visible of a group from outside. Changes nothing.
//! Start reading at: [`Coordinator::group_view`].
use std::sync::Arc;

use super::assign::{Provenance, read_assignment};
use super::coordinator::Coordinator;
use super::state::{Group, Member, State};
use super::{Client, refuse};
use crate::base::Bytes;
use crate::model::ErrorCode;
use crate::wire::generated::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::wire::generated::list_groups_response::ListedGroup;

/// Since this version an unknown group is an error; before, it is described as dead.
const DESCRIBE_VERSION_NOT_FOUND: i16 = 6;
/// State of a group that does not exist.
const DEAD: &str = "Dead";
/// The type of every group here.
const CLASSIC: &str = "classic";

/// A group as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    pub id: Arc<str>,
    pub state: &'static str,
    pub generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    pub leader: String,
    pub members: Vec<MemberView>,
    pub offsets: Vec<OffsetView>,
    /// Which plugin made the current assignment, if one did.
    pub assignor: Option<Provenance>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    pub id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    pub client: Client,
    /// Of consumers: topic and partitions of the current assignment.
    pub partitions: Vec<(String, Vec<i32>)>,
}

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetView {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub metadata: Arc<str>,
}

impl Coordinator {
    /// Groups of this coordinator; empty filters let all pass. Case does not count.
    pub fn list_groups(
        &self,
        states: &[String],
        types: &[String],
    ) -> Result<Vec<ListedGroup>, ErrorCode> {
        if self.is_loading() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        if !types.is_empty() && !types.iter().any(|name| name.eq_ignore_ascii_case(CLASSIC)) {
            return Ok(Vec::new());
        }
        let wanted = |group: &&Group| {
            let name = group.state.kafka_name();
            states.is_empty() || states.iter().any(|state| state.trim().eq_ignore_ascii_case(name))
        };
        let listed = self.groups.values().filter(wanted).map(|group| ListedGroup {
            group_id: group.id.to_string(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            group_state: group.state.kafka_name().to_owned(),
            group_type: CLASSIC.to_owned(),
        });
        Ok(listed.collect())
    }

    pub fn describe_group(&self, id: &str, version: i16) -> DescribedGroup {
        if self.is_loading() {
            return refuse::describe_group(id, ErrorCode::CoordinatorLoadInProgress);
        }
        let mut described = DescribedGroup { group_id: id.to_owned(), ..Default::default() };
        let Some(group) = self.groups.get(id) else {
            described.group_state = DEAD.to_owned();
            if DESCRIBE_VERSION_NOT_FOUND <= version {
                described.error_code = ErrorCode::GroupIdNotFound.code();
                described.error_message = Some(format!("Group {id} not found."));
            }
            return described;
        };
        described.group_state = group.state.kafka_name().to_owned();
        described.protocol_type = group.protocol_type.clone().unwrap_or_default();
        // Subscriptions go with the protocol that was chosen: they are shown once one is.
        let protocol = group.protocol.as_deref().filter(|_| group.state == State::Stable);
        described.protocol_data = protocol.unwrap_or_default().to_owned();
        let members = group.members.values().map(|member| describe_member(member, protocol));
        described.members = members.collect();
        described
    }

    /// The same for the admin port, with the assignment read and its origin.
    pub fn group_view(&self, id: &str) -> Option<GroupView> {
        let group = self.groups.get(id)?;
        let members = group.members.values().map(|member| MemberView {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client: member.client.clone(),
            partitions: if group.is_consumer() { partitions(member) } else { Vec::new() },
        });
        Some(GroupView {
            id: group.id.clone(),
            state: group.state.kafka_name(),
            generation: group.generation,
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            protocol: group.protocol.clone().unwrap_or_default(),
            leader: group.leader.as_deref().unwrap_or_default().to_owned(),
            members: members.collect(),
            offsets: self.offset_views(id),
            assignor: group.provenance.clone(),
        })
    }

    fn offset_views(&self, id: &str) -> Vec<OffsetView> {
        let mut views = Vec::new();
        for (topic, partitions) in self.offsets.group(id).into_iter().flatten() {
            views.extend(partitions.iter().map(|(partition, committed)| OffsetView {
                topic: topic.clone(),
                partition: *partition,
                offset: committed.offset,
                metadata: committed.metadata.clone(),
            }));
        }
        views
    }

    /// Ids of all groups, ascending.
    pub fn group_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.keys()
    }
}

fn partitions(member: &Member) -> Vec<(String, Vec<i32>)> {
    let parts = read_assignment(&member.assignment).unwrap_or_default();
    parts.into_iter().map(|part| (part.topic, part.partitions)).collect()
}

fn describe_member(member: &Member, protocol: Option<&str>) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: member.id.to_string(),
        group_instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client.id.to_string(),
        client_host: member.client.host.to_string(),
        member_metadata: protocol.map_or_else(Bytes::new, |name| member.metadata(name)),
        member_assignment: member.assignment.clone(),
    }
}
