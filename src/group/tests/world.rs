//! A coordinator with a log, a clock and clients that remember their ids; driven by scripts.
//!
//! `3s: join a b; sync a b; 20s: beat a` sets the clock before a step and lets every timer in
//! between fire. What comes out is one line for each answer. A client is written
//! `name[@static][/protocol,…][:topic,…][+owned,…]`; what is left out stays as it was.
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::base::Bytes;
use crate::group::*;
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::consumer_protocol_assignment::ConsumerProtocolAssignment;
use crate::wire::generated::consumer_protocol_subscription::{
    ConsumerProtocolSubscription, TopicPartition,
};
use crate::wire::generated::heartbeat_request::HeartbeatRequest;
use crate::wire::generated::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::wire::generated::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::wire::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::generated::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::wire::generated::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::wire::protocol::{read_versioned_value_leniently, write_versioned_value};

pub const GROUP: &str = "g";
/// Wall clock at monotonic 0.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

#[derive(Default)]
pub struct Cluster {
    pub topics: BTreeMap<String, (TopicId, u32)>,
    pub bindings: BTreeMap<String, Binding>,
}

impl View for Cluster {
    fn topic(&self, name: &str) -> Option<TopicInfo> {
        let (id, partitions) = *self.topics.get(name)?;
        Some(TopicInfo { id, partitions })
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        let found = self.topics.iter().find(|(_, (known, _))| *known == id);
        found.map(|(name, _)| Arc::from(name.as_str()))
    }

    fn assignor(&self, group: &str) -> Option<Binding> {
        self.bindings.get(group).cloned()
    }
}

#[derive(Clone, Debug)]
pub struct Consumer {
    pub id: String,
    pub instance: Option<String>,
    pub protocols: Vec<String>,
    pub topics: Vec<String>,
    pub owned: Vec<(String, i32)>,
    pub generation: i32,
    pub version: i16,
    pub members: Vec<String>,
    pub leads: bool,
}

pub struct World {
    pub coordinator: Coordinator,
    pub config: GroupConfig,
    pub cluster: Cluster,
    pub now_ms: u64,
    /// What is durable.
    pub log: Vec<Record>,
    pub writes: VecDeque<(WriteId, Vec<Record>)>,
    pub hold: bool,
    pub protocol_type: &'static str,
    pub runs: Vec<(RunId, Arc<AssignInput>)>,
    pub consumers: BTreeMap<String, Consumer>,
    pub asked: BTreeMap<Token, (String, &'static str)>,
    pub lines: String,
    turns: u64,
}

impl World {
    pub fn new() -> Self {
        let mut cluster = Cluster::default();
        cluster.topics.insert("t".into(), (TopicId([1; 16]), 4));
        cluster.topics.insert("u".into(), (TopicId([2; 16]), 2));
        let config = GroupConfig::default();
        let mut world = Self {
            coordinator: Coordinator::new(config.clone()),
            config,
            cluster,
            now_ms: 0,
            log: Vec::new(),
            writes: VecDeque::new(),
            hold: false,
            protocol_type: "consumer",
            runs: Vec::new(),
            consumers: BTreeMap::new(),
            asked: BTreeMap::new(),
            lines: String::new(),
            turns: 0,
        };
        world.load();
        world
    }

    pub fn turn<T>(&mut self, act: impl FnOnce(&mut Coordinator, &mut Turn<'_>) -> T) -> T {
        self.turns += 1;
        let mut out = Vec::new();
        let now = Now { ms: self.now_ms, wall_ms: EPOCH_MS + i64::try_from(self.now_ms).unwrap() };
        let random = u128::from(self.turns);
        let mut turn = Turn { now, view: &self.cluster, random, out: &mut out };
        let result = act(&mut self.coordinator, &mut turn);
        self.perform(out);
        result
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { token, response } => self.answered(token, response),
                Effect::Append { write_id, records } => self.writes.push_back((write_id, records)),
                Effect::Assign { run_id, input, .. } => self.runs.push((run_id, input)),
                Effect::Event { event: Event::AssignorFailed { reason, instead, .. }, .. } => {
                    self.say(&format!("assignor failed, {instead}: {reason}"));
                }
                Effect::Event { .. } => (),
            }
        }
        if !self.hold {
            self.flush(Ok(()));
        }
    }

