//! Tests of the reader, the writer and the frames by bytes that were written by hand.
use super::generated::api_versions_request::ApiVersionsRequest;
use super::generated::api_versions_response::{ApiVersion, ApiVersionsResponse};
use super::generated::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use super::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use super::generated::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use super::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use super::generated::offset_commit_key::OffsetCommitKey;
use super::generated::offset_commit_value::OffsetCommitValue;
use super::generated::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use super::protocol::*;
use super::*;
use crate::base::Bytes;

#[path = "../../tests/goldens/file.rs"]
mod file;
mod goldens;
mod hostile;

fn bytes(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).expect("hex digits")
    };
    digits.chunks(2).map(byte).collect::<Vec<u8>>().into()
}

#[track_caller]
fn check_error<M: Message + std::fmt::Debug>(hex: &str, version: i16, want: WireError) {
    assert_eq!(decode_whole::<M>(&bytes(hex), version).expect_err("bad bytes"), want);
}

fn produce(records: Records) -> ProduceRequest {
    let partition = PartitionProduceData { index: 7, records: Some(records) };
    let topic = TopicProduceData {
        name: "t".to_owned(),
        partition_data: vec![partition],
        ..Default::default()
    };
    ProduceRequest { acks: -1, timeout_ms: 1, topic_data: vec![topic], ..Default::default() }
}

#[test]
fn a_classic_message_has_the_bytes_of_the_protocol_guide() {
    let mut request = produce(Bytes::from_static(b"abc").into());
    request.transactional_id = Some("x".to_owned());
    let whole = encode_whole(&request, 3).unwrap();
    let want = "0001 78 ffff 00000001 00000001 0001 74 00000001 00000007 00000003 616263";
    assert_eq!(whole, bytes(want));
    assert_eq!(decode_whole::<ProduceRequest>(&whole, 3).unwrap(), request);
}

#[test]
fn a_flexible_message_has_compact_lengths_and_tagged_fields() {
    let mut request = FetchRequest { cluster_id: Some("c".to_owned()), ..Default::default() };
    let partition = FetchPartition { partition: 1, high_watermark: 5, ..Default::default() };
    let topic = FetchTopic { partitions: vec![partition], ..Default::default() };
    request.topics.push(topic);
    let whole = encode_whole(&request, 18).unwrap();
    let want = "00000000 00000000 7fffffff 00 00000000 ffffffff
        02 00000000000000000000000000000000
        02 00000001 ffffffff 0000000000000000 ffffffff ffffffffffffffff 00000000
        01 01 08 0000000000000005 00
        01 01
        01 00 02 02 63";
    assert_eq!(whole, bytes(want));
    assert_eq!(decode_whole::<FetchRequest>(&whole, 18).unwrap(), request);
}

#[test]
fn an_unknown_tag_is_skipped_and_tags_must_rise() {
    let known = "03 01 61 01 62";
    let read = |tags: &str| {
        let hex = format!("02 61 02 62 {tags}");
        decode_whole::<ApiVersionsRequest>(&bytes(&hex), 3)
    };
    assert!(read(known).is_err());
    let plain = read("00").unwrap();
    assert_eq!(plain.client_software_name, "a");
    assert_eq!(read("02 05 01 ff 7f 02 ffff").unwrap(), plain);
    assert_eq!(read("02 05 00 05 00"), Err(WireError::TagOrder { at: 7, tag: 5 }));
    assert_eq!(read("02 05 00 04 00"), Err(WireError::TagOrder { at: 7, tag: 4 }));
    assert_eq!(read("01 05 02 ff"), Err(WireError::Length { at: 6, claimed: 2, left: 1 }));
    assert_eq!(read("ff 01"), Err(WireError::Length { at: 4, claimed: 255, left: 0 }));
    // A tag's value ends where its size says: FinalizedFeaturesEpoch with nine bytes.
    let response = "0000 01 00000000 01 01 09 000000000000000000";
    check_error::<ApiVersionsResponse>(response, 3, WireError::TagSize { at: 18, tag: 1 });
    // ... and may not reach beyond it.
    let response = "0000 01 00000000 01 01 07 0000000000000000";
    let want = WireError::Truncated { at: 10, wanted: 8, left: 7 };
    check_error::<ApiVersionsResponse>(response, 3, want);
}

#[test]
fn a_length_is_checked_before_anything_is_reserved() {
    let claims = |claimed, left| WireError::Length { at: 0, claimed, left };
    check_error::<MetadataRequest>("7fffffff 0000", 1, claims(i64::from(i32::MAX), 2));
    check_error::<MetadataRequest>("ffffffff0f 00", 12, claims(i64::from(u32::MAX) - 1, 1));
    check_error::<MetadataRequest>("ffffffff1f 00", 12, WireError::Varint { at: 0 });
    check_error::<MetadataRequest>("ffffffffff00", 12, WireError::Varint { at: 0 });
    // Two topics fit by count, but an element of this version takes more than a byte.
    let mut reader = Reader::new(bytes("00000002 0000"));
    assert_eq!(reader.get::<Vec<i32>>(0), Err(claims(2, 2)));
}

