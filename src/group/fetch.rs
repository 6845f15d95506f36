//! Fetch: OffsetFetch, one group at a time.
//!
//! Owns: the answer for one group; the shapes of the versions with one group and with many.
//! Leaves to others: sending each group to its coordinator (the caller).
//! Start reading at: [`fetch_groups`], [`Coordinator::handle_offset_fetch`], [`fetch_response`].
//! Source: KIP-447 (stable offsets), KIP-709 (many groups).
use super::coordinator::Coordinator;
use super::offsets::Committed;
use super::{Response, Token, Turn, View, refuse};
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::wire::generated::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

/// Since this version a request names several groups.
const FETCH_VERSION_GROUPS: i16 = 8;
/// Since this version topics go by id.
const FETCH_VERSION_TOPIC_ID: i16 = 10;
/// Since this version an error of the whole group has a field.
const FETCH_VERSION_ERROR: i16 = 2;

/// The groups of a request of any version.
pub fn fetch_groups(request: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if FETCH_VERSION_GROUPS <= version {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            topic_id: TopicId::ZERO,
            partition_indexes: topic.partition_indexes,
        });
        topics.collect()
    });
    vec![OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }]
}

/// The answer of any version; before version 8 `groups` has exactly one.
///
/// The oldest versions know errors only per partition: `asked` says for which.
pub fn fetch_response(
    asked: &OffsetFetchRequest,
    groups: Vec<OffsetFetchResponseGroup>,
    version: i16,
) -> OffsetFetchResponse {
    if FETCH_VERSION_GROUPS <= version {
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    assert!(groups.len() == 1, "one group was asked for");
    let mut response = OffsetFetchResponse::default();
    for group in groups {
        if group.error_code != 0 && version < FETCH_VERSION_ERROR {
            response.topics = errors_by_partition(asked, group.error_code);
            continue;
        }
        response.error_code = group.error_code;
        for topic in group.topics {
            let partitions = topic.partitions.into_iter().map(|own| OffsetFetchResponsePartition {
                partition_index: own.partition_index,
                committed_offset: own.committed_offset,
                committed_leader_epoch: own.committed_leader_epoch,
                metadata: own.metadata,
                error_code: own.error_code,
            });
            let partitions = partitions.collect();
            response.topics.push(OffsetFetchResponseTopic { name: topic.name, partitions });
        }
    }
    response
}

fn errors_by_partition(asked: &OffsetFetchRequest, error: i16) -> Vec<OffsetFetchResponseTopic> {
    let topics = asked.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|at| OffsetFetchResponsePartition {
            partition_index: *at,
            committed_offset: -1,
            error_code: error,
            ..Default::default()
        });
        OffsetFetchResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
    });
    topics.collect()
}

impl Coordinator {
    /// Answers at once with what is durable. With `require_stable` it waits for the writes that
    /// are in flight now, so that a member sees what the one before it committed.
    pub fn handle_offset_fetch(
        &mut self,
        turn: &mut Turn<'_>,
        request: OffsetFetchRequestGroup,
        version: i16,
        require_stable: bool,
        token: Token,
    ) {
        if self.is_loading() {
            let error = ErrorCode::CoordinatorLoadInProgress;
            let response = refuse::offset_fetch(&request.group_id, error);
            return turn.reply(token, Response::OffsetFetch(response));
        }
        if require_stable && let Some(last) = self.core.writes.back_mut() {
            last.fetches.push((token, version, request));
            return;
        }
        self.answer_fetch(turn, token, version, &request);
    }

    pub(super) fn answer_fetch(
        &self,
        turn: &mut Turn<'_>,
        token: Token,
        version: i16,
        request: &OffsetFetchRequestGroup,
    ) {
        let topics = match &request.topics {
            Some(topics) => {
                let answer = |topic| self.fetch_topic(turn.view, &request.group_id, topic, version);
                topics.iter().map(answer).collect()
            }
            None => self.fetch_all(turn.view, &request.group_id, version),
        };
        let group_id = request.group_id.clone();
        let response = OffsetFetchResponseGroup { group_id, topics, error_code: 0 };
        turn.reply(token, Response::OffsetFetch(response));
    }

    fn fetch_topic(
        &self,
        view: &dyn View,
        group: &str,
        asked: &OffsetFetchRequestTopics,
        version: i16,
    ) -> OffsetFetchResponseTopics {
        let by_id = FETCH_VERSION_TOPIC_ID <= version;
        let name =
            if by_id { view.topic_name(asked.topic_id) } else { Some(asked.name.as_str().into()) };
        let id = if by_id {
            asked.topic_id
        } else {
            view.topic(&asked.name).map(|info| info.id).unwrap_or_default()
        };
        let partitions = asked.partition_indexes.iter().map(|partition| match &name {
            None => OffsetFetchResponsePartitions {
                error_code: ErrorCode::UnknownTopicId.code(),
                ..answer(*partition, None)
            },
            Some(name) => {
                let committed = self.offsets.get(group, name, *partition);
                // An offset of a topic that was deleted says nothing about its successor.
                let valid = committed.filter(|committed| {
                    id.is_zero() || committed.topic_id.is_zero() || committed.topic_id == id
                });
                answer(*partition, valid)
            }
        });
        let (name, topic_id) = (asked.name.clone(), asked.topic_id);
        OffsetFetchResponseTopics { name, topic_id, partitions: partitions.collect() }
    }

    fn fetch_all(
        &self,
        view: &dyn View,
        group: &str,
        version: i16,
    ) -> Vec<OffsetFetchResponseTopics> {
        let mut topics = Vec::new();
        for (name, partitions) in self.offsets.group(group).into_iter().flatten() {
            let id = view.topic(name).map(|info| info.id);
            if FETCH_VERSION_TOPIC_ID <= version && id.is_none() {
                // Without a name in the answer, a topic that is gone cannot be told.
                continue;
            }
            let found = partitions.iter().map(|(at, committed)| answer(*at, Some(committed)));
            topics.push(OffsetFetchResponseTopics {
                name: name.to_string(),
                topic_id: id.unwrap_or_default(),
                partitions: found.collect(),
            });
        }
        topics
    }
}

fn answer(partition: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: partition,
        committed_offset: committed.map_or(-1, |committed| committed.offset),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(committed.map(|found| found.metadata.to_string()).unwrap_or_default()),
        error_code: 0,
    }
}
