//! Looking at groups from outside: who is in, who has what, and who decided it.
//!
//! Owns: gathering from all shards. Leaves to others: the groups (`group`).
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::group::{GroupView, partition_for};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::desk::{
    AssignedPartitions, DeskAnswer, DeskError, DeskReply, GroupDetail, GroupMember, GroupOffset,
    GroupSummary,
};
use crate::shard::desk_work::{high_watermarks, stopping};
use crate::shard::groups::OFFSETS_TOPIC;

/// The groups of one shard, or one of them.
#[derive(Clone)]
struct LookAtGroups(Option<String>);

impl Ask for LookAtGroups {
    type Told = Vec<GroupView>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let mut views = Vec::new();
        for shard in core.groups.all() {
            shard.look(|groups| match &self.0 {
                Some(group) => views.extend(groups.group_view(group)),
                None => {
                    let listed = groups.list_groups(&[], &[]).unwrap_or_default();
                    views.extend(listed.iter().filter_map(|one| groups.group_view(&one.group_id)));
                }
            });
        }
        Box::pin(std::future::ready(views))
    }
}

fn summary(core: &Core, view: &GroupView) -> GroupSummary {
    GroupSummary {
        group: view.id.to_string(),
        state: view.state.to_owned(),
        group_type: "Classic".to_owned(),
        protocol_type: view.protocol_type.clone(),
        members: view.members.len() as u32,
        generation: view.generation,
        assignor: core.assignor_of(&view.id).map(|binding| binding.plugin.to_string()),
    }
}

pub async fn list(core: &Rc<Core>) -> DeskAnswer {
    let told = core.ask_all(&LookAtGroups(None)).await.map_err(|_| stopping())?;
    let mut all: Vec<GroupSummary> =
        told.iter().flatten().map(|view| summary(core, view)).collect();
    all.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(DeskReply::Groups(all))
}

pub async fn describe(core: &Rc<Core>, group: &str) -> DeskAnswer {
    let unknown = || {
        DeskError::not_found(format!("There is no group {group:?}; `logmill group ls` lists them."))
    };
    let image = core.image();
    let topic = image.topic(OFFSETS_TOPIC).ok_or_else(unknown)?;
    let partition = partition_for(group, topic.partitions.len() as i32);
    let placed = topic.partition(partition).ok_or_else(unknown)?;
    let asked = core.ask(placed.shard, LookAtGroups(Some(group.to_owned())));
    let view = asked.told().await.map_err(|_| stopping())?.pop().ok_or_else(unknown)?;
    let ends: BTreeMap<(String, i32), i64> = high_watermarks(core).await?;
    let offsets = view.offsets.iter().map(|offset| GroupOffset {
        topic: offset.topic.to_string(),
        partition: offset.partition,
        committed: offset.offset,
        high_watermark: ends.get(&(offset.topic.to_string(), offset.partition)).copied(),
    });
    let members = view.members.iter().map(|member| GroupMember {
        member_id: member.id.to_string(),
        client_id: member.client.id.to_string(),
        client_host: member.client.host.to_string(),
        group_instance_id: member.instance_id.as_deref().map(str::to_owned),
        assignment: (member.partitions.iter())
            .map(|(topic, partitions)| AssignedPartitions {
                topic: topic.clone(),
                partitions: partitions.clone(),
            })
            .collect(),
    });
    let (assigned_by, assigned_by_digest) = match &view.assignor {
        // The built-in one has no version.
        Some(by) if by.version.is_empty() => (by.assignor.to_string(), String::new()),
        Some(by) => (format!("{}@{}", by.assignor, by.version), by.digest.to_string()),
        None => (view.protocol.clone(), String::new()),
    };
    Ok(DeskReply::Group(GroupDetail {
        summary: summary(core, &view),
        assigned_by,
        assigned_by_digest,
        members: members.collect(),
        offsets: offsets.collect(),
    }))
}
