//! Running the assignor that is bound to a group, on a worker.
//!
//! Owns: the way from the coordinator's view of a group to the plugin's, and back.
//! Leaves to others: when to ask and what a failure means (`group`), limits (`plugin`).
use std::rc::Rc;
use std::sync::Arc;

use crate::config::{AssignorBinding, GroupSettings};
use crate::group::{Answer, AssignFault, AssignInput};
use crate::plugin::{self, ASSIGN_BUDGET_NS, CallError};
use crate::shard::Core;
use crate::shard::plugins::{plugin_settings, wanted};

impl Core {
    /// The assignor that a group's settings name.
    pub fn assignor_of(&self, group: &str) -> Option<AssignorBinding> {
        let image = self.image();
        let values = image.broker_values(&self.config.values, self.identity.node_id);
        GroupSettings::effective(&values, image.group_configs(group)?).assignor
    }

    /// Runs the assignor that is bound to a group.
    pub async fn run_assignor(
        self: &Rc<Self>,
        group: &Arc<str>,
        input: &Arc<AssignInput>,
    ) -> Result<Answer, AssignFault> {
        let not_live = |why: String| AssignFault::NotLive(why);
        let binding = self.assignor_of(group).ok_or_else(|| not_live("not bound".to_owned()))?;
        let wanted = wanted(&self.image(), self.config.plugin_enabled, &binding.plugin);
        let wanted = wanted.map_err(not_live)?;
        let live = self.plugins.load(&self.env, &wanted).await.map_err(not_live)?;
        let entered = self.plugins.enter_run(group, &binding.plugin, &binding.settings, &live);
        let passage = entered.map_err(|error| not_live(error.to_string()))?;
        let label = live.label.clone();
        let (settings, seen) = (plugin_settings(&binding.settings), Arc::new(shown(input)));
        let run = move || plugin::run_timed_assignor(&live, &settings, seen, ASSIGN_BUDGET_NS);
        let (done, spent_ns) = self.env.long_work(run).await;
        passage.end(&label, spent_ns, done.as_ref().err());
        match done {
            Ok(owners) => Ok(Answer {
                owners,
                version: wanted.version.as_str().into(),
                digest: wanted.digest.as_str().into(),
            }),
            Err(error @ (CallError::NotReady(_) | CallError::BreakerOpen { .. })) => {
                Err(not_live(error.to_string()))
            }
            Err(error) => Err(AssignFault::Failed(error.to_string())),
        }
    }
}

/// The group as the plugin interface shows it.
fn shown(input: &AssignInput) -> plugin::AssignInput {
    let members = input.members.iter().enumerate().map(|(at, member)| plugin::AssignMember {
        id: member.id.to_string(),
        instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client.id.to_string(),
        host: member.client.host.to_string(),
        rack: member.rack.clone(),
        user_data: member.user_data.clone(),
        topics: input.subscriptions.of(at).to_vec(),
    });
    let topics = input.topics.iter().zip(&input.partition_counts);
    plugin::AssignInput {
        group: input.group.to_string(),
        seed: input.seed,
        copies: 1,
        members: members.collect(),
        topics: topics
            .map(|(name, partitions)| plugin::AssignTopic {
                name: name.to_string(),
                partitions: *partitions,
                racks: Vec::new(),
            })
            .collect(),
        owners: input.owners.clone(),
        held: input.held.clone(),
    }
}
