//! Members of a classic consumer group, each on a thread and a connection of its own.
//!
//! Owns: joining, syncing, heartbeats, rejoining; commits outside of a group's generations.
//! Leaves to others: records. Invariant: a leader proposes that it alone owns something, so that an
//! assignment that the coordinator took from a client is seen at once.
//! Start reading at: [`Members::start`], then [`Members::settled`].
#![allow(dead_code, reason = "tests of several rooms use it, each a part")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use logmill::base::Bytes;
use logmill::wire::generated::consumer_protocol_assignment::{
    ConsumerProtocolAssignment, TopicPartition,
};
use logmill::wire::generated::consumer_protocol_subscription::ConsumerProtocolSubscription;
use logmill::wire::generated::find_coordinator_request::FindCoordinatorRequest;
use logmill::wire::generated::find_coordinator_response::FindCoordinatorResponse;
use logmill::wire::generated::heartbeat_request::HeartbeatRequest;
use logmill::wire::generated::heartbeat_response::HeartbeatResponse;
use logmill::wire::generated::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use logmill::wire::generated::join_group_response::JoinGroupResponse;
use logmill::wire::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use logmill::wire::generated::offset_commit_response::OffsetCommitResponse;
use logmill::wire::generated::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use logmill::wire::generated::offset_fetch_response::OffsetFetchResponse;
use logmill::wire::generated::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use logmill::wire::generated::sync_group_response::SyncGroupResponse;
use logmill::wire::protocol::{read_versioned_value, write_versioned_value};

use crate::client::Kafka;
use crate::harness::wait::{SOON, Wait, let_pass};

const BEAT_EVERY: Duration = Duration::from_millis(20);

const MEMBER_ID_REQUIRED: i16 = 79;
/// Come again: the coordinator loads, or is not there yet.
const COME_AGAIN: [i16; 3] = [14, 15, 16];
/// Join again: illegal generation, unknown member, rebalance in progress.
const JOIN_AGAIN: [i16; 3] = [22, 25, 27];

/// What a member owns since a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub generation: i32,
    pub partitions: Vec<i32>,
}

type Board = Arc<Mutex<BTreeMap<String, Owned>>>;

/// Members of one group that read one topic.
pub struct Members {
    board: Board,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    count: usize,
}

impl Members {
    /// One member per client id.
    pub fn start(port: u16, group: &str, topic: &str, client_ids: &[&str]) -> Self {
        let (board, stop) = (Board::default(), Arc::new(AtomicBool::new(false)));
        let threads = client_ids.iter().map(|client_id| {
            let member = Member {
                kafka: Kafka::connect(port, client_id),
                client_id: (*client_id).to_owned(),
                group: group.to_owned(),
                topic: topic.to_owned(),
                id: String::new(),
                generation: -1,
            };
            let (board, stop) = (board.clone(), stop.clone());
            std::thread::spawn(move || member.run(&board, &stop))
        });
        let threads = threads.collect();
        Self { board, stop, threads, count: client_ids.len() }
    }

    /// Partitions by client id, once all members are in one generation after `after`.
    #[track_caller]
    pub fn settled(&self, after: i32) -> (i32, BTreeMap<String, Vec<i32>>) {
        let wait = Wait::for_at_most(SOON);
        loop {
            let board = self.board.lock().expect("no member failed").clone();
            let generations: Vec<i32> = board.values().map(|owned| owned.generation).collect();
            let same = generations.windows(2).all(|pair| pair[0] == pair[1]);
            if board.len() == self.count && same && after < generations[0] {
                let owned = board.into_iter().map(|(id, owned)| (id, owned.partitions)).collect();
                return (generations[0], owned);
            }
            let failed = self.threads.iter().any(JoinHandle::is_finished);
            assert!(!failed, "not settled after {after}: {board:?}");
            wait.again(|| format!("not settled after {after}: {board:?}"));
        }
    }

    /// Ends all members; they do not leave.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no member failed"));
    }
}

struct Member {
    kafka: Kafka,
    client_id: String,
    group: String,
    topic: String,
    id: String,
    generation: i32,
}

impl Member {
    fn run(mut self, board: &Board, stop: &AtomicBool) {
        find(&mut self.kafka, &self.group);
        while !stop.load(Ordering::Relaxed) {
            let Some(partitions) = self.join() else { continue };
            let owned = Owned { generation: self.generation, partitions };
            board.lock().expect("no member failed").insert(self.client_id.clone(), owned);
            while !stop.load(Ordering::Relaxed) && self.beat() {
                let_pass(BEAT_EVERY);
            }
        }
    }