    pub fn flush(&mut self, result: Result<(), ErrorCode>) {
        while let Some((write_id, records)) = self.writes.pop_front() {
            if result.is_ok() {
                self.log.extend(records);
            }
            self.turn(|coordinator, turn| coordinator.on_written(turn, write_id, result));
        }
    }

    /// Forgets the process and loads the log; clients keep what they know, answers are lost.
    pub fn crash(&mut self) {
        self.coordinator = Coordinator::new(self.config.clone());
        self.writes.clear();
        self.runs.clear();
        self.asked.clear();
        self.load();
    }

    fn load(&mut self) {
        for record in &self.log {
            self.coordinator.replay(&record.key, record.value.as_ref()).unwrap();
        }
        self.turn(|coordinator, turn| coordinator.on_loaded(turn));
    }

    pub fn advance(&mut self, to_ms: u64) {
        assert!(self.now_ms <= to_ms, "scripts go forward");
        while let Some(at) = self.coordinator.deadline()
            && at <= to_ms
        {
            self.now_ms = self.now_ms.max(at);
            self.turn(|coordinator, turn| coordinator.tick(turn));
        }
        self.now_ms = to_ms;
    }

    pub fn say(&mut self, text: &str) {
        let seconds = self.now_ms as f64 / 1_000.0;
        let mut text = text.to_owned();
        for consumer in self.consumers.values().filter(|consumer| !consumer.id.is_empty()) {
            text = text.replace(&consumer.id, short(&consumer.id));
        }
        writeln!(self.lines, "{seconds}s {text}").unwrap();
    }

    pub fn token(&mut self, who: &str, what: &'static str) -> Token {
        let token = Token(self.turns * 1_000 + self.asked.len() as u64);
        assert!(self.asked.insert(token, (who.to_owned(), what)).is_none());
        token
    }

    fn answered(&mut self, token: Token, response: Response) {
        let (who, what) = self.asked.remove(&token).expect("each request is answered once");
        let text = match response {
            Response::JoinGroup(join) => {
                let consumer = self.consumers.get_mut(&who).unwrap();
                match join.error_code {
                    0 => {
                        consumer.id.clone_from(&join.member_id);
                        consumer.generation = join.generation_id;
                        consumer.leads = join.leader == join.member_id;
                        consumer.members =
                            join.members.into_iter().map(|member| member.member_id).collect();
                        let role = if consumer.leads { "leads" } else { "follows" };
                        let skips = if join.skip_assignment { " without assigning" } else { "" };
                        let protocol = join.protocol_name.unwrap();
                        format!("{role} generation {} ({protocol}){skips}", join.generation_id)
                    }
                    code => {
                        if code == ErrorCode::MemberIdRequired.code() {
                            consumer.id = join.member_id;
                        }
                        name(code).to_owned()
                    }
                }
            }
            Response::SyncGroup(sync) if sync.error_code == 0 => show_assignment(&sync.assignment),
            Response::SyncGroup(sync) => name(sync.error_code).to_owned(),
            Response::Heartbeat(beat) => name(beat.error_code).to_owned(),
            Response::LeaveGroup(leave) => {
                let members = leave.members.iter().map(|member| name(member.error_code));
                format!("{} {:?}", name(leave.error_code), members.collect::<Vec<_>>())
            }
            Response::OffsetCommit(commit) => {
                let parts = commit.topics.iter().flat_map(|topic| &topic.partitions);
                parts.map(|part| name(part.error_code)).collect::<Vec<_>>().join(" ")
            }
            Response::OffsetFetch(fetch) if fetch.error_code == 0 => {
                let mut text = String::new();
                for topic in &fetch.topics {
                    for part in &topic.partitions {
                        let at = part.partition_index;
                        write!(text, "{}-{at}={} ", topic.name, part.committed_offset).unwrap();
                    }
                }
                text.trim_end().to_owned()
            }
            Response::OffsetFetch(fetch) => name(fetch.error_code).to_owned(),
            Response::DeleteGroups(results) => {
                let results = results.iter().map(|result| name(result.error_code));
                results.collect::<Vec<_>>().join(" ")
            }
            Response::OffsetDelete(delete) => name(delete.error_code).to_owned(),
        };
        self.say(&format!("{who} {what}: {text}"));
    }

