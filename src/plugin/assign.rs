//! Assignments: one run of an assignor over one group, on a worker.
//!
//! Owns: what an assignor sees, the check of its answer.
//! Leaves to others: when a group rebalances and what a failure means (`group`, the shard).
//! Invariant: an accepted answer names members that exist and subscribe, none twice for one slot.
//! Start reading at: [`run_assignor`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::Bytes;
use crate::plugin::code::{Live, Native, PluginCode, Settings};
use crate::plugin::error::CallError;
use crate::plugin::guest::Guest;
use crate::plugin::world::{NOBODY, Replicas, SubscriptionSets};

/// Run time of one assignment, initialisation included.
pub const ASSIGN_BUDGET_NS: u64 = 5_000_000_000;

/// A member of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssignMember {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub host: String,
    pub rack: Option<String>,
    pub user_data: Option<Bytes>,
    /// Indexes into the topics, ascending.
    pub topics: Vec<u32>,
}

/// A topic that at least one member subscribes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssignTopic {
    pub name: String,
    pub partitions: u32,
    /// Racks of each partition's replicas; may be empty.
    pub racks: Vec<Vec<String>>,
}

/// The group as an assignor sees it. Slots: the partitions of all topics numbered through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssignInput {
    pub group: String,
    /// The only randomness; the same for every run of one rebalance.
    pub seed: u64,
    /// Owners of each slot; 1 unless redundant.
    pub copies: u32,
    /// Ascending by id.
    pub members: Vec<AssignMember>,
    /// Ascending by name.
    pub topics: Vec<AssignTopic>,
    /// Last assignment, slots × copies, [`NOBODY`] where nobody that is still here.
    pub owners: Vec<u32>,
    /// What members have not yet given up; the same shape.
    pub held: Vec<u32>,
}

impl AssignInput {
    pub fn slot_count(&self) -> usize {
        self.topics.iter().map(|topic| topic.partitions as usize).sum()
    }

    /// An answer in which nobody reads anything.
    pub fn nobody(&self) -> Vec<u32> {
        vec![NOBODY; self.slot_count() * self.copies as usize]
    }

    /// Equal subscriptions share a set.
    pub fn subscription_sets(&self) -> SubscriptionSets {
        let mut sets = SubscriptionSets {
            set_of_member: Vec::with_capacity(self.members.len()),
            starts: vec![0],
            topics: Vec::new(),
        };
        let mut known = BTreeMap::new();
        for member in &self.members {
            let set = *known.entry(&member.topics).or_insert_with(|| {
                sets.topics.extend(&member.topics);
                sets.starts.push(sets.topics.len() as u32);
                sets.starts.len() as u32 - 2
            });
            sets.set_of_member.push(set);
        }
        sets
    }

    /// Names of all racks, ascending.
    pub fn rack_names(&self) -> Vec<String> {
        let of_members = self.members.iter().filter_map(|member| member.rack.as_ref());
        let of_topics = self.topics.iter().flat_map(|topic| topic.racks.iter().flatten());
        let mut names: Vec<String> = of_members.chain(of_topics).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// For each member an index into [`AssignInput::rack_names`].
    pub fn racks_of_members(&self) -> Vec<u32> {
        let names = self.rack_names();
        let index = |rack: &Option<String>| {
            let found = rack.as_ref().and_then(|rack| names.binary_search(rack).ok());
            found.map_or(NOBODY, |at| at as u32)
        };
        self.members.iter().map(|member| index(&member.rack)).collect()
    }

    /// Racks of each slot's replicas.
    pub fn racks_of_slots(&self) -> Replicas {
        let names = self.rack_names();
        let (mut starts, mut racks) = (vec![0], Vec::new());
        for topic in &self.topics {
            for slot in 0..topic.partitions as usize {
                let own = topic.racks.get(slot).into_iter().flatten();
                racks.extend(
                    own.filter_map(|rack| names.binary_search(rack).ok()).map(|at| at as u32),
                );
                starts.push(racks.len() as u32);
            }
        }
        Replicas { starts, racks }
    }

    /// Checks an answer: length, range, subscription, and no member twice for one slot.
    pub fn check(&self, answer: &[u32]) -> Result<(), CallError> {
        let bad = |text: String| Err(CallError::Malformed(text));
        let copies = self.copies as usize;
        let wanted = self.slot_count() * copies;
        if answer.len() != wanted {
            return bad(format!("{} owners for {wanted} places", answer.len()));
        }
        let mut cells = answer.chunks_exact(copies.max(1));
        for (index, topic) in self.topics.iter().enumerate() {
            for partition in 0..topic.partitions {
                let Some(owners) = cells.next() else { return Ok(()) };
                for (at, &owner) in owners.iter().enumerate() {
                    if owner == NOBODY {
                        continue;
                    }
                    let place = || format!("partition {partition} of {}", topic.name);
                    let Some(member) = self.members.get(owner as usize) else {
                        let count = self.members.len();
                        return bad(format!("member {owner} of {count} owns {}", place()));
                    };
                    if member.topics.binary_search(&(index as u32)).is_err() {
                        let id = &member.id;
                        return bad(format!("{id} owns {} without subscribing to it", place()));
                    }
                    if owners[..at].contains(&owner) {
                        return bad(format!("{} owns {} twice", member.id, place()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// An accepted answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// A member for each slot × copy, or [`NOBODY`].
    pub owners: Vec<u32>,
    /// Run time in the guest, initialisation included.
    pub used_ns: u64,
}

/// As [`run_timed_assignor`], for callers who want to know what a good answer took.
pub fn run_assignor(
    live: &Live,
    settings: &Settings,
    input: Arc<AssignInput>,
    budget_ns: u64,
) -> Result<Assigned, CallError> {
    let (owners, used_ns) = run_timed_assignor(live, settings, input, budget_ns);
    Ok(Assigned { owners: owners?, used_ns })
}

/// Asks the assignor; blocks for up to `budget_ns` of run time: only for workers.
///
/// One instance serves one run, and is dropped here. Gives a member for each slot × copy, and the
/// run time in the guest, whatever came of it.
pub fn run_timed_assignor(
    live: &Live,
    settings: &Settings,
    input: Arc<AssignInput>,
    budget_ns: u64,
) -> (Result<Vec<u32>, CallError>, u64) {
    let mut used_ns = 0;
    let answer = match &live.code {
        PluginCode::Native(Native::Assignor(assign)) => {
            assign(settings, &input).map_err(|message| refused(&message))
        }
        PluginCode::Native(_) => Err(CallError::NotReady("it is no assignor".into())),
        PluginCode::Wasm(compiled) => {
            let made = Guest::start(live.label.clone(), compiled.clone(), settings, budget_ns);
            made.and_then(|mut guest| {
                used_ns = guest.used_ns();
                let left_ns = budget_ns.saturating_sub(used_ns);
                let answer = guest.assign(input.clone(), left_ns);
                used_ns += guest.used_ns();
                answer
            })
        }
    };
    let answer = answer.and_then(|owners| input.check(&owners).map(|()| owners));
    live.label.count(input.slot_count(), used_ns, answer.as_ref().err());
    (answer, used_ns)
}

pub(super) fn refused(message: &str) -> CallError {
    let message = crate::plugin::log_gate::escaped(message);
    CallError::Refused(crate::plugin::error::Fault { message, rows: Vec::new() })
}