#[test]
fn elements_that_take_more_memory_than_the_frame_pays_for_are_refused() {
    let count: usize = 100_000;
    let mut writer = Writer::new();
    writer.put(&vec![FetchTopic::default(); count], 4).unwrap();
    let frame = writer.into_bytes();
    assert_eq!(frame.len(), 4 + 6 * count);
    let topics = Reader::new(frame).get::<Vec<FetchTopic>>(4).unwrap();
    assert_eq!(topics.len(), count, "six bytes pay for this struct");

    // Empty arrays in an array: a byte each on the wire, 24 bytes each in memory.
    let mut flood = Reader::new(Bytes::from([&[0xa1, 0x8d, 0x06][..], &[1; 100_000]].concat()));
    flood.set_flexible(true);
    let bytes_max = 100_003 * reader::MEMORY_PER_BYTE_MAX + reader::MEMORY_BASE;
    let at = 3 + bytes_max / size_of::<Vec<bool>>();
    assert_eq!(flood.get::<Vec<Vec<bool>>>(0), Err(WireError::Memory { at, bytes_max }));
}

#[test]
fn null_is_refused_where_a_version_does_not_have_it() {
    check_error::<MetadataRequest>(
        "ffffffff",
        0,
        WireError::NullField { field: "topics", version: 0 },
    );
    let all = decode_whole::<MetadataRequest>(&bytes("ffffffff"), 1).unwrap();
    assert_eq!(all.topics, None);
    let error = encode_whole(&all, 0).unwrap_err();
    assert_eq!(error, WireError::NullField { field: "topics", version: 0 });
    check_error::<MetadataRequest>(
        "00000001 ffff",
        1,
        WireError::NullField { field: "name", version: 1 },
    );
    check_error::<ApiVersionsRequest>("00 01 00", 3, WireError::Null { at: 1 });
    check_error::<ApiVersionsRequest>("02 ff 01 00", 3, WireError::Utf8 { at: 1 });
}

#[test]
fn a_field_that_a_version_lacks_must_have_its_default_unless_it_is_ignorable() {
    let mut request = FetchRequest { rack_id: "ignorable".to_owned(), ..Default::default() };
    assert!(encode_whole(&request, 4).is_ok());
    request.topics.push(FetchTopic {
        partitions: vec![FetchPartition { last_fetched_epoch: 3, ..Default::default() }],
        ..Default::default()
    });
    let error = encode_whole(&request, 11).unwrap_err();
    assert_eq!(error, WireError::Absent { field: "last_fetched_epoch", version: 11 });
    assert!(encode_whole(&request, 12).is_ok());
    assert!(matches!(encode_whole(&request, 3), Err(WireError::Version { version: 3, .. })));
    assert!(matches!(encode_whole(&request, 19), Err(WireError::Version { version: 19, .. })));
}

#[test]
fn records_travel_without_a_copy() {
    let batch = Bytes::from(vec![1; 10]);
    let large = Bytes::from(vec![2; writer::SLICE_BYTES_MIN]);
    let request = produce(Records(vec![batch.clone(), Bytes::new(), large.clone()]));
    let slices = frame_request(1, None, &request, 9).unwrap();
    let places: Vec<_> = slices.iter().map(|slice| slice.as_ptr()).collect();
    assert_eq!(slices.len(), 4);
    assert_eq!(places[1..3], [batch.as_ptr(), large.as_ptr()]);
    assert_eq!(slices[3], bytes("00 00 00"));

    let frame = Bytes::from(slices.concat()).slice(4..);
    let (_, mut reader) = decode_request_header(&frame).unwrap();
    let read = ProduceRequest::decode(&mut reader, 9).unwrap();
    let records = read.topic_data[0].partition_data[0].records.clone().unwrap();
    assert_eq!(records.byte_count(), 10 + writer::SLICE_BYTES_MIN);
    assert!(frame.as_ptr_range().contains(&records.0[0].as_ptr()));
}

#[test]
fn a_frame_has_its_length_and_the_header_of_its_version() {
    let slices = frame_request(5, Some("me"), &MetadataRequest::default(), 1).unwrap();
    assert_eq!(slices.concat(), bytes("00000010 0003 0001 00000005 0002 6d65 00000000"));
    let frame = bytes("0003 000c 00000005 0002 6d65 00 01 00 00 00");
    let (header, mut reader) = decode_request_header(&frame).unwrap();
    assert_eq!((header.correlation_id, header.client_id.as_deref()), (5, Some("me")));
    let request = MetadataRequest::decode(&mut reader, 12).unwrap();
    assert_eq!(request.topics, Some(vec![]));
    assert_eq!(reader.finish(), Ok(()));

    let response = ApiVersionsResponse {
        api_keys: vec![ApiVersion { api_key: 18, min_version: 0, max_version: 5 }],
        ..Default::default()
    };
    let api = Api::find(18).unwrap();
    let framed = frame_response(9, api.response_header_version(3), &response, 3).unwrap();
    let slices = framed.slices;
    let want = "00000013 00000009 0000 02 0012 0000 0005 00 00000000 00";
    assert_eq!(slices.concat(), bytes(want));
    assert_eq!(Api::find(3).unwrap().response_header_version(9), 1);
    assert_eq!(Api::find(3).unwrap().response_header_version(8), 0);
}

