//! Log directories of new partitions, and what their failures do to leaders.
use super::*;
use crate::model::DirectoryId;

const A: DirectoryId = TopicId([0xa; 16]);
const B: DirectoryId = TopicId([0xb; 16]);
const C: DirectoryId = TopicId([0xc; 16]);

fn dirs(named: &[(DirectoryId, &str)]) -> Vec<LogDirSeed> {
    named.iter().map(|(id, name)| LogDirSeed { id: *id, name: (*name).to_owned() }).collect()
}

fn register(world: &mut World, named: &[(DirectoryId, &str)]) {
    let command = world.plan().register_broker(new_id(1, 2), A, dirs(named), Vec::new());
    world.run(command);
}

/// A broker with three log directories.
fn three() -> World {
    let mut world = World::new(&["log.dirs=/a,/b,/c"]);
    register(&mut world, &[(A, "/a"), (B, "/b"), (C, "/c")]);
    world
}

fn loads(world: &World) -> [u32; 3] {
    [A, B, C].map(|id| world.image.dir_load(id))
}

fn leaders(world: &World, name: &str) -> Vec<(bool, i32)> {
    let topic = world.image.topic(name).unwrap();
    let leads = |one: &PartitionImage| world.image.leader_of(one).is_some();
    topic.partitions.iter().map(|one| (leads(one), one.leader_epoch.0)).collect()
}

#[test]
fn new_partitions_go_where_the_fewest_are() {
    let mut world = three();
    world.create(&topic("x", 7));
    assert_eq!(loads(&world), [3, 2, 2]);
    world.create(&topic("y", 1));
    assert_eq!(loads(&world), [3, 3, 2]);
    let command = world.plan().create_partitions("y", 3, None).unwrap();
    world.run(command);
    assert_eq!(loads(&world), [4, 3, 3]);
    let command = world.plan().delete_topic(TopicRef::Name("x")).unwrap();
    world.run(command);
    assert_eq!(loads(&world), [1, 1, 1]);
    // What is there counts again after a snapshot.
    let again = Image::from_snapshot(&world.image.to_snapshot()).unwrap();
    assert_eq!(again, world.image);
    assert_eq!(again.dir_load(B), 1);
}

#[test]
fn cordoned_directories_get_nothing_new() {
    let mut world = three();
    world.alter(ConfigTarget::Broker("1"), &[("cordoned.log.dirs", "/a,/c")]);
    world.create(&topic("x", 4));
    assert_eq!(loads(&world), [0, 4, 0]);
    world.alter(ConfigTarget::Broker("1"), &[("cordoned.log.dirs", "*")]);
    let all = "INVALID_REPLICATION_FACTOR: Unable to replicate the partition 1 time(s): All \
               brokers are currently fenced, or have all their log directories cordoned.";
    assert_eq!(world.refusal(&topic("y", 1)), all);
    assert_eq!(told(world.plan().create_partitions("x", 5, None)), all);
    let manual =
        NewTopic { assignments: vec![(0, vec![NodeId(1)])], ..NewTopic::with_defaults("z") };
    assert_eq!(world.refusal(&manual), all);
    let unknown = world
        .plan()
        .alter_configs(ConfigTarget::Broker("1"), &sets(&[("cordoned.log.dirs", "/b,/d")]));
    let missing = "INVALID_REQUEST: All entries in cordoned.log.dirs must be present in log.dirs \
                   or log.dir. Missing entries : /d";
    assert_eq!(told(unknown), missing);
}

#[test]
fn a_directory_that_fails_takes_its_leaders_along_until_it_is_back() {
    let mut world = three();
    world.create(&topic("x", 3));
    let command = world.plan().fail_log_dirs(&[B, new_id(9, 9)]).unwrap();
    world.run(command);
    assert_eq!(leaders(&world, "x"), [(true, 0), (false, 1), (true, 0)]);
    let lost = world.image.topic("x").unwrap().partition(1).unwrap();
    assert_eq!(world.image.offline_replicas(lost), [NodeId(1)]);
    assert!(world.plan().fail_log_dirs(&[B]).is_none(), "that is known");
    world.create(&topic("y", 2));
    assert_eq!(loads(&world), [2, 1, 2], "nothing new in the one that failed");
    // The next start still lacks it, the one after has it.
    register(&mut world, &[(A, "/a"), (C, "/c")]);
    assert_eq!(leaders(&world, "x"), [(true, 0), (false, 1), (true, 0)]);
    register(&mut world, &[(C, "/c"), (B, "/b"), (A, "/a")]);
    assert_eq!(leaders(&world, "x"), [(true, 0), (true, 2), (true, 0)]);
}

#[test]
fn a_partition_found_elsewhere_is_assigned_there_and_those_of_an_older_version_get_a_directory() {
    let mut world = World::new(&["log.dirs=/a,/b"]);
    let id = world.create(&topic("x", 4));
    assert_eq!(world.image.dir_load(A), 0, "this broker said nothing of directories");
    register(&mut world, &[(A, "/a"), (B, "/b")]);
    let found = [((id, 1), B), ((id, 3), B)].into();
    let command = world.plan().assign_directories(&found).unwrap();
    world.run(command);
    let known = |world: &World| {
        let topic = world.image.topic("x").unwrap();
        topic.partitions.iter().map(|one| one.directory_on(NodeId(1))).collect::<Vec<_>>()
    };
    assert_eq!(known(&world), [A, B, B, B]);
    assert!(world.plan().assign_directories(&[((id, 1), B)].into()).is_none());
    // From one that failed to one that works: it has a leader again.
    let command = world.plan().fail_log_dirs(&[B]).unwrap();
    world.run(command);
    let command = world.plan().assign_directories(&[((id, 3), A)].into()).unwrap();
    world.run(command);
    assert_eq!(leaders(&world, "x"), [(true, 0), (false, 1), (false, 1), (true, 2)]);
}
