//! Assign: what an assignor is shown, and how its answer becomes assignments.
//!
//! Owns: slots, checking an answer, the two-step revocation of cooperative members.
//! Leaves to others: when to ask and what follows (`plan`), running plugins (`plugin`).
//! Invariant: no partition of an encoded assignment has two owners, or an owner that is not
//! subscribed; a partition that a cooperative member still holds goes to nobody else.
//! Start reading at: [`AssignInput::new`].
//! Source: KIP-429 for the two steps.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::Group;
use super::subscription::{Subscription, VERSION_MAX, distinct, names};
use super::{Binding, Client, RunId, View};
use crate::base::Bytes;
use crate::wire::WireError;
use crate::wire::generated::consumer_protocol_assignment::{
    self as assignment, ConsumerProtocolAssignment,
};
use crate::wire::protocol::{read_versioned_value_leniently, write_versioned_value};

/// No member, in owners, claims and answers.
pub const NOBODY: u32 = u32::MAX;

/// The protocol whose members give up a partition before another one takes it.
const COOPERATIVE: &str = "cooperative-sticky";

/// Everything an assignor may ask, in the shape of `logmill:plugin/group`: members and topics by
/// index, the partitions of all topics numbered through as slots.
#[derive(Debug)]
pub struct AssignInput {
    pub group: Arc<str>,
    /// Generation that the assignment is for.
    pub generation: i32,
    pub binding: Binding,
    /// The only randomness; the same for every run of one rebalance.
    pub seed: u64,
    /// Ascending by id.
    pub members: Vec<AssignMember>,
    /// Subscribed topics that exist, ascending.
    pub topics: Vec<Arc<str>>,
    pub partition_counts: Vec<u32>,
    pub subscriptions: Subscriptions,
    /// Last assignment a slot; [`NOBODY`]: nobody that is here.
    pub owners: Vec<u32>,
    /// What cooperative members have not yet given up.
    pub held: Vec<u32>,
}

/// One member as an assignor sees it.
#[derive(Debug)]
pub struct AssignMember {
    pub id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    pub client: Client,
    pub rack: Option<String>,
    pub user_data: Option<Bytes>,
    /// Version of its subscription, and so of its assignment.
    version: i16,
}

#[cfg(test)]
impl AssignMember {
    pub(super) fn for_test(id: String, like: &Self) -> Self {
        Self {
            id: id.into(),
            instance_id: None,
            client: like.client.clone(),
            rack: None,
            user_data: None,
            version: like.version,
        }
    }
}

/// Equal subscriptions share a set; set s is `topics[starts[s] .. starts[s + 1]]`, ascending.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    pub set_of_member: Vec<u32>,
    pub starts: Vec<u32>,
    pub topics: Vec<u32>,
}

impl Subscriptions {
    /// Topics of that member, by index, ascending.
    pub fn of(&self, member: usize) -> &[u32] {
        let set = self.set_of_member[member] as usize;
        &self.topics[self.starts[set] as usize..self.starts[set + 1] as usize]
    }
}

/// Which rule made an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Name of the plugin, or `uniform` when the built-in one stepped in.
    pub assignor: Arc<str>,
    pub version: Arc<str>,
    pub digest: Arc<str>,
    /// The binding's plugin and generation at that time.
    pub binding: Binding,
}

/// Why there is no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignFault {
    #[error("not live: {0}")]
    NotLive(String),
    #[error("call failed: {0}")]
    Failed(String),
    #[error("no answer in {after_ms} ms")]
    TimedOut { after_ms: u64 },
    #[error("answered {answered} slots, there are {slots}")]
    WrongLength { answered: usize, slots: usize },
    #[error("gave {topic}-{partition} to member {member}, there are {members}")]
    NoSuchMember { topic: Arc<str>, partition: u32, member: u32, members: usize },
    #[error("gave {topic}-{partition} to {member}, not subscribed to it")]
    NotSubscribed { topic: Arc<str>, partition: u32, member: Arc<str> },
}

/// The assignment that a generation waits for.
#[derive(Debug)]
pub(super) struct Plan {
    pub run_id: RunId,
    pub input: Arc<AssignInput>,
    pub phase: Phase,
    /// When this generation first asked, monotonic.
    pub asked_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Failed; asked again when the timer fires.
    Pausing,
    /// Answered, and on its way into the log.
    Written,
}

/// The owners that a plan wanted, by name, so that it outlives indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    members: Vec<Arc<str>>,
    topics: BTreeMap<Arc<str>, Vec<u32>>,
}

impl Target {
    pub fn new(input: &AssignInput, owners: &[u32]) -> Self {
        let members = input.members.iter().map(|member| member.id.clone()).collect();
        let mut topics = BTreeMap::new();
        let mut slots = owners;
        for (topic, count) in input.topics.iter().zip(&input.partition_counts) {
            let (own, rest) = slots.split_at(*count as usize);
            topics.insert(topic.clone(), own.to_vec());
            slots = rest;
        }
        Self { members, topics }
    }