    pub fn join(&mut self, who: &str, version: i16) {
        let consumer = self.consumers[who].clone();
        let protocols = consumer.protocols.iter().map(|name| JoinGroupRequestProtocol {
            name: name.clone(),
            metadata: subscription(&consumer),
        });
        let request = JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 30_000,
            member_id: consumer.id.clone(),
            group_instance_id: consumer.instance.clone(),
            protocol_type: self.protocol_type.into(),
            protocols: protocols.collect(),
            reason: None,
        };
        let client = Client { id: who.into(), host: "/127.0.0.1".into() };
        let token = self.token(who, "join");
        self.turn(|coordinator, turn| {
            coordinator.handle_join_group(turn, &request, version, &client, token);
        });
    }

    pub fn sync(&mut self, who: &str) {
        let consumer = self.consumers[who].clone();
        let assignments = consumer.members.iter().map(|member| SyncGroupRequestAssignment {
            member_id: member.clone(),
            assignment: Bytes::from(format!("for {}", short(member))),
        });
        let request = SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: consumer.generation,
            member_id: consumer.id.clone(),
            group_instance_id: consumer.instance.clone(),
            assignments: if consumer.leads { assignments.collect() } else { Vec::new() },
            ..Default::default()
        };
        let token = self.token(who, "sync");
        self.turn(|coordinator, turn| coordinator.handle_sync_group(turn, &request, 5, token));
    }

    pub fn beat(&mut self, who: &str) {
        let consumer = self.consumers[who].clone();
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id: consumer.generation,
            member_id: consumer.id,
            group_instance_id: consumer.instance,
        };
        let token = self.token(who, "beat");
        self.turn(|coordinator, turn| coordinator.handle_heartbeat(turn, &request, token));
    }

    pub fn leave(&mut self, who: &str, by_static_name: bool) {
        let consumer = self.consumers[who].clone();
        let member_id = if by_static_name { String::new() } else { consumer.id };
        let group_instance_id = consumer.instance;
        let member = MemberIdentity { member_id, group_instance_id, reason: None };
        let request = LeaveGroupRequest {
            group_id: GROUP.into(),
            members: vec![member],
            ..Default::default()
        };
        let token = self.token(who, "leave");
        self.turn(|coordinator, turn| coordinator.handle_leave_group(turn, &request, 5, token));
    }

    /// `who` may be `-`: somebody outside of the group.
    pub fn commit(&mut self, who: &str, topic: &str, partition: i32, offset: i64) {
        let consumer = self.consumers.get(who);
        let partition = OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: offset,
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: consumer.map_or(-1, |consumer| consumer.generation),
            member_id: consumer.map(|consumer| consumer.id.clone()).unwrap_or_default(),
            group_instance_id: consumer.and_then(|consumer| consumer.instance.clone()),
            topics: vec![topic],
            ..Default::default()
        };
        let token = self.token(who, "commit");
        self.turn(|coordinator, turn| {
            coordinator.handle_offset_commit(turn, &request, 9, token);
        });
    }

    pub fn fetch(&mut self, topic: &str, partition: i32, stable: bool) {
        let topic = OffsetFetchRequestTopics {
            name: topic.into(),
            partition_indexes: vec![partition],
            ..Default::default()
        };
        let request = OffsetFetchRequestGroup {
            group_id: GROUP.into(),
            topics: Some(vec![topic]),
            ..Default::default()
        };
        let token = self.token("-", "fetch");
        self.turn(|coordinator, turn| {
            coordinator.handle_offset_fetch(turn, request, 9, stable, token);
        });
    }

    pub fn delete_group(&mut self) {
        let token = self.token("-", "delete");
        self.turn(|coordinator, turn| {
            coordinator.handle_delete_groups(turn, &[GROUP.to_owned()], token);
        });
    }

    /// Reads `name[@static][/protocol,…][:topic,…][+owned,…]`.
    pub fn consumer(&mut self, text: &str) -> String {
        let (text, owned) = split(text, '+');
        let (text, topics) = split(text, ':');
        let (text, protocols) = split(text, '/');
        let (who, instance) = split(text, '@');
        let consumer = self.consumers.entry(who.to_owned()).or_insert_with(|| Consumer {
            id: String::new(),
            instance: None,
            protocols: vec!["range".into()],
            topics: vec!["t".into()],
            owned: Vec::new(),
            generation: -1,
            version: 3,
            members: Vec::new(),
            leads: false,
        });
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        if let Some(instance) = instance {
            consumer.instance = Some(instance.to_owned());
        }
        if let Some(protocols) = protocols {
            consumer.protocols = list(protocols);
        }
        if let Some(topics) = topics {
            consumer.topics = list(topics);
        }
        if let Some(owned) = owned {
            let part = |text: String| {
                (text[..1].to_owned(), text[1..].parse().expect("a topic of one letter"))
            };
            consumer.owned =
                list(owned).into_iter().filter(|text| !text.is_empty()).map(part).collect();
        }
        who.to_owned()
    }

    /// Runs a script and gives back what happened.
    pub fn run(&mut self, script: &str) -> String {
        for step in script.split(';').map(str::trim).filter(|step| !step.is_empty()) {
            let step = match step.split_once("s: ") {
                Some((seconds, rest)) => {
                    let seconds: f64 = seconds.parse().expect("seconds");
                    self.advance((seconds * 1_000.0) as u64);
                    rest.trim()
                }
                None => step,
            };
            let mut words = step.split_whitespace();
            let verb = words.next().expect("a verb");
            self.step(verb, &words.collect::<Vec<_>>());
        }
        std::mem::take(&mut self.lines)
    }

    fn step(&mut self, verb: &str, words: &[&str]) {
        match verb {
            "hold" => self.hold = true,
            "flush" => self.release(Ok(())),
            "fail" => self.release(Err(ErrorCode::NotLeaderOrFollower)),
            "crash" => self.crash(),
            "tick" => (),
            "show" => self.show(),
            "delete" => self.delete_group(),
            "bind" => self.bind(words),
            "unbind" => self.cluster.bindings.clear(),
            "rebound" => self.turn(|coordinator, turn| {
                coordinator.on_assignor_changed(turn, &Changed::Group(Arc::from(GROUP)));
            }),
            "activated" => self.turn(|coordinator, turn| {
                coordinator.on_assignor_changed(turn, &Changed::Plugin(Arc::from("weighted")));
            }),
            "answer" => self.answer(words),
            "commit" | "fetch" | "fetch-stable" => self.offsets(verb, words),
            _ => {
                for word in words {
                    let who = self.consumer(word);
                    match verb {
                        "join" => {
                            let dynamic = self.consumers[&who].instance.is_none();
                            if dynamic && self.consumers[&who].id.is_empty() {
                                let before = self.lines.len();
                                self.join(&who, 9);
                                self.lines.truncate(before);
                            }
                            self.join(&who, 9);
                        }
                        "ask" => self.join(&who, 9),
                        "join-old" => self.join(&who, 3),
                        "forget" => self.consumers.get_mut(&who).unwrap().id.clear(),
                        "sync" => self.sync(&who),
                        "beat" => self.beat(&who),
                        "leave" => self.leave(&who, false),
                        "remove" => self.leave(&who, true),
                        other => panic!("no verb {other}"),
                    }
                }
            }
        }
    }

    fn release(&mut self, result: Result<(), ErrorCode>) {
        self.flush(result);
        self.hold = false;
    }

    fn offsets(&mut self, verb: &str, words: &[&str]) {
        let (part, offset) = split(words.last().unwrap(), '=');
        let (topic, partition) = part.split_once('-').unwrap();
        let partition = partition.parse().unwrap();
        match verb {
            "commit" => self.commit(words[0], topic, partition, offset.unwrap().parse().unwrap()),
            other => self.fetch(topic, partition, other == "fetch-stable"),
        }
    }

    fn bind(&mut self, words: &[&str]) {
        let [generation, policy] = words else { panic!("bind GENERATION POLICY") };
        let policy = match *policy {
            "open" => FailurePolicy::Open,
            _ => FailurePolicy::Closed,
        };
        let generation = generation.parse().unwrap();
        let binding = weighted(generation, policy);
        self.cluster.bindings.insert(GROUP.into(), binding);
    }

    /// Letters say who gets each slot, `-` nobody; `trap` fails the call.
    fn answer(&mut self, words: &[&str]) {
        let (run_id, input) = self.runs.remove(0);
        let result = match words {
            ["trap"] => Err(AssignFault::Failed("trap".into())),
            [letters] => {
                let index = |letter: char| {
                    let found = |member: &AssignMember| member.id.starts_with(letter);
                    input.members.iter().position(found).map_or(NOBODY, |at| at as u32)
                };
                let owners = letters.chars().map(index).collect();
                Ok(Answer { owners, version: Arc::from("1"), digest: Arc::from("d1") })
            }
            _ => panic!("answer LETTERS"),
        };
        self.turn(|coordinator, turn| coordinator.on_assigned(turn, GROUP, run_id, result));
    }

    fn show(&mut self) {
        let text = match self.coordinator.group_view(GROUP) {
            None => "no group".to_owned(),
            Some(view) => {
                let members = view.members.iter().map(|member| short(&member.id).to_owned());
                let by = view.assignor.map(|made| format!(" by {}", made.assignor));
                format!(
                    "{} generation {} {:?}{}",
                    view.state,
                    view.generation,
                    members.collect::<Vec<_>>(),
                    by.unwrap_or_default()
                )
            }
        };
        self.say(&text);
    }
}

