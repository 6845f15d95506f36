//! The state machine: refusals in Kafka's words, and properties over random histories.
//!
//! Owns: [`World`], an image with the entries that led to it.
mod adopt;
mod directories;
mod format;
mod history;
mod ordered;
mod plugins;
mod refusals;
mod supplies;

use super::*;
use crate::config::{BrokerConfig, load};
use crate::model::{ErrorCode, NodeId, TopicId};

/// A broker's configuration with these arguments.
pub fn config(arguments: &[&str]) -> BrokerConfig {
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    load(None, &arguments, "host").unwrap().config
}

/// An image and its whole history.
pub struct World {
    pub config: BrokerConfig,
    pub image: Image,
    pub entries: Vec<Entry>,
}

impl World {
    /// One broker with two shards, as after its first start.
    pub fn new(arguments: &[&str]) -> Self {
        let config = config(arguments);
        let mut world = Self { config, image: Image::empty(), entries: Vec::new() };
        world.run(Command::FormCluster { cluster_id: new_id(1, 1) });
        let endpoint =
            BrokerEndpoint { listener: "PLAINTEXT".into(), host: "127.0.0.1".into(), port: 9092 };
        let register =
            world.plan().register_broker(new_id(1, 2), new_id(1, 3), Vec::new(), vec![endpoint]);
        world.run(register);
        let place = world.plan().place(2).unwrap();
        world.run(place);
        world
    }

    pub fn plan(&self) -> Planner<'_> {
        Planner::new(&self.image, &self.config)
    }

    #[track_caller]
    pub fn run(&mut self, command: Command) {
        self.try_run(command).unwrap();
    }

    pub fn try_run(&mut self, command: Command) -> Result<(), ApplyError> {
        let index = self.image.version() + 1;
        let at_ms = 1_700_000_000_000 + i64::try_from(index).unwrap();
        let entry = Entry { index, term: 1, at_ms, command };
        self.image = self.image.apply(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    #[track_caller]
    pub fn create(&mut self, new: &NewTopic) -> TopicId {
        let id = new_id(7, self.image.version());
        let seed = self.plan().create_topic(new, id).unwrap();
        self.run(Command::CreateTopic(seed));
        id
    }

    /// Refusal of a topic, as `code: message`.
    #[track_caller]
    pub fn refusal(&self, new: &NewTopic) -> String {
        told(self.plan().create_topic(new, new_id(8, 8)))
    }

    #[track_caller]
    pub fn alter(&mut self, target: ConfigTarget<'_>, changes: &[(&str, &str)]) {
        let changes = sets(changes);
        if let Some(command) = self.plan().alter_configs(target, &changes).unwrap() {
            self.run(command);
        }
    }

    /// Registers and activates a version.
    #[track_caller]
    pub fn plugin(&mut self, name: &str, version: &str, kind: PluginKind) {
        let command = self.plan().register_plugin(&seed(name, version, kind)).unwrap();
        self.run(command);
        let command = self.plan().activate_plugin(name, version).unwrap();
        self.run(command);
    }
}

/// A refusal as `CODE: message`.
#[track_caller]
pub fn told<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    let refusal = result.unwrap_err();
    format!("{}: {}", refusal.code.kafka_name(), refusal.message)
}

pub fn topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic { partitions, ..NewTopic::with_defaults(name) }
}

pub fn with_configs(name: &str, configs: &[(&str, &str)]) -> NewTopic {
    let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned())));
    NewTopic { configs: configs.collect(), ..NewTopic::with_defaults(name) }
}

pub fn sets(changes: &[(&str, &str)]) -> Vec<Change> {
    changes.iter().map(|(k, v)| ((*k).to_owned(), 0, Some((*v).to_owned()))).collect()
}

pub fn seed(name: &str, version: &str, kind: PluginKind) -> PluginSeed {
    PluginSeed {
        name: name.to_owned(),
        version: version.to_owned(),
        kind,
        digest: "ab".repeat(32),
        wit: "0.1.0-dev".to_owned(),
        bytes: 100,
        who: "me".to_owned(),
    }
}

pub fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId(*id)).collect()
}

