//! Topics that come and go: made, written, read, deleted and made again under the same name.
//!
//! Owns: what a client may expect of such a topic: a new id each time, nothing of the one before
//! it, every acknowledged record while it is there, nothing at all after its deletion.
//! Leaves to others: the topic that stays (`model`, `audit`).
//! Invariant: each name has one owner, who knows its state; others only write junk to it.
//! Start reading at: [`pass_for_ever`].
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use logmill::base::Bytes;
use logmill::model::{Offset, TopicId};
use logmill::record::{BatchBuilder, BatchSpec};
use logmill::sim::{ADDRESS, ClientError, KafkaClient};
use logmill::wire::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use logmill::wire::generated::delete_topics_response::DeleteTopicsResponse;
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::FetchResponse;
use logmill::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use logmill::wire::generated::metadata_response::MetadataResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::ProduceResponse;

use super::clients::{Site, found_in};

pub const NAMES: usize = 2;
/// After so much simulated time a change whose connection broke is made, or never will be.
const CHANGE_LATE_MS: u64 = 8;
const UNKNOWN_TOPIC: i16 = 3;
const UNKNOWN_ID: i16 = 100;
/// What junk may get for a topic that goes at the same moment.
const GOING: [i16; 3] = [UNKNOWN_TOPIC, 6, UNKNOWN_ID];
/// How texts of others begin.
const JUNK: &str = "junk";

/// What is known of one name.
#[derive(Default)]
enum State {
    #[default]
    Absent,
    There(TopicId),
    /// A change was asked for and not answered; the id is of what was there before.
    Unsure(Option<TopicId>),
}

/// One name, through all lives.
#[derive(Default)]
pub struct Passing {
    state: State,
    /// Every topic that ever had this name.
    ids: BTreeSet<TopicId>,
    /// Acknowledged and not acknowledged records of the topic that is there.
    kept: BTreeMap<i64, String>,
    sent: BTreeSet<String>,
    numbers: u64,
    /// How often it was deleted.
    pub deletions: u64,
}

pub type Shared = Rc<RefCell<Passing>>;

impl Passing {
    fn is_made(&mut self, id: TopicId) -> Result<(), String> {
        self.state = State::There(id);
        if !self.ids.insert(id) {
            return Err(format!("{id} names a second topic"));
        }
        self.kept.clear();
        self.sent.clear();
        Ok(())
    }

    /// What a client finds who asks for the name; `None` when there is no such topic.
    fn is_found(&mut self, found: Option<TopicId>) -> Result<(), String> {
        match (std::mem::take(&mut self.state), found) {
            (State::Absent | State::Unsure(_), None) => Ok(()),
            (State::There(id) | State::Unsure(Some(id)), Some(found)) if found == id => {
                self.state = State::There(id);
                Ok(())
            }
            (State::Unsure(None), Some(found)) => self.is_made(found),
            (State::There(id), found) => Err(format!("{id} is there, found is {found:?}")),
            (_, found) => Err(format!("there is no topic, found is {found:?}")),
        }
    }
}

fn name_of(at: usize) -> String {
    format!("passing-{at}")
}

/// The owner of a name at work, through broken connections.
pub async fn pass_for_ever(site: Site, passing: Shared, at: usize) {
    loop {
        site.pause(2_000_000).await;
        let Ok(client) = KafkaClient::connect(&site.env, ADDRESS, "owner").await else { continue };
        let mut owner = Owner { site: &site, passing: &passing, name: name_of(at), client };
        if let Err(error) = owner.work().await {
            site.note(&owner.name.clone(), &error);
        }
    }
}

struct Owner<'a> {
    site: &'a Site,
    passing: &'a Shared,
    name: String,
    client: KafkaClient,
}

