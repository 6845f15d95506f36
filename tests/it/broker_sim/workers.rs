//! Members of one consumer group: they join, share partitions out, leave, fall silent, come again.
//!
//! Owns: what a group promises its members: one leader a generation, the leader's word for each,
//! generations that never come twice once a member worked in them.
//! Leaves to others: committed offsets (`model`), groups in every detail (`group`'s own tests).
//! Start reading at: [`Workers::joins`], [`work_for_ever`].
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::sim::{ADDRESS, ClientError, KafkaClient};
use logmill::wire::generated::heartbeat_request::HeartbeatRequest;
use logmill::wire::generated::heartbeat_response::HeartbeatResponse;
use logmill::wire::generated::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use logmill::wire::generated::join_group_response::JoinGroupResponse;
use logmill::wire::generated::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use logmill::wire::generated::leave_group_response::LeaveGroupResponse;
use logmill::wire::generated::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use logmill::wire::generated::sync_group_response::SyncGroupResponse;

use super::clients::{COORDINATOR_ERRORS, Site, group_name};
use super::model::PARTITIONS;

pub const WORKERS: usize = 3;
/// A group of their own, behind those that commit.
const GROUP: usize = super::clients::GROUPS;
/// Of the session and of a rebalance: a member that fell silent is missed soon.
const SILENCE_MS: i32 = 20;
const BEAT_NS_MAX: u64 = 4_000_000;
const MEMBER_ID_REQUIRED: i16 = 79;
const UNKNOWN_MEMBER: i16 = 25;
/// Join again: illegal generation, unknown member, rebalance in progress.
const JOIN_AGAIN: [i16; 3] = [22, UNKNOWN_MEMBER, 27];
/// From here a member that leaves is named in a list.
const LEAVE_LIST_VERSION: i16 = 3;

/// What the members of the group were told.
#[derive(Default)]
pub struct Workers {
    /// Leader of each generation of this life, and what it said to each member.
    leaders: BTreeMap<i32, String>,
    words: BTreeMap<i32, BTreeMap<String, Bytes>>,
    /// Newest generation in which a member worked, and that of the lives before this one.
    worked: i32,
    worked_before: i32,
    /// What each works on now.
    owned: [Option<(i32, BTreeSet<u8>)>; WORKERS],
}

impl Workers {
    /// The node has started again: nobody is a member that it would know.
    pub fn begin_life(&mut self) {
        self.leaders.clear();
        self.words.clear();
        self.worked_before = self.worked;
        self.owned = Default::default();
    }

    /// Newest generation in which a member worked.
    pub fn generation(&self) -> i32 {
        self.worked
    }

    /// Everybody works, in one generation, and each partition is with one of them.
    pub fn is_settled(&self) -> bool {
        let mut seen = BTreeSet::new();
        let Some((first, _)) = &self.owned[0] else { return false };
        let fits = |owned: &Option<(i32, BTreeSet<u8>)>| {
            owned.as_ref().is_some_and(|(generation, partitions)| {
                generation == first && partitions.iter().all(|partition| seen.insert(*partition))
            })
        };
        self.owned.iter().all(fits) && seen.len() == PARTITIONS as usize
    }

    /// An answer to a join.
    fn joins(&mut self, answer: &JoinGroupResponse) -> Result<(), String> {
        let JoinGroupResponse { generation_id, leader, member_id, members, .. } = answer;
        let before = self.worked_before;
        if *generation_id <= before {
            return Err(format!("generation {generation_id} after a restart, {before} before it"));
        }
        let known = self.leaders.entry(*generation_id).or_insert_with(|| leader.clone());
        if known != leader {
            return Err(format!("{known} and {leader} lead generation {generation_id}"));
        }
        let is_listed = members.iter().any(|member| member.member_id == *member_id);
        if (leader == member_id) != is_listed {
            return Err(format!("{member_id} of {leader}'s generation is told of {members:?}"));
        }
        Ok(())
    }

    /// A leader's proposal: the partitions in turn, each named by its number.
    fn proposes(&mut self, answer: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
        let count = answer.members.len();
        let mut assignments = Vec::new();
        for (at, member) in answer.members.iter().enumerate() {
            let own = (0..PARTITIONS as u8).filter(|partition| *partition as usize % count == at);
            let assignment: Bytes = own.collect::<Vec<u8>>().into();
            let words = self.words.entry(answer.generation_id).or_default();
            words.insert(member.member_id.clone(), assignment.clone());
            let member_id = member.member_id.clone();
            assignments.push(SyncGroupRequestAssignment { member_id, assignment });
        }
        assignments
    }

    /// An answer to a sync.
    fn works(&mut self, at: usize, joined: &JoinGroupResponse, own: &Bytes) -> Result<(), String> {
        let (generation, member) = (joined.generation_id, &joined.member_id);
        let word = self.words.get(&generation).and_then(|words| words.get(member));
        if word != Some(own) {
            return Err(format!("{member} of {generation} gets {own:?}, its leader said {word:?}"));
        }
        self.worked = self.worked.max(generation);
        self.owned[at] = Some((generation, own.iter().copied().collect()));
        Ok(())
    }
}

type Shared = Rc<RefCell<Workers>>;

