//! After each start: everything that the node holds, read by a client and held against the model.
//!
//! Owns: making the topic in the first life, reading whole partitions, epochs and offsets.
//! Leaves to others: what must be so (`model`).
//! Start reading at: [`audit`].
use logmill::model::TopicId;
use logmill::sim::{ADDRESS, ClientError, Death, KafkaClient};
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::fetch_response::FetchResponse;
use logmill::wire::generated::find_coordinator_request::FindCoordinatorRequest;
use logmill::wire::generated::find_coordinator_response::FindCoordinatorResponse;
use logmill::wire::generated::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use logmill::wire::generated::list_offsets_response::ListOffsetsResponse;
use logmill::wire::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use logmill::wire::generated::metadata_response::MetadataResponse;
use logmill::wire::generated::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use logmill::wire::generated::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponsePartition,
};
use logmill::wire::generated::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use logmill::wire::generated::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;

use super::clients::{COORDINATOR_ERRORS, GROUPS, Site, fetch_request, found_in, group_name};
use super::model::{Found, PARTITIONS, TOPIC};

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
/// What was promised is not kept, in words.
pub type Verdict<T> = Result<Result<T, String>, ClientError>;

/// Reads everything and checks it; the topic's id. A broken connection is tried again.
pub async fn audit(site: &mut Site, death: Option<Death>, is_new: bool) {
    loop {
        match try_audit(site, death, is_new).await {
            Ok(Ok(())) => return,
            Ok(Err(sentence)) => return site.model.borrow_mut().fail(sentence),
            Err(error) if error.is_disconnect() => site.env.sleep_ms(1).await,
            Err(error) => return site.model.borrow_mut().fail(format!("audit: {error}")),
        }
    }
}

async fn try_audit(site: &mut Site, death: Option<Death>, is_new: bool) -> Verdict<()> {
    let mut client = KafkaClient::connect(&site.env, ADDRESS, "auditor").await?;
    if is_new && let Err(sentence) = create(&mut client, site).await? {
        return Ok(Err(sentence));
    }
    let (topic_id, epochs) = match metadata(&mut client).await? {
        Ok(known) => known,
        Err(sentence) => return Ok(Err(sentence)),
    };
    site.topic_id = topic_id;
    let mut logs = Vec::new();
    for partition in 0..PARTITIONS {
        match read(&mut client, site, partition).await? {
            Ok(log) => logs.push(log),
            Err(sentence) => return Ok(Err(format!("{partition}: {sentence}"))),
        }
    }
    let mut ends = Vec::new();
    for partition in 0..PARTITIONS {
        let Some(epoch) = site.model.borrow().epoch_seen(partition) else { continue };
        ends.push((partition, epoch, epoch_end(&mut client, partition, epoch).await?));
    }
    let mut commits = Vec::new();
    for group in 0..GROUPS {
        commits.push(committed(&mut client, site, group).await?);
    }
    // From here on nothing waits, so that it happens once.
    let mut model = site.model.borrow_mut();
    for (partition, epoch) in epochs.into_iter().enumerate() {
        let before = std::mem::replace(&mut model.epochs[partition], epoch);
        if !is_new && (epoch < before || (death.is_some() && epoch == before)) {
            model.fail(format!("{partition}: epoch {epoch} after {before} and {death:?}"));
        }
    }
    for (partition, epoch, end) in ends {
        model.check_epoch_end(partition, epoch, end, &logs[partition as usize]);
    }
    for (partition, log) in logs.iter().enumerate() {
        model.check_log(partition as i32, log, death);
    }
    for (group, partitions) in commits.into_iter().enumerate() {
        for (partition, offset) in partitions {
            model.check_commit(group, partition, offset);
        }
    }
    Ok(Ok(()))
}