    /// One join and sync; `None`: once more.
    fn join(&mut self) -> Option<Vec<i32>> {
        let subscription =
            ConsumerProtocolSubscription { topics: vec![self.topic.clone()], ..Default::default() };
        let metadata = write_versioned_value(&subscription, 1).expect("a subscription");
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 30_000,
            member_id: self.id.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
            ..Default::default()
        };
        let told: JoinGroupResponse = self.kafka.ask(&request, 5);
        match told.error_code {
            0 => (),
            MEMBER_ID_REQUIRED => {
                self.id = told.member_id;
                return None;
            }
            code => return self.again(code),
        }
        (self.id, self.generation) = (told.member_id, told.generation_id);
        let is_leader = told.leader == self.id;
        self.sync(is_leader)
    }

    fn sync(&mut self, is_leader: bool) -> Option<Vec<i32>> {
        let own = ConsumerProtocolAssignment {
            assigned_partitions: vec![TopicPartition {
                topic: self.topic.clone(),
                partitions: vec![0],
            }],
            ..Default::default()
        };
        let assignment = write_versioned_value(&own, 1).expect("an assignment");
        let ours = SyncGroupRequestAssignment { member_id: self.id.clone(), assignment };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            assignments: if is_leader { vec![ours] } else { Vec::new() },
            ..Default::default()
        };
        let told: SyncGroupResponse = self.kafka.ask(&request, 3);
        if told.error_code != 0 {
            return self.again(told.error_code);
        }
        Some(partitions(&told.assignment))
    }

    fn again(&mut self, code: i16) -> Option<Vec<i32>> {
        assert!(COME_AGAIN.contains(&code) || JOIN_AGAIN.contains(&code), "error {code}");
        if code == 25 {
            self.id.clear();
        }
        let_pass(BEAT_EVERY);
        None
    }

    /// False: join again.
    fn beat(&mut self) -> bool {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            ..Default::default()
        };
        let told: HeartbeatResponse = self.kafka.ask(&request, 3);
        match told.error_code {
            0 => true,
            code => {
                self.again(code);
                false
            }
        }
    }
}

fn partitions(assignment: &Bytes) -> Vec<i32> {
    if assignment.is_empty() {
        return Vec::new();
    }
    let told: ConsumerProtocolAssignment = read_versioned_value(assignment).expect("readable");
    let mut all: Vec<i32> =
        told.assigned_partitions.into_iter().flat_map(|topic| topic.partitions).collect();
    all.sort_unstable();
    all
}

/// Waits until the group has a coordinator.
pub fn find(kafka: &mut Kafka, group: &str) {
    let request = FindCoordinatorRequest { key: group.into(), ..Default::default() };
    again(|| kafka.ask::<_, FindCoordinatorResponse>(&request, 2).error_code);
}

/// Asks until the coordinator is there.
#[track_caller]
fn again(mut ask: impl FnMut() -> i16) {
    let wait = Wait::for_at_most(SOON);
    loop {
        match ask() {
            0 => return,
            code if COME_AGAIN.contains(&code) => wait.again(|| format!("error {code}")),
            code => panic!("error {code}"),
        }
    }
}

/// Commits an offset as a consumer that is no member.
#[track_caller]
pub fn commit(kafka: &mut Kafka, group: &str, topic: &str, partition: i32, offset: i64) {
    find(kafka, group);
    let place = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_leader_epoch: -1,
        ..Default::default()
    };
    let topics = vec![OffsetCommitRequestTopic {
        name: topic.into(),
        partitions: vec![place],
        ..Default::default()
    }];
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics,
        ..Default::default()
    };
    again(|| {
        let told: OffsetCommitResponse = kafka.ask(&request, 7);
        told.topics[0].partitions[0].error_code
    });
}

/// The committed offset, -1 without one.
#[track_caller]
pub fn committed(kafka: &mut Kafka, group: &str, topic: &str, partition: i32) -> i64 {
    find(kafka, group);
    let topics =
        vec![OffsetFetchRequestTopic { name: topic.into(), partition_indexes: vec![partition] }];
    let request =
        OffsetFetchRequest { group_id: group.into(), topics: Some(topics), ..Default::default() };
    let mut offset = -1;
    again(|| {
        let told: OffsetFetchResponse = kafka.ask(&request, 5);
        if told.error_code == 0 {
            let place = &told.topics[0].partitions[0];
            offset = place.committed_offset;
            return place.error_code;
        }
        told.error_code
    });
    offset
}