#[test]
fn an_answer_names_the_errors_that_are_in_it_and_none_of_fields_that_it_lacks() {
    let partition = |error_code| ListOffsetsPartitionResponse { error_code, ..Default::default() };
    let partitions = [0, 3, 42, 3].map(partition).to_vec();
    let topics = vec![ListOffsetsTopicResponse { name: "t".into(), partitions }];
    let response = ListOffsetsResponse { topics, ..Default::default() };
    let framed = frame_response(1, 1, &response, 6).unwrap();
    assert_eq!(framed.errors, [(3, 2), (42, 1)]);
    // In a tagged field, which versions before 5 lack.
    let topic = CreatableTopicResult { topic_config_error_code: 29, ..Default::default() };
    let response = CreateTopicsResponse { topics: vec![topic], ..Default::default() };
    assert_eq!(frame_response(1, 1, &response, 5).unwrap().errors, [(29, 1)]);
    assert_eq!(frame_response(1, 0, &response, 4).unwrap().errors, []);
}

#[test]
fn a_header_can_be_read_for_versions_that_do_not_exist() {
    let (header, _) = decode_request_header(&bytes("0012 7fff 00000001 ffff 00")).unwrap();
    assert_eq!((header.request_api_version, header.client_id), (i16::MAX, None));
    let error = decode_request_header(&bytes("0004 0000 00000001 ffff")).unwrap_err();
    assert_eq!(error, WireError::UnknownApi { key: 4, version: 0 });
    for end in 0..8 {
        let frame = bytes("0012 0000 00000001").slice(..end);
        assert!(matches!(decode_request_header(&frame), Err(WireError::Truncated { .. })));
    }
}

#[test]
fn coordinator_records_carry_their_type_and_version() {
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 2 };
    let written = write_record_key(&key).unwrap();
    assert_eq!(written, bytes("0001 0001 67 0001 74 00000002"));
    assert_eq!(record_type(&written), Ok(1));
    assert_eq!(read_record_key::<OffsetCommitKey>(&written).unwrap(), key);
    let other = bytes("0002 0001 67 0001 74 00000002");
    assert!(matches!(read_record_key::<OffsetCommitKey>(&other), Err(WireError::Version { .. })));

    let value = OffsetCommitValue { offset: 5, leader_epoch: 1, ..Default::default() };
    for version in [3, 4] {
        let written = write_versioned_value(&value, version).unwrap();
        assert_eq!(written[..2], version.to_be_bytes());
        assert_eq!(read_versioned_value::<OffsetCommitValue>(&written).unwrap(), value);
        let longer = Bytes::from([&written[..], &[0]].concat());
        let error = read_versioned_value::<OffsetCommitValue>(&longer).unwrap_err();
        assert!(matches!(error, WireError::Trailing { left: 1, .. }));
    }
}

#[test]
fn consumer_metadata_of_a_newer_version_is_read_as_the_newest_known() {
    use super::generated::consumer_protocol_assignment::ConsumerProtocolAssignment;
    let newer = bytes("0009 00000001 0001 74 00000001 00000003 ffffffff abcd");
    let (version, read) =
        read_versioned_value_leniently::<ConsumerProtocolAssignment>(&newer).unwrap();
    assert_eq!(version, 9);
    assert_eq!(read.assigned_partitions[0].partitions, [3]);
}

#[test]
fn the_table_of_apis_is_whole_and_agrees_with_the_messages() {
    assert!(generated::APIS.is_sorted_by_key(|api| api.key));
    for api in &generated::APIS {
        for kind in ["Request", "Response"] {
            let codec = Codec::find(&format!("{}{kind}", api.name)).expect("each API has both");
            assert_eq!(codec.key, api.key, "{}", codec.name);
            let versions = (codec.version_min, codec.version_max);
            assert_eq!(versions, (api.version_min, api.version_max), "{}", codec.name);
            assert_eq!(codec.flexible_from, api.flexible_from, "{}", codec.name);
        }
    }
    assert_eq!(Api::find(0).map(|api| (api.version_min, api.version_max)), Some((3, 13)));
    assert_eq!(Api::find(22).map(|api| api.latest_unstable), Some(true));
    assert_eq!(Api::find(4), None);
    let topic = MetadataRequestTopic::default();
    assert_eq!(topic.name.as_deref(), Some(""), "Kafka's default of a nullable string is empty");
}
