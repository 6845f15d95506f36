//! State: one classic group and its members, without effects.
//!
//! Owns: membership, votes for a protocol, the leader, the group's state and what follows which.
//! Leaves to others: timers and answers (`rebalance`), records (`records`).
//! Invariant: `votes` counts the protocols of exactly the members that are here; every static
//! name maps to one of them; a leader, if any, is one of them.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assign::{Plan, Provenance, Target};
use super::subscription::{distinct, names, read_topics};
use super::{Client, Token};
use crate::base::Bytes;
use crate::model::ErrorCode;

/// Protocol type of consumers; only its subscriptions are ever parsed.
pub(super) const CONSUMER: &str = "consumer";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    /// As Kafka's tools print it.
    pub fn kafka_name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A request that waits, and the version in which to answer it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parked {
    pub token: Token,
    pub version: i16,
}

/// One strategy that a member offers, with its subscription; opaque unless of type `consumer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Protocol {
    pub name: String,
    pub metadata: Bytes,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    pub client: Client,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    pub join: Option<Parked>,
    pub sync: Option<Parked>,
    /// Not yet part of a generation.
    pub is_new: bool,
}

impl Member {
    /// What it sent for that protocol; empty when it does not offer it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|offered| offered.name == protocol);
        found.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    pub fn bytes(&self) -> usize {
        metadata_bytes(&self.protocols) + self.assignment.len()
    }
}

pub(super) fn metadata_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum()
}

/// The first round of an empty group waits for more members: this long now, this much at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialDelay {
    pub delay_ms: u64,
    pub remaining_ms: u64,
}

#[derive(Debug)]
pub(super) struct Group {
    pub id: Arc<str>,
    pub incarnation: u64,
    pub state: State,
    pub previous: State,
    /// Wall clock of the last change of state.
    pub state_since_ms: Option<i64>,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub generation: i32,
    pub leader: Option<Arc<str>>,
    pub members: BTreeMap<Arc<str>, Member>,
    pub static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Were given an id and have not joined with it.
    pub pending_joins: BTreeSet<Arc<str>>,
    /// Have not synced in this generation.
    pub pending_syncs: BTreeSet<Arc<str>>,
    pub joins_parked: usize,
    votes: BTreeMap<String, usize>,
    /// Topics of all members; `None`: unknown.
    pub subscribed: Option<BTreeSet<String>>,
    pub initial: Option<InitialDelay>,
    /// Somebody joined since the initial delay was last looked at.
    pub member_added: bool,
    /// The plugin assignment that this generation waits for.
    pub plan: Option<Plan>,
    /// Runs that failed in a row.
    pub plan_failures: u32,
    /// Owners that the last plan wanted, also where they wait for a revocation.
    pub target: Option<Target>,
    pub provenance: Option<Provenance>,
}

impl Group {
    pub fn new(id: Arc<str>, incarnation: u64, wall_ms: i64) -> Self {
        Self {
            id,
            incarnation,
            state: State::Empty,
            previous: State::Empty,
            state_since_ms: Some(wall_ms),
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            joins_parked: 0,
            votes: BTreeMap::new(),
            subscribed: None,
            initial: None,
            member_added: false,
            plan: None,
            plan_failures: 0,
            target: None,
            provenance: None,
        }
    }

    /// Moves on. A wrong step is a mistake of ours, not of a client.
    pub fn transition(&mut self, to: State, wall_ms: i64) {
        let allowed = match to {
            State::Empty | State::CompletingRebalance => self.state == State::PreparingRebalance,
            State::PreparingRebalance => self.state != State::PreparingRebalance,
            State::Stable => self.state == State::CompletingRebalance,
        };
        assert!(allowed, "group {}: {:?} after {:?}", self.id, to, self.state);
        self.previous = self.state;
        self.state = to;
        self.state_since_ms = Some(wall_ms);
    }

    pub fn is_consumer(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Only commits offsets, or nobody has joined yet.
    pub fn is_simple(&self) -> bool {
        self.protocol_type.is_none()
    }

    /// Nobody ever joined, and no record of its own says that it exists.
    pub fn is_nothing_but_offsets(&self) -> bool {
        self.is_simple()
            && self.state == State::Empty
            && self.state_since_ms.is_none()
            && self.pending_joins.is_empty()
    }

    pub fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        u64::try_from(longest.unwrap_or(0)).unwrap_or(0)
    }

