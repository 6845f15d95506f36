//! A small Kafka client that shows every error as it came, for tests that check errors exactly.
//!
//! Owns: one connection, one request at a time, record batches for it.
//! Leaves to others: what real clients make of the same answers (`harness::client`).
//! Invariant: an answer that cannot be read to its last byte fails the test.
//! Start reading at: [`Kafka::ask`], then [`Kafka::produce`].
#![allow(dead_code, reason = "tests of several rooms use it, each a part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use logmill::base::Bytes;
use logmill::model::{ErrorCode, Offset, ProducerEpoch, ProducerId};
use logmill::record::{
    BatchBuilder, BatchSpec, Codec, Header, Records as Decoded, Scanned, next_batch,
};
use logmill::wire::generated::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use logmill::wire::generated::create_topics_response::CreateTopicsResponse;
use logmill::wire::generated::delete_topics_request::DeleteTopicsRequest;
use logmill::wire::generated::delete_topics_response::DeleteTopicsResponse;
use logmill::wire::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use logmill::wire::generated::fetch_response::FetchResponse;
use logmill::wire::generated::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use logmill::wire::generated::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use logmill::wire::generated::init_producer_id_request::InitProducerIdRequest;
use logmill::wire::generated::init_producer_id_response::InitProducerIdResponse;
use logmill::wire::generated::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use logmill::wire::generated::list_offsets_response::ListOffsetsResponse;
use logmill::wire::generated::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use logmill::wire::generated::produce_response::{PartitionProduceResponse, ProduceResponse};
use logmill::wire::protocol::{decode_response_header, frame_request};
use logmill::wire::{Message, Records};

use crate::harness::wait::{SOON, Wait};

/// Longer than any answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const UNPACKED_BYTES_MAX: usize = 64 << 20;

pub const TYPE_TOPIC: i8 = 2;
pub const TYPE_GROUP: i8 = 32;

/// One connection.
pub struct Kafka {
    stream: TcpStream,
    client_id: String,
    correlation_id: i32,
}

/// A record as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub offset: i64,
    pub key: Option<String>,
    pub value: String,
}

/// What one partition was told.
pub type Told = PartitionProduceResponse;

impl Kafka {
    pub fn connect(port: u16, client_id: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_read_timeout(Some(ANSWER_WITHIN)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, client_id: client_id.to_owned(), correlation_id: 0 }
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub fn ask<Q: Message, A: Message>(&mut self, request: &Q, version: i16) -> A {
        self.try_ask(request, version).expect("an answer")
    }

    /// As [`Kafka::ask`]; `Err` when the connection ends first.
    pub fn try_ask<Q: Message, A: Message>(
        &mut self,
        request: &Q,
        version: i16,
    ) -> std::io::Result<A> {
        self.correlation_id += 1;
        let frame = frame_request(self.correlation_id, Some(&self.client_id), request, version);
        self.stream.write_all(&frame.expect("a request of ours").concat())?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length");
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        let (header, mut reader) =
            decode_response_header(&Bytes::from(bytes), Q::KEY, version).expect("a header");
        assert_eq!(header.correlation_id, self.correlation_id);
        let answer = A::decode(&mut reader, version).expect("an answer that can be read");
        reader.finish().expect("nothing behind the answer");
        Ok(answer)
    }

    #[track_caller]
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let told = self.try_create_topic(name, partitions, configs);
        assert_eq!(told, (0, None), "{name} was not created");
    }