#[test]
fn what_one_command_changes_can_be_looked_up() {
    let mut world = World::new(&[]);
    let id = world.create(&topic("flights", 3));
    let image = &world.image;
    let flights = image.topic("flights").unwrap();
    assert_eq!(flights.id, id);
    assert_eq!(image.topic_by_id(id).unwrap().name.as_ref(), "flights");
    let shards: Vec<u16> = (0..3).map(|index| image.placement(id, index).unwrap().0).collect();
    assert_eq!(shards, [0, 1, 0]);
    let first = flights.partition(0).unwrap();
    assert_eq!((first.leader, first.leader_epoch.0, first.partition_epoch), (NodeId(1), 0, 0));
    assert_eq!((&*first.replicas, &*first.isr), (&[NodeId(1)][..], &[NodeId(1)][..]));
    for beyond in [-1, 3, i32::MAX, i32::MIN] {
        assert!(flights.partition(beyond).is_none());
        assert!(image.placement(id, beyond).is_none());
    }
    assert_eq!((image.version(), image.partition_count()), (4, 3));
    assert_eq!(image.broker(NodeId(1)).unwrap().epoch, 2);

    let delete = world.plan().delete_topic(TopicRef::Id(id)).unwrap();
    world.run(delete);
    assert!(world.image.topic("flights").is_none() && world.image.topic_by_id(id).is_none());
}

#[test]
fn topics_are_listed_by_name_from_any_name_on() {
    let mut world = World::new(&[]);
    for name in ["b", "d", "a", "c"] {
        world.create(&topic(name, 1));
    }
    let names = |from: &str| -> Vec<String> {
        world.image.topics_from(from).map(|topic| topic.name.to_string()).collect()
    };
    assert_eq!(names(""), ["a", "b", "c", "d"]);
    assert_eq!(names("b"), ["b", "c", "d"]);
    assert_eq!(names("bb"), ["c", "d"]);
    assert_eq!(names("e"), Vec::<String>::new());
}

#[test]
fn an_unclean_start_bumps_every_leader_epoch_of_that_node() {
    let mut world = World::new(&[]);
    let id = world.create(&topic("t", 2));
    world.run(Command::BumpLeaderEpochs { node: NodeId(1) });
    world.run(Command::BumpLeaderEpochs { node: NodeId(2) });
    let epochs = |world: &World| -> Vec<(i32, i32)> {
        let topic = world.image.topic_by_id(id).unwrap();
        topic.partitions.iter().map(|p| (p.leader_epoch.0, p.partition_epoch)).collect()
    };
    assert_eq!(epochs(&world), [(1, 1), (1, 1)]);
    let more = world.plan().create_partitions("t", 3, None).unwrap();
    world.run(more);
    assert_eq!(epochs(&world), [(1, 1), (1, 1), (0, 0)]);
}

#[test]
fn an_entry_that_is_not_the_next_one_is_refused() {
    let world = World::new(&[]);
    let version = world.image.version();
    let command = Command::BumpLeaderEpochs { node: NodeId(1) };
    for (index, term) in [(version, 1), (version + 2, 1), (version + 1, 0)] {
        let entry = Entry { index, term, at_ms: 0, command: command.clone() };
        assert!(matches!(world.image.apply(&entry), Err(ApplyError::Gap { .. })));
    }
    let entry = Entry { index: version + 1, term: 2, at_ms: 0, command };
    assert_eq!(world.image.skip(&entry).unwrap().version(), version + 1);
}

#[test]
fn run_time_settings_reach_topics_that_set_nothing() {
    let mut world = World::new(&["message.max.bytes=2000000"]);
    world.alter(ConfigTarget::Broker(""), &[("message.max.bytes", "3000000")]);
    let read = |world: &World| {
        let own = crate::config::Overrides::new();
        crate::config::TopicSettings::effective(world.plan().values(), &own).message_bytes_max
    };
    assert_eq!(read(&world), 3_000_000);
    world.alter(ConfigTarget::Broker("1"), &[("message.max.bytes", "4000000")]);
    assert_eq!(read(&world), 4_000_000);
}

#[test]
fn every_error_of_applying_has_a_code() {
    let mut world = World::new(&[]);
    let id = world.create(&topic("t", 1));
    let again = TopicSeed {
        name: "t".into(),
        id: new_id(9, 9),
        partitions: Vec::new(),
        configs: crate::config::Overrides::new(),
    };
    let exists = world.try_run(Command::CreateTopic(again.clone())).unwrap_err();
    assert_eq!(ErrorCode::from(&exists), ErrorCode::TopicAlreadyExists);
    let same_id = TopicSeed { name: "u".into(), id, ..again };
    let taken = world.try_run(Command::CreateTopic(same_id)).unwrap_err();
    assert_eq!(taken, ApplyError::TopicIdExists(id));
    let gone = world.try_run(Command::DeleteTopic { id: new_id(3, 3) }).unwrap_err();
    assert_eq!(ErrorCode::from(&gone), ErrorCode::UnknownTopicId);
    let formed = world.try_run(Command::FormCluster { cluster_id: id }).unwrap_err();
    assert_eq!(ErrorCode::from(&formed), ErrorCode::UnknownServerError);
}