    pub fn rename(&mut self, old: &str, new: &Arc<str>) {
        for member in &mut self.members {
            if member.as_ref() == old {
                *member = new.clone();
            }
        }
    }
}

impl AssignInput {
    /// Gathers what the members of a group that has just joined say; also gives back those whose
    /// subscription cannot be read, which count as subscribed to nothing.
    pub(super) fn new(
        group: &Group,
        binding: Binding,
        view: &dyn View,
        seed: u64,
    ) -> (Self, Vec<Arc<str>>) {
        let protocol = group.protocol.as_deref().unwrap_or_default();
        let mut unreadable = Vec::new();
        let mut members = Vec::new();
        let mut subscribed = Vec::new();
        let mut claims = Vec::new();
        for member in group.members.values() {
            let said = Subscription::read(&member.metadata(protocol)).unwrap_or_else(|_| {
                unreadable.push(member.id.clone());
                Subscription::default()
            });
            members.push(AssignMember {
                id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                client: member.client.clone(),
                rack: said.rack,
                user_data: said.user_data,
                version: said.version.clamp(0, VERSION_MAX),
            });
            subscribed.push(said.topics);
            claims.push((said.version, said.generation, said.owned));
        }
        let (numbers, subscribed) = distinct(&subscribed);
        let (topics, partition_counts) = existing_topics(&subscribed, view);
        let mut input = Self {
            group: group.id.clone(),
            generation: group.generation,
            binding,
            seed,
            members,
            subscriptions: subscription_sets(&numbers, &subscribed, &topics),
            topics,
            partition_counts,
            owners: Vec::new(),
            held: Vec::new(),
        };
        input.owners = input.last_owners(group);
        input.held = vec![NOBODY; input.slots()];
        if protocol == COOPERATIVE {
            // A member that slept through a generation has lost what it thinks it owns.
            let newest = claims.iter().map(|(_, generation, _)| *generation).max();
            let firsts = input.first_slots();
            for (member, (version, generation, owned)) in claims.iter().enumerate() {
                if *version < 2 || Some(*generation) == newest {
                    for part in owned {
                        input.claim(&firsts, member, &part.topic, &part.partitions);
                    }
                }
            }
        }
        (input, unreadable)
    }

    /// How many partitions there are to assign.
    pub fn slots(&self) -> usize {
        self.partition_counts.iter().map(|count| *count as usize).sum()
    }

    /// First slot of each topic.
    pub fn first_slots(&self) -> Vec<usize> {
        let counts = self.partition_counts.iter();
        let firsts = counts.scan(0, |next, count| {
            let first = *next;
            *next += *count as usize;
            Some(first)
        });
        firsts.collect()
    }

    fn claim(&mut self, firsts: &[usize], member: usize, topic: &str, partitions: &[i32]) {
        let Ok(at) = self.topics.binary_search_by(|known| known.as_ref().cmp(topic)) else {
            return;
        };
        for partition in partitions {
            let Ok(partition) = u32::try_from(*partition) else { continue };
            if partition < self.partition_counts[at] {
                let slot = &mut self.held[firsts[at] + partition as usize];
                if *slot == NOBODY {
                    *slot = member as u32;
                }
            }
        }
    }

    /// From the last plan if there is one, else from the assignments in the log.
    fn last_owners(&self, group: &Group) -> Vec<u32> {
        let index = |id: &str| {
            let found = self.members.binary_search_by(|member| member.id.as_ref().cmp(id));
            found.map_or(NOBODY, |at| at as u32)
        };
        let mut owners = Vec::with_capacity(self.slots());
        if let Some(target) = &group.target {
            let now: Vec<u32> = target.members.iter().map(|id| index(id)).collect();
            for (topic, count) in self.topics.iter().zip(&self.partition_counts) {
                let before = target.topics.get(topic).map(Vec::as_slice).unwrap_or_default();
                owners.extend((0..*count as usize).map(|partition| {
                    let owner = before.get(partition).copied().unwrap_or(NOBODY);
                    now.get(owner as usize).copied().unwrap_or(NOBODY)
                }));
            }
            return owners;
        }
        owners.resize(self.slots(), NOBODY);
        let firsts = self.first_slots();
        for (at, member) in group.members.values().enumerate() {
            for part in read_assignment(&member.assignment).unwrap_or_default() {
                let known = |topic: &Arc<str>| topic.as_ref().cmp(part.topic.as_str());
                let Ok(topic) = self.topics.binary_search_by(known) else { continue };
                for partition in &part.partitions {
                    let Ok(partition) = u32::try_from(*partition) else { continue };
                    if partition < self.partition_counts[topic] {
                        owners[firsts[topic] + partition as usize] = at as u32;
                    }
                }
            }
        }
        owners
    }