    /// Error code and message.
    pub fn try_create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> (i16, Option<String>) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        let mut answer: CreateTopicsResponse = self.ask(&request, 5);
        let told = answer.topics.remove(0);
        (told.error_code, told.error_message.filter(|text| !text.is_empty()))
    }

    #[track_caller]
    pub fn delete_topic(&mut self, name: &str) {
        let topic_names = vec![name.to_owned()];
        let request = DeleteTopicsRequest { topic_names, timeout_ms: 10_000, ..Default::default() };
        let answer: DeleteTopicsResponse = self.ask(&request, 5);
        assert_eq!(answer.responses[0].error_code, 0, "{name} was not deleted");
    }

    /// One request with these batches; one answer a batch, in their order.
    pub fn produce(&mut self, topic: &str, acks: i16, batches: Vec<(i32, Bytes)>) -> Vec<Told> {
        self.try_produce(topic, acks, batches).expect("an answer")
    }

    pub fn try_produce(
        &mut self,
        topic: &str,
        acks: i16,
        batches: Vec<(i32, Bytes)>,
    ) -> std::io::Result<Vec<Told>> {
        let data =
            |(index, batch)| PartitionProduceData { index, records: Some(Records::from(batch)) };
        let partition_data = batches.into_iter().map(data).collect();
        let data = TopicProduceData { name: topic.into(), partition_data, ..Default::default() };
        let request = ProduceRequest {
            acks,
            timeout_ms: 30_000,
            topic_data: vec![data],
            ..Default::default()
        };
        let mut answer: ProduceResponse = self.try_ask(&request, 9)?;
        Ok(answer.responses.remove(0).partition_responses)
    }

    /// One batch, acks=all.
    pub fn put(&mut self, topic: &str, partition: i32, batch: Bytes) -> Told {
        self.produce(topic, -1, vec![(partition, batch)]).remove(0)
    }

    /// As [`Kafka::put`], once the partition has its leader: Kafka answers a create before that.
    #[track_caller]
    pub fn put_when_led(&mut self, topic: &str, partition: i32, batch: Bytes) -> Told {
        let wait = Wait::for_at_most(SOON);
        loop {
            let told = self.put(topic, partition, batch.clone());
            let not_yet = [ErrorCode::UnknownTopicOrPartition, ErrorCode::NotLeaderOrFollower];
            if !not_yet.map(ErrorCode::code).contains(&told.error_code) {
                assert_eq!(told.error_code, 0, "{topic}-{partition}: {told:?}");
                return told;
            }
            wait.again(|| format!("{topic}-{partition} has no leader: {told:?}"));
        }
    }

    /// An id for idempotent batches.
    pub fn producer_id(&mut self) -> (i64, i16) {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let answer: InitProducerIdResponse = self.ask(&request, 4);
        assert_eq!(answer.error_code, 0);
        (answer.producer_id, answer.producer_epoch)
    }

    /// Where the partition ends for readers.
    #[track_caller]
    pub fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.offset(topic, partition, -1)
    }

    /// Where the partition begins.
    #[track_caller]
    pub fn start(&mut self, topic: &str, partition: i32) -> i64 {
        self.offset(topic, partition, -2)
    }

    /// The offset of a time, or of one of ListOffsets' special values.
    #[track_caller]
    pub fn offset(&mut self, topic: &str, partition: i32, timestamp: i64) -> i64 {
        let asked = ListOffsetsPartition {
            partition_index: partition,
            current_leader_epoch: -1,
            timestamp,
        };
        let topics = vec![ListOffsetsTopic { name: topic.into(), partitions: vec![asked] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        let answer: ListOffsetsResponse = self.ask(&request, 6);
        let told = &answer.topics[0].partitions[0];
        assert_eq!(told.error_code, 0, "{topic}-{partition}");
        told.offset
    }

    /// The ends of the first `partitions` partitions.
    pub fn ends(&mut self, topic: &str, partitions: i32) -> Vec<i64> {
        (0..partitions).map(|partition| self.end(topic, partition)).collect()
    }

    /// Everything that lies in a partition.
    #[track_caller]
    pub fn read(&mut self, topic: &str, partition: i32) -> Vec<Stored> {
        let start = self.start(topic, partition);
        self.read_from(topic, partition, start)
    }

    /// Everything from this offset on.
    #[track_caller]
    pub fn read_from(&mut self, topic: &str, partition: i32, from: i64) -> Vec<Stored> {
        let (mut at, end) = (from, self.end(topic, partition));
        let mut stored = Vec::new();
        while at < end {
            let records = self.read_some(topic, partition, at);
            assert!(!records.is_empty(), "{topic}-{partition}: nothing at {at} below {end}");
            stored.extend(records);
            at = stored.last().map_or(at, |record: &Stored| record.offset + 1);
        }
        stored
    }

    fn fetch(&mut self, topic: &str, partition: i32, at: i64) -> Vec<Stored> {
        unpack(&self.fetch_bytes(topic, partition, at))
    }

    /// What one Fetch gives from this offset on.
    #[track_caller]
    pub fn read_some(&mut self, topic: &str, partition: i32, at: i64) -> Vec<Stored> {
        let mut stored = self.fetch(topic, partition, at);
        stored.retain(|record| at <= record.offset);
        stored
    }

    /// Headers of all batches of a partition, in order.
    #[track_caller]
    pub fn batches(&mut self, topic: &str, partition: i32) -> Vec<Header> {
        let (mut next, end) = (0, self.end(topic, partition));
        let mut headers = Vec::new();
        while next < end {
            let bytes = self.fetch_bytes(topic, partition, next);
            let (mut at, before) = (0, next);
            while let Scanned::Batch(header, total) = next_batch(&bytes[at..]) {
                if before <= header.base_offset.0 {
                    headers.push(header);
                    next = header.next_offset().0;
                }
                at += total;
            }
            assert!(before < next, "{topic}-{partition}: nothing at {before} below {end}");
        }
        headers
    }

    fn fetch_bytes(&mut self, topic: &str, partition: i32, at: i64) -> Bytes {
        let (error, bytes) = self.try_fetch(topic, partition, at);
        assert_eq!(error, 0, "{topic}-{partition} at {at}");
        bytes
    }

    /// Error code, and whole batches from the one that holds `at`.
    pub fn try_fetch(&mut self, topic: &str, partition: i32, at: i64) -> (i16, Bytes) {
        let asked = FetchPartition {
            partition,
            current_leader_epoch: -1,
            fetch_offset: at,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 4 << 20,
            ..Default::default()
        };
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 100,
            min_bytes: 1,
            max_bytes: 8 << 20,
            session_epoch: -1,
            topics: vec![FetchTopic {
                topic: topic.into(),
                partitions: vec![asked],
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut answer: FetchResponse = self.ask(&request, 11);
        let mut told = answer.responses.remove(0).partitions.remove(0);
        (told.error_code, told.records.take().unwrap_or_default().0.concat().into())
    }

    /// Error code and message of an IncrementalAlterConfigs; `None` deletes a setting.
    pub fn alter(
        &mut self,
        resource_type: i8,
        name: &str,
        changes: &[(&str, Option<&str>)],
    ) -> (i16, Option<String>) {
        let change = |(name, value): &(&str, Option<&str>)| AlterableConfig {
            name: (*name).into(),
            config_operation: i8::from(value.is_none()),
            value: value.map(str::to_owned),
        };
        let resource = AlterConfigsResource {
            resource_type,
            resource_name: name.into(),
            configs: changes.iter().map(change).collect(),
        };
        let request =
            IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let mut answer: IncrementalAlterConfigsResponse = self.ask(&request, 1);
        let told = answer.responses.remove(0);
        (told.error_code, told.error_message)
    }
}

/// Record errors as pairs of index and text.
pub fn record_errors(told: &Told) -> Vec<(i32, &str)> {
    let text = |at: usize| told.record_errors[at].batch_index_error_message.as_deref();
    let pair = |at: usize| (told.record_errors[at].batch_index, text(at).unwrap_or(""));
    (0..told.record_errors.len()).map(pair).collect()
}

/// An uncompressed batch of records; no key where it is `None`.
pub fn batch(records: &[(Option<&str>, &str)]) -> Bytes {
    batch_by(None, records)
}

/// A batch of an idempotent producer: its id, epoch and first sequence.
pub fn batch_by(producer: Option<(i64, i16, i32)>, records: &[(Option<&str>, &str)]) -> Bytes {
    let producer =
        producer.map(|(id, epoch, sequence)| (ProducerId(id), ProducerEpoch(epoch), sequence));
    let mut builder = BatchBuilder::new(&BatchSpec { producer, ..BatchSpec::default() });
    for (at, (key, value)) in records.iter().enumerate() {
        let key = key.map(str::as_bytes);
        let headers = std::iter::empty();
        let pushed =
            builder.push(Offset(at as i64), now_ms(), key, Some(value.as_bytes()), headers);
        pushed.expect("a small record");
    }
    builder.finish().expect("at least one record")
}

/// A batch of one record whose value is long, gzipped.
pub fn packed_batch(key: Option<&str>, value: &[u8]) -> Bytes {
    let spec = BatchSpec { codec: Codec::Gzip, level: Some(1), ..BatchSpec::default() };
    let mut builder = BatchBuilder::new(&spec);
    let key = key.map(str::as_bytes);
    let pushed = builder.push(Offset(0), now_ms(), key, Some(value), std::iter::empty());
    pushed.expect("one record");
    builder.finish().expect("one record")
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_millis() as i64
}

/// Whole batches; a torn one at the end is left out.
fn unpack(bytes: &Bytes) -> Vec<Stored> {
    let (mut at, mut stored) = (0, Vec::new());
    while let Scanned::Batch(_, total) = next_batch(&bytes[at..]) {
        let batch = bytes.slice(at..at + total);
        let records = Decoded::decode(&batch, UNPACKED_BYTES_MAX).expect("records that we wrote");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for row in &records.rows {
            stored.push(Stored {
                offset: row.offset.0,
                key: records.key(row).map(text),
                value: records.value(row).map(text).unwrap_or_default(),
            });
        }
        at += total;
    }
    stored
}
