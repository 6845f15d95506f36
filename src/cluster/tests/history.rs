//! Properties of whole histories: random requests, planned and applied.
use super::{
    BindRequest, Change, Command, ConfigTarget, Image, NewTopic, PluginKind, TopicRef, World,
    new_id, seed, topic,
};
use crate::base::Rng;
use crate::config::parse_plugin_ref;
use crate::model::{NodeId, ProducerId};

const TOPICS: [&str; 8] = ["a", "b", "c.d", "c_d", "e", "f-g", "__consumer_offsets", "h"];
const PLUGINS: [&str; 4] = ["p1", "p2", "w1", "c1"];

fn pick<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words[usize::try_from(rng.below(words.len() as u64)).unwrap()]
}

/// The command of one random request; most requests are refused.
fn random_command(world: &World, rng: &mut Rng) -> Option<Command> {
    let plan = world.plan();
    let name = pick(rng, &TOPICS);
    let plugin = pick(rng, &PLUGINS);
    let version = pick(rng, &["1", "2", "3"]);
    match rng.below(16) {
        0..=2 => {
            let partitions = i32::try_from(rng.below(6)).unwrap();
            let new = NewTopic { configs: random_configs(rng), ..topic(name, partitions) };
            let seed = plan.create_topic(&new, new_id(rng.next_u64(), rng.next_u64()));
            seed.map(Command::CreateTopic).ok()
        }
        3 => plan.delete_topic(TopicRef::Name(name)).ok(),
        4 => plan.create_partitions(name, i32::try_from(rng.below(9)).unwrap(), None).ok(),
        5 | 6 => plan.alter_configs(random_target(rng, name), &random_changes(rng)).ok()?,
        7 => plan.place(u16::try_from(1 + rng.below(4)).unwrap()),
        8 => Some(plan.allocate_producer_ids(ProducerId(i64::try_from(rng.below(50)).unwrap()))),
        9 => Some(Command::BumpLeaderEpochs { node: NodeId(1) }),
        10 => {
            let kind = match plugin.as_bytes()[0] {
                b'p' => PluginKind::Partitioner,
                b'w' => PluginKind::Assignor,
                _ => PluginKind::CompactionPolicy,
            };
            plan.register_plugin(&seed(plugin, version, kind)).ok()
        }
        11 => plan.activate_plugin(plugin, version).ok(),
        12 => plan.rollback_plugin(plugin).or_else(|_| plan.deactivate_plugin(plugin)).ok(),
        13 => plan.remove_plugin(plugin, version).ok(),
        14 => plan.pause_plugin(plugin, rng.chance(500)).ok(),
        _ => {
            let request = BindRequest {
                plugin: parse_plugin_ref(plugin).unwrap(),
                target: random_target(rng, name),
                mode: None,
                failure_policy: None,
                settings: &[],
            };
            plan.bind(&request).ok()?
        }
    }
}

fn random_target<'a>(rng: &mut Rng, name: &'a str) -> ConfigTarget<'a> {
    match rng.below(4) {
        0 => ConfigTarget::Group(name),
        1 => ConfigTarget::Broker(""),
        _ => ConfigTarget::Topic(name),
    }
}

fn random_configs(rng: &mut Rng) -> Vec<(String, Option<String>)> {
    let rows = [
        ("cleanup.policy", "compact"),
        ("partitioner.plugin", "p1"),
        ("partitioner.plugin", "p2@2"),
        ("compaction.policy.plugin", "c1"),
        ("retention.ms", "77"),
    ];
    let chosen = rows.iter().filter(|_| rng.chance(300));
    chosen.map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
}

fn random_changes(rng: &mut Rng) -> Vec<Change> {
    let rows = [
        ("partitioner.plugin", "p1"),
        ("cleanup.policy", "compact"),
        ("assignor.plugin", "w1"),
        ("message.max.bytes", "123456"),
        ("segment.bytes", "2000000"),
    ];
    let (name, value) = rows[usize::try_from(rng.below(5)).unwrap()];
    let code = i8::try_from(rng.below(3)).unwrap();
    vec![(name.to_owned(), code, Some(value.to_owned()))]
}