pub fn weighted(generation: u64, policy: FailurePolicy) -> Binding {
    Binding { plugin: Arc::from("weighted"), generation, policy }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn name(code: i16) -> &'static str {
    match ErrorCode::from_code(code).unwrap() {
        ErrorCode::None => "ok",
        error => error.kafka_name(),
    }
}

/// The name in front of the random part of a member id.
pub fn short(member: &str) -> &str {
    member.split('-').next().unwrap()
}

pub fn subscription(consumer: &Consumer) -> Bytes {
    if consumer.topics == ["?"] {
        return Bytes::from_static(b"\0\x03 no subscription");
    }
    let owned = consumer.owned.iter().map(|(topic, partition)| TopicPartition {
        topic: topic.clone(),
        partitions: vec![*partition],
    });
    let body = ConsumerProtocolSubscription {
        topics: consumer.topics.clone(),
        owned_partitions: owned.collect(),
        generation_id: if consumer.owned.is_empty() { -1 } else { consumer.generation },
        ..Default::default()
    };
    write_versioned_value(&body, consumer.version).unwrap()
}

fn show_assignment(bytes: &Bytes) -> String {
    if bytes.is_empty() {
        return "nothing".into();
    }
    if bytes.starts_with(b"for ") {
        return String::from_utf8(bytes.to_vec()).unwrap();
    }
    let (_, body) = read_versioned_value_leniently::<ConsumerProtocolAssignment>(bytes).unwrap();
    let parts = body.assigned_partitions.iter().map(|part| {
        let numbers = part.partitions.iter().map(i32::to_string).collect::<Vec<_>>();
        format!("{}:{}", part.topic, numbers.join(","))
    });
    format!("owns [{}]", parts.collect::<Vec<_>>().join(" "))
}