    /// Checks an answer in one scan: its length, the members' range, their subscriptions.
    pub fn check(&self, answer: &[u32]) -> Result<(), AssignFault> {
        let slots = self.slots();
        if answer.len() != slots {
            return Err(AssignFault::WrongLength { answered: answer.len(), slots });
        }
        let mut rest = answer;
        for (at, (topic, count)) in self.topics.iter().zip(&self.partition_counts).enumerate() {
            let (own, after) = rest.split_at(*count as usize);
            rest = after;
            // Owners come in runs of few, so that the last verdict usually holds.
            let mut passed = NOBODY;
            for (partition, member) in own.iter().enumerate() {
                if *member == NOBODY || *member == passed {
                    continue;
                }
                self.check_owner(at, topic, partition as u32, *member)?;
                passed = *member;
            }
        }
        Ok(())
    }

    fn check_owner(
        &self,
        at: usize,
        topic: &Arc<str>,
        partition: u32,
        member: u32,
    ) -> Result<(), AssignFault> {
        let members = self.members.len();
        let topic = topic.clone();
        let Some(known) = self.members.get(member as usize) else {
            return Err(AssignFault::NoSuchMember { topic, partition, member, members });
        };
        match self.subscriptions.of(member as usize).binary_search(&(at as u32)) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(AssignFault::NotSubscribed { topic, partition, member: known.id.clone() })
            }
        }
    }

    /// The last owners, as far as they are here and still subscribed; `None` when none is left.
    pub(super) fn last_valid(&self) -> Option<Vec<u32>> {
        let mut owners = self.owners.clone();
        let firsts = self.first_slots();
        for (at, (topic, count)) in self.topics.iter().zip(&self.partition_counts).enumerate() {
            for partition in 0..*count {
                let owner = &mut owners[firsts[at] + partition as usize];
                if *owner != NOBODY && self.check_owner(at, topic, partition, *owner).is_err() {
                    *owner = NOBODY;
                }
            }
        }
        owners.iter().any(|owner| *owner != NOBODY).then_some(owners)
    }

    /// What each member is told now: `owners` without what another member still holds. Those
    /// members see that they must give it up, and rejoin by themselves when they have.
    pub(super) fn assignments(
        &self,
        owners: &[u32],
    ) -> Result<BTreeMap<Arc<str>, Bytes>, WireError> {
        let mut parts = vec![Vec::new(); self.members.len()];
        let mut slot = 0;
        for (topic, count) in self.topics.iter().zip(&self.partition_counts) {
            for partition in 0..*count as usize {
                let (owner, held) = (owners[slot], self.held[slot]);
                slot += 1;
                if owner == NOBODY || (held != NOBODY && held != owner) {
                    continue;
                }
                let own: &mut Vec<assignment::TopicPartition> = &mut parts[owner as usize];
                match own.last_mut() {
                    Some(last) if last.topic == topic.as_ref() => {
                        last.partitions.push(partition as i32);
                    }
                    _ => own.push(assignment::TopicPartition {
                        topic: topic.to_string(),
                        partitions: vec![partition as i32],
                    }),
                }
            }
        }
        let encoded = self.members.iter().zip(parts).map(|(member, assigned_partitions)| {
            let body = ConsumerProtocolAssignment { assigned_partitions, ..Default::default() };
            Ok((member.id.clone(), write_versioned_value(&body, member.version)?))
        });
        encoded.collect()
    }
}

/// Topics that somebody wants and that exist, ascending, with their partitions.
fn existing_topics(subscribed: &[&[u8]], view: &dyn View) -> (Vec<Arc<str>>, Vec<u32>) {
    let mut wanted: Vec<&str> = subscribed.iter().flat_map(|topics| names(topics)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found = wanted.into_iter().filter_map(|name| {
        let info = view.topic(name)?;
        Some((Arc::from(name), info.partitions))
    });
    found.unzip()
}

fn subscription_sets(
    numbers: &[usize],
    subscribed: &[&[u8]],
    topics: &[Arc<str>],
) -> Subscriptions {
    let mut known: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
    let mut sets = Subscriptions { starts: vec![0], ..Subscriptions::default() };
    let mut set_of_number = Vec::with_capacity(subscribed.len());
    for wanted in subscribed {
        let found = names(wanted).filter_map(|name| {
            topics.binary_search_by(|topic| topic.as_ref().cmp(name)).ok().map(|at| at as u32)
        });
        let mut set: Vec<u32> = found.collect();
        set.sort_unstable();
        set.dedup();
        let number = match known.get(&set) {
            Some(number) => *number,
            None => {
                let number = known.len() as u32;
                sets.topics.extend(&set);
                sets.starts.push(sets.topics.len() as u32);
                known.insert(set, number);
                number
            }
        };
        set_of_number.push(number);
    }
    sets.set_of_member = numbers.iter().map(|number| set_of_number[*number]).collect();
    sets
}

/// Partitions of an assignment of protocol type `consumer`; empty bytes are an empty one.
pub(super) fn read_assignment(bytes: &Bytes) -> Result<Vec<assignment::TopicPartition>, WireError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let (_, body) = read_versioned_value_leniently::<ConsumerProtocolAssignment>(bytes)?;
    Ok(body.assigned_partitions)
}