impl Owner<'_> {
    async fn work(&mut self) -> Result<(), ClientError> {
        // Whatever was under way on the connection before has ended one way or the other.
        self.site.env.sleep_ms(CHANGE_LATE_MS).await;
        self.find().await?;
        loop {
            self.site.pause(1_000_000).await;
            let id = match self.passing.borrow().state {
                State::There(id) => Some(id),
                State::Absent => None,
                State::Unsure(_) => unreachable!("an answer or a broken connection follows"),
            };
            match (id, self.site.below(8)) {
                (None, _) => self.create().await?,
                (Some(id), 0 | 1) => self.delete(id).await?,
                (Some(id), 2) => self.look(id).await?,
                (Some(id), 3..) => self.produce(id).await?,
            }
            self.site.did();
        }
    }

    fn expect(&self, kept: Result<(), String>) -> Result<(), ClientError> {
        if let Err(sentence) = kept {
            self.site.model.borrow_mut().fail(format!("{}: {sentence}", self.name));
            return Err(ClientError::Ended);
        }
        Ok(())
    }

    async fn ask_metadata(&mut self) -> Result<Option<TopicId>, ClientError> {
        let topic = MetadataRequestTopic { name: Some(self.name.clone()), topic_id: TopicId::ZERO };
        let topics = Some(vec![topic]);
        let request =
            MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        let answer: MetadataResponse = self.client.ask(&request, 12).await?;
        match answer.topics[0].error_code {
            0 => Ok(Some(answer.topics[0].topic_id)),
            UNKNOWN_TOPIC => Ok(None),
            error => Err(self.site.refused("metadata of a passing topic", error)),
        }
    }

    async fn find(&mut self) -> Result<(), ClientError> {
        let found = self.ask_metadata().await?;
        let kept = self.passing.borrow_mut().is_found(found);
        self.expect(kept)?;
        match found {
            Some(id) => self.look(id).await,
            None => Ok(()),
        }
    }

    async fn create(&mut self) -> Result<(), ClientError> {
        let topic = CreatableTopic {
            name: self.name.clone(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        self.passing.borrow_mut().state = State::Unsure(None);
        let answer: CreateTopicsResponse = self.client.ask(&request, 7).await?;
        if answer.topics[0].error_code != 0 {
            return Err(self.site.refused("a topic that comes", answer.topics[0].error_code));
        }
        let kept = self.passing.borrow_mut().is_made(answer.topics[0].topic_id);
        self.expect(kept)
    }

    async fn delete(&mut self, id: TopicId) -> Result<(), ClientError> {
        let version = [4, 6][self.site.below(2) as usize];
        let mut request = DeleteTopicsRequest { timeout_ms: 10_000, ..Default::default() };
        match version {
            6 => request.topics = vec![DeleteTopicState { name: None, topic_id: id }],
            _ => request.topic_names = vec![self.name.clone()],
        }
        self.passing.borrow_mut().state = State::Unsure(Some(id));
        let answer: DeleteTopicsResponse = self.client.ask(&request, version).await?;
        if answer.responses[0].error_code != 0 {
            return Err(self.site.refused("a topic that goes", answer.responses[0].error_code));
        }
        self.passing.borrow_mut().state = State::Absent;
        self.passing.borrow_mut().deletions += 1;
        let found = self.ask_metadata().await?;
        let kept = self.passing.borrow_mut().is_found(found);
        self.expect(kept)?;
        let (answer, _) = self.fetch(id, 0).await?;
        if answer != UNKNOWN_ID {
            return self.expect(Err(format!("deleted, and a fetch of {id} gives {answer}")));
        }
        Ok(())
    }

    async fn produce(&mut self, id: TopicId) -> Result<(), ClientError> {
        let text = {
            let mut passing = self.passing.borrow_mut();
            passing.numbers += 1;
            let text = format!("{}#{}", self.name, passing.numbers);
            passing.sent.insert(text.clone());
            text
        };
        let request = produce_request(id, &self.name, &text, 13);
        let answer: ProduceResponse = self.client.ask(&request, 13).await?;
        let answer = &answer.responses[0].partition_responses[0];
        if answer.error_code != 0 {
            return Err(self.site.refused("produce to a passing topic", answer.error_code));
        }
        let before = self.passing.borrow_mut().kept.insert(answer.base_offset, text);
        let at = answer.base_offset;
        self.expect(before.map_or(Ok(()), |before| Err(format!("{at} was given to {before}"))))
    }

    async fn fetch(
        &mut self,
        id: TopicId,
        from: i64,
    ) -> Result<(i16, Vec<(i64, String)>), ClientError> {
        let partition = FetchPartition {
            fetch_offset: from,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic = FetchTopic { topic_id: id, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { topics: vec![topic], ..Default::default() };
        let answer: FetchResponse = self.client.ask(&request, 13).await?;
        let data = &answer.responses[0].partitions[0];
        let found = match found_in(data, from) {
            Ok(found) => found.into_iter().map(|found| (found.offset, found.text)).collect(),
            Err(sentence) => return self.expect(Err(sentence)).map(|()| unreachable!("an error")),
        };
        Ok((data.error_code, found))
    }

    /// Reads the whole topic.
    async fn look(&mut self, id: TopicId) -> Result<(), ClientError> {
        let mut log: Vec<(i64, String)> = Vec::new();
        loop {
            let (error, found) = self.fetch(id, log.len() as i64).await?;
            if error != 0 {
                return Err(self.site.refused("fetch of a passing topic", error));
            }
            if found.is_empty() {
                break;
            }
            log.extend(found);
        }
        let passing = self.passing.borrow();
        let foreign =
            log.iter().find(|(_, text)| !passing.sent.contains(text) && !text.starts_with(JUNK));
        let foreign = foreign.map(|(offset, text)| format!("{text} at {offset} is of before"));
        let is_kept = |offset: &i64, text: &String| {
            log.get(*offset as usize).is_some_and(|(_, found)| found == text)
        };
        let lost = passing.kept.iter().find(|(offset, text)| !is_kept(offset, text));
        let lost = lost.map(|(offset, text)| format!("{text} at {offset} is lost"));
        drop(passing);
        self.expect(foreign.or(lost).map_or(Ok(()), Err))
    }
}

fn produce_request(id: TopicId, name: &str, text: &str, version: i16) -> ProduceRequest {
    let mut builder = BatchBuilder::new(&BatchSpec::default());
    builder.push(Offset(0), 0, None, Some(text.as_bytes()), []).expect("a small record");
    let records: Bytes = builder.finish().expect("a small batch");
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(records.into()) }];
    let mut topic = TopicProduceData { partition_data, ..Default::default() };
    match version {
        13 => topic.topic_id = id,
        _ => topic.name = name.to_owned(),
    }
    let (acks, timeout_ms, topic_data) = (-1, 10_000, vec![topic]);
    ProduceRequest { acks, timeout_ms, topic_data, ..Default::default() }
}

/// Somebody who writes to the names whatever happens to them.
pub async fn litter_for_ever(site: Site) {
    loop {
        site.pause(2_000_000).await;
        let Ok(client) = KafkaClient::connect(&site.env, ADDRESS, "litter").await else { continue };
        if let Err(error) = litter(&site, client).await {
            site.note("litter", &error);
        }
    }
}

async fn litter(site: &Site, mut client: KafkaClient) -> Result<(), ClientError> {
    loop {
        site.pause(3_000_000).await;
        let name = name_of(site.below(NAMES as u64) as usize);
        let request = produce_request(TopicId::ZERO, &name, JUNK, 9);
        let answer: ProduceResponse = client.ask(&request, 9).await?;
        site.did();
        let answer = &answer.responses[0].partition_responses[0];
        if answer.error_code != 0 && !GOING.contains(&answer.error_code) {
            let what = format!("litter: {:?}", answer.error_message);
            return Err(site.refused(&what, answer.error_code));
        }
    }
}