    pub fn has_all_joined(&self) -> bool {
        self.members.len() == self.joins_parked && self.pending_joins.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum()
    }

    /// Who may act as that member: known, and not replaced under its static name.
    pub fn validate(&self, member: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current.as_ref() != member => {
                    return Err(ErrorCode::FencedInstanceId);
                }
                Some(_) => (),
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether a member that offers `protocols` finds one that all others offer too.
    pub fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|offered| {
                self.votes.get(&offered.name).copied().unwrap_or(0) == self.members.len()
            })
    }

    pub fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        assert!(self.protocol_type.as_deref() == Some(protocol_type));
        if let Some(instance_id) = &member.instance_id {
            let before = self.static_members.insert(instance_id.clone(), member.id.clone());
            assert!(before.is_none(), "static member {instance_id} twice");
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.pending_joins.remove(&member.id);
        self.vote(&member.protocols);
        self.joins_parked += usize::from(member.join.is_some());
        let before = self.members.insert(member.id.clone(), member);
        assert!(before.is_none(), "a member twice");
    }

    /// Takes a member out, or forgets that its id was given out. The caller answers its requests.
    pub fn remove(&mut self, id: &str) -> Option<Member> {
        self.pending_joins.remove(id);
        self.pending_syncs.remove(id);
        let member = self.members.remove(id)?;
        self.unvote(&member.protocols);
        self.joins_parked -= usize::from(member.join.is_some());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// The same member under another id; gives back what it was.
    pub fn rename(&mut self, old: &str, new: Arc<str>) -> Member {
        let before = self.members.remove(old).expect("a static name maps to a member");
        self.joins_parked -= usize::from(before.join.is_some());
        self.pending_syncs.remove(old);
        let member = Member { id: new.clone(), join: None, sync: None, ..before.clone() };
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), new.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        if let Some(target) = &mut self.target {
            target.rename(old, &new);
        }
        self.members.insert(new, member);
        before
    }

    pub fn set_protocols(&mut self, id: &str, protocols: Vec<Protocol>) {
        let member = self.members.get_mut(id).expect("the caller has looked");
        let before = std::mem::replace(&mut member.protocols, protocols.clone());
        self.unvote(&before);
        self.vote(&protocols);
    }

    /// Parks a JoinGroup; gives back the one that waited before, for its answer.
    pub fn park_join(&mut self, id: &str, parked: Parked) -> Option<Parked> {
        let member = self.members.get_mut(id).expect("the caller has looked");
        let before = member.join.replace(parked);
        self.joins_parked += usize::from(before.is_none());
        before
    }

    pub fn take_join(&mut self, id: &str) -> Option<Parked> {
        let parked = self.members.get_mut(id)?.join.take();
        self.joins_parked -= usize::from(parked.is_some());
        parked
    }

    /// The protocol with most votes among those that all offer; ties go by name.
    pub fn select_protocol(&self) -> Option<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice = member
                .protocols
                .iter()
                .find(|offered| self.votes.get(&offered.name) == Some(&self.members.len()))?;
            *counts.entry(&choice.name).or_default() += 1;
        }
        let most = counts.into_iter().rev().max_by_key(|(_, votes)| *votes);
        most.map(|(name, _)| name.to_owned())
    }

    /// Keeps the leader if it rejoined, else takes one that did; false when nobody did.
    pub fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = &self.leader else { return false };
        if self.members.get(leader).is_some_and(|member| member.join.is_some()) {
            return true;
        }
        match self.members.values().find(|member| member.join.is_some()) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    fn vote(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.votes.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn unvote(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            let votes = self.votes.get_mut(&protocol.name).expect("votes count all members");
            *votes -= 1;
            if *votes == 0 {
                self.votes.remove(&protocol.name);
            }
        }
    }

    /// Whether offsets of that topic are in use; unknown subscriptions of consumers count as yes.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer(),
        }
    }

    /// Reads the subscriptions of the chosen protocol; `None` when they cannot be known.
    pub fn compute_subscribed(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let said = self.members.values().map(|member| read_topics(&member.metadata(protocol)));
        let said: Vec<Bytes> = said.collect::<Result<_, _>>().ok()?;
        let (_, subscribed) = distinct(&said);
        let topics = subscribed.iter().flat_map(|topics| names(topics)).map(str::to_owned);
        Some(topics.collect())
    }
}