/// One member, through broken connections.
pub async fn work_for_ever(site: Site, workers: Shared, at: usize) {
    let mut member_id = String::new();
    loop {
        site.pause(3_000_000).await;
        if let Ok(client) = KafkaClient::connect(&site.env, ADDRESS, "worker").await {
            let ended = work(&site, &workers, at, &mut member_id, client).await;
            workers.borrow_mut().owned[at] = None;
            if let Err(error) = ended {
                site.note(&format!("worker {at}"), &error);
            }
        }
        // Half of them come back as somebody new; who they were is missed after a while.
        if site.below(2) == 0 {
            member_id.clear();
        }
    }
}

/// Joins and works again and again; ends when it falls silent or the connection breaks.
async fn work(
    site: &Site,
    workers: &Shared,
    at: usize,
    member_id: &mut String,
    mut client: KafkaClient,
) -> Result<(), ClientError> {
    loop {
        workers.borrow_mut().owned[at] = None;
        let Some(joined) = join(site, workers, member_id, &mut client).await? else { continue };
        if !sync(site, workers, at, &joined, &mut client).await? {
            continue;
        }
        while beat(site, &joined, &mut client).await? {
            site.pause(BEAT_NS_MAX).await;
            let rests = site.model.borrow().resting;
            match site.below(12) {
                0 if !rests => return Ok(()),
                1 if !rests => {
                    workers.borrow_mut().owned[at] = None;
                    leave(site, member_id, &mut client).await?;
                    member_id.clear();
                    break;
                }
                _ => {}
            }
        }
    }
}

/// `None`: it has to be tried again.
async fn join(
    site: &Site,
    workers: &Shared,
    member_id: &mut String,
    client: &mut KafkaClient,
) -> Result<Option<JoinGroupResponse>, ClientError> {
    let protocols =
        vec![JoinGroupRequestProtocol { name: "range".to_owned(), metadata: Bytes::new() }];
    let request = JoinGroupRequest {
        group_id: group_name(GROUP),
        session_timeout_ms: SILENCE_MS,
        rebalance_timeout_ms: SILENCE_MS,
        member_id: member_id.clone(),
        protocol_type: "consumer".to_owned(),
        protocols,
        ..Default::default()
    };
    let version = [2, 5, 7, 9][site.below(4) as usize];
    let answer: JoinGroupResponse = client.ask(&request, version).await?;
    site.did();
    match answer.error_code {
        0 => {}
        MEMBER_ID_REQUIRED => {
            *member_id = answer.member_id;
            return Ok(None);
        }
        error => {
            if error == UNKNOWN_MEMBER {
                member_id.clear();
            }
            return go_on(site, "join", error).await.map(|()| None);
        }
    }
    *member_id = answer.member_id.clone();
    if let Err(sentence) = workers.borrow_mut().joins(&answer) {
        site.model.borrow_mut().fail(format!("workers: {sentence}"));
    }
    Ok(Some(answer))
}

/// True when the member works; else it joins again.
async fn sync(
    site: &Site,
    workers: &Shared,
    at: usize,
    joined: &JoinGroupResponse,
    client: &mut KafkaClient,
) -> Result<bool, ClientError> {
    let is_leader = joined.leader == joined.member_id;
    let assignments = if is_leader { workers.borrow_mut().proposes(joined) } else { Vec::new() };
    let request = SyncGroupRequest {
        group_id: group_name(GROUP),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments,
        ..Default::default()
    };
    let version = [1, 3, 5][site.below(3) as usize];
    let answer: SyncGroupResponse = client.ask(&request, version).await?;
    site.did();
    if answer.error_code != 0 {
        return go_on(site, "sync", answer.error_code).await.map(|()| false);
    }
    let told = workers.borrow_mut().works(at, joined, &answer.assignment);
    if let Err(sentence) = told {
        site.model.borrow_mut().fail(format!("workers: {sentence}"));
    }
    Ok(true)
}

async fn beat(
    site: &Site,
    joined: &JoinGroupResponse,
    client: &mut KafkaClient,
) -> Result<bool, ClientError> {
    let request = HeartbeatRequest {
        group_id: group_name(GROUP),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    let answer: HeartbeatResponse = client.ask(&request, 4).await?;
    site.did();
    if answer.error_code == 0 {
        return Ok(true);
    }
    go_on(site, "heartbeat", answer.error_code).await.map(|()| false)
}

async fn leave(site: &Site, member_id: &str, client: &mut KafkaClient) -> Result<(), ClientError> {
    let version = [1, 3, 5][site.below(3) as usize];
    let mut request = LeaveGroupRequest { group_id: group_name(GROUP), ..Default::default() };
    if version < LEAVE_LIST_VERSION {
        request.member_id = member_id.to_owned();
    } else {
        let member_id = member_id.to_owned();
        request.members = vec![MemberIdentity { member_id, ..Default::default() }];
    }
    let answer: LeaveGroupResponse = client.ask(&request, version).await?;
    site.did();
    match answer.error_code {
        0 => Ok(()),
        error => go_on(site, "leave", error).await,
    }
}

/// Errors after which a member joins again; all others are broken promises.
async fn go_on(site: &Site, what: &str, error: i16) -> Result<(), ClientError> {
    match error {
        error if JOIN_AGAIN.contains(&error) => {}
        error if COORDINATOR_ERRORS.contains(&error) => site.pause(2_000_000).await,
        error => return Err(site.refused(what, error)),
    }
    Ok(())
}
