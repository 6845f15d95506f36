//! Bytes as Kafka writes them, places as Kafka computes them, answers in old versions.
use std::sync::Arc;

use expect_test::expect;

use super::world::{EPOCH_MS, GROUP, World};
use crate::base::Bytes;
use crate::group::subscription::{Subscription, names, read_topics};
use crate::group::*;
use crate::model::{ErrorCode, TopicId};
use crate::wire::generated::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::wire::generated::leave_group_request::LeaveGroupRequest;
use crate::wire::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::generated::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_group_lives_where_java_puts_it() {
    // `Math.abs(id.hashCode()) % 50`, from a JVM.
    let known = [
        ("", 0),
        ("a", 47),
        ("hello", 22),
        ("console-consumer-12345", 6),
        ("my-group", 12),
        ("grüße-\u{1f600}", 27),
        // Its hash is the smallest number there is: it has no positive counterpart.
        ("polygenelubricants", 0),
    ];
    for (group, partition) in known {
        assert_eq!(partition_for(group, 50), partition, "{group}");
    }
}

#[test]
fn committed_offsets_have_kafkas_bytes() {
    let mut world = World::new();
    world.commit("-", "t", 3, 258);
    let record = &world.log[0];
    // Type 1; "g"; "t"; partition 3.
    assert_eq!(hex(&record.key), "0001000167000174".to_owned() + "00000003");
    // Version 4; offset; epoch -1; metadata ""; time; one tagged field: the topic's id.
    let want = format!("0004{:016x}ffffffff01{:016x}010010{}", 258, EPOCH_MS, hex(&[1; 16]));
    assert_eq!(hex(record.value.as_ref().unwrap()), want);
}