/// A world after that many attempts.
pub fn random_world(rng: &mut Rng, attempts: usize) -> World {
    let mut world = World::new(&[]);
    for _ in 0..attempts {
        if let Some(command) = random_command(&world, rng) {
            world.run(command);
        }
    }
    world
}

#[test]
fn a_planned_command_can_be_applied_and_a_replay_gives_the_same_image() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let world = random_world(&mut Rng::new(seed), 150);
        let mut image = Image::empty();
        for entry in &world.entries {
            image = image.apply(entry).unwrap();
            let json = serde_json::to_value(&entry.command).unwrap();
            kinds.insert(json.as_object().unwrap().keys().next().unwrap().clone());
        }
        assert_eq!(image, world.image, "seed {seed}");
    }
    assert!(15 <= kinds.len(), "only {kinds:?} happened");
}

#[test]
fn a_snapshot_and_the_entries_behind_it_give_the_same_image() {
    for seed in 0..30 {
        let mut rng = Rng::new(1_000 + seed);
        let world = random_world(&mut rng, 120);
        let cut = usize::try_from(rng.below(1 + world.entries.len() as u64)).unwrap();
        let replay = |image: Image, entries: &[super::Entry]| {
            entries.iter().fold(image, |image, entry| image.apply(entry).unwrap())
        };
        let early = replay(Image::empty(), &world.entries[..cut]);
        // Equality covers bindings and loads, which a snapshot does not hold.
        let loaded = Image::from_snapshot(&early.to_snapshot()).unwrap();
        assert_eq!(loaded, early, "seed {seed}");
        assert_eq!(replay(loaded, &world.entries[cut..]), world.image, "seed {seed}");
    }
}

#[test]
fn changes_since_an_older_image_lead_to_the_newer_one() {
    for seed in 0..30 {
        let mut rng = Rng::new(2_000 + seed);
        let world = random_world(&mut rng, 120);
        let mut images = vec![Image::empty()];
        for entry in &world.entries {
            images.push(images.last().unwrap().apply(entry).unwrap());
        }
        for (at, now) in images.iter().enumerate() {
            let before = &images[usize::try_from(rng.below(1 + at as u64)).unwrap()];
            let changes = now.topic_changes(before);
            let mut topics: Vec<_> = before.topics().cloned().collect();
            let is_old = |id| changes.gone.iter().chain(&changes.changed).any(|t| t.id == id);
            topics.retain(|topic| !is_old(topic.id));
            topics.extend(changes.changed.iter().cloned());
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            assert!(topics.iter().eq(now.topics()), "seed {seed}");
        }
    }
}

#[test]
fn what_did_not_change_costs_nothing() {
    let mut world = World::new(&[]);
    for at in 0..1_000 {
        world.create(&topic(&format!("t{at}"), 1));
    }
    let before = world.image.clone();
    assert_eq!(world.image.topic_changes(&before), super::TopicChanges::default());
    world.alter(ConfigTarget::Topic("t77"), &[("retention.ms", "5")]);
    let changes = world.image.topic_changes(&before);
    let names: Vec<&str> = changes.changed.iter().map(|topic| topic.name.as_ref()).collect();
    assert_eq!((names, changes.gone.len()), (vec!["t77"], 0));
}

#[test]
fn a_refused_command_leaves_the_image_alone() {
    let mut rng = Rng::new(9);
    let mut world = random_world(&mut rng, 100);
    let other = random_world(&mut rng, 100);
    for entry in other.entries {
        let before = world.image.clone();
        if world.try_run(entry.command).is_err() {
            assert_eq!(world.image, before);
        }
    }
}