async fn create(client: &mut KafkaClient, site: &Site) -> Verdict<()> {
    let bytes = 1_200 + site.env.random() % 6_000;
    let sizes = [("internal.segment.bytes", bytes), ("index.interval.bytes", bytes / 8)];
    let sizes = sizes.map(|(name, value)| (name, value.to_string()));
    let given = site.configs.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let configs = given
        .chain(sizes)
        .map(|(name, value)| CreatableTopicConfig { name: name.to_owned(), value: Some(value) });
    let topic = CreatableTopic {
        name: TOPIC.to_owned(),
        num_partitions: PARTITIONS,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let answer: CreateTopicsResponse = client.ask(&request, 5).await?;
    let answer = &answer.topics[0];
    // 36: it is there, and a broken connection took the answer.
    if ![0, 36].contains(&answer.error_code) {
        return Ok(Err(format!("create: {} {:?}", answer.error_code, answer.error_message)));
    }
    // The offsets topic is made by the first question for a coordinator.
    let keys = (0..GROUPS).map(group_name).collect();
    let request = FindCoordinatorRequest { coordinator_keys: keys, ..Default::default() };
    let _: FindCoordinatorResponse = client.ask(&request, 4).await?;
    Ok(Ok(()))
}

pub async fn metadata(client: &mut KafkaClient) -> Verdict<(TopicId, Vec<i32>)> {
    let topic = MetadataRequestTopic { name: Some(TOPIC.to_owned()), topic_id: TopicId::ZERO };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let answer: MetadataResponse = client.ask(&request, 12).await?;
    let topic = &answer.topics[0];
    let error = topic.partitions.iter().map(|partition| partition.error_code);
    let error = error.chain([topic.error_code]).find(|error| *error != 0);
    if let Some(error) = error {
        return Ok(Err(format!("metadata: error {error}")));
    }
    if topic.partitions.len() != PARTITIONS as usize {
        return Ok(Err(format!("metadata: {} partitions", topic.partitions.len())));
    }
    let mut partitions: Vec<_> = topic.partitions.iter().collect();
    partitions.sort_by_key(|partition| partition.partition_index);
    let epochs = partitions.iter().map(|partition| partition.leader_epoch).collect();
    Ok(Ok((topic.topic_id, epochs)))
}

async fn offset(client: &mut KafkaClient, partition: i32, timestamp: i64) -> Verdict<i64> {
    let partitions =
        vec![ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: TOPIC.to_owned(), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    let answer: ListOffsetsResponse = client.ask(&request, 5).await?;
    let answer = &answer.topics[0].partitions[0];
    Ok(match answer.error_code {
        0 => Ok(answer.offset),
        error => Err(format!("ListOffsets: error {error}")),
    })
}

/// The whole partition.
pub async fn read(client: &mut KafkaClient, site: &Site, partition: i32) -> Verdict<Vec<Found>> {
    let start = match offset(client, partition, EARLIEST).await? {
        Ok(start) => start,
        Err(sentence) => return Ok(Err(sentence)),
    };
    let end = match offset(client, partition, LATEST).await? {
        Ok(end) => end,
        Err(sentence) => return Ok(Err(sentence)),
    };
    if start != 0 {
        return Ok(Err(format!("begins at {start}")));
    }
    let mut log: Vec<Found> = Vec::new();
    while (log.len() as i64) < end {
        let from = log.len() as i64;
        let request = fetch_request(site, 12, &[(partition, from)], 100, 1 << 20);
        let answer: FetchResponse = client.ask(&request, 12).await?;
        let data = &answer.responses[0].partitions[0];
        if data.error_code != 0 {
            return Ok(Err(format!("fetch from {from}: error {}", data.error_code)));
        }
        match found_in(data, from) {
            Ok(found) if found.is_empty() => {
                return Ok(Err(format!("ends at {from}, said {end}")));
            }
            Ok(found) => log.extend(found),
            Err(sentence) => return Ok(Err(sentence)),
        }
        let gap = log.iter().enumerate().find(|(at, found)| found.offset != *at as i64);
        if let Some((at, found)) = gap {
            return Ok(Err(format!("record {at} has offset {}", found.offset)));
        }
    }
    Ok(Ok(log))
}

async fn epoch_end(
    client: &mut KafkaClient,
    partition: i32,
    epoch: i32,
) -> Result<i64, ClientError> {
    let partitions =
        vec![OffsetForLeaderPartition { partition, current_leader_epoch: -1, leader_epoch: epoch }];
    let topics = vec![OffsetForLeaderTopic { topic: TOPIC.to_owned(), partitions }];
    let request = OffsetForLeaderEpochRequest { replica_id: -1, topics };
    let answer: OffsetForLeaderEpochResponse = client.ask(&request, 4).await?;
    Ok(answer.topics[0].partitions[0].end_offset)
}

/// Offsets of a group, once its coordinator is loaded.
pub async fn committed(
    client: &mut KafkaClient,
    site: &Site,
    group: usize,
) -> Result<Vec<(i32, i64)>, ClientError> {
    let partition_indexes = (0..PARTITIONS).collect();
    let topic = OffsetFetchRequestTopic { name: TOPIC.to_owned(), partition_indexes };
    let request = OffsetFetchRequest {
        group_id: group_name(group),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    loop {
        let answer: OffsetFetchResponse = client.ask(&request, 5).await?;
        if COORDINATOR_ERRORS.contains(&answer.error_code) {
            site.env.sleep_ms(1).await;
            continue;
        }
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let of = |partition: &OffsetFetchResponsePartition| {
            (partition.partition_index, partition.committed_offset)
        };
        return Ok(partitions.map(of).collect());
    }
}