#[test]
fn a_commit_with_its_own_retention_is_written_in_the_version_that_has_one() {
    let mut world = World::new();
    let topic = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![OffsetCommitRequestPartition {
            committed_offset: 5,
            committed_metadata: Some("m".into()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: GROUP.into(),
        retention_time_ms: 1_000,
        topics: vec![topic],
        ..Default::default()
    };
    let token = world.token("-", "commit");
    world.turn(|coordinator, turn| coordinator.handle_offset_commit(turn, &request, 2, token));
    let want = format!("0001{:016x}00016d{:016x}{:016x}", 5, EPOCH_MS, EPOCH_MS + 1_000);
    assert_eq!(hex(world.log[0].value.as_ref().unwrap()), want);
    // It ends on time, not after a week.
    world.advance(600_000);
    assert_eq!(world.coordinator.group_view(GROUP), None);
}

#[test]
fn group_metadata_has_kafkas_bytes() {
    let mut world = World::new();
    world.run("0s: join a; 3s: sync a");
    let record = world.log.last().unwrap();
    assert_eq!(hex(&record.key), "0002000167");
    let id = "a-00000000-0000-4000-8000-000000000002";
    let text = |text: &str| format!("{:04x}{}", text.len(), hex(text.as_bytes()));
    let subscription = "0003000000010001".to_owned() + "74" + "ffffffff00000000ffffffffffff";
    let want = [
        "0003".to_owned(),
        text("consumer"),
        "00000001".into(),
        text("range"),
        text(id),
        format!("{:016x}", EPOCH_MS + 3_000),
        "00000001".into(),
        text(id),
        "ffff".into(),
        text("a"),
        text("/127.0.0.1"),
        format!("{:08x}{:08x}", 30_000, 10_000),
        format!("{:08x}{subscription}", subscription.len() / 2),
        format!("{:08x}{}", 5, hex(b"for a")),
    ];
    assert_eq!(hex(record.value.as_ref().unwrap()), want.concat());
}

#[test]
fn foreign_and_broken_records_are_passed_over() {
    let mut coordinator = Coordinator::new(GroupConfig::default());
    let mut replay = |key: &[u8], value: Option<&[u8]>| {
        let value = value.map(Bytes::copy_from_slice);
        match coordinator.replay(&Bytes::copy_from_slice(key), value.as_ref()) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(replay(&[0, 5, 0, 1, b'g', 0, 1, b'm'], None), "ok");
    assert_eq!(replay(&[0], None), "record key is shorter than its type");
    assert_eq!(replay(&[0, 2, 0, 9, b'g'], None), "record of type 2 cannot be read");
    assert_eq!(
        replay(&[0, 2, 0, 1, b'g'], Some(&[0, 9])),
        "value of type 2 has version 9, known are 0 to 4"
    );
    assert_eq!(
        replay(&[0, 2, 0, 1, b'g'], Some(&[0, 3, 0, 0, 0])),
        "record of type 2 cannot be read"
    );
    assert_eq!(
        replay(&[0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 0], Some(&[0, 4, 1])),
        "record of type 1 cannot be read"
    );
}

/// Every cut of every record is refused or understood, never a panic.
#[test]
fn cut_records_never_panic() {
    let mut world = World::new();
    world.run("0s: join a@one b; 6s: sync a b; commit a t-0=1");
    for record in &world.log {
        let value = record.value.as_ref().unwrap();
        for cut in 0..value.len() {
            let mut coordinator = Coordinator::new(GroupConfig::default());
            let _ = coordinator.replay(&record.key, Some(&value.slice(..cut)));
            let mut flipped = value.to_vec();
            flipped[cut] ^= 0xff;
            let _ = coordinator.replay(&record.key, Some(&Bytes::from(flipped)));
        }
        for cut in 0..record.key.len() {
            let mut coordinator = Coordinator::new(GroupConfig::default());
            let _ = coordinator.replay(&record.key.slice(..cut), Some(value));
        }
    }
}

#[test]
fn while_loading_requests_are_put_off() {
    let mut world = World::new();
    world.run("0s: join a; 3s: sync a");
    world.turn(|coordinator, turn| coordinator.unload(turn, ErrorCode::NotCoordinator));
    expect![[r#"
        3s a join: COORDINATOR_LOAD_IN_PROGRESS
        3s a sync: COORDINATOR_LOAD_IN_PROGRESS
        3s a beat: ok
        3s a leave: COORDINATOR_LOAD_IN_PROGRESS []
        3s a commit: COORDINATOR_LOAD_IN_PROGRESS
        3s - fetch: COORDINATOR_LOAD_IN_PROGRESS
        3s - delete: COORDINATOR_LOAD_IN_PROGRESS
    "#]]
    .assert_eq(&world.run("join a; sync a; beat a; leave a; commit a t-0=1; fetch t-0; delete"));
}

#[test]
fn an_unloaded_coordinator_answers_whoever_waits() {
    let mut world = World::new();
    world.run("0s: join a b; 6s: hold; sync a; commit - t-0=1; fetch-stable t-0");
    world.turn(|coordinator, turn| coordinator.unload(turn, ErrorCode::NotCoordinator));
    assert!(world.asked.is_empty(), "still waiting: {:?}", world.asked);
    // The end of a write that is no longer waited for changes nothing.
    world.flush(Ok(()));
}

#[test]
fn fetches_of_old_versions_have_one_group() {
    let request = OffsetFetchRequest {
        group_id: GROUP.into(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: "t".into(),
            partition_indexes: vec![0, 1],
        }]),
        ..Default::default()
    };
    let groups = fetch_groups(request.clone(), 5);
    assert_eq!(groups.len(), 1);
    let loading = crate::wire::generated::offset_fetch_response::OffsetFetchResponseGroup {
        group_id: GROUP.into(),
        error_code: 14,
        ..Default::default()
    };
    let newer = fetch_response(&request, vec![loading.clone()], 5);
    assert_eq!((newer.error_code, newer.topics.len()), (14, 0));
    let oldest = fetch_response(&request, vec![loading], 1);
    let codes = oldest.topics[0].partitions.iter().map(|part| part.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [14, 14]);
}

#[test]
fn leaves_of_old_versions_have_one_error() {
    let mut world = World::new();
    world.run("0s: join a; 3s: sync a");
    for (member_id, want) in [("nobody".to_owned(), 25), (world.consumers["a"].id.clone(), 0)] {
        let request = LeaveGroupRequest { group_id: GROUP.into(), member_id, ..Default::default() };
        let mut out = Vec::new();
        let now = Now { ms: 3_000, wall_ms: EPOCH_MS };
        let mut turn = Turn { now, view: &world.cluster, random: 0, out: &mut out };
        world.coordinator.handle_leave_group(&mut turn, &request, 2, Token(1));
        let reply = out.iter().find_map(|effect| match effect {
            Effect::Reply { response: Response::LeaveGroup(leave), .. } => Some(leave),
            _ => None,
        });
        assert_eq!((reply.unwrap().error_code, reply.unwrap().members.len()), (want, 0));
    }
}

#[test]
fn hostile_joins_stay_within_bounds() {
    let mut world = World::new();
    world.config.groups_max = 2;
    world.config.pending_joins_max = 3;
    world.config.member_bytes_max = 100;
    world.config.group_bytes_max = 150;
    world.crash();
    let mut join = |group: &str, version: i16, bytes: usize, session_timeout_ms: i32| {
        let protocol =
            JoinGroupRequestProtocol { name: "p".into(), metadata: Bytes::from(vec![0; bytes]) };
        let request = JoinGroupRequest {
            group_id: group.into(),
            session_timeout_ms,
            protocol_type: "other".into(),
            protocols: vec![protocol.clone(), protocol],
            ..Default::default()
        };
        let mut out = Vec::new();
        let now = Now { ms: 0, wall_ms: EPOCH_MS };
        let random = world.log.len() as u128 + u128::from(world.now_ms);
        world.now_ms += 1;
        let mut turn = Turn { now, view: &world.cluster, random, out: &mut out };
        let client = Client::default();
        world.coordinator.handle_join_group(&mut turn, &request, version, &client, Token(0));
        let error = out.iter().find_map(|effect| match effect {
            Effect::Reply { response: Response::JoinGroup(join), .. } => Some(join.error_code),
            _ => None,
        });
        error.map(|code| ErrorCode::from_code(code).unwrap())
    };
    assert_eq!(join("", 9, 1, 10_000), Some(ErrorCode::InvalidGroupId));
    assert_eq!(join("x", 9, 1, 5_999), Some(ErrorCode::InvalidSessionTimeout));
    assert_eq!(join("x", 9, 1, 1_800_001), Some(ErrorCode::InvalidSessionTimeout));
    assert_eq!(join("x", 3, 50, 10_000), Some(ErrorCode::InvalidRequest), "100 with both names");
    // The same protocol twice counts once.
    assert_eq!(join("x", 3, 49, 10_000), None);
    assert_eq!(join("x", 3, 49, 10_000), None);
    assert_eq!(join("x", 3, 49, 10_000), None);
    assert_eq!(join("x", 3, 1, 10_000), Some(ErrorCode::GroupMaxSizeReached));
    for _ in 0..3 {
        assert_eq!(join("y", 4, 1, 10_000), Some(ErrorCode::MemberIdRequired));
    }
    assert_eq!(join("y", 4, 1, 10_000), Some(ErrorCode::GroupMaxSizeReached));
    assert_eq!(join("z", 4, 1, 10_000), Some(ErrorCode::GroupMaxSizeReached));
}

#[test]
fn topics_by_id_are_those_of_the_cluster() {
    let mut world = World::new();
    let commit = |id: u8, offset: i64| OffsetCommitRequest {
        group_id: GROUP.into(),
        topics: vec![OffsetCommitRequestTopic {
            topic_id: TopicId([id; 16]),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for id in [1, 9] {
        let token = world.token("-", "commit");
        let request = commit(id, 5);
        world.turn(|coordinator, turn| {
            coordinator.handle_offset_commit(turn, &request, 10, token);
        });
    }
    // Deleted and made again under another id: what was committed is about another topic.
    world.run("fetch t-0");
    world.cluster.topics.insert("t".into(), (TopicId([7; 16]), 4));
    expect!["0s - fetch: t-0=-1\n"].assert_eq(&world.run("fetch t-0"));
    world.turn(|coordinator, turn| {
        coordinator.on_topics_deleted(turn, &[(Arc::from("t"), TopicId([1; 16]))]);
    });
    assert_eq!(world.log.last().unwrap().value, None);
    assert_eq!(world.coordinator.group_view(GROUP), None);
}

#[test]
fn groups_are_listed_and_described_as_kafka_prints_them() {
    let mut world = World::new();
    world.run("0s: commit - t-0=1; join a; 3s: sync a");
    let list = |world: &World, states: &[&str], types: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let groups = world.coordinator.list_groups(&own(states), &own(types)).unwrap();
        let lines = groups.iter().map(|group| {
            let (kind, state) = (&group.group_type, &group.group_state);
            format!("{} {} {state} {kind}", group.group_id, group.protocol_type)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(list(&world, &[], &[]), "g consumer Stable classic");
    assert_eq!(list(&world, &["stable"], &["Classic"]), "g consumer Stable classic");
    assert_eq!(list(&world, &["Empty"], &[]), "");
    assert_eq!(list(&world, &[], &["share"]), "");
    let described = world.coordinator.describe_group(GROUP, 6);
    assert_eq!(
        (described.group_state.as_str(), described.protocol_data.as_str()),
        ("Stable", "range")
    );
    assert_eq!(described.members[0].member_assignment, Bytes::from("for a"));
    assert_eq!(described.members[0].client_host, "/127.0.0.1");
    let (old, new) =
        (world.coordinator.describe_group("x", 5), world.coordinator.describe_group("x", 6));
    assert_eq!((old.group_state.as_str(), old.error_code), ("Dead", 0));
    assert_eq!((new.group_state.as_str(), new.error_code), ("Dead", 69));
}

/// Kafka's own logs can hold the tombstone of a group behind an offset that stays.
#[test]
fn a_group_with_offsets_outlives_its_tombstone() {
    let mut world = World::new();
    world.run("0s: join a; 3s: sync a; commit a t-0=1");
    let key = world.log[0].key.clone();
    world.log.push(Record { key, value: None });
    expect![[r#"
        3s Empty generation 0 []
        3s - fetch: t-0=1
        3s - delete: ok
        3s no group
    "#]]
    .assert_eq(&world.run("crash; show; fetch t-0; delete; crash; show"));
}

/// A subscription of every version, whole and cut at every byte.
#[test]
fn subscriptions_are_read_as_far_as_they_go() {
    let mut world = World::new();
    for version in 0..=5 {
        world.consumer("a:t,u+t0,t1");
        world.consumers.get_mut("a").unwrap().version = version.min(3);
        let mut bytes = super::world::subscription(&world.consumers["a"]).to_vec();
        bytes[1] = version as u8;
        let whole = Bytes::from(bytes);
        let read = Subscription::read(&whole).unwrap();
        assert_eq!(names(&read.topics).collect::<Vec<_>>(), ["t", "u"]);
        assert_eq!(read.owned.len(), if version == 0 { 0 } else { 2 });
        for cut in 0..whole.len() {
            assert!(Subscription::read(&whole.slice(..cut)).is_err());
        }
    }
    // More topics than there are bytes, and a name of negative length.
    assert!(read_topics(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff\0\x01t")).is_err());
    assert!(read_topics(&Bytes::from_static(b"\0\0\0\0\0\x01\xff\xfft")).is_err());
}

#[test]
fn limits_come_from_the_settings_by_kafkas_names() {
    let values = [
        ("group.initial.rebalance.delay.ms", "7"),
        ("group.max.size", "5"),
        ("offsets.retention.minutes", "2"),
        ("offsets.retention.check.interval.ms", "9"),
        ("offset.metadata.max.bytes", "11"),
    ];
    let fixed = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let values = crate::config::BrokerValues::new(fixed.into_iter().collect()).unwrap();
    let broker = crate::config::BrokerConfig::new(values, "here").unwrap();
    let config = GroupConfig::new(&broker);
    assert_eq!((config.initial_rebalance_delay_ms, config.members_max), (7, 5));
    assert_eq!((config.offsets_retention_ms, config.cleanup_interval_ms), (120_000, 9));
    assert_eq!(config.offset_metadata_max, 11);
    assert_eq!((config.session_timeout_ms_min, config.session_timeout_ms_max), (6_000, 1_800_000));
}
